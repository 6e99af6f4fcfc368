#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Runs every libFuzzer harness of tests/fuzz for a while: scripts/fuzz.sh [SECONDS, default 60].
# A finding stops the script and lies in build/fuzz/findings.
set -euo pipefail
cd "$(dirname "$0")/.."
seconds=${1:-60}

cmake --preset fuzz >/dev/null
cmake --build --preset fuzz -j "${HALFBYTE_JOBS:-$(nproc)}"
mapfile -t harnesses < <(find build/fuzz/tests/fuzz -maxdepth 1 -type f -name 'fuzz_*' -executable | sort)
[ ${#harnesses[@]} -gt 0 ] || { echo "fuzz.sh: no harness was built" >&2; exit 1; }

for harness in "${harnesses[@]}"; do
    name=$(basename "$harness")
    corpus=build/fuzz/corpus/$name findings=build/fuzz/findings/$name
    mkdir -p "$corpus" "$findings"
    seeds=() seed=tests/fuzz/seeds/${name#fuzz_}
    [ -d "$seed" ] && seeds=("$seed")
    echo "== $name, $seconds s"
    "$harness" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=2048 -verbosity=0 -print_final_stats=1 \
        -artifact_prefix="$findings/" "$corpus" "${seeds[@]}"
done
echo "${#harnesses[@]} harnesses, $seconds s each, no finding"
