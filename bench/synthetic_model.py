#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A checkpoint of real shapes and random weights, for measuring time and memory where no model is at hand.
usage: synthetic_model.py FOLDER [llama-1b|llama-8b]     standard library only; bf16, one file a block; the
tokenizer is a byte-level BPE of as many tokens, joined at random, in the form of Llama 3's"""
import array, json, os, random, struct, sys

SHAPES = {
    'llama-1b': dict(hidden=2048, intermediate=8192, layers=16, heads=32, kv_heads=8, head_dim=64, vocab=128256, tied=True),
    'llama-8b': dict(hidden=4096, intermediate=14336, layers=32, heads=32, kv_heads=8, head_dim=128, vocab=128256, tied=False),
}
POOL = 1 << 20  # values drawn once; tensors are runs of it from random places


def bf16(x):
    bits = struct.unpack('<I', struct.pack('<f', x))[0]
    return (bits + 0x7fff + (bits >> 16 & 1)) >> 16


def tokenizer(vocab, rng):
    alphabet = [chr(b) if 33 <= b <= 126 or 161 <= b <= 172 or b >= 174 else None for b in range(256)]
    rest = iter(range(256, 512))
    tokens = [c or chr(next(rest)) for c in alphabet]
    ids, merges, specials = {t: i for i, t in enumerate(tokens)}, [], 256
    while len(tokens) < vocab - specials:
        left = tokens[rng.randrange(65, 91) if rng.random() < 0.1 else rng.randrange(len(tokens) // 2)]
        right = tokens[rng.randrange(65, 91)]
        if len(left + right) <= 16 and left + right not in ids:
            ids[left + right] = len(tokens)
            tokens.append(left + right)
    for token in tokens:  # every pair that joins to a token is a merge, as in Llama 3
        merges += [[token[:i], token[i:]] for i in range(1, len(token)) if token[:i] in ids and token[i:] in ids]
    flags = dict(single_word=False, lstrip=False, rstrip=False, normalized=False, special=True)
    split = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
    byte_level = dict(type='ByteLevel', add_prefix_space=False, trim_offsets=True, use_regex=False)
    return {'version': '1.0', 'truncation': None, 'padding': None,
            'added_tokens': [{'id': len(tokens) + i, 'content': f'<|special_{i}|>', **flags} for i in range(specials)],
            'normalizer': None, 'post_processor': byte_level, 'decoder': byte_level,
            'pre_tokenizer': {'type': 'Sequence', 'pretokenizers': [
                {'type': 'Split', 'pattern': {'Regex': split}, 'behavior': 'Isolated', 'invert': False}, byte_level]},
            'model': {'type': 'BPE', 'dropout': None, 'unk_token': None, 'continuing_subword_prefix': None,
                      'end_of_word_suffix': None, 'fuse_unk': False, 'byte_fallback': False, 'ignore_merges': True,
                      'vocab': ids, 'merges': merges}}


def main(folder, name='llama-1b'):
    s = SHAPES[name]
    rng = random.Random(0)
    pool = array.array('H', (bf16(rng.gauss(0, 0.02)) for _ in range(POOL))).tobytes()
    os.makedirs(folder)

    def write(file, tensors):
        header, at = {'__metadata__': {'format': 'pt'}}, 0
        for key, shape in tensors:
            size = 2 * shape[0] * (shape[1] if len(shape) > 1 else 1)
            header[key] = {'dtype': 'BF16', 'shape': shape, 'data_offsets': [at, at + size]}
            at += size
        text = json.dumps(header).encode()
        text += b' ' * (-len(text) % 8)
        with open(os.path.join(folder, file), 'wb') as f:
            f.write(struct.pack('<Q', len(text)) + text)
            for key, shape in tensors:
                left = 2 * shape[0] * (shape[1] if len(shape) > 1 else 1)
                if len(shape) == 1:
                    f.write(struct.pack('<H', 0x3f80) * shape[0])
                    continue
                while left:
                    start = 2 * rng.randrange(POOL // 2)
                    part = pool[start:start + min(left, POOL)]
                    f.write(part)
                    left -= len(part)
        return {key: file for key, _ in tensors}

    h, m, q, kv = s['hidden'], s['intermediate'], s['heads'] * s['head_dim'], s['kv_heads'] * s['head_dim']
    count, files = s['layers'] + 1, {}
    rest = [('model.embed_tokens.weight', [s['vocab'], h]), ('model.norm.weight', [h])]
    if not s['tied']:
        rest.append(('lm_head.weight', [s['vocab'], h]))
    files.update(write(f'model-00001-of-{count:05}.safetensors', rest))
    for i in range(s['layers']):
        p = f'model.layers.{i}.'
        files.update(write(f'model-{i + 2:05}-of-{count:05}.safetensors', [
            (p + 'input_layernorm.weight', [h]), (p + 'post_attention_layernorm.weight', [h]),
            (p + 'self_attn.q_proj.weight', [q, h]), (p + 'self_attn.k_proj.weight', [kv, h]),
            (p + 'self_attn.v_proj.weight', [kv, h]), (p + 'self_attn.o_proj.weight', [h, q]),
            (p + 'mlp.gate_proj.weight', [m, h]), (p + 'mlp.up_proj.weight', [m, h]), (p + 'mlp.down_proj.weight', [h, m])]))
    json.dump(tokenizer(s['vocab'], rng), open(os.path.join(folder, 'tokenizer.json'), 'w'), ensure_ascii=False)
    json.dump({'metadata': {}, 'weight_map': files}, open(os.path.join(folder, 'model.safetensors.index.json'), 'w'))
    json.dump({'architectures': ['LlamaForCausalLM'], 'model_type': 'llama', 'hidden_size': h, 'intermediate_size': m,
               'num_hidden_layers': s['layers'], 'num_attention_heads': s['heads'], 'num_key_value_heads': s['kv_heads'],
               'head_dim': s['head_dim'], 'vocab_size': s['vocab'], 'max_position_embeddings': 8192, 'rms_norm_eps': 1e-5,
               'rope_theta': 500000.0, 'hidden_act': 'silu', 'tie_word_embeddings': s['tied'], 'bos_token_id': 128000,
               'eos_token_id': 128001, 'torch_dtype': 'bfloat16'}, open(os.path.join(folder, 'config.json'), 'w'), indent=1)


main(*sys.argv[1:])
