// SPDX-License-Identifier: Apache-2.0
// gpu_bench RESULT.json [NAME...]
#include <cstdio>
#include <string_view>

#include "bench.hpp"

namespace {

struct Entry {
    std::string_view name;
    void (*run)(hb::gpu::Bench& bench);
};

constexpr Entry kBenchmarks[] = {
    {"copy", hb::gpu::bench_copy},  // first and always: others' floors are in its measure
    {"quantize", hb::gpu::bench_quantize},
    {"w4a16", hb::gpu::bench_w4a16},
    {"w4a4", hb::gpu::bench_w4a4},
};

}  // namespace

int main(int argc, char** argv) {
    if (argc < 2) {
        std::fprintf(stderr, "gpu_bench RESULT.json [NAME...]\n");
        return 2;
    }
    hb::gpu::Bench bench;
    for (const Entry& entry : kBenchmarks) {
        bool wanted = argc == 2 || entry.name == "copy";
        for (int i = 2; i < argc; ++i) wanted = wanted || entry.name == argv[i];
        if (wanted) entry.run(bench);
    }
    if (bench.write(argv[1])) return 0;
    std::fprintf(stderr, "gpu_bench: cannot write %s\n", argv[1]);
    return 1;
}
