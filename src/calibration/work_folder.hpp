// SPDX-License-Identifier: Apache-2.0
// What a run leaves in OUT/.halfbyte until it is finished: what the run is (run.json), the
// calibration tokens if they were sampled, and a small checkpoint for each finished block. Its
// model.safetensors is written last and appears only when it is whole, so its presence is the
// journal.
#pragma once

#include <filesystem>
#include <optional>
#include <vector>

#include "core/json.hpp"
#include "core/matrix.hpp"
#include "io/safetensors.hpp"

namespace hb {

class WorkFolder {
public:
    // Creates OUT and OUT/.halfbyte, or takes up what is there. Throws Error when OUT is not empty
    // and `resume` is false, or when it holds a run that differs from `description` (says where).
    WorkFolder(const std::filesystem::path& out, const Json& description, bool resume);

    bool finished() const { return finished_; }
    const std::filesystem::path& out() const { return out_; }
    std::filesystem::path folder() const { return out_ / ".halfbyte"; }

    std::optional<Matrix<std::int32_t>> sampled_tokens(std::int64_t sequences,
                                                       std::int64_t length) const;
    void keep_sampled_tokens(const Matrix<std::int32_t>& tokens) const;

    std::filesystem::path block_folder(std::int64_t layer) const;
    bool has_block(std::int64_t layer) const;
    Json block_report(std::int64_t layer) const;
    void finish_block(std::int64_t layer, const Json& config, std::vector<TensorToWrite> tensors,
                      const Json& report) const;

    void remove() const;  // the work, once the output is complete

private:
    std::filesystem::path out_;
    bool finished_ = false;
};

}  // namespace hb
