// SPDX-License-Identifier: Apache-2.0
// What the numbers themselves look like.
#include "doctor/checks.hpp"

namespace hb::doctor {
namespace {

constexpr double kDead = 0.01, kSaturated = 0.25;  // shares that are worth a note

double share(std::uint64_t part, std::uint64_t whole) {
    return whole == 0 ? 0 : static_cast<double>(part) / static_cast<double>(whole);
}

}  // namespace

void check_weights(const Patient& p, Findings& findings) {
    for (const Tensor& t : p.tensors) {
        if (!t.numbers.scanned) continue;
        if (t.numbers.bad > 0) {
            const auto cols = t.shape.empty() ? 1 : static_cast<std::uint64_t>(t.shape.back());
            findings.add(
                "weights-not-finite", t.name,
                fmt::format("{} {}, the first in row {}, column {}", t.numbers.bad,
                            t.type->plain() ? "NaN or infinite" : "blocks with such a scale",
                            t.numbers.first_bad / cols, t.numbers.first_bad % cols));
        } else if (t.numbers.zero && t.shape.size() == 2) {
            findings.add("weights-zero", t.name, "all of them are zero");
        }
    }
}

void check_codes(const Patient& p, Findings& findings) {
    for (const auto& [name, m] : p.modules) {
        const Groups& g = m.groups;
        if (!g.scanned) continue;
        const auto where = tensor_name(p, name, kCodes);
        if (g.bad_codes > 0)
            findings.add("weights-not-finite", where, fmt::format("{} codes are NaN", g.bad_codes));
        if (g.dead == g.groups) {
            findings.add("weights-zero", where, "all codes are zero");
            continue;
        }
        if (const double dead = share(g.dead, g.groups); dead > kDead)
            findings.add("dead-groups", where,
                         fmt::format("{} of {}: {:.1f} %", g.dead, g.groups, 100 * dead));
        if (const double ends = share(g.saturated, g.codes); ends > kSaturated)
            findings.add("saturation", where, fmt::format("{:.1f} % of the codes", 100 * ends));
    }
}

}  // namespace hb::doctor
