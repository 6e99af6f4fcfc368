#!/usr/bin/env bash
# How long a 1B model in MXFP4 takes from the start of `run` to its first token, out of a warm page cache, and how
# much memory that takes. Makes the model in WORK when it is not there: random weights, 3.5 GB of disk.
#   bench/load.sh HALFBYTE WORK RESULT.json [ROUNDS]
set -euo pipefail
halfbyte=$1 work=$2 result=$3 rounds=${4:-7}
here=$(dirname "$0")
mkdir -p "$work"
if [ ! -f "$work/mxfp4/config.json" ]; then
    rm -rf "${work:?}/bf16" "${work:?}/mxfp4"
    python3 "$here/synthetic_model.py" "$work/bf16" llama-1b
    "$halfbyte" quantize "$work/bf16" "$work/mxfp4" --scheme mxfp4 --recipe rtn >&2
    rm -rf "${work:?}/bf16"
fi
HALFBYTE=$halfbyte MODEL=$work/mxfp4 ROUNDS=$rounds python3 - "$work/run.json" "$result" <<'PYTHON'
import json, os, platform, statistics, subprocess, sys, time
run, result = sys.argv[1:]
model, rounds, warm = os.environ['MODEL'], int(os.environ['ROUNDS']), 3
command = [os.environ['HALFBYTE'], 'run', model, '-p', 'a', '-n', '1', '-t', '2', '--json', run]
for name in os.listdir(model):  # into the page cache
    with open(os.path.join(model, name), 'rb') as f:
        while f.read(1 << 24):
            pass
rows = []
for i in range(warm + rounds):
    begin = time.perf_counter()
    child = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, status, usage = os.wait4(child.pid, 0)
    seconds = time.perf_counter() - begin
    if status:
        sys.exit(f'{command} failed')
    r = json.load(open(run))
    rows.append({'first_token_seconds': round(r['load_seconds'] + r['first_token_seconds'], 4),
                 'load_seconds': round(r['load_seconds'], 4), 'process_seconds': round(seconds, 4),
                 'user_cpu_seconds': round(usage.ru_utime, 4), 'system_cpu_seconds': round(usage.ru_stime, 4),
                 'peak_rss_bytes': r['peak_rss_bytes'], 'load_average': round(os.getloadavg()[0], 2)})
counted = rows[warm:]
medians = {key: statistics.median(row[key] for row in counted) for key in counted[0]}
cpu = next((l.split(':')[1].strip() for l in open('/proc/cpuinfo') if l.startswith('model name')), platform.machine())
json.dump({'command': f'bench/load.sh HALFBYTE WORK RESULT.json {rounds}', 'run': 'halfbyte run MXFP4 -p a -n 1 -t 2 --json FILE',
           'machine': f'{os.cpu_count()} x {cpu}', 'kernels': r['kernels'], 'version': r['version'],
           'weight_bytes': r['weight_bytes'], 'peak_over_weights': round(medians['peak_rss_bytes'] / r['weight_bytes'], 4),
           'note': f'medians of all but the first {warm} rounds, in which a virtual machine may still be asking its host for '
                   'memory (system_cpu_seconds); first_token_seconds begins with the command; load_average is of the whole '
                   'machine', 'medians': medians, 'rounds': rows}, open(result, 'w'), indent=1)
print(json.dumps(medians))
PYTHON
