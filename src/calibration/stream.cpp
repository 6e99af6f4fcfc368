// SPDX-License-Identifier: Apache-2.0
#include "calibration/stream.hpp"

#include <algorithm>
#include <limits>

#include "core/float_bits.hpp"

namespace hb {
namespace {

float largest_bf16(std::span<const std::uint16_t> values) {
    std::uint16_t most = 0;
    for (const auto v : values) most = std::max(most, static_cast<std::uint16_t>(v & 0x7fff));
    return bf16_to_float(most);
}

constexpr std::int64_t kTransposedBytes = 32 << 20;  // of tokens at a time

void resize(Matrix<float>& m, std::int64_t rows, std::int64_t cols) {
    m.rows = rows;
    m.cols = cols;
    m.values.resize(static_cast<std::size_t>(rows * cols));
}

// 16-bit words that hold the codes of so many numbers
std::int64_t code_words(std::int64_t numbers) {
    return (numbers / 32 * kMxRowBytes + 1) / 2;
}

}  // namespace

std::int64_t widest_between(const ModelConfig& c) {
    return std::max({c.heads * c.head_dim, (c.hidden + 31) / 32 * 32,
                     code_words((c.intermediate + 31) / 32 * 32)});
}

Stream::Stream(const Settings& settings, const Checkpoint& checkpoint, const Kernels& kernels,
               Threads& threads, View<const std::int32_t> tokens,
               const std::filesystem::path& spill, bool on_disk)
    : settings_(settings),
      checkpoint_(checkpoint),
      run_(make_runtime(settings.config, kernels, threads, Precision::bf16)),
      tokens_(tokens),
      store_(kernels, tokens.rows, tokens.cols, settings.config.hidden,
             on_disk ? 0 : std::numeric_limits<std::int64_t>::max(), spill, threads.count()),
      between_(kernels, tokens.rows, tokens.cols, widest_between(settings.config),
               on_disk ? 0 : kBetweenBytes, spill, threads.count()),
      workers_(static_cast<std::size_t>(threads.count())),
      h_(tokens.cols, settings.config.hidden) {
    if (tokens.rows == 0) return;
    cache_ = KvCache(settings.config.kv_heads, settings.config.head_dim,
                     (tokens.cols + 31) / 32 * 32, Precision::bf16);
    pass_ = make_pass(run_, {{0, tokens.cols, 0, &cache_}});
    const Embedding embedding = load_embedding(checkpoint, settings.config);
    for (std::int64_t s = 0; s < tokens.rows; ++s) {
        embedding.look_up({tokens.row(s), static_cast<std::size_t>(tokens.cols)}, h_.view());
        in_parts(0, tokens.cols,
                 [&](const Runtime&, int thread, std::int64_t first, std::int64_t rows) {
                     store_.save(thread, s, first, h_.view().middle_rows(first, rows));
                 });
    }
}

// Rows [first, end) of a sequence, some by each thread.
void Stream::in_parts(std::int64_t first, std::int64_t end, const OnRows& body) {
    const std::vector<Part> parts = cut_in_parts(end - first, run_.threads->count());
    run_.threads->loop(static_cast<std::int64_t>(parts.size()), [&](std::int64_t i, int thread) {
        const Part& part = parts[static_cast<std::size_t>(i)];
        Threads alone(1);
        Runtime own = run_;
        own.threads = &alone;
        body(own, thread, first + part.first, part.rows);
    });
}

View<float> Stream::load_rows(int thread, std::int64_t sequence, std::int64_t first,
                              std::int64_t rows) {
    Matrix<float>& h = workers_[static_cast<std::size_t>(thread)].h;
    resize(h, rows, settings_.config.hidden);
    store_.load(thread, sequence, first, h.view());
    return h.view();
}

void Stream::count_linears(int site, std::int64_t rows) {
    for (const LinearName& linear : block_linears()) {
        if (linear.site != site) continue;
        const LinearShape shape = linear_shape(settings_.config, linear.name);
        totals_.linear_flops += 2.0 * static_cast<double>(rows * shape.out * shape.in);
    }
}

void Stream::attend_sequence(const Block& block, std::int64_t sequence) {
    in_parts(0, tokens_.cols,
             [&](const Runtime&, int thread, std::int64_t first, std::int64_t rows) {
                 store_.load(thread, sequence, first, h_.view().middle_rows(first, rows));
             });
    cache_.length = 0;
    attend(run_, block, h_.view(), pass_, scratch_, scratch_.attended);
    count_linears(0, tokens_.cols);
}

// x3 in codes, a unit of 0 in the first block where it cannot be.
void Stream::keep_hidden(int thread, std::int64_t sequence, std::int64_t first) {
    Worker& worker = workers_[static_cast<std::size_t>(thread)];
    const Operand& x3 = worker.scratch.hidden;
    worker.codes.resize(static_cast<std::size_t>(code_words(x3.size())));
    auto* bytes = reinterpret_cast<std::uint8_t*>(worker.codes.data());
    if (!to_mx_codes(*run_.kernels, x3, bytes)) bytes[kMxRowBytes - 1] = 0;
    between_.save(sequence, first, worker.codes);
}

bool Stream::load_hidden(int thread, std::int64_t sequence, std::int64_t first, std::int64_t rows) {
    Worker& worker = workers_[static_cast<std::size_t>(thread)];
    Operand& x3 = worker.scratch.hidden;
    shape_operand(rows, settings_.config.intermediate, Precision::bf16, x3);
    worker.codes.resize(static_cast<std::size_t>(code_words(x3.size())));
    between_.load(sequence, first, worker.codes);
    const auto* bytes = reinterpret_cast<const std::uint8_t*>(worker.codes.data());
    if (bytes[kMxRowBytes - 1] == 0) return false;
    from_mx_codes(*run_.kernels, bytes, x3);
    make_whole(*run_.kernels, x3);
    return true;
}

void Stream::leave_block(const Runtime& own, int thread, std::int64_t sequence, std::int64_t first,
                         View<float> h) {
    Scratch& scratch = workers_[static_cast<std::size_t>(thread)].scratch;
    if (kept_ == Kept::x3 && load_hidden(thread, sequence, first, h.rows))
        return add_down(own, *left_, scratch, h);
    if (kept_ == Kept::x2) {
        shape_operand(h.rows, h.cols, Precision::bf16, scratch.quantized);
        between_.load(sequence, first, scratch.quantized.narrow);
        make_whole(*own.kernels, scratch.quantized);
    } else {
        enter_mlp(own, *left_, h, scratch);
    }
    add_mlp(own, *left_, scratch, h);
}

// Rows of the site's input, once the stream has moved up to it: x1 for site 1 and h for the others;
// for site 3 the worker's scratch holds x2.
View<float> Stream::enter_site(const Runtime& own, const Block& block, int site, int thread,
                               std::int64_t sequence, std::int64_t first, std::int64_t rows) {
    if (site == 1) {
        const View<float> x1 = scratch_.attended.view().middle_rows(first, rows);
        between_.save(thread, sequence, first, x1);
        return x1;
    }
    const View<float> h = load_rows(thread, sequence, first, rows);
    Worker& worker = workers_[static_cast<std::size_t>(thread)];
    if (site == 0 && left_) {
        leave_block(own, thread, sequence, first, h);
        store_.save(thread, sequence, first, h);
    } else if (site == 2) {
        resize(worker.x1, rows, scratch_.attended.cols);
        between_.load(thread, sequence, first, worker.x1.view());
        add_attention(own, block, worker.x1.view(), worker.scratch, h);
        store_.save(thread, sequence, first, h);
    } else if (site == 3) {
        enter_mlp(own, block, h, worker.scratch);
        if (kept_ == Kept::x2) between_.save(sequence, first, worker.scratch.quantized.narrow);
    }
    return h;
}

// Moves every sequence, in order, up to the site, and takes the statistics of its input.
void Stream::visit_site(const Block& block, int site, Statistics* statistics) {
    const bool gram = statistics && !statistics->hessian.empty();
    const std::int64_t k = gram ? statistics->hessian.cols : 1;
    const std::int64_t chunk = std::max(kTransposedBytes / (4 * k) / 256, std::int64_t{1}) * 256;
    for (std::int64_t s = 0; s < tokens_.rows; ++s) {
        if (site == 1) attend_sequence(block, s);
        for (std::int64_t from = 0; from < tokens_.cols; from += chunk) {
            const std::int64_t end = std::min(from + chunk, tokens_.cols);
            if (gram) shape_transposed(end - from, k, transposed_);
            in_parts(from, end,
                     [&](const Runtime& own, int thread, std::int64_t first, std::int64_t rows) {
                         const View<float> x = enter_site(own, block, site, thread, s, first, rows);
                         if (!statistics) return;
                         Worker& worker = workers_[static_cast<std::size_t>(thread)];
                         observe_site(own, block, site, x, worker.scratch, worker.observed);
                         if (site == 3 && kept_ == Kept::x3) keep_hidden(thread, s, first);
                         worker.largest =
                             std::max(worker.largest, largest_bf16(worker.observed.narrow));
                         if (gram)
                             take_tokens(*own.kernels, worker.observed, first - from, transposed_);
                     });
            if (gram)
                accumulate_gram(*run_.kernels, *run_.threads, transposed_,
                                statistics->hessian.view());
        }
        if (site == 2) count_linears(1, tokens_.cols);
        if (site == 3 || (site == 0 && left_ && kept_ != Kept::x3)) count_linears(2, tokens_.cols);
        if (site == 0 && left_) count_linears(3, tokens_.cols);
        if (gram)
            totals_.hessian_flops += 2.0 * static_cast<double>(tokens_.cols) *
                                     static_cast<double>(k) * static_cast<double>(k);
    }
    if (site == 0) left_.reset();
}

Stream::Statistics Stream::collect(const Block& block, int site) {
    Statistics statistics;
    std::int64_t in = 0;
    for (const LinearName& linear : block_linears())
        if (linear.site == site) in = linear_shape(settings_.config, linear.name).in;
    if (settings_.quantizer->needs_hessian) statistics.hessian = Matrix<float>(in, in);
    for (Worker& worker : workers_) worker.largest = 0;
    visit_site(block, site, &statistics);
    for (const Worker& worker : workers_)
        statistics.largest = std::max(statistics.largest, worker.largest);
    if (!statistics.hessian.empty()) mirror_upper(statistics.hessian.view());
    return statistics;
}

}  // namespace hb
