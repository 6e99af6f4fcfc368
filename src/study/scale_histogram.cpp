// SPDX-License-Identifier: Apache-2.0
#include "study/scale_histogram.hpp"

#include <cmath>
#include <map>

namespace hb {

Json scale_histogram(const Checkpoint& quantized, const ModelConfig& config) {
    std::map<int, double> counts;
    double zeros = 0, all = 0;
    for (std::int64_t layer = 0; layer < config.layers; ++layer)
        for (const LinearName& linear : block_linears()) {
            const LinearShape shape = linear_shape(config, linear.name);
            const std::string module = module_name(layer, linear.name);
            const auto weight = quantized.read_quantized(module, shape.out, shape.in);
            if (!weight) continue;
            for (const std::uint16_t bits : weight->scales.bits.values) {
                const float scale = std::abs(decode_scale(weight->scheme->family, bits));
                all += 1;
                if (scale > 0 && std::isfinite(scale))
                    counts[std::ilogb(scale)] += 1;
                else
                    zeros += 1;
            }
            quantized.drop(module);
        }
    Json shares = Json::array();
    if (!counts.empty())
        for (int octave = counts.begin()->first; octave <= counts.rbegin()->first; ++octave)
            shares.push_back(counts.contains(octave) ? counts[octave] / all : 0.0);
    return {{"first", counts.empty() ? 0 : counts.begin()->first},
            {"shares", shares},
            {"zeros", all > 0 ? zeros / all : 0.0}};
}

}  // namespace hb
