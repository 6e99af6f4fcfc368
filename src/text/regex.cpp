// SPDX-License-Identifier: Apache-2.0
#define PCRE2_CODE_UNIT_WIDTH 8
#include "text/regex.hpp"

#include <pcre2.h>

#include <array>

#include "core/error.hpp"

namespace hb {
namespace {

constexpr std::uint32_t kMatchLimit = 50'000'000, kHeapLimitKiB = 256 * 1024;

template <auto free_function>
struct Free {
    template <class T>
    void operator()(T* p) const {
        free_function(p);
    }
};
using Code = std::unique_ptr<pcre2_code, Free<pcre2_code_free>>;
using MatchContext = std::unique_ptr<pcre2_match_context, Free<pcre2_match_context_free>>;
using MatchData = std::unique_ptr<pcre2_match_data, Free<pcre2_match_data_free>>;
using JitStack = std::unique_ptr<pcre2_jit_stack, Free<pcre2_jit_stack_free>>;

std::string message(int code) {
    std::array<PCRE2_UCHAR, 256> text{};
    pcre2_get_error_message(code, text.data(), text.size());
    return reinterpret_cast<const char*>(text.data());
}

PCRE2_SPTR units(std::string_view text) {
    return reinterpret_cast<PCRE2_SPTR>(text.data());
}

}  // namespace

struct Regex::Impl {
    Code code;
    std::string where;
};

namespace {

struct Matcher {
    explicit Matcher(const Regex::Impl& owner)
        : regex(owner), match(pcre2_match_data_create_from_pattern(owner.code.get(), nullptr)) {
        if (!context || !match || !stack) fail("{}: no memory for PCRE2", owner.where);
        pcre2_set_match_limit(context.get(), kMatchLimit);
        pcre2_set_heap_limit(context.get(), kHeapLimitKiB);
        pcre2_jit_stack_assign(context.get(), nullptr, stack.get());
    }

    void split(std::string_view text, std::vector<std::string_view>& pieces) const {
        const PCRE2_SIZE* bounds = pcre2_get_ovector_pointer(match.get());
        std::size_t done = 0, from = 0;
        while (from < text.size()) {
            const int found = pcre2_match(regex.code.get(), units(text), text.size(), from,
                                          PCRE2_NO_UTF_CHECK, match.get(), context.get());
            if (found == PCRE2_ERROR_NOMATCH) break;
            if (found < 0)
                fail("{}: PCRE2 cannot match the regex: {}", regex.where, message(found));
            const std::size_t first = bounds[0], last = bounds[1];
            if (first > done) pieces.push_back(text.substr(done, first - done));
            if (last > first) pieces.push_back(text.substr(first, last - first));
            done = from = last;
            if (last == first)  // an empty match: look on from the next character
                do ++from;
                while (from < text.size() &&
                       (static_cast<unsigned char>(text[from]) & 0xc0) == 0x80);
        }
        if (done < text.size()) pieces.push_back(text.substr(done));
    }

    const Regex::Impl& regex;
    MatchContext context{pcre2_match_context_create(nullptr)};
    MatchData match;
    JitStack stack{pcre2_jit_stack_create(32 * 1024, 8 * 1024 * 1024, nullptr)};
};

}  // namespace

Regex::Regex(std::string_view pattern, const std::string& where) : impl_(std::make_unique<Impl>()) {
    const std::string translated = oniguruma_to_pcre2(pattern, where);
    int error = 0;
    std::size_t offset = 0;
    impl_->where = where;
    impl_->code.reset(pcre2_compile(units(translated), translated.size(),
                                    PCRE2_UTF | PCRE2_UCP | PCRE2_NEVER_BACKSLASH_C, &error,
                                    &offset, nullptr));
    if (!impl_->code)
        fail("{}: PCRE2 refuses the regex '{}' at byte {}: {}", where, translated, offset,
             message(error));
    pcre2_jit_compile(impl_->code.get(), PCRE2_JIT_COMPLETE);  // without JIT it only runs slower
}
Regex::~Regex() = default;
Regex::Regex(Regex&&) noexcept = default;
Regex& Regex::operator=(Regex&&) noexcept = default;

std::vector<std::string_view> Regex::split(const std::vector<std::string_view>& texts) const {
    const Matcher matcher(*impl_);
    std::vector<std::string_view> pieces;
    for (const auto text : texts) matcher.split(text, pieces);
    return pieces;
}

}  // namespace hb
