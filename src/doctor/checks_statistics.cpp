// SPDX-License-Identifier: Apache-2.0
// Guesses from the weights alone, hence notes.
//
// Order of rows: RoPE turns pairs of rows of k by one frequency, and training gives both rows of a
// pair about the same norm. With e the log of a row's energy, over the heads of some blocks,
//     halves = mean |e[j] - e[j + n/2]|,   neighbours = mean |e[2j] - e[2j+1]|
// beside the mean of |e[j] - e[i]| over any two rows of a head: pairs differ less than that, .71 of
// it in SmolLM2, what are no pairs differ more, 1.14 of it.
//
// Evenness: a rotation mixes the columns of a block, so that all get the same energy but for
// chance. With rows scaled to length 1, columns of m independent numbers have energies of relative
// variance 2/m; `unevenness` is what is found over that: 1.0 to 1.4 in v, up and down of a rotated
// SmolLM2, 7 to 26 in the same of the plain one.
#include <algorithm>
#include <cmath>

#include "core/error.hpp"
#include "doctor/checks.hpp"
#include "io/checkpoint.hpp"
#include "io/source.hpp"
#include "model/model_tensors.hpp"

namespace hb::doctor {
namespace {

constexpr std::int64_t kValues = 4 << 20;  // decoded at a time
constexpr std::int64_t kLayers = 8;        // looked at
constexpr std::int64_t kRows = 1024;       // of a matrix
constexpr std::int64_t kPairs = 128;       // at least
constexpr double kPaired = 0.8, kUneven = 4, kEven = 1.6;

std::optional<Checkpoint> open(const Patient& p) {
    try {
        auto checkpoint = Checkpoint::open(p.path.string());
        check_model_tensors(checkpoint, *p.model);
        return checkpoint;
    } catch (const Error&) {
        return std::nullopt;  // what is wrong is found elsewhere
    }
}

Matrix<float> rows_of(const Checkpoint& from, const std::string& module, std::int64_t first,
                      std::int64_t count, std::int64_t rows, std::int64_t cols) {
    if (const auto read = from.quantized_rows(module, rows, cols))
        return dequantize(read(first, count));
    return from.read_stored_rows(module + ".weight", first, count, cols);
}

double energy(const float* x, std::int64_t n) {
    double sum = 0;
    for (std::int64_t i = 0; i < n; ++i) sum += double{x[i]} * double{x[i]};
    return sum;
}

// In Hugging Face's order.
std::vector<double> row_energies(const Checkpoint& from, const std::string& module,
                                 std::int64_t rows, std::int64_t cols) {
    std::vector<double> e;
    const auto part = std::max<std::int64_t>(1, kValues / cols);
    for (std::int64_t first = 0; first < rows; first += part) {
        const auto x = rows_of(from, module, first, std::min(part, rows - first), rows, cols);
        for (std::int64_t r = 0; r < x.rows; ++r)
            e.push_back(std::log(std::max(energy(x.row(r), cols), 1e-30)));
    }
    from.drop(module);
    return e;
}

struct Pairs {
    double halves = 0, neighbours = 0, any = 0;
    std::int64_t n = 0;
};

// In the order of the file.
void add_pairs(Pairs& pairs, const std::vector<double>& e, std::int64_t heads, bool interleaved) {
    const auto rows = static_cast<std::int64_t>(e.size()), n = rows / heads;
    std::vector<double> s(e.size());
    for (std::int64_t r = 0; r < rows; ++r)
        s[static_cast<std::size_t>(stored_row(r, rows, interleaved ? heads : 0))] =
            e[static_cast<std::size_t>(r)];
    for (std::int64_t h = 0; h < heads; ++h)
        for (std::int64_t j = 0; j < n / 2; ++j) {
            const auto at = [&](std::int64_t i) { return s[static_cast<std::size_t>(h * n + i)]; };
            pairs.halves += std::abs(at(j) - at(j + n / 2));
            pairs.neighbours += std::abs(at(2 * j) - at(2 * j + 1));
            double sum = 0;
            for (std::int64_t i = 0; i < n; ++i) sum += std::abs(at(j) - at(i));
            pairs.any += sum / static_cast<double>(n - 1);
            ++pairs.n;
        }
}

double unevenness(Matrix<float> x) {
    constexpr std::int64_t kBlock = 16;
    std::vector<double> columns(static_cast<std::size_t>(x.cols));
    double rows = 0;
    for (std::int64_t r = 0; r < x.rows; ++r) {
        const double length = energy(x.row(r), x.cols);
        if (length == 0) continue;
        ++rows;
        for (std::int64_t c = 0; c < x.cols; ++c)
            columns[static_cast<std::size_t>(c)] += double{x(r, c)} * double{x(r, c)} / length;
    }
    double sum = 0;
    std::int64_t blocks = 0;
    for (std::int64_t c = 0; c + kBlock <= x.cols; c += kBlock, ++blocks) {
        double mean = 0, square = 0;
        for (std::int64_t i = 0; i < kBlock; ++i) {
            const double v = columns[static_cast<std::size_t>(c + i)];
            mean += v / kBlock, square += v * v / kBlock;
        }
        if (mean > 0) sum += (square / (mean * mean) - 1) * kBlock / (kBlock - 1.0);
    }
    return blocks == 0 ? 1 : sum / static_cast<double>(blocks) * rows / 2;
}

// Whether pairs of rows were found, by the order that they have in the file.
struct Order {
    double halves = 1, neighbours = 1;  // over any two rows
    bool enough = false;
};

Order order_of(const Checkpoint& from, const Patient& p, bool interleaved) {
    const ModelConfig& c = *p.model;
    Pairs pairs;
    for (std::int64_t layer = 0; layer < std::min(c.layers, kLayers); ++layer)
        add_pairs(pairs,
                  row_energies(from, module_name(layer, "self_attn.k_proj"),
                               c.kv_heads * c.head_dim, c.hidden),
                  c.kv_heads, interleaved);
    if (pairs.n < kPairs || pairs.any == 0) return {};
    return {pairs.halves / pairs.any, pairs.neighbours / pairs.any, true};
}

bool says_rotated(const Settings& s) {
    for (const char* field : {"transforms", "folded"}) {
        if (!s.own.is_object() || !s.own.contains(field) || !s.own[field].is_object()) continue;
        for (const auto& [site, transform] : s.own[field].items())
            if (is_rotation(transform) && site != "heads") return true;
    }
    const auto init = s.json.is_object() ? s.json.find("transform_init") : s.json.end();
    return init != s.json.end() && *init != "identity" && s.method == "fp_quant";
}

void guess_permutation(const Patient& p, Findings& findings) {
    if (!p.model || p.split) return;
    const auto from = open(p);
    if (!from) return;
    const bool interleaved = p.gguf && p.gguf->text_or_none("general.architecture") == "llama";
    const Order order = order_of(*from, p, interleaved);
    if (!order.enough) return;
    const bool halves = order.halves < kPaired,
               neighbours = order.neighbours < kPaired && order.halves > 1;
    if (interleaved ? !halves : !neighbours) return;
    findings.add("permutation-doubtful",
                 tensor_name(p, module_name(0, "self_attn.k_proj"), kWeight),
                 fmt::format("rows in {} differ by {:.2f} of what any two do, neighbours by {:.2f}",
                             "halves", order.halves, order.neighbours));
}

void guess_rotated(const Patient& p, Findings& findings) {
    if (!p.model || p.split) return;
    const auto from = open(p);
    if (!from) return;
    const ModelConfig& c = *p.model;
    std::vector<double> found;
    for (const char* linear : {"self_attn.v_proj", "mlp.up_proj", "mlp.down_proj"}) {
        const auto module = module_name(c.layers / 2, linear);
        const auto [out, in] = linear_shape(c, linear);
        const auto count = std::min({out, kRows, std::max<std::int64_t>(1, kValues / in)});
        found.push_back(unevenness(rows_of(*from, module, 0, count, out, in)));
        from->drop(module);
    }
    std::sort(found.begin(), found.end());
    const double middle = found[1];
    const bool said = says_rotated(p.settings);
    const auto where = fmt::format("model.layers.{}", c.layers / 2);
    const auto value = fmt::format("unevenness {:.2f} of columns", middle);
    if (said && middle > kUneven) findings.add("rotation-doubtful", where, value);
    if (said || middle > kEven) return;
    const Order order = order_of(*from, p, false);  // of random weights it says nothing
    if (order.enough && order.halves < kPaired) findings.add("rotation-unrecorded", where, value);
}

// Reading stops at the first scale that is none, which is found elsewhere.
void quietly(void (*guess)(const Patient&, Findings&), const Patient& p, Findings& findings) {
    try {
        guess(p, findings);
    } catch (const Error&) {
    }
}

}  // namespace

void check_permutation(const Patient& p, Findings& findings) {
    quietly(guess_permutation, p, findings);
}

void check_rotated(const Patient& p, Findings& findings) {
    quietly(guess_rotated, p, findings);
}

}  // namespace hb::doctor
