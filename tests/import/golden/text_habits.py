#!/usr/bin/env python3
"""Writes text_habits.json: how the families of text_habits.cpp cut a few nasty texts, by Hugging Face's `tokenizers`.

The steps are put together as in the families' tokenizer.json, of the package's own parts.

    python3 text_habits.py > text_habits.json          (needs tokenizers; the file is of 0.23.3)
"""

import json

from tokenizers import Regex, pre_tokenizers

TEXTS = [
    "Hello world, it's 2024: we'll see what THEY'VE seen.",
    "camelCase HTTPServer parseXMLNow iPhone's McDonald'S ABCdefGHI aB Ab",
    "0 42 1999 123456789 3.14159 1,000,000 x86_64 0xFF ½ ² ١٢٣ ２０２４",
    "a  b   c\td\t\te \n\n  f\r\n\r\ng   \n h  ",
    "http://example.org/a/b?c=d//\n//comment/\r\n/* x */ path/\n\n/",
    "Straße GROSS ǅ ǆ Ǆ ʰx ªº ŉ ſ İstanbul ı naïve e\u0301te\u0301 E\u0301TE\u0301",
    "Москва МОСКВА моСКВа ΑΘΗΝΑ Ἀθῆναι հայ ᏣᎳᎩ ქართული",
    "日本語 こんにちは、世界。漢字カナ 中文！你好？ 한국어 안녕 ࠀ 龥龦 \u3000x",
    "हिन्दी नमस्ते ไทยสวัสดี العالم مَرْحَبًا שָׁלוֹם தமிழ்",
    "👍🏽 👨‍👩‍👧 🇩🇪 ©®™ €5,50 $5.00 -- ... !!! ?!\n\u200b\u00a0x\u2028y\u0085z",
    "def f(x):\n    return {'a': x**2, \"b\": [1, 22, 333, 4444]}\n\n\n# end",
    "I'M we'RE you'd 'tis rock'n'roll O'Neil l'été ’s 'ſ 's'S'",
    "   leading", "trailing   ", " ", "\n", "\r\n ", "(a|b) [c] x,y。z، w۔v … (1234)",
]

GPT2 = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)
DIGITS = pre_tokenizers.Digits(individual_digits=True)
CONTRACTION = "(?i:'s|'t|'re|'ve|'m|'ll|'d)"
CAPITAL, SMALL = r"[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]", r"[\p{Ll}\p{Lm}\p{Lo}\p{M}]"


def split(pattern):
    return pre_tokenizers.Split(Regex(pattern), behavior="isolated")


def words(digits):
    return split(CONTRACTION + r"|[^\r\n\p{L}\p{N}]?\p{L}+|" + digits +
                 r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+")


def cased_words(contraction, digits):
    lead = r"[^\r\n\p{L}\p{N}]?"
    return split(f"{lead}{CAPITAL}*{SMALL}+{contraction}|{lead}{CAPITAL}+{SMALL}*{contraction}|{digits}" +
                 r"| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+")


FAMILIES = [
    (["gpt-2", "default", "a.x-4.0", "mellum", "trillion", "olmo"], [GPT2]),
    (["smollm", "starcoder", "refact", "minerva-7b", "command-r"], [DIGITS, GPT2]),
    (["viking"], [split(r" ?[^(\s|[.,!?…。，、।۔،])]+"), DIGITS]),
    (["deepseek-coder"], [split(r"[\r\n]"), split(r"\s?\p{L}+"), split(r"\s?\p{P}+"), split("[一-龥ࠀ-一가-퟿]+"),
                          DIGITS]),
    (["qwen2", "deepseek-r1-qwen", "megrez", "kormo"], [words(r"\p{N}")]),
    (["seed-coder"], [split(CONTRACTION + r"|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1}| ?[^\s\p{L}\p{N}\r\n]+|\s*[\r\n]+|"
                            r"\s+(?!\S)|\s+")]),
    (["dbrx", "smaug-bpe", "llama-bpe", "llama3", "llama-v3", "falcon3", "midm-2.0"], [words(r"\p{N}{1,3}")]),
    (["tekken"], [cased_words("", r"\p{N}")]),
    (["gpt-4o"], [cased_words(CONTRACTION + "?", r"\p{N}{1,3}")]),
]


def pieces(steps, text):
    """By their offsets: ByteLevel writes the pieces themselves in its own letters."""
    return [text[begin:end] for _, (begin, end) in pre_tokenizers.Sequence(steps).pre_tokenize_str(text)]


families = [{"names": names, "pieces": [pieces(steps, text) for text in TEXTS]} for names, steps in FAMILIES]
for family in families:
    assert ["".join(p) for p in family["pieces"]] == TEXTS
print("[")
print(",\n".join(json.dumps(family, ensure_ascii=False) for family in families))
print("]")
