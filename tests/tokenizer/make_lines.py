#!/usr/bin/env python3
"""Makes what tokenizer_lines_test compares with: nasty lines, small tokenizers of every kind, and the ids that Hugging
Face's `tokenizers` and Google's `sentencepiece` give the lines with them. Needs Python 3.11, for its Unicode 14, and
both packages; the files here are of 0.23.3 and 0.2.3.

    python3 make_lines.py         lines.txt, and for each tokenizer a folder NAME and NAME.ids, beside this script

lines.txt     a text a line, with \\n, \\r and \\\\ written as in C
NAME/         a tokenizer.json or a tokenizer.model
NAME.ids      for each line FNV-1a (32 bits, hexadecimal) over its ids as little-endian int32, and "=" where they are
              the line again, otherwise FNV-1a over the text that they are
The lines are the same in every run; of characters as frequent as each other the trainers may keep others.

The lines are our own: words and characters of many scripts, characters of every category, all kinds of spaces and
digits, contractions, marks, emoji, code, control characters, special tokens. Code points that Unicode 14 does not know
are left out: PCRE2 10.42 (Debian 12) cuts about 9,400 of them otherwise than the newer tables of `tokenizers` do. On
all others the two agree for each of the patterns; every one was tried when this script was written. Left out too are
marks and punctuation of which the older tables behind `tokenizers`' NFC and Punctuation do not know, and six control
characters that SmolLM2's vocabulary has no token for: it would lose them, and tsrun refuses them.
"""
import io
import json
import random
import sys
import unicodedata
from pathlib import Path

import sentencepiece
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

HERE = Path(__file__).resolve().parent
COUNT = 5000
SPECIALS = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]  # control tokens
ADDED = ["<|im", "<|im_end|>!", "naïve"]  # user-defined: where several begin at one place, the longest is meant
SPACE_SIGN = "\u2581"
WORD_PATTERN = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}%s| ?[^\s\p{L}\p{N}]+[\r\n]*|"
                r"\s*[\r\n]+|\s+(?!\S)|\s+")
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


def of_older_tables():
    """Characters that `tokenizers` does not know as marks or as punctuation."""
    compose, cut = normalizers.NFC().normalize_str, pre_tokenizers.Punctuation().pre_tokenize_str
    found = set()
    for c in map(chr, range(0x110000)):
        if unicodedata.combining(c):
            texts = [t for mark in "\u0301\u0323\u0345" for t in ("a" + c + mark, "a" + mark + c)]
            if any(compose(t) != unicodedata.normalize("NFC", t) for t in texts):
                found.add(c)
        elif unicodedata.category(c)[0] == "P" and len(cut(c + "a")) == 1:
            found.add(c)
    return found


def usable(text, left_out):
    return all(unicodedata.category(c) != "Cn" and c not in left_out for c in text)


def make_lines(seed=7):
    rng = random.Random(seed)
    left_out = LACKED | of_older_tables()
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
        if usable(line, left_out):
            lines.append(line)
    return lines


def byte_level(use_regex=True):
    return pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=use_regex)


def words(digits):
    return [pre_tokenizers.Split(Regex(WORD_PATTERN % digits), "isolated"), byte_level(use_regex=False)]


BYTE_LEVEL = {
    "gpt2": [byte_level()],
    "smollm": [pre_tokenizers.Digits(individual_digits=True), byte_level()],
    "llama3": words("{1,3}"),
    "qwen2": words(""),
    "falcon": [pre_tokenizers.Punctuation("contiguous"), byte_level(), pre_tokenizers.Digits(individual_digits=False),
               pre_tokenizers.Split(Regex("[0-9][0-9][0-9]"), "isolated")],
}


def fnv(data):
    value = 2166136261
    for byte in data:
        value = (value ^ byte) * 16777619 % (1 << 32)
    return f"{value:08x}"


def letters():
    """GPT-2's alphabet: the byte of each letter"""
    own = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [b for b in range(256) if b not in own]
    return {chr(b): b for b in own} | {chr(256 + i): b for i, b in enumerate(others)}


def decoder_of(tokenizer):
    """HF's own decoder takes the letters of added tokens for bytes too."""
    if not isinstance(tokenizer.decoder, decoders.ByteLevel):
        return lambda ids: tokenizer.decode(ids, skip_special_tokens=False)
    byte_of = letters()
    bytes_of = {i: bytes(byte_of.get(c, 0) for c in text) for text, i in tokenizer.get_vocab().items()}
    bytes_of |= {i: token.content.encode() for i, token in tokenizer.get_added_tokens_decoder().items()}
    return lambda ids: b"".join(bytes_of[i] for i in ids).decode()


def write_ids(path, lines, encode, decode):
    with open(path, "w", newline="\n") as out:
        for line in lines:
            ids = encode(line)
            text = decode(ids)
            hashed = fnv(b"".join(i.to_bytes(4, "little", signed=True) for i in ids))
            out.write(f"{hashed} {'=' if text == line else fnv(text.encode())}\n")


def write_ids_of(path, lines, tokenizer):
    write_ids(path, lines, lambda line: tokenizer.encode(line, add_special_tokens=False).ids,
              decoder_of(tokenizer))


def write(name, tokenizer, lines):
    (HERE / name).mkdir(exist_ok=True)
    document = json.dumps(json.loads(tokenizer.to_str()), ensure_ascii=False, separators=(",", ":"))
    (HERE / name / "tokenizer.json").write_text(document, encoding="utf-8", newline="\n")
    write_ids_of(HERE / f"{name}.ids", lines, tokenizer)


def with_whole_words(tokenizer):
    """Words that no merges make, as Llama 3 has some: only ignore_merges finds them."""
    document = json.loads(tokenizer.to_str())
    vocabulary = document["model"]["vocab"]
    for word in WORDS[:150]:
        letters = byte_level(use_regex=False).pre_tokenize_str(" " + word)[0][0]
        vocabulary.setdefault(letters, len(vocabulary))
    return Tokenizer.from_str(json.dumps(document))


def add_tokens(tokenizer):
    tokenizer.add_tokens([AddedToken(text, normalized=False) for text in ADDED])
    tokenizer.add_tokens([AddedToken("HTTPServer", single_word=True, normalized=False),
                          AddedToken("&&", lstrip=True, rstrip=True, normalized=False)])
    if isinstance(tokenizer.normalizer, normalizers.NFC):
        tokenizer.add_tokens([AddedToken(unicodedata.normalize("NFD", "L'été"), normalized=True)])


def make_byte_level(name, lines):
    tokenizer = Tokenizer(models.BPE(ignore_merges=name == "llama3"))
    tokenizer.pre_tokenizer, tokenizer.decoder = pre_tokenizers.Sequence(BYTE_LEVEL[name]), decoders.ByteLevel()
    if name == "qwen2":
        tokenizer.normalizer = normalizers.NFC()
    trainer = trainers.BpeTrainer(vocab_size=1200, special_tokens=SPECIALS, show_progress=False,
                                  initial_alphabet=pre_tokenizers.ByteLevel.alphabet())
    tokenizer.train_from_iterator(lines, trainer)
    if name == "llama3":
        tokenizer = with_whole_words(tokenizer)
    add_tokens(tokenizer)
    write(name, tokenizer, lines)


def few_characters(lines):
    """A small vocabulary has no place for all of them."""
    return [line for line in lines if max(line, default="") < "\u0530"]


def short(lines):
    """Without pieces a whole line is one word, and training on long ones takes minutes."""
    return [line for line in lines if len(line) < 60][:2000]


BYTES = [f"<0x{b:02X}>" for b in range(256)]
FROM_PIECES = [decoders.Replace(SPACE_SIGN, " "), decoders.ByteFallback(), decoders.Fuse()]


def make_llama2(lines):
    """Characters, a space before every text, bytes for what is lacked."""
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>", fuse_unk=True, byte_fallback=True))
    tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend(SPACE_SIGN), normalizers.Replace(" ", SPACE_SIGN)])
    tokenizer.decoder = decoders.Sequence([*FROM_PIECES, decoders.Strip(" ", 1, 0)])
    trainer = trainers.BpeTrainer(vocab_size=1600, special_tokens=["<unk>", *SPECIALS, *BYTES], show_progress=False,
                                  limit_alphabet=700, max_token_length=12)
    tokenizer.train_from_iterator(short(lines), trainer)
    tokenizer = without_added(tokenizer, BYTES)
    add_tokens(tokenizer)
    write("llama2", tokenizer, lines)


def make_gemma(lines):
    """Characters, no space before a text, pieces that end with one; what is lacked is unknown, each for itself."""
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>", fuse_unk=False))
    tokenizer.normalizer = normalizers.Replace(" ", SPACE_SIGN)
    tokenizer.pre_tokenizer = pre_tokenizers.Split(SPACE_SIGN, "merged_with_previous")
    tokenizer.decoder = decoders.Sequence(FROM_PIECES)
    trainer = trainers.BpeTrainer(vocab_size=1400, special_tokens=["<unk>", *SPECIALS], show_progress=False,
                                  limit_alphabet=700)
    tokenizer.train_from_iterator(short(lines), trainer)
    add_tokens(tokenizer)
    write("gemma", tokenizer, lines)


def make_unigram(lines):
    tokenizer = Tokenizer(models.Unigram())
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(SPACE_SIGN, prepend_scheme="first")
    tokenizer.decoder = decoders.Metaspace(SPACE_SIGN, prepend_scheme="first")
    trainer = trainers.UnigramTrainer(vocab_size=1200, special_tokens=["<unk>", *SPECIALS], unk_token="<unk>",
                                      show_progress=False)
    tokenizer.train_from_iterator(few_characters(lines), trainer)
    add_tokens(tokenizer)
    write("unigram", tokenizer, lines)


def without_added(tokenizer, texts):
    """Those texts as tokens of the vocabulary only, not found in a text that writes them out."""
    document = json.loads(tokenizer.to_str())
    document["added_tokens"] = [t for t in document["added_tokens"] if t["content"] not in texts]
    return Tokenizer.from_str(json.dumps(document))


def make_sentencepiece(name, lines, **options):
    """A model file of SentencePiece's own, which leaves the text as it is but for its spaces."""
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(few_characters(lines)), model_writer=model, vocab_size=1400, hard_vocab_limit=False,
        num_threads=1, normalization_rule_name="identity", remove_extra_whitespaces=False, byte_fallback=True,
        minloglevel=2, **options)
    (HERE / name).mkdir(exist_ok=True)
    (HERE / name / "tokenizer.model").write_bytes(model.getvalue())
    processor = sentencepiece.SentencePieceProcessor(model_proto=model.getvalue())
    write_ids(HERE / f"{name}.ids", lines, processor.encode, processor.decode)


def main():
    lines = make_lines()
    with open(HERE / "lines.txt", "w", encoding="utf-8", newline="\n") as out:
        for line in lines:
            out.write(line.replace("\\", "\\\\").replace("\n", "\\n").replace("\r", "\\r") + "\n")
    for name in BYTE_LEVEL:
        make_byte_level(name, lines)
    make_llama2(lines)
    make_gemma(lines)
    make_unigram(lines)
    make_sentencepiece("mistral_model", lines, model_type="bpe")
    make_sentencepiece("gemma_model", lines, model_type="bpe", add_dummy_prefix=False,
                       user_defined_symbols=[*ADDED, SPACE_SIGN * 2, SPACE_SIGN * 4, "\n\n"])
    make_sentencepiece("unigram_model", lines, model_type="unigram")


if __name__ == "__main__":
    main()
