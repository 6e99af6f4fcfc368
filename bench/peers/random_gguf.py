# SPDX-License-Identifier: Apache-2.0
"""A GGUF file of real shapes with random weights, every matrix in one type. The blocks are written as they are, so
nothing has to be quantized and any type costs the time of writing the file. Block layouts: ggml-common.h of ggml.
A tensor is a pool of random blocks, repeated; speed does not depend on the values, as long as they stay finite. The
scales give weights of about 0.02, as the models of these shapes have."""
import random, struct

SHAPES = {
    'llama-1b': dict(hidden=2048, intermediate=8192, layers=16, heads=32, kv_heads=8, head_dim=64, vocab=128256),
    'llama-tiny': dict(hidden=128, intermediate=256, layers=2, heads=4, kv_heads=2, head_dim=32, vocab=512),
}
POOL_BYTES = 2 << 20
ALIGNMENT = 32
U32, F32, STRING = 4, 6, 8  # types of metadata values
F32_TENSOR = 0


def q4_0(rng):  # one half scale, 32 codes minus 8
    return struct.pack('<e', rng.uniform(0.004, 0.005)) + rng.randbytes(16)


def q8_0(rng):  # one half scale, 32 signed bytes
    return struct.pack('<e', rng.uniform(2.5e-4, 3e-4)) + rng.randbytes(32)


def q4_k(rng):  # halves d and dmin, 8 scales and minima of 6 bits in 12 bytes, 256 codes; 7.5 is the mean code
    d = rng.uniform(1.2e-4, 1.6e-4)
    return struct.pack('<ee', d, 7.5 * d) + rng.randbytes(12 + 128)


def mxfp4(rng):  # 2^(byte - 127), 32 codes
    return bytes([rng.choice((119, 120))]) + rng.randbytes(16)


def nvfp4(rng):  # 4 scales UE4M3, of 16 codes each; 4 is 2^-7
    return bytes(rng.choice((3, 4, 5)) for _ in range(4)) + rng.randbytes(32)


def f16(rng):
    return struct.pack('<e', rng.gauss(0, 0.02))


# name: number of the type, values and bytes of a block, general.file_type, one random block
TYPES = {
    'f16': (1, 1, 2, 1, f16),
    'q4_0': (2, 32, 18, 2, q4_0),
    'q8_0': (8, 32, 34, 7, q8_0),
    'q4_k': (12, 256, 144, 14, q4_k),
    'mxfp4': (39, 32, 17, 38, mxfp4),
    'nvfp4': (40, 64, 36, 39, nvfp4),
}


def text(value):
    data = value.encode()
    return struct.pack('<Q', len(data)) + data


def entry(key, kind, value):
    packed = text(value) if kind == STRING else struct.pack('<f' if kind == F32 else '<I', value)
    return text(key) + struct.pack('<I', kind) + packed


def metadata(s, type_name):
    numbers = {
        'general.file_type': TYPES[type_name][3], 'general.quantization_version': 2, 'llama.vocab_size': s['vocab'],
        'llama.context_length': 8192, 'llama.embedding_length': s['hidden'], 'llama.block_count': s['layers'],
        'llama.feed_forward_length': s['intermediate'], 'llama.attention.head_count': s['heads'],
        'llama.attention.head_count_kv': s['kv_heads'], 'llama.attention.key_length': s['head_dim'],
        'llama.attention.value_length': s['head_dim'], 'llama.rope.dimension_count': s['head_dim'],
    }
    return [entry('general.architecture', STRING, 'llama'), entry('tokenizer.ggml.model', STRING, 'no_vocab'),
            entry('llama.attention.layer_norm_rms_epsilon', F32, 1e-5), entry('llama.rope.freq_base', F32, 500000.0),
            *(entry(key, U32, value) for key, value in numbers.items())]


def tensors(s, type_name, head):
    """(name, dimensions, type), innermost dimension first; the output head is the embedding."""
    h, m, q, kv = s['hidden'], s['intermediate'], s['heads'] * s['head_dim'], s['kv_heads'] * s['head_dim']
    yield 'token_embd.weight', (h, s['vocab']), head
    yield 'output_norm.weight', (h,), None
    for i in range(s['layers']):
        for norm in ('attn_norm', 'ffn_norm'):
            yield f'blk.{i}.{norm}.weight', (h,), None
        for name, size in (('attn_q', (h, q)), ('attn_k', (h, kv)), ('attn_v', (h, kv)), ('attn_output', (q, h)),
                           ('ffn_gate', (h, m)), ('ffn_up', (h, m)), ('ffn_down', (m, h))):
            yield f'blk.{i}.{name}.weight', size, type_name


def size_of(dimensions, type_name):
    count = dimensions[0] * (dimensions[1] if len(dimensions) > 1 else 1)
    if type_name is None:
        return 4 * count
    _, block, size, _, _ = TYPES[type_name]
    if dimensions[0] % block:
        raise ValueError(f'{type_name} needs rows of a multiple of {block} values, this shape has {dimensions[0]}')
    return count // block * size


def padding(size):
    return -size % ALIGNMENT


def pool_of(type_name):
    rng = random.Random(0)
    _, _, size, _, block = TYPES[type_name]
    return b''.join(block(rng) for _ in range(POOL_BYTES // 16 // size)) * 16


def write_repeated(file, pool, size):
    for _ in range(size // len(pool)):
        file.write(pool)
    file.write(pool[:size % len(pool)])


def write(path, shape, type_name, head=None):
    """A file at `path`; the embedding, which is the head too, in the type `head`."""
    s, offset, infos, sizes = SHAPES[shape], 0, [], []
    listed = list(tensors(s, type_name, head or type_name))
    for name, dimensions, kind in listed:
        number = F32_TENSOR if kind is None else TYPES[kind][0]
        size = size_of(dimensions, kind)
        infos.append(text(name) + struct.pack(f'<I{len(dimensions)}QIQ', len(dimensions), *dimensions, number, offset))
        sizes.append(size)
        offset += size + padding(size)
    entries = metadata(s, type_name)
    header = b'GGUF' + struct.pack('<IQQ', 3, len(infos), len(entries)) + b''.join(entries) + b''.join(infos)
    pools = {kind: pool_of(kind) for kind in {type_name, head or type_name}}
    pools[None] = struct.pack('<f', 1.0) * 1024
    with open(path, 'wb') as file:
        file.write(header + bytes(padding(len(header))))
        for (_, _, kind), size in zip(listed, sizes):
            write_repeated(file, pools[kind], size)
            file.write(bytes(padding(size)))
