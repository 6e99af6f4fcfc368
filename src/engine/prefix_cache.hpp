// SPDX-License-Identifier: Apache-2.0
// Keys and values of a position depend on the tokens up to it alone, and their bits not on what was
// computed beside them: a prompt that begins as another sequence did takes over that part by
// copying. Whole blocks of 32 positions are copied, as they lie in the panels of KvCache.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "engine/decoder.hpp"

namespace hb {

// A sequence and its tokens, of which the last ones may not be in the sequence yet.
struct Past {
    std::vector<std::int32_t> tokens;
    Sequence sequence;
};

std::int64_t bytes_of(const Sequence& sequence);

// Positions [0, count) of `from` become all that `to` holds. count: a multiple of 32, or the length
// of `from`; `to` has room for it.
void copy_positions(const Sequence& from, std::int64_t count, Sequence& to, Threads& threads);
// Gives a sequence room for `capacity` positions.
void make_room(const Decoder& decoder, std::int64_t capacity, Sequence& sequence, Threads& threads);

// How many of the first `held` positions of a sequence a prompt can take over: whole blocks of 32
// with the same tokens, never the whole prompt, whose last row gives the first logits.
std::int64_t shared_positions(std::span<const std::int32_t> tokens, std::int64_t held,
                              std::span<const std::int32_t> prompt);

// Where a prompt's beginning can be copied from.
struct Source {
    const Past* past = nullptr;
    std::int64_t positions = 0;
};

// Finished sequences, up to a limit of bytes; the one that was not used for the longest time goes
// first.
class PrefixCache {
public:
    explicit PrefixCache(std::int64_t limit) : limit_(limit) {}

    // Nothing is kept twice: what another sequence begins with goes.
    void keep(Past past);
    // The longest; it counts as used. Valid until the next call.
    Source find(std::span<const std::int32_t> prompt);
    std::int64_t bytes() const { return bytes_; }

private:
    void drop(std::size_t index);

    std::int64_t limit_ = 0, bytes_ = 0;
    std::vector<Past> pasts_;  // the last one used is the last
};

}  // namespace hb
