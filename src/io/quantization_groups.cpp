// SPDX-License-Identifier: Apache-2.0
// Which group a linear belongs to, decided as compressed-tensors decides it: among the targets that
// match, its own name counts first, then the first pattern in alphabetical order (not in that of
// the file), then its class, which is "Linear" for every linear.
#include <algorithm>
#include <regex>

#include "core/error.hpp"
#include "io/quantization_config.hpp"
#include "io/strict_json.hpp"

namespace hb {
namespace {

constexpr std::string_view kPattern = "re:", kClass = "Linear";

// Less is sooner.
std::pair<int, std::string_view> rank(const std::string& target) {
    return {target == kClass ? 2 : target.starts_with(kPattern) ? 1 : 0, target};
}

}  // namespace

bool matches(const std::string& target, const std::string& module) {
    if (!target.starts_with(kPattern)) return target == module;
    try {
        return std::regex_search(module, std::regex(target.substr(kPattern.size())),
                                 std::regex_constants::match_continuous);
    } catch (const std::regex_error&) {
        fail("'{}' is not a regular expression", printable(target));
    }
}

bool QuantizationConfig::ignores(const std::string& module) const {
    return std::any_of(ignore.begin(), ignore.end(),
                       [&](const std::string& target) { return matches(target, module); });
}

const QuantizationGroup* QuantizationConfig::find_group(const std::string& module) const {
    const QuantizationGroup* best = nullptr;
    const std::string* by = nullptr;
    for (const auto& group : groups)
        for (const auto& target : group.targets)
            if ((!by || rank(target) < rank(*by)) && (target == kClass || matches(target, module)))
                best = &group, by = &target;
    return best;
}

const QuantizationGroup& QuantizationConfig::group_of(const std::string& module) const {
    if (const auto* group = find_group(module)) return *group;
    fail("config.json: quantization_config: '{}' is quantized, but no group targets it",
         printable(module));
}

bool QuantizationConfig::quantizes_activations() const {
    return std::any_of(groups.begin(), groups.end(),
                       [](const auto& group) { return group.scheme->quantized_activations; });
}

std::string QuantizationConfig::schemes() const {
    std::vector<std::string_view> names;
    for (const auto& group : groups)
        if (std::find(names.begin(), names.end(), group.scheme->name) == names.end())
            names.push_back(group.scheme->name);
    return fmt::format("{}", fmt::join(names, " + "));
}

}  // namespace hb
