// SPDX-License-Identifier: Apache-2.0
// With unit weights RMSNorm commutes with R, so each norm's weight g goes into the linears behind
// it first. A linear with inputs rotated by A and outputs by B, y B = x A (A^T diag(g) W^T B):
//
//     W' = B^T (W diag(g)) A      b' = b B
//
//                  g          A    B                       g          A    B
//     embedding               R         gate, up           mlp norm   R
//     q, k         attention  R         down                               R
//     v            attention  R    S    head               final      R
//     o                       S    R    norms: 1
//
// R takes the channels in an order, then rotates them block by block, but for the first blocks if
// some are kept: the norm keeps its weights of those. An embedding is rows of h.
// Products with g, then A, then B, each in fp32 and in this order. Rows are mixed by B alone, a
// block of them at a time, so that any rows can be read without the others.
#include "model/offline_rotation.hpp"

#include <algorithm>
#include <cmath>
#include <memory>
#include <numeric>
#include <vector>

#include "core/error.hpp"
#include "model/model_tensors.hpp"

namespace hb {
namespace {

struct Basis {
    std::vector<std::int64_t> order;  // of channels, before they are rotated; empty: as they are
    Transform rotation;
    std::int64_t kept;  // of the first channels
};

struct Fold {
    std::vector<float> columns;            // g; empty: 1
    std::shared_ptr<const Basis> in, out;  // A, B; null: identity
};

void apply_to_rows(const Basis& basis, Matrix<float>& w) {
    std::vector<float> row(static_cast<std::size_t>(w.cols));
    for (std::int64_t r = 0; r < w.rows && !basis.order.empty(); ++r) {
        std::copy_n(w.row(r), w.cols, row.begin());
        for (std::int64_t c = 0; c < w.cols; ++c)
            w(r, c) = row[static_cast<std::size_t>(basis.order[static_cast<std::size_t>(c)])];
    }
    apply(basis.rotation, {w.values.data() + basis.kept, w.rows, w.cols - basis.kept, w.cols});
}

Matrix<float> rows_in_order(const Basis& basis, const DerivedTensor::Rows& stored,
                            std::int64_t first, std::int64_t count) {
    if (basis.order.empty() || count == 0) return stored(first, count);
    Matrix<float> w;
    for (std::int64_t r = 0; r < count; ++r) {
        const Matrix<float> row = stored(basis.order[static_cast<std::size_t>(first + r)], 1);
        if (r == 0) w = Matrix<float>(count, row.cols);
        std::copy_n(row.row(0), row.cols, w.row(r));
    }
    return w;
}

// Of the rows from `from` on, whole blocks.
void apply_to_columns(const Transform& t, Matrix<float>& w, std::int64_t from) {
    Matrix<float> column(1, t.block);
    for (std::int64_t first = from; first < w.rows; first += t.block) {
        for (std::int64_t c = 0; c < w.cols; ++c) {
            for (std::int64_t r = 0; r < t.block; ++r) column(0, r) = w(first + r, c);
            apply(t, column.view());
            for (std::int64_t r = 0; r < t.block; ++r) w(first + r, c) = column(0, r);
        }
    }
}

Matrix<float> fold_rows(const Fold& fold, const DerivedTensor::Rows& stored, std::int64_t first,
                        std::int64_t count) {
    const std::int64_t block = fold.out ? fold.out->rotation.block : 1,
                       begin = first / block * block,
                       end = (first + count + block - 1) / block * block;
    Matrix<float> w =
        fold.out ? rows_in_order(*fold.out, stored, begin, end - begin) : stored(first, count);
    for (std::int64_t r = 0; r < w.rows && !fold.columns.empty(); ++r)
        for (std::int64_t c = 0; c < w.cols; ++c)
            w(r, c) *= fold.columns[static_cast<std::size_t>(c)];
    if (fold.in) apply_to_rows(*fold.in, w);
    if (fold.out)
        apply_to_columns(fold.out->rotation, w, std::max<std::int64_t>(fold.out->kept - begin, 0));
    if (w.rows == count) return w;
    Matrix<float> out(count, w.cols);
    std::copy_n(w.row(first - begin), count * w.cols, out.values.data());
    return out;
}

class Folding {
public:
    Folding(const Checkpoint& dense, const std::function<bool(const std::string&)>& wide)
        : dense_(dense), wide_(wide) {}

    void add(const std::string& name, const std::string& from, Fold fold) {
        tensors.push_back({name, from, wide_(name) ? "F32" : dense_.find(from)->dtype,
                           [fold = std::move(fold)](const DerivedTensor::Rows& stored,
                                                    std::int64_t first, std::int64_t count) {
                               return fold_rows(fold, stored, first, count);
                           }});
    }
    void add(const std::string& name, Fold fold) { add(name, name, std::move(fold)); }
    // A bias is a row of outputs.
    void add_linear(const std::string& module, Fold fold) {
        if (fold.out && dense_.has(module + ".bias")) add(module + ".bias", {{}, fold.out, {}});
        add(module + ".weight", std::move(fold));
    }
    // What is folded of a norm's weight: it becomes 1 but for the channels that are kept.
    std::vector<float> take_norm(const std::string& name, const Basis& residual) {
        const auto size = static_cast<std::int64_t>(residual.order.size());
        Matrix<float> folded = dense_.read(name, 1, size), left(1, size);
        for (std::int64_t c = 0; c < size; ++c) {
            left(0, c) = 1;
            if (c < residual.kept)
                std::swap(left(0, c), folded(0, residual.order[static_cast<std::size_t>(c)]));
        }
        tensors.push_back({name, name, dense_.find(name)->dtype,
                           [left](const DerivedTensor::Rows&, std::int64_t, std::int64_t count) {
                               return count == 1 ? left : Matrix<float>(0, left.cols);
                           }});
        return {folded.values.begin(), folded.values.end()};
    }

    std::vector<DerivedTensor> tensors;

private:
    const Checkpoint& dense_;
    const std::function<bool(const std::string&)>& wide_;
};

struct Bases {
    std::shared_ptr<const Basis> residual, heads;  // R, S
};

void fold_block(const Bases& r, std::int64_t layer, Folding& folding) {
    const auto name = [&](std::string_view part) { return module_name(layer, part); };
    const auto attention = folding.take_norm(name("input_layernorm.weight"), *r.residual),
               mlp = folding.take_norm(name("post_attention_layernorm.weight"), *r.residual);
    folding.add_linear(name("self_attn.q_proj"), {attention, r.residual, {}});
    folding.add_linear(name("self_attn.k_proj"), {attention, r.residual, {}});
    folding.add_linear(name("self_attn.v_proj"), {attention, r.residual, r.heads});
    folding.add_linear(name("self_attn.o_proj"), {{}, r.heads, r.residual});
    folding.add_linear(name("mlp.gate_proj"), {mlp, r.residual, {}});
    folding.add_linear(name("mlp.up_proj"), {mlp, r.residual, {}});
    folding.add_linear(name("mlp.down_proj"), {{}, {}, r.residual});
}

void check_block(const Checkpoint& dense, const Transform& t, const char* what, std::int64_t size) {
    if (size % t.block != 0)
        fail("{}: cannot rotate offline by {}: {} is not a multiple of {}", dense.path().string(),
             t.text(), what, t.block);
}

std::vector<std::int64_t> in_order(const OfflineRotation& rotation, std::int64_t hidden) {
    std::vector<std::int64_t> order = rotation.order;
    if (order.empty()) {
        order.resize(static_cast<std::size_t>(hidden));
        std::iota(order.begin(), order.end(), 0);
    }
    return order;
}

}  // namespace

std::vector<std::int64_t> channels_by_norms(const Checkpoint& dense) {
    const ModelConfig config = model_config(dense);
    std::vector<double> sizes(static_cast<std::size_t>(config.hidden));
    for (std::int64_t layer = 0; layer < config.layers; ++layer) {
        for (const char* norm : {"input_layernorm.weight", "post_attention_layernorm.weight"}) {
            const Matrix<float> g = dense.read(module_name(layer, norm), 1, config.hidden);
            double sum = 0;
            for (const float x : g.values) sum += std::fabs(x);
            for (std::size_t c = 0; c < sizes.size() && sum > 0; ++c)
                sizes[c] += std::fabs(g.values[c]) / sum;
        }
    }
    std::vector<std::int64_t> order(sizes.size());
    std::iota(order.begin(), order.end(), 0);
    std::stable_sort(order.begin(), order.end(), [&](std::int64_t a, std::int64_t b) {
        return sizes[static_cast<std::size_t>(a)] < sizes[static_cast<std::size_t>(b)];
    });
    return order;
}

Checkpoint rotate_offline(Checkpoint dense, const OfflineRotation& rotation,
                          const std::function<bool(const std::string&)>& wide) {
    const ModelConfig config = model_config(dense);
    check_model_tensors(dense, config);
    check_block(dense, rotation.residual, "hidden_size", config.hidden);
    check_block(dense, rotation.heads, "head_dim", config.head_dim);
    if (rotation.kept % rotation.residual.block != 0 || rotation.kept > config.hidden)
        fail("{}: cannot keep {} channels of {} unrotated: wanted whole blocks of {}",
             dense.path().string(), rotation.kept, config.hidden, rotation.residual.block);
    const Bases r{std::make_shared<Basis>(
                      Basis{in_order(rotation, config.hidden), rotation.residual, rotation.kept}),
                  std::make_shared<Basis>(Basis{{}, rotation.heads, 0})};
    const std::string embedding = "model.embed_tokens.weight";
    Folding folding(dense, wide);
    folding.add(embedding, {{}, r.residual, {}});
    folding.add("lm_head.weight", config.tied ? embedding : "lm_head.weight",
                {folding.take_norm("model.norm.weight", *r.residual), r.residual, {}});
    for (std::int64_t layer = 0; layer < config.layers; ++layer) fold_block(r, layer, folding);
    Json changed = dense.config();
    if (config.tied) changed["tie_word_embeddings"] = false;
    return Checkpoint::derive(std::move(dense), std::move(changed), std::move(folding.tensors));
}

}  // namespace hb
