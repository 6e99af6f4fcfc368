#!/usr/bin/env bash
# The paper's table on one model: every row is quantized with the calibration rows and evaluated on the test
# windows against the bf16 model. Writes one JSON for each row and joins them.
#   bench/accuracy.sh HALFBYTE MODEL CALIBRATION.i32 TEST.i32 WORK RESULTS.json [ROW ...]
set -euo pipefail
halfbyte=$1 model=$2 calibration=$3 test=$4 work=$5 results=$6
shift 6
mkdir -p "$work"

# name | options of quantize; "baseline" has none
rows='baseline |
mxfp4-rtn | --scheme mxfp4 --recipe rtn --transform identity:32 --weight-scales fp-quant --activation-scales fp-quant
mxfp4-rtn-hadamard64 | --scheme mxfp4 --recipe rtn --transform hadamard:64 --weight-scales fp-quant --activation-scales fp-quant
mxfp4-gptq | --scheme mxfp4 --recipe gptq --transform identity:32 --weight-scales fp-quant --activation-scales fp-quant
mxfp4-mr-gptq-paper-rules | --scheme mxfp4 --recipe mr-gptq --transform hadamard:64 --weight-scales fp-quant --activation-scales fp-quant
mxfp4-mr-gptq | --scheme mxfp4 --recipe mr-gptq
nvfp4-rtn | --scheme nvfp4 --recipe rtn --weight-scales absmax --activation-scales absmax
nvfp4-rtn-hadamard16 | --scheme nvfp4 --recipe rtn --transform hadamard:16 --weight-scales absmax --activation-scales absmax
nvfp4-gptq | --scheme nvfp4 --recipe gptq --weight-scales absmax --activation-scales absmax
nvfp4-mr-gptq-paper-rules | --scheme nvfp4 --recipe mr-gptq --transform hadamard:16 --weight-scales fp-quant-mse --activation-scales absmax
nvfp4-mr-gptq | --scheme nvfp4 --recipe mr-gptq
mxfp4-best | --scheme mxfp4 --recipe best
nvfp4-best | --scheme nvfp4 --recipe best
nvfp4-best-plain | --scheme nvfp4 --recipe best --transform none
mxfp4-none | --scheme mxfp4 --recipe mr-gptq --transform none
mxfp4-offline | --scheme mxfp4 --recipe mr-gptq --rotation offline
mxfp4-offline+down | --scheme mxfp4 --recipe mr-gptq --rotation offline+down
nvfp4-none | --scheme nvfp4 --recipe mr-gptq --transform none
nvfp4-offline | --scheme nvfp4 --recipe mr-gptq --rotation offline
nvfp4-offline+down | --scheme nvfp4 --recipe mr-gptq --rotation offline+down
mxfp4a16-none | --scheme mxfp4a16 --recipe mr-gptq --transform none
mxfp4a16-offline | --scheme mxfp4a16 --recipe mr-gptq --rotation offline
mxfp4a16-offline+down | --scheme mxfp4a16 --recipe mr-gptq --rotation offline+down
nvfp4a16-none | --scheme nvfp4a16 --recipe mr-gptq --transform none
nvfp4a16-offline | --scheme nvfp4a16 --recipe mr-gptq --rotation offline
nvfp4a16-offline+down | --scheme nvfp4a16 --recipe mr-gptq --rotation offline+down
mxfp4a16-mr-gptq | --scheme mxfp4a16 --recipe mr-gptq
nvfp4a16-mr-gptq | --scheme nvfp4a16 --recipe mr-gptq
int4g32-gptq | --scheme int4g32 --recipe gptq'

wanted=" $* "
while IFS='|' read -r name options; do
    name=$(echo "$name" | xargs)
    [ "$wanted" = "  " ] || [[ $wanted == *" $name "* ]] || continue
    if [ "$name" = baseline ]; then
        "$halfbyte" eval "$model" --tokens "$test" --json "$work/$name.eval.json" </dev/null >&2
        continue
    fi
    rm -rf "${work:?}/$name"
    # shellcheck disable=SC2086
    "$halfbyte" quantize "$model" "$work/$name" $options --calibration "$calibration" \
        --json "$work/$name.quantize.json" </dev/null >&2
    "$halfbyte" eval "$work/$name" --tokens "$test" --reference "$model" --kl-stride 8 \
        --json "$work/$name.eval.json" </dev/null >&2
    rm -rf "${work:?}/$name"
done <<<"$rows"

python3 - "$work" "$results" "$rows" <<'PY'
import json, os, sys
work, results, rows = sys.argv[1:]
table = []
for line in rows.splitlines():
    name, options = (part.strip() for part in line.split('|'))
    load = lambda kind: json.load(open(f'{work}/{name}.{kind}.json')) if os.path.exists(f'{work}/{name}.{kind}.json') else {}
    evaluation, run = load('eval'), load('quantize')
    if not evaluation: continue
    row = {'name': name, 'options': options}
    row.update({k: evaluation[k] for k in ('perplexity', 'kl', 'top1', 'tokens', 'kernels', 'threads') if k in evaluation})
    row['eval_seconds'] = evaluation.get('seconds')
    row.update({k: run[k] for k in ('seconds', 'solver_seconds', 'peak_rss_bytes', 'flops', 'gemm_gflops', 'times_gemm_floor',
                                    'bits_per_weight', 'weight_scales', 'activation_scales', 'transforms') if k in run})
    table.append(row)
json.dump({'rows': table}, open(results, 'w'), indent=1)
print(f"{'row':28} {'perplexity':>10} {'KL':>7} {'top-1':>6} {'seconds':>8} {'x floor':>7} {'solver':>6} {'MB':>6} {'eval s':>6}")
for r in table:
    print(f"{r['name']:28} {r['perplexity']:10.3f} {r.get('kl') or 0:7.4f} {r.get('top1') or 0:6.3f} {r.get('seconds', 0):8.1f} "
          f"{r.get('times_gemm_floor', 0):7.2f} {r.get('solver_seconds', 0):6.1f} {r.get('peak_rss_bytes', 0) / 1e6:6.0f} {r['eval_seconds']:6.1f}")
PY
