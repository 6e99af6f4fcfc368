#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Builds the release preset and runs every test; the last line says how many passed and failed.
# HALFBYTE_DATA, when set, adds the tests that need models and texts from outside the repository.
set -uo pipefail
cd "$(dirname "$0")/.."
jobs=${HALFBYTE_JOBS:-$(nproc)}

cmake --preset release >/dev/null && cmake --build --preset release -j "$jobs" || {
    echo "0 passed, 1 failed (the build)"
    exit 1
}

report=build/release/ctest.xml
rm -f "$report"
ctest --preset release -j "$jobs" --progress --output-junit "$PWD/$report"
attribute() { grep -o "$1=\"[0-9]*\"" "$report" 2>/dev/null | head -n 1 | tr -dc 0-9; }
all=$(attribute tests) failed=$(attribute failures) skipped=$(attribute skipped) disabled=$(attribute disabled)
failed=${failed:-1} skipped=$((${skipped:-0} + ${disabled:-0}))
passed=$((${all:-0} - failed - skipped))

if [ -f tests/damaged/run_damaged.py ]; then
    if python3 tests/damaged/run_damaged.py build/release/halfbyte; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
    fi
fi

[ "$skipped" -eq 0 ] || echo "$skipped skipped (see HALFBYTE_DATA in CONTRIBUTING.md)"
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
