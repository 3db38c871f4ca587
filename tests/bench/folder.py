"""A checkpoint folder of a large model's shape: what converting and quantizing it costs, beside reading and writing as much.

    QUANTWIZ=build/quantwiz python3 tests/bench/folder.py FOLDER [--layers 5] [--type BF16] [--keep] [--levels Q8_0,Q4_K_M]
        [--calibration TEXT --samples 128 --tokenizer ../shared/data/demo-hf]

Makes FOLDER/model (Llama 2 7B's widths, so many of its 32 layers, sharded; random weights), then prints a line each:
seconds, the share of all threads that was busy, private and resident memory at their peak. "copy" reads all shards and
writes the bytes that the F16 file has, and syncs them: no converter can be faster. With a calibration text the levels go
by samples of 512 tokens of it (gptq-int4-g128, awq-int4-g128, Q4_K_M), which a tokenizer of at most 32000 tokens makes.
Needs numpy."""
import argparse
import json
import os
import pathlib
import resource
import shutil
import struct
import subprocess
import sys
import time

import numpy as np

EMBD, FFN, VOCAB, HEADS, PER_SHARD = 4096, 11008, 32000, 32, 2
LAYER = {"self_attn.q_proj": (EMBD, EMBD), "self_attn.k_proj": (EMBD, EMBD), "self_attn.v_proj": (EMBD, EMBD),
         "self_attn.o_proj": (EMBD, EMBD), "mlp.gate_proj": (FFN, EMBD), "mlp.up_proj": (FFN, EMBD),
         "mlp.down_proj": (EMBD, FFN), "input_layernorm": (EMBD,), "post_attention_layernorm": (EMBD,)}


def shapes(layers):
    """Of each shard: names and shapes."""
    shards = [{"model.embed_tokens.weight": (VOCAB, EMBD)}]
    for i in range(layers):
        if i % PER_SHARD == 0:
            shards.append({})
        shards[-1].update({"model.layers.%d.%s.weight" % (i, n): s for n, s in LAYER.items()})
    shards.append({"model.norm.weight": (EMBD,), "lm_head.weight": (VOCAB, EMBD)})
    return shards


def numbers(count, dtype, random):
    """Of a normal distribution, deviation 0.02, in 16 bits."""
    x = (random.standard_normal(count, dtype=np.float32) * 0.02)
    return x.astype(np.float16).tobytes() if dtype == "F16" else (x.view(np.uint32) >> 16).astype(np.uint16).tobytes()


def write_shard(path, tensors, dtype, random):
    header, at = {}, 0
    for name, shape in tensors.items():
        end = at + 2 * int(np.prod(shape))
        header[name] = dict(dtype=dtype, shape=shape, data_offsets=[at, end])
        at = end
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as f:
        f.write(struct.pack("<Q", len(text)) + text)
        for shape in tensors.values():
            f.write(numbers(int(np.prod(shape)), dtype, random))


def make(folder, layers, dtype):
    random, shards, weight_map = np.random.default_rng(1), shapes(layers), {}
    folder.mkdir(parents=True)
    for i, tensors in enumerate(shards):
        name = "model-%05d-of-%05d.safetensors" % (i + 1, len(shards))
        write_shard(folder / name, tensors, dtype, random)
        weight_map.update({n: name for n in tensors})
    (folder / "model.safetensors.index.json").write_text(json.dumps(dict(weight_map=weight_map)))
    (folder / "config.json").write_text(json.dumps(dict(
        architectures=["LlamaForCausalLM"], hidden_size=EMBD, intermediate_size=FFN, num_hidden_layers=layers,
        num_attention_heads=HEADS, num_key_value_heads=HEADS, max_position_embeddings=4096, rms_norm_eps=1e-5,
        vocab_size=VOCAB, tie_word_embeddings=False)))


def show(what, seconds, processor, memory=None):
    print("%-12s %7.2f s  %5.0f %% of the threads busy%s" % (
        what, seconds, 100 * processor / seconds / len(os.sched_getaffinity(0)),
        "" if memory is None else "  %6.1f MiB private, %6.1f MiB resident" % tuple(m / 2**20 for m in memory)), flush=True)


def processor_seconds(who):
    r = resource.getrusage(who)
    return r.ru_utime + r.ru_stime


def copy(folder, out):
    started, before = time.time(), processor_seconds(resource.RUSAGE_SELF)
    buffer = memoryview(bytearray(16 << 20))
    with open(out, "wb", buffering=0) as o:
        for path in sorted(folder.glob("*.safetensors")):
            with open(path, "rb", buffering=0) as f:
                while n := f.readinto(buffer):
                    o.write(buffer[:n])
        os.fsync(o.fileno())
    out.unlink()
    show("copy", time.time() - started, processor_seconds(resource.RUSAGE_SELF) - before)


def measure(what, *arguments):
    started, before = time.time(), processor_seconds(resource.RUSAGE_CHILDREN)
    run = subprocess.run([os.environ["QUANTWIZ"], *map(str, arguments), "--json"], capture_output=True, text=True)
    if run.returncode:
        sys.exit(run.stderr)
    seconds, spent = time.time() - started, processor_seconds(resource.RUSAGE_CHILDREN) - before
    made = json.loads(run.stdout)
    show(what, seconds, spent, (made["peak_private_bytes"], made["peak_rss_bytes"]))


def remove(path):
    shutil.rmtree(path) if path.is_dir() else path.unlink()


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("folder", type=pathlib.Path)
    p.add_argument("--layers", type=int, default=5)
    p.add_argument("--type", default="BF16", choices=["BF16", "F16"])
    p.add_argument("--levels", default="Q8_0,Q4_K_M")
    p.add_argument("--keep", action="store_true", help="the model, for another time")
    p.add_argument("--calibration", type=pathlib.Path)
    p.add_argument("--samples", type=int, default=128)
    p.add_argument("--tokenizer", type=pathlib.Path, help="a folder with the tokenizer to calibrate with")
    a = p.parse_args()
    model, out = a.folder / "model", a.folder / "out"
    if not model.exists():
        make(model, a.layers, a.type)
    for path in a.tokenizer.glob("tokenizer*") if a.tokenizer else ():
        shutil.copyfile(path, model / path.name)
    by_text = ["--calibration", a.calibration, "--samples", a.samples, "--sample-length", 512] if a.calibration else []
    print("%.2f GB in %d files of %s" % (sum(f.stat().st_size for f in model.iterdir()) / 1e9,
                                        len(list(model.glob("*.safetensors"))), a.type))
    copy(model, out)
    for what, *command in [("F16", "convert")] + [(level, "quantize", *by_text) for level in a.levels.split(",") if level]:
        measure(what, command[0], model, out, what, *command[1:])
        remove(out)
    copy(model, out)
    if not a.keep:
        shutil.rmtree(model)


main()
