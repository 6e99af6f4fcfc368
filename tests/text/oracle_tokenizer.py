# SPDX-License-Identifier: Apache-2.0
"""Compares our tokenizer with Hugging Face `tokenizers`: oracle_tokenizer.py TEST_PROGRAM TEXT TOKENIZER_JSON...
TEST_PROGRAM is the built test_text, TEXT a UTF-8 file that is encoded whole; random hard texts follow."""
import json
import pathlib
import random
import subprocess
import sys
import tempfile

from tokenizers import Tokenizer

ATOMS = ["'s", "'S", "'ſ", "'LL", "’s", "\r\n", "\n\n\n", " ", "    ", " \t ", "\u0085", "\u2028", "\u3000", "\u180e", "\u0000", "\ufffd", "e\u0301", "\u0344",
         "\u1e9b\u0323", "\u0958", "\u1100\u1161\u11a8", "\u0308\u0301\u0323", "👩‍👩‍👧", "漢字", "日本語", "مرحبا", "שָׁלוֹם", "हिन्दी", "12", "1234567", "٣٤٥", "½",
         "a", "Hello", "world", "ß", "ﬁ", "__", "!!!", "\U0010ffff", "x" * 40, "9" * 30, " " * 50]


def hard_texts(specials, count=4000):
    chance = random.Random(1)
    atoms = ATOMS + specials + [special[:-1] for special in specials]
    planes = [(0x20, 0x3000), (0x3000, 0xD800), (0xE000, 0x110000)]
    for _ in range(count):
        yield "".join(chance.choice(atoms) if chance.random() < 0.8 else chr(chance.randrange(*chance.choice(planes)))
                      for _ in range(chance.randrange(1, 30)))


def main():
    program, text, *paths = sys.argv[1:]
    with tempfile.NamedTemporaryFile("w", suffix=".jsonl", encoding="utf-8") as file:
        for path in paths:
            oracle = Tokenizer.from_file(path)
            oracle.no_truncation()
            oracle.no_padding()
            specials = [token["content"] for token in json.loads(pathlib.Path(path).read_text("utf-8"))["added_tokens"]][:12]
            whole = pathlib.Path(text).read_bytes().decode("utf-8")
            for case in [whole, *hard_texts(specials)]:
                ids = oracle.encode(case, add_special_tokens=False).ids
                file.write(json.dumps({"tokenizer": str(pathlib.Path(path).resolve()), "text": case, "ids": ids}) + "\n")
        file.flush()
        sys.exit(subprocess.run([program, "--gtest_filter=Oracle.TokenizerCases"], check=False,
                                env={"HALFBYTE_TOKENIZER_CASES": file.name, "PATH": "/usr/bin:/bin"}).returncode)


main()
