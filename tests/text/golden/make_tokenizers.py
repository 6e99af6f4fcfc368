# SPDX-License-Identifier: Apache-2.0
"""Writes tokenizers.json: one small byte-level BPE, the pipelines of several families over it, and the ids and texts
that Hugging Face `tokenizers` makes of hard cases. Invalid UTF-8 stands in `bytes` (hex)."""
import json
import pathlib
import random

from tokenizers import AddedToken, Tokenizer, models, pre_tokenizers, trainers

CORPUS = (
    "The quick brown fox jumps over the lazy dog. It's what we'll do; they've said I'm here and you're there. "
    "In 1999 and 2024, 12345 people paid 678.90 for 1000000 things.\n\n    def f(x):\n\treturn x + 1\r\n"
    "Größe, naïve café, déjà vu, señor. Привет, мир! Καλημέρα κόσμε. 你好,世界。日本語のテキスト。안녕하세요 "
    "مرحبا بالعالم שלום עולם हिन्दी ไทย 👍🏽 👩‍👩‍👧 ٣٤٥ ½ Ⅷ the then than that this there these those\n"
)
LLAMA = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+"
    r"|\s+(?!\S)|\s+"
)
QWEN = LLAMA.replace("{1,3}", "")
MARKS = LLAMA.replace(r"\p{L}+", r"[\p{L}\p{M}]+").replace(r"]+[\r", r"\p{M}]+[\r")


def byte_level(prefix=False, regex=True):
    return {"type": "ByteLevel", "add_prefix_space": prefix, "trim_offsets": True, "use_regex": regex}


def split(pattern):
    return {"type": "Split", "pattern": {"Regex": pattern}, "behavior": "Isolated", "invert": False}


def sequence(*steps):
    return {"type": "Sequence", "pretokenizers": list(steps)}


def digits(individual):
    return {"type": "Digits", "individual_digits": individual}


def bos(name, ids):
    special = {"SpecialToken": {"id": name, "type_id": 0}}
    text = {"Sequence": {"id": "A", "type_id": 0}}
    return {"type": "TemplateProcessing", "single": [special, text], "pair": [special, text, text],
            "special_tokens": {name: {"id": name, "ids": ids, "tokens": [name] * len(ids)}}}


def token(number, content, **flags):
    keys = ("single_word", "lstrip", "rstrip", "normalized", "special")
    return {"id": number, "content": content, **{k: flags.get(k, False) for k in keys}}


def train():
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    trainer = trainers.BpeTrainer(vocab_size=520, show_progress=False, special_tokens=[AddedToken("<|end|>", special=True)],
                                  initial_alphabet=pre_tokenizers.ByteLevel.alphabet())
    tokenizer.train_from_iterator([CORPUS] * 4, trainer)
    model = json.loads(tokenizer.to_str())["model"]
    return model


def families(size):
    specials = [token(0, "<|end|>", special=True), token(size, "<|start|>", special=True)]
    more = [token(size + 1, "<tool>"), token(size + 2, "<tool>x"), token(size + 3, "é!", normalized=True),
            token(size + 4, "word", single_word=True), token(size + 5, "<l>", lstrip=True), token(size + 6, "<r>", rstrip=True)]
    nfc = {"type": "NFC"}
    return {
        "smollm2": {"pre_tokenizer": sequence(digits(True), byte_level()), "added_tokens": specials},
        "llama3": {"pre_tokenizer": sequence(split(LLAMA), byte_level(regex=False)), "added_tokens": specials,
                   "ignore_merges": True,
                   "post_processor": {"type": "Sequence", "processors": [byte_level(), bos("<|start|>", [size])]}},
        "qwen2": {"normalizer": nfc, "pre_tokenizer": sequence(split(QWEN), byte_level(regex=False)),
                  "added_tokens": specials + more, "post_processor": byte_level()},
        "marks": {"normalizer": {"type": "Sequence", "normalizers": [nfc]}, "added_tokens": specials + more,
                  "pre_tokenizer": sequence(split(MARKS), byte_level(regex=False)), "merges_as_pairs": True},
        "digit_runs": {"pre_tokenizer": sequence(digits(False), byte_level(prefix=True)), "added_tokens": specials + more,
                       "post_processor": bos("<|start|>", [size, 0])},
        "gpt2": {"pre_tokenizer": byte_level(), "added_tokens": specials},
    }


def texts():
    out = ["", "Hello world", "It's I'M we'LL THEY'Ve 'ſ ’s ''s", "a\r\n\r\nb\n\n\n c\r\r", " " * 9 + "x" + " " * 5, "\t \t\n \n",
           "1234567890123 1.5 12,000 ٣٤٥ Ⅷ ½ ² 𝟘𝟙", "e\u0301 a\u0323\u0301 \u212b \u1100\u1161\u11a8 \u0344 \u0958 \u1e9b\u0323",
           "👩‍👩‍👧 👍🏽 🏳️‍🌈", "你好,世界。\u3000日本語", "مرحبا שָׁלוֹם हिन्दी ไทย", "\u0000\u0001\u007f\u0085\u2028\u2029\u00a0\u180e\u200b\ufeff",
           "x" * 120, "!" * 60 + "?" * 30, "\U0001d2c0\U00010d4a\U0002ebf0\u0898\u0323", "<|end|>a<|start|> <|end<|end|>|>",
           "a <tool> <tool>x<tool>y <l>  <l> b<r>  c<r>", "word sword word-word words é! e\u0301! É!", "the then\u0000\ufffd"]
    atoms = [" ", "  ", "\n", "\r\n", "the", "é", "e\u0301", "\u0323", "9", "42", "'s", "'LL", "语", "你", "<|end|>", "<tool>", "!", ".",
             "_", "\u3000", "👍", "ing", "there", "<r>", "<l>", "word", "X", "ß", "\u1ac1"]
    chance = random.Random(7)
    out += ["".join(chance.choice(atoms) for _ in range(chance.randrange(1, 25))) for _ in range(16)]
    broken = [b"\xff", b"a\xc3", b"\xe2\x82", b"\xe2\x82b", b"\xf0\x9f\x98", b"\xed\xa0\x80", b"\xc0\xaf", b"\xf4\x90\x80\x80", b"\x80\x80z"]
    return [text.encode() for text in out] + broken


def main():
    model = train()
    table = {"model": model, "families": {}, "texts": [text.hex() for text in texts()]}
    for name, family in families(len(model["vocab"])).items():
        pipeline = {"version": "1.0", "truncation": None, "padding": None, "added_tokens": family["added_tokens"],
                    "normalizer": family.get("normalizer"), "pre_tokenizer": family["pre_tokenizer"],
                    "post_processor": family.get("post_processor"), "decoder": byte_level()}
        extra = {"ignore_merges": family.get("ignore_merges", False)}
        merges = model["merges"] if family.get("merges_as_pairs") else [" ".join(m) for m in model["merges"]]
        oracle = Tokenizer.from_str(json.dumps({**pipeline, "model": {**model, **extra, "merges": merges}}))
        cases = []
        for data in texts():
            text = data.decode("utf-8", "replace")
            encoded = oracle.encode(text).ids
            cases.append([encoded, len(encoded) - len(oracle.encode(text, add_special_tokens=False).ids),
                          oracle.decode(encoded, skip_special_tokens=True)])
        table["families"][name] = {"pipeline": pipeline, "model": extra, "pairs": bool(family.get("merges_as_pairs")), "cases": cases}
    path = pathlib.Path(__file__).with_name("tokenizers.json")
    path.write_text(json.dumps(table, ensure_ascii=True, separators=(",", ":")) + "\n")
    print(path.stat().st_size)


main()
