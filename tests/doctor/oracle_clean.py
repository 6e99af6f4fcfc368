# SPDX-License-Identifier: Apache-2.0
"""Sound checkpoints that compressed-tensors, Transformers and gguf-py wrote, and what `halfbyte doctor` says of them:
    oracle_clean.py HALFBYTE FOLDER
Needs torch, transformers, compressed-tensors, gguf. Fails when a finding is worse than a note."""
import json
import subprocess
import sys
from pathlib import Path

import gguf
import numpy as np
import torch
from compressed_tensors.compressors import ModelCompressor
from compressed_tensors.quantization import QuantizationConfig, apply_quantization_config, preset_name_to_scheme
from compressed_tensors.quantization.utils import calculate_qparams, generate_gparam
from transformers import AutoModelForCausalLM, LlamaConfig, Qwen2Config, Qwen3Config

SHAPE = dict(hidden_size=256, intermediate_size=512, num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=2, vocab_size=320,
             max_position_embeddings=128, dtype="bfloat16")
CONFIGS = {"llama": LlamaConfig(head_dim=64, tie_word_embeddings=False, **SHAPE), "qwen2": Qwen2Config(tie_word_embeddings=True, **SHAPE),
           "qwen3": Qwen3Config(head_dim=64, tie_word_embeddings=False, **SHAPE)}
FUSED = (("q_proj", "k_proj", "v_proj"), ("gate_proj", "up_proj"))


def tiny(name):
    torch.manual_seed(0)
    model = AutoModelForCausalLM.from_config(CONFIGS[name], dtype=torch.bfloat16).eval()
    for parameter in model.parameters():
        if parameter.dim() == 2:
            parameter.data = torch.randn_like(parameter) * 0.06
    return model


def calibrate(module, scheme, low, high):
    """low, high: of all the layers that share a tensor scale"""
    weight, a = module.weight.data.float(), scheme.weights
    groups = weight.unflatten(-1, (-1, a.group_size)) if a.group_size else weight.unsqueeze(-2)
    least, most, factor = groups.amin(-1), groups.amax(-1), None
    if a.strategy == "tensor_group":
        factor = generate_gparam(low, high)
        module.weight_global_scale.data.copy_(factor)
    scale, zero = calculate_qparams(least, most, a, global_scale=factor)
    module.weight_scale.data.copy_(scale)
    if hasattr(module, "weight_zero_point"):
        module.weight_zero_point.data.copy_(zero)
    if hasattr(module, "input_global_scale"):
        module.input_global_scale.data.copy_(generate_gparam(torch.tensor(-4.0), torch.tensor(4.0)))


def quantized(name, scheme_name, folder):
    model, scheme = tiny(name), preset_name_to_scheme(scheme_name, ["Linear"])
    config = QuantizationConfig(config_groups={"group_0": scheme}, ignore=["lm_head"], quantization_status="frozen")
    apply_quantization_config(model, config, show_progress=False)
    modules = dict(model.named_modules())
    for path, module in modules.items():
        if getattr(module, "quantization_scheme", None) is None:
            continue
        parent, own = path.rsplit(".", 1)
        together = next((names for names in FUSED if own in names), (own,))
        weights = [modules[f"{parent}.{other}"].weight.data.float() for other in together]
        calibrate(module, scheme, min(w.min() for w in weights), max(w.max() for w in weights))
    compressor = ModelCompressor.from_pretrained_model(model)
    compressor.compress_model(model)
    model.save_pretrained(folder)
    compressor.update_config(folder)


def gguf_file(path, arch, kind):
    hidden, inter, heads, vocab = 256, 512, 4, 320
    writer, random = gguf.GGUFWriter(path, arch), np.random.default_rng(1)
    writer.add_block_count(1)
    writer.add_context_length(128)
    writer.add_embedding_length(hidden)
    writer.add_feed_forward_length(inter)
    writer.add_head_count(heads)
    writer.add_head_count_kv(2)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_rope_freq_base(10000.0)

    def matrix(name, rows, cols):
        values = (random.normal(size=(rows, cols)) * 0.05).astype(np.float32)
        values[3, :64] = 0
        if kind == gguf.GGMLQuantizationType.NVFP4:  # gguf-py does not quantize it: any codes, scales 2^-6 to 448
            raw = random.integers(0, 256, (rows, cols // 64, 36), dtype=np.uint8)
            raw[..., :4] = random.integers(8, 0x40, raw[..., :4].shape)
            return writer.add_tensor(name, raw.reshape(rows, -1), raw_dtype=kind)
        writer.add_tensor(name, gguf.quants.quantize(values, kind), raw_dtype=kind)

    def vector(name, n):
        writer.add_tensor(name, np.ones(n, np.float32))

    writer.add_tensor("token_embd.weight", random.normal(size=(vocab, hidden)).astype(np.float16))
    vector("output_norm.weight", hidden)
    b = "blk.0."
    for norm in ("attn_norm", "ffn_norm"):
        vector(b + norm + ".weight", hidden)
    for name, rows, cols in (("attn_q", hidden, hidden), ("attn_k", 128, hidden), ("attn_v", 128, hidden), ("attn_output", hidden, hidden),
                             ("ffn_gate", inter, hidden), ("ffn_up", inter, hidden), ("ffn_down", hidden, inter)):
        matrix(b + name + ".weight", rows, cols)
    if arch == "qwen2":
        for name, n in (("attn_q", hidden), ("attn_k", 128), ("attn_v", 128)):
            vector(b + name + ".bias", n)
    if arch == "qwen3":
        for name in ("attn_q_norm", "attn_k_norm"):
            vector(b + name + ".weight", 64)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def main():
    halfbyte, root, failed, n = sys.argv[1], Path(sys.argv[2]), 0, 0

    def look(path):
        nonlocal failed, n
        report = root / "report.json"
        ran = subprocess.run([halfbyte, "doctor", str(path), "--json", str(report)], capture_output=True, text=True)
        worse = [f for f in json.loads(report.read_text())["findings"] if f["severity"] != "note"]
        n += 1
        if ran.returncode != 0 or worse:
            failed += 1
            print(f"{path.name}: status {ran.returncode}", *(f'{f["kind"]} {f["where"]}: {f["value"]}' for f in worse), sep="\n    ")

    for name in CONFIGS:
        tiny(name).save_pretrained(root / name)
        look(root / name)
        tiny(name).save_pretrained(root / (name + "-shards"), max_shard_size="500KB")
        look(root / (name + "-shards"))
        for scheme in ("NVFP4A16", "NVFP4", "MXFP4A16", "MXFP4", "W4A16", "W4A16_ASYM", "W8A8", "FP8_DYNAMIC"):
            quantized(name, scheme, root / f"{name}-{scheme}")
            look(root / f"{name}-{scheme}")
        kinds = gguf.GGMLQuantizationType
        for kind in (kinds.F32, kinds.F16, kinds.BF16, kinds.Q4_0, kinds.Q4_1, kinds.Q5_0, kinds.Q5_1, kinds.Q8_0, kinds.MXFP4, kinds.NVFP4):
            path = root / f"{name}-{kind.name}.gguf"
            gguf_file(path, name, kind)
            look(path)
    print(f"{n} checkpoints, {failed} with findings worse than notes")
    sys.exit(failed > 0)


main()
