// SPDX-License-Identifier: Apache-2.0
// The left side of a product in one pass over x: a few rows at a time are copied to a buffer that
// stays in L1 or L2, transformed, quantized there and stored in lane order.
#include <algorithm>
#include <vector>

#include "core/error.hpp"
#include "kernels/table.hpp"
#include "transforms/kinds.hpp"

namespace hb {

namespace {

constexpr std::int64_t kRowsATask = 8;

struct NamedRule {
    Family family;
    std::string_view name;
    QuantizeRow FastRules::*fast;
};

constexpr NamedRule kNamedRules[] = {
    {Family::mx, "ocp", &FastRules::mx_ocp},
    {Family::mx, "ct-round", &FastRules::mx_ct_round},
    {Family::mx, "fp-quant", &FastRules::mx_fp_quant},
    {Family::mx, "rceil", &FastRules::mx_rceil},
    {Family::mx, "ceil7.25", &FastRules::mx_ceil725},
    {Family::mx, "mse", &FastRules::mx_mse},
    {Family::mx, "mse43", &FastRules::mx_mse43},
    {Family::nv, "absmax", &FastRules::nv_absmax},
    {Family::nv, "four-over-six", &FastRules::nv_four_over_six},
    {Family::nv, "sweep4", &FastRules::nv_sweep4},
    {Family::nv, "sweep8", &FastRules::nv_sweep8},
    {Family::nv, "sweep", &FastRules::nv_sweep},
};

QuantizeRow fast_rule(const Kernels& kernels, const ActivationQuantizer& q) {
    if (q.scheme->group != (q.scheme->family == Family::mx ? 32 : 16)) return nullptr;
    for (const NamedRule& rule : kNamedRules) {
        if (rule.family == q.scheme->family && rule.name == q.rule->name)
            return kernels.rules.*rule.fast;
    }
    return nullptr;
}

// rows of `width` in x, padded with zeros from k on
void quantize_rows(const ActivationQuantizer& q, QuantizeRow fast, std::int64_t rows,
                   std::int64_t k, std::int64_t width, const float* x, float* y) {
    if (fast && fast(x, rows * width, q.divisor, y)) return;
    for (std::int64_t r = 0; r < rows; ++r) {
        quantize_activation(q, x + r * width, k, y + r * width);
        std::fill(y + r * width + k, y + (r + 1) * width, 0.f);
    }
}

// A transform with what its fast path needs: the random signs of a row, or nothing.
struct RowTransform {
    const Transform& transform;
    AlignedVector<float> signs;
    bool fast;

    RowTransform(const Transform& t, std::int64_t k) : transform(t), fast(false) {
        if (t.identity()) return;
        fast = t.kind->name == "hadamard" || t.kind->name == "randomized-hadamard";
        if (t.kind->name != "randomized-hadamard") return;
        for (std::int64_t i = 0; i < k; ++i) {
            signs.push_back(i < t.block ? random_sign(t.seed, static_cast<int>(i))
                                        : signs[static_cast<std::size_t>(i - t.block)]);
        }
    }

    void operator()(const Kernels& kernels, std::int64_t k, float* x) const {
        if (transform.identity()) return;
        for (std::size_t i = 0; i < signs.size(); ++i) x[i] *= signs[i];
        if (fast) return kernels.hadamard(x, k, transform.block);
        for (std::int64_t i = 0; i < k; i += transform.block) {
            transform.kind->apply(x + i, transform.block, transform.seed);
        }
    }
};

void check(View<const float> x, const Transform& t, const ActivationQuantizer* q) {
    if (!t.identity() && x.cols % t.block != 0) {
        fail("transform {} does not divide {} columns", t.text(), x.cols);
    }
    if (q && x.cols % q->scheme->group != 0) {
        fail("{} activations do not divide into {}'s groups of {}", x.cols, q->scheme->name,
             q->scheme->group);
    }
}

}  // namespace

void prepare_operand(const Kernels& kernels, Threads& threads, View<const float> x,
                     const Transform& t, const ActivationQuantizer* q, Precision precision,
                     Operand& out) {
    check(x, t, q);
    out.rows = x.rows;
    out.k = x.cols;
    out.precision = precision;
    const std::int64_t width = out.padded_k();
    const auto size = static_cast<std::size_t>(x.rows * width);
    if (precision == Precision::bf16)
        out.narrow.resize(size);
    else
        out.wide.resize(size);
    const RowTransform transform(t, x.cols);
    const QuantizeRow fast = q ? fast_rule(kernels, *q) : nullptr;
    std::vector<AlignedVector<float>> buffers(static_cast<std::size_t>(threads.count()));
    threads.loop((x.rows + kRowsATask - 1) / kRowsATask, [&](std::int64_t i, int thread) {
        const std::int64_t first = i * kRowsATask, rows = std::min(kRowsATask, x.rows - first);
        auto& buffer = buffers[static_cast<std::size_t>(thread)];
        buffer.resize(static_cast<std::size_t>(2 * kRowsATask * width));
        float *from = buffer.data(), *to = q ? from + kRowsATask * width : from;
        for (std::int64_t r = 0; r < rows; ++r) {
            float* row = from + r * width;
            std::copy_n(x.row(first + r), x.cols, row);
            std::fill(row + x.cols, row + width, 0.f);
            transform(kernels, x.cols, row);
        }
        if (q) quantize_rows(*q, fast, rows, x.cols, width, from, to);
        const std::int64_t at = first * width;
        kernels.to_lanes(to, rows * width,
                         precision == Precision::bf16 ? out.narrow.data() + at : nullptr,
                         precision == Precision::bf16 ? nullptr : out.wide.data() + at);
    });
}

}  // namespace hb
