#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Line coverage of formats, transforms, quantizers and io by the tests; fails below 90 %.
set -euo pipefail
cd "$(dirname "$0")/.."
[ ! -d build/coverage ] || find build/coverage -name '*.gcda' -delete
exec cmake --workflow --preset coverage
