#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""usage: make_damaged.py FOLDER

Writes small models with one damage each, and valid ones to prove that the damage is what is refused.
FOLDER/manifest.json lists {"name", "args", "error"}: the command line to try ({dir} stands for FOLDER,
{out} for a fresh output folder) and a part of the message it must give; "error": null must succeed.
Python's standard library is all it needs."""
import copy
import json
import pathlib
import struct
import sys

import tiny_model as tiny

root = pathlib.Path(sys.argv[1])
cases = []

COMMANDS = {
    "inspect": ["inspect", "{dir}/%s"],
    "quantize": ["quantize", "{dir}/%s", "{out}", "--scheme", "mxfp4", "--recipe", "rtn"],
    "run": ["run", "{dir}/%s", "-p", "abc"],
}


def case(name, model, error, command="inspect", extra=()):
    cases.append({"name": name, "args": [part.replace("%s", model) for part in COMMANDS[command]] + list(extra),
                  "error": error})


def write(name, content):
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content if isinstance(content, bytes) else content.encode())


# weights: one file's bytes, or {file: bytes}
def folder(name, weights=None, config=None, tokenizer=None, tokenizer_config=None):
    if weights is None:
        weights = tiny.join(*tiny.safetensors(tiny.tensors()))
    if isinstance(weights, bytes):
        weights = {"model.safetensors": weights}
    for file, content in weights.items():
        write(f"{name}/{file}", content)
    dump = lambda value: value if isinstance(value, (bytes, str)) else json.dumps(value)
    write(f"{name}/config.json", dump(tiny.CONFIG if config is None else config))
    write(f"{name}/tokenizer.json", dump(tiny.tokenizer() if tokenizer is None else tokenizer))
    write(f"{name}/tokenizer_config.json", dump(tiny.tokenizer_config() if tokenizer_config is None else tokenizer_config))


# ---- safetensors: the file itself

def header_case(name, error, change=None, header=None, data=None, length=None):
    good, bytes_ = tiny.safetensors(tiny.tensors())
    if change:
        change(good)
    folder(f"st_{name}", tiny.join(good if header is None else header, bytes_ if data is None else data, length))
    case(f"st_{name}", f"st_{name}", error)


Q = "model.layers.0.self_attn.q_proj.weight"
whole = tiny.join(*tiny.safetensors(tiny.tensors()))
data_bytes = tiny.safetensors(tiny.tensors())[1]


def set_q(field, value):
    return lambda header: header[Q].__setitem__(field, value)


def safetensors_cases():
    for name, content in {"empty_file": b"", "seven_bytes": whole[:7], "length_only": whole[:8], "cut_in_header": whole[:200],
                          "cut_in_data": whole[:-1000], "cut_by_one": whole[:-1]}.items():
        folder(f"st_{name}", content)
        case(f"st_{name}", f"st_{name}", "model.safetensors")
    header_case("length_beyond_file", "header of", length=10**7)
    header_case("length_over_100mb", "at most", length=10**9)
    header_case("length_all_ones", "at most", length=2**64 - 1)
    header_case("length_zero", "does not begin", length=0)
    header_case("header_is_list", "does not begin", header=b"[1,2]")
    header_case("header_is_text", "does not begin", header=b"hello")
    header_case("header_not_utf8", "not valid JSON", header=b'{"\xff\xfe":{}}')
    header_case("header_cut_json", "not valid JSON", header=b'{"a":{"dtype":"F32",')
    header_case("header_deep", "an array", header=b'{"a":' + b"[" * 100000)
    header_case("name_twice", "occurs twice", header=b'{"a":{"dtype":"U8","shape":[0],"data_offsets":[0,0]},'
                b'"a":{"dtype":"U8","shape":[%d],"data_offsets":[0,%d]}}' % (len(data_bytes), len(data_bytes)))
    header_case("metadata_number", "a number", lambda h: h.update({"__metadata__": {"x": 1}}))
    header_case("metadata_list", "an array", lambda h: h.update({"__metadata__": []}))
    header_case("tensor_is_number", "a number", lambda h: h.update({Q: 3}))
    header_case("no_dtype", "dtype is missing", lambda h: h[Q].pop("dtype"))
    header_case("no_shape", "shape is missing", lambda h: h[Q].pop("shape"))
    header_case("no_offsets", "data_offsets is missing", lambda h: h[Q].pop("data_offsets"))
    header_case("unknown_dtype", "unknown dtype 'F31'", set_q("dtype", "F31"))
    header_case("negative_shape", "negative", set_q("shape", [-64, 64]))
    header_case("huge_shape", "shape has dimension", set_q("shape", [2**63, 2]))
    header_case("overflowing_shape", "overflow", set_q("shape", [2**40, 2**40]))
    header_case("wrong_shape", "need", set_q("shape", [64, 63]))
    header_case("text_shape", "a string", set_q("shape", ["64", "64"]))
    header_case("offsets_backwards", "data_offsets", set_q("data_offsets", [100, 0]))
    header_case("offsets_beyond", "data_offsets", set_q("data_offsets", [0, 2**50]))
    header_case("offsets_three", "more than two", set_q("data_offsets", [0, 1, 2]))
    header_case("offsets_fraction", "fraction", set_q("data_offsets", [0.5, 8]))
    header_case("overlap", "overlaps", lambda h: h[Q].update(data_offsets=[0, 16384]))
    header_case("hole", "unused bytes", lambda h: h.pop(Q))
    header_case("trailing", "after the last tensor", data=data_bytes + b"xyz")
    header_case("control_in_name", "\\x0a", lambda h: h.update({"bad\nname\x1b[31m": {"dtype": "F31", "shape": [0], "data_offsets": [0, 0]}}))


# ---- tensors: a right file that is not this model

def tensor_case(name, error, change, command="inspect", config=None):
    items = tiny.tensors()
    change(items)
    folder(f"tensor_{name}", tiny.join(*tiny.safetensors(items)), config)
    case(f"tensor_{name}", f"tensor_{name}", error, command)


def with_value(bits):
    def change(items):
        dtype, shape, raw = items[Q]
        items[Q] = (dtype, shape, raw[:40] + struct.pack("<I", bits) + raw[44:])
    return change


def tensor_cases():
    tensor_case("missing", f"'{Q}' is missing", lambda t: t.pop(Q))
    tensor_case("norm_missing", "'model.norm.weight' is missing", lambda t: t.pop("model.norm.weight"))
    tensor_case("wrong_shape", "has shape [32, 128]", lambda t: t.update({Q: ("F32", [32, 128], t[Q][2])}))
    tensor_case("wrong_dtype", "is I32", lambda t: t.update({Q: ("I32", [64, 64], t[Q][2])}))
    tensor_case("no_head", "'lm_head.weight' is missing", lambda t: None, config={**tiny.CONFIG, "tie_word_embeddings": False})
    tensor_case("experts", "mixtures of experts", lambda t: t.update({"model.layers.0.mlp.experts.0.w1.weight": ("U8", [1], b"x")}))
    tensor_case("surprise_bias", "no bias", lambda t: t.update({Q.replace("weight", "bias"): ("F32", [64], bytes(256))}))
    tensor_case("nan", "q_proj", with_value(0x7FC00000), "quantize")
    tensor_case("infinity", "q_proj", with_value(0x7F800000), "quantize")
    tensor_case("packed_without_config", "no quantization_config",
                lambda t: (t.pop(Q), t.update({Q + "_packed": ("U8", [64, 32], bytes(2048))})))
    narrow = {**tiny.CONFIG, "intermediate_size": 120}

    def cut(items):
        for name, shape in {"gate_proj": [120, 64], "up_proj": [120, 64], "down_proj": [64, 120]}.items():
            items[f"model.layers.0.mlp.{name}.weight"] = ("F32", shape, tiny.floats(shape, 9))
    tensor_case("not_in_groups", "120", cut, "quantize", narrow)


# ---- shards

def shard_cases():
    items = tiny.tensors()
    names = sorted(items)
    halves = [names[:5], names[5:]]
    files = {f"model-0000{i + 1}-of-00002.safetensors": {n: items[n] for n in half} for i, half in enumerate(halves)}
    index = {"metadata": {}, "weight_map": {n: file for file, part in files.items() for n in part}}
    raw = {file: tiny.join(*tiny.safetensors(part)) for file, part in files.items()}
    first, second = files

    def shards(name, error, change):
        these, this = dict(raw), copy.deepcopy(index)
        text = change(these, this)
        these["model.safetensors.index.json"] = json.dumps(this).encode() if text is None else text
        folder(name, these)
        case(name, name, error)

    move = lambda these, this: this["weight_map"].update({halves[0][0]: second})
    shards("valid_sharded", None, lambda these, this: None)
    shards("shard_missing", "is missing", lambda these, this: these.pop(second) and None)
    shards("shard_truncated", second, lambda these, this: these.update({second: raw[second][:-50]}))
    shards("index_extra_tensor", "but not in shard", lambda these, this: this["weight_map"].update(extra=first))
    shards("index_lacks_tensor", "stale", lambda these, this: this["weight_map"].pop(halves[0][0]) and None)
    shards("index_wrong_shard", "stale", move)
    shards("index_escapes", "not the name of", lambda these, this: this["weight_map"].update(extra="../x.safetensors"))
    shards("index_file_is_number", "not given a file", lambda these, this: this["weight_map"].update(extra=3))
    shards("index_without_map", "weight_map", lambda these, this: this.pop("weight_map") and None)
    shards("index_empty_map", "is empty", lambda these, this: this.update(weight_map={}))
    shards("index_not_json", "not valid JSON", lambda these, this: b"{")
    shards("index_and_single", "has both", lambda these, this: these.update({"model.safetensors": whole}))
    folder("no_weights", {})
    case("no_weights", "no_weights", "neither")
    write("no_config/model.safetensors", whole)
    case("no_config", "no_config", "no config.json")
    write("not_a_model.txt", "hello")
    case("not_a_model", "not_a_model.txt", "neither a folder nor a GGUF")
    case("no_such_model", "no/such/model", "no file or folder")


# ---- config.json

def config_cases():
    def config(name, error, **changes):
        text = {k: v for k, v in {**tiny.CONFIG, **changes}.items() if v != "absent"}
        folder(f"config_{name}", None, text)
        case(f"config_{name}", f"config_{name}", error)

    config("unknown_architecture", "'FalconForCausalLM'", architectures=["FalconForCausalLM"])
    config("moe_architecture", "mixture of experts", architectures=["Qwen3MoeForCausalLM"])
    config("no_architecture", "architectures", architectures="absent")
    config("experts", "mixtures of experts", num_local_experts=8)
    config("gelu", "'gelu'", hidden_act="gelu")
    config("yarn", "'yarn'", rope_scaling={"rope_type": "yarn", "factor": 4})
    config("linear_rope", "'linear'", rope_scaling={"type": "linear", "factor": 4})
    config("llama3_without_factor", "'factor' is missing", rope_scaling={"rope_type": "llama3"})
    config("no_hidden", "'hidden_size' is missing", hidden_size="absent")
    config("zero_heads", "'num_attention_heads' is 0", num_attention_heads=0)
    config("negative_layers", "'num_hidden_layers' is -1", num_hidden_layers=-1)
    config("absurd_layers", "'num_hidden_layers'", num_hidden_layers=10**9)
    config("absurd_vocab", "'vocab_size'", vocab_size=2**40)
    config("huge_number", "'hidden_size'", hidden_size=2**64 - 1)
    config("text_number", "'hidden_size'", hidden_size="64")
    config("fraction", "'hidden_size'", hidden_size=64.5)
    config("kv_heads", "do not divide", num_key_value_heads=3)
    config("odd_head", "head_dim", head_dim=15)
    config("eps_zero", "'rms_norm_eps'", rms_norm_eps=0)
    config("more_layers", "model.layers.1", num_hidden_layers=2)
    config("gptq", "'gptq'", quantization_config={"quant_method": "gptq"})
    config("quantized_in_6_bits", "mxfp6-pack-quantized", quantization_config={"quant_method": "compressed-tensors", "format": "mxfp6-pack-quantized"})
    config("quantized_without_groups", "config_groups", quantization_config={"quant_method": "compressed-tensors", "format": "float-quantized"})
    group = {"targets": ["Linear"], "weights": {"num_bits": 8, "type": "float", "strategy": "channel", "group_size": None}}
    mixed = {"quant_method": "compressed-tensors", "format": "mixed-precision"}
    config("mixed_without_formats", "has no 'format'", quantization_config=mixed | {"config_groups": {"a": group}})
    config("mixed_target_twice", "is a target twice", quantization_config=mixed | {"config_groups": {
        name: group | {"format": "float-quantized", "input_activations": group["weights"] | {"strategy": "token"}} for name in "ab"}})
    config("mixed_of_patterns", "100000 patterns", quantization_config=mixed | {"config_groups": {"a": group | {
        "format": "float-quantized", "input_activations": group["weights"] | {"strategy": "token"},
        "targets": [f"re:{i}" for i in range(100000)]}}})
    for name, text, error in (("not_json", "{", "not valid JSON"), ("empty", "", "not valid JSON"),
                              ("list", "[]", "wanted a JSON object"), ("not_utf8", b'{"a":"\xff"}', "not valid JSON"),
                              ("key_twice", '{"a":1,"a":2}', "occurs twice"), ("deep", "[" * 200000, "nested"),
                              ("huge", " " * (5 << 20), "at most")):
        folder(f"config_{name}", None, text)
        case(f"config_{name}", f"config_{name}", error)


# ---- GGUF

def gguf_cases():
    def file(name, error, keys=None, items=None, command="inspect", raw=None, **lies):
        k, t = tiny.gguf_keys(), tiny.gguf_tensors()
        if keys:
            keys(k)
        if items:
            items(t)
        content = tiny.gguf(k, t, **lies)
        write(f"{name}.gguf", raw(content) if raw else content)
        case(name, f"{name}.gguf", error, command)

    key = lambda name, value: lambda k: k.update({name: value})
    add = lambda *tensor: lambda t: t.append(list(tensor))
    kilobyte = bytes(1024)
    file("valid_gguf", None)
    file("gguf_empty", "GGUF", raw=lambda c: b"")
    file("gguf_magic", "does not begin with 'GGUF'", magic=b"GGML")
    file("gguf_version_1", "version 1", version=1)
    file("gguf_big_endian", "big-endian", version=0x03000000)
    file("gguf_tensor_count", "tensors in a file", tensor_count=2**60)
    file("gguf_key_count", "keys in a file", key_count=2**60)
    file("gguf_cut_in_header", "Download it again", raw=lambda c: c[:700])
    file("gguf_cut_in_data", "beyond the end", raw=lambda c: c[:-500])
    file("gguf_trailing", "after the last tensor", raw=lambda c: c + bytes(100))
    file("gguf_text_too_long", "the file ends", key("x", (8, struct.pack("<Q", 2**63))))
    file("gguf_array_too_long", "elements", key("x", tiny.array(4, 2**61, b"")))
    file("gguf_array_of_arrays", "array of arrays", key("x", tiny.array(9, 1, tiny.array(9, 0, b"")[1])))
    file("gguf_value_type", "unknown type 99", key("x", (99, b"")))
    file("gguf_key_twice", "occurs twice", repeat=[("llama.block_count", tiny.u32(1))])
    file("gguf_alignment_zero", "power of two", key("general.alignment", tiny.u32(0)))
    file("gguf_alignment_48", "power of two", key("general.alignment", tiny.u32(48)))
    file("gguf_no_dimensions", "dimensions", items=add("x", [], 0, kilobyte, 0))
    file("gguf_nine_dimensions", "dimensions", items=add("x", [1] * 9, 0, kilobyte, 0))
    file("gguf_dimension_zero", "dimension 1 is 0", items=add("x", [64, 0], 0, kilobyte, 0))
    file("gguf_dimension_huge", "dimension 0", items=add("x", [2**63], 0, kilobyte, 0))
    file("gguf_shape_overflow", "dimension 1", items=add("x", [2**32, 2**32], 0, kilobyte, 0))
    file("gguf_q2_k", "Q2_K", items=add("x", [256], 10, kilobyte, 0))
    file("gguf_unknown_type", "unsupported type 77", items=add("x", [256], 77, kilobyte, 0))
    file("gguf_half_block", "block of 32", items=add("x", [48], 8, kilobyte, 0))
    file("gguf_tensor_beyond", "beyond the end", items=add("x", [1 << 20], 0, kilobyte, 0))
    file("gguf_unaligned", "multiple of the alignment", items=add("x", [255], 0, kilobyte, 4))
    file("gguf_overlap", "overlaps", items=add("x", [248], 0, kilobyte, -32))
    file("gguf_tensor_twice", "occurs twice", items=add("output_norm.weight", [256], 0, kilobyte, 0))
    file("gguf_no_architecture", "'general.architecture' is missing", lambda k: k.pop("general.architecture"))
    file("gguf_architecture", "'gemma2'", key("general.architecture", tiny.string("gemma2")))
    file("gguf_no_layers", "block_count' is missing", lambda k: k.pop("llama.block_count"))
    file("gguf_heads_text", "not a whole number", key("llama.attention.head_count", tiny.string("4")))
    file("gguf_heads_zero", "is 0", key("llama.attention.head_count", tiny.u32(0)))
    file("gguf_layers_absurd", "num_hidden_layers", key("llama.block_count", tiny.u32(2**31)))
    file("gguf_experts", "mixtures of experts", key("llama.expert_count", tiny.u32(8)))
    file("gguf_yarn", "'yarn'", key("llama.rope.scaling.type", tiny.string("yarn")))
    file("gguf_unknown_tensor", "not known", items=add("blk.0.ssm_a", [256], 0, kilobyte, 0))
    file("gguf_tensor_missing", "down_proj.weight' is missing", items=lambda t: t.pop())
    file("gguf_wrong_shape", "has shape", items=lambda t: t[-1].__setitem__(1, [64, 128]))
    file("gguf_pre_tokenizer", "'falcon'", key("tokenizer.ggml.pre", tiny.string("falcon")), command="run")
    file("gguf_tokenizer_model", "'llama'", key("tokenizer.ggml.model", tiny.string("llama")), command="run")
    file("gguf_bad_merge", "not a pair", key("tokenizer.ggml.merges", tiny.array(8, 1, tiny.text("ab"))), command="run")


# ---- tokenizer, chat template, tokens, command line

def other_cases():
    def run(name, error, tokenizer=None, tokenizer_config=None):
        folder(name, None, None, tokenizer, tokenizer_config)
        case(name, name, error, "run", ["--chat"] if tokenizer_config else [])

    def changed(path, value):
        json_ = tiny.tokenizer()
        at = json_
        for key in path[:-1]:
            at = at[key]
        at[path[-1]] = value
        return json_

    run("tokenizer_not_json", "tokenizer.json", "{")
    run("tokenizer_list", "tokenizer.json", [])
    run("tokenizer_no_model", "tokenizer.json", {})
    run("tokenizer_unigram", "Unigram", changed(["model", "type"], "Unigram"))
    run("tokenizer_vocab_list", "tokenizer.json", changed(["model", "vocab"], []))
    run("tokenizer_negative_id", "tokenizer.json", changed(["model", "vocab", "a"], -5))
    run("tokenizer_huge_id", "tokenizer.json", changed(["model", "vocab", "a"], 2**40))
    run("tokenizer_bad_merge", "tokenizer.json", changed(["model", "merges"], [["a", "zzz"]]))
    run("tokenizer_bad_regex", "tokenizer.json", changed(["pre_tokenizer"], {
        "type": "Split", "pattern": {"Regex": "(("}, "behavior": "Isolated", "invert": False}))
    run("tokenizer_unknown_pre", "tokenizer.json", changed(["pre_tokenizer"], {"type": "Metaspace"}))
    for name, text in (("chat_unclosed", "{% for m in messages %}x"), ("chat_unknown_filter", "{{ messages|frobnicate }}"),
                       ("chat_raises", "{{ raise_exception('no such role') }}"),
                       ("chat_endless", "{% for a in range(99999) %}{% for b in range(99999) %}x{% endfor %}{% endfor %}")):
        run(name, "no such role" if name == "chat_raises" else "template",
            tokenizer_config={**tiny.tokenizer_config(), "chat_template": text})

    folder("valid_folder")
    case("valid_folder", "valid_folder", None)
    tokens = struct.pack("<256i", *([5, 6, 7, 8] * 64))
    write("tokens.i32", tokens)
    case("valid_run", "valid_folder", None, "run", ["-n", "2", "--chat"])
    case("valid_quantize", "valid_folder", None, "quantize", ["--calibration", "{dir}/tokens.i32"])
    for name, content, error in (("empty", b"", "empty.i32"), ("odd_size", tokens[:-1], "odd_size.i32"),
                                 ("out_of_range", tokens[:-4] + struct.pack("<i", 999999), "out_of_range.i32"),
                                 ("negative", tokens[:-4] + struct.pack("<i", -1), "negative.i32")):
        write(f"{name}.i32", content)
        case(f"calibration_{name}", "valid_folder", error, "quantize", ["--calibration", f"{{dir}}/{name}.i32"])
        cases.append({"name": f"eval_{name}", "args": ["eval", "{dir}/valid_folder", "--tokens", f"{{dir}}/{name}.i32"],
                      "error": error})
    case("calibration_missing", "valid_folder", "nowhere.i32", "quantize", ["--calibration", "{dir}/nowhere.i32"])
    for option, value in (("--scheme", "mxfp5"), ("--recipe", "magic"), ("--transform", "wavelet"),
                          ("--weight-scales", "best"), ("--activation-scales", "best")):
        args = [part.replace("%s", "valid_folder") for part in COMMANDS["quantize"]]
        if option in args:
            args[args.index(option) + 1] = value
        else:
            args += [option, value]
        cases.append({"name": f"unknown{option.replace('-', '_')}", "args": args, "error": value})


safetensors_cases()
tensor_cases()
shard_cases()
config_cases()
gguf_cases()
other_cases()
write("manifest.json", json.dumps(cases, indent=1))
print(f"{sum(c['error'] is not None for c in cases)} damaged and {sum(c['error'] is None for c in cases)} valid cases in {root}")
