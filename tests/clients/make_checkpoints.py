"""Small checkpoints with random weights, made with transformers: make_checkpoints.py FOLDER [NAME...].

One folder each, as a hub's download would be: config.json, safetensors (Mixtral's in shards), tokenizer. They are
narrow and short, but nothing in them is neutral: norms are not 1, biases and sinks not 0, windows are shorter than the
texts of the checks, logits spread over several units. A trait that is left out or misread shows."""
import json
import pathlib
import sys

import sentencepiece as spm
import torch
from safetensors.torch import load_file, save_file
from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import CONFIG_MAPPING, AutoModelForCausalLM

TOP = pathlib.Path(__file__).resolve().parents[2]
TEXT = TOP / "demo/eval.txt"
VOCABULARY = 384

# ------------------------------------------------------------------ tokenizers

GPT2 = None  # the pattern that ByteLevel has in itself
LLAMA3 = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+"
          r"|\s+(?!\S)|\s+")
QWEN2 = LLAMA3.replace(r"\p{N}{1,3}", r"\p{N}")
GPT4O = "|".join([
    r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?",
    r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?",
    r"\p{N}{1,3}", r" ?[^\s\p{L}\p{N}]+[\r\n/]*", r"\s*[\r\n]+", r"\s+(?!\S)", r"\s+"])


def byte_level(pattern):
    """A tokenizer.json in the manner of GPT-2 and what came of it."""
    def save(folder):
        t = Tokenizer(models.BPE())
        split = [] if pattern is None else [pre_tokenizers.Split(Regex(pattern), "isolated")]
        split.append(pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=pattern is None))
        t.pre_tokenizer = pre_tokenizers.Sequence(split)
        t.decoder = decoders.ByteLevel()
        t.train([str(TEXT)], trainers.BpeTrainer(
            vocab_size=VOCABULARY, special_tokens=["<|begin|>", "<|end|>"], show_progress=False,
            initial_alphabet=pre_tokenizers.ByteLevel.alphabet()))
        t.save(str(folder / "tokenizer.json"))
        config = dict(tokenizer_class="PreTrainedTokenizerFast", bos_token="<|begin|>", eos_token="<|end|>",
                      add_bos_token=False)
        (folder / "tokenizer_config.json").write_text(json.dumps(config))
        return dict(bos_token_id=0, eos_token_id=1)
    return save


def sentencepiece(*control):
    """A tokenizer.model in the manner of Llama 1 and Gemma: BPE with bytes to fall back on."""
    def save(folder):
        spm.SentencePieceTrainer.train(
            input=str(TEXT), model_prefix=str(folder / "tokenizer"), vocab_size=VOCABULARY, model_type="bpe",
            byte_fallback=True, character_coverage=0.999, normalization_rule_name="identity", minloglevel=2,
            remove_extra_whitespaces=False, add_dummy_prefix=True, max_sentence_length=1 << 16,
            control_symbols=list(control))
        (folder / "tokenizer.vocab").unlink()
        config = dict(tokenizer_class="LlamaTokenizer", bos_token="<s>", eos_token="</s>", unk_token="<unk>",
                      add_bos_token=True, add_eos_token=False, legacy=True)
        (folder / "tokenizer_config.json").write_text(json.dumps(config))
        return dict(bos_token_id=1, eos_token_id=2)
    return save


# ----------------------------------------------------------------- checkpoints

SHAPE = dict(hidden_size=96, intermediate_size=160, num_hidden_layers=3, num_attention_heads=6, num_key_value_heads=2,
             head_dim=16, max_position_embeddings=2048, vocab_size=VOCABULARY, rms_norm_eps=1e-5)
EXPERTS = dict(num_experts=6, num_experts_per_tok=2, moe_intermediate_size=64)
LOCAL_EXPERTS = dict(num_local_experts=6, num_experts_per_tok=2)


def rope(kind, theta=10000.0, **more):
    return dict(rope_parameters=dict(rope_type=kind, rope_theta=theta, **more))


def factors(seed, most):
    """Of a pair each, growing, for heads of 16."""
    return [1 + most * (i + seed) / 8 for i in range(8)]


GPT_OSS = dict(LOCAL_EXPERTS, sliding_window=24, num_hidden_layers=4, **rope(
    "yarn", 150000.0, factor=32.0, beta_fast=32.0, beta_slow=1.0, truncate=False, original_max_position_embeddings=256))

CHECKPOINTS = {
    # name: (model_type, tokenizer, what differs from SHAPE). llama.cpp looks for <|endoftext|> where a model's name
    # has Phi-3 in it.
    "llama": ("llama", sentencepiece(), dict(num_key_value_heads=6)),
    "llama-3.1": ("llama", byte_level(LLAMA3), dict(
        tie_word_embeddings=True, **rope("llama3", factor=8.0, low_freq_factor=1.0, high_freq_factor=4.0,
                                         original_max_position_embeddings=128))),
    "llama-linear": ("llama", byte_level(GPT2), rope("linear", factor=4.0)),
    "mistral": ("mistral", sentencepiece(), dict(head_dim=32, sliding_window=None)),
    "mixtral": ("mixtral", sentencepiece(), LOCAL_EXPERTS),
    "qwen2": ("qwen2", byte_level(QWEN2), dict(tie_word_embeddings=True)),
    "qwen2-yarn": ("qwen2", byte_level(QWEN2), rope("yarn", factor=4.0, original_max_position_embeddings=64)),
    "qwen2-yarn-sharp": ("qwen2", byte_level(QWEN2), rope(
        "yarn", factor=4.0, original_max_position_embeddings=128, attention_factor=1.4, beta_fast=16.0, beta_slow=2.0)),
    "qwen2-moe": ("qwen2_moe", byte_level(QWEN2), dict(EXPERTS, shared_expert_intermediate_size=128)),
    "qwen3": ("qwen3", byte_level(QWEN2), dict(head_dim=32)),
    "qwen3-moe": ("qwen3_moe", byte_level(QWEN2), dict(EXPERTS, norm_topk_prob=True)),
    "gemma-2": ("gemma2", sentencepiece(), dict(query_pre_attn_scalar=16, sliding_window=24, num_hidden_layers=4)),
    "gemma-2-scale": ("gemma2", sentencepiece(), dict(query_pre_attn_scalar=24, sliding_window=24)),
    "gemma-3": ("gemma3_text", sentencepiece(), dict(
        query_pre_attn_scalar=16, sliding_window=24, num_hidden_layers=7, rope_parameters=dict(
            full_attention=dict(rope_type="linear", rope_theta=1e6, factor=8.0),
            sliding_attention=dict(rope_type="default", rope_theta=10000.0)))),
    "phi-3": ("phi3", sentencepiece("<|endoftext|>"), dict(num_key_value_heads=6, sliding_window=None)),
    "phi-3-longrope": ("phi3", sentencepiece("<|endoftext|>"), dict(
        original_max_position_embeddings=64, rope_parameters=dict(
            rope_type="longrope", rope_theta=10000.0, short_factor=factors(0, 1), long_factor=factors(1, 30),
            original_max_position_embeddings=64))),
    "smollm3": ("smollm3", byte_level(LLAMA3), dict(num_hidden_layers=5)),
    "olmo-2": ("olmo2", byte_level(LLAMA3), {}),
    "olmo-3": ("olmo3", byte_level(LLAMA3), dict(
        num_hidden_layers=5, sliding_window=24, **rope("yarn", factor=4.0, original_max_position_embeddings=64))),
    "granite": ("granite", byte_level(GPT2), dict(
        embedding_multiplier=6.0, attention_multiplier=0.1, residual_multiplier=0.4, logits_scaling=3.0)),
    "granite-moe": ("granitemoe", byte_level(GPT2), dict(
        LOCAL_EXPERTS, embedding_multiplier=6.0, attention_multiplier=0.1, residual_multiplier=0.4,
        logits_scaling=3.0)),
    "granite-moe-shared": ("granitemoeshared", byte_level(GPT2), dict(
        LOCAL_EXPERTS, shared_intermediate_size=128, embedding_multiplier=6.0, attention_multiplier=0.1,
        residual_multiplier=0.4, logits_scaling=3.0)),
    "gpt-oss": ("gpt_oss", byte_level(GPT4O), GPT_OSS),
    "gpt-oss-mxfp4": ("gpt_oss", byte_level(GPT4O), GPT_OSS),
}


# --------------------------------------------------------------------- weights

def deviation(name, shape, tied):
    """Of a weight's numbers: such that rows of activations keep a size near 1, and logits spread over a few units."""
    if "embed_tokens" in name:
        return 3 / shape[-1] ** 0.5 if tied else 1
    fan_in = shape[-2] if len(shape) == 3 and "gpt_oss" in name else shape[-1]
    return (2.5 if "lm_head" in name or "gate.weight" in name or "router" in name else 1.2) / fan_in ** 0.5


def randomize(model, model_type, tied):
    generator = torch.Generator().manual_seed(7)
    for name, p in model.named_parameters():
        noise = torch.randn(p.shape, generator=generator)
        if name.endswith("norm.weight"):
            around = 0 if model_type.startswith("gemma") else 1  # Gemma's norms multiply by 1 + weight
            p.data = around + 0.2 * noise
        elif p.dim() == 1 or name.endswith("bias"):
            p.data = 0.3 * noise
        else:
            p.data = deviation(model_type + "." + name, p.shape, tied) * noise


def to_mxfp4(x):
    """Blocks and scales of x[..., rows, columns]: 32 columns share a power of two, pairs of codes a byte."""
    levels = torch.tensor([0, 0.5, 1, 1.5, 2, 3, 4, 6])
    x = x.unflatten(-1, (-1, 32))
    exponent = torch.floor(torch.log2(x.abs().amax(-1))) - 2
    scaled = x * 2.0 ** -exponent[..., None]
    codes = (scaled.abs()[..., None] - levels).abs().argmin(-1) + 8 * (scaled < 0)
    return (codes[..., ::2] + 16 * codes[..., 1::2]).to(torch.uint8), (exponent + 127).to(torch.uint8)


def pack_experts(folder):
    """gpt-oss as it is published: experts in MXFP4, rows outside."""
    path = folder / "model.safetensors"
    tensors = load_file(path)
    for name in [n for n in tensors if n.endswith(("gate_up_proj", "down_proj"))]:
        blocks, scales = to_mxfp4(tensors.pop(name).transpose(1, 2))
        tensors.update({name + "_blocks": blocks.contiguous(), name + "_scales": scales.contiguous()})
    save_file(tensors, path, metadata=dict(format="pt"))
    config = json.loads((folder / "config.json").read_text())
    config["quantization_config"] = dict(quant_method="mxfp4", modules_to_not_convert=[
        "model.layers.*.self_attn", "model.layers.*.mlp.router", "model.embed_tokens", "lm_head"])
    (folder / "config.json").write_text(json.dumps(config, indent=2))


def make(name, folder, **other):
    """`other`: settings instead of those of the tables."""
    model_type, tokenizer, more = CHECKPOINTS[name]
    folder.mkdir(parents=True, exist_ok=True)
    special = tokenizer(folder)
    config = CONFIG_MAPPING[model_type](**dict(SHAPE, **more, **other), **special, pad_token_id=None)
    model = AutoModelForCausalLM.from_config(config, dtype=torch.float32)
    randomize(model, model_type, config.tie_word_embeddings)
    model.save_pretrained(folder, max_shard_size="1MB" if name == "mixtral" else "5GB")
    if name.endswith("mxfp4"):
        pack_experts(folder)


def main():
    top = pathlib.Path(sys.argv[1])
    for name in sys.argv[2:] or CHECKPOINTS:
        make(name, top / name)
        print(name)


if __name__ == "__main__":
    main()
