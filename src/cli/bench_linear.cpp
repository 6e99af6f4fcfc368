// SPDX-License-Identifier: Apache-2.0
// The floor is the time that the machine needs at its roofs, measured in the same run: for the
// multiply-adds, or for reading the weight from memory, whichever is longer.
#include "cli/bench_linear.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <chrono>

#include "cli/options.hpp"
#include "cli/terminal.hpp"
#include "core/error.hpp"
#include "engine/linear_speed.hpp"
#include "engine/speed.hpp"
#include "kernels/roof.hpp"
#include "recipes/recipe.hpp"
#include "report/table.hpp"

namespace hb {
namespace {

constexpr std::int64_t kWidest = 1 << 20, kMostNumbers = std::int64_t{1} << 31;

LinearShape parse_shape(const std::string& text) {
    LinearShape shape{};
    const char* const end = text.data() + text.size();
    const auto out = std::from_chars(text.data(), end, shape.out);
    const bool cut = out.ec == std::errc{} && out.ptr != end && *out.ptr == 'x';
    const auto in = std::from_chars(cut ? out.ptr + 1 : end, end, shape.in);
    const auto fits = [](std::int64_t n) { return n >= 1 && n <= kWidest; };
    if (in.ec != std::errc{} || in.ptr != end || !fits(shape.out) || !fits(shape.in) ||
        shape.out * shape.in > kMostNumbers)
        fail("--linear '{}' is not OUTxIN, such as 8192x2048, of at most {} weights", text,
             kMostNumbers);
    return shape;
}

void check_room(const BenchArguments& a, LinearShape shape) {
    if (a.prompt > kMostNumbers / (shape.in + shape.out))
        fail("-p {} rows of {} are more than {} inputs and outputs", a.prompt, a.linear,
             kMostNumbers);
}

RandomModelOptions options_of(const Scheme& scheme) {
    const Recipe& recipe = find_recipe("mr-gptq");
    const std::string_view rule = recipe.activation_rule(scheme);
    RandomModelOptions options{&scheme, recipe.transform(scheme), nullptr};
    if (!rule.empty()) options.activation_rule = &find_scale_rule(rule, scheme.family);
    return options;
}

using Clock = std::chrono::steady_clock;
constexpr std::chrono::milliseconds kWarmUp{700};  // a core's tile unit begins at half its rate

struct Row {
    const char* part;
    std::vector<double> seconds;
    Spread spread{};
    double gflops = 0, floor = 0;  // floor: seconds; 0: not of this part
    double percent() const { return 100 * floor / spread.median; }
};

std::vector<Row> measure(const BenchArguments& a, const Kernels& kernels, Threads& threads,
                         LinearInTurn& linear) {
    std::vector<Row> rows = {{"input", {}}, {"product", {}}, {"together", {}}};
    ProgressBar bar("bench");
    const auto begin = Clock::now();
    do time_linear(kernels, threads, linear);
    while (Clock::now() - begin < kWarmUp);
    for (std::int64_t i = 1; i <= a.repeat; ++i) {
        const LinearTimes times = time_linear(kernels, threads, linear);
        rows[0].seconds.push_back(times.input);
        rows[1].seconds.push_back(times.product);
        rows[2].seconds.push_back(times.together());
        bar.update(i, a.repeat);
    }
    for (Row& row : rows) row.spread = spread_of(row.seconds);
    return rows;
}

struct Roofs {
    double gflops, gigabytes;  // a second
};

void add_floor(const LinearInTurn& linear, const Roofs& roofs, Row& row) {
    const auto bytes = static_cast<double>(stored_bytes(linear.copies[0].weight));
    row.gflops = 1e-9 * linear_flops(linear) / row.spread.median;
    row.floor = 1e-9 * std::max(linear_flops(linear) / roofs.gflops, bytes / roofs.gigabytes);
}

std::string table_of(const BenchArguments& a, std::string_view kernels,
                     const std::vector<Row>& rows) {
    Table table;
    table.head = {"linear", "scheme",   "kernels", "threads",  "rows",     "part",
                  "ms",     "min..max", "GFLOP/s", "floor ms", "% of roof"};
    for (const Row& row : rows) {
        const Spread& s = row.spread;
        const bool floor = row.floor > 0;
        table.rows.push_back({a.linear, a.scheme, std::string(kernels), std::to_string(a.threads),
                              std::to_string(a.prompt), row.part,
                              fmt::format("{:.4g}", 1e3 * s.median),
                              fmt::format("{:.4g}..{:.4g}", 1e3 * s.least, 1e3 * s.most),
                              floor ? fmt::format("{:.1f}", row.gflops) : "-",
                              floor ? fmt::format("{:.4g}", 1e3 * row.floor) : "-",
                              floor ? fmt::format("{:.1f}", row.percent()) : "-"});
    }
    return plain_text(table);
}

Json json_of(const BenchArguments& a, std::string_view kernels, const LinearInTurn& linear,
             const RandomModelOptions& o, const Roofs& roofs, const std::vector<Row>& rows) {
    const PackedMatrix& weight = linear.copies[0].weight;
    Json j = {{"linear", a.linear},
              {"scheme", a.scheme},
              {"transform", linear.site.transform.text()},
              {"activations", o.activation_rule ? o.activation_rule->name : "bf16"},
              {"kernels", kernels},
              {"threads", a.threads},
              {"rows", a.prompt},
              {"repeat", a.repeat},
              {"copies", linear.copies.size()},
              {"weight_bytes", stored_bytes(weight)},
              {"weight_type", stored_type(weight)},
              {"roof_gflops", roofs.gflops},
              {"roof_gigabytes_per_second", roofs.gigabytes},
              {"version", HALFBYTE_VERSION}};
    for (const Row& row : rows) {
        Json& part = j[row.part];
        part = {{"ms", 1e3 * row.spread.median},
                {"ms_min", 1e3 * row.spread.least},
                {"ms_max", 1e3 * row.spread.most}};
        for (const double s : row.seconds) part["samples_ms"].push_back(1e3 * s);
        if (row.floor == 0) continue;
        part["gflops"] = row.gflops;
        part["floor_ms"] = 1e3 * row.floor;
        part["percent_of_roof"] = row.percent();
    }
    return j;
}

}  // namespace

void bench_linear(const BenchArguments& a) {
    const LinearShape shape = parse_shape(a.linear);
    check_room(a, shape);
    const RandomModelOptions options = options_of(find_scheme(a.scheme));
    const Kernels& kernels = a.kernels.empty() ? pick_kernels() : find_kernels(a.kernels);
    Threads threads(a.threads);
    LinearInTurn linear = in_turn(random_linear(shape, options, threads), a.prompt);
    std::vector<Row> rows = measure(a, kernels, threads, linear);
    const Roofs roofs{roof_gflops(kernels, threads), roof_gigabytes_per_second(threads)};
    for (const std::size_t whole : {1, 2}) add_floor(linear, roofs, rows[whole]);
    print(table_of(a, name_of(kernels), rows));
    const PackedMatrix& weight = linear.copies[0].weight;
    note(
        fmt::format("{} copies of {} as {}, in turn; transform {}, activations {}; roofs {:.1f} "
                    "GFLOP/s and {:.1f} GB/s",
                    linear.copies.size(), human_bytes(static_cast<double>(stored_bytes(weight))),
                    stored_type(weight), linear.site.transform.text(),
                    options.activation_rule ? options.activation_rule->name : "bf16", roofs.gflops,
                    roofs.gigabytes));
    write_json(a.json, json_of(a, name_of(kernels), linear, options, roofs, rows));
}

}  // namespace hb
