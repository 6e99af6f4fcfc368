// SPDX-License-Identifier: Apache-2.0
// The W4A4 product against fp64 and against an emulation of the tensor core, in every variant, with
// ragged shapes, slices of K and rows that were split.
#include "gpu/w4a4.hpp"

#include <cmath>

#include "accumulator.hpp"
#include "device.hpp"
#include "formats/all.hpp"
#include "gpu/fold.cuh"
#include "gpu/w4a4_plan.hpp"
#include "weights.hpp"

namespace hb::gpu {

namespace {

struct Shape {
    std::int64_t rows, out, in;
};

struct Problem {
    Shape shape;
    std::int64_t extra_rows;
    std::vector<std::uint8_t> x;
    std::vector<float> x_factors, weight_factors;
    std::vector<int> extra_of;
    unsigned count;
    TestWeights weights;
    std::vector<std::uint8_t> packed;

    Problem(const Shape& s, const std::vector<int>& extra, std::int64_t room, int spread)
        : shape(s),
          extra_rows(room),
          count(static_cast<unsigned>(extra.size())),
          weights(WeightFormat::mxfp4, s.out, s.in, 11) {
        std::mt19937 random(5);
        const auto rows = static_cast<std::size_t>(s.rows + room);
        x.resize(rows * static_cast<std::size_t>(s.in));
        x_factors.resize(rows);
        extra_of.assign(static_cast<std::size_t>(room), -1);
        std::copy(extra.begin(), extra.end(), extra_of.begin());
        for (auto& factor : x_factors)
            factor = std::ldexp(1.f, static_cast<int>(random() % 9) - 20);
        for (std::size_t i = 0; i < x.size(); i += 8) {
            const auto group = static_cast<unsigned>(i / 32 * 2654435761u >> 7);
            const int e = 8 - static_cast<int>(group % static_cast<unsigned>(spread));
            std::uint32_t bytes[2];
            fold_codes(static_cast<std::uint32_t>(random()), fold_table(e), bytes);
            std::memcpy(x.data() + i, bytes, 8);
        }
        for (const int row : extra)  // what is split leaves zeros behind
            std::fill_n(x.begin() + row * s.in, s.in, std::uint8_t{0});
        for (auto& scale : weights.scales)
            scale = static_cast<std::uint8_t>(110 + scale % static_cast<unsigned>(spread));
        packed.resize(static_cast<std::size_t>(w4a4_weight_bytes(s.out, s.in)));
        weight_factors.resize(static_cast<std::size_t>(w4a4_factors(s.out)));
        expect_ok(repack_w4a4(s.out, s.in, weights.codes.data(), weights.scales.data(), 1,
                              packed.data(), weight_factors.data()));
    }

    double x_at(std::int64_t row, std::int64_t c) const {
        return e5m2(x[static_cast<std::size_t>(row * shape.in + c)]);
    }
    double w_at(std::int64_t row, std::int64_t c) const {  // in units of the row's factor
        return weights.element(row, c) * weights.scale(row, c) /
               weight_factors[static_cast<std::size_t>(row)];
    }
    double factor(std::int64_t row, std::int64_t out) const {
        return static_cast<double>(x_factors[static_cast<std::size_t>(row)]) *
               weight_factors[static_cast<std::size_t>(out)];
    }

    // As the kernel has it, before the factors; bound: how far that may be from the exact sum.
    float emulated(std::int64_t row, std::int64_t out, const W4A4Plan& plan, double* exact,
                   double* bound) const {
        const int interval = w4a4_variant(plan.variant).strict ? 64 : 128;
        float total = 0;
        for (int s = 0; s < plan.slices; ++s) {
            float sum = 0;
            for (std::int64_t c = std::int64_t{s} * plan.slice * 128;
                 c < std::min<std::int64_t>((s + 1) * plan.slice * 128, shape.in); c += interval) {
                double partial = 0;
                for (std::int64_t k = c; k < c + interval; k += 32) {
                    Product products[32];
                    double largest = std::fabs(partial);
                    for (int i = 0; i < 32 && k + i < shape.in; ++i) {
                        products[i] = {x_at(row, k + i), w_at(out, k + i)};
                        *exact += products[i].value;
                        largest = std::max(largest, std::fabs(products[i].value));
                    }
                    partial = accumulate(partial, products);
                    *bound += 34 * std::ldexp(std::max(largest, std::fabs(partial)), -kFraction);
                }
                sum += static_cast<float>(partial);
                *bound += std::ldexp(std::fabs(sum), -24);
            }
            total = s ? total + sum : sum;
            *bound += std::ldexp(std::fabs(total), -24);
        }
        return total;
    }
};

void compare(const Problem& p, const W4A4Plan& plan) {
    const Shape& s = p.shape;
    const Buffer<std::uint8_t> x(p.x), weights(p.packed);
    const Buffer<float> x_factors(p.x_factors), weight_factors(p.weight_factors);
    const Buffer<int> extra_of(p.extra_of);
    const Buffer<unsigned> count(std::vector<unsigned>{p.count});
    const Buffer<std::uint16_t> y(static_cast<std::size_t>(s.rows * s.out));
    W4A4Call call;
    call.rows = s.rows;
    call.out = call.y_stride = s.out;
    call.in = call.x_stride = s.in;
    call.x = x.get();
    call.x_factors = x_factors.get();
    call.extra_rows = p.extra_rows;
    call.extra_of = extra_of.get();
    call.extra_count = count.get();
    call.weights = weights.get();
    call.weight_factors = weight_factors.get();
    call.y = y.get();
    call.workspace_bytes = w4a4_workspace(call, plan);
    const Buffer<std::uint8_t> workspace(
        std::vector<std::uint8_t>(static_cast<std::size_t>(call.workspace_bytes)));
    call.workspace = workspace.get();
    expect_ok(w4a4(call, plan, nullptr));
    const auto once = y.values();
    HB_CUDA(cudaMemset(y.get(), 0xff, once.size() * 2));
    expect_ok(w4a4(call, plan, nullptr));  // the workspace is fit for the next
    const auto got = y.values();
    EXPECT_EQ(once, got);
    std::mt19937 random(2);
    int far = 0, other = 0, unwritten = 0;
    for (const std::uint16_t u : got) unwritten += std::isnan(bf16_to_float(u));
    const std::int64_t all = s.rows * s.out, most = 8000000 / s.in;
    const std::int64_t samples = std::min(all, most);
    for (std::int64_t i = 0; i < samples; ++i) {
        const std::int64_t at = all <= most ? i : static_cast<std::int64_t>(random()) % all;
        const std::int64_t row = at / s.out, out = at % s.out;
        double exact = 0, bound = 0;
        float wanted = 0;
        bool split = false;
        for (unsigned e = 0; e < p.count; ++e) {
            if (p.extra_of[e] != row) continue;
            double part = 0, part_bound = 0;
            const std::int64_t from = s.rows + static_cast<std::int64_t>(e);
            const float sum = p.emulated(from, out, plan, &part, &part_bound);
            wanted += sum * static_cast<float>(p.factor(from, out));
            exact += part * p.factor(from, out);
            bound += part_bound * p.factor(from, out);
            split = true;
        }
        if (!split) {
            wanted =
                p.emulated(row, out, plan, &exact, &bound) * static_cast<float>(p.factor(row, out));
            exact *= p.factor(row, out);
            bound *= p.factor(row, out);
        }
        const double value = bf16_to_float(got[static_cast<std::size_t>(at)]);
        far += !(std::fabs(value - exact) <= bound + std::ldexp(std::fabs(exact) + bound, -8));
        other += got[static_cast<std::size_t>(at)] != float_to_bf16(wanted);
    }
    EXPECT_EQ(0, unwritten);
    EXPECT_EQ(0, far) << "of " << samples << ", " << w4a4_variant(plan.variant).name << " "
                      << s.rows << "x" << s.out << "x" << s.in << " slices " << plan.slices;
    EXPECT_EQ(0, other) << "of " << samples << " differ from the emulation, "
                        << w4a4_variant(plan.variant).name << " " << s.rows << "x" << s.out << "x"
                        << s.in << " slices " << plan.slices;
}

void compare_all(const Shape& shape, const std::vector<int>& extra, std::int64_t room, int spread) {
    const Problem problem(shape, extra, room, spread);
    W4A4Call call;
    call.rows = shape.rows;
    call.out = shape.out;
    call.in = shape.in;
    call.extra_rows = room;
    for (int variant = 0; variant < w4a4_variants(); ++variant)
        for (const int slices : {1, 3}) compare(problem, w4a4_sliced(call, variant, slices));
}

}  // namespace

TEST(GpuW4A4, SmallShapesEqualTheEmulation) {
    compare_all({1, 8, 32}, {}, 0, 3);
    compare_all({70, 200, 416}, {}, 0, 5);
    compare_all({300, 264, 1056}, {}, 8, 14);
}

TEST(GpuW4A4, SmallRowsThatWereSplit) {
    compare_all({40, 136, 640}, {7, 7, 39, 39, 39}, 6, 9);
    compare_all({257, 72, 512}, {256, 256, 0, 0}, 300, 3);
}

TEST(GpuW4A4, EqualsTheEmulationInManyShapes) {
    compare_all({513, 1040, 4096}, {}, 0, 3);
    compare_all({1100, 2312, 1024}, {}, 0, 10);
    compare_all({256, 4096, 14336}, {3, 3}, 256, 4);
}

TEST(GpuW4A4, Refuses) {
    W4A4Call call;
    call.rows = call.out = 8;
    call.in = 48;
    EXPECT_EQ(Code::bad_argument, w4a4(call, nullptr).code);  // not whole groups
    call.in = 64;
    EXPECT_EQ(Code::bad_argument, w4a4(call, nullptr).code);  // no pointers
}

}  // namespace hb::gpu
