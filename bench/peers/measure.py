# SPDX-License-Identifier: Apache-2.0
"""Measures halfbyte and llama.cpp in turn and writes JSON: for each row the command and the median over the rounds, and
the ratio of every pair. A round measures each row once, every second one in reverse; a round starts only if the last
one would still fit into the time limit. The file is written after every round."""
import argparse, json, os, shutil, statistics, sys, time

from models import SCHEMES, Failure, call, rows_of
from random_gguf import TYPES

KERNELS = ('amx', 'avx512')


def listed(known):
    def parse(value):
        names = value.split(',')
        for name in names:
            if name not in known:
                raise argparse.ArgumentTypeError(f"there is no '{name}', choose of {','.join(known)}")
        return names
    return parse


def positive(value):
    if not value.isdigit() or int(value) < 1:
        raise argparse.ArgumentTypeError(f"'{value}' is not a number of at least 1")
    return int(value)


def parse_arguments():
    p = argparse.ArgumentParser(prog='cpu.sh run', description='halfbyte beside llama.cpp on this CPU')
    p.add_argument('work', metavar='WORK', help='the folder that `cpu.sh build` filled; needs 3 GB more for 1B models')
    p.add_argument('halfbyte', metavar='HALFBYTE', help='the program')
    p.add_argument('--out', metavar='FILE', help='default: bench/results/cpu.json; with --small WORK/small.json')
    p.add_argument('--threads', type=positive, default=2)
    p.add_argument('--cores', metavar='LIST', help='pin to these cores, as taskset -c takes them')
    p.add_argument('--rounds', type=positive, default=5)
    p.add_argument('--prompt', type=positive, default=512, metavar='TOKENS')
    p.add_argument('--decode', type=positive, default=128, metavar='TOKENS')
    p.add_argument('--types', type=listed(tuple(TYPES)), default=['mxfp4', 'nvfp4', 'q4_0', 'q4_k'],
                   help='of llama.cpp, of random weights; default mxfp4,nvfp4,q4_0,q4_k')
    p.add_argument('--schemes', type=listed(tuple(SCHEMES)), help='of halfbyte; default: those that --types names')
    p.add_argument('--head', choices=tuple(TYPES), help="llama.cpp's embedding and head; default: as the rest")
    p.add_argument('--model', metavar='GGUF', help='also this model, made 4-bit here')
    p.add_argument('--model-types', type=listed(tuple(TYPES)), default=['q4_0', 'q8_0'], help='default q4_0,q8_0')
    p.add_argument('--model-head', choices=('q8_0a8', 'q8_0', 'bf16'), default='q8_0a8',
                   help="of both programs: the model's embedding and head; default q8_0a8, Q8_0 by inputs in 8 bits, "
                        "as llama.cpp always takes it")
    p.add_argument('--only-model', action='store_true', help='no random weights')
    p.add_argument('--kernels', type=listed(KERNELS), help='default: amx, if the CPU has it, and avx512')
    p.add_argument('--time-limit', type=positive, metavar='SECONDS')
    p.add_argument('--small', action='store_true', help='tiny shapes, to try this out')
    return p.parse_args()


def cpu():
    """Name and whether it has AMX."""
    with open('/proc/cpuinfo') as file:
        lines = [line.partition(':') for line in file]
    found = {key.strip(): value.strip() for key, _, value in lines}
    flags = found.get('flags', '').split()
    return found.get('model name', 'unknown'), 'amx_int8' in flags and 'amx_bf16' in flags


def complete(args):
    """Checks and fills in what follows from the other arguments."""
    args.work = os.path.abspath(args.work)
    args.halfbyte = shutil.which(args.halfbyte) or args.halfbyte
    for path in (args.halfbyte, args.model):
        if path and not os.path.isfile(path):
            raise Failure(f'{path} is not there')
    if args.only_model and not args.model:
        raise Failure('--only-model wants --model')
    name, has_amx = cpu()
    args.kernels = args.kernels or [k for k in KERNELS if k != 'amx' or has_amx]
    if 'amx' in args.kernels and not has_amx:
        raise Failure(f'{name} has no AMX here; use --kernels avx512')
    for kernels in args.kernels:
        if not os.path.isfile(os.path.join(args.work, 'bin', kernels, 'llama-bench')):
            raise Failure(f'{args.work}/bin/{kernels}/llama-bench is not there; run cpu.sh build {args.work} first')
    args.shape = 'llama-tiny' if args.small else 'llama-1b'
    args.schemes = args.schemes or [t for t in args.types if t in SCHEMES] or list(SCHEMES)[:1]
    args.pin = ['taskset', '-c', args.cores] if args.cores else []
    args.model_name = os.path.basename(args.model or '').removesuffix('.gguf')
    repository = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    args.out = args.out or (os.path.join(args.work, 'small.json') if args.small
                            else os.path.join(repository, 'bench', 'results', 'cpu.json'))
    return name


def measure(args, row):
    """Tokens/s of one run: {'pp', 'tg'} and the bytes of the weights, as the program itself reports them."""
    output = call(row['command'])
    if row['engine'] == 'halfbyte':
        with open(os.path.join(args.work, 'bench.json')) as file:
            result = json.load(file)
        row.update({key: result[key] for key in ('weight_bytes', 'head_type', 'transform', 'activations')})
        return {test: result[f'{test}_tokens_per_second'] for test in ('pp', 'tg')}
    results = json.loads(output)
    row.update(weight_bytes=results[0]['model_size'], file_type=results[0]['model_type'])
    return {'pp' if r['n_prompt'] else 'tg': r['avg_ts'] for r in results}


def play_round(args, rows, failed, backwards):
    """Measures every row once; a row that fails is left out from then on."""
    for row in reversed(rows[:]) if backwards else rows[:]:
        title = '{engine:9} {model} {type} {kernels}'.format(**row)
        try:
            rates = measure(args, row)
        except (Failure, KeyError, ValueError) as e:
            failed.append({**{k: row[k] for k in ('engine', 'model', 'type', 'kernels')}, 'why': str(e)})
            rows.remove(row)
            print(f'{title}: {e}', file=sys.stderr)
            continue
        for test in ('pp', 'tg'):
            row.setdefault(test, []).append(rates[test])
        print(f"{title}: pp {rates['pp']:.1f}, tg {rates['tg']:.2f} tokens/s", file=sys.stderr)


def spoken(args, command):
    """The command without the folders of this machine."""
    words = ['halfbyte' if word == args.halfbyte else word.replace(args.work, 'WORK') for word in command]
    return ' '.join(os.path.basename(word) if word == args.model else word for word in words)


def finished(row, args):
    """A row as it is written."""
    kept = {k: v for k, v in row.items() if k not in ('pp', 'tg')}
    kept.update({k: spoken(args, row[k]) for k in ('command', 'made_by') if k in row})
    medians = {f'{test}_tokens_per_second': round(statistics.median(row[test]), 3) for test in ('pp', 'tg')}
    return {**kept, **medians, 'samples': {test: row[test] for test in ('pp', 'tg')}}


def ratios(rows):
    """Ours over theirs, of every pair of one model and one set of kernels."""
    pairs = [(a, b) for a in rows for b in rows if a['engine'] == 'halfbyte' and b['engine'] == 'llama.cpp'
             and (a['model'], a['kernels']) == (b['model'], b['kernels'])]
    return [{'model': a['model'], 'kernels': a['kernels'], 'halfbyte': a['type'], 'llama.cpp': b['type'],
             **{t: round(a[f'{t}_tokens_per_second'] / b[f'{t}_tokens_per_second'], 3) for t in ('pp', 'tg')}}
            for a, b in pairs]


def write(args, machine, sets, failed, rounds):
    rows = [finished(row, args) for rows in sets.values() for row in rows if 'pp' in row]
    with open(os.path.join(args.work, 'bin', 'version')) as file:
        version = file.read().strip()
    result = {'cpu': machine, 'threads': args.threads, 'cores': args.cores, 'prompt_tokens': args.prompt,
              'decode_tokens': args.decode, 'rounds': rounds, 'halfbyte': call([args.halfbyte, '--version']).strip(),
              'llama.cpp': version, 'ratios': ratios(rows), 'rows': rows, 'failed': failed}
    os.makedirs(os.path.dirname(os.path.abspath(args.out)), exist_ok=True)
    with open(args.out + '.part', 'w') as file:
        json.dump(result, file, indent=1)
        file.write('\n')
    os.replace(args.out + '.part', args.out)
    return result


def show(result):
    print(f"{'model':28} {'kernels':8} {'halfbyte':8} {'llama.cpp':9} {'pp':>7} {'tg':>7}   (ours / theirs)")
    for r in result['ratios']:
        print(f"{r['model'][:28]:28} {r['kernels']:8} {r['halfbyte']:8} {r['llama.cpp']:9} "
              f"{r['pp']:7.2f} {r['tg']:7.2f}")
    for f in result['failed']:
        print('failed: {engine} {model} {type} {kernels}: {why}'.format(**f))


def main():
    start, args = time.monotonic(), parse_arguments()
    machine = complete(args)
    failed, last = [], dict.fromkeys(args.kernels, 0)
    rounds, sets = dict.fromkeys(args.kernels, 0), {k: rows_of(args, k, failed) for k in args.kernels}
    print(f'files made after {time.monotonic() - start:.0f} s', file=sys.stderr)
    for index in range(args.rounds):
        for kernels, rows in sets.items():
            now = time.monotonic()
            if not rows or args.time_limit and now - start + last[kernels] > args.time_limit:
                continue
            play_round(args, rows, failed, index % 2)
            last[kernels], rounds[kernels] = time.monotonic() - now, index + 1
            result = write(args, machine, sets, failed, rounds)
    if not any(rounds.values()):
        raise Failure(failed[0]['why'] if failed else 'the time limit left no round; raise --time-limit')
    show(result)
    if not result['rows']:
        raise Failure('nothing was measured, see above')


try:
    main()
except Failure as e:
    sys.exit(f'cpu.sh: {e}')
except KeyboardInterrupt:
    sys.exit('cpu.sh: interrupted; what was measured before is in the file of the last round')
