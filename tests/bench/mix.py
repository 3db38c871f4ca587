"""A measured mix beside llama.cpp's mixtures of the same size, and how well it was predicted.

    tests/clients/fetch build/clients                   (once)
    CLIENTS_DIR=build/clients QUANTWIZ=build/quantwiz build/clients/venv/bin/python tests/bench/mix.py \\
        MODEL.gguf [--eval TEXT] [--chunks 20] [--levels Q4_K_M,Q3_K_M] [--mixes 12] [--seed 1]
        [--text TEXT --samples 64] [--without Q4_1,Q5_1] [--require]

sizes: llama.cpp makes each level, quantwiz the best mix that is no larger (--mix --file-budget), both plain; then, with
--text, quantwiz the same list of types with error feedback by that text. Mean divergences from MODEL on --eval, which is
neither the text that the mix was measured on nor --text.
prediction: so many random mixes, each with a size of its own, are made and measured; Spearman's correlation of what the
costs of their types promise and what is found. Types in --without are in no mix.

--require: exit status 1 where a mix is not as good as is promised (MOST, MOST_FED, LEAST_ORDERED)."""
import argparse
import pathlib
import random
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "clients"))
import llama  # noqa: E402
from outcomes import quantwiz  # noqa: E402


# What is promised: a mix has at most so much of the divergence of llama.cpp's mixture of its size, without and with error
# feedback; and predicted divergences have the order of those that are found.
MOST, MOST_FED, LEAST_ORDERED = 0.87, 0.5, 0.9


def broken(a, what, kept):
    """A line where a promise that was asked for is not kept."""
    return [] if kept or not a.require else [what]


def divergence(path, a):
    text = ["-f", a.eval] if a.eval else []
    return quantwiz("eval", path, "--base", a.model, *text, "--chunks", a.chunks, "--max-loss", "1000%")["kld_mean"]


def best_mix(size, a):
    return quantwiz("estimate", a.model, "--mix", "--file-budget", size)["mix"]


def make(types, out, a, *options):
    """A file with these types of tensors."""
    listed = out.with_suffix(".yaml")
    listed.write_text("tensors:\n" + "".join("  %s: %s\n" % pair for pair in types.items()))
    out.unlink(missing_ok=True)
    quantwiz("quantize", a.model, out, "Q4_K_M", "--tensors", listed, *options)


def bench_size(level, folder, a):
    theirs, ours = folder / "theirs.gguf", folder / "ours.gguf"
    llama.quantize(a.model, theirs, level)
    size = theirs.stat().st_size
    mix = best_mix(size, a)
    make(mix["tensors"], ours, a)
    if ours.stat().st_size != mix["file_bytes"] or ours.stat().st_size > size:
        sys.exit("%s: the mix was to take %d of %d bytes, and takes %d" %
                 (level, mix["file_bytes"], size, ours.stat().st_size))
    base, plain = divergence(theirs, a), divergence(ours, a)
    faults = broken(a, "%s: without feedback over %s" % (level, MOST), plain <= MOST * base)
    line = "%-8s %11d bytes  llama.cpp %.6f  mix %.6f (predicted %.6f)  ratio %.3f" % (
        level, size, base, plain, mix["predicted_kld"], plain / base)
    if a.text:
        make(mix["tensors"], ours, a, "--calibration", a.text, "--samples", a.samples)
        fed = divergence(ours, a)
        line += "  with feedback %.6f  ratio %.3f" % (fed, fed / base)
        faults += broken(a, "%s: with feedback over %s" % (level, MOST_FED), fed <= MOST_FED * base)
    print(line, flush=True)
    return faults


def random_mix(costs, bits, chance):
    """Types of about so many bits: for each tensor one of the three that are nearest to them."""
    def near(row):
        return sorted(row, key=lambda t: abs(bits_of(t) - bits))[:3]
    return {name: chance.choice(near(row)) for name, row in costs.items()}


def bits_of(name):
    sizes = dict(Q8_0=8.5, Q6_K=6.5625, Q5_1=6, Q5_K=5.5, Q5_0=5.5, Q4_1=5, Q4_K=4.5, Q4_0=4.5, IQ4_NL=4.5, IQ4_XS=4.25,
                 Q3_K=3.4375, IQ3_S=3.4375, Q2_K=2.625)
    return sizes[name]


def ranks(values):
    order = sorted(range(len(values)), key=values.__getitem__)
    return [order.index(i) for i in range(len(values))]


def spearman(x, y):
    n, a, b = len(x), ranks(x), ranks(y)
    return 1 - 6 * sum((i - j) ** 2 for i, j in zip(a, b)) / (n * (n * n - 1))


def bench_prediction(folder, a):
    chance, out = random.Random(a.seed), folder / "mix.gguf"
    costs = {name: {t: loss for t, loss in row.items() if loss is not None and t not in a.without.split(",")}
             for name, row in best_mix(1 << 40, a)["costs"].items()}
    predicted, found = [], []
    for i in range(a.mixes):
        types = random_mix(costs, chance.uniform(3.2, 6), chance)
        make(types, out, a)
        predicted.append(sum(costs[name][t] for name, t in types.items()))
        found.append(divergence(out, a))
        print("  mix %2d: %9d bytes, predicted %.6f, found %.6f" % (i + 1, out.stat().st_size, predicted[-1], found[-1]),
              flush=True)
    order = spearman(predicted, found)
    print("Spearman's correlation of %d mixes: %.3f" % (a.mixes, order))
    return broken(a, "the order of %d mixes is predicted worse than %s" % (a.mixes, LEAST_ORDERED), order >= LEAST_ORDERED)


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("model", type=pathlib.Path)
    p.add_argument("--eval")
    p.add_argument("--chunks", type=int, default=20)
    p.add_argument("--levels", default="Q4_K_M,Q3_K_M")
    p.add_argument("--mixes", type=int, default=12)
    p.add_argument("--seed", type=int, default=1)
    p.add_argument("--text")
    p.add_argument("--samples", type=int, default=64)
    p.add_argument("--without", default="")
    p.add_argument("--require", action="store_true")
    a = p.parse_args()
    started = time.time()
    mix = best_mix(1 << 40, a)
    print("%d groups of %d weights measured in %.0f s" % (mix["measured_groups"], len(mix["tensors"]), time.time() - started),
          flush=True)
    faults = []
    with tempfile.TemporaryDirectory() as folder:
        for level in filter(None, a.levels.split(",")):
            faults += bench_size(level, pathlib.Path(folder), a)
        if a.mixes > 1:
            faults += bench_prediction(pathlib.Path(folder), a)
    if faults:
        sys.exit("\n".join(faults))


main()
