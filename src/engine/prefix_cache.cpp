// SPDX-License-Identifier: Apache-2.0
// In a KvCache the keys of a head are one strip of `capacity` positions; its values are a strip for
// each 16 of head_dim. A strip's first positions lie at its beginning.
#include "engine/prefix_cache.hpp"

#include <algorithm>

#include "core/error.hpp"

namespace hb {
namespace {

constexpr std::int64_t kBlock = 32;

std::int64_t round_up(std::int64_t n, std::int64_t unit) {
    return (n + unit - 1) / unit * unit;
}

// Strips have `width` numbers a position.
template <class T>
void copy_strips(const AlignedVector<T>& from, std::int64_t from_capacity, AlignedVector<T>& to,
                 std::int64_t to_capacity, std::int64_t width, std::int64_t positions) {
    const std::int64_t from_strip = from_capacity * width, to_strip = to_capacity * width;
    const std::int64_t strips = to_strip > 0 ? static_cast<std::int64_t>(to.size()) / to_strip : 0;
    for (std::int64_t i = 0; i < strips; ++i)
        std::copy_n(from.data() + i * from_strip, positions * width, to.data() + i * to_strip);
}

void copy_layer(const KvCache& from, std::int64_t count, KvCache& to) {
    const std::int64_t positions = round_up(count, kBlock), width = round_up(to.head_dim, 32);
    const auto strips = [&](const auto& a, auto& b, std::int64_t w) {
        copy_strips(a, from.capacity, b, to.capacity, w, positions);
    };
    strips(from.narrow_keys, to.narrow_keys, width);
    strips(from.narrow_values, to.narrow_values, 16);
    strips(from.wide_keys, to.wide_keys, width);
    strips(from.wide_values, to.wide_values, 16);
    strips(from.key_codes, to.key_codes, width);
    strips(from.value_codes, to.value_codes, 16);
    strips(from.key_scales, to.key_scales, 1);
    strips(from.value_scales, to.value_scales, 1);
    to.length = count;
}

bool begins_with(const std::vector<std::int32_t>& tokens, const std::vector<std::int32_t>& begin) {
    return begin.size() <= tokens.size() && std::equal(begin.begin(), begin.end(), tokens.begin());
}

}  // namespace

std::int64_t bytes_of(const Sequence& sequence) {
    std::int64_t bytes = 0;
    for (const KvCache& cache : sequence.layers) bytes += bytes_of(cache);
    return bytes;
}

void copy_positions(const Sequence& from, std::int64_t count, Sequence& to, Threads& threads) {
    if (count > from.length || (count % kBlock != 0 && count != from.length))
        fail("cannot copy {} positions of a sequence of {}", count, from.length);
    for (const KvCache& cache : to.layers)
        if (count > cache.capacity)
            fail("{} positions do not fit: the cache holds {}", count, cache.capacity);
    threads.loop(static_cast<std::int64_t>(to.layers.size()), [&](std::int64_t i, int) {
        const auto layer = static_cast<std::size_t>(i);
        copy_layer(from.layers[layer], count, to.layers[layer]);
    });
    to.length = count;
}

void make_room(const Decoder& decoder, std::int64_t capacity, Sequence& sequence,
               Threads& threads) {
    if (!sequence.layers.empty() && capacity <= sequence.layers[0].capacity) return;
    Sequence larger = make_sequence(decoder, capacity);
    if (sequence.length > 0) copy_positions(sequence, sequence.length, larger, threads);
    sequence = std::move(larger);
}

std::int64_t shared_positions(std::span<const std::int32_t> tokens, std::int64_t held,
                              std::span<const std::int32_t> prompt) {
    const auto last = static_cast<std::int64_t>(std::min(tokens.size() + 1, prompt.size())) - 1;
    const std::int64_t most = std::min(held, last);
    if (most <= 0) return 0;
    const auto same = std::mismatch(tokens.begin(), tokens.begin() + most, prompt.begin()).first;
    return (same - tokens.begin()) / kBlock * kBlock;
}

void PrefixCache::drop(std::size_t index) {
    bytes_ -= bytes_of(pasts_[index].sequence);
    pasts_.erase(pasts_.begin() + static_cast<std::ptrdiff_t>(index));
}

void PrefixCache::keep(Past past) {
    past.tokens.resize(static_cast<std::size_t>(past.sequence.length));
    const std::int64_t bytes = bytes_of(past.sequence);
    if (past.sequence.length < kBlock || bytes > limit_) return;
    for (std::size_t i = 0; i < pasts_.size(); ++i)
        if (begins_with(pasts_[i].tokens, past.tokens)) {
            std::rotate(pasts_.begin() + static_cast<std::ptrdiff_t>(i),
                        pasts_.begin() + static_cast<std::ptrdiff_t>(i) + 1, pasts_.end());
            return;
        }
    for (std::size_t i = pasts_.size(); i-- > 0;)
        if (begins_with(past.tokens, pasts_[i].tokens)) drop(i);
    while (bytes_ + bytes > limit_) drop(0);
    bytes_ += bytes;
    pasts_.push_back(std::move(past));
}

Source PrefixCache::find(std::span<const std::int32_t> prompt) {
    std::int64_t most = 0;
    std::size_t best = 0;
    for (std::size_t i = pasts_.size(); i-- > 0;) {
        const Past& past = pasts_[i];
        const std::int64_t n = shared_positions(past.tokens, past.sequence.length, prompt);
        if (n > most) {
            most = n;
            best = i;
        }
    }
    if (most == 0) return {};
    std::rotate(pasts_.begin() + static_cast<std::ptrdiff_t>(best),
                pasts_.begin() + static_cast<std::ptrdiff_t>(best) + 1, pasts_.end());
    return {&pasts_.back(), most};
}

}  // namespace hb
