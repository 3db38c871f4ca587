"""quantwiz beside llama.cpp, on the same files and threads, in the same minute.

    tests/clients/fetch build/clients                   (once)
    CLIENTS_DIR=build/clients QUANTWIZ=build/quantwiz build/clients/venv/bin/python tests/bench/beside_llama.py \\
        quantize MODEL.gguf [--levels Q4_K_M,Q2_K] [--kld TEXT --chunks 24]
        eval MODEL.gguf TEXT [--levels F16,Q4_K_M] [--chunks 12]

quantize: wall and processor seconds of both (the best of --repeat, taken in turn), quantwiz's private memory at its
peak, the sizes, and with --kld both files' mean divergence from MODEL as quantwiz measures it; --keep leaves the
files. eval: prefill tokens/s and perplexity of both. Figures of one line belong together; between lines the
machine may have changed its mood: quote the ratios."""
import argparse
import json
import pathlib
import resource
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "clients"))
from outcomes import quantwiz  # noqa: E402

LEVELS = "Q8_0,Q6_K,Q5_K_M,Q5_K_S,Q5_0,Q5_1,Q4_K_M,Q4_K_S,Q4_0,Q4_1,IQ4_NL,IQ4_XS,Q3_K_L,Q3_K_M,Q3_K_S,Q2_K"


def in_own_process(code, *arguments):
    """Runs a line of Python with `llama` imported, so that each timing starts with a fresh library."""
    here = pathlib.Path(__file__).resolve().parents[1] / "clients"
    program = "import sys, time, json; sys.path.insert(0, %r); import llama\n%s" % (str(here), code)
    run = subprocess.run([sys.executable, "-c", program, *map(str, arguments)], capture_output=True, text=True)
    if run.returncode:
        sys.exit(run.stderr)
    return json.loads(run.stdout.splitlines()[-1])


THEIRS = """
wall, cpu = time.time(), time.process_time()
llama.quantize(*sys.argv[1:4])
print(json.dumps([time.time() - wall, time.process_time() - cpu]))
"""


def children_seconds():
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def quantize_timed(source, out, level):
    """Wall and processor seconds, and bytes of private memory."""
    out.unlink(missing_ok=True)
    wall, cpu = time.time(), children_seconds()
    made = quantwiz("quantize", source, out, level)
    return time.time() - wall, children_seconds() - cpu, made["peak_private_bytes"]


def divergence(path, a):
    return quantwiz("eval", path, "--base", a.model, "-f", a.kld, "--chunks", a.chunks, "--max-loss",
                    "1000%")["kld_mean"]


def bench_level(level, ours, theirs, a):
    mine, other = [], []
    for _ in range(a.repeat):
        mine.append(quantize_timed(a.model, ours, level))
        other.append(in_own_process(THEIRS, a.model, theirs, level))
    (wall, cpu, private), (wall2, cpu2) = map(min, zip(*mine)), map(min, zip(*other))
    line = "%-8s %7.2f %7.2f %5.1f  %7.2f %7.2f %5.1f  %7.1f  %11d %11d" % (
        level, wall, wall2, wall2 / wall, cpu, cpu2, cpu2 / cpu, private / 2**20, ours.stat().st_size,
        theirs.stat().st_size)
    if a.kld:
        k = divergence(ours, a), divergence(theirs, a)
        line += "  %10.3g %10.3g %6.3f" % (*k, k[0] / k[1])
    print(line, flush=True)


def bench_quantize(a):
    work = pathlib.Path(tempfile.mkdtemp(dir=a.work))
    print("%-8s %7s %7s %5s  %7s %7s %5s  %7s  %11s %11s%s" % (
        "level", "ours s", "llama s", "ratio", "ours", "llama", "ratio", "private", "bytes", "llama bytes",
        "    KLD ours  KLD llama  ratio" if a.kld else ""))
    print("%-8s %21s  %21s  %7s" % ("", "wall", "processor", "MiB"))
    for level in a.levels.split(","):
        ours, theirs = work / ("ours-%s.gguf" % level), work / ("llama-%s.gguf" % level)
        bench_level(level, ours, theirs, a)
        if not a.keep:
            ours.unlink()
            theirs.unlink()
    print("kept in %s" % work) if a.keep else work.rmdir()


SPEED = """
import numpy as np
m = llama.Model(sys.argv[1])
nll, spent, n = [], 0.0, 0
for ids, target in m.chunks(open(sys.argv[2], encoding="utf-8").read(), int(sys.argv[3])):
    m.clear()
    t = time.time()
    m.decode(ids, want=range(256, 511))
    spent += time.time() - t
    n += len(ids)
    for i, y in enumerate(target):
        x = m.logits(256 + i)
        nll.append(np.log(np.exp(x - x.max()).sum()) + x.max() - x[y])
print(json.dumps([n / spent, float(np.exp(np.mean(nll)))]))
"""


def bench_eval(a):
    work = pathlib.Path(tempfile.mkdtemp(dir=a.work))
    print("%-8s %9s %9s %6s %10s %10s" % ("level", "ours t/s", "llama t/s", "ratio", "ours ppl", "llama ppl"))
    for level in a.levels.split(","):
        path = work / (level + ".gguf")
        quantwiz("quantize", a.model, path, level)
        best = [0, 0]
        for _ in range(a.repeat):
            ours = quantwiz("eval", path, "-f", a.text, "--chunks", a.chunks)
            theirs = in_own_process(SPEED, path, a.text, a.chunks)
            best = [max(best[0], ours["prefill_tokens_per_s"]), max(best[1], theirs[0])]
        print("%-8s %9.0f %9.0f %6.2f %10.4f %10.4f" % (level, *best, best[0] / best[1], ours["ppl"], theirs[1]), flush=True)
        path.unlink()
    work.rmdir()


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--work", default=None, help="a folder for the files made (default: the system's temporary one)")
    p.add_argument("--repeat", type=int, default=1)
    sub = p.add_subparsers(dest="command", required=True)
    q = sub.add_parser("quantize")
    q.add_argument("model")
    q.add_argument("--levels", default=LEVELS)
    q.add_argument("--kld")
    q.add_argument("--chunks", type=int, default=24)
    q.add_argument("--keep", action="store_true")
    q.set_defaults(bench=bench_quantize)
    e = sub.add_parser("eval")
    e.add_argument("model")
    e.add_argument("text")
    e.add_argument("--levels", default="F16,Q8_0,Q4_K_M,Q2_K")
    e.add_argument("--chunks", type=int, default=12)
    e.set_defaults(bench=bench_eval)
    a = p.parse_args()
    a.bench(a)


main()
