// SPDX-License-Identifier: Apache-2.0
// Nothing above a note is found in a sound model, whatever its layout, scheme and architecture; and
// what is counted is what a slow reading of the definition counts, on any number of threads.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "doctor/doctor.hpp"
#include "doctor/group_scan.hpp"
#include "doctor/patient.hpp"
#include "io/make_gguf.hpp"

namespace hb::doctor {
namespace {

namespace fs = std::filesystem;

std::string worse_than_notes(const Examination& e) {
    std::string text;
    for (const auto& f : e.findings)
        if (f.kind->severity != Severity::note)
            text += fmt::format("{} {}: {}\n", f.kind->name, f.where, f.value);
    return text;
}

struct Clean {
    const char *layout, *scheme;
};

class CleanModel : public testing::TestWithParam<Clean> {};

TEST_P(CleanModel, GivesNotesAtMost) {
    Threads threads(2);
    for (const char* type : {"llama", "qwen2", "qwen3", "mistral"})
        for (const bool tied : {false, true}) {
            const TemporaryFolder folder;
            const auto path =
                test::write_sound(folder.path, GetParam().layout, GetParam().scheme, type, tied);
            const auto e = examine(path.string(), threads);
            EXPECT_EQ(worse_than_notes(e), "") << type << " tied " << tied;
            EXPECT_GT(e.tensors, 10);
        }
}

INSTANTIATE_TEST_SUITE_P(
    Every, CleanModel,
    testing::Values(Clean{"compressed-tensors", "nvfp4"}, Clean{"compressed-tensors", "nvfp4a16"},
                    Clean{"compressed-tensors", "mxfp4"}, Clean{"compressed-tensors", "mxfp4a16"},
                    Clean{"compressed-tensors", "int4g32"}, Clean{"made", "int4g128"},
                    Clean{"made", "int4g128a"}, Clean{"made", "int8"}, Clean{"made", "fp8"},
                    Clean{"halfbyte", "mxfp4"}, Clean{"fp-quant", "mxfp4"},
                    Clean{"fp-quant", "nvfp4"}, Clean{"modelopt", "nvfp4"},
                    Clean{"modelopt", "nvfp4a16"}, Clean{"gguf", "nvfp4"}, Clean{"gguf", "mxfp4"},
                    Clean{"gguf", "nvfp4a16"}, Clean{"dense", "mxfp4a16"},
                    Clean{"compressed-tensors", "nvfp4+fp8"},
                    Clean{"compressed-tensors", "int4g32+int4g128"}, Clean{"halfbyte", "fp8+mxfp4"},
                    Clean{"gguf", "mxfp4+nvfp4"}));

TEST(CleanModel, ForeignFoldersAndFilesToo) {
    Threads threads(1);
    const std::string golden = HALFBYTE_TESTS_DIR "/layouts/golden/";
    EXPECT_EQ(worse_than_notes(examine(golden + "fp_quant", threads)), "");
    const TemporaryFolder folder;
    EXPECT_EQ(worse_than_notes(examine(folder.put("tiny.gguf", tiny_gguf()), threads)), "");
}

TEST(CleanModel, ShardsAndTheirIndexToo) {
    Threads threads(1);
    const TemporaryFolder folder;
    const test::Patient patient{test::write_sound(folder.path, "modelopt", "nvfp4")};
    patient.shard();
    EXPECT_TRUE(fs::exists(patient.path / "model.safetensors.index.json"));
    EXPECT_EQ(worse_than_notes(examine(patient.path.string(), threads)), "");
}

TEST(Examination, DoesNotDependOnThreads) {
    const TemporaryFolder folder;
    test::ModelOptions o;  // with every scale that there is
    test::write_model(folder.path / "m", o);
    std::string texts[2];
    for (const int i : {0, 1}) {
        Threads threads(1 + 2 * i);
        for (const auto& f : examine((folder.path / "m").string(), threads).findings)
            texts[i] += fmt::format("{} {} {}\n", f.kind->name, f.where, f.value);
    }
    EXPECT_EQ(texts[0], texts[1]);
    EXPECT_NE(texts[0].find("fused-scales-differ"), std::string::npos);
}

TEST(CleanModel, AModelThatIsNotThereIsNoFinding) {
    Threads threads(1);
    EXPECT_THROW(examine("/nowhere/at/all", threads), std::exception);
    EXPECT_THROW(examine("", threads), std::exception);
}

// Codes and scales one at a time.
Groups count_slowly(const QTensor& q) {
    Groups g;
    const Family family = q.scheme->family;
    const std::int64_t group = q.scheme->group_of(q.cols), groups = q.scheme->groups(q.cols);
    const bool bytes = family == Family::mx || family == Family::nv;
    const bool four = family == Family::integer || family == Family::zeroed;
    for (std::int64_t i = 0; i < q.rows * groups; ++i) {
        const std::int64_t r = i / groups;
        bool live = family == Family::zeroed;
        for (std::int64_t c = i % groups * group; c < (i % groups + 1) * group; ++c) {
            const auto code = q.code(r, c);
            const float value = decode_element(family, code);
            live = live || value != 0;
            const float a = std::abs(value);
            g.saturated += bytes                    ? a == 6
                           : four                   ? code == 0 || code == 15
                           : family == Family::int8 ? code == 127 || code == 128
                                                    : a == 448;
            ++g.codes;
        }
        ++g.groups;
        g.dead += !live;
        const auto bits = q.scales.bits(r, i % groups);
        const float scale = decode_scale(family, bits);
        const unsigned faults = bytes
                                    ? faults_of_byte(family, static_cast<std::uint8_t>(bits), live)
                                    : faults_of_number(family, scale, live);
        for (int fault = 0; fault < kScaleFaults; ++fault)
            if (faults >> fault & 1u && g.faults[fault]++ == 0)
                g.first[fault] = static_cast<std::uint64_t>(i);
        if (live && std::isfinite(scale)) g.largest = std::max(g.largest, std::abs(scale));
    }
    return g;
}

TEST(GroupScan, CountsAsTheDefinitionDoes) {
    Random random{7};
    for (const Scheme& scheme : all_schemes()) {
        constexpr std::int64_t kRows = 33, kCols = 256;
        auto q = test::any_codes(scheme, kRows, kCols, 1, true, random);
        const std::int64_t half = scheme.group_of(kCols) * scheme.element_bits() / 8;
        for (std::int64_t i = 0; i < kRows * scheme.groups(kCols); ++i) {
            auto& bits = q.scales.bits.values[static_cast<std::size_t>(i)];
            if (random.uniform() < .1)
                bits = static_cast<std::uint16_t>(scheme.scale_bits() == 8 ? random.bits() % 256
                                                                           : random.bits() % 65536);
            if (random.uniform() < .5) continue;
            const auto zero = scheme.element_bits() == 8                                   ? 0
                              : scheme.family == Family::mx || scheme.family == Family::nv ? 0x80
                                                                                           : 0x88;
            std::fill_n(q.codes.values.begin() + i * half, half, static_cast<std::uint8_t>(zero));
        }
        const auto tensors = tensors_of("m", q, 1);
        std::vector<std::byte> codes, scales;
        GroupScan s;
        s.family = scheme.family, s.rows = kRows, s.cols = kCols, s.group = scheme.group_of(kCols);
        for (const auto& t : tensors) {
            if (t.name == "m.weight_packed" || t.name == "m.weight") codes = t.load();
            if (t.name == "m.weight_scale") scales = t.load(), s.scale_type = t.dtype;
        }
        s.codes = codes.data(), s.scales = scales.data();
        ASSERT_TRUE(s.possible()) << scheme.name;
        const Groups slow = count_slowly(q);
        Groups fast;
        for (const auto& [first, count] : {std::pair{0, 7}, {7, 25}, {32, 1}})
            merge(s.rows_of(first, count), fast);
        EXPECT_EQ(fast.groups, slow.groups) << scheme.name;
        EXPECT_EQ(fast.dead, slow.dead) << scheme.name;
        EXPECT_EQ(fast.codes, slow.codes) << scheme.name;
        EXPECT_EQ(fast.saturated, slow.saturated) << scheme.name;
        EXPECT_EQ(fast.largest, slow.largest) << scheme.name;
        for (int fault = 0; fault < kScaleFaults; ++fault) {
            EXPECT_EQ(fast.faults[fault], slow.faults[fault]) << scheme.name << fault;
            if (slow.faults[fault] > 0 && (scheme.scale_bits() == 16 || fault <= kNegative)) {
                EXPECT_EQ(fast.first[fault], slow.first[fault]) << scheme.name << fault;
            }
        }
    }
}

}  // namespace
}  // namespace hb::doctor
