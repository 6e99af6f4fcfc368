// SPDX-License-Identifier: Apache-2.0
#include "layouts/proof.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <map>

#include "core/digest.hpp"
#include "core/error.hpp"
#include "io/strict_json.hpp"

namespace hb {
namespace {

// A tensor of either kind under the name of the dense one.
struct Tensor {
    const QuantizedLinear* linear = nullptr;
    const PlainTensor* plain = nullptr;
    std::int64_t rows() const { return linear ? linear->rows : rows_of(*plain); }
    std::int64_t cols() const { return linear ? linear->cols : cols_of(*plain); }
};
using Tensors = std::map<std::string, Tensor>;

Tensors tensors_of(const Contents& c) {
    Tensors tensors;
    for (const auto& linear : c.linears) tensors[linear.module + ".weight"] = {&linear, nullptr};
    for (const auto& plain : c.tensors) tensors[plain.name] = {nullptr, &plain};
    return tensors;
}

void same_names(const Contents& a, const Tensors& in, const Contents& b, const Tensors& out) {
    for (const auto& [name, tensor] : in)
        if (!out.contains(name))
            fail("{}: tensor '{}' of {} is missing", b.checkpoint->path().string(), printable(name),
                 a.checkpoint->path().string());
    for (const auto& [name, tensor] : out) {
        const auto it = in.find(name);
        if (it == in.end() || it->second.rows() != tensor.rows() ||
            it->second.cols() != tensor.cols())
            fail("{}: tensor '{}' is not as in {}", b.checkpoint->path().string(), printable(name),
                 a.checkpoint->path().string());
    }
}

// Rows of one tensor as values, and as codes when it has them.
struct Rows {
    Matrix<float> values;
    QTensor coded;
};

Rows read(const Contents& c, const std::string& name, const Tensor& tensor, std::int64_t first,
          std::int64_t count) {
    Rows part;
    if (tensor.linear) {
        part.coded = tensor.linear->read(first, count);
        part.values = dequantize(part.coded);
    } else {
        part.values = c.checkpoint->read_stored_rows(name, first, count, tensor.cols());
        c.checkpoint->drop_rows(name, first, count);
    }
    return part;
}

bool same_codes(const QTensor& a, const QTensor& b) {
    return a.codes.values == b.codes.values && a.scales.bits.values == b.scales.bits.values &&
           a.scales.zeros.values == b.scales.zeros.values && a.scales.divisor == b.scales.divisor;
}

struct Sums {
    double difference = 0, size = 0;
};

void add(Proof& proof, Sums& sums, const Matrix<float>& in, const Matrix<float>& out) {
    proof.digest_in = digest(std::as_bytes(std::span(in.values)), proof.digest_in);
    proof.digest_out = digest(std::as_bytes(std::span(out.values)), proof.digest_out);
    proof.values += static_cast<std::int64_t>(in.values.size());
    for (std::size_t i = 0; i < in.values.size(); ++i) {
        const double x = in.values[i], y = out.values[i];
        sums.size += x * x;
        if (std::bit_cast<std::uint32_t>(in.values[i]) ==
            std::bit_cast<std::uint32_t>(out.values[i]))
            continue;
        const double d = std::abs(x - y);
        sums.difference += d * d;
        if (!(d <= proof.largest)) proof.largest = d;
    }
}

bool same_inputs(const QuantizedLinear& a, const QuantizedLinear& b) {
    return !a.input_divisor || !b.input_divisor || *a.input_divisor == *b.input_divisor;
}

}  // namespace

Proof compare(const Contents& in, const Contents& out) {
    const Tensors from = tensors_of(in), to = tensors_of(out);
    same_names(in, from, out, to);
    Proof proof;
    Sums sums;
    for (const auto& [name, tensor] : from) {
        const Tensor& other = to.at(name);
        ++proof.tensors;
        if (tensor.plain && !tensor.plain->number) {
            proof.digest_in = digest(in.checkpoint->read_bytes(name), proof.digest_in);
            proof.digest_out = digest(out.checkpoint->read_bytes(name), proof.digest_out);
            continue;
        }
        const bool coded = tensor.linear && other.linear;
        bool same = coded && same_inputs(*tensor.linear, *other.linear);
        const std::int64_t rows = tensor.rows(), step = part_rows(tensor.cols());
        for (std::int64_t first = 0; first < rows; first += step) {
            const std::int64_t count = std::min(step, rows - first);
            const Rows a = read(in, name, tensor, first, count);
            const Rows b = read(out, name, other, first, count);
            if (coded) same = same && same_codes(a.coded, b.coded);
            add(proof, sums, a.values, b.values);
        }
        proof.coded += coded;
        proof.recoded += coded && !same;
        if (tensor.linear) in.checkpoint->drop(tensor.linear->module);
        if (other.linear) out.checkpoint->drop(other.linear->module);
    }
    proof.relative = sums.size > 0 ? std::sqrt(sums.difference / sums.size) : 0;
    return proof;
}

}  // namespace hb
