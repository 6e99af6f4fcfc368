// SPDX-License-Identifier: Apache-2.0
// From a checkpoint to blocks in memory. Weights that bf16 holds exactly are packed in bf16, others
// in fp32; MX, NV and INT8 weights stay in their codes, INT4 becomes (element - zero) * scale
// rounded to bf16, and FP8 elements are bf16 numbers, with the divisors left to alpha and the
// scales of rows to the product's end.
#include <algorithm>
#include <cmath>

#include "core/error.hpp"
#include "core/float_bits.hpp"
#include "engine/decoder.hpp"
#include "engine/head.hpp"
#include "engine/parts.hpp"
#include "model/model_tensors.hpp"

namespace hb {
namespace {

bool fits_bf16(std::span<const float> values) {
    return std::all_of(values.begin(), values.end(), [](float x) { return round_to_bf16(x) == x; });
}

std::vector<float> read_vector(const Checkpoint& checkpoint, const std::string& name,
                               std::int64_t n) {
    const Matrix<float> m = checkpoint.read(name, 1, n);
    return {m.values.begin(), m.values.end()};
}

// The site's input quantizer: a static divisor from the file for NV, from the rule for MX.
ActivationQuantizer read_quantizer(const Checkpoint& checkpoint, const QuantizationGroup& group,
                                   const std::string& module) {
    const std::string name = module + ".input_global_scale", file = checkpoint.path().string();
    const ScaleRule& rule = find_scale_rule(group.activation_rule, group.scheme->family);
    ActivationQuantizer q{group.scheme, &rule, rule.divisor(1)};
    if (checkpoint.has(name))
        q.divisor = checkpoint.read(name, 1, 1)(0, 0);
    else if (rule.family == Family::nv)
        fail("{}: {} is missing; a W4A4 NVFP4 layer needs the scale of its input", file, name);
    if (!(q.divisor > 0) || !std::isfinite(q.divisor))
        fail("{}: {} is {}; wanted a positive number", file, name, q.divisor);
    return q;
}

bool same_inputs(const QuantizationGroup& a, const QuantizationGroup& b) {
    if (!a.scheme->quantized_activations) return !b.scheme->quantized_activations;
    return a.scheme == b.scheme && a.activation_rule == b.activation_rule;
}

// A finished block's folder holds nothing of a linear that stays dense.
bool holds(const Checkpoint& checkpoint, const std::string& module) {
    return checkpoint.has(module + ".weight_packed") || checkpoint.has(module + ".weight");
}

Linear join_linear(PackedMatrix weight, float divisor, std::vector<float> bias,
                   const ActivationQuantizer* input) {
    Linear linear;
    linear.weight = std::move(weight);
    linear.bias = std::move(bias);
    linear.alpha = 1 / divisor / (input ? input->divisor : 1.0f);
    linear.quantized = true;
    return linear;
}

}  // namespace

void load_linears(const Checkpoint& dense, const Checkpoint& quantized,
                  const QuantizationConfig& quantization, const ModelConfig& config,
                  std::int64_t layer, WeightStorage storage, Block& block, Threads& threads,
                  const Scheme* activations) {
    const std::string* text[4] = {&quantization.qkv, &quantization.o, &quantization.gate_up,
                                  &quantization.down};
    const QuantizationGroup* groups[4] = {};  // of a site's linear
    // A table that multiplies MX codes in whole numbers does so with NV codes by MXINT8.
    if (activations && storage == WeightStorage::mx_codes) storage = WeightStorage::codes;
    for (std::size_t i = 0; i < 7; ++i) {
        const LinearName& linear = block_linears()[i];
        const std::string module = module_name(layer, linear.name);
        const LinearShape shape = linear_shape(config, linear.name);
        std::optional<QuantizedWeight> weight;
        if (holds(quantized, module))
            weight = load_quantized(quantized, module, shape.out, shape.in, storage, threads);
        if (!weight) {
            block.linears[i] = load_dense(dense, config, layer, i, threads);
            continue;
        }
        Site& site = block.sites[static_cast<std::size_t>(linear.site)];
        site.transform = parse_transform(*text[linear.site], shape.in, quantization.seed);
        const QuantizationGroup& group = quantization.group_of(module);
        const QuantizationGroup*& other = groups[static_cast<std::size_t>(linear.site)];
        if (other && !same_inputs(*other, group))
            fail(
                "{}: '{}' is {}, another linear with the same input {}; linears that share an "
                "input must quantize it alike",
                quantized.path().string(), module, group.scheme->name, other->scheme->name);
        other = &group;
        if (activations) {
            site.quantizer =
                round_inputs(*activations, *group.scheme, shape.in,
                             fmt::format("{}: '{}'", quantized.path().string(), module));
        } else if (group.scheme->quantized_activations) {
            const ActivationQuantizer quantizer = read_quantizer(quantized, group, module);
            if (site.quantizer && site.quantizer->divisor != quantizer.divisor)
                fail(
                    "{}: {}.input_global_scale is {}, another linear's with the same input {}; "
                    "they are one product: halfbyte doctor lists all such layers",
                    quantized.path().string(), module, quantizer.divisor, site.quantizer->divisor);
            site.quantizer = quantizer;
        }
        block.linears[i] = join_linear(std::move(weight->weight), weight->divisor,
                                       load_bias(dense, module, shape.out),
                                       site.quantizer ? &*site.quantizer : nullptr);
    }
}

ActivationQuantizer round_inputs(const Scheme& activations, const Scheme& linear, std::int64_t in,
                                 const std::string& name) {
    if (linear.quantized_activations)
        fail(
            "{} is {}, which quantizes its inputs already; activations in {} are for weight-only "
            "schemes such as mxfp4a16",
            name, linear.name, activations.name);
    if (!activations.divides(in))
        fail("{} has {} inputs, which do not divide into {}'s groups of {}", name, in,
             activations.name, activations.group);
    const ScaleRule& rule = find_scale_rule(activations.activation_rule, activations.family);
    return {&activations, &rule, rule.divisor(1)};
}

PackedMatrix pack_exact(View<const float> w, Threads& threads) {
    bool exact = true;
    for (std::int64_t r = 0; exact && r < w.rows; ++r)
        exact = fits_bf16({w.row(r), static_cast<std::size_t>(w.cols)});
    return pack(w, exact ? Precision::bf16 : Precision::f32, threads);
}

std::vector<float> load_bias(const Checkpoint& checkpoint, const std::string& module,
                             std::int64_t out) {
    const std::string name = module + ".bias";
    return checkpoint.has(name) ? read_vector(checkpoint, name, out) : std::vector<float>{};
}

Linear make_linear(const QTensor& weight, std::vector<float> bias, const ActivationQuantizer* input,
                   WeightStorage storage, Threads& threads) {
    PackedMatrix packed = keeps_codes(weight.scheme->family, storage)
                              ? pack_codes(weight, threads)
                              : pack_bf16(dequantize_bf16(weight).view(), threads);
    const std::vector<float> scales = row_scales(weight);
    packed.scales.assign(scales.begin(), scales.end());
    return join_linear(std::move(packed), weight.scales.divisor, std::move(bias), input);
}

Linear load_dense(const Checkpoint& checkpoint, const ModelConfig& config, std::int64_t layer,
                  std::size_t index, Threads& threads) {
    const std::string module = module_name(layer, block_linears()[index].name);
    const LinearShape shape = linear_shape(config, block_linears()[index].name);
    const std::string name = module + ".weight";
    auto narrow = load_bf16(checkpoint, name, shape.out, shape.in, threads);
    Linear linear;
    linear.weight =
        narrow ? std::move(*narrow)
               : pack(checkpoint.read(name, shape.out, shape.in).view(), Precision::f32, threads);
    linear.bias = load_bias(checkpoint, module, shape.out);
    checkpoint.drop(name);
    return linear;
}

Block load_block_frame(const Checkpoint& checkpoint, const ModelConfig& config,
                       std::int64_t layer) {
    Block block;
    block.attention_norm =
        read_vector(checkpoint, module_name(layer, "input_layernorm.weight"), config.hidden);
    block.mlp_norm = read_vector(checkpoint, module_name(layer, "post_attention_layernorm.weight"),
                                 config.hidden);
    if (config.qk_norm) {
        block.q_norm =
            read_vector(checkpoint, module_name(layer, "self_attn.q_norm.weight"), config.head_dim);
        block.k_norm =
            read_vector(checkpoint, module_name(layer, "self_attn.k_norm.weight"), config.head_dim);
    }
    return block;
}

Embedding load_embedding(const Checkpoint& checkpoint, const ModelConfig& config) {
    constexpr std::string_view name = "model.embed_tokens.weight";
    const std::int64_t rows = rows_of_part(2 * config.hidden);
    Embedding embedding{config.vocab, config.hidden, {}, {}};
    embedding.narrow.resize(static_cast<std::size_t>(config.vocab * config.hidden));
    for (std::int64_t first = 0; first < config.vocab; first += rows) {
        const std::int64_t count = std::min(rows, config.vocab - first);
        const auto part = checkpoint.read_bf16_rows(name, first, count, config.hidden);
        if (!part) {
            embedding.narrow = {};
            embedding.wide = checkpoint.read(name, config.vocab, config.hidden);
            break;
        }
        std::copy(part->values.begin(), part->values.end(),
                  embedding.narrow.begin() + first * config.hidden);
        checkpoint.drop_rows(name, first, count);
    }
    checkpoint.drop(name);
    return embedding;
}

Decoder load_decoder(const Checkpoint& checkpoint, Threads& threads, const LoadOptions& options) {
    Decoder decoder;
    decoder.config = model_config(checkpoint);
    const ModelConfig& config = decoder.config;
    check_model_tensors(checkpoint, config);
    const auto quantization = quantization_config_of(checkpoint.config());
    if (options.activations && !quantization)
        fail("{}: the model is not quantized; activations in {} are for weight-only schemes",
             checkpoint.path().string(), options.activations->name);
    decoder.precision = quantization ? Precision::bf16 : options.baseline_precision;
    decoder.kv = options.kv;
    if (!config.tied) decoder.embedding = load_embedding(checkpoint, config);
    Head head = load_head(checkpoint, config, options.head, options.storage, threads);
    decoder.head = std::move(head.weight);
    decoder.head_alpha = head.alpha;
    decoder.final_norm = read_vector(checkpoint, "model.norm.weight", config.hidden);
    for (std::int64_t layer = 0; layer < config.layers; ++layer) {
        decoder.blocks.push_back(load_block_frame(checkpoint, config, layer));
        Block& block = decoder.blocks.back();
        if (quantization)
            load_linears(checkpoint, checkpoint, *quantization, config, layer, options.storage,
                         block, threads, options.activations);
        else
            for (std::size_t i = 0; i < 7; ++i)
                block.linears[i] = load_dense(checkpoint, config, layer, i, threads);
    }
    return decoder;
}

}  // namespace hb
