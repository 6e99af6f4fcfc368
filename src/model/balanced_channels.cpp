// SPDX-License-Identifier: Apache-2.0
// Every number is multiplied by its row's factor, then by its column's, each in fp32.
#include "model/balanced_channels.hpp"

#include <cmath>
#include <numeric>

#include "core/error.hpp"
#include "core/float_bits.hpp"
#include "model/config.hpp"
#include "model/model_tensors.hpp"

namespace hb {
namespace {

constexpr double kRaise = 0.01;

double mean(const std::vector<double>& values) {
    return std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(values.size());
}

struct Factors {
    std::vector<float> rows, columns;  // empty: 1
};

Matrix<float> scale_rows(const Factors& factors, const DerivedTensor::Rows& stored,
                         std::int64_t first, std::int64_t count) {
    Matrix<float> w = stored(first, count);
    for (std::int64_t r = 0; r < w.rows; ++r) {
        for (std::int64_t c = 0; c < w.cols; ++c) {
            if (!factors.rows.empty()) w(r, c) *= factors.rows[static_cast<std::size_t>(first + r)];
            if (!factors.columns.empty()) w(r, c) *= factors.columns[static_cast<std::size_t>(c)];
        }
    }
    return w;
}

float rounded(float x, const std::string& dtype) {
    if (dtype == "BF16") return round_to_bf16(x);
    return dtype == "F16" ? f16_to_float(float_to_f16(x)) : x;
}

std::vector<float> inverse(std::vector<float> d) {
    for (float& x : d) x = 1 / x;
    return d;
}

// Of v's channels -> of o's inputs: heads that share a head of v follow one another.
std::vector<float> for_heads(const ModelConfig& config, const std::vector<float>& values) {
    std::vector<float> d;
    for (std::int64_t head = 0; head < config.heads && !values.empty(); ++head) {
        const auto from =
            values.begin() + head / (config.heads / config.kv_heads) * config.head_dim;
        d.insert(d.end(), from, from + config.head_dim);
    }
    return d;
}

class Balancing {
public:
    Balancing(const Checkpoint& dense, const std::function<bool(const std::string&)>& wide)
        : dense_(dense), wide_(wide) {}

    // The norm's weight times d; gives the d that its type leaves.
    std::vector<float> scale_norm(const std::string& name, std::vector<float> d) {
        if (d.empty()) return d;
        const Matrix<float> g = dense_.read(name, 1, static_cast<std::int64_t>(d.size()));
        const std::string& dtype = dense_.find(name)->dtype;
        for (std::size_t c = 0; c < d.size(); ++c) {
            const float scaled = rounded(g.values[c] * d[c], dtype);
            d[c] = scaled == 0 || !std::isfinite(scaled) ? 1 : scaled / g.values[c];
        }
        add(name, {{}, d});
        return d;
    }
    // A bias is a row of outputs.
    void scale_linear(const std::string& module, const std::vector<float>& outputs,
                      const std::vector<float>& inputs) {
        if (!outputs.empty() && dense_.has(module + ".bias")) add(module + ".bias", {{}, outputs});
        add(module + ".weight", {outputs, inverse(inputs)});
    }

    std::vector<DerivedTensor> tensors;

private:
    void add(const std::string& name, Factors factors) {
        if (factors.rows.empty() && factors.columns.empty()) return;
        tensors.push_back({name, name, wide_(name) ? "F32" : dense_.find(name)->dtype,
                           [factors = std::move(factors)](const DerivedTensor::Rows& stored,
                                                          std::int64_t first, std::int64_t count) {
                               return scale_rows(factors, stored, first, count);
                           }});
    }

    const Checkpoint& dense_;
    const std::function<bool(const std::string&)>& wide_;
};

void balance_block(const ModelConfig& config, std::int64_t layer, const ChannelScales& scales,
                   Balancing& b) {
    const auto name = [&](std::string_view part) { return module_name(layer, part); };
    const auto qkv = b.scale_norm(name("input_layernorm.weight"), scales[0]),
               mlp = b.scale_norm(name("post_attention_layernorm.weight"), scales[2]);
    b.scale_linear(name("self_attn.q_proj"), {}, qkv);
    b.scale_linear(name("self_attn.k_proj"), {}, qkv);
    b.scale_linear(name("self_attn.v_proj"), scales[1], qkv);
    b.scale_linear(name("self_attn.o_proj"), {}, for_heads(config, scales[1]));
    b.scale_linear(name("mlp.gate_proj"), {}, mlp);
    b.scale_linear(name("mlp.up_proj"), scales[3], mlp);
    b.scale_linear(name("mlp.down_proj"), {}, scales[3]);
}

void check_scales(const Checkpoint& dense, const ModelConfig& config,
                  const std::vector<ChannelScales>& scales) {
    const std::int64_t sizes[4] = {config.hidden, config.kv_heads * config.head_dim, config.hidden,
                                   config.intermediate};
    if (static_cast<std::int64_t>(scales.size()) != config.layers)
        fail("{}: channel scales of {} blocks for a model of {}", dense.path().string(),
             scales.size(), config.layers);
    for (const ChannelScales& block : scales)
        for (std::size_t site = 0; site < 4; ++site)
            if (!block[site].empty() &&
                static_cast<std::int64_t>(block[site].size()) != sizes[site])
                fail("{}: {} channel scales for the input of {}; wanted {}", dense.path().string(),
                     block[site].size(), kSiteNames[site], sizes[site]);
}

}  // namespace

std::vector<float> balance(const std::vector<double>& inputs, const std::vector<double>& weights) {
    const double x = kRaise * mean(inputs), w = kRaise * mean(weights);
    std::vector<float> d(inputs.size(), 1.0f);
    if (!(x > 0 && w > 0 && std::isfinite(x) && std::isfinite(w))) return d;
    double logs = 0;
    std::vector<double> exact(d.size());
    for (std::size_t i = 0; i < d.size(); ++i)
        logs += exact[i] = std::log((weights[i] + w) / (inputs[i] + x)) / 4;
    for (std::size_t i = 0; i < d.size(); ++i)
        d[i] = static_cast<float>(std::exp(exact[i] - logs / static_cast<double>(d.size())));
    return d;
}

Checkpoint balance_channels(Checkpoint dense, const std::vector<ChannelScales>& scales,
                            const std::function<bool(const std::string&)>& wide) {
    const ModelConfig config = model_config(dense);
    check_model_tensors(dense, config);
    check_scales(dense, config, scales);
    Balancing balancing(dense, wide);
    for (std::int64_t layer = 0; layer < config.layers; ++layer)
        balance_block(config, layer, scales[static_cast<std::size_t>(layer)], balancing);
    Json same = dense.config();
    return Checkpoint::derive(std::move(dense), std::move(same), std::move(balancing.tensors));
}

}  // namespace hb
