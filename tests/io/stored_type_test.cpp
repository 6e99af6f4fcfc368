// SPDX-License-Identifier: Apache-2.0
// Against gguf-py's dequantize on random blocks (golden/make_golden.py).
#include "io/stored_type.hpp"

#include <gtest/gtest.h>

#include <cstring>

#include "core/file.hpp"
#include "io/checkpoint.hpp"
#include "io/make_gguf.hpp"
#include "io/safetensors.hpp"
#include "io/temporary_folder.hpp"

namespace hb {
namespace {

struct Golden {
    std::string raw;
    std::vector<float> values;
};

Golden golden(const std::string& type) {
    static const std::string file =
        read_file(HALFBYTE_TESTS_DIR "/io/golden/ggml_blocks.safetensors");
    const auto header = parse_safetensors(std::as_bytes(std::span(file)), "ggml_blocks");
    Golden result;
    for (const auto& entry : header.entries) {
        const auto part = file.substr(header.data_offset + entry.begin, entry.end - entry.begin);
        if (entry.name == type + ".raw") result.raw = part;
        if (entry.name != type + ".values") continue;
        result.values.resize(part.size() / 4);
        std::memcpy(result.values.data(), part.data(), part.size());
    }
    return result;
}

class BlockType : public testing::TestWithParam<StoredType> {};

TEST_P(BlockType, DecodesAsGgufPy) {
    const auto& type = GetParam();
    const auto [raw, values] = golden(std::string(type.name));
    ASSERT_EQ(values.size(), 512u);
    ASSERT_EQ(raw.size() / static_cast<std::size_t>(type.bytes),
              512u / static_cast<std::size_t>(type.block));
    std::vector<float> ours(512);
    if (type.fp4()) {
        auto b = tiny_keys();
        tiny_tensors(b, "blk.0.ffn_down.weight");
        b.tensor("blk.0.ffn_down.weight", {64, 8}, static_cast<std::uint32_t>(type.ggml), raw);
        TemporaryFolder folder;
        const auto model = Checkpoint::open(folder.put("x.gguf", b.build()));
        const auto q = model.read_quantized("model.layers.0.mlp.down_proj", 8, 64);
        ASSERT_TRUE(q);
        const auto w = dequantize(*q);
        ours.assign(w.values.begin(), w.values.end());
        const auto read = model.read("model.layers.0.mlp.down_proj.weight", 8, 64);
        EXPECT_TRUE(std::equal(ours.begin(), ours.end(), read.values.begin()));
    } else {
        type.decode(reinterpret_cast<const std::byte*>(raw.data()), 512 / type.block, ours.data());
    }
    for (std::size_t i = 0; i < 512; ++i) ASSERT_EQ(ours[i], values[i]) << i;
}

std::vector<StoredType> block_types() {
    std::vector<StoredType> types;
    for (const auto& type : all_stored_types())
        if (!type.plain()) types.push_back(type);
    return types;
}
INSTANTIATE_TEST_SUITE_P(All, BlockType, testing::ValuesIn(block_types()),
                         [](const auto& each) { return std::string(each.param.name); });

TEST(StoredTypes, AreFoundByNameAndByNumber) {
    for (const auto& type : all_stored_types()) {
        EXPECT_EQ(find_stored_type(type.name), &type);
        EXPECT_EQ(find_ggml_type(static_cast<std::uint32_t>(type.ggml)), &type);
    }
    EXPECT_EQ(find_ggml_type(10), nullptr);
    EXPECT_EQ(find_stored_type("I8"), nullptr);
}

}  // namespace
}  // namespace hb
