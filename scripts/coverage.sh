#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Line coverage of formats, transforms, quantizers and io by the tests; fails below 90 %.
set -euo pipefail
cd "$(dirname "$0")/.."
jobs=${HALFBYTE_JOBS:-$(nproc)}

cmake --preset coverage >/dev/null
cmake --build --preset coverage -j "$jobs"
find build/coverage -name '*.gcda' -delete
ctest --preset coverage -j "$jobs" --progress
filters=()
for folder in formats transforms quantizers io; do filters+=(--filter "src/$folder/"); done
gcovr --root . --object-directory build/coverage "${filters[@]}" --fail-under-line 90 --print-summary
