// SPDX-License-Identifier: Apache-2.0
#include "engine/batch.hpp"

#include <algorithm>

#include "core/error.hpp"

namespace hb {
namespace {

constexpr std::int64_t kFirstRoom = 256;  // positions behind the prompt; twice as many when full

void shape(Matrix<float>& m, std::int64_t rows, std::int64_t cols) {
    m.rows = rows;
    m.cols = cols;
    m.values.resize(static_cast<std::size_t>(rows * cols));
}

}  // namespace

Batch::Batch(const Decoder& decoder, const Kernels& kernels, Threads& threads, BatchLimits limits)
    : decoder_(decoder),
      kernels_(kernels),
      threads_(threads),
      limits_(limits),
      cache_(limits.cache_bytes) {
    if (limits.parallel < 1 || limits.chunk < 1)
        fail("a batch of {} sequences and {} rows of prompts; wanted at least 1 of each",
             limits.parallel, limits.chunk);
}

std::int64_t Batch::submit(BatchRequest request) {
    check_prompt(decoder_.config, request.prompt);
    if (request.count < 1) fail("{} tokens to draw; wanted at least 1", request.count);
    Running r;
    r.number = submitted_++;
    r.prompt = static_cast<std::int64_t>(request.prompt.size());
    r.limit = r.prompt + std::min(request.count, decoder_.config.context - r.prompt);
    r.past.tokens = std::move(request.prompt);
    r.random = {request.sampling.seed, 0};
    r.request = std::move(request);
    waiting_.push_back(std::move(r));
    return waiting_.back().number;
}

void Batch::cancel(std::int64_t request) {
    std::erase_if(waiting_, [&](const Running& r) { return r.number == request; });
    for (std::size_t i = running_.size(); i-- > 0;)
        if (running_[i].number == request) leave(i);
}

void Batch::admit() {
    while (!waiting_.empty() && static_cast<std::int64_t>(running_.size()) < limits_.parallel) {
        running_.push_back(std::move(waiting_.front()));
        waiting_.pop_front();
        Running& r = running_.back();
        make_room(decoder_, std::min(r.limit, r.prompt + kFirstRoom), r.past.sequence, threads_);
    }
}

// False when rows of the prompt will come from a sequence that computes them in this pass.
bool Batch::start_prompt_rows(Running& r) {
    if (limits_.cache_bytes == 0) return true;
    Source best = cache_.find(r.past.tokens);
    std::int64_t coming = 0;
    for (const Running& other : running_) {
        if (&other == &r) continue;
        const auto shared = [&](std::int64_t held) {
            return shared_positions(other.past.tokens, held, r.past.tokens);
        };
        const std::int64_t length = other.past.sequence.length, now = shared(length);
        if (now > best.positions) best = {&other.past, now};
        if (other.rows > 0) coming = std::max(coming, shared(length + other.rows));
    }
    Sequence& own = r.past.sequence;
    if (coming > std::max(best.positions, own.length)) return false;
    if (best.positions <= own.length) return true;
    r.reused += best.positions - own.length;
    counts_.reused += best.positions - own.length;
    copy_positions(best.past->sequence, best.positions, own, threads_);
    return true;
}

std::vector<Request> Batch::plan() {
    std::int64_t left = limits_.chunk;
    for (Running& r : running_) r.rows = 0;
    for (Running& r : running_) {
        const bool prompt = r.past.sequence.length < r.prompt;
        if (prompt && (left == 0 || !start_prompt_rows(r))) continue;
        r.rows = prompt ? std::min(r.due(), left) : 1;
        if (prompt) {
            left -= r.rows;
            counts_.prompt_rows += r.rows;
        }
        const std::int64_t need = r.past.sequence.length + r.rows;
        if (need > r.past.sequence.layers[0].capacity)
            make_room(decoder_, std::min(r.limit, 2 * need), r.past.sequence, threads_);
    }
    std::vector<Request> requests;
    for (Running& r : running_)
        if (r.rows > 0)
            requests.push_back(
                {&r.past.sequence, std::span<const std::int32_t>(r.past.tokens)
                                       .subspan(static_cast<std::size_t>(r.past.sequence.length),
                                                static_cast<std::size_t>(r.rows))});
    return requests;
}

End Batch::end_of(const Running& r, std::int32_t token) const {
    const auto& stops = r.request.stop_ids;
    if (is_end_token(decoder_.config, token) ||
        std::find(stops.begin(), stops.end(), token) != stops.end())
        return End::end_token;
    if (static_cast<std::int64_t>(r.past.tokens.size()) + 1 < r.limit) return End::none;
    return r.limit - r.prompt == r.request.count ? End::count : End::context;
}

// Tokens of the sequences of which no row is left.
void Batch::draw() {
    std::vector<Running*> ready;
    std::int64_t row = 0;
    shape(last_, static_cast<std::int64_t>(running_.size()), hidden_.cols);
    for (Running& r : running_) {
        row += r.rows;
        if (r.rows == 0 || r.due() > 0) continue;
        std::copy_n(hidden_.row(row - 1), hidden_.cols,
                    last_.row(static_cast<std::int64_t>(ready.size())));
        ready.push_back(&r);
    }
    const auto count = static_cast<std::int64_t>(ready.size());
    if (count == 0) return;
    shape(logits_, count, decoder_.config.vocab);
    logits(decoder_, kernels_, threads_, last_.view().middle_rows(0, count), scratch_,
           logits_.view());
    drawn_.resize(ready.size());
    threads_.loop(count, [&](std::int64_t i, int) {
        Running& r = *ready[static_cast<std::size_t>(i)];
        const std::span<const float> own{logits_.row(i), static_cast<std::size_t>(logits_.cols)};
        const std::int32_t token = sample(own, r.request.sampling, r.random);
        drawn_[static_cast<std::size_t>(i)] = {r.number, token, end_of(r, token), r.reused, own};
        r.past.tokens.push_back(token);
    });
    counts_.drawn += count;
}

void Batch::leave(std::size_t index) {
    if (limits_.cache_bytes > 0) cache_.keep(std::move(running_[index].past));
    running_.erase(running_.begin() + static_cast<std::ptrdiff_t>(index));
}

std::span<const Drawn> Batch::step() {
    drawn_.clear();
    admit();
    const auto requests = plan();
    if (requests.empty()) return {};
    forward(decoder_, kernels_, threads_, requests, scratch_, hidden_);
    ++counts_.passes;
    draw();
    for (const Drawn& drawn : drawn_)
        if (drawn.end != End::none) cancel(drawn.request);
    return drawn_;
}

}  // namespace hb
