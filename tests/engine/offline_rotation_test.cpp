// SPDX-License-Identifier: Apache-2.0
// A model rotated offline has the logits of the model, whatever the transform; and every tensor
// that is changed must be, in the order that is written down. HALFBYTE_MODELS names more models,
// colon-separated.
#include "model/offline_rotation.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <sstream>

#include "core/error.hpp"
#include "core/float_bits.hpp"
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

double difference(const Matrix<float>& wanted, const Matrix<float>& got) {
    return relative_difference(wanted.values, got.values);
}

bool all(const std::string&) {
    return true;
}
bool none(const std::string&) {
    return false;
}

// The same values whatever it is derived from.
DerivedTensor fixed(const std::string& name, Matrix<float> values) {
    return {name, name, "F32",
            [values = std::move(values)](const DerivedTensor::Rows&, std::int64_t first,
                                         std::int64_t count) {
                Matrix<float> rows(count, values.cols);
                std::copy_n(values.row(first), count * values.cols, rows.values.data());
                return rows;
            }};
}

Matrix<float> whole(const Checkpoint& checkpoint, const std::string& name) {
    const auto& shape = checkpoint.find(name)->shape;
    return checkpoint.read(name, shape.size() == 1 ? 1 : shape[0], shape.back());
}

class OfflineRotationOf : public testing::TestWithParam<const char*> {
protected:
    void SetUp() override {
        if (GetParam() == std::string("biased"))
            write_biased(golden("llama31"), folder.path);
        else
            path = golden(GetParam());
    }
    Checkpoint open() const { return Checkpoint::open(path); }
    Checkpoint rotated(const std::string& residual = "randomized-hadamard:16",
                       const std::string& heads = "dct:4", bool wide = true) const {
        const ModelConfig config = parse_config(open().config(), "test");
        return rotate_offline(open(),
                              {parse_transform(residual, config.hidden, 7),
                               parse_transform(heads, config.head_dim, 7), order, kept},
                              wide ? all : none);
    }
    Checkpoint with(DerivedTensor other) const {
        Checkpoint model = rotated();
        Json config = model.config();
        std::vector<DerivedTensor> tensors;
        tensors.push_back(std::move(other));
        return Checkpoint::derive(std::move(model), std::move(config), std::move(tensors));
    }
    TemporaryFolder folder;
    std::string path = folder.path;
    std::vector<std::int64_t> order = {};  // of the 32 channels
    std::int64_t kept = 0;
};

// fp32 sums in another basis: a few 1e-6 here; ten times that is a bug.
TEST_P(OfflineRotationOf, HasTheLogitsOfTheModel) {
    const Matrix<float> wanted = logits_of(open());
    for (const TransformKind& kind : all_transforms()) {
        const std::string name(kind.name);
        const Checkpoint model = rotated(name + ":32", name + ":8");
        EXPECT_EQ(model.config().value("tie_word_embeddings", false), false);
        EXPECT_LT(difference(wanted, logits_of(model)), 3e-5) << name;
    }
    for (std::int64_t c = 0; c < 32; ++c) order.push_back(11 * c % 32);
    for (const char* residual : {"none", "randomized-hadamard:8"})
        EXPECT_LT(difference(wanted, logits_of(rotated(residual, "dct:4"))), 3e-5);
    order = channels_by_norms(open());
    EXPECT_LT(difference(wanted, logits_of(rotated("none", "hadamard:2"))), 3e-5);
    EXPECT_LT(difference(wanted, logits_of(rotated("gsr:4", "none"))), 3e-5);
    for (kept = 8; kept <= 32; kept += 8)
        EXPECT_LT(difference(wanted, logits_of(rotated("hadamard:8", "dct:4"))), 3e-5) << kept;
}

TEST_P(OfflineRotationOf, LeavesChannelsThatAreKeptAndTheirNorms) {
    order = channels_by_norms(open());
    kept = 8;
    const Checkpoint plain = open(), model = rotated("hadamard:8", "dct:4");
    const std::string norm = "model.layers.1.input_layernorm.weight",
                      embedding = "model.embed_tokens.weight";
    const Matrix<float> before = whole(plain, norm), after = whole(model, norm),
                        rows = whole(plain, embedding), turned = whole(model, embedding);
    for (std::int64_t c = 0; c < 32; ++c) {
        const std::int64_t from = order[static_cast<std::size_t>(c)];
        EXPECT_EQ(after(0, c), c < kept ? before(0, from) : 1);
        int same = 0;
        for (std::int64_t r = 0; r < rows.rows; ++r) same += turned(r, c) == rows(r, from);
        EXPECT_EQ(same == rows.rows, c < kept) << c;
    }
}

TEST_P(OfflineRotationOf, NeedsEveryTensorThatItChanges) {
    const Checkpoint model = rotated(), plain = open();
    const Matrix<float> wanted = logits_of(plain);
    int changed = 0;
    for (const TensorInfo& info : model.tensors()) {
        if (info.stored_type != "derived") continue;
        const bool untied = info.name == "lm_head.weight" && !plain.has(info.name);
        const auto original = whole(plain, untied ? "model.embed_tokens.weight" : info.name);
        EXPECT_GT(difference(wanted, logits_of(with(fixed(info.name, original)))), 1e-3)
            << info.name;
        ++changed;
    }
    EXPECT_GE(changed, 3 + 2 * 9);
}

TEST_P(OfflineRotationOf, PutsChannelsOfLikeNormsTogether) {
    const auto norm = [&](int layer, const char* name) {
        return whole(open(), "model.layers." + std::to_string(layer) + "." + name + ".weight");
    };
    const auto size_of = [&](std::int64_t c) {
        double size = 0;
        for (const int layer : {0, 1})
            for (const char* name : {"input_layernorm", "post_attention_layernorm"}) {
                const Matrix<float> g = norm(layer, name);
                double sum = 0;
                for (const float x : g.values) sum += std::fabs(x);
                size += std::fabs(g(0, c)) / sum;
            }
        return size;
    };
    const auto channels = channels_by_norms(open());
    ASSERT_TRUE(std::is_permutation(channels.begin(), channels.end(),
                                    [] {
                                        std::vector<std::int64_t> all(32);
                                        for (std::int64_t c = 0; c < 32; ++c)
                                            all[static_cast<std::size_t>(c)] = c;
                                        return all;
                                    }()
                                        .begin()));
    for (std::size_t i = 1; i < 32; ++i) EXPECT_LE(size_of(channels[i - 1]), size_of(channels[i]));
}

TEST_P(OfflineRotationOf, FoldsNormsBeforeItRotates) {
    const Checkpoint plain = open();
    const Matrix<float> wanted = logits_of(plain);
    const Transform residual = parse_transform("randomized-hadamard:16", 32, 7);
    for (const bool norm_first : {true, false}) {
        const std::string name = "model.layers.1.mlp.gate_proj.weight";
        Matrix<float> w = whole(plain, name);
        const auto norm = whole(plain, "model.layers.1.post_attention_layernorm.weight");
        if (!norm_first) apply(residual, w.view());
        for (std::int64_t r = 0; r < w.rows; ++r)
            for (std::int64_t c = 0; c < w.cols; ++c) w(r, c) *= norm(0, c);
        if (norm_first) apply(residual, w.view());
        const double error = difference(wanted, logits_of(with(fixed(name, w))));
        if (norm_first)
            EXPECT_LT(error, 3e-5);
        else
            EXPECT_GT(error, 1e-3);
    }
}

TEST_P(OfflineRotationOf, GivesTheSameRowsHoweverTheyAreRead) {
    order = channels_by_norms(open());
    kept = 16;
    const Checkpoint wide = rotated(), narrow = rotated("randomized-hadamard:16", "dct:4", false);
    for (const TensorInfo& info : wide.tensors()) {
        if (info.stored_type != "derived" || info.shape.size() != 2) continue;
        Matrix<float> w = whole(wide, info.name);
        for (const auto& [first, count] : {std::pair{0, 1}, {3, 9}, {w.rows - 2, 2}, {7, 0}}) {
            const auto rows = wide.read_rows(info.name, first, count, w.cols);
            ASSERT_EQ(rows.rows, count);
            EXPECT_TRUE(std::equal(rows.values.begin(), rows.values.end(), w.row(first)))
                << info.name;
        }
        EXPECT_EQ(narrow.find(info.name)->dtype, "BF16");
        const auto bytes = narrow.read_bytes(info.name);
        ASSERT_EQ(bytes.size(), 2 * w.values.size());
        for (float& x : w.values) x = round_to_bf16(x);
        EXPECT_EQ(whole(narrow, info.name).values, w.values);
        for (std::size_t i = 0; i < w.values.size(); ++i) {
            std::uint16_t bits = 0;
            std::memcpy(&bits, bytes.data() + 2 * i, 2);
            ASSERT_EQ(bf16_to_float(bits), w.values[i]);
        }
    }
}

TEST_P(OfflineRotationOf, RefusesBlocksThatDoNotDivide) {
    const Transform wide = parse_transform("hadamard:64", 64, 0),
                    good = parse_transform("hadamard:4", 64, 0);
    const auto refuses = [&](const OfflineRotation& rotation, const char* what) {
        EXPECT_THAT([&] { rotate_offline(open(), rotation, all); },
                    testing::ThrowsMessage<Error>(testing::HasSubstr(what)));
    };
    refuses({wide, good, {}}, "hidden_size is not a multiple of 64");
    refuses({good, wide, {}}, "head_dim is not a multiple of 64");
    refuses({good, good, {}, 6},
            "cannot keep 6 channels of 32 unrotated: wanted whole blocks of 4");
    refuses({good, good, {}, 36}, "cannot keep 36 channels");
}

INSTANTIATE_TEST_SUITE_P(Every, OfflineRotationOf,
                         testing::Values("llama", "llama31", "mistral", "qwen2", "qwen3", "biased"),
                         [](const auto& model) { return std::string(model.param); });

TEST(OfflineRotation, OfRealModels) {
    const char* models = std::getenv("HALFBYTE_MODELS");
    if (!models) GTEST_SKIP() << "HALFBYTE_MODELS names no models";
    std::istringstream parts(models);
    for (std::string path; std::getline(parts, path, ':');) {
        const ModelConfig config = parse_config(Checkpoint::open(path).config(), path);
        const Transform residual = parse_transform("auto", config.hidden, 0);
        const Checkpoint model =
            rotate_offline(Checkpoint::open(path),
                           {residual, parse_transform("auto", config.head_dim, 0),
                            channels_by_norms(Checkpoint::open(path)), residual.block},
                           all);
        const double error = difference(logits_of(Checkpoint::open(path)), logits_of(model));
        RecordProperty(path, std::to_string(error));
        std::printf("%s: %.2e\n", path.c_str(), error);
        EXPECT_LT(error, 1e-4) << path;
    }
}

}  // namespace
}  // namespace hb
