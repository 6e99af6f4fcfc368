// SPDX-License-Identifier: Apache-2.0
// Python's arithmetic and slices. Integers have 64 bits; leaving them is an error.
#pragma once

#include <string>

#include "text/values.hpp"

namespace hb::jinja {

Value binary(Budget& budget, const std::string& name, const Value& a, const Value& b);
Value negative(const Value& value);
Value positive(const Value& value);
Value slice(Budget& budget, const Value& of, const Value& start, const Value& stop,
            const Value& step);
// The item at `index`, counted from the end when negative; Undefined outside.
Value at_index(Budget& budget, const Value& of, std::int64_t index);

}  // namespace hb::jinja
