// SPDX-License-Identifier: Apache-2.0
// The matrix as a list, and a cell as a folder. A cell's key holds all that its figures depend on;
// the folder's name ends with the key's digest, and the finished result begins with the key, so
// that a figure is never taken for another's.
#pragma once

#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "calibration/quantize_model.hpp"
#include "study/study_data.hpp"

namespace hb {

struct StudyCell {
    std::string scheme, recipe;  // as given: "rtn+hadamard"
    std::uint64_t draw = 0;
    QuantizeOptions quantize;  // but for out and calibration
};

struct LeftOut {
    std::string scheme, recipe, reason;
};

struct StudyMatrix {
    std::vector<StudyCell> cells;
    std::vector<LeftOut> left_out;  // what this model's shapes do not allow
};

// Throws Error on unknown names, on a pair named twice, and when nothing is left.
StudyMatrix make_matrix(const ModelStudyOptions& options, const Checkpoint& checkpoint);

Json key_of(const StudyCell& cell, const StudyData& data, const Draw& draw);
Json reference_key(const StudyData& data, const Draw& draw);
// "mxfp4_rtn+hadamard_0-1b5f9a02"
std::string cell_name(const std::string& what, const Json& key);

// What was computed for this key, or nothing. A file that is there but cannot be it (torn, edited)
// is said to `notice`, and computed again.
std::optional<Json> stored_result(const std::filesystem::path& folder, const Json& key,
                                  const std::vector<std::string>& fields,
                                  const std::function<void(const std::string&)>& notice);

}  // namespace hb
