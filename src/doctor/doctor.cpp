// SPDX-License-Identifier: Apache-2.0
#include "doctor/doctor.hpp"

#include <algorithm>
#include <cctype>
#include <set>

#include "doctor/checks.hpp"
#include "schemes/family_names.hpp"

namespace hb::doctor {
namespace {

struct Check {
    std::string_view name;
    void (*run)(const Patient&, Findings&);
};

constexpr Check kChecks[] = {
    {"extents of tensors", check_extents},
    {"the index", check_index},
    {"names of tensors", check_names},
    {"texts beside the weights", check_texts},
    {"patterns", check_patterns},
    {"what is quantized", check_coverage},
    {"formats", check_formats},
    {"settings", check_settings},
    {"rotations", check_rotation},
    {"tensors of the model", check_model},
    {"parts of quantized layers", check_packing},
    {"unexpected tensors", check_unexpected},
    {"the head", check_head},
    {"tensor parallelism", check_tensor_parallel},
    {"scales of groups", check_group_scales},
    {"scales of tensors", check_global_scales},
    {"scales of inputs", check_input_scales},
    {"fused layers", check_fused},
    {"dense weights", check_weights},
    {"codes", check_codes},
    {"order of rows", check_permutation},
    {"evenness of columns", check_rotated},
};

std::string layout_of(const Patient& p) {
    static constexpr std::string_view kStyles[] = {"dense", "compressed-tensors", "fp-quant",
                                                   "modelopt", "gguf"};
    std::string text(kStyles[static_cast<int>(p.style)]);
    std::set<Family> seen;
    for (const auto& [name, m] : p.modules) {
        if (!m.family || !seen.insert(*m.family).second) continue;
        text += ' ';
        for (const char c : names_of(*m.family).title)
            text += static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    }
    return text;
}

}  // namespace

Examination examine(const std::string& model, Threads& threads) {
    Findings findings;
    Patient patient = admit(model, findings);
    scan(patient, threads);
    for (const Check& check : kChecks) {
        try {
            check.run(patient, findings);
        } catch (const std::exception& error) {
            findings.add("unexamined", std::string(check.name), error.what());
        }
    }
    Examination e;
    e.layout = layout_of(patient);
    e.files = static_cast<std::int64_t>(patient.files.size());
    e.tensors = static_cast<std::int64_t>(patient.tensors.size());
    for (const auto& file : patient.files) e.bytes += file.map.bytes().size();
    e.findings = std::move(findings.list);
    std::stable_sort(e.findings.begin(), e.findings.end(), [](const auto& a, const auto& b) {
        return std::tuple(-static_cast<int>(a.kind->severity), a.kind) <
               std::tuple(-static_cast<int>(b.kind->severity), b.kind);
    });
    return e;
}

}  // namespace hb::doctor
