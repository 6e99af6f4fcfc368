#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Installs the Debian 12 packages that building and testing need. Asks nothing, does nothing twice.
set -euo pipefail

packages=(
    g++ cmake ninja-build ccache pkg-config git
    libfmt-dev nlohmann-json3-dev libcli11-dev libpcre2-dev libutf8proc-dev
    libgtest-dev libgmock-dev
    python3 python3-venv python3-pip curl ca-certificates
)
[ "${1:-}" = "--build-only" ] || packages+=(clang clang-format clang-tidy gcovr libclang-rt-14-dev)  # fuzzing, house checks

missing=()
for package in "${packages[@]}"; do
    status=$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null || true)
    [ "$status" = installed ] || missing+=("$package")
done
if [ ${#missing[@]} -eq 0 ]; then
    echo "all packages are installed"
    exit 0
fi

sudo=()
if [ "$(id -u)" -ne 0 ]; then
    command -v sudo >/dev/null || { echo "install-deps.sh: run as root, or install sudo" >&2; exit 1; }
    sudo=(sudo)
fi
export DEBIAN_FRONTEND=noninteractive
"${sudo[@]}" apt-get update -qq
"${sudo[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}"
echo "installed: ${missing[*]}"
