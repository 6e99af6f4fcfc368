// SPDX-License-Identifier: Apache-2.0
// Tensors that are not quantized linears keep their values: in the type of the file where the
// presented one has too few bits, in Q8_0 from GGUF to GGUF, rounded only when that is allowed;
// and embedding and head go to Q8_0 when they are told to.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <map>

#include "core/error.hpp"
#include "core/float_bits.hpp"
#include "io/make_gguf.hpp"
#include "io/temporary_folder.hpp"
#include "layouts/convert.hpp"
#include "layouts/random_model.hpp"

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

// The scale of a block is the fp16 nearest to its largest magnitude / 127, so that no value is
// moved by more than half of it but for the rounding of the scale itself, at most 2^-11 of 127.
TEST(Q8Head, RoundsEmbeddingAndHeadAndNothingElse) {
    for (const bool tied : {false, true}) {
        test::ModelOptions o;
        o.shape.tied = tied;
        o.extreme = false;
        const TemporaryFolder folder;
        const auto in = (folder.path / "in").string(), out = (folder.path / "out.gguf").string();
        test::write_model(in, o);
        const auto c = convert(in, out, find_layout("gguf"), {true, true});
        EXPECT_GT(c.proof.largest, 0);
        EXPECT_EQ(c.proof.coded, 13);
        EXPECT_EQ(c.proof.recoded, 0);
        const auto before = Checkpoint::open(in), after = Checkpoint::open(out);
        for (const auto& tensor : contents_of(before).tensors) {
            const auto rows = rows_of(tensor), cols = cols_of(tensor);
            const auto a = before.read_stored_rows(tensor.name, 0, rows, cols);
            const auto b = after.read_stored_rows(tensor.name, 0, rows, cols);
            const bool q8 = after.find(tensor.name)->stored_type == "Q8_0";
            EXPECT_EQ(
                q8, tensor.name == "model.embed_tokens.weight" || tensor.name == "lm_head.weight");
            if (!q8) {
                EXPECT_EQ(a.values, b.values) << tensor.name;
                continue;
            }
            const auto blocks = after.read_q8_rows(tensor.name, 0, rows, cols);
            for (std::int64_t r = 0; r < rows; ++r)
                for (std::int64_t i = 0; i < cols; ++i)
                    EXPECT_LE(std::fabs(a(r, i) - b(r, i)),
                              f16_to_float(blocks.scales(r, i / 32)) * (0.5f + 127 / 2048.f));
        }
        EXPECT_EQ(after.has("lm_head.weight"), !tied);
        const auto again = convert(out, folder.path / "again.gguf", find_layout("gguf"), {});
        EXPECT_EQ(again.proof.largest, 0);
    }
}

TEST(Q8Head, IsRefusedWithoutLeaveAndWhereItDoesNotFit) {
    const auto refused = [](const test::ModelOptions& o, const char* layout, bool allow_loss,
                            const char* message) {
        const TemporaryFolder folder;
        test::write_model(folder.path / "in", o);
        EXPECT_THAT(
            [&] {
                convert((folder.path / "in").string(), folder.path / "out", find_layout(layout),
                        {allow_loss, true});
            },
            ThrowsMessage<Error>(HasSubstr(message)));
        EXPECT_FALSE(std::filesystem::exists(folder.path / "out"));
    };
    test::ModelOptions o;
    refused(o, "gguf", false, "'lm_head.weight' is BF16, which Q8_0 rounds: allow it");
    refused(o, "compressed-tensors", true, "--head q8_0 is for --to gguf");
    o.scheme = "mxfp4";
    o.shape.hidden = 48;
    o.shape.heads = 3;
    o.shape.kv_heads = 1;
    refused(o, "gguf", true, "48 columns");
}

TEST(GgufKeys, ArchitectureIsOneInWhichLlamaCppAppliesFactors) {
    for (const auto& [type, scheme, wanted] : {std::tuple{"qwen2", "nvfp4a16", "llama"},
                                               {"qwen2", "mxfp4a16", "qwen2"},
                                               {"qwen3", "nvfp4a16", "qwen3"},
                                               {"mistral", "mxfp4a16", "llama"}}) {
        test::ModelOptions o;
        o.shape.type = type;
        o.scheme = scheme;
        const TemporaryFolder folder;
        test::write_model(folder.path / "in", o);
        convert((folder.path / "in").string(), folder.path / "out.gguf", find_layout("gguf"), {});
        const std::string file = read_file(folder.path / "out.gguf");
        const Gguf gguf = parse_gguf(std::as_bytes(std::span(file)), "out.gguf");
        EXPECT_EQ(gguf.text("general.architecture"), wanted) << type << scheme;
        EXPECT_EQ(Checkpoint::open((folder.path / "out.gguf").string()).config()["model_type"],
                  type);
    }
}

// What the reader makes of a GGUF's tokenizer is what the writer makes the same keys of.
TEST(GgufKeys, EveryPreTokenizerComesBack) {
    for (const char* pre : {"llama-bpe", "qwen2", "smollm", "gpt-2"}) {
        const TemporaryFolder folder;
        auto b = tiny_keys();
        b.text("tokenizer.ggml.model", "gpt2").text("tokenizer.ggml.pre", pre);
        b.texts("tokenizer.ggml.tokens", {"a", "<s>", "</s>", "b", "ab", "\u0120", "<tool>", "c"});
        b.wholes("tokenizer.ggml.token_type", {1, 3, 3, 1, 1, 1, 4, 1});
        b.texts("tokenizer.ggml.merges", {"a b"});
        b.whole("tokenizer.ggml.eot_token_id", 6).flag("tokenizer.ggml.add_bos_token", true);
        b.text("tokenizer.chat_template", "{{ messages }}");
        tiny_tensors(b);
        const auto in = folder.put("in.gguf", b.build());
        const auto out = (folder.path / "out.gguf").string();
        convert(in, out, find_layout("gguf"), {});
        const auto before = Checkpoint::open(in), after = Checkpoint::open(out);
        for (const char* name :
             {"tokenizer.json", "tokenizer_config.json", "generation_config.json"})
            EXPECT_EQ(before.asset(name), after.asset(name)) << pre;
        EXPECT_EQ(before.config(), after.config()) << pre;
    }
}

// A file may have been quantized again since, or damaged.
TEST(GgufKeys, OurOwnCountOnlyWhenTheyFit) {
    const TemporaryFolder folder;
    const auto open_with = [&](const std::function<void(GgufBuilder&)>& change) {
        auto b = tiny_keys();
        tiny_tensors(b);
        change(b);
        return Checkpoint::open(folder.put("a.gguf", b.build()));
    };
    Json config = open_with([](GgufBuilder&) {}).config();
    config["name_of_the_house"] = "ours";
    const auto with_config = [&](const std::string& text) {
        return open_with([&](GgufBuilder& b) { b.text("halfbyte.config", text); }).config();
    };
    EXPECT_EQ(with_config(config.dump()), config);
    EXPECT_THAT([&] { with_config("{"); }, ThrowsMessage<Error>(HasSubstr("halfbyte.config")));
    for (const auto& [name, value] : std::map<std::string, Json>{
             {"hidden_size", 64},
             {"vocab_size", "8"},
             {"num_hidden_layers", nullptr},
             {"quantization_config", {{"quant_method", "compressed-tensors"}}},
             {"quantization_config", 3}}) {
        Json other = config;
        other[name] = value;
        EXPECT_FALSE(with_config(other.dump()).contains("name_of_the_house")) << name;
    }
    EXPECT_THAT(
        [&] {
            open_with([](GgufBuilder& b) {
                b.texts("halfbyte.original.names", {"a.scale", "b.scale"});
                b.wholes("halfbyte.original.values", {1, 2});
            });
        },
        ThrowsMessage<Error>(HasSubstr("must be 2 F32")));
}

}  // namespace
}  // namespace hb
