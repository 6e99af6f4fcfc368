// SPDX-License-Identifier: Apache-2.0
// The regular expressions of tokenizer.json are Oniguruma's (Ruby syntax); they run here on PCRE2.
// What the two read alike is passed on, \s \S \d \D and \p{category} are spelled out, and every
// construct that they read differently, or that no tokenizer needs, is refused.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace hb {

std::string oniguruma_to_pcre2(std::string_view pattern, const std::string& where);

class Regex {
public:
    Regex(std::string_view pattern, const std::string& where);  // Oniguruma syntax
    ~Regex();
    Regex(Regex&&) noexcept;
    Regex& operator=(Regex&&) noexcept;

    // Cuts each text (valid UTF-8) by itself into matches and the parts between them, in order.
    std::vector<std::string_view> split(const std::vector<std::string_view>& texts) const;

    struct Impl;

private:
    std::unique_ptr<Impl> impl_;
};

}  // namespace hb
