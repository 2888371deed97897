#!/usr/bin/env python3
"""Makes what tokenizer_lines_test compares with: nasty lines, small vocabularies, and the ids that Hugging Face's
`tokenizers` gives them.

    python3 make_lines.py                     lines.txt, and NAME.vocab with NAME.ids for three patterns, here
    python3 make_lines.py MODEL.gguf FOLDER   the same lines with the tokenizer of a GGUF file: FOLDER/NAME.vocab, .ids

lines.txt     a text a line, with \\n, \\r and \\\\ written as in C
NAME.vocab    pattern, "ignore_merges" or "merges", unknown id or -1; then "tokens N" and N token texts, each after its
              type number and a space; then "merges M" and M merges
NAME.ids      for each line FNV-1a (64 bits, hexadecimal) over its ids as little-endian int32

The lines are our own: words and characters of many scripts, all kinds of spaces and digits, contractions, marks,
emoji, code, control characters. Code points newer than Unicode 14 are left out, since PCRE2 10.42 does not know them.
"""
import random
import sys
from pathlib import Path

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers, trainers

HERE = Path(__file__).resolve().parent
COUNT = 5000
SPECIALS = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
LLAMA3 = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+"
          r"|\s+(?!\S)|\s+")
WORDS = """the house stands by water and nobody's there they'll don't I'M WE'VE it'd you're L'été déjà naïve Straße GROSS
İstanbul ılık çözüm Việt Nam tiếng слово дом Москва ещё їжак λόγος Ἀθῆναι שלום עולם مرحبا العالم نص हिन्दी नमस्ते বাংলা தமிழ்
ไทย สวัสดี ကမ္ဘာ ភាសា 日本語 こんにちは カタカナ 漢字 中文 你好世界 한국어 안녕하세요 ქართული հայերեն ᏣᎳᎩ አማርኛ ᐃᓄᒃᑎᑐᑦ ᚠᚢᚦᚨᚱᚲ 𐌰𐍄𐍄𐌰 𝔘𝔫𝔦 𝟙𝟚𝟛 ½ Ⅷ ²³ ① 〇一二三
١٢٣ ۴۵۶ १२३ ๑๒๓ 0 7 42 1999 3.14159 1,000,000 0x1F 1e-9 foo_bar camelCase HTTPServer x86_64 int main() {return 0;} a[i]+=b->c;
https://example.org/a?b=c&d=%20 user@example.com #tag @name $5.00 €3,50 ¥¥ ©®™ ... !!! ?! -- —– “quoted” ‘single’ «guillemets» 。、！？ ｆｕｌｌ
👍 👨‍👩‍👧‍👦 👋🏽 🇩🇪🇫🇷 🏳️‍🌈 ☃️ ❤ é à̧ n̈ ﷽ \u0627\u064e\u0644 ꙮ ﬁn ǆ ß ẞ ſ K Å""".split()
SPACES = [" ", " ", " ", " ", "  ", "   ", "\t", "\n", "\r\n", "\n\n", "\u00a0", "\u3000", "\u2003", "\u2028", "\u0085", "\u202f", "\v",
          "\u180e", "\u200b", " \n ", "\t \t", ""]
ODD = ["\x00", "\x01", "\x7f", "\u00ad", "\u200d", "\ufeff", "\ufffd", "\U0001f600", "\u0301", "\u0e31", "'", "''", "'S", "'lL", "’s", "\u0345"]


def make_lines(seed=7):
    rng = random.Random(seed)
    lines = ["", " ", "\n", "a", " a", "a ", "'s", "''s", "1", " 1", "12345678", "a1b2", "\r\n\r\n", "word" * 500, "1" * 300, " " * 100]
    ranges = [(0x20, 0x7e), (0xa0, 0x24f), (0x370, 0x3ff), (0x400, 0x4ff), (0x5d0, 0x5ea), (0x620, 0x64a), (0x904, 0x939), (0xe01, 0xe3a),
              (0x3041, 0x3096), (0x4e00, 0x9fa5), (0xac00, 0xd7a3), (0x2010, 0x2027), (0x2190, 0x21ff), (0x1f300, 0x1f5ff)]
    while len(lines) < COUNT:
        parts = []
        for _ in range(rng.randint(1, 14)):
            kind = rng.random()
            if kind < 0.7:
                word = rng.choice(WORDS)
                parts.append(rng.choice([word, word, word.upper(), word.capitalize(), word.lower()]))
            elif kind < 0.8:
                parts.append("".join(rng.choice("0123456789٣४๕") for _ in range(rng.randint(1, 9))))
            elif kind < 0.93:
                low, high = rng.choice(ranges)
                parts.append("".join(chr(rng.randint(low, high)) for _ in range(rng.randint(1, 6))))
            elif kind < 0.97:
                parts.append(rng.choice(ODD))
            else:
                parts.append(rng.choice(SPECIALS))
            parts.append(rng.choice(SPACES))
        lines.append("".join(parts))
    return lines


def pre_tokenizer(pattern):
    byte_level = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=pattern != "llama3")
    if pattern == "gpt2":
        return byte_level
    first = pre_tokenizers.Digits(individual_digits=True) if pattern == "smollm" else pre_tokenizers.Split(Regex(LLAMA3), "isolated")
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
        out.writelines(fnv(tokenizer.encode(line, add_special_tokens=False).ids) + "\n" for line in lines)


def train(folder, pattern, lines):
    tokenizer = Tokenizer(models.BPE(ignore_merges=pattern == "llama3"))
    tokenizer.pre_tokenizer, tokenizer.decoder = pre_tokenizer(pattern), decoders.ByteLevel()
    trainer = trainers.BpeTrainer(vocab_size=2000, special_tokens=SPECIALS, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
                                  show_progress=False)
    tokenizer.train_from_iterator(lines, trainer)
    model = __import__("json").loads(tokenizer.to_str())["model"]
    tokens = sorted(model["vocab"], key=model["vocab"].get)
    merges = [m if isinstance(m, str) else " ".join(m) for m in model["merges"]]
    write(folder, pattern, pattern, pattern == "llama3", -1, tokens, [3 if t in SPECIALS else 1 for t in tokens], merges, tokenizer, lines)


def from_gguf(path, folder, lines):
    from gguf import GGUFReader
    fields = GGUFReader(path).fields
    tokens, merges, types = (fields[f"tokenizer.ggml.{k}"].contents() for k in ("tokens", "merges", "token_type"))
    pattern = {"smollm": "smollm", "llama-bpe": "llama3", "gpt-2": "gpt2"}[fields["tokenizer.ggml.pre"].contents()]
    unknown = fields["tokenizer.ggml.unknown_token_id"].contents() if "tokenizer.ggml.unknown_token_id" in fields else -1
    model = models.BPE(vocab={t: i for i, t in enumerate(tokens)}, merges=[tuple(m.split(" ")) for m in merges],
                       ignore_merges=pattern == "llama3", **({"unk_token": tokens[unknown]} if unknown >= 0 else {}))
    tokenizer = Tokenizer(model)
    tokenizer.pre_tokenizer, tokenizer.decoder = pre_tokenizer(pattern), decoders.ByteLevel()
    tokenizer.add_special_tokens([AddedToken(t, special=True, normalized=False) for t, kind in zip(tokens, types) if kind == 3])
    write(folder, Path(path).stem, pattern, pattern == "llama3", unknown, tokens, types, merges, tokenizer, lines)


def main():
    lines = make_lines()
    if len(sys.argv) == 3:
        from_gguf(sys.argv[1], Path(sys.argv[2]), lines)
        return
    with open(HERE / "lines.txt", "w", encoding="utf-8", newline="\n") as out:
        out.writelines(line.replace("\\", "\\\\").replace("\n", "\\n").replace("\r", "\\r") + "\n" for line in lines)
    for pattern in ("gpt2", "smollm", "llama3"):
        train(HERE, pattern, lines)


main()
