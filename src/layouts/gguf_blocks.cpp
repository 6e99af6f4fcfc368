// SPDX-License-Identifier: Apache-2.0
#include "layouts/gguf_blocks.hpp"

#include <algorithm>

#include "core/error.hpp"
#include "core/parallel.hpp"
#include "io/source.hpp"

namespace hb {
namespace {

void pack_halves(const std::uint8_t* codes, int n, std::byte* out) {
    const auto code = [&](int i) { return codes[i / 2] >> (i % 2 * 4) & 15; };
    for (int j = 0; j < n / 2; ++j) out[j] = static_cast<std::byte>(code(j) | code(j + n / 2) << 4);
}

Q8Tensor q8_rows(const Checkpoint& from, const PlainTensor& tensor, std::int64_t first,
                 std::int64_t count) {
    if (tensor.stored_type == "Q8_0")
        return from.read_q8_rows(tensor.name, first, count, cols_of(tensor));
    const auto rows = from.read_stored_rows(tensor.name, first, count, cols_of(tensor));
    Threads alone(1);
    try {
        return quantize_q8(rows.view(), alone);
    } catch (const Error& error) {
        fail("{}: tensor '{}' from row {} on: {}", from.path().string(), tensor.name, first,
             error.what());
    }
}

}  // namespace

const StoredType& block_type(const Contents& c, const QuantizedLinear& linear) {
    const bool nv = linear.scheme->family == Family::nv;
    if (!nv && linear.scheme->family != Family::mx)
        fail("{}: '{}' is {}; gguf holds MXFP4 and NVFP4", c.checkpoint->path().string(),
             linear.module, linear.scheme->name);
    const auto& type = *find_stored_type(nv ? "NVFP4" : "MXFP4");
    if (linear.cols % type.block != 0)
        fail(
            "{}: '{}' has {} columns, not a multiple of the {} in a block of GGUF's {}: quantize "
            "with --ignore {}",
            c.checkpoint->path().string(), linear.module, linear.cols, type.block, type.name,
            linear.module);
    return type;
}

std::vector<std::byte> pack_blocks(const Contents& c, const QuantizedLinear& linear,
                                   const StoredType& type, std::int64_t heads) {
    const QTensor q = linear.read(0, linear.rows);
    c.checkpoint->drop(linear.module);
    const int group = q.scheme->group, groups = type.block / group;
    const std::int64_t blocks = q.cols / type.block;
    std::vector<std::byte> bytes(static_cast<std::size_t>(q.rows * blocks * type.bytes));
    for (std::int64_t r = 0; r < q.rows; ++r) {
        std::byte* block = bytes.data() + stored_row(r, q.rows, heads) * blocks * type.bytes;
        for (std::int64_t b = 0; b < blocks; ++b, block += type.bytes) {
            for (int g = 0; g < groups; ++g) {
                const auto column = b * groups + g;
                const auto bits = q.scales.bits(r, column);
                if (type.name == "NVFP4" && bits > 0x7f)
                    fail("'{}' has the scale -0, which GGUF's NVFP4 has not: quantize it again",
                         linear.module);
                block[g] = static_cast<std::byte>(bits);
                pack_halves(q.codes.row(r) + column * group / 2, group,
                            block + groups + g * group / 2);
            }
        }
    }
    return bytes;
}

std::vector<std::byte> q8_blocks(const Checkpoint& from, const PlainTensor& tensor) {
    std::vector<std::byte> bytes;
    const std::int64_t rows = rows_of(tensor), cols = cols_of(tensor);
    for (std::int64_t first = 0; first < rows; first += part_rows(cols)) {
        const std::int64_t count = std::min(part_rows(cols), rows - first);
        const auto q = q8_rows(from, tensor, first, count);
        from.drop_rows(tensor.name, first, count);
        for (std::int64_t r = 0; r < q.rows; ++r)
            for (std::int64_t b = 0; b < cols / Q8Tensor::kGroup; ++b) {
                const auto scale = std::as_bytes(std::span(&q.scales(r, b), 1));
                bytes.insert(bytes.end(), scale.begin(), scale.end());
                const auto* codes =
                    reinterpret_cast<const std::byte*>(q.codes.row(r) + b * Q8Tensor::kGroup);
                bytes.insert(bytes.end(), codes, codes + Q8Tensor::kGroup);
            }
    }
    return bytes;
}

std::vector<std::byte> permute_rows(const std::vector<std::byte>& bytes, std::int64_t rows,
                                    std::int64_t heads) {
    std::vector<std::byte> out(bytes.size());
    const auto width = static_cast<std::int64_t>(bytes.size()) / rows;
    for (std::int64_t r = 0; r < rows; ++r)
        std::copy_n(bytes.begin() + r * width, width,
                    out.begin() + stored_row(r, rows, heads) * width);
    return out;
}

}  // namespace hb
