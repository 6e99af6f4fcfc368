// SPDX-License-Identifier: Apache-2.0
#include "calibration/dataset.hpp"

#include <algorithm>
#include <cstring>
#include <sstream>

#include "core/error.hpp"
#include "core/file.hpp"
#include "core/json.hpp"

namespace hb {
namespace {

std::vector<std::int32_t> read_i32(const std::filesystem::path& file) {
    const std::string bytes = read_file(file);
    if (bytes.size() % 4 != 0)
        fail("{}: {} bytes; wanted a multiple of 4 (int32 token ids)", file.string(), bytes.size());
    std::vector<std::int32_t> tokens(bytes.size() / 4);
    if (!bytes.empty()) std::memcpy(tokens.data(), bytes.data(), bytes.size());
    return tokens;
}

std::vector<std::int32_t> read_jsonl(const std::filesystem::path& file, const Tokenizer& tokenizer,
                                     std::int64_t separator) {
    std::vector<std::int32_t> tokens;
    std::istringstream lines(read_file(file));
    std::string line;
    for (std::int64_t number = 1; std::getline(lines, line); ++number) {
        if (line.find_first_not_of(" \t\r") == std::string::npos) continue;
        const Json json = Json::parse(line, nullptr, false);
        if (!json.is_object() || !json.contains("text") || !json["text"].is_string())
            fail("{}: line {} is not a JSON object with a string \"text\"", file.string(), number);
        const auto ids = tokenizer.encode(json["text"].get_ref<const std::string&>(), false);
        tokens.insert(tokens.end(), ids.begin(), ids.end());
        if (separator >= 0) tokens.push_back(static_cast<std::int32_t>(separator));
    }
    return tokens;
}

}  // namespace

Tokenizer load_tokenizer(const Checkpoint& checkpoint) {
    const std::string where = (checkpoint.path() / "tokenizer.json").string();
    const auto json = checkpoint.asset("tokenizer.json");
    if (!json) fail("{} is missing; put the model's tokenizer.json there", where);
    return Tokenizer(*json, where);
}

std::vector<std::int32_t> read_tokens(const std::filesystem::path& file,
                                      const Checkpoint& checkpoint, const ModelConfig& config) {
    std::vector<std::int32_t> tokens;
    const std::string ending = file.extension().string();
    if (ending == ".i32") {
        tokens = read_i32(file);
    } else if (ending == ".txt" || ending == ".raw" || ending == ".utf8" || ending == ".md") {
        tokens = load_tokenizer(checkpoint).encode(read_file(file), false);
    } else if (ending == ".jsonl") {
        tokens = read_jsonl(file, load_tokenizer(checkpoint),
                            config.end_tokens.empty() ? -1 : config.end_tokens[0]);
    } else {
        fail("{}: unknown ending '{}'; wanted .txt, .jsonl or .i32", file.string(), ending);
    }
    if (tokens.empty()) fail("{}: no tokens in it", file.string());
    for (std::size_t i = 0; i < tokens.size(); ++i)
        if (tokens[i] < 0 || tokens[i] >= config.vocab)
            fail("{}: token {} has id {}; the model's vocabulary ends at {}", file.string(), i,
                 tokens[i], config.vocab - 1);
    return tokens;
}

Matrix<std::int32_t> cut_rows(const std::vector<std::int32_t>& tokens, std::int64_t sequences,
                              std::int64_t length) {
    const auto total = static_cast<std::int64_t>(tokens.size());
    length = std::min(length, total);
    sequences = std::min(sequences, total / length);
    Matrix<std::int32_t> rows(sequences, length);
    for (std::int64_t i = 0; i < sequences; ++i) {
        const std::int64_t slots = total / length;
        const std::int64_t start = sequences == 1 ? 0 : (slots - 1) * i / (sequences - 1) * length;
        std::copy_n(tokens.begin() + start, length, rows.row(i));
    }
    return rows;
}

}  // namespace hb
