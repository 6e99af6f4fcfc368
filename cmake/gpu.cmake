# The GPU library: everything of src/gpu in one archive, halfbyte_gpu, which needs only the CUDA
# runtime. It is built where nvcc is found; no part of the halfbyte program uses it. A new kernel is
# a file in src/gpu and a line here; its tests are tests/gpu/NAME_test.cu, its benchmark
# bench/gpu/NAME.cu, each a line in the list of its folder.
set(HALFBYTE_GPU OFF)
if(NOT HALFBYTE_CUDA STREQUAL "OFF" AND HALFBYTE_SANITIZE STREQUAL "")
    include(CheckLanguage)
    if(NOT CMAKE_CUDA_COMPILER AND NOT DEFINED ENV{CUDACXX} AND EXISTS /usr/local/cuda/bin/nvcc)
        set(CMAKE_CUDA_COMPILER /usr/local/cuda/bin/nvcc)
    endif()
    check_language(CUDA)
    if(CMAKE_CUDA_COMPILER)
        set(HALFBYTE_GPU ON)
    elseif(HALFBYTE_CUDA STREQUAL "ON")
        message(FATAL_ERROR "HALFBYTE_CUDA=ON, but there is no nvcc; set CMAKE_CUDA_COMPILER or CUDACXX")
    else()
        message(STATUS "no nvcc: the GPU library is not built")
    endif()
endif()

if(HALFBYTE_GPU)
    set(CMAKE_CUDA_ARCHITECTURES 90a-real)
    enable_language(CUDA)
    set(CMAKE_CUDA20_STANDARD_COMPILE_OPTION -std=c++20)  # unknown to CMake 3.25 with CUDA 13
    set(CMAKE_CUDA_RUNTIME_LIBRARY Static)
    if(CCACHE)
        set(CMAKE_CUDA_COMPILER_LAUNCHER ${CCACHE})
    endif()
    # As on the CPU: an fma happens only where it is written, and subnormal numbers count.
    add_library(hb_gpu_options INTERFACE)
    set(flags --expt-relaxed-constexpr -fmad=false -Xcompiler=-ffp-contract=off,-march=x86-64-v3,-Wall,-Wextra,-Wshadow,-Wno-unknown-pragmas
        -diag-suppress=554)
    if(HALFBYTE_WARNINGS_AS_ERRORS)
        list(APPEND flags -Werror=all-warnings)
    endif()
    target_compile_options(hb_gpu_options INTERFACE "$<$<COMPILE_LANGUAGE:CUDA>:${flags}>")
    target_include_directories(hb_gpu_options INTERFACE ${PROJECT_SOURCE_DIR}/src)

    add_library(halfbyte_gpu STATIC
        src/gpu/copy.cu
        src/gpu/quantize.cu
        src/gpu/rotate_mx.cu
        src/gpu/rotate_nv.cu
        src/gpu/rotate_matrix.cu
        src/gpu/row_quantize.cu
        src/gpu/fold_quantize.cu
        src/gpu/repack.cpp
        src/gpu/w4a16.cu
        src/gpu/w4a4_pack.cpp
        src/gpu/w4a4.cu
        src/gpu/probe.cu
        src/gpu/w4a16_plan.cpp
    )
    target_link_libraries(halfbyte_gpu PUBLIC hb_gpu_options)
endif()
