#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Perplexity under llama.cpp: of a model in 16 bits, of llama.cpp's own MXFP4 and NVFP4 of it, and of ours, all with
# embedding and head in Q8_0. Their llama-quantize rounds the 16-bit GGUF; llama-perplexity reads all files.
#   bench/peers/cpu.sh build WORK [amx|avx512]
#   bench/peers/perplexity.sh WORK HALFBYTE MODEL TEXT CALIBRATION.i32 RESULTS.json [ROW ...]
# MODEL is a folder in bf16. Folders in WORK/perplexity that are finished are not quantized again. Figures of rows that are
# not named stay as they are in RESULTS.json.
set -euo pipefail
[ $# -ge 6 ] || { sed -n '3,8s/^# \{0,1\}//p' "$0" >&2; exit 1; }
work=$1 halfbyte=$2 model=$3 text=$4 calibration=$5 results=$6
shift 6
variant=avx512
grep -q amx_int8 /proc/cpuinfo && [ -e "$work/bin/amx/llama-perplexity" ] && variant=amx
perplexity=$work/bin/$variant/llama-perplexity out=$work/perplexity
[ -x "$perplexity" ] || { echo "perplexity.sh: $perplexity is missing: bench/peers/cpu.sh build makes it" >&2; exit 1; }
mkdir -p "$out"

# name | options of halfbyte quantize, or llama-quantize's type of the blocks
rows='bf16 |
llama.cpp-mxfp4 | mxfp4
llama.cpp-nvfp4 | nvfp4
mxfp4a16-offline | --scheme mxfp4a16 --recipe mr-gptq --rotation offline --sequences 32
mxfp4a16-none | --scheme mxfp4a16 --recipe mr-gptq --transform none --sequences 32
nvfp4a16-offline | --scheme nvfp4a16 --recipe mr-gptq --rotation offline --sequences 32
nvfp4a16-none | --scheme nvfp4a16 --recipe mr-gptq --transform none --sequences 32'
measure="llama-perplexity -m OUT.gguf -f $(basename "$text") -c 512 -b 512 --chunks 20"

base() { [ -e "$out/bf16.gguf" ] || "$halfbyte" convert "$model" "$out/bf16.gguf" --to gguf >&2; }

make_gguf() { # make_gguf NAME OPTIONS: writes $out/NAME.gguf and prints the commands
    local name=$1 options=$2
    local theirs=(--token-embedding-type q8_0 --output-tensor-type q8_0 --tensor-type "^blk\..*\.weight\$=$options")
    case $name in
    bf16)
        base
        echo "halfbyte convert MODEL OUT.gguf --to gguf"
        ;;
    llama.cpp-*)
        base
        "$work/bin/llama-quantize" "${theirs[@]}" "$out/bf16.gguf" "$out/$name.gguf" Q8_0 >&2
        echo "llama-quantize ${theirs[*]@Q} bf16.gguf OUT.gguf Q8_0"
        ;;
    *)
        # shellcheck disable=SC2086
        [ -e "$out/$name/config.json" ] ||
            "$halfbyte" quantize "$model" "$out/$name" $options --calibration "$calibration" </dev/null >&2
        rm -f "$out/$name.gguf"
        "$halfbyte" convert "$out/$name" "$out/$name.gguf" --to gguf --head q8_0 --allow-loss >&2
        echo "halfbyte quantize MODEL OUT $options --calibration $(basename "$calibration");" \
            "halfbyte convert OUT OUT.gguf --to gguf --head q8_0 --allow-loss"
        ;;
    esac
}

wanted=" $* "
while IFS='|' read -r name options; do
    name=$(echo "$name" | xargs) options=$(echo "$options" | xargs)
    [ "$wanted" = "  " ] || [[ $wanted == *" $name "* ]] || continue
    commands=$(make_gguf "$name" "$options")
    "$perplexity" -m "$out/$name.gguf" -f "$text" -c 512 -b 512 --chunks 20 >"$out/$name.log" 2>&1 </dev/null ||
        { tail -3 "$out/$name.log" >&2; exit 1; }
    python3 - "$results" "$name" "$commands" "$measure" "$out/$name" "$work/bin/version" <<'PY'
import json, os, re, sys
results, name, commands, measure, made, version = sys.argv[1:]
table = json.load(open(results)) if os.path.exists(results) else {'perplexity': measure, 'rows': []}
table['llama.cpp'] = open(version).read().strip()
value, error = re.search(r'PPL = (\S+) \+/- (\S+)', open(made + '.log').read()).groups()
row = {'name': name, 'command': commands, 'perplexity': float(value), 'standard_error': float(error),
       'bytes': os.path.getsize(made + '.gguf')}
table['rows'] = [r for r in table['rows'] if r['name'] != name] + [row]
json.dump(table, open(results, 'w'), indent=1)
print(f'{name:18} {float(value):8.3f} +- {float(error):.3f} {row["bytes"] / 1e6:6.1f} MB', flush=True)
PY
done <<<"$rows"
