"""Prints the table `decoded` of test_formats.c: what the gguf package (PyPI) decodes made-up blocks to.

    python3 -m venv venv && venv/bin/pip install numpy gguf && venv/bin/python tests/unit/decoded_hashes.py"""
import numpy as np
from gguf import GGMLQuantizationType as Type, dequantize
from gguf.constants import GGML_QUANT_SIZES

BLOCKS = 64
# Where the halves of a block lie. Their exponents are kept below 16, so that no product is infinite.
HALVES = dict(Q4_0=[0], Q4_1=[0, 2], Q5_0=[0], Q5_1=[0, 2], Q8_0=[0], Q2_K=[80, 82], Q3_K=[108], Q4_K=[0, 2],
              Q5_K=[0, 2], Q6_K=[208], IQ4_NL=[0], IQ4_XS=[0], IQ3_S=[0], IQ3_XXS=[0], IQ2_S=[0], IQ2_XS=[0],
              IQ2_XXS=[0], IQ1_M=[54], IQ1_S=[0]) # of IQ1_M: the upper bits of its half, which lie there


def made_up(count):
    """The upper bytes of the generator of noise.h, from state 1 on."""
    state, out = 1, np.empty(count, np.uint8)
    for i in range(count):
        state = (state * 6364136223846793005 + 1442695040888963407) % 2**64
        out[i] = state >> 56
    return out


def fnv1a(data):
    h = 0xcbf29ce484222325
    for byte in data:
        h = (h ^ byte) * 0x100000001b3 % 2**64
    return h


for name, halves in HALVES.items():
    block, size = GGML_QUANT_SIZES[Type[name]]
    raw = made_up(BLOCKS * size).reshape(BLOCKS, size)
    raw[:, [h + 1 for h in halves]] &= 0xbf
    x = dequantize(raw, Type[name]).astype("<f4")
    assert np.isfinite(x).all() and x.size == BLOCKS * block
    offsets = ", ".join(map(str, halves))
    print("    {QUANT_%s, {%s}, %d, 0x%016xu}," % (name, offsets, len(halves), fnv1a(x.tobytes())))
