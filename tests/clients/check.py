# SPDX-License-Identifier: Apache-2.0
"""What Transformers and compressed-tensors make of our files: check.py HALFBYTE TOOLS WORK [MODEL ...], TOOLS the folder
of client_logits and client_linears.

For every model (tiny ones of models.py, and the folders named) and every scheme: the checkpoint loads without a missing,
mismatched or unexpected key; weights that the client unpacks are the ones it loads dense, to the last bit; the bytes of
RTN are those of the client's own compressor at the same scales; our engine's logits of the unpacked weights are the
client's, in fp32, to 1e-3; of quantized activations see activations.py, of GGUF gguf_clients.py. One line a check, the last line has the
counts. HALFBYTE_DATA names a folder with the tokens of a text for models with SmolLM2's vocabulary; else they are random."""
import contextlib
import os
import sys
from pathlib import Path

import numpy as np
import torch
from compressed_tensors.compressors import ModelCompressor
from compressed_tensors.quantization import QuantizationArgs, QuantizationConfig, apply_quantization_config
from compressed_tensors.quantization.utils import calculate_qparams, generate_gparam
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM, CompressedTensorsConfig

import activations
import gguf_clients
import harness
import models
from harness import LENGTH, check, engine_logits, load, read_ids, relative, run, settings, skip

halfbyte, tools, work = sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3])
CT_MX = ['--weight-scales', 'ct-round', '--activation-scales', 'ct-round']
ROWS = 256  # of tokens
SCHEMES = {'nvfp4': ['--activation-scales', 'absmax'], 'nvfp4a16': [], 'mxfp4': CT_MX, 'mxfp4a16': CT_MX[:2],
           'int4g32': [], 'int4g128': [], 'int4g128a': [], 'int8': [], 'fp8': []}


def weights_of(model) -> dict:
    """Dense weights of every linear after the client's first forward has unpacked them."""
    model(torch.tensor([[1, 2, 3]]))
    return {name: module.weight for name, module in model.named_modules()
            if isinstance(module, torch.nn.Linear) and name != 'lm_head'}


def zero_points(tensors: dict, name: str) -> torch.Tensor:
    """Eight rows lie in a word."""
    words = tensors[name + '.weight_zero_point'][:, None] >> 4 * torch.arange(8)[:, None] & 15
    return words.flatten(0, 1) - 8


def compressors_bytes(dense: Path, folder: Path) -> list:
    """Names of tensors that the client's compressor, given our scales, packs otherwise."""
    ours = load_file(folder / 'model.safetensors')
    config = settings(folder)['quantization_config']
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
        for part in ('weight_global_scale', 'input_global_scale'):
            if hasattr(module, part) and name + '.' + part in ours:
                getattr(module, part).data.copy_(ours[name + '.' + part])
        if name + '.weight_zero_point' in ours:
            module.weight_zero_point.data.copy_(zero_points(ours, name))
    ModelCompressor.from_pretrained_model(model).compress_model(model)
    theirs = model.state_dict()
    return [name for name, tensor in ours.items() if '.weight_' in name and name in theirs
            and not torch.equal(tensor.float(), theirs[name].float())]


def other_scales(dense: Path, folder: Path) -> list:
    """Names of scales, divisors and zero points that the client computes otherwise from the dense weights. Layers that
    clients fuse share one divisor, that of all their weights; PyTorch rounds n / x twice, as n * (1 / x). The client takes
    a zero point from the scale before it is rounded, we from the scale that is stored: they are neighbours at most."""
    ours, weights = load_file(folder / 'model.safetensors'), load_file(dense / 'model.safetensors')
    arguments = QuantizationArgs(**settings(folder)['quantization_config']['config_groups']['group_0']['weights'])
    fused, other = ({p: g for g in (('q_proj', 'k_proj', 'v_proj'), ('gate_proj', 'up_proj')) for p in g}), []
    for name in (n.removesuffix('.weight_scale') for n in ours if n.endswith('.weight_scale')):
        base, part = name.rsplit('.', 1)
        w, divisor = weights[name + '.weight'].float(), ours.get(name + '.weight_global_scale')
        if divisor is not None:
            most = max(weights[f'{base}.{p}.weight'].float().abs().max() for p in fused.get(part, (part,)))
            if not torch.allclose(generate_gparam(-most, most), divisor, rtol=2**-23, atol=0):
                other.append(name + '.weight_global_scale')
        groups = w.view(len(w), -1, arguments.group_size or w.shape[1])
        scale, zero = calculate_qparams(groups.amin(-1), groups.amax(-1), arguments, divisor)
        stored = ours[name + '.weight_scale']
        if stored.dtype == torch.uint8:
            stored = torch.pow(2.0, stored.float() - 127)
        if not torch.equal(scale.to(stored.dtype).float(), stored.float()):
            other.append(name + '.weight_scale')
        if name + '.weight_zero_point' in ours and (zero.float() - zero_points(ours, name)).abs().max() > 1:
            other.append(name + '.weight_zero_point')
    return other


def weight_only(label: str, dense: Path, folder: Path, unpacked: dict, tokens: Path, real: bool) -> None:
    """The weights that the client unpacks, in fp32, and the same ones in our engine."""
    ids = read_ids(tokens)[:2]
    exact = AutoModelForCausalLM.from_pretrained(dense, dtype=torch.float32)
    for linear, weight in unpacked.items():
        exact.get_submodule(linear).weight.data.copy_(weight)
    wanted = exact(ids).logits
    plain = folder.with_name(folder.name + '-bf16')
    run(halfbyte, 'convert', folder, plain, '--to', 'bf16', '--allow-loss')
    error = relative(engine_logits(str(tools / 'client_logits'), plain, ids, wanted.shape[-1], work), wanted)
    check(label + ' logits are the client\'s', error < 1e-3, f'{error:.1e}')
    if real:
        greedy(label, exact, plain, folder, tokens)


def greedy(label: str, model, plain: Path, folder: Path, tokens: Path) -> None:
    """Texts are equal when every token that the client chose is our first choice after those before it. Read in their
    codes, the weights meet activations in bf16, which decides some ties otherwise."""
    prompts = read_ids(tokens)[:8, :16]
    whole = model.generate(prompts, attention_mask=torch.ones_like(prompts), do_sample=False, max_new_tokens=24,
                           min_new_tokens=24)

    def others(of: Path) -> int:
        ours = engine_logits(str(tools / 'client_logits'), of, whole, model.config.vocab_size, work)
        ours[..., model.generation_config.eos_token_id] = -torch.inf  # min_new_tokens forbids it
        return (ours.argmax(-1)[:, 15:-1] != whole[:, 16:]).sum().item()
    other = others(plain)
    check(label + ' greedy texts are the client\'s', other == 0,
          f'{other} of {whole[:, 16:].numel()} tokens differ, {others(folder)} from codes')


def lossy(label: str, dense: Path, folder: Path, tokens: Path, scheme: str, options: list, real: bool) -> None:
    """Chance in KL falls with the number of tokens and with KL itself: of a real model in FP4 all, and MR-GPTQ."""
    rows = 8 if real else 128
    if real and 'fp4' in scheme and os.environ.get('CLIENTS_QUICK'):
        return skip(f'{label} KL', 'CLIENTS_QUICK')
    if real and 'fp4' in scheme:
        rows, folder = ROWS, folder.with_name(folder.name + '-gptq')
        run(halfbyte, 'quantize', dense, folder, '--scheme', scheme, '--recipe', 'mr-gptq', '--rotation', 'offline',
            '--calibration', tokens, '--sequence-length', LENGTH, *options[-2:])
    activations.loss(label, halfbyte, dense, folder, tokens, rows, work)


def one(name: str, dense: Path, tokens: Path, scheme: str, options: list, real: bool) -> None:
    label, folder = f'{name} {scheme}:', work / f'{name}-{scheme}'
    if 'int4g128' in scheme and settings(dense)['hidden_size'] % 128:
        options = options + ['--ignore', 're:.*(q|k|v|o|gate|up)_proj']
    run(halfbyte, 'quantize', dense, folder, '--scheme', scheme, '--recipe', 'rtn', '--transform', 'none',
        '--calibration', tokens, '--sequences', 8, '--sequence-length', LENGTH, *options)
    dequantize = {'quantization_config': CompressedTensorsConfig(dequantize=True)}
    packed, told = load(folder, dtype=torch.bfloat16, **dequantize if scheme == 'int4g128a' else {})
    check(label + ' every key is used', not told, told)
    unpacked = weights_of(packed)
    if scheme != 'int4g128a':  # zero points are a format that the client loads dense only
        loaded, _ = load(folder, dtype=torch.bfloat16, **dequantize)
        flat = {n: m.weight for n, m in loaded.named_modules() if n in unpacked}
        worst = max((unpacked[n].float() - flat[n].float()).abs().max().item() for n in unpacked)
        check(label + ' packed is dense', worst == 0, worst)
    other = compressors_bytes(dense, folder)
    check(label + ' bytes of the client\'s compressor', not other, other[:3])
    other = other_scales(dense, folder)
    check(label + ' scales of the client', not other, f'{len(other)} {other[:3]}')
    if settings(folder)['quantization_config']['config_groups']['group_0']['input_activations']:
        activations.linears(label, str(tools / 'client_linears'), folder, tokens, work)
        lossy(label, dense, folder, tokens, scheme, options, real)
    else:
        weight_only(label, dense, folder, unpacked, tokens, real)


MIXED = {'nvfp4 with fp8': ['--scheme', 'nvfp4', '--activation-scales', 'absmax', '--scheme-for', 're:.*down_proj=fp8'],
         'mxfp4 with int8': ['--scheme', 'mxfp4', *CT_MX, '--scheme-for', 're:.*self_attn.*=int8']}


def mixed(name: str, dense: Path, tokens: Path, options: list) -> None:
    """dequantize=True takes one scheme for all layers, a limit of the client: only packed."""
    label, folder = f'{name} {options[1]} with {options[-1]}:', work / f'{name}-{options[1]}-mixed'
    run(halfbyte, 'quantize', dense, folder, '--recipe', 'rtn', '--transform', 'none', '--calibration', tokens,
        '--sequences', 8, '--sequence-length', LENGTH, *options)
    _, told = load(folder, dtype=torch.bfloat16)
    check(label + ' every key is used', not told, told)
    activations.linears(label, str(tools / 'client_linears'), folder, tokens, work)


FOLDED = {'rotated offline': ['--transform', 'hadamard:16', '--rotation', 'offline'],
          'with balanced channels': ['--transform', 'none', '--channels', 'balanced']}


def folded(name: str, dense: Path, tokens: Path, how: str) -> None:
    """What is folded into the weights is none of the client's business."""
    label, folder = f'{name} int8 {how}:', work / f'{name}-{how.split()[-1]}'
    run(halfbyte, 'quantize', dense, folder, '--scheme', 'int8', '--recipe', 'rtn', *FOLDED[how],
        '--calibration', tokens, '--sequences', 8, '--sequence-length', LENGTH)
    model, told = load(folder, dtype=torch.float32)
    check(label + ' every key is used', not told, told)
    ids = read_ids(tokens)[:2]
    wanted = AutoModelForCausalLM.from_pretrained(dense, dtype=torch.float32)(ids).logits
    error = relative(model(ids).logits, wanted)
    check(label + ' logits are near those of the dense model', error < 0.2, f'{error:.1e}')


def write_tokens(dense: Path, tokens: Path) -> None:
    vocab, text = settings(dense)['vocab_size'], None
    if vocab == 49152 and os.environ.get('HALFBYTE_DATA'):
        text = Path(os.environ['HALFBYTE_DATA']) / 'wikitext2/smollm2-test-148x2048.i32'
    size = ROWS * LENGTH
    ids = np.fromfile(text, np.int32, size) if text else np.random.default_rng(1).integers(3, vocab, size)
    ids.astype(np.int32).tofile(tokens)


def main() -> None:
    folders = {}
    for name in models.CONFIGS:
        folders[name] = work / name
        models.make(name, folders[name])
    given = {Path(f).name: Path(f) for f in sys.argv[4:]}
    gguf_clients.skips()
    for name, dense in (folders | given).items():
        tokens = work / f'{name}.i32'
        write_tokens(dense, tokens)
        calls = {scheme: (one, scheme, options, name in given) for scheme, options in SCHEMES.items()}
        calls |= {f'{scheme} gguf': (gguf_clients.one, scheme, halfbyte, tools, work, name in given)
                  for scheme in gguf_clients.SCHEMES}
        calls |= {label: (mixed, options) for label, options in MIXED.items()} | {how: (folded, how) for how in FOLDED}
        for label, (call, *rest) in calls.items():
            try:
                with open(work / 'stderr', 'w') as bars, contextlib.redirect_stderr(bars):
                    call(name, dense, tokens, *rest)
            except Exception as error:  # one client's refusal is a result
                check(f'{name} {label}', False, f'{type(error).__name__}: {str(error)[:300]}')
    print(f'clients: {harness.passed} passed, {len(harness.failed)} failed')
    sys.exit(bool(harness.failed))


main()
