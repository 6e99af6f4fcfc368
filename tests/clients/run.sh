#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Loads our files in other people's programs: tests/clients/run.sh BUILD [MODEL ...], BUILD a folder with the programs
# `halfbyte`, `tests/client_logits` and `tests/client_linears`; a MODEL that is a GGUF becomes a folder in bf16 first.
# Python packages (5.9 GB) go to HALFBYTE_CLIENTS, default build/clients; CLIENTS_PYTHON names an interpreter that has them
# already. llama.cpp is built from the source package of llama-cpp-python, some six minutes of a core: not with
# CLIENTS_LLAMA=no. LLAMA_CPP_SOURCE names that package unpacked, for its converter. CLIENTS_QUICK=yes leaves out the two
# longest checks.
set -euo pipefail
cd "$(dirname "$0")/../.."
home=${HALFBYTE_CLIENTS:-build/clients} python=${CLIENTS_PYTHON:-}
llama="llama-cpp-python==0.3.36"
packages="torch==2.15.0 transformers==5.23.0 compressed-tensors==0.20.0 tokenizers==0.23.3 safetensors==0.8.0 gguf==0.19.0
    numpy==2.4.6"
if [ -z "$python" ]; then
    python=$home/venv/bin/python
    if [ ! -x "$python" ]; then
        mkdir -p "$home"
        python3 -m venv "$home/venv"
        # shellcheck disable=SC2086
        "$home/venv/bin/pip" install --quiet $packages || {
            rm -rf "$home/venv"
            echo "clients: skipped, pip cannot install the clients' packages"
            exit 0
        }
    fi
    if [ "${CLIENTS_LLAMA:-yes}" = yes ] && [ ! -e "$home/llama.cpp" ]; then
        { "$home/venv/bin/pip" download --quiet --no-binary "${llama%%=*}" --no-deps --dest "$home" "$llama" &&
            CMAKE_ARGS="-DLLAVA_BUILD=OFF -DMTMD_BUILD=OFF" \
                "$home/venv/bin/pip" install --quiet "$home"/llama_cpp_python-*.tar.gz sentencepiece==0.2.3 &&
            mkdir "$home/llama.cpp" &&
            tar -xzf "$home"/llama_cpp_python-*.tar.gz -C "$home/llama.cpp" --strip-components=1; } ||
            echo "clients: pip cannot install $llama"
    fi
    export LLAMA_CPP_SOURCE=${LLAMA_CPP_SOURCE:-$home/llama.cpp}
fi
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
models=()
for model in "${@:2}"; do
    if [ -f "$model" ]; then
        folder=$work/$(basename "${model%%.*}")
        "$1/halfbyte" convert "$model" "$folder" --to bf16 --allow-loss >/dev/null
        model=$folder
    fi
    models+=("$model")
done
PYTHONWARNINGS=ignore CUDA_VISIBLE_DEVICES='' OMP_NUM_THREADS=${OMP_NUM_THREADS:-2} "$python" tests/clients/check.py \
    "$1/halfbyte" "$1/tests" "$work" "${models[@]}"
