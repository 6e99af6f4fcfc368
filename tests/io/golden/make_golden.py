#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Makes the golden files beside it. Needs numpy, gguf, torch, safetensors, compressed-tensors.

ggml_blocks.safetensors    TYPE.raw: random blocks with finite scales; TYPE.values: gguf-py's dequantize
ct_FORMAT.safetensors      one linear as compressed-tensors packs it, and its decoded weight
config_SCHEME.json         quantization_config as compressed-tensors writes it
ct_mixed, config_mixed     three linears of three schemes, told by a class, a pattern and a name, as config.json has them
targets.json               which of several groups compressed-tensors takes for a module
"""
import json
import pathlib
import tempfile

import gguf
import numpy as np
import torch
from compressed_tensors.compressors import ModelCompressor
from compressed_tensors.quantization import QuantizationConfig, apply_quantization_config, preset_name_to_scheme
from compressed_tensors.quantization.lifecycle.apply import _scheme_from_targets
from compressed_tensors.quantization.utils import calculate_qparams, generate_gparam
from compressed_tensors.utils.match import match_targets
from safetensors.torch import save_file

here = pathlib.Path(__file__).parent
random = np.random.default_rng(7)

HALVES = {"Q4_0": [0], "Q4_1": [0, 2], "Q5_0": [0], "Q5_1": [0, 2], "Q8_0": [0], "Q4_K": [0, 2], "Q5_K": [0, 2],
          "Q6_K": [208], "MXFP4": [], "NVFP4": []}


def blocks(name):
    kind = gguf.GGMLQuantizationType[name]
    elements, size = gguf.GGML_QUANT_SIZES[kind]
    raw = random.integers(0, 256, (512 // elements, size), dtype=np.uint8)
    for at in HALVES[name]:
        scales = random.normal(0, 0.05, (len(raw), 1)).astype(np.float16)
        raw[:, at:at + 2] = scales.view(np.uint8)
    if name == "MXFP4":
        raw[:, 0] = random.integers(110, 130, len(raw))
    if name == "NVFP4":
        raw[:, :4] = random.integers(0, 0x7F, (len(raw), 4))
    values = gguf.quants.dequantize(raw, kind).astype(np.float32).reshape(-1)
    return torch.from_numpy(raw), torch.from_numpy(values)


tensors = {}
for name in HALVES:
    tensors[name + ".raw"], tensors[name + ".values"] = blocks(name)
save_file(tensors, here / "ggml_blocks.safetensors")


class Model(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.linear = torch.nn.Linear(256, 12, bias=False, dtype=torch.bfloat16)


def choose_scales(linear, scheme):
    arguments = scheme.weights
    if not arguments.symmetric:
        linear.weight.data += 0.03
    groups = linear.weight.data.float().unflatten(-1, (-1, arguments.group_size or linear.in_features))
    low, high, factor = groups.amin(-1), groups.amax(-1), None
    if arguments.strategy == "tensor_group":
        factor = generate_gparam(low.min(), high.max())
        linear.weight_global_scale.data.copy_(factor)
    scale, zero = calculate_qparams(low, high, arguments, global_scale=factor)
    linear.weight_scale.data.copy_(scale)
    if not arguments.symmetric:
        linear.weight_zero_point.data.copy_(zero)
    if hasattr(linear, "input_global_scale"):
        linear.input_global_scale.data.fill_(672.0)


def compressed(scheme_name):
    torch.manual_seed(3)
    model = Model()
    scheme = preset_name_to_scheme(scheme_name, ["Linear"])
    config = QuantizationConfig(config_groups={"group_0": scheme}, ignore=["lm_head"], quantization_status="frozen")
    apply_quantization_config(model, config, show_progress=False)
    choose_scales(model.linear, scheme)
    compressor = ModelCompressor.from_pretrained_model(model)
    compressor.compress_model(model)
    packed = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    text = json.loads(compressor.quantization_config.model_dump_json())
    compressor.decompress_model(model=model)
    packed["decoded"] = model.linear.weight.data.to(torch.bfloat16)
    save_file(packed, here / f"ct_{scheme_name.lower()}.safetensors")
    text["format"] = text["config_groups"]["group_0"]["format"]
    (here / f"config_{scheme_name.lower()}.json").write_text(json.dumps(text, indent=1) + "\n")


for name in ("NVFP4", "MXFP4", "W4A16", "W4A16_ASYM", "W8A8", "FP8_DYNAMIC"):
    compressed(name)


class Three(torch.nn.Module):
    def __init__(self):
        super().__init__()
        for name in ("up", "down", "last_down"):
            self.add_module(name, torch.nn.Linear(128, 8, bias=False, dtype=torch.bfloat16))


def mixed():
    torch.manual_seed(4)
    model = Three()
    groups = {"group_0": preset_name_to_scheme("NVFP4", ["Linear"]),
              "group_1": preset_name_to_scheme("FP8_DYNAMIC", ["re:.*down"]),
              "group_2": preset_name_to_scheme("W8A8", ["last_down"])}
    config = QuantizationConfig(config_groups=groups, ignore=["lm_head"], quantization_status="frozen")
    apply_quantization_config(model, config, show_progress=False)
    for linear in model.children():
        choose_scales(linear, linear.quantization_scheme)
    compressor = ModelCompressor.from_pretrained_model(model)
    compressor.compress_model(model)
    packed = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    with tempfile.TemporaryDirectory() as folder:
        (pathlib.Path(folder) / "config.json").write_text("{}")
        compressor.update_config(folder)
        text = json.loads((pathlib.Path(folder) / "config.json").read_text())["quantization_config"]
    compressor.decompress_model(model=model)
    for name, linear in model.named_children():
        packed[name + ".decoded"] = linear.weight.data.to(torch.bfloat16)
    save_file(packed, here / "ct_mixed.safetensors")
    (here / "config_mixed.json").write_text(json.dumps(text, indent=1) + "\n")


def targets():
    pool = ["Linear", "model.layers.0.mlp.down_proj", "model.layers.1.self_attn.q_proj", "re:.*down_proj", "re:.*mlp.*",
            "re:model\\.layers\\.0\\.", "re:.*_proj$", "re:layers", "re:.*[qk]_proj", "down_proj"]
    modules = [f"model.layers.{layer}.{name}" for layer in (0, 1)
               for name in ("self_attn.q_proj", "mlp.up_proj", "mlp.down_proj")]
    cases = []
    for _ in range(60):
        cut = [list(map(str, random.permutation(pool)[:random.integers(1, 4)])) for _ in range(3)]
        seen = set()
        cut = [[t for t in group if not (t in seen or seen.add(t))] for group in cut]
        groups = {target: i for i, group in enumerate(cut) for target in group}
        found = []
        for name in modules:
            matched = match_targets(name, torch.nn.Linear(1, 1), groups)
            found.append(_scheme_from_targets(groups, matched, name) if matched else -1)
        cases.append({"groups": cut, "found": found})
    (here / "targets.json").write_text(json.dumps({"modules": modules, "cases": cases}) + "\n")


mixed()
targets()
