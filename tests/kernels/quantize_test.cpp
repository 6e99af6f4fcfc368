// SPDX-License-Identifier: Apache-2.0
// The searching NVFP4 rules choose by estimates where these are decisive: they must choose what
// quantize_activation() chooses when candidates differ by little, by nothing or by rounding alone,
// when quotients are ties or next to them, and when codes are subnormal or saturated.
#include "kernels/sample.hpp"

namespace hb {

namespace {

constexpr std::int64_t kColumns = 1024, kGroup = 16;

float laplace(Random& random) {
    const float u = (static_cast<float>(random.bits() % 0x1000000) + .5f) * 0x1p-24f;
    return random.bits() % 2 ? std::log(u) : -std::log(u);
}

float grid(Random& random) {
    constexpr float magnitudes[] = {0, .5f, 1, 1.5f, 2, 3, 4, 6};
    const float m = magnitudes[random.bits() % 8];
    return random.bits() % 2 ? m : -m;
}

// Quarters of a step, and those moved by a few units in the last place.
float tie(Random& random, int units) {
    const float q = .25f * static_cast<float>(static_cast<int>(random.bits() % 49) - 24);
    const int by = static_cast<int>(random.bits() % static_cast<std::uint64_t>(2 * units + 1));
    return q * (1 + 0x1p-23f * static_cast<float>(by - units));
}

float element(Random& random, int kind) {
    switch (kind) {
        case 0:
            return laplace(random);
        case 1:
            return random.normal();
        case 2:
            return grid(random);
        case 3:
            return tie(random, 0);
        case 4:
            return tie(random, 3);
        case 5:
            return round_to_bf16(random.normal());
        default:
            return random.bits() % 8 ? 0.f : random.normal();
    }
}

float any_size(Random& random) {
    float size = std::ldexp(1.f, static_cast<int>(random.bits() % 24) - 18);
    if (random.bits() % 2) size *= 1 + static_cast<float>(random.bits() % 8) / 8;
    return random.bits() % 4 ? size : size * (1 + .3f * std::fabs(random.normal()));
}

// 0, 1.5, 3 and 6 times a scale are 0, 1, 2 and 4 times one half again as large. Elements near
// these have the same error under both, and those at .625 and 2.125, which go to .5 and .75, to 2
// and 2.25, too: the order of the two sums is that of their roundings.
void fill_equal(Random& random, float divisor, float* x) {
    constexpr float values[] = {0, 1.5f, 3, 6, .625f, 2.125f}, scales[] = {1, 1.25f, 1.5f};
    const float scale = std::ldexp(scales[random.bits() % 3], static_cast<int>(random.bits() % 8)),
                noise = random.bits() % 2 ? .03f : 0.f;
    for (std::int64_t k = 0; k < kGroup; ++k) {
        const int which = static_cast<int>(random.bits() % 6);
        const float by = which < 4 ? noise * random.normal() : 0.f;
        x[k] = (values[which] + by) * scale / divisor;
    }
    x[random.bits() % kGroup] = -6 * scale / divisor;
}

Matrix<float> trying_groups(std::int64_t rows, float divisor, std::uint64_t seed) {
    Random random{seed};
    Matrix<float> x(rows, kColumns);
    for (std::int64_t i = 0; i < rows * kColumns; i += kGroup) {
        float* group = x.row(0) + i;
        const int kind = static_cast<int>(random.bits() % 8);
        if (kind == 7) {
            fill_equal(random, divisor, group);
            continue;
        }
        const float size = any_size(random);
        for (std::int64_t k = 0; k < kGroup; ++k) group[k] = size * element(random, kind);
    }
    return x;
}

void expect_reference(const ActivationQuantizer& q, const Matrix<float>& x) {
    Matrix<float> expected(x.rows, x.cols);
    for (std::int64_t r = 0; r < x.rows; ++r)
        quantize_activation(q, x.row(r), x.cols, expected.row(r));
    const Operand wanted = operand(ref(), expected);
    for (const Kernels* kernels : wide_kernels()) {
        Threads one(1);
        Operand out;
        prepare_operand(*kernels, one, x.view(), {}, &q, Precision::bf16, out);
        for (std::size_t i = 0; i < out.narrow.size(); ++i) {
            ASSERT_EQ(out.narrow[i], wanted.narrow[i])
                << name_of(*kernels) << ' ' << q.rule->name << " under " << q.divisor
                << ": group of position " << i / 32 * 32;
        }
    }
}

TEST(QuantizeNv, ChoosesAsTheReferenceDoesWhereCandidatesAreClose) {
    for (const char* name : {"sweep", "sweep8", "sweep4", "four-over-six", "absmax"}) {
        const ScaleRule& rule = find_scale_rule(name, Family::nv);
        for (const float divisor : {32.f, 1536 / 23.456f, 1536 / 40.1f}) {
            const ActivationQuantizer q{&find_scheme("nvfp4"), &rule, divisor};
            expect_reference(q, trying_groups(64, divisor, 1));
        }
    }
}

// Groups of one size only, as large and as small as divisors and codes let them be.
TEST(QuantizeNv, ChoosesAsTheReferenceDoesAtEverySize) {
    const ScaleRule& rule = find_scale_rule("sweep", Family::nv);
    for (int power = -40; power <= 40; power += 5) {
        const float divisor = std::ldexp(1.1f, power);
        for (const float size : {0x1p-9f, 0x1p-5f, 1.f, 200.f, 448.f, 900.f}) {
            auto x = normal_matrix(1, kColumns, static_cast<std::uint64_t>(power + 50));
            for (float& v : x.values) v *= size / divisor;
            expect_reference({&find_scheme("nvfp4"), &rule, divisor}, x);
        }
    }
}

}  // namespace

}  // namespace hb
