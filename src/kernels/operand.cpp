// SPDX-License-Identifier: Apache-2.0
// The left side of a product in one pass over x: a few rows at a time are copied (or normed) to a
// buffer that stays in L1 or L2, transformed, quantized there and stored in lane order.
#include <algorithm>
#include <atomic>
#include <vector>

#include "core/error.hpp"
#include "kernels/prepare.hpp"
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
    {Family::mxint8, "rceil", &FastRules::mxint8_rceil},
    {Family::nv, "absmax", &FastRules::nv_absmax},
    {Family::nv, "four-over-six", &FastRules::nv_four_over_six},
    {Family::nv, "sweep4", &FastRules::nv_sweep4},
    {Family::nv, "sweep8", &FastRules::nv_sweep8},
    {Family::nv, "sweep", &FastRules::nv_sweep},
};

QuantizeRow fast_rule(const Kernels& kernels, const ActivationQuantizer& q) {
    if (q.scheme->group != (q.scheme->family == Family::nv ? 16 : 32)) return nullptr;
    for (const NamedRule& rule : kNamedRules) {
        if (rule.family == q.scheme->family && rule.name == q.rule->name)
            return kernels.rules.*rule.fast;
    }
    return nullptr;
}

bool in_powers_of_two(const ActivationQuantizer& q) {
    return q.scheme->family == Family::mx || q.scheme->family == Family::mxint8;
}

// Of the operand's shape; zero is what lies between tiles, and the rows that only fill the last.
template <class T>
void make_room(const Operand& shape, AlignedVector<T>& values) {
    values.resize(static_cast<std::size_t>(shape.size()));
    if (shape.rows < 16) return;
    for (auto tile = values.begin(); tile != values.end(); tile += shape.stride())
        std::fill(tile + 16 * shape.padded_k(), tile + shape.stride(), T{});
    if (shape.rows % 16 != 0) std::fill(values.end() - shape.stride(), values.end(), T{});
}

void check(std::int64_t k, const Transform& t, const ActivationQuantizer* q) {
    if (!t.identity() && k % t.block != 0) {
        fail("transform {} does not divide {} columns", t.text(), k);
    }
    if (q && !q->scheme->divides(k)) {
        fail("{} activations do not divide into {}'s groups of {}", k, q->scheme->name,
             q->scheme->group);
    }
}

}  // namespace

Multiply left_of(const Operand& a, std::int64_t row, std::int64_t rows) {
    Multiply m;
    m.blocks = a.padded_k() / kBlock;
    m.a_step = a.step();
    m.a_stride = a.stride();
    m.rows = static_cast<int>(rows);
    m.whole_a = a.is_whole ? a.whole.data() + row * m.blocks : nullptr;
    m.whole_stride = m.blocks;
    if (a.precision == Precision::bf16)
        m.narrow_a = a.narrow.data() + a.at(row);
    else
        m.wide_a = a.wide.data() + a.at(row);
    return m;
}

void take_right(Multiply& m, const PackedMatrix& b, std::int64_t panel, std::int64_t panels) {
    m.panels = static_cast<int>(panels);
    m.coding = b.coding;
    m.moderate = b.moderate;
    m.late = b.late;
    m.b_stride = m.blocks * (b.coding == Coding::none ? kTile : coded_bytes(b.coding));
    if (b.coding != Coding::none)
        m.coded_b = b.coded.data() + panel * m.b_stride;
    else if (b.precision == Precision::bf16)
        m.narrow_b = b.narrow.data() + panel * m.b_stride;
    else
        m.wide_b = b.wide.data() + panel * m.b_stride;
}

void take_span(Multiply& m, std::int64_t block, std::int64_t blocks) {
    if (m.narrow_a) m.narrow_a += block * m.a_step;
    if (m.wide_a) m.wide_a += block * m.a_step;
    if (m.whole_a) m.whole_a += block;
    if (m.narrow_b) m.narrow_b += block * kTile;
    if (m.wide_b) m.wide_b += block * kTile;
    if (m.coded_b) m.coded_b += block * coded_bytes(m.coding);
    m.blocks = blocks;
}

void take_scales(Finish& f, const Operand& a, const PackedMatrix& b, std::int64_t row,
                 std::int64_t column) {
    if (!a.scales.empty()) f.row_scales = a.scales.data() + row;
    if (!b.scales.empty()) f.column_scales = b.scales.data() + column;
}

void shape_operand(std::int64_t rows, std::int64_t k, Precision precision, Operand& out) {
    out.rows = rows;
    out.k = k;
    out.precision = precision;
    out.scales.clear();
    if (precision == Precision::bf16)
        make_room(out, out.narrow);
    else
        make_room(out, out.wide);
    out.whole.clear();
    out.is_whole = false;
}

void make_whole(const Kernels& kernels, Operand& x) {
    if (!multiplies_whole_numbers(kernels, x.rows)) return;
    const std::int64_t blocks = x.padded_k() / kBlock;
    x.whole.resize(static_cast<std::size_t>(x.rows * blocks));
    x.is_whole = true;
    for (std::int64_t r = 0; x.is_whole && r < x.rows; ++r)
        x.is_whole = kernels.to_whole(x.narrow.data() + x.at(r), x.step(), blocks,
                                      x.whole.data() + r * blocks);
}

Preparer::Preparer(const Kernels& kernels, const Transform& t, const ActivationQuantizer* q,
                   Operand& out, Operand* observed)
    : kernels_(kernels),
      transform_(t),
      quantizer_(q),
      fast_(q ? fast_rule(kernels, *q) : nullptr),
      fast_transform_(false),
      out_(out),
      observed_(observed) {
    check(out.k, t, q);
    if (q && in_powers_of_two(*q) && multiplies_whole_numbers(kernels, out.rows) &&
        out.whole.empty() && out.precision == Precision::bf16) {
        out.whole.resize(static_cast<std::size_t>(out.rows * out.padded_k() / kBlock));
        out.is_whole = true;
    }
    if (q && q->scheme->by_row()) out.scales.resize(static_cast<std::size_t>(out.rows));
    if (t.identity()) return;
    fast_transform_ = t.kind->name == "hadamard" || t.kind->name == "randomized-hadamard";
    if (t.kind->name != "randomized-hadamard") return;
    for (int i = 0; i < t.block; ++i) signs_.push_back(random_sign(t.seed, i));
}

void Preparer::transform_row(float* x, std::int64_t n) const {
    if (transform_.identity()) return;
    for (std::int64_t i = 0; !signs_.empty() && i < n; i += transform_.block) {
        for (std::size_t j = 0; j < signs_.size(); ++j)
            x[i + static_cast<std::int64_t>(j)] *= signs_[j];
    }
    if (fast_transform_) return kernels_.hadamard(x, n, transform_.block);
    for (std::int64_t i = 0; i < n; i += transform_.block)
        transform_.kind->apply(x + i, transform_.block, transform_.seed);
}

// rows of `width` in x from `row` on, of which n are the row's
void Preparer::quantize_rows(const float* x, std::int64_t row, std::int64_t rows, std::int64_t n,
                             std::int64_t width, float* y) const {
    if (fast_ && fast_(x, rows * width, quantizer_->divisor, y)) return;
    for (std::int64_t r = 0; r < rows; ++r) {
        const float scale = quantize_activation(*quantizer_, x + r * width, n, y + r * width);
        if (!out_.scales.empty()) out_.scales[static_cast<std::size_t>(row + r)] = scale;
        std::fill(y + r * width + n, y + (r + 1) * width, 0.f);
    }
}

void Preparer::store_rows(const float* x, std::int64_t row, std::int64_t rows, std::int64_t column,
                          std::int64_t width, Operand& out) const {
    const bool narrow = out.precision == Precision::bf16;
    for (std::int64_t r = 0; r < rows; ++r) {
        const std::int64_t at = out.at(row + r) + column / kBlock * out.step();
        kernels_.to_lanes(x + r * width, width, narrow ? out.narrow.data() + at : nullptr,
                          narrow ? nullptr : out.wide.data() + at, out.step());
    }
}

void Preparer::operator()(float* x, float* spare, std::int64_t row, std::int64_t rows,
                          std::int64_t column, std::int64_t width) const {
    const std::int64_t n = std::min(width, out_.k - column);
    for (std::int64_t r = 0; r < rows; ++r) {
        transform_row(x + r * width, n);
        std::fill(x + r * width + n, x + (r + 1) * width, 0.f);
    }
    if (observed_) store_rows(x, row, rows, column, width, *observed_);
    if (quantizer_) quantize_rows(x, row, rows, n, width, spare);
    store_rows(quantizer_ ? spare : x, row, rows, column, width, out_);
    for (std::int64_t r = row; !out_.whole.empty() && r < row + rows; ++r)
        make_whole_row(r, column, width);
}

// Others may find at the same time that their blocks are not whole.
void Preparer::make_whole_row(std::int64_t row, std::int64_t column, std::int64_t width) const {
    const std::int64_t block = column / kBlock, blocks = out_.padded_k() / kBlock;
    if (!kernels_.to_whole(out_.narrow.data() + out_.at(row) + block * out_.step(), out_.step(),
                           width / kBlock, out_.whole.data() + row * blocks + block))
        std::atomic_ref(out_.is_whole).store(false, std::memory_order_relaxed);
}

void prepare_operand(const Kernels& kernels, Threads& threads, View<const float> x,
                     const Transform& t, const ActivationQuantizer* q, Precision precision,
                     Operand& out, const Norm* norm) {
    shape_operand(x.rows, x.cols, precision, out);
    const Preparer prepare(kernels, t, q, out);
    const std::int64_t width = out.padded_k();
    std::vector<AlignedVector<float>> buffers(static_cast<std::size_t>(threads.count()));
    const std::int64_t most = std::clamp<std::int64_t>(x.rows / threads.count(), 1, kRowsATask);
    threads.loop((x.rows + most - 1) / most, [&](std::int64_t i, int thread) {
        const std::int64_t first = i * most, rows = std::min(most, x.rows - first);
        auto& buffer = buffers[static_cast<std::size_t>(thread)];
        buffer.resize(static_cast<std::size_t>(2 * most * width));
        for (std::int64_t r = 0; r < rows; ++r) {
            float* row = buffer.data() + r * width;
            if (norm)
                kernels.rms_norm(x.row(first + r), norm->weight, norm->eps, x.cols, row);
            else
                std::copy_n(x.row(first + r), x.cols, row);
        }
        prepare(buffer.data(), buffer.data() + most * width, first, rows, 0, width);
    });
}

}  // namespace hb
