# SPDX-License-Identifier: Apache-2.0
"""What Transformers and compressed-tensors make of our files: check.py HALFBYTE LOGITS WORK [MODEL ...]

For every model (tiny ones of models.py, and the folders named) and every scheme: the checkpoint loads without a missing,
mismatched or unexpected key; weights that the client unpacks are the ones it loads dense, to the last bit; the bytes of
RTN are those of the client's own compressor at the same scales; our engine's logits of the unpacked weights are the
client's, in fp32, to 1e-3. One line a check, the last line has the counts."""
import contextlib
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import torch
from compressed_tensors.compressors import ModelCompressor
from compressed_tensors.quantization import QuantizationConfig, apply_quantization_config
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM, CompressedTensorsConfig
from transformers.utils import logging

import models

logging.set_verbosity_error()
logging.disable_progress_bar()
torch.set_grad_enabled(False)
halfbyte, logits_of, work = sys.argv[1], sys.argv[2], Path(sys.argv[3])
LENGTH = 64
SCHEMES = {'nvfp4': [], 'nvfp4a16': [], 'mxfp4': ['--weight-scales', 'ct-round'],
           'mxfp4a16': ['--weight-scales', 'ct-round'], 'int4g32': [], 'int4g128': [], 'int8': [], 'fp8': []}
passed, failed = 0, []


def check(name: str, good: bool, detail: object = '') -> None:
    global passed
    print('ok  ' if good else 'FAIL', name, detail, flush=True)
    passed += good
    if not good:
        failed.append(name)


def run(*arguments: object) -> None:
    done = subprocess.run([str(a) for a in arguments], capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f'{arguments[:2]}: {done.stderr.strip()}')


def relative(a: torch.Tensor, b: torch.Tensor) -> float:
    return ((a - b).norm() / b.norm()).item()


def load(folder: Path, **options):
    model, told = AutoModelForCausalLM.from_pretrained(folder, output_loading_info=True, **options)
    return model.eval(), {k: v for k, v in told.items() if v}


def weights_of(model) -> dict:
    """Dense weights of every linear after the client's first forward has unpacked them."""
    model(torch.tensor([[1, 2, 3]]))
    return {name: module.weight for name, module in model.named_modules()
            if isinstance(module, torch.nn.Linear) and name != 'lm_head'}


def compressors_bytes(dense: Path, folder: Path) -> list:
    """Names of tensors that the client's compressor, given our scales, packs otherwise."""
    ours = load_file(folder / 'model.safetensors')
    config = json.loads((folder / 'config.json').read_text())['quantization_config']
    model = AutoModelForCausalLM.from_pretrained(dense, dtype=torch.float32)
    apply_quantization_config(model, QuantizationConfig.model_validate(
        {k: config[k] for k in ('config_groups', 'ignore', 'format')} | {'quantization_status': 'frozen'}))
    for name, module in model.named_modules():
        if getattr(module, 'quantization_scheme', None) is None:
            continue
        scale = ours[name + '.weight_scale']
        if scale.dtype == torch.uint8:
            scale = torch.pow(2.0, scale.float() - 127)
        module.weight_scale.data.copy_(scale)
        for part in ('weight_global_scale', 'input_global_scale', 'weight_zero_point'):
            if hasattr(module, part) and name + '.' + part in ours:
                getattr(module, part).data.copy_(ours[name + '.' + part])
    ModelCompressor.from_pretrained_model(model).compress_model(model)
    theirs = model.state_dict()
    return [name for name, tensor in ours.items() if '.weight_' in name and name in theirs
            and not torch.equal(tensor.float(), theirs[name].float())]


def engine_logits(folder: Path, tokens: Path, vocab: int) -> torch.Tensor:
    out = work / 'logits.f32'
    run(logits_of, folder, tokens, LENGTH, out)
    return torch.from_numpy(np.fromfile(out, np.float32)).view(-1, LENGTH, vocab)


def one(name: str, dense: Path, tokens: Path, scheme: str, options: list) -> None:
    label, folder = f'{name} {scheme}:', work / f'{name}-{scheme}'
    run(halfbyte, 'quantize', dense, folder, '--scheme', scheme, '--recipe', 'rtn', '--transform', 'none',
        '--calibration', tokens, '--sequence-length', LENGTH, *options)
    packed, told = load(folder, dtype=torch.bfloat16)
    check(label + ' every key is used', not told, told)
    unpacked = weights_of(packed)
    loaded, _ = load(folder, dtype=torch.bfloat16, quantization_config=CompressedTensorsConfig(dequantize=True))
    flat = {n: m.weight for n, m in loaded.named_modules() if n in unpacked}
    worst = max((unpacked[n].float() - flat[n].float()).abs().max().item() for n in unpacked)
    check(label + ' packed is dense', worst == 0, worst)
    other = compressors_bytes(dense, folder)
    check(label + ' bytes of the client\'s compressor', not other, other[:3])
    if not scheme.endswith('a16') and not scheme.startswith('int4'):
        return  # the client's activations are quantized too
    ids = torch.from_numpy(np.fromfile(tokens, np.int32)).view(-1, LENGTH)[:2].long()
    exact = AutoModelForCausalLM.from_pretrained(dense, dtype=torch.float32)  # holds the unpacked weights
    for linear, weight in unpacked.items():
        exact.get_submodule(linear).weight.data.copy_(weight)
    wanted = exact(ids).logits
    plain = work / f'{name}-{scheme}-bf16'
    run(halfbyte, 'convert', folder, plain, '--to', 'bf16', '--allow-loss')
    error = relative(engine_logits(plain, tokens, wanted.shape[-1])[:2], wanted)
    check(label + ' logits are the client\'s', error < 1e-3, f'{error:.1e}')


def rotated(name: str, dense: Path, tokens: Path) -> None:
    """A rotation that is folded into the weights is none of the client's business."""
    label, folder = f'{name} int8 rotated offline:', work / f'{name}-rotated'
    run(halfbyte, 'quantize', dense, folder, '--scheme', 'int8', '--recipe', 'rtn', '--transform', 'hadamard:16',
        '--rotation', 'offline', '--calibration', tokens, '--sequence-length', LENGTH)
    model, told = load(folder, dtype=torch.float32)
    check(label + ' every key is used', not told, told)
    ids = torch.from_numpy(np.fromfile(tokens, np.int32)).view(-1, LENGTH)[:2].long()
    wanted = AutoModelForCausalLM.from_pretrained(dense, dtype=torch.float32)(ids).logits
    error = relative(model(ids).logits, wanted)
    check(label + ' logits are near those of the dense model', error < 0.2, f'{error:.1e}')


def main() -> None:
    folders = {}
    for name in models.CONFIGS:
        folders[name] = work / name
        models.make(name, folders[name])
    folders |= {Path(f).name: Path(f) for f in sys.argv[4:]}
    for name, dense in folders.items():
        vocab = json.loads((dense / 'config.json').read_text())['vocab_size']
        tokens = work / f'{name}.i32'
        np.random.default_rng(1).integers(3, vocab, 8 * LENGTH, dtype=np.int32).tofile(tokens)
        calls = {scheme: (one, scheme, options) for scheme, options in SCHEMES.items()} | {'rotated': (rotated,)}
        for label, (call, *rest) in calls.items():
            try:
                with open(work / 'stderr', 'w') as bars, contextlib.redirect_stderr(bars):
                    call(name, dense, tokens, *rest)
            except Exception as error:  # one client's refusal is a result
                check(f'{name} {label}', False, f'{type(error).__name__}: {str(error)[:300]}')
    print(f'clients: {passed} passed, {len(failed)} failed')
    sys.exit(bool(failed))


main()
