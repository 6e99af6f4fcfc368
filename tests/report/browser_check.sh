#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Studies a tiny model and opens its report in a browser (browser_check.py). Leaves with 77, which
# ctest calls skipped, where there is no browser. HALFBYTE_BROWSER: a Python that has playwright
# and axe-core-python.
#
#     tests/report/browser_check.sh HALFBYTE
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
model=$here/../engine/golden/llama
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"$1" study "$model" --out "$folder" --schemes mxfp4,mxfp4a16,nvfp4,int8 --recipes rtn,mr-gptq \
    --seeds 2 --tokens "$model/tokens.i32" --window 16 --calibration "$model/tokens.i32" \
    --sequence-length 16 >"$folder/log" 2>&1 || { cat "$folder/log"; exit 1; }
"${HALFBYTE_BROWSER:-python3}" "$here/browser_check.py" "$folder/report.html"
