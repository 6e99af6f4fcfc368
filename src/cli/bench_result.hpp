// SPDX-License-Identifier: Apache-2.0
// What bench measured, as a table and as JSON.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "core/json.hpp"
#include "engine/decoder.hpp"

namespace hb {

struct BenchArguments {
    std::string model, shape, linear, scheme, kernels, head, kv, activations;
    std::int64_t prompt = 512, count = 128, parallel = 1, repeat = 5;
    int threads = 1;
    std::filesystem::path json;

    // sequences that are decoded together besides, each this many tokens
    static constexpr std::int64_t kBatch = 8;
    std::int64_t batch_count() const { return count < 4 ? 1 : count / 4; }
    bool random() const { return !shape.empty(); }
    std::string title() const { return random() ? "random " + shape : model; }
};

// A model and what is to be said about it.
struct Subject {
    Decoder decoder;
    std::string scheme;       // empty when it is not quantized
    std::string activations;  // their scale rule, or their type
};

struct Spread {
    double median, least, most;
};

Spread spread_of(std::vector<double> values);

// Prompt processing or decoding. The rates are those of the median.
struct Measured {
    std::string test;             // "pp512"
    std::vector<double> samples;  // tokens/s
    Spread rate{};
    double gflops = 0, gigabytes = 0;  // a second
    double roof = 0, percent = 0;      // of the one or the other
};

struct BenchResults {
    Measured pp, tg, batch;
};

// seconds: of each repetition, which is so many tokens, operations and bytes of weights.
Measured measured(std::string test, std::vector<double> seconds, double tokens, double flops,
                  double bytes);

std::string bench_table(const BenchArguments& a, const Subject& s, std::string_view kernels,
                        const BenchResults& results);
std::string describe_weights(const Subject& s);  // one line
Json bench_json(const BenchArguments& a, const Subject& s, std::string_view kernels,
                const BenchResults& results);

}  // namespace hb
