# SPDX-License-Identifier: Apache-2.0
"""What gguf-py, llama.cpp and llama.cpp's own converter make of our GGUF files and of the folders behind them.

gguf-py decodes every linear to the numbers of the folder. llama.cpp (package llama-cpp-python) computes weight-only models
with activations rounded to 8 bits, a relative error of some 2e-2 of the logits: hence 3e-2, and 95 % of first choices.
convert_hf_to_gguf.py, of the source package of llama-cpp-python that LLAMA_CPP_SOURCE names, takes our compressed-tensors
NVFP4 folders, and its tensors are those of our own GGUF to the last bit. The folders are those that are meant for llama.cpp:
MR-GPTQ, rotated offline."""
import importlib.util
import os
import sys
from pathlib import Path

import gguf
import numpy as np
import torch

from harness import LENGTH, check, engine_logits, read_ids, relative, run, skip

try:
    import llama_cpp
except (ImportError, RuntimeError, OSError) as error:
    llama_cpp, why = None, error
SCHEMES = ['mxfp4a16', 'nvfp4a16', 'nvfp4']
ORACLE = Path(__file__).parents[1] / 'layouts/oracle_gguf.py'
# The converter names a tokenizer by the hash of what it makes of a text, and knows those of the tiny models not.
NAMED = '''
import runpy, sys, transformers
transformers.AutoTokenizer = transformers.PreTrainedTokenizerFast
sys.argv = sys.argv[1:]
sys.path[:1] = [sys.argv[0], sys.argv[0] + '/gguf-py']
from conversion.base import TextModel
TextModel.get_vocab_base_pre = lambda self, tokenizer: 'gpt-2'
runpy.run_path(sys.argv[0] + '/convert_hf_to_gguf.py', run_name='__main__')
'''


def converter() -> Path | None:
    """The folder of convert_hf_to_gguf.py."""
    source = Path(os.environ.get('LLAMA_CPP_SOURCE', '/nowhere'))
    found = [f for f in (source / 'vendor/llama.cpp', source) if (f / 'convert_hf_to_gguf.py').exists()]
    return found[0] if found and importlib.util.find_spec('sentencepiece') else None


def skips() -> None:
    """What is left out of every model below."""
    if llama_cpp is None:
        skip('llama.cpp', f'llama-cpp-python: {why}')
    if converter() is None:
        skip('llama.cpp\'s converter', 'LLAMA_CPP_SOURCE must name its source, and Python must have sentencepiece')


def llama_logits(file: Path, ids: torch.Tensor) -> torch.Tensor:
    length = ids.shape[1]
    model = llama_cpp.Llama(model_path=str(file), n_ctx=length, n_batch=length, n_threads=2, logits_all=True,
                            verbose=False)
    rows = []
    for row in ids.tolist():
        model.reset()
        model.eval(row)
        rows.append(np.array(model.scores[:len(row)], np.float32))
    model.close()
    return torch.from_numpy(np.stack(rows))


def logits(label: str, program: str, folder: Path, file: Path, tokens: Path, work: Path, real: bool) -> None:
    """Of a text in rows of 256 tokens: the first ones of a row lose more."""
    ids = read_ids(tokens).view(-1, 256)[:4] if real else read_ids(tokens)[:8]
    theirs = llama_logits(file, ids)
    ours = engine_logits(program, folder, ids, theirs.shape[-1], work)
    error, same = relative(theirs, ours), (theirs.argmax(-1) == ours.argmax(-1)).float().mean().item()
    check(label + ' llama.cpp\'s logits are ours', error < 3e-2 and same >= .95, f'{error:.1e}, top-1 {same:.3f}')


def tensors(file: Path, name: str) -> dict:
    """A qwen2 that we write as a llama has the rows of q and k in that one's order: rows are sorted."""
    def content(t) -> bytes:
        rows = t.data.reshape(-1, 1 if t.data.ndim == 1 else t.data.shape[-1])
        moved = name == 'qwen2' and ('attn_q.' in t.name or 'attn_k.' in t.name)
        return b''.join(sorted(r.tobytes() for r in rows)) if moved else rows.tobytes()
    return {t.name: (t.tensor_type.name, t.shape.tolist(), content(t)) for t in gguf.GGUFReader(file).tensors}


def converted(label: str, name: str, folder: Path, file: Path, work: Path, real: bool) -> None:
    theirs, source = work / f'{file.stem}-theirs.gguf', converter()
    program = [source / 'convert_hf_to_gguf.py'] if real else ['-c', NAMED, source]
    run(sys.executable, *program, folder, '--outfile', theirs)
    a, b = tensors(file, name), tensors(theirs, name)
    other = sorted(name for name in a.keys() | b.keys() if a.get(name) != b.get(name))
    check(label + ' the converter\'s tensors are ours', not other, other[:3] or f'{len(a)} tensors')


def one(name: str, dense: Path, tokens: Path, scheme: str, halfbyte: str, tools: Path, work: Path, real: bool) -> None:
    label, folder, file = f'{name} {scheme} gguf:', work / f'{name}-{scheme}-offline', work / f'{name}-{scheme}.gguf'
    run(halfbyte, 'quantize', dense, folder, '--scheme', scheme, '--recipe', 'mr-gptq', '--rotation', 'offline',
        '--calibration', tokens, '--sequences', 8, '--sequence-length', LENGTH)
    run(halfbyte, 'convert', folder, file, '--to', 'gguf')
    decoded = run(sys.executable, ORACLE, folder, file).strip()
    check(label + ' gguf-py decodes the same values', 'to the same values' in decoded, decoded)
    if llama_cpp and scheme.endswith('a16'):
        logits(label, str(tools / 'client_logits'), folder, file, tokens, work, real)
    if converter() and scheme == 'nvfp4':
        converted(label, name, folder, file, work, real)
