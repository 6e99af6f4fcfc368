#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Times the GPU kernels beside their peers and writes one JSON file; from a folder that
# tests/gpu/run.sh packed, or with GPU_BENCH naming the program.
#   bench/gpu.sh RESULT.json [NAME...]   NAME: copy, quantize, ... ; all without
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
bench=${GPU_BENCH:-$here/gpu_bench}
if command -v python3 >/dev/null; then  # cuBLAS comes with PyTorch where there is no toolkit
    libraries=$(python3 - <<'PYTHON'
import glob, site, sys
folders = site.getsitepackages() + sys.path
print(':'.join(d for p in folders if p for d in glob.glob(p + '/nvidia/*/lib')))
PYTHON
    )
    export LD_LIBRARY_PATH=$libraries${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}
fi
"$bench" "$@"
