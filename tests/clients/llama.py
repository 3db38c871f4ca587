"""A published llama.cpp build (npm package @node-llama-cpp/linux-x64), called through ctypes.

The parameter structs are passed by value; the few fields that are set are addressed by their 32-bit index in
the struct of this version's llama.h. The build for this machine's instructions is loaded, or the one that LLAMA_BUILD
names ("haswell"); it computes on all cores, or on LLAMA_THREADS."""
import ctypes as C
import glob
import os

import numpy as np

FTYPE = dict(F32=0, F16=1, Q4_0=2, Q4_1=3, Q8_0=7, Q5_0=8, Q5_1=9, Q2_K=10, Q3_K_S=11, Q3_K_M=12, Q3_K_L=13,
             Q4_K_S=14, Q4_K_M=15, Q5_K_S=16, Q5_K_M=17, Q6_K=18, IQ2_XXS=19, IQ2_XS=20, Q2_K_S=21, IQ3_XS=22,
             IQ3_XXS=23, IQ1_S=24, IQ4_NL=25, IQ3_S=26, IQ3_M=27, IQ2_S=28, IQ2_M=29, IQ4_XS=30, IQ1_M=31, BF16=32)
CONTEXT, BATCH, UBATCH, THREADS, THREADS_BATCH = 0, 1, 2, 7, 8  # llama_context_params
QUANTIZE_THREADS, QUANTIZE_FTYPE, QUANTIZE_FLAGS, QUANTIZE_IMATRIX = 0, 1, 4, 6 # llama_model_quantize_params

messages = []
THREADS_USED = int(os.environ.get("LLAMA_THREADS", os.cpu_count()))


class Params(C.Structure):
    _fields_ = [("word", C.c_uint32 * 128)]


class Importance(C.Structure):
    """llama_model_imatrix_data: a list of them ends with an empty one."""
    _fields_ = [("name", C.c_char_p), ("data", C.POINTER(C.c_float)), ("size", C.c_size_t)]


class Batch(C.Structure):
    _fields_ = [("n_tokens", C.c_int32), ("token", C.POINTER(C.c_int32)), ("embd", C.c_void_p),
                ("pos", C.POINTER(C.c_int32)), ("n_seq_id", C.POINTER(C.c_int32)),
                ("seq_id", C.POINTER(C.POINTER(C.c_int32))), ("logits", C.POINTER(C.c_int8))]


@C.CFUNCTYPE(None, C.c_int, C.c_char_p, C.c_void_p)
def _log(level, text, user):
    messages.append(text.decode(errors="replace"))


def _load():
    found = glob.glob(os.path.join(os.environ["CLIENTS_DIR"], "llama/package/bins/*/libllama.*.so"))
    if not found:
        return None
    home = os.path.dirname(found[0])
    C.CDLL(os.path.join(home, "libggml-base.so"), mode=C.RTLD_GLOBAL)
    ggml = C.CDLL(glob.glob(os.path.join(home, "libggml.v*.so"))[0])
    lib = C.CDLL(found[0])
    lib.llama_log_set(_log, None)
    if "LLAMA_BUILD" in os.environ:
        ggml.ggml_backend_load(os.path.join(home, "libggml-cpu-%s.so" % os.environ["LLAMA_BUILD"]).encode())
    else:
        ggml.ggml_backend_load_all_from_path(home.encode())
    lib.llama_backend_init()
    ptr = C.c_void_p
    for name in ("llama_context_default_params", "llama_model_default_params", "llama_model_quantize_default_params"):
        getattr(lib, name).restype = Params
    signatures = dict(
        llama_model_load_from_file=(ptr, [C.c_char_p, Params]), llama_init_from_model=(ptr, [ptr, Params]),
        llama_model_get_vocab=(ptr, [ptr]), llama_vocab_n_tokens=(C.c_int32, [ptr]),
        llama_vocab_get_add_bos=(C.c_bool, [ptr]), llama_vocab_bos=(C.c_int32, [ptr]),
        llama_tokenize=(C.c_int32, [ptr, C.c_char_p, C.c_int32, C.POINTER(C.c_int32), C.c_int32, C.c_bool, C.c_bool]),
        llama_batch_init=(Batch, [C.c_int32] * 3), llama_decode=(C.c_int32, [ptr, Batch]),
        llama_get_logits_ith=(C.POINTER(C.c_float), [ptr, C.c_int32]), llama_get_memory=(ptr, [ptr]),
        llama_memory_clear=(None, [ptr, C.c_bool]), llama_free=(None, [ptr]), llama_model_free=(None, [ptr]),
        llama_model_quantize=(C.c_uint32, [C.c_char_p, C.c_char_p, C.POINTER(Params)]))
    for name, (result, arguments) in signatures.items():
        getattr(lib, name).restype, getattr(lib, name).argtypes = result, arguments
    return lib


lib = _load()


class Model:
    def __init__(self, path, context=512):
        self.model = lib.llama_model_load_from_file(str(path).encode(), lib.llama_model_default_params())
        if not self.model:
            raise RuntimeError("llama.cpp does not open %s: %s" % (path, "".join(messages[-5:])))
        params = lib.llama_context_default_params()
        params.word[CONTEXT] = params.word[BATCH] = context
        params.word[UBATCH] = min(512, context)
        params.word[THREADS] = params.word[THREADS_BATCH] = THREADS_USED
        self.ctx = lib.llama_init_from_model(self.model, params)
        self.vocab = lib.llama_model_get_vocab(self.model)
        self.vocab_size = lib.llama_vocab_n_tokens(self.vocab)
        self.batch = lib.llama_batch_init(context, 0, 1)
        self.context = context

    def close(self):
        lib.llama_free(self.ctx)
        lib.llama_model_free(self.model)

    def tokens(self, text, special=False):
        raw = text if isinstance(text, bytes) else text.encode()
        ids = (C.c_int32 * (len(raw) + 8))()
        return ids[:lib.llama_tokenize(self.vocab, raw, len(raw), ids, len(ids), True, special)]

    def decode(self, ids, start=0, want=None):
        want = {len(ids) - 1} if want is None else set(want)
        b = self.batch
        b.n_tokens = len(ids)
        for i, t in enumerate(ids):
            b.token[i], b.pos[i], b.n_seq_id[i], b.logits[i] = t, start + i, 1, i in want
            b.seq_id[i][0] = 0
        if lib.llama_decode(self.ctx, b):
            raise RuntimeError("llama_decode failed")

    def logits(self, i):
        return np.ctypeslib.as_array(lib.llama_get_logits_ith(self.ctx, i), (self.vocab_size,)).astype(np.float64)

    def clear(self):
        lib.llama_memory_clear(lib.llama_get_memory(self.ctx), True)

    def surprises(self, ids, target):
        """Negative logarithms of the probabilities of the tokens that a chunk's second half should predict. Row by row: all
        at once hardly fit into the caches."""
        first, out = self.context // 2, []
        self.clear()
        self.decode(ids, want=range(first, self.context - 1))
        for i, token in enumerate(target, first):
            row = self.logits(i)
            row -= row.max()
            out.append(np.log(np.exp(row).sum()) - row[token])
        return out

    def chunks(self, text, count):
        """Pairs of a chunk to run and the tokens that its second half should predict."""
        ids = self.tokens(text)
        bos = lib.llama_vocab_bos(self.vocab) if lib.llama_vocab_get_add_bos(self.vocab) else None
        for i in range(min(count, len(ids) // self.context)):
            chunk = ids[i * self.context:(i + 1) * self.context]
            yield chunk if bos is None else [bos] + chunk[1:], chunk[self.context // 2 + 1:]

    def greedy(self, prompt, count):
        """Token ids, and for each the margin of its logit over the runner-up's."""
        ids = self.tokens(prompt, True)
        self.clear()
        self.decode(ids)
        position, out, margins = len(ids), [], []
        for _ in range(count):
            row = self.logits(-1)
            two = np.partition(row, -2)[-2:]
            out.append(int(row.argmax()))
            margins.append(float(two[1] - two[0]))
            self.decode(out[-1:], position)
            position += 1
        return out, margins


def perplexity(path, text, count, context=512):
    model = Model(path, context)
    surprises = [x for ids, target in model.chunks(text, count) for x in model.surprises(ids, target)]
    model.close()
    return float(np.exp(np.mean(surprises)))


def importance(path):
    """Name -> mean squares [matrices][columns] of a file of importance, as llama-quantize takes them from it: 1 where an
    expert met no input."""
    from gguf import GGUFReader
    stored = {t.name: np.asarray(t.data, np.float32) for t in GGUFReader(path).tensors}
    means = {}
    for name, sums in stored.items():
        if name.endswith(".in_sum2"):
            name = name.removesuffix(".in_sum2")
            sums, counts = np.atleast_2d(sums), stored[name + ".counts"].reshape(-1, 1)
            means[name] = np.where(counts > 0, sums / np.maximum(counts, 1), 1).astype(np.float32)
    return means


def quantize(source, target, level, requantize=False, imatrix=None):
    params = lib.llama_model_quantize_default_params()
    params.word[QUANTIZE_THREADS], params.word[QUANTIZE_FTYPE] = THREADS_USED, FTYPE[level]
    if imatrix:
        means = importance(imatrix)
        rows = (Importance * (len(means) + 1))(*(
            Importance(name.encode(), x.ctypes.data_as(C.POINTER(C.c_float)), x.size) for name, x in means.items()))
        address = C.addressof(rows)
        params.word[QUANTIZE_IMATRIX], params.word[QUANTIZE_IMATRIX + 1] = address & 0xffffffff, address >> 32
    if requantize:
        params.word[QUANTIZE_FLAGS] |= 1
    if lib.llama_model_quantize(str(source).encode(), str(target).encode(), C.byref(params)):
        raise RuntimeError("llama.cpp cannot quantize %s: %s" % (source, "".join(messages[-5:])))
