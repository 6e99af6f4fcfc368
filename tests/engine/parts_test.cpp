// SPDX-License-Identifier: Apache-2.0
// Weights packed part by part out of the file have the bits of weights that were read whole and
// then packed, and loading holds a tensor in memory once: neither a copy nor pages of the file.
#include "engine/parts.hpp"

#include <gtest/gtest.h>

#include <cstring>
#include <fstream>

#include "core/float_bits.hpp"
#include "core/random.hpp"
#include "engine/decoder.hpp"
#include "io/quantization_config.hpp"
#include "io/temporary_folder.hpp"

namespace hb {
namespace {

// More than two parts, the last one short and with half a panel; k is not whole blocks of 32.
constexpr std::int64_t kRows = 360, kCols = 2064;

template <class T>
std::vector<std::byte> raw(const std::vector<T>& values) {
    const auto bytes = std::as_bytes(std::span(values));
    return {bytes.begin(), bytes.end()};
}

QTensor random_codes(const Scheme& scheme, std::int64_t cols, std::uint64_t seed) {
    Random random{seed, 0};
    QTensor q =
        make_qtensor(scheme, kRows, cols,
                     make_scales(scheme, kRows, cols, scheme.family == Family::nv ? 12.5f : 1.f));
    for (auto& codes : q.codes.values) codes = static_cast<std::uint8_t>(127 * random.uniform());
    for (auto& zero : q.scales.zeros.values)
        zero = static_cast<std::uint8_t>(16 * random.uniform());
    for (auto& bits : q.scales.bits.values) {
        const double u = random.uniform();
        if (scheme.family == Family::mx) bits = static_cast<std::uint16_t>(100 + 50 * u);
        if (scheme.family == Family::nv) bits = static_cast<std::uint16_t>(1 + 120 * u);
        if (scheme.scale_bits() == 16) bits = float_to_bf16(static_cast<float>(u));
    }
    return q;
}

struct Case {
    const char* scheme;
    WeightStorage storage;
    bool moderate;
};

class Parts : public testing::TestWithParam<Case> {};

TEST_P(Parts, AreTheBitsOfTheWhole) {
    const Scheme& scheme = find_scheme(GetParam().scheme);
    const std::int64_t cols = scheme.groups(kCols) * scheme.group_of(kCols);
    QTensor weight = random_codes(scheme, cols, 3);
    weight.codes(200, 5) = 0x21;  // of a group that is not zero
    if (!GetParam().moderate) weight.scales.bits(200, 10 / scheme.group) = 127 + 60;
    QuantizationConfig config;
    config.groups = {
        {&scheme, scheme.family == Family::mx ? "ocp" : std::string(scheme.weight_rule), ""}};
    const TemporaryFolder folder;
    folder.put("config.json", Json{{"quantization_config", to_json(config)}}.dump());
    write_safetensors(folder.path / "model.safetensors", tensors_of("m", weight, 1));
    const auto checkpoint = Checkpoint::open(folder.path.string());

    Threads threads(3);
    ASSERT_GE(kRows / rows_of_part(cols), 2);
    const auto whole = make_linear(*checkpoint.read_quantized("m", kRows, cols), {}, nullptr,
                                   GetParam().storage, threads);
    const auto parts = load_quantized(checkpoint, "m", kRows, cols, GetParam().storage, threads);
    ASSERT_TRUE(parts);
    EXPECT_EQ(parts->weight.n, whole.weight.n);
    EXPECT_EQ(parts->weight.k, whole.weight.k);
    EXPECT_EQ(parts->weight.coding, whole.weight.coding);
    EXPECT_EQ(parts->weight.moderate, whole.weight.moderate);
    if (whole.weight.coding == Coding::mx) {
        EXPECT_EQ(parts->weight.moderate, GetParam().moderate);
    }
    EXPECT_TRUE(parts->weight.narrow == whole.weight.narrow);
    EXPECT_TRUE(parts->weight.coded == whole.weight.coded);
    EXPECT_TRUE(parts->weight.scales == whole.weight.scales);
    EXPECT_EQ(whole.weight.scales.size(), scheme.by_row() ? kRows : 0u);
    EXPECT_EQ(1 / parts->divisor, whole.alpha);
}

INSTANTIATE_TEST_SUITE_P(
    Every, Parts,
    testing::Values(
        Case{"mxfp4a16", WeightStorage::codes, true}, Case{"mxfp4a16", WeightStorage::codes, false},
        Case{"mxfp4a16", WeightStorage::tiles, true}, Case{"nvfp4a16", WeightStorage::codes, true},
        Case{"nvfp4a16", WeightStorage::tiles, true}, Case{"int4g32", WeightStorage::codes, true},
        Case{"int4g128a", WeightStorage::codes, true}, Case{"int8", WeightStorage::codes, true},
        Case{"int8", WeightStorage::tiles, true}, Case{"fp8", WeightStorage::codes, true}),
    [](const auto& c) {
        return std::string(c.param.scheme) +
               (c.param.storage == WeightStorage::codes ? "_codes" : "_tiles") +
               (c.param.moderate ? "" : "_wide");
    });

// Tensor "w" in a file of its own.
Checkpoint checkpoint_of(const TemporaryFolder& folder, const char* dtype, std::int64_t rows,
                         std::int64_t cols, const std::vector<std::byte>& bytes) {
    folder.put("config.json", "{}");
    write_safetensors(folder.path / "model.safetensors",
                      {{"w", dtype, {rows, cols}, [&] { return bytes; }}});
    return Checkpoint::open(folder.path.string());
}

TEST(DenseParts, AreTheBitsOfTheWholeAndOnlyWhereBf16IsExact) {
    Random random{5, 0};
    std::vector<float> exact(kRows * kCols);
    for (auto& x : exact) x = round_to_bf16(static_cast<float>(random.uniform() - .5));
    std::vector<float> inexact = exact;
    inexact[300 * kCols + 7] = 1.0001f;
    std::vector<std::uint16_t> narrow;
    for (const float x : exact) narrow.push_back(float_to_bf16(x));
    Threads threads(3);
    const PackedMatrix whole =
        pack(View<const float>{exact.data(), kRows, kCols, kCols}, Precision::bf16, threads);
    {
        const TemporaryFolder folder;
        const auto checkpoint = checkpoint_of(folder, "F32", kRows, kCols, raw(exact));
        EXPECT_TRUE(load_bf16(checkpoint, "w", kRows, kCols, threads)->narrow == whole.narrow);
    }
    {
        const TemporaryFolder folder;
        const auto checkpoint = checkpoint_of(folder, "BF16", kRows, kCols, raw(narrow));
        EXPECT_TRUE(load_bf16(checkpoint, "w", kRows, kCols, threads)->narrow == whole.narrow);
    }
    const TemporaryFolder folder;
    const auto checkpoint = checkpoint_of(folder, "F32", kRows, kCols, raw(inexact));
    EXPECT_FALSE(load_bf16(checkpoint, "w", kRows, kCols, threads));
}

// Bytes of a line of /proc/self/status; 0 when it is not there.
std::int64_t status_bytes(const std::string& wanted) {
    std::ifstream status("/proc/self/status");
    std::string name;
    for (std::int64_t kb = 0; status >> name; status.ignore(1 << 10, '\n'))
        if (name == wanted + ":" && status >> kb) return kb << 10;
    return 0;
}

bool reset_peak() {
    std::ofstream file("/proc/self/clear_refs");
    file << 5 << std::flush;
    return file.good();
}

TEST(DenseParts, HoldALargeTensorOnce) {
    constexpr std::int64_t rows = 16384, cols = 2048, size = 2 * rows * cols;  // 64 MiB
    const TemporaryFolder folder;
    const auto checkpoint =
        checkpoint_of(folder, "BF16", rows, cols, std::vector<std::byte>(size, std::byte{1}));
    Threads threads(2);
    if (!reset_peak() || status_bytes("VmHWM") == 0) GTEST_SKIP() << "the peak cannot be reset";
    const std::int64_t before = status_bytes("VmRSS"), file_before = status_bytes("RssFile");
    const auto weight = load_bf16(checkpoint, "w", rows, cols, threads);
    ASSERT_TRUE(weight);
    EXPECT_GE(status_bytes("VmHWM") - before, size);
    EXPECT_LE(status_bytes("VmHWM") - before, size * 115 / 100);
    EXPECT_LE(status_bytes("RssFile") - file_before, size / 100);
}

}  // namespace
}  // namespace hb
