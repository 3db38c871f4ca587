"""Opens checkpoint folders with the libraries that serve them, and measures them: opened.py MODULE...

A process of its own, with these modules imported: GPTQModel, once it is there, changes how transformers builds mixtures of
experts. Says "ready"; then a line of JSON is a job {folder, exact_inputs, texts}, texts lists of tokens, and is answered by
{perplexity} of their second halves, or {error}."""
import importlib
import json
import math
import os
import pathlib
import sys
import traceback


def load(folder, exact_inputs):
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


def perplexity(model, texts):
    import torch
    nll = []
    for text in texts:
        chunk, half = torch.tensor([text]), len(text) // 2
        with torch.no_grad():
            p = model(input_ids=chunk).logits[0, half:len(text) - 1].double().log_softmax(-1)
        nll.append(-p.gather(1, chunk[0, half + 1:, None]))
    return math.exp(torch.cat(nll).mean())


def answer(job):
    try:
        return dict(perplexity=perplexity(load(pathlib.Path(job["folder"]), job["exact_inputs"]), job["texts"]))
    except Exception:
        return dict(error=traceback.format_exc())


def main():
    # The libraries talk on stdout: that goes where their errors go.
    out = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    for module in sys.argv[1:]:
        importlib.import_module(module)
    if "compressed_tensors" in sys.argv:
        divide_as_vllm()
    print("ready", file=out, flush=True)
    for line in sys.stdin:
        print(json.dumps(answer(json.loads(line))), file=out, flush=True)


if __name__ == "__main__":
    main()
