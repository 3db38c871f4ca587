"""GPTQ and AWQ beside GPTQModel: the same folder, text, samples and group, on this machine's CPU.

    QUANTWIZ=build/quantwiz python3 tests/bench/beside_gptqmodel.py FOLDER TEXT EVALUATE [--samples 128] [--group 64]
        [--python PYTHON] [--methods gptq,awq] [--work FOLDER] [--chunks 20]

PYTHON has gptqmodel (../shared/peers/hf_peer.py says how); without it, or with --alone, only ours is made. Prints a line for
each method and program: seconds, peak of resident memory, mean divergence from the original on EVALUATE."""
import argparse
import json
import os
import pathlib
import shutil
import subprocess
import sys
import time

TOP = pathlib.Path(__file__).resolve().parents[2]
PEER = TOP.parent / "shared/peers/hf_peer.py"
LEVELS = {"gptq": "gptq-int4-g%d", "awq": "awq-int4-g%d"}


def timed(command):
    """Seconds and peak bytes of a command, which must succeed."""
    started = time.monotonic()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    messages = process.stderr.read()
    _, status, usage = os.wait4(process.pid, 0)
    if os.waitstatus_to_exitcode(status):
        sys.exit("%s\n%s" % (" ".join(map(str, command)), messages.decode(errors="replace")[-2000:]))
    return time.monotonic() - started, usage.ru_maxrss * 1024


def divergence(a, out):
    command = [a.quantwiz, "eval", out, "--base", a.folder, "-f", a.evaluate, "--chunks", str(a.chunks),
               "--max-loss", "1000%", "--json"]
    return json.loads(subprocess.run(command, check=True, capture_output=True).stdout)["kld_mean"]


def ours(a, method, out):
    return [a.quantwiz, "quantize", a.folder, out, LEVELS[method] % a.group, "--calibration", a.text, "--samples",
            str(a.samples), "--sample-length", "512"]


def theirs(a, method, out):
    return [a.python, PEER, method, a.folder, out, "--calib", a.text, "--samples", str(a.samples), "--len", "512",
            "--group", str(a.group)]


def measure(a, name, method, command):
    out = a.work / ("%s-%s" % (name, method))
    shutil.rmtree(out, ignore_errors=True)
    seconds, peak = timed(command(a, method, out))
    print("%-4s %-10s %8.1f s %8.0f MiB  divergence %.5f" % (method, name, seconds, peak / 2**20, divergence(a, out)),
          flush=True)
    shutil.rmtree(out)


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("folder")
    p.add_argument("text")
    p.add_argument("evaluate")
    p.add_argument("--samples", type=int, default=128)
    p.add_argument("--group", type=int, default=64)
    p.add_argument("--chunks", type=int, default=20)
    p.add_argument("--methods", default="gptq,awq")
    p.add_argument("--python", default=sys.executable)
    p.add_argument("--alone", action="store_true")
    p.add_argument("--work", type=pathlib.Path, default=pathlib.Path("beside-gptqmodel"))
    a = p.parse_args()
    a.quantwiz = os.environ.get("QUANTWIZ", "quantwiz")
    a.work.mkdir(parents=True, exist_ok=True)
    for method in a.methods.split(","):
        measure(a, "quantwiz", method, ours)
        if not a.alone and PEER.exists():
            measure(a, "gptqmodel", method, theirs)


main()
