// SPDX-License-Identifier: Apache-2.0
// Rows read back from a packed weight are the numbers that it stands for, and the loss of scaled
// logits is the loss of logits that were scaled.
#include "kernels/sample.hpp"
#include "schemes/qtensor.hpp"

namespace hb {

namespace {

constexpr std::int64_t kRows = 45, kCols = 608;

// Weights of every kind of storage, and their numbers.
struct Stored {
    std::string name;
    PackedMatrix packed;
    Matrix<float> numbers;
};

Matrix<float> widened(const Matrix<std::uint16_t>& m) {
    Matrix<float> out(m.rows, m.cols);
    std::transform(m.values.begin(), m.values.end(), out.values.begin(), bf16_to_float);
    return out;
}

std::vector<Stored> every_storage() {
    Threads one(1);
    const auto wide = normal_matrix(kRows, kCols, 1), narrow = bf16_matrix(kRows, kCols, 2);
    std::vector<Stored> all = {{"fp32", pack(wide.view(), Precision::f32, one), wide},
                               {"bf16", pack(narrow.view(), Precision::bf16, one), narrow}};
    const Q8Tensor q8 = quantize_q8(wide.view(), one);
    all.push_back({"q8_0", pack_codes(q8, one), widened(dequantize_bf16(q8))});
    for (const char* name : {"mxfp4", "nvfp4"}) {
        const Scheme& scheme = find_scheme(name);
        Scales scales{1, Matrix<std::uint16_t>(kRows, kCols / scheme.group)};
        for (auto& bits : scales.bits.values) bits = scheme.group == 16 ? 0x30 : 126;
        const QTensor q = quantize(wide.view(), scheme, std::move(scales));
        all.push_back({name, pack_codes(q, one), widened(dequantize_bf16(q))});
    }
    return all;
}

std::vector<const Kernels*> all_kernels() {
    auto all = wide_kernels();
    all.push_back(&ref());
    return all;
}

TEST(UnpackRows, GivesTheNumbersOfTheWeight) {
    const std::vector<std::int32_t> rows = {44, 0, 15, 16, 16, 31};
    for (const auto& [name, packed, numbers] : every_storage()) {
        for (const Kernels* kernels : all_kernels()) {
            Matrix<float> out(6, kCols);
            unpack_rows(*kernels, packed, rows, .25f, out.view());
            for (std::int64_t i = 0; i < out.rows; ++i)
                for (std::int64_t k = 0; k < kCols; ++k)
                    ASSERT_EQ(out(i, k), .25f * numbers(rows[static_cast<std::size_t>(i)], k))
                        << name << ' ' << name_of(*kernels) << ' ' << i << ' ' << k;
        }
    }
}

TEST(UnpackRows, RefusesRowsThatAreNotThere) {
    Threads one(1);
    const auto w = pack(normal_matrix(kRows, 32, 1).view(), Precision::bf16, one);
    Matrix<float> out(1, 32);
    for (const std::int32_t row : {-1, 45})
        EXPECT_THROW(unpack_rows(ref(), w, {&row, 1}, 1, out.view()), Error);
}

TEST(CrossEntropy, ScalesItsLogits) {
    Threads one(1), two(2);
    const auto a = operand(ref(), normal_matrix(37, kCols, 3));
    const std::vector<std::int32_t> targets(37, 21);
    for (const auto& [name, packed, numbers] : every_storage()) {
        for (const Kernels* kernels : all_kernels()) {
            Matrix<float> logits(37, kRows);
            gemm(*kernels, one, a, packed, logits.view(), .3f);
            std::vector<double> loss(targets.size());
            cross_entropy(*kernels, two, a, packed, targets, loss, .3f);
            for (std::int64_t r = 0; r < 37; ++r)
                ASSERT_EQ(loss[static_cast<std::size_t>(r)],
                          log_sum_exp(*kernels, logits.row(r), kRows) - logits(r, 21))
                    << name << ' ' << name_of(*kernels);
        }
    }
}

}  // namespace

}  // namespace hb
