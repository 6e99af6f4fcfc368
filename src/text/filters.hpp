// SPDX-License-Identifier: Apache-2.0
// The tables of filters, tests and methods. A name that is not in them is an error.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>

#include "text/arguments.hpp"
#include "text/interpreter.hpp"

namespace hb::jinja {

using Filter = Value (*)(Interpreter&, const Value&, const Arguments&);
using Test = bool (*)(Interpreter&, const Value&, const Arguments&);
using Filters = std::map<std::string, Filter, std::less<>>;
using Tests = std::map<std::string, Test, std::less<>>;

const Filters& filters();
const Filters& sequence_filters();
const Tests& tests();

std::string to_json_text(const Value& value, const Arguments& arguments);
// Nothing when Python's type has no such attribute; throws when it has and we do not.
std::optional<Value> bound_method(Interpreter& interpreter, const Value& self,
                                  const std::string& name);
Value loop_attribute(Interpreter& interpreter, const std::shared_ptr<Loop>& loop,
                     const std::string& name);

}  // namespace hb::jinja
