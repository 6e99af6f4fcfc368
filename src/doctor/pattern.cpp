// SPDX-License-Identifier: Apache-2.0
// PCRE2 reads Python's expressions and stops at a limit, where others would search for years.
#define PCRE2_CODE_UNIT_WIDTH 8
#include "doctor/pattern.hpp"

#include <fmt/format.h>
#include <pcre2.h>

#include <string_view>

namespace hb::doctor {
namespace {

constexpr std::uint32_t kMatchLimit = 100'000;

std::shared_ptr<void> compile(std::string_view text) {
    int error = 0;
    std::size_t offset = 0;
    auto* code = pcre2_compile(reinterpret_cast<PCRE2_SPTR>(text.data()), text.size(),
                               PCRE2_ANCHORED | PCRE2_NEVER_BACKSLASH_C, &error, &offset, nullptr);
    if (!code) return nullptr;
    return {code, [](void* p) { pcre2_code_free(static_cast<pcre2_code*>(p)); }};
}

bool matches_code(void* code, const std::string& text) {
    auto* compiled = static_cast<pcre2_code*>(code);
    auto* data = pcre2_match_data_create_from_pattern(compiled, nullptr);
    auto* context = pcre2_match_context_create(nullptr);
    if (context) pcre2_set_match_limit(context, kMatchLimit);
    const int found = pcre2_match(compiled, reinterpret_cast<PCRE2_SPTR>(text.data()), text.size(),
                                  0, 0, data, context);
    pcre2_match_context_free(context);
    pcre2_match_data_free(data);
    return found > 0;
}

std::string glob_to_expression(std::string_view text) {
    std::string out;
    for (const char c : text) {
        if (c == '*') {
            out += ".*";
            continue;
        }
        if (std::string_view(".+?()[]{}|^$\\").find(c) != std::string_view::npos) out += '\\';
        out += c;
    }
    return out + "$";
}

}  // namespace

bool Pattern::is_class() const {
    return !code && readable && !text.empty() && text[0] >= 'A' && text[0] <= 'Z' &&
           text.find('.') == std::string::npos;
}

bool Pattern::matches(const std::string& module) const {
    if (code) return matches_code(code.get(), module);
    if (!readable || text.empty()) return false;
    if (!parts) return module == text;
    return fmt::format(".{}.", module).find(fmt::format(".{}.", text)) != std::string::npos;
}

Pattern make_pattern(std::string text, Dialect dialect) {
    Pattern pattern;
    pattern.text = std::move(text);
    pattern.parts = dialect == Dialect::fp_quant;
    if (dialect == Dialect::compressed_tensors && pattern.text.starts_with("re:"))
        pattern.code = compile(std::string_view(pattern.text).substr(3));
    else if (dialect == Dialect::modelopt && pattern.text.find('*') != std::string::npos)
        pattern.code = compile(glob_to_expression(pattern.text));
    else
        return pattern;
    pattern.readable = pattern.code != nullptr;
    return pattern;
}

}  // namespace hb::doctor
