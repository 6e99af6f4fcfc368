// SPDX-License-Identifier: Apache-2.0
#include "study/weights.hpp"

#include <algorithm>

#include "core/error.hpp"
#include "model/model_tensors.hpp"

namespace hb {
namespace {

Matrix<float> even_rows(const Checkpoint& checkpoint, const std::string& tensor,
                        const LinearShape& shape, std::int64_t count) {
    Matrix<float> rows(std::clamp<std::int64_t>(count / shape.in, 1, shape.out), shape.in);
    for (std::int64_t r = 0; r < rows.rows; ++r) {
        const auto row = checkpoint.read_rows(tensor, r * shape.out / rows.rows, 1, shape.in);
        std::copy(row.values.begin(), row.values.end(), rows.row(r));
    }
    return rows;
}

}  // namespace

std::vector<Sample> weight_samples(const Checkpoint& checkpoint, std::int64_t count) {
    const ModelConfig config = model_config(checkpoint);
    check_model_tensors(checkpoint, config);
    std::vector<Sample> samples;
    for (const LinearName& linear : block_linears()) {
        Sample sample{std::string(linear.name.substr(linear.name.rfind('.') + 1)), {}, false};
        const LinearShape shape = linear_shape(config, linear.name);
        for (std::int64_t layer = 0; layer < config.layers; ++layer) {
            const std::string module = module_name(layer, linear.name);
            if (!checkpoint.has(module + ".weight") ||
                checkpoint.read_quantized(module, shape.out, shape.in))
                fail("{}: {} is quantized already; give the model in 16 bits",
                     checkpoint.path().string(), module);
            sample.tensors.push_back(
                even_rows(checkpoint, module + ".weight", shape, count / config.layers));
            checkpoint.drop(module + ".weight");
        }
        samples.push_back(std::move(sample));
    }
    return samples;
}

}  // namespace hb
