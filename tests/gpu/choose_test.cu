// SPDX-License-Identifier: Apache-2.0
// What a thread of the quantizer does with its 32 columns, run on the host against the CPU
// reference: needs no GPU.
#include "gpu/choose.cuh"
#include "gpu/fwht.cuh"

#include <gtest/gtest.h>

#include <cstring>

#include "reference.hpp"

namespace hb::gpu {

namespace {

template <Rule kRule>
void compare(int block, float divisor, std::uint32_t seed) {
    QuantizeCall call;
    call.rows = 256;
    call.cols = 64;
    call.format = is_mx(kRule) ? Format::mxfp4 : Format::nvfp4;
    call.rule = kRule;
    call.rotation.block = block;
    call.divisor = divisor;
    const std::vector<float> x = widen(test_numbers(call.rows, call.cols, seed));
    const Quantized wanted = reference_quantize(x, call);
    const auto f = static_cast<float>(1 / std::sqrt(static_cast<double>(block)));
    const bool folded = block != 32;
    Constants constants{is_mx(kRule) || folded ? f : 1, divisor * (folded ? f : 1), nullptr};
    std::vector<NvStep> steps;
    for (int i = 0; i < kNvCodes; ++i) steps.push_back(nv_step(i, constants.divisor));
    constants.steps = steps.data();
    int wrong = 0;
    for (std::int64_t chunk = 0; chunk < call.rows * 2; ++chunk) {
        float v[32];
        for (int i = 0; i < 32; ++i) v[i] = x[static_cast<std::size_t>(chunk * 32 + i)];
        fwht_within(v, block);
        for (float& value : v) value *= is_mx(kRule) || folded ? 1 : f;
        Chunk out;
        float copy[32];
        std::copy_n(v, 32, copy);
        if (!choose<kRule>(v, constants, out)) choose_slowly<kRule>(copy, constants, out);
        const std::size_t each = is_mx(kRule) ? 1 : 2, at = static_cast<std::size_t>(chunk);
        std::uint32_t scales = 0;
        for (std::size_t i = 0; i < each; ++i)
            scales |= std::uint32_t{wanted.scales[at * each + i]} << 8 * i;
        std::uint32_t codes[4];
        std::memcpy(codes, wanted.codes.data() + at * 16, 16);
        if (scales == out.scales && std::equal(codes, codes + 4, out.codes)) continue;
        if (++wrong <= 3)
            ADD_FAILURE() << rule_name(kRule) << " block " << block << " row " << chunk / 2 << ": "
                          << std::hex << out.scales << " " << out.codes[0] << ", wanted " << scales
                          << " " << codes[0];
    }
}

}  // namespace

TEST(ChooseOnHost, EqualsTheReference) {
    for (const int block : {1, 16, 32}) {
        const auto seed = static_cast<std::uint32_t>(block);
        compare<Rule::fp_quant>(block, 3, seed);
        compare<Rule::ceil725>(block, 1, seed);
        compare<Rule::mse>(block, 1, seed);
        for (const float divisor : {1.f, 371.7f, 0x1p-12f}) {
            compare<Rule::absmax>(block, divisor, seed);
            compare<Rule::four_over_six>(block, divisor, seed);
            compare<Rule::sweep4>(block, divisor, seed);
            compare<Rule::sweep8>(block, divisor, seed);
        }
    }
}

TEST(ChooseOnHost, EncodesEveryNumberNearATie) {
    for (const float tie :
         {.25f, .5f, .75f, 1.f, 1.25f, 1.5f, 1.75f, 2.f, 2.5f, 3.f, 3.5f, 4.f, 5.f, 6.f}) {
        for (int ulp = -100; ulp <= 100; ++ulp) {
            const float a = number(bits(tie) + static_cast<std::uint32_t>(ulp));
            EXPECT_EQ(E2M1::encode(a), e2m1_code(a / 2) - kCodeBase) << std::hexfloat << a;
            EXPECT_EQ(E2M1::decode(E2M1::encode(a)), e2m1_round(a)) << std::hexfloat << a;
        }
    }
}

}  // namespace hb::gpu
