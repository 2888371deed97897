#!/usr/bin/env python3
"""Makes what tokenizer_lines_test compares with: nasty lines, small vocabularies, and the ids that Hugging Face's
`tokenizers` gives them. Needs Python 3.11, for its Unicode 14, and `tokenizers`; the files here are of 0.23.3.

    python3 make_lines.py         lines.txt, and NAME.vocab with NAME.ids for three patterns, beside this script

lines.txt     a text a line, with \\n, \\r and \\\\ written as in C
NAME.vocab    pattern, "ignore_merges" or "merges", unknown id or -1; then "tokens N" and N token texts, each after its
              type number (as in GGUF) and a space; then "merges M" and M merges
NAME.ids      for each line FNV-1a (64 bits, hexadecimal) over its ids as little-endian int32

The lines are our own: words and characters of many scripts, characters of every category, all kinds of spaces and
digits, contractions, marks, emoji, code, control characters, special tokens. Code points that Unicode 14 does not know
are left out: PCRE2 10.42 (Debian 12) cuts about 9,400 of them otherwise than the newer tables of `tokenizers` do. On
all others the two agree for each of the four patterns; every one was tried when this script was written. Left out too
are six control characters that SmolLM2's vocabulary has no token for: it would lose them, and tsrun refuses them.
"""
import json
import random
import sys
import unicodedata
from pathlib import Path

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers, trainers

HERE = Path(__file__).resolve().parent
COUNT = 5000
SPECIALS = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]  # control tokens
ADDED = ["<|im", "<|im_end|>!", "naïve"]  # user-defined: where several begin at one place, the longest is meant
LLAMA3 = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+"
          r"|\s+(?!\S)|\s+")
LACKED = set("\x04\x06\x13\x14\x16\x1d")  # by SmolLM2
WORDS = """
the house stands by water and nobody's there they'll don't I'M WE'VE it'd you're L'été déjà naïve
Straße GROSS İstanbul ılık çözüm Việt Nam tiếng слово дом Москва ещё їжак λόγος Ἀθῆναι שלום עולם
مرحبا العالم نص हिन्दी नमस्ते বাংলা தமிழ் ไทย สวัสดี ကမ္ဘာ ភាសា 日本語 こんにちは カタカナ 漢字 中文 你好世界 한국어 안녕하세요
ქართული հայերեն ᏣᎳᎩ አማርኛ ᐃᓄᒃᑎᑐᑦ ᚠᚢᚦᚨᚱᚲ 𐌰𐍄𐍄𐌰 𝔘𝔫𝔦 𝟙𝟚𝟛 ½ Ⅷ ²³ ① 〇一二三 ١٢٣ ۴۵۶ १२३ ๑๒๓ 0 7 42 1999
3.14159 1,000,000 0x1F 1e-9 foo_bar camelCase HTTPServer x86_64 int main() {return 0;} a[i]+=b->c;
https://example.org/a?b=c&d=%20 user@example.com #tag @name $5.00 €3,50 ¥¥ ©®™ ... !!! ?! -- —–
“quoted” ‘single’ «guillemets» 。、！？ ｆｕｌｌ 👍 👨‍👩‍👧‍👦 👋🏽 🇩🇪🇫🇷 🏳️‍🌈 ☃️ ❤ é à̧ n̈ ﷽ \u0627\u064e\u0644 ꙮ
ﬁn ǆ ß ẞ ſ K Å def f(x): {"key":"value"} && /* */ #include<a.h> if(!ok) won’t rock'n'roll O'Neil
’Tis 𞤀𞤣𞤤𞤢𞤥 ᠮᠣᠩᠭᠣᠯ ⵜⴰⵎⴰⵣⵉⵖⵜ ދިވެހި བོད සිංහල తెలుగు éé שָׁ ١٬٢٣٤ 1st ２０２４ 𝟘x ㉈ ፩፪ C++20
""".split()
SPACES = [" ", " ", " ", " ", "  ", "   ", "\t", "\n", "\r\n", "\n\n", "\u00a0", "\u3000", "\u2003", "\u2028", "\u0085",
          "\u202f", "\v", "\u180e", "\u200b", " \n ", "\t \t", ""]
ODD = ["\x00", "\x01", "\x7f", "\u00ad", "\u200d", "\ufeff", "\ufffd", "\U0001f600", "\u0301", "\u0e31", "'", "''", "'S",
       "'lL", "’s", "\u0345", "'ſ", "'RE", "'Ve", "' s", "'d'd", "s'", "\u202e", "\u2067", "👩🏾‍🚀", "🏴\U000e0067\U000e007f"]


def by_category():
    """Every assigned character, by category: no surrogates."""
    if unicodedata.unidata_version != "14.0.0":
        sys.exit(f"this Python knows Unicode {unicodedata.unidata_version}; Python 3.11 and its 14.0.0 are needed")
    found = {}
    for code in range(0x110000):
        found.setdefault(unicodedata.category(chr(code)), []).append(chr(code))
    del found["Cn"], found["Cs"]
    return [found[name] for name in sorted(found)]


def usable(text):
    return all(unicodedata.category(c) != "Cn" and c not in LACKED for c in text)


def make_lines(seed=7):
    rng = random.Random(seed)
    categories = by_category()
    lines = ["", " ", "\n", "a", " a", "a ", "'s", "''s", "1", " 1", "12345678", "a1b2", "\r\n\r\n", "word" * 500,
             "1" * 300, " " * 100, " " * 100 + "1", "\t" * 50 + "x", "ab" * 700, "é" * 400, "'s" * 99, "\u0301" * 99, "<|im_end|" * 9]
    ranges = [(0x20, 0x7e), (0xa0, 0x24f), (0x370, 0x3ff), (0x400, 0x4ff), (0x5d0, 0x5ea), (0x620, 0x64a),
              (0x904, 0x939), (0xe01, 0xe3a), (0x3041, 0x3096), (0x4e00, 0x9fa5), (0xac00, 0xd7a3), (0x2010, 0x2027),
              (0x2190, 0x21ff), (0x1f300, 0x1f5ff)]
    while len(lines) < COUNT:
        parts = []
        for _ in range(rng.randint(1, 14)):
            kind = rng.random()
            if kind < 0.6:
                word = rng.choice(WORDS)
                parts.append(rng.choice([word, word, word.upper(), word.capitalize(), word.lower()]))
            elif kind < 0.7:
                parts.append("".join(rng.choice("0123456789٣४๕") for _ in range(rng.randint(1, 9))))
            elif kind < 0.8:
                low, high = rng.choice(ranges)
                parts.append("".join(chr(rng.randint(low, high)) for _ in range(rng.randint(1, 6))))
            elif kind < 0.9:
                parts.append("".join(rng.choice(rng.choice(categories)) for _ in range(rng.randint(1, 3))))
            elif kind < 0.95:
                parts.append(rng.choice(ODD))
            else:
                parts.append(rng.choice(SPECIALS + ADDED))
            parts.append(rng.choice(SPACES))
        line = "".join(parts)
        if usable(line):
            lines.append(line)
    return lines


def pre_tokenizer(pattern):
    byte_level = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=pattern != "llama3")
    if pattern == "gpt2":
        return byte_level
    if pattern == "smollm":
        first = pre_tokenizers.Digits(individual_digits=True)
    else:
        first = pre_tokenizers.Split(Regex(LLAMA3), "isolated")
    return pre_tokenizers.Sequence([first, byte_level])


def fnv(ids):
    value = 14695981039346656037
    for i in ids:
        for byte in int(i).to_bytes(4, "little", signed=True):
            value = (value ^ byte) * 1099511628211 % (1 << 64)
    return f"{value:016x}"


def write(folder, name, pattern, ignore_merges, unknown, tokens, types, merges, tokenizer, lines):
    with open(folder / f"{name}.vocab", "w", encoding="utf-8", newline="\n") as out:
        out.write(f"{pattern} {'ignore_merges' if ignore_merges else 'merges'} {unknown}\ntokens {len(tokens)}\n")
        out.writelines(f"{kind} {token}\n" for kind, token in zip(types, tokens))
        out.write(f"merges {len(merges)}\n")
        out.writelines(f"{merge}\n" for merge in merges)
    with open(folder / f"{name}.ids", "w", newline="\n") as out:
        for line in lines:
            encoding = tokenizer.encode(line, add_special_tokens=False)
            out.write(fnv(encoding.ids) + "\n")


def in_letters(text):
    return pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False).pre_tokenize_str(text)[0][0]


def with_whole_words(tokenizer):
    """Words that no merges make, as Llama 3 has some: only ignore_merges finds them."""
    document = json.loads(tokenizer.to_str())
    vocabulary = document["model"]["vocab"]
    for word in WORDS[:150]:
        vocabulary.setdefault(in_letters(" " + word), len(vocabulary))
    return Tokenizer.from_str(json.dumps(document))


def train(folder, pattern, lines):
    tokenizer = Tokenizer(models.BPE(ignore_merges=pattern == "llama3"))
    tokenizer.pre_tokenizer, tokenizer.decoder = pre_tokenizer(pattern), decoders.ByteLevel()
    trainer = trainers.BpeTrainer(vocab_size=2000, special_tokens=SPECIALS, show_progress=False,
                                  initial_alphabet=pre_tokenizers.ByteLevel.alphabet())
    tokenizer.train_from_iterator(lines, trainer)
    if pattern == "llama3":
        tokenizer = with_whole_words(tokenizer)
    tokenizer.add_tokens([AddedToken(text, normalized=False) for text in ADDED])
    ids = tokenizer.get_vocab(with_added_tokens=True)
    tokens = sorted(ids, key=ids.get)
    types = [3 if t in SPECIALS else 4 if t in ADDED else 1 for t in tokens]
    merges = [m if isinstance(m, str) else " ".join(m) for m in json.loads(tokenizer.to_str())["model"]["merges"]]
    write(folder, pattern, pattern, pattern == "llama3", -1, tokens, types, merges, tokenizer, lines)


def main():
    lines = make_lines()
    with open(HERE / "lines.txt", "w", encoding="utf-8", newline="\n") as out:
        for line in lines:
            out.write(line.replace("\\", "\\\\").replace("\n", "\\n").replace("\r", "\\r") + "\n")
    for pattern in ("gpt2", "smollm", "llama3"):
        train(HERE, pattern, lines)


if __name__ == "__main__":
    main()
