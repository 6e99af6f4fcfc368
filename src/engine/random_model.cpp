// SPDX-License-Identifier: Apache-2.0
// Every row has a random stream of its own, numbered by layer, linear and row. Weights are made and
// packed one linear at a time.
#include "engine/random_model.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <string>

#include "core/error.hpp"
#include "core/float_bits.hpp"
#include "core/random.hpp"
#include "engine/head.hpp"
#include "formats/all.hpp"

namespace hb {
namespace {

constexpr RandomShape kShapes[] = {
    {"llama-1b", "Llama 3.2 1B", 2048, 8192, 16, 32, 8, 64, 128256, true},
    {"llama-8b", "Llama 3.1 8B", 4096, 14336, 32, 32, 8, 128, 128256, false},
    {"llama-tiny", "two blocks of 128, to try things out", 128, 256, 2, 4, 2, 32, 512, false},
};

// Largest inputs that a static divisor leaves room for: normed or attended values, and silu(gate)
// times up.
constexpr float kLargestInput[4] = {8, 8, 8, 16};
constexpr float kEmbeddingSize = 0.02f;

Random row_stream(std::uint64_t seed, std::int64_t tensor, std::int64_t row) {
    return {
        mix64(mix64(seed) ^ static_cast<std::uint64_t>(tensor)) ^ static_cast<std::uint64_t>(row),
        0};
}

void draw_bytes(Random& random, std::uint8_t* to, std::int64_t n) {
    for (std::int64_t i = 0; i < n; i += 8) {
        const std::uint64_t bits = random.bits();
        std::memcpy(to + i, &bits, static_cast<std::size_t>(std::min<std::int64_t>(8, n - i)));
    }
}

// Root mean square of the elements when every code is as likely.
double element_size(const Scheme& scheme) {
    const int codes = 1 << scheme.element_bits();
    double sum = 0;
    for (int code = 0; code < codes; ++code) {
        const double x = decode_element(scheme.family, static_cast<std::uint8_t>(code));
        if (!std::isnan(x)) sum += x * x / codes;
    }
    return std::sqrt(sum);
}

// NaN becomes 448.
void draw_codes(const Scheme& scheme, Random& random, std::uint8_t* to, std::int64_t n) {
    draw_bytes(random, to, n);
    for (std::int64_t i = 0; scheme.family == Family::fp8 && i < n; ++i)
        if ((to[i] & E4M3::kNan) == E4M3::kNan) to[i] ^= 1;
}

// NV scales are 16 to 30 under the divisor; the others are near `size` itself.
constexpr float kNvScale = 23;
std::uint16_t draw_scale(Family family, float size, Random& random) {
    const std::uint64_t draw = random.bits() >> 32;
    switch (family) {
        case Family::mx:
            return static_cast<std::uint16_t>(E8M0::encode(size) - draw % 2);
        case Family::nv:
            return static_cast<std::uint16_t>(E4M3::encode(16) + draw % 8);
        default:
            break;
    }
    return float_to_bf16(size * (0.75f + static_cast<float>(draw % 64) / 128));
}

QTensor draw_tensor(const Scheme& scheme, LinearShape shape, std::uint64_t seed,
                    std::int64_t tensor, Threads& threads) {
    const auto size =
        static_cast<float>(1 / element_size(scheme) / std::sqrt(static_cast<double>(shape.in)));
    QTensor q = make_qtensor(scheme, shape.out, shape.in, make_scales(scheme, shape.out, shape.in));
    for (auto& zero : q.scales.zeros.values) zero = Int4::encode(0);
    if (scheme.family == Family::nv) q.scales.divisor = kNvScale / size;
    threads.loop(shape.out, [&](std::int64_t r, int) {
        Random random = row_stream(seed, tensor, r);
        draw_codes(scheme, random, q.codes.row(r), q.codes.cols);
        for (std::int64_t g = 0; g < q.scales.bits.cols; ++g)
            q.scales.bits(r, g) = draw_scale(scheme.family, size, random);
    });
    return q;
}

// Rows [first, first + rows) of a tensor.
Matrix<std::uint16_t> draw_bf16(std::int64_t first, std::int64_t rows, std::int64_t cols,
                                std::uint64_t seed, std::int64_t tensor, Threads& threads) {
    Matrix<std::uint16_t> w(rows, cols);
    threads.loop(rows, [&](std::int64_t r, int) {
        Random random = row_stream(seed, tensor, first + r);
        auto* bytes = reinterpret_cast<std::uint8_t*>(w.row(r));
        draw_bytes(random, bytes, 2 * cols);
        for (std::int64_t c = 0; c < cols; ++c) {  // uniform, of standard deviation 1
            const float uniform = (static_cast<float>(w(r, c)) + 0.5f) / 32768 - 1;
            w(r, c) = float_to_bf16(kEmbeddingSize * std::sqrt(3.f) * uniform);
        }
    });
    return w;
}

// Tensor 0 is the embedding.
Head draw_head(const ModelConfig& config, const RandomModelOptions& o, Threads& threads) {
    const auto read = [&](std::int64_t first, std::int64_t count) {
        const auto bits =
            draw_bf16(first, count, config.hidden, o.seed, config.tied ? 0 : 1, threads);
        Matrix<float> part(count, config.hidden);
        std::transform(bits.values.begin(), bits.values.end(), part.values.begin(), bf16_to_float);
        return part;
    };
    return make_head({config.vocab, config.hidden, read}, o.head, WeightStorage::codes, threads);
}

Block draw_block(const ModelConfig& config, const RandomModelOptions& o, std::int64_t layer,
                 Threads& threads) {
    Block block;
    const auto ones = [](std::int64_t n) {
        return std::vector<float>(static_cast<std::size_t>(n), 1.f);
    };
    block.attention_norm = block.mlp_norm = ones(config.hidden);
    if (config.qk_norm) block.q_norm = block.k_norm = ones(config.head_dim);
    for (std::size_t i = 0; i < 7; ++i) {
        const LinearName& linear = block_linears()[i];
        const LinearShape shape = linear_shape(config, linear.name);
        const auto number = static_cast<std::size_t>(linear.site);
        Site& site = block.sites[number];
        site.transform = parse_transform(o.transform, shape.in, o.seed);
        if (o.activation_rule)
            site.quantizer = {o.scheme, o.activation_rule,
                              o.activation_rule->divisor(kLargestInput[number])};
        if (o.activations)
            site.quantizer =
                round_inputs(*o.activations, *o.scheme, shape.in, std::string(linear.name));
        const QTensor q = draw_tensor(*o.scheme, shape, o.seed,
                                      7 * layer + static_cast<std::int64_t>(i) + 2, threads);
        block.linears[i] = make_linear(q, {}, site.quantizer ? &*site.quantizer : nullptr,
                                       WeightStorage::codes, threads);
    }
    return block;
}

void check(const ModelConfig& config, const RandomModelOptions& o) {
    const Scheme& scheme = *o.scheme;
    for (const LinearName& linear : block_linears()) {
        const std::int64_t in = linear_shape(config, linear.name).in;
        if (!scheme.divides(in))
            fail("the input dimension {} of {} is not divisible by {}'s group of {}", in,
                 linear.name, scheme.name, scheme.group);
        if (o.activations) round_inputs(*o.activations, scheme, in, std::string(linear.name));
    }
}

}  // namespace

std::span<const RandomShape> all_random_shapes() {
    return kShapes;
}

const RandomShape& find_random_shape(std::string_view name) {
    std::string known;
    for (const RandomShape& shape : kShapes) {
        if (shape.name == name) return shape;
        known += (known.empty() ? "" : ", ") + std::string(shape.name);
    }
    fail("unknown shape '{}'; choose one of: {}", name, known);
}

ModelConfig config_of(const RandomShape& s) {
    return parse_config({{"architectures", {"LlamaForCausalLM"}},
                         {"hidden_size", s.hidden},
                         {"intermediate_size", s.intermediate},
                         {"num_hidden_layers", s.layers},
                         {"num_attention_heads", s.heads},
                         {"num_key_value_heads", s.kv_heads},
                         {"head_dim", s.head_dim},
                         {"vocab_size", s.vocab},
                         {"max_position_embeddings", 131072},
                         {"rms_norm_eps", 1e-5},
                         {"rope_theta", 500000.0},
                         {"tie_word_embeddings", s.tied}},
                        std::string(s.name));
}

Decoder random_decoder(const ModelConfig& config, const RandomModelOptions& options,
                       Threads& threads) {
    check(config, options);
    Decoder decoder;
    decoder.config = config;
    decoder.precision = Precision::bf16;
    decoder.final_norm.assign(static_cast<std::size_t>(config.hidden), 1.f);
    if (!config.tied) {
        auto w = draw_bf16(0, config.vocab, config.hidden, options.seed, 0, threads);
        decoder.embedding = {config.vocab, config.hidden, std::move(w.values), {}};
    }
    Head head = draw_head(config, options, threads);
    decoder.head = std::move(head.weight);
    decoder.head_alpha = head.alpha;
    for (std::int64_t layer = 0; layer < config.layers; ++layer)
        decoder.blocks.push_back(draw_block(config, options, layer, threads));
    return decoder;
}

RandomLinear random_linear(LinearShape shape, const RandomModelOptions& options, Threads& threads) {
    const Scheme& scheme = *options.scheme;
    if (!scheme.divides(shape.in))
        fail("an input dimension of {} is not divisible by {}'s group of {}", shape.in, scheme.name,
             scheme.group);
    RandomLinear random;
    random.site.transform = parse_transform(options.transform, shape.in, options.seed);
    if (options.activation_rule)
        random.site.quantizer = {&scheme, options.activation_rule,
                                 options.activation_rule->divisor(kLargestInput[0])};
    const auto& quantizer = random.site.quantizer;
    random.linear = make_linear(draw_tensor(scheme, shape, options.seed, 0, threads), {},
                                quantizer ? &*quantizer : nullptr, WeightStorage::codes, threads);
    return random;
}

}  // namespace hb
