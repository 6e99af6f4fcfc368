#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Formats every source in place; with --check, fails when one would change. The version is pinned,
# since another one breaks lines elsewhere.
set -euo pipefail
cd "$(dirname "$0")/.."
wanted=14
tool=$(command -v clang-format-$wanted || command -v clang-format)
"$tool" --version | grep -q "version $wanted\." || { echo "format.sh: wanted clang-format $wanted" >&2; exit 1; }
mapfile -t files < <(git ls-files 'src/*.cpp' 'src/*.hpp' 'src/*.inl' 'tests/*.cpp' 'tests/*.hpp' \
    'src/gpu/*.cu' 'src/gpu/*.cuh' 'tests/gpu/*.cu' 'tests/gpu/*.cuh' 'tests/gpu/*.h' 'bench/gpu/*.cu' 'bench/gpu/*.hpp')
if [ "${1:-}" = "--check" ]; then
    "$tool" --dry-run --Werror "${files[@]}"
else
    "$tool" -i "${files[@]}"
fi
