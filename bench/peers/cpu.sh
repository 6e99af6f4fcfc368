#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Speed on a CPU beside llama.cpp, out of the source package of llama-cpp-python. `build` needs the network, cmake,
# gcc and python3; what it leaves in WORK/bin can be carried to another machine (x86-64 with the instructions of
# Sapphire Rapids; the variant avx512 does without AMX). `run` needs python3 only: it makes the models, measures both
# in turn and writes JSON.
#   bench/peers/cpu.sh build [WORK] [amx|avx512 ...]            JOBS=n: compilers at once, default 2
#   bench/peers/cpu.sh run WORK HALFBYTE [OPTION ...]           bench/peers/cpu.sh run --help
# WORK is a folder outside of the repository; build takes ${TMPDIR:-/tmp}/halfbyte-peers by itself.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
default_work=${TMPDIR:-/tmp}/halfbyte-peers
package=llama-cpp-python version=0.3.36

die() { echo "cpu.sh: $*" >&2; exit 1; }

usage() { sed -n '3,9s/^# \{0,1\}//p' "$0"; }

fetch() { # unpacks the source package into $work/source
    [ -e "$work/source/vendor/llama.cpp/CMakeLists.txt" ] && return
    local archive=$work/${package//-/_}-$version.tar.gz
    if [ ! -e "$archive" ]; then
        python3 -m pip download --quiet --no-binary "$package" --no-deps --dest "$work" "$package==$version" ||
            die "pip could not download $package $version; put its source package at $archive"
    fi
    rm -rf "$work/source" && mkdir -p "$work/source"
    tar -xzf "$archive" -C "$work/source" --strip-components=1 || die "$archive is not a source package; remove it"
}

# gcc 12 takes _tile_loadconfig to read 8 bytes of the configuration and drops the stores to the rest of it.
add_barrier() {
    local file=$work/source/vendor/llama.cpp/ggml/src/ggml-cpu/amx/mmq.cpp barrier='asm volatile("" ::: "memory");'
    [ -e "$file" ] || die "$file is not there; $package $version differs from what this script knows"
    grep -qF "$barrier" "$file" && return
    [ "$(grep -c '^ *_tile_loadconfig(&tc);$' "$file")" = 1 ] ||
        die "$file has no single line '_tile_loadconfig(&tc);' to put a compiler barrier before"
    sed -i "s/^\( *\)_tile_loadconfig(&tc);\$/\1$barrier\n&/" "$file"
}

configure() { # configure amx|avx512
    local amx=ON arch='-march=sapphirerapids'
    [ "$1" = amx ] || { amx=OFF; arch+=' -mno-amx-tile -mno-amx-int8 -mno-amx-bf16'; }
    cmake -S "$work/source/vendor/llama.cpp" -B "$work/build-$1" -DCMAKE_BUILD_TYPE=Release \
        -DCMAKE_C_FLAGS="$arch" -DCMAKE_CXX_FLAGS="$arch" -DBUILD_SHARED_LIBS=OFF \
        -DCMAKE_EXE_LINKER_FLAGS='-static-libstdc++ -static-libgcc' \
        -DOpenMP_gomp_LIBRARY="$(gcc -print-file-name=libgomp.a)" \
        -DGGML_NATIVE=OFF -DGGML_SSE42=ON -DGGML_AVX=ON -DGGML_AVX2=ON -DGGML_FMA=ON -DGGML_F16C=ON -DGGML_BMI2=ON \
        -DGGML_AVX_VNNI=ON -DGGML_AVX512=ON -DGGML_AVX512_VBMI=ON -DGGML_AVX512_VNNI=ON -DGGML_AVX512_BF16=ON \
        -DGGML_AMX_TILE=$amx -DGGML_AMX_INT8=$amx -DGGML_AMX_BF16=$amx \
        -DLLAMA_OPENSSL=OFF -DLLAMA_BUILD_SERVER=OFF -DLLAMA_BUILD_APP=OFF -DLLAMA_BUILD_EXAMPLES=OFF \
        -DLLAMA_BUILD_TESTS=OFF -DLLAMA_BUILD_TOOLS=ON
}

ggml_version() {
    sed -n 's/^set(GGML_VERSION_\(MAJOR\|MINOR\|PATCH\) \([0-9]*\).*/\2/p' \
        "$work/source/vendor/llama.cpp/ggml/CMakeLists.txt" | paste -sd.
}

build() { # build amx|avx512
    local tool log=$work/build-$1.log tools=(llama-bench llama-quantize llama-perplexity)
    echo "building llama.cpp, variant $1; log: $log" >&2
    { configure "$1" && cmake --build "$work/build-$1" -j "${JOBS:-2}" --target "${tools[@]}"; } \
        >"$log" 2>&1 || { tail -5 "$log" >&2; die "variant $1 did not build, see $log"; }
    mkdir -p "$work/bin/$1"
    for tool in "${tools[@]}"; do strip -o "$work/bin/$1/$tool" "$work/build-$1/bin/$tool"; done
    mv "$work/bin/$1/llama-quantize" "$work/bin/" # reads and writes files: one is enough
    echo "llama.cpp of $package $version, ggml $(ggml_version)" >"$work/bin/version"
    ls -l "$work/bin/$1/llama-bench" "$work/bin/llama-quantize" >&2
}

stage=${1:-}
shift || true
case $stage in
build)
    work=${1:-$default_work}
    shift || true
    [[ $work != amx && $work != avx512 ]] || die "build: the first argument is a folder, not the variant $work"
    mkdir -p "$work" && work=$(cd "$work" && pwd)
    fetch
    add_barrier
    [ $# -gt 0 ] || set -- amx avx512
    for variant in "$@"; do
        [[ $variant =~ ^(amx|avx512)$ ]] || die "there is no variant '$variant', choose of amx, avx512"
    done
    for variant in "$@"; do build "$variant"; done
    ;;
run) exec python3 "$here/measure.py" "$@" ;;
-h | --help) usage ;;
*)
    usage >&2
    die "the first argument is build or run"
    ;;
esac
