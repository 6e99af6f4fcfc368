# One place for flags. x86-64-v3 (AVX2 + FMA) is the floor everywhere: std::fma is then one
# instruction, and a result does not depend on which file computed it. Contraction of a*b + c into
# an fma is off, so an fma happens exactly where the source says so (docs/numerics.md).
add_library(hb_options INTERFACE)
set(flags -march=x86-64-v3 -ffp-contract=off -Wall -Wextra -Wpedantic -Wshadow
    $<$<BOOL:${HALFBYTE_WARNINGS_AS_ERRORS}>:-Werror>)
target_compile_options(hb_options INTERFACE "$<$<COMPILE_LANGUAGE:CXX>:${flags}>")
target_include_directories(hb_options INTERFACE ${PROJECT_SOURCE_DIR}/src)
target_compile_definitions(hb_options INTERFACE HALFBYTE_VERSION="${PROJECT_VERSION}")

set(HALFBYTE_SANITIZE "" CACHE STRING "address, thread or fuzzer")
if(HALFBYTE_SANITIZE STREQUAL "address")
    set(sanitize -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer)
elseif(HALFBYTE_SANITIZE STREQUAL "thread")
    set(sanitize -fsanitize=thread)
elseif(HALFBYTE_SANITIZE STREQUAL "fuzzer")
    set(sanitize -fsanitize=address,undefined,fuzzer-no-link -fno-sanitize-recover=all)
elseif(NOT HALFBYTE_SANITIZE STREQUAL "")
    message(FATAL_ERROR "HALFBYTE_SANITIZE is '${HALFBYTE_SANITIZE}'; wanted address, thread or fuzzer")
endif()
if(sanitize)
    target_compile_options(hb_options INTERFACE ${sanitize})
    target_link_options(hb_options INTERFACE ${sanitize})
endif()

option(HALFBYTE_COVERAGE "instrument for line coverage" OFF)
if(HALFBYTE_COVERAGE)
    target_compile_options(hb_options INTERFACE --coverage -O1)
    target_link_options(hb_options INTERFACE --coverage)
    add_custom_target(coverage-report  # after the tests; scripts/coverage.sh
        COMMAND gcovr --root ${PROJECT_SOURCE_DIR} --object-directory ${PROJECT_BINARY_DIR}
                --filter src/formats/ --filter src/transforms/ --filter src/quantizers/ --filter src/io/
                --fail-under-line 90 --print-summary ${PROJECT_BINARY_DIR}
        WORKING_DIRECTORY ${PROJECT_SOURCE_DIR} USES_TERMINAL VERBATIM)
endif()
