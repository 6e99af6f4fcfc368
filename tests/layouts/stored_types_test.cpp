// SPDX-License-Identifier: Apache-2.0
// Tensors that are not quantized linears keep their values: in the type of the file where the
// presented one has too few bits, in Q8_0 from GGUF to GGUF, rounded only when that is allowed.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/error.hpp"
#include "core/float_bits.hpp"
#include "io/make_gguf.hpp"
#include "io/temporary_folder.hpp"
#include "layouts/convert.hpp"

namespace hb {
namespace {

using testing::HasSubstr;
using testing::ThrowsMessage;

class StoredTypes : public testing::Test {
protected:
    // A llama of F32 but for its embedding in Q8_0; the last norm is beyond bf16.
    void SetUp() override {
        auto b = tiny_keys();
        std::string blocks;
        for (int row = 0; row < 8; ++row) {
            const std::uint16_t scale = float_to_f16(0.0137f * static_cast<float>(row + 1));
            blocks.append(reinterpret_cast<const char*>(&scale), 2);
            for (int i = 0; i < 32; ++i) blocks += static_cast<char>(row * 31 + i * 7 - 100);
        }
        b.tensor("token_embd.weight", {32, 8}, 8, blocks);
        b.floats("output_norm.weight", {32}, std::vector<float>(32, 0.1f));
        int salt = 3;
        const auto add = [&](const char* name, std::vector<std::uint64_t> dims) {
            std::size_t n = 1;
            for (const auto d : dims) n *= d;
            b.floats(name, std::move(dims), tiny_values(salt++, n));
        };
        add("blk.0.attn_norm.weight", {32});
        add("blk.0.ffn_norm.weight", {32});
        add("blk.0.attn_q.weight", {32, 32});
        add("blk.0.attn_k.weight", {32, 16});
        add("blk.0.attn_v.weight", {32, 16});
        add("blk.0.attn_output.weight", {32, 32});
        add("blk.0.ffn_gate.weight", {32, 64});
        add("blk.0.ffn_up.weight", {32, 64});
        add("blk.0.ffn_down.weight", {64, 32});
        folder.put("in.gguf", b.build());
    }
    Conversion to(const char* layout, const char* out, bool allow_loss = false) const {
        return convert((folder.path / "in.gguf").string(), folder.path / out, find_layout(layout),
                       {allow_loss});
    }
    TemporaryFolder folder;
};

TEST_F(StoredTypes, Q8StaysInItsCodesFromGgufToGguf) {
    const auto c = to("gguf", "out.gguf");
    EXPECT_EQ(c.proof.largest, 0);
    const auto in = Checkpoint::open((folder.path / "in.gguf").string());
    const auto out = Checkpoint::open((folder.path / "out.gguf").string());
    const auto a = in.read_q8_rows("model.embed_tokens.weight", 0, 8, 32);
    const auto b = out.read_q8_rows("model.embed_tokens.weight", 0, 8, 32);
    EXPECT_EQ(a.codes.values, b.codes.values);
    EXPECT_EQ(a.scales.values, b.scales.values);
    EXPECT_EQ(out.find("model.layers.0.self_attn.q_proj.weight")->stored_type, "BF16");
}

TEST_F(StoredTypes, AFolderRoundsQ8OnlyWhenAllowed) {
    EXPECT_THAT([&] { to("bf16", "out"); }, ThrowsMessage<Error>(HasSubstr("--allow-loss")));
    const auto c = to("bf16", "out", true);
    EXPECT_GT(c.proof.largest, 0);
    EXPECT_LT(c.proof.relative, 1. / 256);
    const auto out = Checkpoint::open((folder.path / "out").string());
    EXPECT_EQ(out.find("model.embed_tokens.weight")->dtype, "BF16");
    EXPECT_EQ(out.find("model.norm.weight")->dtype, "F32");
    EXPECT_EQ(out.read("model.norm.weight", 1, 32)(0, 5), 0.1f);
    EXPECT_EQ(out.find("model.layers.0.input_layernorm.weight")->dtype, "BF16");
}

}  // namespace
}  // namespace hb
