#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""usage: oracle_gguf.py COMPRESSED_TENSORS_FOLDER GGUF

Decodes every linear of a compressed-tensors folder of MXFP4 or NVFP4 with numpy, and the same tensor of the GGUF that
`halfbyte convert` made of it with gguf-py, and wants the same numbers: element * scale exactly, and the factor in
`.scale` to be the fp32 reciprocal of the divisor; and all other tensors, in BF16 or F32. Rows of q and k are put back
for arch llama. Names are those of gguf-py."""
import json
import pathlib
import sys

try:
    import gguf
    import numpy as np
except ImportError as missing:
    print(f"skipped: {missing}")
    sys.exit(0)

E2M1 = np.array([0, 0.5, 1, 1.5, 2, 3, 4, 6, -0.0, -0.5, -1, -1.5, -2, -3, -4, -6], np.float32)
PARTS = (".weight_packed", "_scale", "_shape")


def e4m3(b):
    exponent, mantissa = (b >> 3).astype(np.float64), (b & 7).astype(np.float64)
    return np.where(exponent == 0, mantissa * 2.0**-9, (1 + mantissa / 8) * 2.0 ** (exponent - 7))


def raw(path):
    data = pathlib.Path(path).read_bytes()
    size = int.from_bytes(data[:8], "little")
    header = json.loads(data[8:8 + size])
    header.pop("__metadata__", None)
    return {name: np.frombuffer(data[8 + size + t["data_offsets"][0]:8 + size + t["data_offsets"][1]], np.uint8) for name, t in header.items()}, header


def dense(raw_bytes, dtype):
    return raw_bytes.view(np.float32) if dtype == "F32" else (raw_bytes.view(np.uint16).astype(np.uint32) << 16).view(np.float32)


class File:
    def __init__(self, file, config):
        reader = gguf.GGUFReader(file)
        self.tensors = {t.name: t for t in reader.tensors}
        architecture = reader.fields["general.architecture"].contents()
        kind = next(k for k, name in gguf.MODEL_ARCH_NAMES.items() if name == architecture)
        self.names = gguf.get_tensor_name_map(kind, config["num_hidden_layers"])
        self.heads = {"q_proj": config["num_attention_heads"], "k_proj": config["num_key_value_heads"]} if architecture == "llama" else {}

    def base(self, module):
        return self.names.get_name(module)

    def decoded(self, module, ending):
        tensor = self.tensors[self.base(module) + ending]
        values = gguf.dequantize(tensor.data, tensor.tensor_type).astype(np.float64)
        heads = self.heads.get(module.split(".")[-1])
        return values if not heads else values.reshape(heads, len(values) // heads // 2, 2, -1).swapaxes(1, 2).reshape(values.shape)


def compare(name, ours, theirs):
    if not np.array_equal(ours.reshape(theirs.shape), theirs):
        sys.exit(f"FAILED: {name}: largest difference {np.abs(ours.reshape(theirs.shape) - theirs).max()}")


def main():
    folder, file = sys.argv[1:]
    config = json.loads((pathlib.Path(folder) / "config.json").read_text())
    tensors, header = raw(pathlib.Path(folder) / "model.safetensors")
    theirs = File(file, config)
    plain = [n for n in tensors if not n.endswith(PARTS)]
    for name in plain:
        module, ending = name.rsplit(".", 1)
        compare(name, dense(tensors[name], header[name]["dtype"]), theirs.decoded(module, "." + ending))
    compared = 0
    for name in sorted(n for n in tensors if n.endswith(".weight_packed")):
        module = name.removesuffix(".weight_packed")
        rows, half = header[name]["shape"]
        packed = tensors[name].reshape(rows, half)
        codes = np.stack([packed & 15, packed >> 4], -1).reshape(rows, 2 * half)
        scales = tensors[module + ".weight_scale"].reshape(rows, -1)
        nv = module + ".weight_global_scale" in tensors and header[module + ".weight_scale"]["dtype"] == "F8_E4M3"
        steps = e4m3(scales) if nv else 2.0 ** (scales.astype(np.float64) - 127)
        ours = E2M1[codes] * np.repeat(steps, 2 * half // scales.shape[1], 1)
        compare(module, ours, theirs.decoded(module, ".weight"))
        if module + ".weight_global_scale" in tensors:
            divisor = tensors[module + ".weight_global_scale"].view(np.float32)[0]
            factor = theirs.tensors[theirs.base(module) + ".scale"].data.view(np.float32)[0]
            if factor != np.float32(1) / divisor:
                sys.exit(f"FAILED: {module}: .scale is {factor}, wanted 1 / {divisor}")
        compared += 1
    print(f"{compared} linears and {len(plain)} other tensors decoded by gguf-py to the same values")


if __name__ == "__main__":
    main()
