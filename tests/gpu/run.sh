#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The tests that need a GPU, on a machine that has nothing but a driver.
#   tests/gpu/run.sh pack BUILD FOLDER   programs, libraries and scripts into a folder to carry
#   FOLDER/run.sh [GTEST_FILTER]         there: the tests, then small ones under compute-sanitizer
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
if [ "${1:-}" = pack ]; then
    build=$2 folder=$3
    mkdir -p "$folder"
    cp "$build/tests/gpu/gpu_tests" "$build/bench/gpu/gpu_bench" "$folder/"
    cp "$here/run.sh" "$here/../../bench/gpu.sh" "$folder/"
    ldd "$folder/gpu_tests" | awk '/libfmt/ {print $3}' | xargs -r cp -L -t "$folder"
    exit 0
fi
export LD_LIBRARY_PATH=$here${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}
"$here/gpu_tests" --gtest_brief=1 --gtest_filter="${1:-*}"
sanitizer=$(command -v compute-sanitizer || echo /usr/local/cuda/bin/compute-sanitizer)
if [ ! -x "$sanitizer" ]; then
    echo "compute-sanitizer: skipped, not found"
    exit 0
fi
for tool in memcheck racecheck; do
    "$sanitizer" --tool "$tool" --error-exitcode 1 "$here/gpu_tests" --gtest_brief=1 \
        --gtest_filter='*Small*'
done
