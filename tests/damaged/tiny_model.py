# SPDX-License-Identifier: Apache-2.0
"""A tiny llama as plain data, and writers of safetensors and GGUF that do not stop one from lying."""
import json
import random
import struct

HIDDEN, INNER, HEADS, KV_HEADS, HEAD, VOCAB, CONTEXT = 64, 128, 4, 2, 16, 260, 256

CONFIG = {
    "architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_size": HIDDEN, "intermediate_size": INNER,
    "num_hidden_layers": 1, "num_attention_heads": HEADS, "num_key_value_heads": KV_HEADS, "head_dim": HEAD,
    "vocab_size": VOCAB, "max_position_embeddings": CONTEXT, "rms_norm_eps": 1e-5, "rope_theta": 10000.0,
    "hidden_act": "silu", "tie_word_embeddings": True, "bos_token_id": 0, "eos_token_id": 1, "torch_dtype": "float32"}

LINEARS = {"self_attn.q_proj": (HIDDEN, HIDDEN), "self_attn.k_proj": (KV_HEADS * HEAD, HIDDEN),
           "self_attn.v_proj": (KV_HEADS * HEAD, HIDDEN), "self_attn.o_proj": (HIDDEN, HIDDEN),
           "mlp.gate_proj": (INNER, HIDDEN), "mlp.up_proj": (INNER, HIDDEN), "mlp.down_proj": (HIDDEN, INNER)}


def floats(shape, seed, scale=0.05):
    generator = random.Random(seed)
    count = 1
    for n in shape:
        count *= n
    return struct.pack(f"<{count}f", *(generator.gauss(0, scale) for _ in range(count)))


def tensors():
    """name -> (dtype, shape, bytes)"""
    ones = struct.pack(f"<{HIDDEN}f", *[1.0] * HIDDEN)
    result = {"model.embed_tokens.weight": ("F32", [VOCAB, HIDDEN], floats((VOCAB, HIDDEN), 1, 0.5)),
              "model.norm.weight": ("F32", [HIDDEN], ones)}
    for name in ("input_layernorm", "post_attention_layernorm"):
        result[f"model.layers.0.{name}.weight"] = ("F32", [HIDDEN], ones)
    for seed, (name, shape) in enumerate(LINEARS.items()):
        result[f"model.layers.0.{name}.weight"] = ("F32", list(shape), floats(shape, seed + 2))
    return result


def safetensors(items):
    """(header, data) of a right file"""
    header, data = {}, b""
    for name, (dtype, shape, raw) in items.items():
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [len(data), len(data) + len(raw)]}
        data += raw
    return header, data


def join(header, data, length=None):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text) if length is None else length) + text + data


def byte_characters():
    plain = [*range(33, 127), *range(161, 173), *range(174, 256)]
    extra = [b for b in range(256) if b not in plain]
    table = {b: chr(b) for b in plain}
    table.update({b: chr(256 + i) for i, b in enumerate(extra)})
    return [table[b] for b in range(256)]


SPECIAL = ["<s>", "</s>"]
TOKENS = SPECIAL + byte_characters() + ["ab", "abc"]
CHAT = "{% for m in messages %}<s>{{ m['role'] }} {{ m['content'] }}</s>{% endfor %}"


def tokenizer():
    return {
        "version": "1.0", "truncation": None, "padding": None,
        "added_tokens": [{"id": i, "content": t, "single_word": False, "lstrip": False, "rstrip": False,
                          "normalized": False, "special": True} for i, t in enumerate(SPECIAL)],
        "normalizer": None,
        "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True},
        "post_processor": None,
        "decoder": {"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": True, "use_regex": True},
        "model": {"type": "BPE", "dropout": None, "unk_token": None, "continuing_subword_prefix": None,
                  "end_of_word_suffix": None, "fuse_unk": False, "byte_fallback": False, "ignore_merges": False,
                  "vocab": {t: i for i, t in enumerate(TOKENS)}, "merges": [["a", "b"], ["ab", "c"]]}}


def tokenizer_config():
    return {"bos_token": "<s>", "eos_token": "</s>", "chat_template": CHAT, "model_max_length": CONTEXT}


# --- GGUF: values are (type number, packed bytes); tensors are [name, dims innermost first, type, data, shift]

def text(value):
    raw = value if isinstance(value, bytes) else value.encode()
    return struct.pack("<Q", len(raw)) + raw


def u32(value):
    return 4, struct.pack("<I", value)


def f32(value):
    return 6, struct.pack("<f", value)


def string(value):
    return 8, text(value)


def array(kind, count, raw):
    return 9, struct.pack("<IQ", kind, count) + raw


def gguf_keys():
    return {
        "general.architecture": string("llama"), "llama.block_count": u32(1), "llama.context_length": u32(CONTEXT),
        "llama.embedding_length": u32(HIDDEN), "llama.feed_forward_length": u32(INNER),
        "llama.attention.head_count": u32(HEADS), "llama.attention.head_count_kv": u32(KV_HEADS),
        "llama.attention.layer_norm_rms_epsilon": f32(1e-5), "llama.rope.freq_base": f32(10000.0),
        "tokenizer.ggml.model": string("gpt2"), "tokenizer.ggml.pre": string("smollm"),
        "tokenizer.ggml.tokens": array(8, len(TOKENS), b"".join(map(text, TOKENS))),
        "tokenizer.ggml.token_type": array(5, len(TOKENS), struct.pack(f"<{len(TOKENS)}i", 3, 3, *[1] * (len(TOKENS) - 2))),
        "tokenizer.ggml.merges": array(8, 2, text("a b") + text("ab c")),
        "tokenizer.ggml.bos_token_id": u32(0), "tokenizer.ggml.eos_token_id": u32(1)}


GGUF_NAMES = {"model.embed_tokens": "token_embd", "model.norm": "output_norm", "input_layernorm": "attn_norm",
              "post_attention_layernorm": "ffn_norm", "self_attn.q_proj": "attn_q", "self_attn.k_proj": "attn_k",
              "self_attn.v_proj": "attn_v", "self_attn.o_proj": "attn_output", "mlp.gate_proj": "ffn_gate",
              "mlp.up_proj": "ffn_up", "mlp.down_proj": "ffn_down"}


def gguf_tensors():
    result = []
    for name, (_, shape, raw) in tensors().items():
        base = name.removesuffix(".weight")
        inner = base.removeprefix("model.layers.0.")
        prefix = "blk.0." if inner != base else ""
        result.append([prefix + GGUF_NAMES[inner] + ".weight", shape[::-1], 0, raw, 0])
    return result


def gguf(keys, items, version=3, magic=b"GGUF", tensor_count=None, key_count=None, alignment=32, repeat=()):
    pairs = [*keys.items(), *repeat]
    head = magic + struct.pack("<IQQ", version, len(items) if tensor_count is None else tensor_count,
                               len(pairs) if key_count is None else key_count)
    for key, (kind, raw) in pairs:
        head += text(key) + struct.pack("<I", kind) + raw
    data = b""
    for name, dims, kind, raw, shift in items:
        data += b"\0" * (-len(data) % alignment)
        head += text(name) + struct.pack("<I", len(dims)) + struct.pack(f"<{len(dims)}Q", *dims)
        head += struct.pack("<IQ", kind, len(data) + shift)
        data += raw
    return head + b"\0" * (-len(head) % alignment) + data
