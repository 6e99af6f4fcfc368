// SPDX-License-Identifier: Apache-2.0
#include "text/arguments.hpp"

#include <algorithm>

#include "core/error.hpp"

namespace hb::jinja {

Bound::Bound(std::string what, const Arguments& arguments, std::initializer_list<const char*> names)
    : what_(std::move(what)), names_(names.begin(), names.end()), values_(names.size()) {
    if (arguments.positional.size() > names_.size())
        fail("{} takes at most {} arguments, got {}", what_, names_.size(),
             arguments.positional.size());
    for (std::size_t i = 0; i < arguments.positional.size(); ++i)
        values_[i] = &arguments.positional[i];
    for (const auto& [name, value] : arguments.named) {
        const auto at = static_cast<std::size_t>(std::find(names_.begin(), names_.end(), name) -
                                                 names_.begin());
        if (at == names_.size()) fail("{} has no argument '{}'", what_, name);
        if (values_[at]) fail("{} got the argument '{}' twice", what_, name);
        values_[at] = &value;
    }
}

const Value& Bound::value(std::size_t i) const {
    if (!values_[i]) fail("{} wants the argument '{}'", what_, names_[i]);
    return *values_[i];
}

const std::string& Bound::text(std::size_t i) const {
    const auto* bytes = value(i).text();
    if (!bytes)
        fail("the argument '{}' of {} is a {}; wanted a string", names_[i], what_,
             type_name(value(i)));
    return *bytes;
}

const std::string* Bound::text_or_none(std::size_t i) const {
    return !values_[i] || values_[i]->is_none() ? nullptr : &text(i);
}

std::int64_t Bound::integer_or(std::size_t i, std::int64_t otherwise) const {
    if (!values_[i]) return otherwise;
    const auto whole = values_[i]->integer();
    if (!whole)
        fail("the argument '{}' of {} is a {}; wanted an int", names_[i], what_,
             type_name(*values_[i]));
    return *whole;
}

}  // namespace hb::jinja
