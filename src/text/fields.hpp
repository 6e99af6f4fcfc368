// SPDX-License-Identifier: Apache-2.0
// Reading tokenizer.json: every access names its field in the error, and a key that is not expected
// is an error as well, because it may change the ids.
#pragma once

#include <initializer_list>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

namespace hb {

// A value of the tree and its name ("tokenizer.json: model.merges[3]").
struct Field {
    const nlohmann::json* value;  // never null; JSON null when the key is absent
    std::string name;

    bool is_null() const { return value->is_null(); }
    Field operator[](std::string_view key) const;
    std::vector<Field> items() const;  // of an array
    std::string text() const;
    bool flag() const;
    bool flag_or(bool otherwise) const { return is_null() ? otherwise : flag(); }
    std::int64_t integer() const;
    void only(std::initializer_list<std::string_view> keys) const;
    [[noreturn]] void refuse(std::string_view wanted) const;
    std::string shown() const;  // the value, cut to a line
};

}  // namespace hb
