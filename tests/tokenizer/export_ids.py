#!/usr/bin/env python3
"""Makes what tokenizer_models_test compares with: the ids that Hugging Face's `tokenizers`, or Google's
`sentencepiece`, gives the lines of make_lines.py with the tokenizers of real models.

    python3 export_ids.py MODEL...      NAME.ids beside each: a Hugging Face folder NAME, or a file NAME.gguf

A tokenizer.json is asked before a tokenizer.model. Of a GGUF file the reference is built from its tokens and merges;
`gguf` is needed for that. The models are other people's and stay out of the repository.
"""
import sys
from pathlib import Path

import sentencepiece
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers

import make_lines

PATTERNS = {"smollm": "smollm", "llama-bpe": "llama3", "gpt-2": "gpt2"}
CONTROL, USER_DEFINED = 3, 4


def tokenizer_of_gguf(path):
    from gguf import GGUFReader
    fields = GGUFReader(path).fields
    field = {key.removeprefix("tokenizer.ggml."): fields[key].contents() for key in fields
             if key.startswith("tokenizer.ggml.")}
    if field.get("pre") not in PATTERNS:
        sys.exit(f"{path}: no reference for the pattern {field.get('pre')}; there is one for {', '.join(PATTERNS)}")
    pattern, tokens, types = PATTERNS[field["pre"]], field["tokens"], field["token_type"]
    unknown = {"unk_token": tokens[field["unknown_token_id"]]} if "unknown_token_id" in field else {}
    tokenizer = Tokenizer(models.BPE(vocab={t: i for i, t in enumerate(tokens)}, ignore_merges=pattern == "llama3",
                                     merges=[tuple(m.split(" ")) for m in field["merges"]], **unknown))
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(make_lines.BYTE_LEVEL[pattern])
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens([AddedToken(t, normalized=False) for t, kind in zip(tokens, types) if kind == CONTROL])
    tokenizer.add_tokens([AddedToken(t, normalized=False) for t, kind in zip(tokens, types) if kind == USER_DEFINED])
    return tokenizer


def main():
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    lines = make_lines.make_lines()
    for path in map(Path, sys.argv[1:]):
        ids = path.parent / (path.stem if path.suffix == ".gguf" else path.name)
        ids = ids.with_name(ids.name + ".ids")
        if path.suffix == ".gguf":
            make_lines.write_ids_of(ids, lines, tokenizer_of_gguf(path))
        elif (path / "tokenizer.json").exists():
            make_lines.write_ids_of(ids, lines, Tokenizer.from_file(str(path / "tokenizer.json")))
        else:
            processor = sentencepiece.SentencePieceProcessor(model_file=str(path / "tokenizer.model"))
            make_lines.write_ids(ids, lines, processor.encode, processor.decode)


main()
