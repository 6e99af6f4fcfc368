# SPDX-License-Identifier: Apache-2.0
"""Golden files of tests/schemes. What they hold is computed by other programs than ours:

ct_mxfp4.json, ct_nvfp4.json   round-to-nearest by compressed-tensors 0.20 (its scales, its packing)
fp_quant_mx.json               FP-Quant's MXFP4 scale and quotient written out in float64 numpy:
                               scale = 2^(floor(log2(6 * (A / 6))) - 2) / (3/4), stored scale * 3
mxint8.json                    MXINT8 of OCP MX v1.0 (sections 5.3.4, 6.3) by torch in float64: shared
                               scale 2^floor(log2 A), twice that where A would round to 2; element
                               round(64 x / scale), ties to even, as a whole number. `scales` are
                               of the whole numbers, 2^-6 of OCP's

Needs torch and compressed-tensors. Run in this folder: python make_golden.py
"""
import json

import numpy as np
import torch
from compressed_tensors.compressors import BaseCompressor
from compressed_tensors.quantization import QuantizationArgs, QuantizationScheme
from compressed_tensors.quantization.utils import calculate_qparams, generate_gparam

ROWS, COLS = 12, 128


def matrix(seed):
    """Rows of very different magnitude; some values on a coarse grid, so that ties happen."""
    random = np.random.default_rng(seed)
    w = random.standard_normal((ROWS, COLS))
    w[:4] = np.round(w[:4] * 16) / 16
    w *= np.exp2(random.integers(-9, 3, (ROWS, 1)))
    w += 0.0  # no minus zero: compressed-tensors drops its sign, we keep it
    w[5] *= 2.0 ** np.linspace(-2, 2, COLS)
    return np.ascontiguousarray(w, dtype=np.float32)


def listed(array):
    return np.asarray(array).reshape(-1).tolist()


def write(name, w, **fields):
    with open(name, "w") as file:
        bits = listed(w.view(np.uint32))
        json.dump({"rows": ROWS, "cols": COLS, "weight_bits": bits, **fields}, file)
        file.write("\n")


def compress(w, format_name, args):
    weight = torch.from_numpy(w)
    groups = weight.reshape(ROWS, -1, args.group_size)
    state = {"weight": weight}
    shared = None
    if format_name.startswith("nv"):
        shared = generate_gparam(weight.min(), weight.max())
        state["weight_global_scale"] = shared
    state["weight_scale"], _ = calculate_qparams(groups.amin(-1), groups.amax(-1), args, global_scale=shared)
    scheme = QuantizationScheme(targets=["Linear"], weights=args, format=format_name)
    return BaseCompressor.get_value_from_registry(format_name).compress(state, scheme)


def compressed_tensors():
    w = matrix(1)
    args = QuantizationArgs(num_bits=4, type="float", symmetric=True, strategy="group", group_size=32,
                            scale_dtype=torch.uint8)
    out = compress(w, "mxfp4-pack-quantized", args)
    write("ct_mxfp4.json", w, codes=listed(out["weight_packed"]), scales=listed(out["weight_scale"]))

    w = matrix(2)
    w[3, 16:32] = 0
    args = QuantizationArgs(num_bits=4, type="float", symmetric=True, strategy="tensor_group", group_size=16,
                            scale_dtype=torch.float8_e4m3fn)
    out = compress(w, "nvfp4-pack-quantized", args)
    write("ct_nvfp4.json", w, codes=listed(out["weight_packed"]),
          scales=listed(out["weight_scale"].view(torch.uint8)),
          divisor_bits=listed(out["weight_global_scale"].numpy().view(np.uint32)))


def fp_quant():
    w = matrix(3)
    groups = w.astype(np.float64).reshape(ROWS, -1, 32)
    largest = np.abs(groups).max(-1, keepdims=True)
    scale = 2.0 ** (np.floor(np.log2(6 * (largest / 6))) - 2) / (3 / 4)
    grid = np.array([0, .5, 1, 1.5, 2, 3, 4, 6])
    quotient = np.abs(groups / scale)
    distance = np.abs(quotient[..., None] - grid)
    even_first = distance + 1e-12 * (np.arange(8) % 2)
    values = np.sign(groups) * grid[even_first.argmin(-1)] * scale
    write("fp_quant_mx.json", w, scales=listed(np.round(np.log2(scale * 3)).astype(int) + 127),
          values=listed(values.astype(np.float32)))


def mxint8():
    w = matrix(4)
    w[6, :32] = np.arange(-16, 16) + .5  # ties, under largest numbers that keep and raise the scale
    w[6, 0], w[6, 33], w[6, 65] = -127, np.nextafter(np.float32(127.5), np.float32(0)), -127.5
    w[7, 32:64] = 0
    groups = torch.from_numpy(w).double().reshape(ROWS, -1, 32)
    largest = groups.abs().amax(-1, keepdim=True)
    exponent = torch.where(largest > 0, torch.frexp(largest).exponent - 1, 6)
    exponent += torch.round(torch.ldexp(largest, 6 - exponent)) > 127
    codes = torch.round(torch.ldexp(groups, 6 - exponent)).to(torch.int8)
    assert codes.abs().max() == 127
    write("mxint8.json", w, codes=listed(codes.view(torch.uint8)), scales=listed(exponent - 6 + 127))


compressed_tensors()
fp_quant()
mxint8()
