# SPDX-License-Identifier: Apache-2.0
"""What every check shares: running our programs, loading a model, one line a check, and the counts."""
import json
import subprocess
from pathlib import Path

import numpy as np
import torch
from transformers import AutoModelForCausalLM
from transformers.utils import logging

logging.set_verbosity_error()
logging.disable_progress_bar()
torch.set_grad_enabled(False)
LENGTH = 64  # tokens of a row
passed, failed = 0, []


def check(name: str, good: bool, detail: object = '') -> None:
    global passed
    print('ok  ' if good else 'FAIL', name, detail, flush=True)
    passed += bool(good)
    if not good:
        failed.append(name)


def skip(name: str, reason: object) -> None:
    print(f'skip {name}: {reason}', flush=True)


def run(*arguments: object) -> str:
    done = subprocess.run([str(a) for a in arguments], capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f'{" ".join(str(a) for a in arguments[:3])}: {done.stderr.strip()}')
    return done.stdout


def relative(a: torch.Tensor, b: torch.Tensor) -> float:
    return ((a - b).norm() / b.norm()).item()


def kl(reference: torch.Tensor, other: torch.Tensor) -> float:
    """Mean over rows of KL(reference || other), of logits (rows, vocab)"""
    p, q = (torch.log_softmax(x.double().flatten(0, -2), -1) for x in (reference, other))
    return (p.exp() * (p - q)).sum(-1).mean().item()


def load(folder: Path, **options):
    model, told = AutoModelForCausalLM.from_pretrained(folder, output_loading_info=True, **options)
    return model.eval(), {k: v for k, v in told.items() if v}


def read_ids(tokens: Path) -> torch.Tensor:
    return torch.from_numpy(np.fromfile(tokens, np.int32)).view(-1, LENGTH).long()


def engine_logits(program: str, folder: Path, ids: torch.Tensor, vocab: int, work: Path) -> torch.Tensor:
    tokens, out = work / 'ids.i32', work / 'logits.f32'
    ids.numpy().astype(np.int32).tofile(tokens)
    run(program, folder, tokens, ids.shape[1], out)
    return torch.from_numpy(np.fromfile(out, np.float32)).view(*ids.shape, vocab)


def settings(folder: Path) -> dict:
    return json.loads((folder / 'config.json').read_text())
