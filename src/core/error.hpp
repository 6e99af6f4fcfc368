// SPDX-License-Identifier: Apache-2.0
// One exception type for what ends a command. A message is one line that says which file, which
// tensor or field, what came, what was wanted, and what to do.
#pragma once

#include <fmt/format.h>

#include <stdexcept>
#include <string>

namespace hb {

struct Error : std::runtime_error {
    using std::runtime_error::runtime_error;
};

template <class... Args>
[[noreturn]] void fail(fmt::format_string<Args...> text, Args&&... args) {
    throw Error(fmt::format(text, std::forward<Args>(args)...));
}

}  // namespace hb
