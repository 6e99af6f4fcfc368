# SPDX-License-Identifier: Apache-2.0
"""Prints the table of src/text/recent_characters.cpp: the characters that the regex engine of Hugging Face
`tokenizers` (and, for Digits, its `is_numeric`) knows and Unicode 14 (Python 3.11, PCRE2 10.42) does not."""
import unicodedata

from tokenizers import Regex, normalizers
from tokenizers import pre_tokenizers as pre

assert unicodedata.unidata_version == "14.0.0", "run with Python 3.11"
POINTS = [c for c in range(0x110000) if not 0xD800 <= c < 0xE000]


def members(step):
    return {c for c in POINTS if len(step.pre_tokenize_str("\x01" + chr(c) + "\x01")) > 1}


def ranges(points):
    out = []
    for c in sorted(points):
        if out and out[-1][1] == c - 1:
            out[-1][1] = c
        else:
            out.append([c, c])
    return out


for name in ["L", "M", "N", "Nd", "P", "S", "Z", "digits"]:
    category = "N" if name == "digits" else name
    step = pre.Digits(True) if name == "digits" else pre.Split(Regex(r"\p{%s}" % name), "isolated")
    known = {c for c in POINTS if unicodedata.category(chr(c)).startswith(category)}
    found = members(step)
    assert known <= found
    print(name, ", ".join("{0x%x, 0x%x}" % tuple(r) for r in ranges(found - known)))

# A mark of Unicode 14 that the normalizer does not reorder; 0x11930 and 0x11938 compose in Unicode 13.
def reorders(mark):
    nfc = normalizers.NFC()
    texts = [f"\u0334\u0345{mark}\u0334\u0345", f"a\u0345{mark}\u0301\u0323", f"\u3099{mark}\u3099\u094d{mark}\u0301"]
    return all(nfc.normalize_str(text) == unicodedata.normalize("NFC", text) for text in texts)


inert = {c for c in POINTS if unicodedata.combining(chr(c)) and not reorders(chr(c))} | {0x11930, 0x11938}
print("inert", ", ".join("{0x%x, 0x%x}" % tuple(r) for r in ranges(inert)))
