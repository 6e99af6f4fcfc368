# SPDX-License-Identifier: Apache-2.0
"""What is measured: rows of (engine, model, type, kernels) with the command of each, and the files they read. A model
is either random weights in a shape, which llama.cpp reads from a file and halfbyte draws itself, or a GGUF file, which
llama-quantize and `halfbyte quantize` make 4-bit."""
import array, os, random, shutil, subprocess

import random_gguf

SCHEMES = {'mxfp4': 'ceil7.25', 'nvfp4': 'sweep'}  # and their rules for activations, those of mr-gptq
CALIBRATION_TOKENS = 128


class Failure(Exception):
    """One line for the user."""


def call(command, timeout=900):
    """The standard output of a command."""
    try:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=timeout)
    except FileNotFoundError:
        raise Failure(f'{command[0]} is not there')
    except subprocess.TimeoutExpired:
        raise Failure(f'{os.path.basename(command[0])} took more than {timeout} s and was ended')
    if done.returncode:
        lines = (done.stderr.strip() or done.stdout.strip() or 'no message').splitlines()
        raise Failure(f'{os.path.basename(command[0])} ended with {done.returncode}: {lines[-1]}')
    return done.stdout


def once(path, make):
    """make(path) unless it is there; what is half made does not stay under the name."""
    part = path + '.part'
    if not os.path.exists(path):
        shutil.rmtree(part) if os.path.isdir(part) else os.path.exists(part) and os.remove(part)
        make(part)
        os.rename(part, path)
    return path


class Maker:
    def __init__(self, args):
        self.args, self.folder = args, os.path.join(args.work, 'models')
        self.commands = {}
        os.makedirs(self.folder, exist_ok=True)

    def path(self, *parts):
        return os.path.join(self.folder, '-'.join(parts))

    def random(self, type_name):
        shape, head = self.args.shape, self.args.head or type_name
        return once(self.path(shape, type_name, f'head_{head}.gguf'),
                    lambda path: random_gguf.write(path, shape, type_name, head))

    def made_by(self, path, command):
        """Runs command(path), unless the file is there, and keeps it for the row."""
        self.commands[path] = command(path)
        return once(path, lambda part: call(command(part)))

    def requantized(self, type_name):
        tool = os.path.join(self.args.work, 'bin', 'llama-quantize')
        head = self.args.model_head.removesuffix('a8')
        return self.made_by(self.path(self.args.model_name, f'{type_name}.gguf'),
                            lambda path: [tool, '--allow-requantize', '--pure', '--token-embedding-type', head,
                                          '--output-tensor-type', head, self.args.model, path, type_name.upper(),
                                          str(self.args.threads)])

    def quantized(self, scheme):
        """Rounded to nearest, but with the rotations and rules of mr-gptq: those cost time in every pass."""
        ids = self.path('calibration.i32')
        rng = random.Random(0)
        with open(ids, 'wb') as file:
            file.write(array.array('i', (rng.randrange(1000) for _ in range(CALIBRATION_TOKENS))).tobytes())
        return self.made_by(self.path(self.args.model_name, scheme),
                            lambda path: [self.args.halfbyte, 'quantize', self.args.model, path, '--scheme', scheme,
                                          '--recipe', 'rtn', '--transform', 'auto', '--activation-scales',
                                          SCHEMES[scheme], '--calibration', ids, '--sequences', '1',
                                          '--sequence-length', str(CALIBRATION_TOKENS), '-t', str(self.args.threads)])


def ours(args, subject, kernels):
    subject = [subject, '--head', args.model_head] if isinstance(subject, str) else subject
    return [*args.pin, args.halfbyte, 'bench', *subject, '-p', str(args.prompt), '-n', str(args.decode), '-t',
            str(args.threads), '--repeat', '1', '--kernels', {'avx512': 'avx512vnni'}.get(kernels, kernels), '--json', os.path.join(args.work, 'bench.json')]


def theirs(args, file, kernels):
    return [*args.pin, os.path.join(args.work, 'bin', kernels, 'llama-bench'), '-m', file, '-p', str(args.prompt),
            '-n', str(args.decode), '-t', str(args.threads), '-r', '1', '-o', 'json']


def alternate(a, b):
    """a0 b0 a1 b1 ..., then the rest of the longer."""
    both = min(len(a), len(b))
    return [x for pair in zip(a, b) for x in pair] + a[both:] + b[both:]


def rows_of(args, kernels, failed):
    """The rows of one set of kernels in the order in which they are measured; makes the files."""
    maker, lists = Maker(args), {}

    def add(engine, model, type_name, make, command):
        row = {'engine': engine, 'model': model, 'type': type_name, 'kernels': kernels}
        try:
            file = make(type_name) if make else None
            row['command'] = command(args, file or ['--random', args.shape, '--scheme', type_name], kernels)
            if file in maker.commands:
                row['made_by'] = maker.commands[file]
            lists.setdefault((model, engine), []).append(row)
        except (Failure, ValueError, OSError) as e:
            failed.append({**row, 'why': str(e)})

    name = 'random ' + args.shape
    for scheme in args.schemes if not args.only_model else ():
        add('halfbyte', name, scheme, None, ours)
    for type_name in args.types if not args.only_model else ():
        add('llama.cpp', name, type_name, maker.random, theirs)
    if args.model:
        for scheme in args.schemes:
            add('halfbyte', args.model_name, scheme, maker.quantized, ours)
        for type_name in args.model_types:
            add('llama.cpp', args.model_name, type_name, maker.requantized, theirs)
    models = dict.fromkeys(model for model, _ in lists)
    return [row for m in models
            for row in alternate(lists.get((m, 'halfbyte'), []), lists.get((m, 'llama.cpp'), []))]
