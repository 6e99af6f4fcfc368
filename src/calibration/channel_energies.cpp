// SPDX-License-Identifier: Apache-2.0
// Sums of squares in fp64, a channel at a time, over the rows in order: the bits do not depend on
// threads. An input is rounded to bf16, as calibration sees it; o's channels are summed over the
// heads that share a head of v.
#include "calibration/channel_energies.hpp"

#include <algorithm>

#include "core/float_bits.hpp"
#include "engine/decoder.hpp"

namespace hb {
namespace {

// Channel 16 g + j of a block of 32 lies at position 2 j + g (kernels.hpp).
void add_inputs(const Operand& x, Threads& threads, std::vector<double>& sums) {
    threads.loop(x.padded_k() / 32, [&](std::int64_t block, int) {
        const std::int64_t channels = std::min<std::int64_t>(x.k - 32 * block, 32);
        for (std::int64_t r = 0; r < x.rows; ++r) {
            const std::uint16_t* lanes = x.narrow.data() + x.at(r) + block * x.step();
            for (std::int64_t c = 0; c < channels; ++c) {
                const double value = bf16_to_float(lanes[c % 16 * 2 + c / 16]);
                sums[static_cast<std::size_t>(32 * block + c)] += value * value;
            }
        }
    });
}

void add_columns(View<const float> w, Threads& threads, std::vector<double>& sums) {
    constexpr std::int64_t kColumns = 64;
    threads.loop((w.cols + kColumns - 1) / kColumns, [&](std::int64_t part, int) {
        const std::int64_t end = std::min((part + 1) * kColumns, w.cols);
        for (std::int64_t r = 0; r < w.rows; ++r)
            for (std::int64_t c = part * kColumns; c < end; ++c)
                sums[static_cast<std::size_t>(c)] += static_cast<double>(w(r, c)) * w(r, c);
    });
}

// Of o's inputs -> of v's channels.
std::vector<double> over_heads(const ModelConfig& config, const std::vector<double>& sums) {
    std::vector<double> shared(static_cast<std::size_t>(config.kv_heads * config.head_dim));
    const std::int64_t sharing = config.heads / config.kv_heads, d = config.head_dim;
    for (std::int64_t i = 0; i < config.heads * d; ++i)
        shared[static_cast<std::size_t>(i / d / sharing * d + i % d)] +=
            sums[static_cast<std::size_t>(i)];
    return shared;
}

using Energies = std::array<std::vector<double>, 4>;

// h (length, hidden) of one sequence through the block, in place.
void pass_block(const Runtime& run, const Block& block, const Pass& pass, Scratch& scratch,
                View<float> h, Energies& inputs) {
    Operand observed;
    const auto observe = [&](int site, View<const float> x) {
        observe_site(run, block, site, x, scratch, observed);
        add_inputs(observed, *run.threads, inputs[static_cast<std::size_t>(site)]);
    };
    pass.spans[0].cache->length = 0;
    observe(0, h);
    attend(run, block, h, pass, scratch, scratch.attended);
    observe(1, scratch.attended.view());
    add_attention(run, block, scratch.attended.view(), scratch, h);
    observe(2, h);
    enter_mlp(run, block, h, scratch);
    observe(3, h);
    add_mlp(run, block, scratch, h);
}

Energies weight_energies(const Settings& s, const Checkpoint& dense, std::int64_t layer,
                         Threads& threads) {
    Energies sums;
    for (const LinearName& linear : block_linears()) {
        const LinearShape shape = linear_shape(s.config, linear.name);
        std::vector<double>& sum = sums[static_cast<std::size_t>(linear.site)];
        sum.resize(static_cast<std::size_t>(shape.in));
        add_columns(
            dense.read(module_name(layer, linear.name) + ".weight", shape.out, shape.in).view(),
            threads, sum);
    }
    return sums;
}

Block load_dense_block(const Settings& s, const Checkpoint& dense, std::int64_t layer,
                       Threads& threads) {
    Block block = load_block_frame(dense, s.config, layer);
    for (std::size_t i = 0; i < 7; ++i)
        block.linears[i] = load_dense(dense, s.config, layer, i, threads);
    return block;
}

ChannelScales balance_sites(const Settings& s, std::int64_t layer, Energies inputs,
                            Energies weights) {
    for (Energies* sums : {&inputs, &weights}) (*sums)[1] = over_heads(s.config, (*sums)[1]);
    ChannelScales scales;
    for (std::size_t site = 0; site < 4; ++site)
        if (s.method_at(layer, static_cast<int>(site)))
            scales[site] = balance(inputs[site], weights[site]);
    return scales;
}

}  // namespace

std::vector<ChannelScales> balancing_scales(const Settings& s, const Checkpoint& dense,
                                            const Kernels& kernels, Threads& threads,
                                            View<const std::int32_t> tokens,
                                            const std::function<void(std::int64_t)>& on_block) {
    const std::int64_t length = tokens.cols,
                       sequences = std::min((kEnergyTokens + length - 1) / length, tokens.rows);
    const Runtime run = make_runtime(s.config, kernels, threads, Precision::bf16);
    KvCache cache(s.config.kv_heads, s.config.head_dim, (length + 31) / 32 * 32, Precision::bf16);
    const Pass pass = make_pass(run, {{0, length, 0, &cache}});
    Scratch scratch;
    Matrix<float> h(sequences * length, s.config.hidden);
    const auto rows_of = [&](std::int64_t i) { return h.view().middle_rows(i * length, length); };
    const Embedding embedding = load_embedding(dense, s.config);
    for (std::int64_t i = 0; i < sequences; ++i)
        embedding.look_up(
            {tokens.row(i * tokens.rows / sequences), static_cast<std::size_t>(length)},
            rows_of(i));

    std::vector<ChannelScales> scales;
    for (std::int64_t layer = 0; layer < s.config.layers; ++layer) {
        on_block(layer);
        Energies weights = weight_energies(s, dense, layer, threads), inputs = weights;
        for (auto& sums : inputs) std::fill(sums.begin(), sums.end(), 0.0);
        const Block block = load_dense_block(s, dense, layer, threads);
        for (std::int64_t i = 0; i < sequences; ++i)
            pass_block(run, block, pass, scratch, rows_of(i), inputs);
        scales.push_back(balance_sites(s, layer, std::move(inputs), std::move(weights)));
    }
    return scales;
}

}  // namespace hb
