#!/usr/bin/env python3
"""Writes the golden of a published model: each tensor's name and the CRC-32 of its values as f32.

Values are those of the gguf package; rows of q and k of a llama are put into Hugging Face's order here, by numpy and
in a way of its own.

    python3 published.py smollm2.gguf > smollm2.txt          (needs numpy and gguf)
"""

import sys
import zlib

import gguf
import numpy as np


def main():
    reader = gguf.GGUFReader(sys.argv[1])
    field = {key: value.contents() for key, value in reader.fields.items() if not key.startswith("tokenizer.")}
    arch = field["general.architecture"]
    heads = {"attn_q": field[f"{arch}.attention.head_count"], "attn_k": field[f"{arch}.attention.head_count_kv"]}
    for tensor in reader.tensors:
        values = gguf.dequantize(tensor.data, tensor.tensor_type).astype("<f4")
        part = tensor.name.split(".")[-2]
        if arch == "llama" and part in heads:
            rows, columns = values.shape
            pairs = values.reshape(heads[part], rows // heads[part] // 2, 2, columns)
            values = pairs.swapaxes(1, 2).reshape(rows, columns)
        print(tensor.name, f"{zlib.crc32(np.ascontiguousarray(values).tobytes()):08x}")


if __name__ == "__main__":
    main()
