#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""One linear under OpenVINO beside the same under halfbyte, in turn, as JSON:

    pip install openvino numpy
    bench/peers/openvino_linear.py halfbyte --linear 8192x2048 --rows 512 --threads 2 --cores 0,1

OpenVINO's 4-bit weights are u4 in groups of 32 with scales in f16 and the zero point 8, written as its compressed
weights are: Convert, Subtract, Multiply, Reshape, Convert, MatMul. Eight layers of different weights run one after the
other; an inference takes fp32 rows and gives fp32 rows into one buffer, as `halfbyte bench --linear` does. `linear_ms`
is what its profiler says of the product alone. It is measured with its inputs as they are and in int8
(DYNAMIC_QUANTIZATION_GROUP_SIZE), and the ratios are against the faster."""
import argparse, json, os, statistics, sys, tempfile, time

from models import Failure, call

GROUP, LAYERS = 32, 8
WARM_UP = .7  # seconds: a core's tile unit begins at half its rate, and halfbyte has the same


def shape(text):
    parts = text.split('x')
    if len(parts) != 2 or not all(p.isdigit() and int(p) > 0 for p in parts) or int(parts[1]) % GROUP:
        raise argparse.ArgumentTypeError(f"'{text}' is not OUTxIN, such as 8192x2048, with IN a multiple of {GROUP}")
    return tuple(map(int, parts))


def positive(text):
    if not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"'{text}' is not a number of at least 1")
    return int(text)


def cores(text):
    if not all(part.isdigit() for part in text.split(',')):
        raise argparse.ArgumentTypeError(f"'{text}' is not a list of cores, such as 0,1")
    return text


def parse_arguments():
    p = argparse.ArgumentParser(description='One linear under OpenVINO and under halfbyte.')
    p.add_argument('halfbyte', metavar='HALFBYTE', help='the program')
    p.add_argument('--linear', type=shape, default=(8192, 2048), metavar='OUTxIN')
    p.add_argument('--rows', type=positive, default=512)
    p.add_argument('--scheme', default='mxfp4')
    p.add_argument('--kernels', help="of halfbyte; default: the machine's best")
    p.add_argument('--threads', type=positive, default=2)
    p.add_argument('--cores', type=cores, metavar='LIST', help='both stay on these, such as 0,1')
    p.add_argument('--precision', default='bf16', choices=('bf16', 'f32'), help="OpenVINO's hint")
    p.add_argument('--rounds', type=positive, default=7, help='of both in turn; default 7')
    p.add_argument('--out', metavar='FILE', help='default: bench/results/openvino.json')
    args = p.parse_args()
    repository = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    args.out = args.out or os.path.join(repository, 'bench', 'results', 'openvino.json')
    return args


class Peer:
    """Eight layers under one configuration of OpenVINO."""

    def __init__(self, args, dynamic_group):
        import numpy as np
        import openvino as ov
        self.np, self.ov = np, ov
        out, width = args.linear
        self.name = f'u4 g{GROUP}, {args.precision}' + (f', inputs in int8 by {dynamic_group}' if dynamic_group else '')
        self.options = {'INFERENCE_PRECISION_HINT': args.precision, 'INFERENCE_NUM_THREADS': args.threads,
                        'PERFORMANCE_HINT': 'LATENCY', 'DYNAMIC_QUANTIZATION_GROUP_SIZE': dynamic_group,
                        'PERF_COUNT': True}
        random = np.random.default_rng(0)
        self.x = random.standard_normal((args.rows, width), dtype=np.float32)
        self.y = np.zeros((args.rows, out), np.float32)
        self.requests = []
        core = ov.Core()
        for _ in range(LAYERS):
            codes = random.integers(0, 256, (out, width // 2), dtype=np.uint8)
            scales = random.uniform(.005, .01, (out, width // GROUP, 1)).astype(np.float16)
            request = core.compile_model(self.model(codes, scales), 'CPU', self.options).create_infer_request()
            request.set_input_tensor(ov.Tensor(self.x, shared_memory=True))
            request.set_output_tensor(ov.Tensor(self.y, shared_memory=True))
            self.requests.append(request)
        self.check(codes, scales)
        self.milliseconds, self.linear, self.kernel = [], [], ''

    def model(self, codes, scales):
        from openvino import opset13 as op
        u4, f16, f32 = self.ov.Type.u4, self.ov.Type.f16, self.ov.Type.f32
        out, groups, width = len(codes), scales.shape[1], 2 * codes.shape[1]

        def packed(values, dims):
            tensor = self.ov.Tensor(u4, self.ov.Shape(dims))
            tensor.data.reshape(-1)[:] = values.reshape(-1)
            return op.convert(op.constant(tensor), f16)

        zeros = self.np.full(out * groups // 2, 0x88, self.np.uint8)
        weight = op.subtract(packed(codes, [out, groups, GROUP]), packed(zeros, [out, groups, 1]))
        weight = op.reshape(op.multiply(weight, op.constant(scales)), op.constant(self.np.array([out, width])), False)
        x = op.parameter(list(self.x.shape), f32)
        return self.ov.Model([op.matmul(x, op.convert(weight, f32), False, True)], [x])

    def check(self, codes, scales):
        """The last layer against numpy, some outputs: that the codes are read as they were meant."""
        np, few = self.np, 16
        low, high = codes[:few] & 15, codes[:few] >> 4
        values = np.stack([low, high], -1).reshape(few, -1, GROUP).astype(np.float32) - 8
        wanted = self.x @ (values * scales[:few].astype(np.float32)).reshape(few, -1).T
        self.requests[-1].infer()
        error = np.sqrt(np.mean((self.y[:, :few] - wanted) ** 2) / np.mean(wanted ** 2))
        if not error < .05:
            raise Failure(f'{self.name}: OpenVINO differs from numpy by {error:.3f} of the root mean square')
        self.error = float(error)

    def measure(self):
        warm = time.perf_counter() + WARM_UP
        while time.perf_counter() < warm:
            self.requests[0].infer()
        begin = time.perf_counter()
        for request in self.requests:
            request.infer()
        self.milliseconds.append(1e3 * (time.perf_counter() - begin) / LAYERS)
        alone = 0
        for request in self.requests:
            for node in request.get_profiling_info():
                if node.node_type.startswith('FullyConnected') or node.node_type == 'MatMul':
                    alone += node.real_time.total_seconds()
                    self.kernel = node.exec_type
        self.linear.append(1e3 * alone / LAYERS)
        return self.milliseconds[-1]


class Ours:
    def __init__(self, args):
        self.json = os.path.join(tempfile.mkdtemp(), 'linear.json')
        self.command = [args.halfbyte, 'bench', '--linear', '{}x{}'.format(*args.linear), '--scheme', args.scheme, '-p',
                        str(args.rows), '-t', str(args.threads), '--repeat', '5', '--json', self.json]
        if args.kernels:
            self.command += ['--kernels', args.kernels]
        self.name = f'halfbyte {args.scheme}'
        self.results = []

    def measure(self):
        call(self.command)
        with open(self.json) as file:
            self.results.append(json.load(file))
        return self.results[-1]['together']['ms']

    def median(self, part, field='ms'):
        return statistics.median(r[part][field] for r in self.results)


def cores_of_threads():
    """Where the threads of this process, OpenVINO's among them, may run."""
    lists = set()
    for task in os.listdir('/proc/self/task'):
        with open(f'/proc/self/task/{task}/status') as file:
            lists |= {line.split()[1] for line in file if line.startswith('Cpus_allowed_list')}
    return sorted(lists)


def spread(values):
    return {'median': statistics.median(values), 'min': min(values), 'max': max(values), 'samples': values}


def spoken(args):
    """The command without the folders of this machine."""
    words = ['bench/peers/openvino_linear.py', *sys.argv[1:]]
    return ' '.join('halfbyte' if w == args.halfbyte else 'OUT.json' if w == args.out else w for w in words)


def described(args, ours, peers):
    import openvino
    out, width = args.linear
    flops = 2 * args.rows * out * width
    fastest = min(peers, key=lambda p: statistics.median(p.milliseconds))
    together, best = ours.median('together'), statistics.median(fastest.milliseconds)
    last = ours.results[-1]
    with open('/proc/cpuinfo') as file:
        cpu = next((line.split(':')[1].strip() for line in file if line.startswith('model name')), 'unknown')
    command = ['halfbyte' if word == args.halfbyte else word for word in ours.command[:-2]]
    return {
        'what': f'one linear, {width} inputs, {out} outputs, {args.rows} rows; milliseconds',
        'command': spoken(args),
        'cpu': cpu, 'threads': args.threads, 'cores': args.cores, 'cores_of_openvino': cores_of_threads(),
        'rounds': args.rounds,
        'halfbyte': {
            'command': ' '.join(command),
            **{k: last[k] for k in ('version', 'scheme', 'transform', 'activations', 'kernels', 'copies', 'weight_bytes')},
            'together_ms': spread([r['together']['ms'] for r in ours.results]),
            'input_ms': ours.median('input'), 'product_ms': ours.median('product'),
            'gflops': 1e-6 * flops / together, 'floor_ms': ours.median('together', 'floor_ms'),
            'percent_of_roof': ours.median('together', 'percent_of_roof')},
        'openvino': [{
            'version': openvino.__version__, 'weights': p.name, 'layers': LAYERS, 'kernel': p.kernel,
            'options': p.options, 'error_to_numpy': p.error,
            'inference_ms': spread(p.milliseconds), 'linear_ms': spread(p.linear),
            'gflops': 1e-6 * flops / statistics.median(p.milliseconds)} for p in peers],
        'openvino_over_halfbyte': best / together,
        'openvino_linear_alone_over_halfbyte': min(statistics.median(p.linear) for p in peers) / together}


def main():
    args = parse_arguments()
    try:
        if args.cores:
            os.sched_setaffinity(0, {int(core) for core in args.cores.split(',')})
        peers = [Peer(args, dynamic_group) for dynamic_group in (0, GROUP)]
    except ImportError as e:
        raise Failure(f'{e}; install it with: pip install openvino numpy')
    except OSError as e:
        raise Failure(f'--cores {args.cores}: {e.strerror}')
    engines = [Ours(args), *peers]
    for engine in engines:  # not counted: first touches of everything
        engine.measure()
    for engine in peers:
        engine.milliseconds.clear(), engine.linear.clear()
    engines[0].results.clear()
    for i in range(args.rounds):
        for engine in engines if i % 2 == 0 else reversed(engines):
            print(f'{engine.name}: {engine.measure():.2f} ms', file=sys.stderr)
    result = described(args, engines[0], peers)
    with open(args.out, 'w') as file:
        file.write(json.dumps(result, indent=1) + '\n')
    print('{}: halfbyte {:.2f} ms, OpenVINO {}; the faster over ours {:.2f}, its product alone {:.2f}'.format(
        result['what'], result['halfbyte']['together_ms']['median'],
        ' and '.join('{:.2f} ms ({})'.format(p['inference_ms']['median'], p['weights']) for p in result['openvino']),
        result['openvino_over_halfbyte'], result['openvino_linear_alone_over_halfbyte']))


if __name__ == '__main__':
    try:
        main()
    except Failure as e:
        sys.exit(f'openvino_linear.py: {e}')
