#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# What tests/report/browser_check.py needs: Debian's headless Chromium, and playwright and axe-core-python in a Python
# environment of their own. Prints that Python's path: fetch-browser.sh FOLDER
set -euo pipefail
out=$1
if ! command -v chromium-headless-shell chromium >/dev/null; then
    [ "$(id -u)" -eq 0 ] || { echo "fetch-browser.sh: install chromium-headless-shell first" >&2; exit 1; }
    apt-get update -qq >&2
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
        chromium-headless-shell fonts-dejavu-core >&2
fi
if ! "$out/bin/python" -c 'import playwright, axe_core_python' 2>/dev/null; then
    python3 -m venv "$out"
    "$out/bin/python" -m pip install --quiet --disable-pip-version-check playwright==1.65.2 axe-core-python==0.1.0 >&2
fi
realpath -s "$out/bin/python"
