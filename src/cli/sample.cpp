// SPDX-License-Identifier: Apache-2.0
// halfbyte sample MODEL OUT.i32: rows of tokens drawn from the model itself, all rows together.
#include <fmt/format.h>

#include <bit>
#include <memory>

#include "cli/commands.hpp"
#include "cli/options.hpp"
#include "cli/terminal.hpp"
#include "core/file.hpp"
#include "engine/generate.hpp"

namespace hb {
namespace {

static_assert(std::endian::native == std::endian::little);  // .i32 is what lies in memory

struct SampleArguments {
    std::string model, activations;
    std::filesystem::path out;
    std::int64_t sequences = 32, length = 512;
    std::uint64_t seed = 1;
    int threads = 1;
};

void sample_command(const SampleArguments& a) {
    Threads threads(a.threads);
    LoadOptions options;
    options.activations = find_activations(a.activations);
    const Decoder decoder = load_decoder(Checkpoint::open(a.model), threads, options);
    Matrix<std::int32_t> rows;
    {
        ProgressBar bar("sample");
        rows = generate_rows(
            decoder, pick_kernels(), threads, a.sequences, a.length, a.seed,
            [&](std::int64_t step) { bar.update(step, a.length, "tokens of each row"); });
    }
    write_file(a.out, {reinterpret_cast<const char*>(rows.values.data()),
                       rows.values.size() * sizeof(std::int32_t)});
    print(fmt::format("wrote {}: {} x {} tokens\n", a.out.string(), rows.rows, rows.cols));
}

}  // namespace

Action define_sample(CLI::App& app) {
    const auto a = std::make_shared<SampleArguments>();
    add_model(app, a->model);
    app.add_option("OUT", a->out, "the .i32 file to write")
        ->required()
        ->type_name("")
        ->check(writable_place());
    app.add_option("--sequences", a->sequences, "rows")
        ->check(between(1, 1 << 16))
        ->capture_default_str();
    app.add_option("--sequence-length", a->length, "tokens in a row")
        ->check(between(1, 1 << 20))
        ->capture_default_str();
    app.add_option("--seed", a->seed, "of the draws")->capture_default_str();
    add_activations(app, a->activations);
    add_threads(app, a->threads);
    return [a] { sample_command(*a); };
}

}  // namespace hb
