// SPDX-License-Identifier: Apache-2.0
#include "study/activation_outliers.hpp"

#include <algorithm>
#include <cmath>

#include "core/float_bits.hpp"

namespace hb {
namespace {

struct Sums {
    double squares = 0, fourths = 0, largest = 0, count = 0;

    void add(const Operand& x) {
        for (std::int64_t r = 0; r < x.rows; ++r)
            for (std::int64_t c = 0; c < x.k; c += 32) add_block(&x.narrow[index(x, r, c)]);
        count += static_cast<double>(x.rows * x.k);
    }
    double kurtosis() const { return squares > 0 ? fourths * count / (squares * squares) : 0; }
    double peak() const { return squares > 0 ? largest / std::sqrt(squares / count) : 0; }

private:
    static std::size_t index(const Operand& x, std::int64_t row, std::int64_t column) {
        return static_cast<std::size_t>(x.at(row) + column / 32 * x.step());
    }
    void add_block(const std::uint16_t* bf16) {  // padded with zeros
        for (int i = 0; i < 32; ++i) {
            const double x = bf16_to_float(bf16[i]), square = x * x;
            squares += square;
            fourths += square * square;
            largest = std::max(largest, std::abs(x));
        }
    }
};

struct SiteSums {
    Sums plain, rotated;
};

std::int64_t width_of(const ModelConfig& config, int site) {
    for (const LinearName& linear : block_linears())
        if (linear.site == site) return linear_shape(config, linear.name).in;
    return 0;
}

// Observes the site with and without its rotation; leaves it without.
void observe(const Runtime& run, Block& block, int site, View<const float> x, Scratch& scratch,
             SiteSums& sums) {
    Operand seen;
    observe_site(run, block, site, x, scratch, seen);
    sums.plain.add(seen);
    Transform& transform = block.sites[static_cast<std::size_t>(site)].transform;
    transform = parse_transform("hadamard", width_of(*run.config, site), 0);
    observe_site(run, block, site, x, scratch, seen);
    sums.rotated.add(seen);
    transform = {};
}

void observe_block(const Runtime& run, Block& block, const Pass& pass, Scratch& scratch,
                   View<float> h, std::span<SiteSums, 4> sums) {
    observe(run, block, 0, h, scratch, sums[0]);
    attend(run, block, h, pass, scratch, scratch.attended);
    observe(run, block, 1, scratch.attended.view(), scratch, sums[1]);
    add_attention(run, block, scratch.attended.view(), scratch, h);
    observe(run, block, 2, h, scratch, sums[2]);
    enter_mlp(run, block, h, scratch);
    observe(run, block, 3, h, scratch, sums[3]);
    enter_mlp(run, block, h, scratch);
    add_mlp(run, block, scratch, h);
}

}  // namespace

Json activation_outliers(Decoder decoder, const Embedding& embedding, const Kernels& kernels,
                         Threads& threads, View<const std::int32_t> tokens) {
    const ModelConfig& config = decoder.config;
    const Runtime run = make_runtime(config, kernels, threads, decoder.precision);
    std::vector<std::array<SiteSums, 4>> sums(decoder.blocks.size());
    for (std::int64_t s = 0; s < tokens.rows; ++s) {
        Matrix<float> h(tokens.cols, config.hidden);
        embedding.look_up({tokens.row(s), static_cast<std::size_t>(tokens.cols)}, h.view());
        KvCache cache = make_cache(config, decoder.precision, decoder.kv, tokens.cols);
        const Pass pass = make_pass(run, {{0, tokens.cols, 0, &cache}});
        Scratch scratch;
        for (std::size_t b = 0; b < decoder.blocks.size(); ++b) {
            cache.length = 0;
            observe_block(run, decoder.blocks[b], pass, scratch, h.view(), sums[b]);
        }
    }
    Json all = Json::array();
    for (std::size_t layer = 0; layer < sums.size(); ++layer)
        for (int site = 0; site < 4; ++site) {
            const SiteSums& of_site = sums[layer][static_cast<std::size_t>(site)];
            all.push_back(
                {{"layer", layer},
                 {"site", kSiteNames[site]},
                 {"kurtosis", of_site.plain.kurtosis()},
                 {"peak", of_site.plain.peak()},
                 {"rotation", parse_transform("hadamard", width_of(config, site), 0).text()},
                 {"rotated_kurtosis", of_site.rotated.kurtosis()},
                 {"rotated_peak", of_site.rotated.peak()}});
        }
    return all;
}

}  // namespace hb
