# SPDX-License-Identifier: Apache-2.0
"""Tiny seeded models of every architecture that is written, as Hugging Face folders in bf16 with a byte-level BPE
tokenizer: python models.py OUT"""
import sys
from pathlib import Path

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import (AutoModelForCausalLM, LlamaConfig, MistralConfig, PreTrainedTokenizerFast,
                          Qwen2Config, Qwen3Config)

SHAPE = dict(hidden_size=256, intermediate_size=512, num_hidden_layers=2, num_attention_heads=4,
             num_key_value_heads=2, vocab_size=320, max_position_embeddings=128,
             tie_word_embeddings=False)
CONFIGS = {
    'llama': lambda: LlamaConfig(head_dim=64, **SHAPE),
    'mistral': lambda: MistralConfig(head_dim=64, sliding_window=None, **SHAPE),
    'qwen2': lambda: Qwen2Config(**SHAPE),
    'qwen3': lambda: Qwen3Config(head_dim=64, **SHAPE),
}


def make_tokenizer(folder: Path) -> None:
    """The bytes, an end token, and pairs of letters up to the size of the vocabulary."""
    vocab = {c: i for i, c in enumerate(sorted(pre_tokenizers.ByteLevel.alphabet()))} | {'<end>': 256}
    merges = [(a, b) for a in 'etaoin' for b in 'etaoinshrdl'][:SHAPE['vocab_size'] - len(vocab)]
    vocab |= {a + b: len(vocab) + i for i, (a, b) in enumerate(merges)}
    tokenizer = Tokenizer(models.BPE(vocab, merges))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens(['<end>'])
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token='<end>').save_pretrained(folder)


def make(name: str, folder: Path) -> None:
    torch.manual_seed(sorted(CONFIGS).index(name))
    model = AutoModelForCausalLM.from_config(CONFIGS[name](), dtype=torch.bfloat16)
    for parameter in model.parameters():
        size = 0.06 if parameter.dim() == 2 else 0.2
        mean = 1.0 if parameter.dim() == 1 and parameter.numel() != 256 * 2 else 0.0
        parameter.data = (mean + size * torch.randn(parameter.shape)).to(torch.bfloat16)
    # Some tokens are likelier than others, as in a text: a first choice stands out.
    model.lm_head.weight.data *= torch.randn(SHAPE['vocab_size'], 1).mul(0.5).exp().to(torch.bfloat16)
    model.save_pretrained(folder)
    make_tokenizer(folder)


if __name__ == '__main__':
    for name in CONFIGS:
        make(name, Path(sys.argv[1]) / name)
