// SPDX-License-Identifier: Apache-2.0
#include "calibration/lane.hpp"

#include <algorithm>
#include <limits>

namespace hb {
namespace {

void resize(Matrix<float>& m, std::int64_t rows, std::int64_t cols) {
    m.rows = rows;
    m.cols = cols;
    m.values.resize(static_cast<std::size_t>(rows * cols));
}

// 16-bit words that hold the codes of so many numbers
std::int64_t code_words(std::int64_t numbers) {
    return (numbers / 32 * kMxRowBytes + 1) / 2;
}

// x2 as gate and up read it, both alike
Operand& mlp_input(const Block& block, Scratch& scratch) {
    return block.linears[kGate].quantized ? scratch.quantized : scratch.plain;
}

}  // namespace

std::int64_t widest_between(const ModelConfig& c) {
    return std::max({c.heads * c.head_dim, (c.hidden + 31) / 32 * 32,
                     code_words((c.intermediate + 31) / 32 * 32)});
}

Lane::Lane(const ModelConfig& config, const Checkpoint& checkpoint, const Kernels& kernels,
           Threads& threads, View<const std::int32_t> tokens, const std::filesystem::path& spill,
           bool on_disk)
    : run_(make_runtime(config, kernels, threads, Precision::bf16)),
      tokens_(tokens),
      store_(kernels, tokens.rows, tokens.cols, config.hidden,
             on_disk ? 0 : std::numeric_limits<std::int64_t>::max(), spill, threads.count()),
      between_(kernels, tokens.rows, tokens.cols, widest_between(config),
               on_disk ? 0 : kBetweenBytes, spill, threads.count()),
      workers_(static_cast<std::size_t>(threads.count())),
      h_(tokens.cols, config.hidden) {
    if (tokens.rows == 0) return;
    cache_ =
        KvCache(config.kv_heads, config.head_dim, (tokens.cols + 31) / 32 * 32, Precision::bf16);
    pass_ = make_pass(run_, {{0, tokens.cols, 0, &cache_}});
    const Embedding embedding = load_embedding(checkpoint, config);
    for (std::int64_t s = 0; s < tokens.rows; ++s) {
        embedding.look_up({tokens.row(s), static_cast<std::size_t>(tokens.cols)}, h_.view());
        in_parts(0, tokens.cols,
                 [&](const Runtime&, int thread, std::int64_t first, std::int64_t rows) {
                     store_.save(thread, s, first, h_.view().middle_rows(first, rows));
                 });
    }
}

void Lane::in_parts(std::int64_t first, std::int64_t end, const OnRows& body) {
    const std::vector<Part> parts = cut_in_parts(end - first, run_.threads->count());
    run_.threads->loop(static_cast<std::int64_t>(parts.size()), [&](std::int64_t i, int thread) {
        const Part& part = parts[static_cast<std::size_t>(i)];
        Threads alone(1);
        Runtime own = run_;
        own.threads = &alone;
        body(own, thread, first + part.first, part.rows);
    });
}

View<float> Lane::load_rows(int thread, std::int64_t sequence, std::int64_t first,
                            std::int64_t rows) {
    Matrix<float>& h = workers_[static_cast<std::size_t>(thread)].h;
    resize(h, rows, run_.config->hidden);
    store_.load(thread, sequence, first, h.view());
    return h.view();
}

void Lane::count_linears(int site) {
    for (const LinearName& linear : block_linears()) {
        if (linear.site != site) continue;
        const LinearShape shape = linear_shape(*run_.config, linear.name);
        linear_flops_ +=
            2.0 * static_cast<double>(tokens_.rows * tokens_.cols * shape.out * shape.in);
    }
}

void Lane::attend_sequence(const Block& block, std::int64_t sequence) {
    in_parts(0, tokens_.cols,
             [&](const Runtime&, int thread, std::int64_t first, std::int64_t rows) {
                 store_.load(thread, sequence, first, h_.view().middle_rows(first, rows));
             });
    cache_.length = 0;
    attend(run_, block, h_.view(), pass_, scratch_, scratch_.attended);
}

// x3 in codes, a unit of 0 in the first block where it cannot be.
void Lane::keep_hidden(int thread, std::int64_t sequence, std::int64_t first) {
    Worker& worker = workers_[static_cast<std::size_t>(thread)];
    const Operand& x3 = worker.scratch.hidden;
    worker.codes.resize(static_cast<std::size_t>(code_words(x3.size())));
    auto* bytes = reinterpret_cast<std::uint8_t*>(worker.codes.data());
    if (!to_mx_codes(*run_.kernels, x3, bytes)) bytes[kMxRowBytes - 1] = 0;
    between_.save(sequence, first, worker.codes);
}

bool Lane::load_hidden(int thread, std::int64_t sequence, std::int64_t first, std::int64_t rows) {
    Worker& worker = workers_[static_cast<std::size_t>(thread)];
    Operand& x3 = worker.scratch.hidden;
    shape_operand(rows, run_.config->intermediate, Precision::bf16, x3);
    worker.codes.resize(static_cast<std::size_t>(code_words(x3.size())));
    between_.load(sequence, first, worker.codes);
    const auto* bytes = reinterpret_cast<const std::uint8_t*>(worker.codes.data());
    if (bytes[kMxRowBytes - 1] == 0) return false;
    from_mx_codes(*run_.kernels, bytes, x3);
    make_whole(*run_.kernels, x3);
    return true;
}

void Lane::leave_block(const Runtime& own, int thread, std::int64_t sequence, std::int64_t first,
                       View<float> h) {
    Scratch& scratch = workers_[static_cast<std::size_t>(thread)].scratch;
    if (kept_ == Kept::x3 && load_hidden(thread, sequence, first, h.rows))
        return add_down(own, *left_, scratch, h);
    if (kept_ == Kept::x2) {
        Operand& x2 = mlp_input(*left_, scratch);
        shape_operand(h.rows, h.cols, Precision::bf16, x2);
        between_.load(sequence, first, x2.narrow);
        make_whole(*own.kernels, x2);
    } else {
        enter_mlp(own, *left_, h, scratch);
    }
    add_mlp(own, *left_, scratch, h);
}

View<float> Lane::enter_site(const Runtime& own, const Block& block, int site, int thread,
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
        if (kept_ == Kept::x2)
            between_.save(sequence, first, mlp_input(block, worker.scratch).narrow);
    }
    return h;
}

void Lane::finish_site(int site) {
    if (site == 1) count_linears(0);
    if (site == 2) count_linears(1);
    if (site == 3 || (site == 0 && left_ && kept_ != Kept::x3)) count_linears(2);
    if (site == 0 && left_) count_linears(3);
    if (site == 0) left_.reset();
}

void Lane::pass_site(const Block& block, int site) {
    for (std::int64_t s = 0; s < tokens_.rows; ++s) {
        if (site == 1) attend_sequence(block, s);
        in_parts(0, tokens_.cols,
                 [&](const Runtime& own, int thread, std::int64_t first, std::int64_t rows) {
                     enter_site(own, block, site, thread, s, first, rows);
                 });
    }
    finish_site(site);
}

void Lane::leave_behind() {
    if (left_) pass_site(*left_, 0);
}

}  // namespace hb
