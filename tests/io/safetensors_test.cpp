// SPDX-License-Identifier: Apache-2.0
#include "io/safetensors.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "core/error.hpp"
#include "io/make_safetensors.hpp"

namespace hb {
namespace {

struct Damage {
    const char* name;
    std::string header;
    std::size_t data;
    const char* message;
};

class DamagedSafetensors : public testing::TestWithParam<Damage> {};

TEST_P(DamagedSafetensors, IsRefusedByName) {
    const auto bytes = safetensors_file(GetParam().header, GetParam().data);
    try {
        parse_safetensors(bytes, "x.safetensors");
        FAIL() << "accepted";
    } catch (const Error& error) {
        EXPECT_THAT(error.what(), testing::HasSubstr(GetParam().message));
        EXPECT_THAT(error.what(), testing::HasSubstr("x.safetensors"));
        EXPECT_EQ(std::string(error.what()).find('\n'), std::string::npos);
    }
}

const std::string kGood = R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}})";

const Damage kDamages[] = {
    {"empty", "", 0, "does not begin"},
    {"array", "[]", 0, "does not begin"},
    {"cut_json", R"({"a":{"dtype":"F32")", 0, "not valid JSON"},
    {"invalid_utf8", "{\"\xff\xfe\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]}}", 8,
     "not valid JSON"},
    {"garbage_after", kGood + "x", 8, "not valid JSON"},
    {"no_dtype", R"({"a":{"shape":[2],"data_offsets":[0,8]}})", 8, "dtype is missing"},
    {"no_shape", R"({"a":{"dtype":"F32","data_offsets":[0,8]}})", 8, "shape is missing"},
    {"no_offsets", R"({"a":{"dtype":"F32","shape":[2]}})", 8, "data_offsets is missing"},
    {"unknown_field", R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8],"x":1}})", 8,
     "unknown field"},
    {"field_twice", R"({"a":{"dtype":"F32","dtype":"F32","shape":[2],"data_offsets":[0,8]}})", 8,
     "occurs twice"},
    {"unknown_dtype", R"({"a":{"dtype":"F31","shape":[2],"data_offsets":[0,8]}})", 8,
     "unknown dtype 'F31'"},
    {"dtype_number", R"({"a":{"dtype":4,"shape":[2],"data_offsets":[0,8]}})", 8, "a number"},
    {"negative", R"({"a":{"dtype":"F32","shape":[-2],"data_offsets":[0,8]}})", 8, "negative"},
    {"fraction", R"({"a":{"dtype":"F32","shape":[2.5],"data_offsets":[0,8]}})", 8, "fraction"},
    {"huge", R"({"a":{"dtype":"F32","shape":[18446744073709551615],"data_offsets":[0,8]}})", 8,
     "dimension"},
    {"overflow",
     R"({"a":{"dtype":"F32","shape":[281474976710656,281474976710656],"data_offsets":[0,8]}})", 8,
     "overflow"},
    {"too_deep", R"({"a":{"dtype":"F32","shape":[[2]],"data_offsets":[0,8]}})", 8, "an array"},
    {"many_dimensions",
     R"({"a":{"dtype":"F32","shape":[1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,2],"data_offsets":[0,8]}})", 8,
     "dimensions"},
    {"one_offset", R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[8]}})", 8, "wanted 2"},
    {"three_offsets", R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8,9]}})", 8,
     "more than two"},
    {"backwards", R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[8,0]}})", 8, "data_offsets"},
    {"beyond", R"({"a":{"dtype":"F32","shape":[4],"data_offsets":[0,16]}})", 8, "do not lie in"},
    {"size_mismatch", R"({"a":{"dtype":"F32","shape":[3],"data_offsets":[0,8]}})", 8,
     "need 12 bytes"},
    {"overlap",
     R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"b":{"dtype":"F32","shape":[2],"data_offsets":[4,12]}})",
     12, "overlaps"},
    {"hole",
     R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"b":{"dtype":"F32","shape":[1],"data_offsets":[12,16]}})",
     16, "unused bytes"},
    {"trailing", kGood, 12, "after the last tensor"},
    {"name_twice",
     R"({"a":{"dtype":"F32","shape":[0],"data_offsets":[0,0]},"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}})",
     8, "occurs twice"},
    {"no_name", R"({"":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}})", 8, "without a name"},
    {"metadata_number",
     R"({"__metadata__":{"x":1},"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}})", 8,
     "a number"},
    {"metadata_nested", R"({"__metadata__":{"x":{}}})", 0, "an object"},
    {"tensor_is_text", R"({"a":"b"})", 0, "a string"},
};
INSTANTIATE_TEST_SUITE_P(All, DamagedSafetensors, testing::ValuesIn(kDamages),
                         [](const auto& each) { return std::string(each.param.name); });

TEST(Safetensors, RefusesAHeaderLongerThanTheFile) {
    auto bytes = safetensors_file(kGood, 8);
    const std::uint64_t lengths[] = {bytes.size() - 7, 1u << 30, ~std::uint64_t{0}};
    for (const auto length : lengths) {
        std::memcpy(bytes.data(), &length, 8);
        EXPECT_THROW(parse_safetensors(bytes, "x"), Error);
    }
    EXPECT_THROW(parse_safetensors(std::span(bytes).first(7), "x"), Error);
}

TEST(Safetensors, EveryTruncationIsRefused) {
    const auto bytes = safetensors_file(kGood, 8);
    EXPECT_NO_THROW(parse_safetensors(bytes, "x"));
    for (std::size_t n = 0; n < bytes.size(); ++n)
        EXPECT_THROW(parse_safetensors(std::span(bytes).first(n), "x"), Error) << n;
}

TEST(Safetensors, ReadsAnyOrderScalarsAndEmptyTensors) {
    const auto header = parse_safetensors(
        safetensors_file(
            R"({"b":{"dtype":"F32","shape":[],"data_offsets":[8,12]},"__metadata__":{"k":"v"},)"
            R"("a":{"data_offsets":[0,8],"shape":[2,1],"dtype":"F32"},)"
            R"("z":{"dtype":"U8","shape":[0],"data_offsets":[12,12]}}  )",
            12),
        "x");
    ASSERT_EQ(header.entries.size(), 3u);
    EXPECT_EQ(header.entries[0].name, "a");
    EXPECT_EQ(header.entries[0].shape, (std::vector<std::int64_t>{2, 1}));
    EXPECT_TRUE(header.entries[1].shape.empty());
    EXPECT_EQ(header.metadata.at("k"), "v");
}

std::vector<TensorToWrite> three_tensors() {
    const auto make = [](std::string name, std::string dtype, std::int64_t n, char fill) {
        const auto size = static_cast<std::size_t>(n * dtype_bytes(dtype));
        return TensorToWrite{
            name, dtype, {n}, [=] { return std::vector<std::byte>(size, std::byte(fill)); }};
    };
    return {make("u", "U8", 3, 1), make("b", "BF16", 5, 2), make("a\"quote", "F32", 2, 3)};
}

class Written : public testing::Test {
protected:
    void SetUp() override {
        folder = std::filesystem::temp_directory_path() /
                 ("halfbyte-" +
                  std::string(testing::UnitTest::GetInstance()->current_test_info()->name()));
        std::filesystem::remove_all(folder);
        std::filesystem::create_directories(folder);
    }
    void TearDown() override { std::filesystem::remove_all(folder); }
    std::size_t files() const {
        return static_cast<std::size_t>(
            std::distance(std::filesystem::directory_iterator(folder), {}));
    }
    std::filesystem::path folder;
};

TEST_F(Written, BytesDoNotDependOnTheOrderAndComeBack) {
    auto tensors = three_tensors();
    write_safetensors(folder / "1.safetensors", tensors);
    std::reverse(tensors.begin(), tensors.end());
    write_safetensors(folder / "2.safetensors", tensors);
    const auto one = read_file(folder / "1.safetensors");
    EXPECT_EQ(one, read_file(folder / "2.safetensors"));
    const auto header = parse_safetensors(std::as_bytes(std::span(one)), "1");
    EXPECT_EQ(header.data_offset % 8, 0u);
    ASSERT_EQ(header.entries.size(), 3u);
    EXPECT_EQ(header.entries[0].name, "a\"quote");
    EXPECT_EQ(header.entries[2].dtype, "U8");
    EXPECT_EQ(one.back(), 1);
}

TEST_F(Written, ShardsAndTheirIndexHoldEveryTensorOnce) {
    write_sharded(folder, three_tensors(), 12);
    const auto index = Json::parse(read_file(folder / "model.safetensors.index.json"));
    EXPECT_EQ(index["metadata"]["total_size"], 21);
    EXPECT_EQ(index["weight_map"].size(), 3u);
    EXPECT_EQ(index["weight_map"]["u"], "model-00003-of-00003.safetensors");
    EXPECT_EQ(files(), 4u);
}

TEST_F(Written, ASingleFileNeedsNoIndex) {
    write_sharded(folder, three_tensors(), 1000);
    EXPECT_EQ(files(), 1u);
    EXPECT_TRUE(std::filesystem::exists(folder / "model.safetensors"));
}

TEST_F(Written, NothingIsLeftWhenATensorFails) {
    auto tensors = three_tensors();
    tensors[0].load = []() -> std::vector<std::byte> { throw Error("disk full"); };
    EXPECT_THROW(write_sharded(folder, tensors, 12), Error);
    EXPECT_EQ(files(), 0u);
    tensors[0].load = [] { return std::vector<std::byte>(2); };
    EXPECT_THROW(write_sharded(folder, tensors, 1000), Error);
    EXPECT_EQ(files(), 0u);
}

TEST_F(Written, DoesNotMixWithOtherWeights) {
    write_file(folder / "other.safetensors", "");
    EXPECT_THROW(write_sharded(folder, three_tensors(), 1000), Error);
}

}  // namespace
}  // namespace hb
