// SPDX-License-Identifier: Apache-2.0
#include "calibration/work_folder.hpp"

#include <cstring>
#include <set>

#include "core/error.hpp"
#include "core/file.hpp"

namespace hb {
namespace fs = std::filesystem;
namespace {

// A finished run.json holds the description's keys and "layers"; a started one holds just the
// description. Bits of a weight follow from the schemes, which say better what changed.
void check_same(const fs::path& file, const Json& description) {
    const Json before = Json::parse(read_file(file), nullptr, false);
    if (!before.is_object()) fail("{}: not JSON; remove the folder and start again", file.string());
    std::set<std::string> keys;
    for (const Json* run : {&before, &description})
        for (const auto& [key, value] : run->items())
            if (key != "layers" && key != "bits_per_weight") keys.insert(key);
    const auto shown = [](const Json& run, const std::string& key) {
        return run.contains(key) ? run[key].dump() : "absent";
    };
    for (const std::string& key : keys) {
        const std::string was = shown(before, key), now = shown(description, key);
        if (was != now)
            fail(
                "{}: cannot resume: \"{}\" was {}, now it is {}. Use the same model, data and "
                "options, or another "
                "output folder",
                file.string(), key, was, now);
    }
}

}  // namespace

WorkFolder::WorkFolder(const fs::path& out, const Json& description, bool resume) : out_(out) {
    if (fs::exists(out) && !fs::is_directory(out))
        fail("{} exists and is not a folder", out.string());
    const bool empty = !fs::exists(out) || fs::is_empty(out);
    if (!empty && !resume)
        fail("{} is not empty; choose another folder, or --resume to go on with it", out.string());
    const fs::path started = folder() / "run.json", done = out / "run.json";
    if (fs::exists(out / "config.json") && fs::exists(done)) {
        check_same(done, description);
        finished_ = true;
        remove();
        return;
    }
    if (fs::exists(started))
        check_same(started, description);
    else if (!empty && !fs::exists(folder()))
        fail("{} is not empty and holds no interrupted run; choose another folder", out.string());
    std::error_code error;
    fs::create_directories(folder(), error);
    if (error) fail("cannot create {}: {}", folder().string(), error.message());
    write_file(started, description.dump(1) + "\n");
}

std::optional<Matrix<std::int32_t>> WorkFolder::sampled_tokens(std::int64_t sequences,
                                                               std::int64_t length) const {
    const fs::path file = folder() / "tokens.i32";
    if (!fs::exists(file)) return std::nullopt;
    const std::string bytes = read_file(file);
    Matrix<std::int32_t> tokens(sequences, length);
    if (bytes.size() != tokens.values.size() * 4) fail("{}: wrong size; remove it", file.string());
    std::memcpy(tokens.values.data(), bytes.data(), bytes.size());
    return tokens;
}

void WorkFolder::keep_sampled_tokens(const Matrix<std::int32_t>& tokens) const {
    write_file(folder() / "tokens.i32",
               {reinterpret_cast<const char*>(tokens.values.data()), tokens.values.size() * 4});
}

fs::path WorkFolder::block_folder(std::int64_t layer) const {
    return folder() / fmt::format("block-{:05}", layer);
}

bool WorkFolder::has_block(std::int64_t layer) const {
    return fs::exists(block_folder(layer) / "model.safetensors");
}

Json WorkFolder::block_report(std::int64_t layer) const {
    return Json::parse(read_file(block_folder(layer) / "report.json"));
}

void WorkFolder::finish_block(std::int64_t layer, const Json& config,
                              std::vector<TensorToWrite> tensors, const Json& report) const {
    const fs::path folder = block_folder(layer);
    std::error_code error;
    fs::create_directories(folder, error);
    if (error) fail("cannot create {}: {}", folder.string(), error.message());
    write_file(folder / "report.json", report.dump());
    write_file(folder / "config.json", config.dump());
    write_safetensors(folder / "model.safetensors", std::move(tensors));
}

void WorkFolder::remove() const {
    std::error_code ignored;
    fs::remove_all(folder(), ignored);
}

}  // namespace hb
