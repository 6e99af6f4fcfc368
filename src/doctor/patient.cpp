// SPDX-License-Identifier: Apache-2.0
#include "doctor/patient.hpp"

#include <algorithm>
#include <cstring>

#include "core/error.hpp"
#include "io/gguf_names.hpp"
#include "io/safetensors.hpp"
#include "io/source.hpp"
#include "io/strict_json.hpp"

namespace hb::doctor {
namespace fs = std::filesystem;
namespace {

// What each layout calls the parts of a module; weights that are codes are told by their dtype.
struct Name {
    Style style;
    Part part;
    std::string_view ending;
};
constexpr Style kCt = Style::compressed_tensors, kFp = Style::fp_quant, kMo = Style::modelopt;
constexpr Name kNames[] = {
    {kCt, kCodes, "weight_packed"},
    {kCt, kScales, "weight_scale"},
    {kCt, kGlobal, "weight_global_scale"},
    {kCt, kInput, "input_global_scale"},
    {kCt, kZeros, "weight_zero_point"},
    {kCt, kShape, "weight_shape"},
    {kFp, kCodes, "qweight"},
    {kFp, kScales, "scales"},
    {kFp, kGlobal, "weight_global_scale"},
    {kFp, kInput, "act_global_scale"},
    {kFp, kRotation, "forward_hadamard_matrix"},
    {kMo, kScales, "weight_scale"},
    {kMo, kGlobal, "weight_scale_2"},
    {kMo, kInput, "input_scale"},
    {Style::gguf, kGlobal, "scale"},
    {Style::gguf, kInput, "input_scale"},
};

bool holds_codes(const Tensor& t) {
    if (t.type && t.type->fp4()) return true;
    return t.dtype == "U8" || t.dtype == "I8" || t.dtype == "F8_E4M3" || t.dtype == "I32";
}

Part part_of(const Patient& p, const Tensor& t, std::string_view ending) {
    if (ending == "bias") return kBias;
    if (ending == "weight") return holds_codes(t) ? kCodes : kWeight;
    for (const Name& name : kNames)
        if (name.style == p.style && name.ending == ending) return name.part;
    return kParts;
}

std::optional<Family> family_of(const Patient& p, const Module& m) {
    const Tensor *codes = p.tensor(m, kCodes), *scales = p.tensor(m, kScales);
    if (!codes) return std::nullopt;
    if (codes->type && codes->type->fp4())
        return codes->type->name == "NVFP4" ? Family::nv : Family::mx;
    if (codes->dtype == "I8") return Family::int8;
    if (codes->dtype == "F8_E4M3") return Family::fp8;
    if (codes->dtype == "I32") return m.has(kZeros) ? Family::zeroed : Family::integer;
    if (p.style == kFp) {
        if (!p.settings.targets.empty()) return p.settings.targets[0].family;
        return std::nullopt;
    }
    if (!scales) return std::nullopt;
    if (scales->dtype == "F8_E4M3") return Family::nv;
    if (scales->dtype == "U8" || scales->dtype == "F8_E8M0") return Family::mx;
    return std::nullopt;
}

// Rows, columns and elements to a scale, where the tensors agree on them; else group 0.
void measure(const Patient& p, Module& m) {
    const Tensor *codes = p.tensor(m, kCodes), *scales = p.tensor(m, kScales);
    if (!codes || codes->shape.size() != 2) return;
    m.rows = codes->shape[0];
    m.cols = codes->shape[1];
    if (p.style == Style::gguf) {
        m.group = m.family == Family::nv ? 16 : 32;
        return;
    }
    if (codes->dtype == "U8") m.cols *= 2;
    if (codes->dtype == "I32") m.cols *= 8;
    if (!scales || scales->shape.size() != 2 || scales->shape[0] != m.rows) return;
    const auto groups = scales->shape[1];
    if (groups > 0 && m.cols % groups == 0) m.group = m.cols / groups;
}

}  // namespace

std::uint64_t bytes_needed(const Tensor& t) {
    const auto size = t.type ? t.type->bytes : dtype_bytes(t.dtype);
    const auto block = t.type ? static_cast<std::uint64_t>(t.type->block) : 1;
    std::uint64_t n = 1;
    for (const auto d : t.shape)
        if (__builtin_mul_overflow(n, static_cast<std::uint64_t>(d), &n)) return 0;
    if (__builtin_mul_overflow(n / block, static_cast<std::uint64_t>(size), &n)) return 0;
    return n;
}

std::optional<float> number_of(const Patient& p, const Tensor& t) {
    const bool one = std::all_of(t.shape.begin(), t.shape.end(), [](auto n) { return n == 1; });
    if (!one || !t.whole || !t.type || !t.type->plain()) return std::nullopt;
    float value = 0;
    t.type->decode(p.bytes(t).data(), 1, &value);
    return value;
}

std::string part_name(const Patient& p, Part part) {
    if (part == kBias) return ".bias";
    for (const Name& name : kNames)
        if (name.style == p.style && name.part == part) return fmt::format(".{}", name.ending);
    return ".weight";
}

std::string tensor_name(const Patient& p, const std::string& module, Part part) {
    const auto base = p.style == Style::gguf ? gguf_of_module(module) : module;
    return (base.empty() ? module : base) + part_name(p, part);
}

bool ignored(const Patient& p, const std::string& module) {
    return std::any_of(p.settings.ignore.begin(), p.settings.ignore.end(),
                       [&](const Pattern& pattern) { return pattern.matches(module); });
}

// In the order that QuantizationConfig::find_group follows.
const Targets* targets_of(const Patient& p, const std::string& module) {
    const auto rank = [](const Pattern& pattern) {
        return std::pair(pattern.is_class() ? 2
                         : pattern.code     ? 1
                                            : 0,
                         std::string_view(pattern.text));
    };
    const Targets* best = nullptr;
    const Pattern* by = nullptr;
    for (const Targets& targets : p.settings.targets)
        for (const Pattern& pattern : targets.patterns)
            if ((!by || rank(pattern) < rank(*by)) &&
                (pattern.is_class() ? pattern.text == "Linear" : pattern.matches(module)))
                best = &targets, by = &pattern;
    return best;
}

bool is_linear(const std::string& module) {
    return module.ends_with("_proj") || module == "lm_head";
}

void sort_into_modules(Patient& p) {
    for (std::size_t i = 0; i < p.tensors.size(); ++i) {
        const Tensor& t = p.tensors[i];
        const auto dot = t.name.rfind('.');
        if (dot == std::string::npos) continue;
        std::string module = t.name.substr(0, dot);
        if (p.style == Style::gguf)
            if (const auto name = module_of_gguf(module); !name.empty()) module = name;
        const Part part = part_of(p, t, std::string_view(t.name).substr(dot + 1));
        if (part != kParts) p.modules[module].parts[part] = static_cast<int>(i);
    }
    for (auto& [name, m] : p.modules) {
        m.family = family_of(p, m);
        measure(p, m);
        if (const Tensor* t = p.tensor(m, kGlobal)) m.divisor = number_of(p, *t);
        if (const Tensor* t = p.tensor(m, kInput)) m.input_divisor = number_of(p, *t);
    }
}

Patient admit(const std::string& model, Findings& findings) {
    Patient p;
    p.path = model;
    std::error_code ignored_code;
    if (!model.empty() && !fs::exists(p.path, ignored_code)) {
        p.path = find_in_cache(model);
        if (p.path.empty()) fail("there is no file or folder '{}'", printable(model, 400));
    }
    if (model.empty()) fail("no model given: name a folder or a .gguf file");
    if (fs::is_directory(p.path, ignored_code))
        read_folder(p, findings);
    else
        read_gguf(p, findings);
    std::sort(p.tensors.begin(), p.tensors.end(),
              [](const auto& a, const auto& b) { return a.name < b.name; });
    read_settings(p, findings);
    sort_into_modules(p);
    return p;
}

}  // namespace hb::doctor
