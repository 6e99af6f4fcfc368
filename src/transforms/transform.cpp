// SPDX-License-Identifier: Apache-2.0
// The table of transforms, their names, and their use on rows.
#include "transforms/transform.hpp"

#include <bit>
#include <charconv>

#include "core/error.hpp"
#include "transforms/kinds.hpp"

namespace hb {

namespace {

constexpr int kMaxBlock = 4096, kMaxDefaultBlock = 128;

constexpr TransformKind kKinds[] = {
    {"identity", "nothing moves, but it is recorded", false, identity_apply, identity_matrix},
    {"hadamard", "Sylvester's Hadamard matrix", true, hadamard_apply, hadamard_matrix},
    {"randomized-hadamard", "Hadamard behind random signs", true, random_hadamard_apply,
     random_hadamard_matrix, true},
    {"gsr", "Hadamard columns by rising number of sign changes", true, gsr_apply, gsr_matrix},
    {"dct", "discrete cosine transform", false, dct_apply, dct_matrix},
    {"dst", "discrete sine transform", false, dst_apply, dst_matrix},
};

const TransformKind& find_kind(std::string_view name) {
    std::string known = "none, auto";
    for (const TransformKind& kind : kKinds) {
        if (kind.name == name) return kind;
        known += ", " + std::string(kind.name);
    }
    fail("unknown transform '{}'; choose one of: {}, with :BLOCK behind if wanted", name, known);
}

int parse_block(std::string_view digits, std::string_view text) {
    int block = 0;
    const auto [end, code] = std::from_chars(digits.data(), digits.data() + digits.size(), block);
    if (code != std::errc() || end != digits.data() + digits.size() || block < 2 ||
        block > kMaxBlock) {
        fail("transform '{}': the block is a number from 2 to {}, as in hadamard:32", text,
             kMaxBlock);
    }
    return block;
}

// Largest power of two up to 128 that divides.
int default_block(std::int64_t dimension) {
    int block = 1;
    while (block < kMaxDefaultBlock && dimension % (2 * block) == 0) block *= 2;
    return block;
}

}  // namespace

std::span<const TransformKind> all_transforms() {
    return kKinds;
}

std::string Transform::text() const {
    return identity() ? "none" : fmt::format("{}:{}", kind->name, block);
}

Transform parse_transform(std::string_view text, std::int64_t dimension, std::uint64_t seed) {
    if (text == "none") return {};
    if (dimension < 1) fail("transform '{}' of a dimension of {}", text, dimension);
    if (text == "auto" && default_block(dimension) == 1) return {};
    const auto colon = text.find(':');
    const auto& kind = find_kind(text == "auto" ? "hadamard" : text.substr(0, colon));
    const int block =
        colon == text.npos ? default_block(dimension) : parse_block(text.substr(colon + 1), text);
    if (block == 1)
        fail("transform '{}': no even block divides a dimension of {}", text, dimension);
    if (kind.power_of_two && !std::has_single_bit(static_cast<unsigned>(block))) {
        fail("transform '{}': {} wants a power of two", text, kind.name);
    }
    if (dimension % block != 0) {
        fail("transform '{}': {} does not divide the dimension {}; {} would", text, block,
             dimension, default_block(dimension));
    }
    return {&kind, block, kind.seeded ? seed : 0};
}

void apply(const Transform& t, View<float> rows) {
    if (t.identity()) return;
    if (rows.cols % t.block != 0) fail("{} does not divide {} columns", t.text(), rows.cols);
    for (std::int64_t r = 0; r < rows.rows; ++r) {
        for (std::int64_t c = 0; c < rows.cols; c += t.block) {
            t.kind->apply(rows.row(r) + c, t.block, t.seed);
        }
    }
}

}  // namespace hb
