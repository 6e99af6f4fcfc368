# SPDX-License-Identifier: Apache-2.0
"""W4A4 and W8A8 as Transformers emulates them: every linear on identical inputs, and the loss of the whole model.

Both sides quantize the input of a linear in fp32 by the same rule, so that outputs differ by the order of sums. In a whole
model an input on the border between two codes falls to one side or the other, hence losses are compared."""
import json
from functools import partial
from pathlib import Path
from unittest import mock

import numpy as np
import torch
from compressed_tensors.compressors.nvfp4 import base

from harness import LENGTH, check, kl, load, read_ids, relative, run

LINEARS = ('self_attn.q_proj', 'self_attn.k_proj', 'self_attn.v_proj', 'self_attn.o_proj', 'mlp.gate_proj', 'mlp.up_proj',
           'mlp.down_proj')


def watched(model, ids: torch.Tensor) -> tuple[dict, dict, torch.Tensor]:
    """Inputs and outputs of every linear, and the logits."""
    seen_in, seen_out, hooks = {}, {}, []

    def watch(name):
        def hook(module, given, result):
            seen_in[name], seen_out[name] = given[0].flatten(0, -2), result.flatten(0, -2)
        return hook

    for name, module in model.named_modules():
        if name.endswith(LINEARS):
            hooks.append(module.register_forward_hook(watch(name)))
    logits = model(ids).logits
    for hook in hooks:
        hook.remove()
    return seen_in, seen_out, logits


def emulated(folder: Path, ids: torch.Tensor):
    """The client's model with FP4 unpacked in fp32, as it unpacks other formats, and not rounded to bf16."""
    wide = partial(base.unpack_fp4_from_uint8, dtype=torch.float32)
    with mock.patch.object(base, 'unpack_fp4_from_uint8', wide):
        model, _ = load(folder, dtype=torch.float32)
        model(ids[:1])  # unpacks the weights
    return model


def linears(label: str, program: str, folder: Path, tokens: Path, work: Path) -> None:
    ids = read_ids(tokens)[:2]
    model = emulated(folder, ids)
    seen_in, seen_out, _ = watched(model, ids)
    names = [f'model.layers.{layer}.{linear}' for layer in range(model.config.num_hidden_layers) for linear in LINEARS]
    given, got = work / 'inputs.f32', work / 'outputs.f32'
    np.concatenate([seen_in[n].float().numpy().ravel() for n in names]).tofile(given)
    run(program, folder, given, ids.numel(), got)
    values, at, worst = torch.from_numpy(np.fromfile(got, np.float32)), 0, (0.0, '')
    for name in names:
        wanted = seen_out[name]
        ours = values[at:at + wanted.numel()].view(wanted.shape)
        at += wanted.numel()
        worst = max(worst, (relative(ours, wanted), name))
    check(label + ' linears are the client\'s', at == values.numel() and worst[0] < 1e-3, f'{worst[0]:.1e} {worst[1]}')


def loss(label: str, halfbyte: str, dense: Path, folder: Path, tokens: Path, rows: int, work: Path) -> None:
    """On the first rows of the tokens, some at a time."""
    ids, some, report = read_ids(tokens)[:rows], work / 'some.i32', work / 'loss.json'
    baseline, model = load(dense, dtype=torch.float32)[0], emulated(folder, ids)
    theirs = sum(len(part) * kl(baseline(part).logits, model(part).logits) for part in ids.split(16)) / len(ids)
    ids.numpy().astype(np.int32).tofile(some)
    run(halfbyte, 'eval', folder, '--tokens', some, '--window', LENGTH, '--reference', dense, '--kl-stride', 1,
        '--json', report)
    ours = json.loads(report.read_text())['kl']
    check(label + ' KL is the client\'s', abs(ours - theirs) <= .01, f'{ours:.4f} and {theirs:.4f}')
