// SPDX-License-Identifier: Apache-2.0
// Tensors of another tool's layout under compressed-tensors' names, so that whatever reads a
// Checkpoint needs to know one layout. Bytes stay where they are; a number that the other layout
// stores differently (a multiplier, or in 16 bits) is presented as the F32 that stands for it.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "io/source.hpp"

namespace hb {

class Presenter {
public:
    explicit Presenter(Source& source);
    std::string where() const { return source_.path.string(); }
    // What stands before `ending` in the names that end so, in order of name.
    std::vector<std::string> modules(std::string_view ending) const;
    StoredTensor* find(const std::string& name);  // null when absent
    StoredTensor& need(const std::string& name);  // throws Error when absent
    // The one positive, finite number that a tensor of shape [1] or [] holds.
    float single(const std::string& name);
    // From here on the tensor is called `to` and has this dtype (of the same width).
    void rename(const std::string& from, const std::string& to, std::string_view dtype);
    void rename_as_float(const std::string& from, const std::string& to, float value);
    void hide(const std::string& name);  // not presented; nothing when absent
    void finish();                       // removes what was hidden

private:
    Source& source_;
    std::map<std::string, std::size_t> index_;  // names as in the file
    std::vector<bool> hidden_;
};

// What a stored multiplier is the reciprocal of: `original` when its reciprocal is the multiplier,
// bit for bit (1 / (1 / x) is not x for one number in seven), else 1 / multiplier.
float divisor_of(float multiplier, std::optional<float> original);

}  // namespace hb
