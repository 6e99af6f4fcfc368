// SPDX-License-Identifier: Apache-2.0
// A model whose channels are balanced has the logits of the model, whatever the scales; every
// tensor that is changed must be; and no other scales make the product of energies smaller.
#include "model/balanced_channels.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <numeric>

#include "core/error.hpp"
#include "core/random.hpp"
#include "engine/biased_model.hpp"
#include "engine/logits.hpp"
#include "io/temporary_folder.hpp"
#include "model/model_tensors.hpp"

namespace hb {
namespace {

std::string golden(const std::string& name) {
    return std::string(HALFBYTE_TESTS_DIR) + "/engine/golden/" + name;
}

Matrix<float> logits_of(const Checkpoint& checkpoint) {
    const std::int64_t vocab = model_config(checkpoint).vocab;
    std::vector<std::int32_t> ids(24);
    for (std::size_t i = 0; i < ids.size(); ++i)
        ids[i] = static_cast<std::int32_t>((3 + 37 * i * i) % std::size_t(vocab));
    return window_logits(checkpoint, ids);
}

bool all(const std::string&) {
    return true;
}
bool none(const std::string&) {
    return false;
}

Matrix<float> whole(const Checkpoint& checkpoint, const std::string& name) {
    const auto& shape = checkpoint.find(name)->shape;
    return checkpoint.read(name, shape.size() == 1 ? 1 : shape[0], shape.back());
}

// From 1/4 to 4.
std::vector<ChannelScales> random_scales(const ModelConfig& c) {
    Random random{5};
    std::vector<ChannelScales> scales(static_cast<std::size_t>(c.layers));
    for (ChannelScales& block : scales) {
        const std::int64_t sizes[4] = {c.hidden, c.kv_heads * c.head_dim, c.hidden, c.intermediate};
        for (std::size_t site = 0; site < 4; ++site)
            for (std::int64_t i = 0; i < sizes[site]; ++i)
                block[site].push_back(static_cast<float>(
                    std::exp2(static_cast<double>(random.bits() % 401) / 100 - 2)));
    }
    return scales;
}

class BalancedChannelsOf : public testing::TestWithParam<const char*> {
protected:
    void SetUp() override {
        if (GetParam() == std::string("biased"))
            write_biased(golden("llama31"), folder.path);
        else
            path = golden(GetParam());
    }
    Checkpoint open() const { return Checkpoint::open(path); }
    Checkpoint balanced(bool wide = true) const {
        return balance_channels(open(), random_scales(model_config(open())), wide ? all : none);
    }
    TemporaryFolder folder;
    std::string path = folder.path;
};

// Two roundings of a weight and one of an input: a few 1e-7 here; a hundred times that is a bug.
TEST_P(BalancedChannelsOf, HasTheLogitsOfTheModel) {
    const Matrix<float> wanted = logits_of(open());
    EXPECT_LT(relative_difference(wanted.values, logits_of(balanced()).values), 1e-5);
    // Weights rounded to bf16 once more.
    EXPECT_LT(relative_difference(wanted.values, logits_of(balanced(false)).values), 3e-2);
}

TEST_P(BalancedChannelsOf, NeedsEveryTensorThatItChanges) {
    const Checkpoint plain = open(), scaled = balanced();
    const Matrix<float> wanted = logits_of(plain);
    int changed = 0;
    for (const TensorInfo& info : scaled.tensors()) {
        if (info.stored_type != "derived") continue;
        Checkpoint model = balanced();
        const auto original = [values = whole(plain, info.name)](const DerivedTensor::Rows&,
                                                                 std::int64_t first,
                                                                 std::int64_t count) {
            Matrix<float> rows(count, values.cols);
            std::copy_n(values.row(first), count * values.cols, rows.values.data());
            return rows;
        };
        Json config = model.config();
        const Checkpoint other = Checkpoint::derive(std::move(model), std::move(config),
                                                    {{info.name, info.name, "F32", original}});
        EXPECT_GT(relative_difference(wanted.values, logits_of(other).values), 1e-3) << info.name;
        ++changed;
    }
    EXPECT_GE(changed, 2 * 9);
}

// So that rounding the norm's weight to its type loses nothing.
TEST_P(BalancedChannelsOf, NormsAreOfTheirType) {
    const Checkpoint wide = balanced(), narrow = balanced(false), plain = open();
    for (const char* norm : {"model.layers.0.input_layernorm.weight",
                             "model.layers.1.post_attention_layernorm.weight"}) {
        const Matrix<float> stored = whole(narrow, norm), before = whole(plain, norm);
        EXPECT_EQ(narrow.find(norm)->dtype, plain.find(norm)->dtype);
        EXPECT_LT(relative_difference(stored.values, whole(wide, norm).values), 1e-7);
        EXPECT_GT(relative_difference(before.values, stored.values), 0.1);
    }
}

TEST_P(BalancedChannelsOf, RefusesScalesOfAnotherModel) {
    auto scales = random_scales(model_config(open()));
    scales[1][1].pop_back();
    EXPECT_THAT(
        [&] { balance_channels(open(), scales, all); },
        testing::ThrowsMessage<Error>(testing::HasSubstr("channel scales for the input of o")));
    scales.pop_back();
    EXPECT_THAT([&] { balance_channels(open(), scales, all); },
                testing::ThrowsMessage<Error>(testing::HasSubstr("of 1 blocks for a model of 2")));
}

INSTANTIATE_TEST_SUITE_P(Every, BalancedChannelsOf,
                         testing::Values("llama", "llama31", "mistral", "qwen2", "qwen3", "biased"),
                         [](const auto& model) { return std::string(model.param); });

TEST(Balance, NoOtherScalesMakeTheProductSmaller) {
    Random random{9};
    std::vector<double> x(48), w(48);
    for (auto* energies : {&x, &w})
        for (double& e : *energies) e = std::exp(2 * random.normal());
    const double mean_x = std::accumulate(x.begin(), x.end(), 0.0) / 48,
                 mean_w = std::accumulate(w.begin(), w.end(), 0.0) / 48;
    const auto product = [&](const std::vector<float>& d) {
        double inputs = 0, weights = 0;
        for (std::size_t i = 0; i < 48; ++i) {
            inputs += d[i] * d[i] * (x[i] + 0.01 * mean_x);
            weights += (w[i] + 0.01 * mean_w) / d[i] / d[i];
        }
        return inputs * weights;
    };
    const std::vector<float> best = balance(x, w);
    double roots = 0, logs = 0;
    for (std::size_t i = 0; i < 48; ++i) {
        roots += std::sqrt((x[i] + 0.01 * mean_x) * (w[i] + 0.01 * mean_w));
        logs += std::log(best[i]);
    }
    EXPECT_NEAR(product(best) / (roots * roots), 1, 1e-6);
    EXPECT_NEAR(logs, 0, 1e-5);
    EXPECT_GT(product(std::vector<float>(48, 1.0f)), 1.5 * product(best));
    for (std::size_t i = 0; i < 48; ++i) {
        for (const float factor : {0.9f, 1.1f}) {
            auto other = best;
            other[i] *= factor;
            EXPECT_GT(product(other), product(best));
        }
    }
}

TEST(Balance, LeavesWhatCarriesNothing) {
    const std::vector<double> zeros(4, 0.0), some{1, 2, 0, 4};
    const std::vector<float> ones(4, 1.0f);
    EXPECT_EQ(balance(zeros, some), ones);
    EXPECT_EQ(balance(some, zeros), ones);
    EXPECT_EQ(balance({1, INFINITY, 1, 1}, some), ones);
    for (const float d : balance(some, {3, 0, 5, 1})) EXPECT_TRUE(d > 0.1f && d < 10);
}

}  // namespace
}  // namespace hb
