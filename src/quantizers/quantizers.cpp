// SPDX-License-Identifier: Apache-2.0
#include "core/error.hpp"
#include "quantizers/gptq.hpp"
#include "quantizers/quantizer.hpp"
#include "quantizers/rtn.hpp"

namespace hb {
namespace {

constexpr Quantizer kQuantizers[] = {
    {"rtn", "every weight to its nearest element", false, run_rtn},
    {"gptq", "column by column, each error made good by the columns still to come", true, run_gptq},
};

}  // namespace

std::span<const Quantizer> all_quantizers() {
    return kQuantizers;
}

const Quantizer& find_quantizer(std::string_view name) {
    std::string known;
    for (const auto& quantizer : kQuantizers) {
        if (quantizer.name == name) return quantizer;
        known += (known.empty() ? "" : ", ") + std::string(quantizer.name);
    }
    fail("no quantizer is called '{}'; known: {}", name, known);
}

}  // namespace hb
