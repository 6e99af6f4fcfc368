// SPDX-License-Identifier: Apache-2.0
// What a quantized checkpoint says about itself: `quantization_config` in config.json and the names
// and packing of a layer's tensors. Both are compressed-tensors' (version 0.13 or newer). A
// checkpoint with an online transform says quant_method "halfbyte", so that clients that do not
// know the transform refuse it; without one it says "compressed-tensors".
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "core/json.hpp"
#include "io/safetensors.hpp"
#include "schemes/qtensor.hpp"
#include "transforms/transform.hpp"

namespace hb {

// Whether a module's name is the target, or begins with what its pattern "re:..." matches. Throws
// Error when that is no regular expression.
bool matches(const std::string& target, const std::string& module);

// Linears of one scheme, and their scale rules.
struct QuantizationGroup {
    const Scheme* scheme = nullptr;
    std::string weight_rule, activation_rule;    // names in the scale-rule table
    std::vector<std::string> targets{"Linear"};  // modules, "re:..." patterns, or every linear
};

struct QuantizationConfig {
    std::vector<QuantizationGroup> groups;
    std::vector<std::string> ignore;  // modules left alone: names or "re:..." patterns
    // The online transform of each site, as parse_transform reads it: qkv, o, gate_up, down.
    std::string qkv = "none", o = "none", gate_up = "none", down = "none";
    // Rotations that are folded into the weights, which no reader needs: of the residual stream,
    // and of what heads take from v.
    std::string residual = "none", heads = "none";
    std::string channels = "plain";  // or "balanced", which no reader needs either
    std::uint64_t seed = 0;

    bool online_transform() const {
        return qkv != "none" || o != "none" || gate_up != "none" || down != "none";
    }
    bool ignores(const std::string& module) const;
    // The group of a linear, on the list `ignore` or not; null when none targets it. A target that
    // is its name counts before a pattern, the first pattern in alphabetical order before others,
    // and a pattern before "Linear", as in compressed-tensors.
    const QuantizationGroup* find_group(const std::string& module) const;
    const QuantizationGroup& group_of(const std::string& module) const;  // throws Error when none
    bool quantizes_activations() const;                                  // of any group
    std::string schemes() const;                                         // "nvfp4 + fp8"
};

// Its scheme and rules by name.
Json rules_of(const QuantizationGroup& group);
Json to_json(const QuantizationConfig& config);
// Reads ours and plain compressed-tensors (NVFP4, MXFP4, INT4 with and without zero points, INT8,
// FP8, and groups of these in mixed-precision). Throws Error on anything else.
std::optional<QuantizationConfig> quantization_config_of(const Json& model_config);

// to_json of what another layout says, with the rules and the seed under the key "halfbyte" of its
// own settings where we wrote them. `where` begins the error.
Json presented_config(const QuantizationConfig& config, const Json& settings,
                      const std::string& where);

// How the parts of a quantized matrix are called behind the module's name, and stored.
struct PackedPart {
    std::string name, dtype;
    std::vector<std::int64_t> shape;
};
struct PackedLayout {
    PackedPart codes, scales, zeros;  // no name: no such part
};
PackedLayout packed_layout(const Scheme& scheme, std::int64_t rows, std::int64_t cols);
// These, weight_global_scale, input_global_scale, weight_shape as the scheme wants.
std::vector<TensorToWrite> tensors_of(const std::string& module, const QTensor& weight,
                                      float input_divisor);
// Throws Error with a hint when the layout cannot hold the rule (fp-quant's 1/3 in plain MXFP4).
void check_layout(const QuantizationConfig& config);

}  // namespace hb
