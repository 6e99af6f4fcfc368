// SPDX-License-Identifier: Apache-2.0
// Tensors against config.json: which there are, of what shape and type.
#include <cstring>
#include <set>

#include "doctor/checks.hpp"
#include "io/load_bytes.hpp"
#include "io/strict_json.hpp"

namespace hb::doctor {
namespace {

using Shape = std::vector<std::int64_t>;

std::string shown(const Shape& shape) {
    return fmt::format("[{}]", fmt::join(shape, ", "));
}

bool is_float(const Tensor& t) {
    return t.dtype == "BF16" || t.dtype == "F16" || t.dtype == "F32";
}

void want_shape(const Tensor& t, const Shape& wanted, Findings& findings) {
    if (t.shape != wanted)
        findings.add("shape-wrong", t.name,
                     fmt::format("{}, wanted {}", shown(t.shape), shown(wanted)));
}

void want_dtype(const Tensor& t, std::initializer_list<std::string_view> wanted,
                Findings& findings) {
    for (const auto dtype : wanted)
        if (t.dtype == dtype) return;
    findings.add("dtype-wrong", t.name,
                 fmt::format("{}, wanted {}", printable(t.dtype), fmt::join(wanted, ", ")));
}

struct Expected {
    std::string module;
    Shape weight;
    bool linear = false, bias = false;
};

std::vector<Expected> expected_of(const ModelConfig& c) {
    std::vector<Expected> all{{"model.embed_tokens", {c.vocab, c.hidden}},
                              {"model.norm", {c.hidden}}};
    for (std::int64_t layer = 0; layer < c.layers; ++layer) {
        all.push_back({module_name(layer, "input_layernorm"), {c.hidden}});
        all.push_back({module_name(layer, "post_attention_layernorm"), {c.hidden}});
        for (const char* norm : {"self_attn.q_norm", "self_attn.k_norm"})
            if (c.qk_norm) all.push_back({module_name(layer, norm), {c.head_dim}});
        for (const auto& linear : block_linears()) {
            const auto [out, in] = linear_shape(c, linear.name);
            const bool bias = linear.site == 0   ? c.qkv_bias
                              : linear.site == 1 ? c.o_bias
                                                 : c.mlp_bias;
            all.push_back({module_name(layer, linear.name), {out, in}, true, bias});
        }
    }
    return all;
}

void check_expected(const Patient& p, const Expected& e, Findings& findings) {
    const Module* m = p.module(e.module);
    const auto missing = [&](Part part) {
        findings.add("tensor-missing", tensor_name(p, e.module, part),
                     part == kBias ? shown({e.weight[0]}) : shown(e.weight) + " wanted");
    };
    const bool codes_wanted = m && m->quantized() && p.style != Style::gguf;  // check_packing
    if (!m || !(m->has(kWeight) || m->has(kCodes) || codes_wanted)) return missing(kWeight);
    if (const Tensor* weight = p.tensor(*m, kWeight)) {
        want_shape(*weight, e.weight, findings);
        if (p.style != Style::gguf) want_dtype(*weight, {"BF16", "F16", "F32"}, findings);
    }
    if (const Tensor* codes = p.tensor(*m, kCodes)) {
        if (!e.linear && p.style != Style::gguf)
            want_dtype(*codes, {"BF16", "F16", "F32"}, findings);
        else if (Shape{m->rows, m->cols} != e.weight && m->rows > 0)
            findings.add(
                "shape-wrong", codes->name,
                fmt::format("{} by {} elements, wanted {}", m->rows, m->cols, shown(e.weight)));
    }
    if (const Tensor* bias = p.tensor(*m, kBias); bias && e.bias) {
        want_shape(*bias, {e.weight[0]}, findings);
        if (!is_float(*bias)) want_dtype(*bias, {"BF16", "F16", "F32"}, findings);
    } else if (e.bias) {
        missing(kBias);
    }
}

void check_scales(const Patient& p, const std::string& name, const Module& m, Findings& findings) {
    const Tensor* scales = p.tensor(m, kScales);
    if (!scales)
        return findings.add("tensor-missing", tensor_name(p, name, kScales), "the layer has codes");
    const Targets* targets = targets_of(p, name);
    std::int64_t group = m.family == Family::nv ? 16 : m.family == Family::mx ? 32 : 0;
    const bool rows = m.family == Family::int8 || m.family == Family::fp8;
    if (group == 0 && !rows && targets) group = targets->group;
    if (group > 0 && m.rows > 0) {
        if (m.cols % group != 0)
            findings.add("shape-wrong", tensor_name(p, name, kCodes),
                         fmt::format("{} columns are no whole groups of {}", m.cols, group));
        else
            want_shape(*scales, {m.rows, m.cols / group}, findings);
    }
    if (rows && m.rows > 0 && scales->shape != Shape{m.rows} && scales->shape != Shape{1} &&
        !scales->shape.empty())
        want_shape(*scales, {m.rows, 1}, findings);
    if (p.style == Style::fp_quant)
        want_dtype(*scales, {"U8"}, findings);
    else if (m.family == Family::nv)
        want_dtype(*scales, {"F8_E4M3"}, findings);
    else if (m.family == Family::mx)
        want_dtype(*scales, {"U8", "F8_E8M0"}, findings);
    else if (m.family)
        want_dtype(*scales, {"BF16", "F16", "F32"}, findings);
}

void check_shape_tensor(const Patient& p, const Module& m, Findings& findings) {
    const Tensor* t = p.tensor(m, kShape);
    if (!t || !t->whole || m.rows == 0) return;
    if (t->dtype != "I64" || t->shape != Shape{2}) {
        want_dtype(*t, {"I64", "I32"}, findings);
        if (t->dtype == "I64") want_shape(*t, {2}, findings);
        return;
    }
    const auto* bytes = p.bytes(*t).data();
    const Shape said{load<std::int64_t>(bytes), load<std::int64_t>(bytes + 8)};
    if (said != Shape{m.rows, m.cols})
        findings.add(
            "shape-wrong", t->name,
            fmt::format("says {}, the codes are {}", shown(said), shown({m.rows, m.cols})));
}

std::string ending_of(const std::string& name) {
    return name.substr(name.rfind('.') + 1);
}

// Tensors that no linear has but that clients know.
bool known_extra(const Patient& p, const Tensor& t) {
    static constexpr std::string_view kEndings[] = {
        "inv_freq", "k_scale", "v_scale", "q_scale", "backward_hadamard_matrix", "weight_g_idx"};
    for (const auto ending : kEndings)
        if (ending_of(t.name) == ending) return true;
    if (p.style == Style::gguf) return t.name.starts_with("rope_");
    const auto transforms = p.settings.json.find("transform_config");
    return transforms != p.settings.json.end() && !transforms->empty();
}

bool equal_bytes(const Patient& p, const Tensor& a, const Tensor& b) {
    constexpr std::uint64_t kPart = 4 << 20;
    const auto x = p.bytes(a), y = p.bytes(b);
    if (a.dtype != b.dtype || x.size() != y.size()) return false;
    bool equal = true;
    for (std::uint64_t at = 0; equal && at < x.size(); at += kPart) {
        const auto n = std::min(kPart, x.size() - at);
        equal = std::memcmp(x.data() + at, y.data() + at, n) == 0;
        p.files[a.file].map.drop(a.begin + at, n);
        p.files[b.file].map.drop(b.begin + at, n);
    }
    return equal;
}

}  // namespace

void check_model(const Patient& p, Findings& findings) {
    if (!p.model || p.split || p.tensors.empty()) return;
    for (const Expected& e : expected_of(*p.model)) check_expected(p, e, findings);
}

void check_packing(const Patient& p, Findings& findings) {
    for (const auto& [name, m] : p.modules) {
        if (p.style == Style::gguf) {
            if (!m.has(kCodes) && !m.has(kWeight) && (m.has(kGlobal) || m.has(kInput)))
                findings.add("scale-orphan",
                             tensor_name(p, name, m.has(kGlobal) ? kGlobal : kInput),
                             "there is no such weight");
            continue;
        }
        if (!m.quantized()) continue;
        const Tensor* codes = p.tensor(m, kCodes);
        if (!codes) {
            if (m.has(kWeight))
                findings.add("scale-orphan",
                             tensor_name(p, name, m.has(kScales) ? kScales : kGlobal),
                             fmt::format("the weight is {}", p.tensor(m, kWeight)->dtype));
            else
                findings.add("tensor-missing", tensor_name(p, name, kCodes),
                             "the layer has scales");
            continue;
        }
        if (!is_linear(name) && !m.has(kScales) && !m.has(kGlobal)) continue;  // of another kind
        check_scales(p, name, m, findings);
        if (codes->name.ends_with("packed") || codes->name.ends_with("qweight"))
            want_dtype(*codes, {"U8", "I32"}, findings);
        check_shape_tensor(p, m, findings);
        if (const Tensor* zeros = p.tensor(m, kZeros); zeros && m.group > 0) {
            want_dtype(*zeros, {"I32"}, findings);
            want_shape(*zeros, {(m.rows + 7) / 8, m.cols / m.group}, findings);
        } else if (const Targets* t = targets_of(p, name);
                   t && t->family == Family::zeroed && !zeros) {
            findings.add("tensor-missing", tensor_name(p, name, kZeros),
                         "the configuration says symmetric: false");
        }
    }
}

void check_unexpected(const Patient& p, Findings& findings) {
    for (const Tensor& t : p.tensors)
        if (!t.type && (t.dtype == "unknown" || bytes_needed(t) == 0) && !t.shape.empty())
            findings.add("type-unknown", t.name, printable(t.dtype));
    if (!p.model) return;
    std::map<std::string, bool> bias_of{{"lm_head", false}};
    for (const Expected& e : expected_of(*p.model)) bias_of[e.module] = e.bias;
    std::set<std::size_t> known;
    for (const auto& [name, m] : p.modules) {
        const auto it = bias_of.find(name);
        if (it == bias_of.end()) continue;
        for (int part = 0; part < kParts; ++part)
            if (m.has(static_cast<Part>(part)) && (part != kBias || it->second))
                known.insert(static_cast<std::size_t>(m.parts[static_cast<std::size_t>(part)]));
    }
    for (std::size_t i = 0; i < p.tensors.size(); ++i)
        if (!known.contains(i) && !known_extra(p, p.tensors[i]))
            findings.add("tensor-unexpected", printable(p.tensors[i].name),
                         ending_of(p.tensors[i].name) == "bias"
                             ? "config.json says no bias"
                             : "not a tensor of this architecture");
}

void check_head(const Patient& p, Findings& findings) {
    if (!p.model || p.split || p.tensors.empty()) return;
    const Module *head = p.module("lm_head"), *embedding = p.module("model.embed_tokens");
    const bool stored = head && (head->has(kWeight) || head->quantized());
    const auto name = tensor_name(p, "lm_head", kWeight);
    if (!p.model->tied) {
        if (!stored)
            findings.add("head-missing", name, "tie_word_embeddings is false");
        else
            check_expected(p, {"lm_head", {p.model->vocab, p.model->hidden}, true}, findings);
        return;
    }
    if (!stored) return;
    const Tensor *a = p.tensor(*head, kWeight),
                 *b = embedding ? p.tensor(*embedding, kWeight) : nullptr;
    if (a && b && a->whole && b->whole && equal_bytes(p, *a, *b))
        findings.add("tied-head-stored", name, "the same bytes as the embedding");
    else
        findings.add("tied-head-differs", name,
                     "tie_word_embeddings is true, and the bytes are not the embedding's");
}

void check_tensor_parallel(const Patient& p, Findings& findings) {
    if (!p.model || p.style == Style::gguf || p.style == Style::dense) return;
    for (const auto& linear : block_linears()) {
        const Module* found = nullptr;
        for (std::int64_t layer = 0; !found && layer < p.model->layers; ++layer)
            if (const Module* m = p.module(module_name(layer, linear.name)); m && m->group > 0)
                found = m;
        if (!found) continue;
        const auto [out, in] = linear_shape(*p.model, linear.name);
        const bool by_columns = linear.site == 1 || linear.site == 3;
        const auto heads = linear.name == "self_attn.q_proj" ? p.model->heads
                           : linear.site == 0                ? p.model->kv_heads
                                                             : out;
        const auto group = found->group == found->cols ? 1 : found->group;
        std::vector<int> broken;
        for (const int parts : {2, 4, 8})
            if (by_columns ? in % (parts * group) != 0
                           : heads % parts != 0 && (linear.site != 0 || parts % heads != 0))
                broken.push_back(parts);
        if (broken.empty()) continue;
        findings.add("tensor-parallel", fmt::format("model.layers.*.{}", linear.name),
                     fmt::format("{} devices: {}", fmt::join(broken, ", "),
                                 by_columns ? fmt::format("{} columns in groups of {}", in, group)
                                 : linear.site == 0 ? fmt::format("{} heads", heads)
                                                    : fmt::format("{} rows", out)));
    }
}

}  // namespace hb::doctor
