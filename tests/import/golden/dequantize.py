#!/usr/bin/env python3
"""Writes dequantize.txt: random blocks of every quantisation, and what the gguf package makes of them.

A line a block: the type, its bytes in hexadecimal, and its values as f32 in hexadecimal. The f16 scales and minima are
drawn on purpose: positive, negative, subnormal, zero; never infinite or NaN. The rest of a block is any bytes, since
any bytes are a block.

    python3 dequantize.py > dequantize.txt          (needs numpy and gguf)
"""

import gguf
import numpy as np

# Where the f16 numbers of a block stand.
HALVES = {"F16": (0,), "Q8_0": (0,), "Q4_0": (0,), "Q4_1": (0, 2), "Q5_0": (0,), "Q5_1": (0, 2), "Q2_K": (80, 82),
          "Q3_K": (108,), "Q4_K": (0, 2), "Q5_K": (0, 2), "Q6_K": (208,)}
SCALES = np.array([0.0123, -0.0371, 3.1e-6, -5.9e-8, 1.75, 0.0, -60000.0, 6e-8], np.float16)


def main():
    rng = np.random.default_rng(20240229)
    print(f"# gguf {__import__('importlib.metadata').metadata.version('gguf')}, numpy {np.__version__}")
    for name in ("F32", "F16", "BF16", "Q8_0", "Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q2_K", "Q3_K", "Q4_K", "Q5_K", "Q6_K"):
        kind = gguf.GGMLQuantizationType[name]
        values, size = gguf.GGML_QUANT_SIZES[kind]
        for i in range(2 if values == 256 else 8):
            block = rng.integers(0, 256, size, np.uint8)
            if name in ("F32", "BF16"):  # an exponent below the largest
                block[-1] &= 0xBF
            for j, at in enumerate(HALVES.get(name, ())):
                block[at:at + 2] = SCALES[(i + 3 * j) % len(SCALES):][:1].view(np.uint8)
            out = gguf.dequantize(block[None], kind).astype("<f4")
            assert np.isfinite(out).all() and out.size == values
            print(name, block.tobytes().hex(), out.tobytes().hex())


if __name__ == "__main__":
    main()
