// SPDX-License-Identifier: Apache-2.0
#include "io/gguf.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/error.hpp"
#include "io/checkpoint.hpp"
#include "io/make_gguf.hpp"
#include "io/temporary_folder.hpp"

namespace hb {
namespace {

using Builder = GgufBuilder;

struct Damage {
    const char* name;
    std::string (*make)();
    const char* message;
};

std::string replaced(std::string text, std::size_t at, std::string_view with) {
    return text.replace(at, with.size(), with);
}

template <class T>
std::string number_at(std::size_t at, T value) {
    return replaced(tiny_gguf(), at, {reinterpret_cast<const char*>(&value), sizeof value});
}

// A right file with one more key, or one more tensor.
template <class F>
std::string with(F change, const char* without = "") {
    auto b = tiny_keys();
    tiny_tensors(b, without);
    change(b);
    return b.build();
}

const std::string kData(1024, '\0');

const Damage kDamages[] = {
    {"empty", [] { return std::string(); }, "does not begin with 'GGUF'"},
    {"magic", [] { return replaced(tiny_gguf(), 0, "GGUX"); }, "does not begin with 'GGUF'"},
    {"version_2", [] { return number_at<std::uint32_t>(4, 2); }, "version 2"},
    {"big_endian", [] { return number_at<std::uint32_t>(4, 0x03000000); }, "big-endian"},
    {"many_tensors", [] { return number_at<std::uint64_t>(8, 1ull << 60); }, "tensors in a file"},
    {"many_keys", [] { return number_at<std::uint64_t>(16, ~0ull); }, "keys in a file"},
    {"one_tensor_too_many",
     [] {
         auto b = tiny_keys();
         tiny_tensors(b);
         b.extra_tensors = 1;
         return b.build();
     },
     ""},
    {"one_key_too_many",
     [] {
         auto b = tiny_keys();
         tiny_tensors(b);
         b.extra_keys = 1;
         return b.build();
     },
     ""},
    {"long_key", [] { return number_at<std::uint64_t>(24, ~0ull); }, "the file ends"},
    {"key_type", [] { return with([](Builder& b) { b.key("x", static_cast<GgufKind>(13), 1); }); },
     "unknown type 13"},
    {"key_twice", [] { return with([](Builder& b) { b.whole("llama.block_count", 1); }); },
     "occurs twice"},
    {"long_text", [] { return with([](Builder& b) { b.key("x", GgufKind::string, ~0ull); }); },
     "the file ends"},
    {"nested_array",
     [] { return with([](Builder& b) { b.begin_array("x", GgufKind::array, 1); }); },
     "array of arrays"},
    {"long_array",
     [] { return with([](Builder& b) { b.begin_array("x", GgufKind::u8, 1ull << 40); }); },
     "elements"},
    {"huge_array",
     [] { return with([](Builder& b) { b.begin_array("x", GgufKind::f64, 1ull << 61); }); },
     "elements"},
    {"alignment_0", [] { return with([](Builder& b) { b.whole("general.alignment", 0); }); },
     "power of two"},
    {"alignment_24", [] { return with([](Builder& b) { b.whole("general.alignment", 24); }); },
     "power of two"},
    {"alignment_text", [] { return with([](Builder& b) { b.text("general.alignment", "32"); }); },
     "whole number"},
    {"no_dimensions", [] { return with([](Builder& b) { b.tensor("x", {}, 0, kData); }); },
     "dimensions"},
    {"five_dimensions",
     [] { return with([](Builder& b) {
              b.tensor("x", {1, 1, 1, 1, 1}, 0, kData);
          }); },
     "dimensions"},
    {"dimension_0", [] { return with([](Builder& b) {
                             b.tensor("x", {32, 0}, 0, kData);
                         }); },
     "dimension 1 is 0"},
    {"dimension_huge",
     [] { return with([](Builder& b) { b.tensor("x", {1ull << 63}, 0, kData); }); }, "dimension 0"},
    {"overflow",
     [] { return with([](Builder& b) {
              b.tensor("x", {1ull << 33, 1ull << 33}, 0, kData);
          }); },
     "dimension 1"},
    {"type_q2_k", [] { return with([](Builder& b) { b.tensor("x", {256}, 10, kData); }); },
     "10 (Q2_K)"},
    {"type_999", [] { return with([](Builder& b) { b.tensor("x", {256}, 999, kData); }); },
     "unsupported type 999"},
    {"half_block", [] { return with([](Builder& b) {
                            b.tensor("x", {48, 2}, 2, kData);
                        }); },
     "block of 32"},
    {"beyond", [] { return with([](Builder& b) { b.tensor("x", {4096}, 0, kData); }); },
     "beyond the end"},
    {"offset_huge",
     [] { return with([](Builder& b) { b.tensor("x", {256}, 0, kData, -64 - (1ll << 62)); }); },
     "beyond the end"},
    {"unaligned", [] { return with([](Builder& b) { b.tensor("x", {248}, 0, kData, 4); }); },
     "multiple of the alignment"},
    {"overlap", [] { return with([](Builder& b) { b.tensor("x", {248}, 0, kData, -32); }); },
     "overlaps"},
    {"hole", [] { return with([](Builder& b) { b.tensor("x", {8}, 0, kData, 32); }); },
     "unused bytes"},
    {"trailing", [] { return tiny_gguf() + std::string(64, 'x'); }, "after the last tensor"},
    {"tensor_twice",
     [] { return with([](Builder& b) { b.tensor("output_norm.weight", {256}, 0, kData); }); },
     "occurs twice"},
    {"no_architecture",
     [] {
         Builder b;
         tiny_tensors(b);
         return b.build();
     },
     "'general.architecture' is missing"},
    {"architecture", [] { return tiny_gguf("gemma2"); }, "'gemma2' is not supported"},
    {"no_heads",
     [] {
         Builder b;
         b.text("general.architecture", "llama");
         tiny_tensors(b);
         return b.build();
     },
     "head_count' is missing"},
    {"heads_text",
     [] {
         Builder b;
         b.text("general.architecture", "llama").text("llama.attention.head_count", "4");
         tiny_tensors(b);
         return b.build();
     },
     "not a whole number"},
    {"heads_0",
     [] {
         Builder b;
         b.text("general.architecture", "llama").whole("llama.attention.head_count", 0);
         tiny_tensors(b);
         return b.build();
     },
     "is 0"},
    {"experts", [] { return with([](Builder& b) { b.whole("llama.expert_count", 8); }); },
     "mixtures of experts"},
    {"expert_tensor",
     [] { return with([](Builder& b) { b.tensor("blk.0.ffn_up_exps.weight", {256}, 0, kData); }); },
     "mixtures of experts"},
    {"unknown_tensor",
     [] { return with([](Builder& b) { b.tensor("blk.0.ssm_a", {256}, 0, kData); }); },
     "not known"},
    {"no_embedding",
     [] {
         auto b = tiny_keys();
         tiny_tensors(b, "token_embd.weight");
         return b.build();
     },
     "token_embd.weight"},
    {"q_rows",
     [] {
         return with(
             [](Builder& b) {
                 b.tensor("blk.0.attn_q.weight", {32, 8}, 0, kData);
             },
             "blk.0.attn_q.weight");
     },
     "wanted 4 heads"},
    {"rotary", [] { return with([](Builder& b) { b.whole("llama.rope.dimension_count", 4); }); },
     "differs from the head size"},
    {"factor_of_a_dense_weight",
     [] { return with([](Builder& b) { b.floats("blk.0.ffn_down.scale", {1}, {2}); }); },
     "only MXFP4 and NVFP4"},
};

class DamagedGguf : public testing::TestWithParam<Damage> {};

TEST_P(DamagedGguf, IsRefusedByName) {
    TemporaryFolder folder;
    const auto file = folder.put("damaged.gguf", GetParam().make());
    try {
        Checkpoint::open(file);
        FAIL() << "accepted";
    } catch (const Error& error) {
        EXPECT_THAT(error.what(), testing::HasSubstr(GetParam().message));
        EXPECT_THAT(error.what(), testing::HasSubstr(file));
        EXPECT_EQ(std::string(error.what()).find('\n'), std::string::npos);
    }
}
INSTANTIATE_TEST_SUITE_P(All, DamagedGguf, testing::ValuesIn(kDamages),
                         [](const auto& each) { return std::string(each.param.name); });

TEST(Gguf, EveryTruncationIsRefused) {
    const auto file = tiny_gguf();
    const auto bytes = std::as_bytes(std::span(file));
    EXPECT_NO_THROW(parse_gguf(bytes, "x"));
    for (std::size_t n = 0; n < file.size(); n += n < 2048 ? 1 : 97)
        EXPECT_THROW(parse_gguf(bytes.first(n), "x"), Error) << n;
}

TEST(Gguf, ReadsEveryKindOfValue) {
    Builder b;
    b.key("i8", GgufKind::i8, std::int8_t{-3}).key("u64", GgufKind::u64, std::uint64_t{1} << 40);
    b.key("f64", GgufKind::f64, 0.25).real("f32", 1e-5f).flag("flag", true).text("text", "x y");
    b.texts("texts", {"a", "", "bc"}).wholes("wholes", {1, -2});
    const auto file = b.build();
    const auto gguf = parse_gguf(std::as_bytes(std::span(file)), "x");
    EXPECT_EQ(gguf.whole("i8"), -3);
    EXPECT_EQ(gguf.whole("u64"), std::int64_t{1} << 40);
    EXPECT_EQ(gguf.real_or_none("f64"), 0.25);
    EXPECT_EQ(gguf.real_or_none("f32"), 1e-5);  // the decimal, not the fp32's neighbour
    EXPECT_EQ(gguf.flag_or_none("flag"), true);
    EXPECT_EQ(gguf.text("text"), "x y");
    EXPECT_EQ(gguf.texts("texts"), (std::vector<std::string_view>{"a", "", "bc"}));
    EXPECT_EQ(gguf.wholes("wholes"), (std::vector<std::int64_t>{1, -2}));
    EXPECT_FALSE(gguf.whole_or_none("absent"));
    EXPECT_THROW(gguf.whole("absent"), Error);
    EXPECT_THROW(gguf.whole("text"), Error);
    EXPECT_THROW(gguf.texts("wholes"), Error);
}

}  // namespace
}  // namespace hb
