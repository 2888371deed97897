#!/usr/bin/env python3
"""Takes the tokenizer out of a GGUF file, for tokenizer_models_test: what it knows, and the ids that Hugging Face's
`tokenizers` gives the lines of make_lines.py with it. Needs `tokenizers` and `gguf`.

    python3 export_tokenizer.py MODEL.gguf FOLDER      FOLDER/MODEL.vocab, FOLDER/MODEL.ids; FOLDER is TSRUN_TEST_MODELS

These are parts of the model and stay out of the repository.
"""
import sys
from pathlib import Path

from gguf import GGUFReader
from tokenizers import AddedToken, Tokenizer, decoders, models

import make_lines

PATTERNS = {"smollm": "smollm", "llama-bpe": "llama3", "gpt-2": "gpt2"}
CONTROL, USER_DEFINED = 3, 4


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    path, folder = Path(sys.argv[1]), Path(sys.argv[2])
    fields = GGUFReader(path).fields
    field = {name: fields[key].contents() for key in fields for name in [key.removeprefix("tokenizer.ggml.")]
             if key.startswith("tokenizer.ggml.")}
    if field["pre"] not in PATTERNS:
        sys.exit(f"{path}: no reference for the pattern {field['pre']}; there is one for {', '.join(PATTERNS)}")
    pattern, tokens, types, merges = PATTERNS[field["pre"]], field["tokens"], field["token_type"], field["merges"]
    unknown = field.get("unknown_token_id", -1)
    ignore_merges = pattern == "llama3"
    tokenizer = Tokenizer(models.BPE(
        vocab={t: i for i, t in enumerate(tokens)}, merges=[tuple(m.split(" ")) for m in merges],
        ignore_merges=ignore_merges, **({"unk_token": tokens[unknown]} if unknown >= 0 else {})))
    tokenizer.pre_tokenizer, tokenizer.decoder = make_lines.pre_tokenizer(pattern), decoders.ByteLevel()
    tokenizer.add_special_tokens([AddedToken(t, normalized=False) for t, kind in zip(tokens, types) if kind == CONTROL])
    tokenizer.add_tokens([AddedToken(t, normalized=False) for t, kind in zip(tokens, types) if kind == USER_DEFINED])
    folder.mkdir(parents=True, exist_ok=True)
    make_lines.write(folder, path.stem, pattern, ignore_merges, unknown, tokens, types, merges, tokenizer,
                     make_lines.make_lines())


main()
