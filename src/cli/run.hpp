// SPDX-License-Identifier: Apache-2.0
// What `run` has in common for one prompt, whose text is streamed, and for several, which are
// decoded together.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "engine/generate.hpp"
#include "text/tokenizer.hpp"

namespace hb {

struct RunArguments {
    std::string model, system, head, kv, activations;
    std::vector<std::string> prompts;
    std::filesystem::path prompt_file;
    std::int64_t count = 128, parallel = 1;
    bool chat = false, json_lines = false;
    Sampling sampling;
    std::vector<std::string> stops;
    int threads = 1;
    std::filesystem::path json;
};

using TokenIds = std::vector<std::int32_t>;

// Texts to stdout in the order of the prompts, each as soon as it and all before it are whole:
// separated by a blank line, or a JSON object a line. Request i draws with the seed plus i.
void run_together(const RunArguments& a, const Decoder& decoder, const Tokenizer& tokenizer,
                  std::vector<TokenIds> prompts, Threads& threads);

}  // namespace hb
