#!/usr/bin/env python3
"""Writes nfc_table.hpp and nfc_singles.hpp beside it: what canonical composition needs to know of each character.

    python3.11 nfc_table.py        Unicode 14, whose data Python 3.11 carries
"""
import unicodedata
from pathlib import Path

HEAD = """// {idea} Unicode {version}; made by nfc_table.py.
#pragma once

namespace tsrun {{
"""


def hexed(*points):
    return "{" + ", ".join(f"0x{p:x}" for p in points) + "},"


def decompositions():
    """pairs that compose again, pairs that do not, single characters"""
    kinds = [], [], []
    for point in range(0x110000):
        parts = unicodedata.decomposition(chr(point)).split()
        if parts and not parts[0].startswith("<"):
            parts = [int(p, 16) for p in parts]
            composed = unicodedata.normalize("NFC", "".join(map(chr, parts)))
            kinds[2 if len(parts) == 1 else 0 if composed == chr(point) else 1].append(hexed(point, *parts))
    return kinds


def classes():
    found, first, value = [], 0, 0
    for point in range(0x110001):
        here = unicodedata.combining(chr(point)) if point < 0x110000 else 0
        if here != value:
            if value:
                found.append(f"{{0x{first:x}, 0x{point - 1:x}, {value}}},")
            first, value = point, here
    return found


def table(kind, name, items):
    out, line = [f"inline constexpr {kind} {name}[] = {{"], " "
    for item in items:
        if len(line) + 1 + len(item) > 120:
            out.append(line)
            line = " "
        line += " " + item
    return "\n".join(out + [line, "};\n"])


def write(name, idea, *parts):
    text = HEAD.format(idea=idea, version=unicodedata.unidata_version) + "\n" + "\n".join(parts) + "\n}  // namespace tsrun\n"
    Path(__file__).with_name(name).write_text(text)


def main():
    pairs, apart, singles = decompositions()
    write("nfc_table.hpp", "Canonical decompositions into two characters, and combining classes.",
          "struct Decomposition {\n  char32_t point, first, second;\n};\n",
          "// Characters first to last have this combining class; all others have 0.\n"
          "struct CombiningClass {\n  char32_t first, last;\n  unsigned char value;\n};\n",
          table("Decomposition", "pairs", pairs),
          "// These do not become one character again.\n" + table("Decomposition", "pairs_apart", apart),
          table("CombiningClass", "combining_classes", classes()))
    write("nfc_singles.hpp", "Characters that stand for one other.",
          "struct Single {\n  char32_t point, other;\n};\n", table("Single", "singles", singles))


main()
