// SPDX-License-Identifier: Apache-2.0
// Binds the arguments of a call to the names of its parameters, as Python does.
#pragma once

#include <initializer_list>
#include <string>
#include <vector>

#include "text/values.hpp"

namespace hb::jinja {

class Bound {
public:
    Bound(std::string what, const Arguments& arguments, std::initializer_list<const char*> names);

    const Value* operator[](std::size_t i) const { return values_[i]; }  // null: not given
    const Value& value(std::size_t i) const;                             // must be given
    const std::string& text(std::size_t i) const;
    const std::string* text_or_none(std::size_t i) const;  // null: not given, or None
    std::int64_t integer_or(std::size_t i, std::int64_t otherwise) const;
    bool flag_or(std::size_t i, bool otherwise) const {
        return values_[i] ? truth(*values_[i]) : otherwise;
    }

private:
    std::string what_;
    std::vector<std::string> names_;
    std::vector<const Value*> values_;
};

}  // namespace hb::jinja
