"""Error feedback beside llama.cpp's importance, by the same text: time, memory, size and divergence.

    tests/clients/fetch build/clients                   (once)
    CLIENTS_DIR=build/clients QUANTWIZ=build/quantwiz build/clients/venv/bin/python tests/bench/calibrate.py \\
        MODEL.gguf TEXT [--levels Q4_0,Q4_K_M,Q3_K_M,Q2_K] [--samples 64] [--sample-length 512]
        [--eval TEXT] [--chunks 20]

A line per level: seconds and private memory of quantwiz's feedback, seconds of importance (quantwiz imatrix) with
llama.cpp's quantizer, both files' sizes and mean divergence from MODEL on the evaluation's text, and their ratio."""
import argparse
import pathlib
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "clients"))
import llama  # noqa: E402
from outcomes import quantwiz  # noqa: E402


def divergence(path, a):
    return quantwiz("eval", path, "--base", a.model, "-f", a.eval or a.text, "--chunks", a.chunks, "--max-loss",
                    "1000%")["kld_mean"]


def bench_level(level, folder, importance, a):
    ours, theirs = folder / "ours.gguf", folder / "theirs.gguf"
    made = quantwiz("quantize", a.model, ours, level, "--calibration", a.text, "--samples", a.samples,
                    "--sample-length", a.sample_length)
    started = time.time()
    llama.quantize(a.model, theirs, level, imatrix=importance)
    seconds = time.time() - started
    k = divergence(ours, a), divergence(theirs, a)
    print("%-8s %8.1f %8.0f  %8.1f  %11d %11d  %10.3g %10.3g %6.3f" % (
        level, made["seconds"], made["peak_private_bytes"] / 2**20, seconds, ours.stat().st_size,
        theirs.stat().st_size, *k, k[0] / k[1]), flush=True)


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("model")
    p.add_argument("text")
    p.add_argument("--levels", default="Q4_0,Q4_K_M,Q3_K_M,Q2_K")
    p.add_argument("--samples", type=int, default=64)
    p.add_argument("--sample-length", type=int, default=512)
    p.add_argument("--eval")
    p.add_argument("--chunks", type=int, default=20)
    a = p.parse_args()
    if llama.lib is None:
        sys.exit("llama.cpp is not in CLIENTS_DIR")
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        importance, started = folder / "importance.gguf", time.time()
        quantwiz("imatrix", a.model, "-f", a.text, "-o", importance, "--chunks", a.samples, "-c", a.sample_length)
        print("importance: %.1f s" % (time.time() - started))
        print("level     seconds      MiB  llama.cpp        bytes   llama.cpp  divergence  llama.cpp  ratio")
        for level in a.levels.split(","):
            bench_level(level, folder, importance, a)


main()
