// SPDX-License-Identifier: Apache-2.0
#include "cli/bench_result.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "cli/terminal.hpp"
#include "engine/speed.hpp"
#include "report/table.hpp"

namespace hb {
namespace {

const PackedMatrix& a_linear(const Decoder& decoder) {
    return decoder.blocks[0].linears[kDown].weight;
}

std::string transform_of(const Decoder& decoder) {  // of the sites, by the first
    return decoder.blocks[0].sites[0].transform.text();
}

void add_measured(Json& j, const std::string& test, const Measured& m) {
    j["samples"][test + "_tokens_per_second"] = m.samples;
    j[test + "_tokens_per_second"] = m.rate.median;
    j[test + "_tokens_per_second_min"] = m.rate.least;
    j[test + "_tokens_per_second_max"] = m.rate.most;
    j[test + "_gflops"] = m.gflops;
    j[test + "_gigabytes_per_second"] = m.gigabytes;
    j[test + "_percent_of_roof"] = m.percent;
}

}  // namespace

Spread spread_of(std::vector<double> values) {
    std::sort(values.begin(), values.end());
    const std::size_t half = values.size() / 2;
    const double median = values.size() % 2 ? values[half] : (values[half - 1] + values[half]) / 2;
    return {median, values.front(), values.back()};
}

Measured measured(std::string test, std::vector<double> seconds, double tokens, double flops,
                  double bytes) {
    Measured m{std::move(test), std::move(seconds)};
    for (double& sample : m.samples) sample = tokens / sample;
    m.rate = spread_of(m.samples);
    m.gflops = 1e-9 * flops * m.rate.median / tokens;
    m.gigabytes = 1e-9 * bytes * m.rate.median / tokens;
    return m;
}

std::string bench_table(const BenchArguments& a, const Subject& s, std::string_view kernels,
                        const BenchResults& results) {
    Table table;
    table.head = {"model",    "scheme",  "kernels", "threads", "test",     "tokens/s",
                  "min..max", "GFLOP/s", "GB/s",    "roof",    "% of roof"};
    const auto add = [&](const Measured& m, const char* unit) {
        table.rows.push_back(
            {a.title(), s.scheme.empty() ? "-" : s.scheme, std::string(kernels),
             std::to_string(a.threads), m.test, fmt::format("{:.2f}", m.rate.median),
             fmt::format("{:.2f}..{:.2f}", m.rate.least, m.rate.most),
             fmt::format("{:.1f}", m.gflops), fmt::format("{:.2f}", m.gigabytes),
             fmt::format("{:.1f} {}", m.roof, unit), fmt::format("{:.1f}", m.percent)});
    };
    add(results.pp, "GFLOP/s");
    add(results.tg, "GB/s");
    add(results.batch, "GB/s");
    return plain_text(table);
}

std::string describe_weights(const Subject& s) {
    const Decoder& d = s.decoder;
    return fmt::format(
        "weights read in a pass: linears {} as {}, head {} as {}; embedding as {}; transform {}, "
        "activations {}; keys and values {} a token as {}",
        human_bytes(static_cast<double>(linear_bytes(d))), stored_type(a_linear(d)),
        human_bytes(static_cast<double>(stored_bytes(d.head))), stored_type(d.head),
        embedding_type(d), transform_of(d), s.activations,
        human_bytes(static_cast<double>(kv_bytes(d.config, d.precision, d.kv))), kv_type(d));
}

Json bench_json(const BenchArguments& a, const Subject& s, std::string_view kernels,
                const BenchResults& results) {
    const Decoder& d = s.decoder;
    Json j = {{"model", a.title()},
              {"random", a.random()},
              {"scheme", nullptr},
              {"transform", transform_of(d)},
              {"activations", s.activations},
              {"kernels", kernels},
              {"threads", a.threads},
              {"prompt_tokens", a.prompt},
              {"generated_tokens", a.count},
              {"parallel", a.parallel},
              {"repeat", a.repeat},
              {"roof_gflops", results.pp.roof},
              {"roof_gigabytes_per_second", results.tg.roof},
              {"weight_bytes", weight_bytes(d)},
              {"linear_bytes", linear_bytes(d)},
              {"linear_type", stored_type(a_linear(d))},
              {"kv", a.kv},
              {"kv_type", kv_type(d)},
              {"kv_bytes", kv_bytes(d.config, d.precision, d.kv)},
              {"head", a.head},
              {"head_type", stored_type(d.head)},
              {"embedding_type", embedding_type(d)},
              {"version", HALFBYTE_VERSION}};
    if (!s.scheme.empty()) j["scheme"] = s.scheme;
    add_measured(j, "pp", results.pp);
    add_measured(j, "tg", results.tg);
    add_measured(j, fmt::format("tg_batch{}", a.kBatch), results.batch);
    return j;
}

}  // namespace hb
