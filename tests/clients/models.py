# SPDX-License-Identifier: Apache-2.0
"""Tiny seeded models of every architecture that is written, as Hugging Face folders in bf16: python models.py OUT"""
import sys
from pathlib import Path

import torch
from transformers import (AutoModelForCausalLM, LlamaConfig, MistralConfig, Qwen2Config,
                          Qwen3Config)

SHAPE = dict(hidden_size=256, intermediate_size=512, num_hidden_layers=2, num_attention_heads=4,
             num_key_value_heads=2, vocab_size=320, max_position_embeddings=128,
             tie_word_embeddings=False)
CONFIGS = {
    'llama': lambda: LlamaConfig(head_dim=64, **SHAPE),
    'mistral': lambda: MistralConfig(head_dim=64, sliding_window=None, **SHAPE),
    'qwen2': lambda: Qwen2Config(**SHAPE),
    'qwen3': lambda: Qwen3Config(head_dim=64, **SHAPE),
}


def make(name: str, folder: Path) -> None:
    torch.manual_seed(sorted(CONFIGS).index(name))
    model = AutoModelForCausalLM.from_config(CONFIGS[name](), dtype=torch.bfloat16)
    for parameter in model.parameters():
        size = 0.06 if parameter.dim() == 2 else 0.2
        mean = 1.0 if parameter.dim() == 1 and parameter.numel() != 256 * 2 else 0.0
        parameter.data = (mean + size * torch.randn(parameter.shape)).to(torch.bfloat16)
    model.save_pretrained(folder)


if __name__ == '__main__':
    for name in CONFIGS:
        make(name, Path(sys.argv[1]) / name)
