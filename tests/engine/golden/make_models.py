#!/usr/bin/env python3
"""Tiny seeded models of every architecture with the logits Transformers gives in fp32.
usage: make_models.py [FOLDER]     made with torch 2.15.0, transformers 5.23.0, safetensors 0.8.0
Each folder: config.json, model.safetensors (bf16), tokens.i32 (24 ids), logits.f32 (24 x vocab)."""
import json, os, sys

import numpy as np
import torch
from transformers import (LlamaConfig, LlamaForCausalLM, MistralConfig, MistralForCausalLM, Qwen2Config,
                          Qwen2ForCausalLM, Qwen3Config, Qwen3ForCausalLM)

out = sys.argv[1] if len(sys.argv) > 1 else os.path.dirname(os.path.abspath(__file__))
base = dict(hidden_size=32, intermediate_size=48, num_hidden_layers=2, num_attention_heads=4,
            num_key_value_heads=2, vocab_size=64, max_position_embeddings=512, rms_norm_eps=1e-5,
            initializer_range=0.2)
llama3 = dict(rope_type='llama3', rope_theta=10000.0, factor=8.0, low_freq_factor=1.0, high_freq_factor=4.0,
              original_max_position_embeddings=16)
models = {
    'llama': LlamaForCausalLM(LlamaConfig(**base, tie_word_embeddings=True)),
    'llama31': LlamaForCausalLM(LlamaConfig(**base, rope_parameters=llama3, tie_word_embeddings=False)),
    'mistral': MistralForCausalLM(MistralConfig(**base, head_dim=16, sliding_window=8, tie_word_embeddings=False)),
    'qwen2': Qwen2ForCausalLM(Qwen2Config(**base, tie_word_embeddings=True)),
    'qwen3': Qwen3ForCausalLM(Qwen3Config(**base, head_dim=16, tie_word_embeddings=True)),
}
for number, (name, model) in enumerate(models.items()):
    generator = torch.Generator().manual_seed(number)
    with torch.no_grad():
        for key, p in model.named_parameters():
            noise = torch.randn(p.shape, generator=generator)
            p.copy_((1 + 0.2 * noise if 'norm' in key else 0.2 * noise).to(torch.bfloat16).float())
    model.tie_weights()
    tokens = torch.randint(0, base['vocab_size'], (1, 24), generator=generator)
    with torch.no_grad():
        logits = model.eval()(tokens).logits[0].float()
    folder = os.path.join(out, name)
    model.to(torch.bfloat16).save_pretrained(folder)
    os.path.exists(os.path.join(folder, 'generation_config.json')) and os.remove(
        os.path.join(folder, 'generation_config.json'))
    tokens.numpy().astype('<i4').tofile(os.path.join(folder, 'tokens.i32'))
    logits.numpy().astype('<f4').tofile(os.path.join(folder, 'logits.f32'))
    print(name, tuple(logits.shape), float(logits.abs().max()))
