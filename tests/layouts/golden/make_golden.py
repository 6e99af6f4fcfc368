#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes fp_quant/ (MXFP4, factor 3, Hadamard 32) and modelopt/ (NVFP4) beside itself: one block with random codes in the
tensors that those tools write, and in expected.safetensors the weights that their formulas give, by numpy alone.
    fp_quant  qweight, scales:                 e2m1 * 2^(b-127) / weight_global_scale
    modelopt  weight, weight_scale (E4M3):     e2m1 * scale * weight_scale_2"""
import json
import pathlib

import numpy as np

HERE = pathlib.Path(__file__).parent
E2M1 = np.array([0, 0.5, 1, 1.5, 2, 3, 4, 6, -0.0, -0.5, -1, -1.5, -2, -3, -4, -6])
HIDDEN, INTER, HEADS, KV, HEAD, VOCAB = 64, 64, 2, 1, 32, 8
LINEARS = {"self_attn.q_proj": (HEADS * HEAD, HIDDEN), "self_attn.k_proj": (KV * HEAD, HIDDEN), "self_attn.v_proj": (KV * HEAD, HIDDEN),
           "self_attn.o_proj": (HIDDEN, HEADS * HEAD), "mlp.gate_proj": (INTER, HIDDEN), "mlp.up_proj": (INTER, HIDDEN),
           "mlp.down_proj": (HIDDEN, INTER)}
CONFIG = {"architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_size": HIDDEN, "intermediate_size": INTER, "num_hidden_layers": 1,
          "num_attention_heads": HEADS, "num_key_value_heads": KV, "head_dim": HEAD, "vocab_size": VOCAB, "max_position_embeddings": 64,
          "rms_norm_eps": 1e-6, "hidden_act": "silu", "tie_word_embeddings": True, "torch_dtype": "bfloat16"}


def bf16(x):
    u = np.asarray(x, np.float32).view(np.uint32)
    return ((u + 0x7FFF + ((u >> 16) & 1)) >> 16).astype(np.uint16)


def save(path, tensors):
    header, data = {}, b""
    for name, (dtype, array) in sorted(tensors.items()):
        part = np.ascontiguousarray(array).tobytes()
        header[name] = {"dtype": dtype, "shape": list(array.shape), "data_offsets": [len(data), len(data) + len(part)]}
        data += part
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    path.write_bytes(len(text).to_bytes(8, "little") + text + data)


def hadamard(n):
    h = np.ones((1, 1))
    while len(h) < n:
        h = np.block([[h, h], [h, -h]])
    return h / np.sqrt(n)


def e4m3(b):
    e, m = b >> 3, b & 7
    return np.where(e == 0, m * 2.0**-9, (1 + m / 8) * 2.0 ** (e.astype(float) - 7))


def frame(random):
    tensors = {"model.embed_tokens.weight": ("BF16", bf16(random.normal(size=(VOCAB, HIDDEN)))), "model.norm.weight": ("BF16", bf16(np.ones(HIDDEN)))}
    for norm in ("input_layernorm", "post_attention_layernorm"):
        tensors[f"model.layers.0.{norm}.weight"] = ("BF16", bf16(np.ones(HIDDEN)))
    return tensors


def linear(random, group, lowest, highest, shape):
    packed = random.integers(0, 256, (shape[0], shape[1] // 2), np.uint8)
    scales = random.integers(lowest, highest, (shape[0], shape[1] // group), np.uint8)
    return packed, scales, E2M1[np.stack([packed & 15, packed >> 4], -1).reshape(shape)]


def write(name, quantization, tensors, expected):
    folder = HERE / name
    folder.mkdir(exist_ok=True)
    save(folder / "model.safetensors", tensors)
    save(folder / "expected.safetensors", expected)
    (folder / "config.json").write_text(json.dumps({**CONFIG, "quantization_config": quantization}, indent=1) + "\n")


def fp_quant():
    random = np.random.default_rng(1)
    tensors, expected = frame(random), {}
    for name, shape in LINEARS.items():
        packed, scales, elements = linear(random, 32, 118, 126, shape)
        m = f"model.layers.0.{name}."
        tensors |= {m + "qweight": ("U8", packed), m + "scales": ("U8", scales),
                    m + "weight_global_scale": ("BF16", bf16([3.0])), m + "act_global_scale": ("BF16", bf16([3.0])),
                    m + "forward_hadamard_matrix": ("BF16", bf16(hadamard(32))), m + "backward_hadamard_matrix": ("BF16", bf16(hadamard(32)))}
        if name in ("self_attn.q_proj", "mlp.down_proj"):
            expected[m + "weight"] = ("F32", (elements * np.repeat(2.0 ** (scales.astype(float) - 127), 32, 1) / 3).astype(np.float32))
    write("fp_quant", {"quant_method": "fp_quant", "forward_dtype": "mxfp4", "forward_method": "abs_max", "backward_dtype": "bf16",
                       "hadamard_group_size": 32, "store_master_weights": False, "pseudoquantization": False, "transform_init": "hadamard",
                       "modules_to_not_convert": ["lm_head"]}, tensors, expected)


def modelopt():
    random = np.random.default_rng(2)
    tensors, expected = frame(random), {}
    for name, shape in LINEARS.items():
        packed, scales, elements = linear(random, 16, 8, 0x7F, shape)
        m = f"model.layers.0.{name}."
        factor = np.float32(random.uniform(1e-4, 1e-3))
        tensors |= {m + "weight": ("U8", packed), m + "weight_scale": ("F8_E4M3", scales), m + "weight_scale_2": ("F32", np.array(factor)),
                    m + "input_scale": ("F32", np.array(np.float32(random.uniform(1e-3, 1e-2))))}
        if name in ("self_attn.q_proj", "mlp.down_proj"):
            expected[m + "weight"] = ("F32", (elements * np.repeat(e4m3(scales), 16, 1) * float(factor)).astype(np.float32))
    write("modelopt", {"quant_method": "modelopt", "quant_algo": "NVFP4", "ignore": ["lm_head", "model.visual*"],
                       "producer": {"name": "modelopt", "version": "0.37.0"},
                       "config_groups": {"group_0": {"targets": ["Linear"], "weights": {"dynamic": False, "num_bits": 4, "type": "float", "group_size": 16},
                                                     "input_activations": {"dynamic": False, "num_bits": 4, "type": "float", "group_size": 16}}}},
          tensors, expected)


fp_quant()
modelopt()
