// SPDX-License-Identifier: Apache-2.0
// Large comparisons whose cases are made elsewhere (oracle_tokenizer.py, oracle_chat.py): JSON
// lines named by an environment variable, checked one by one.
#include <gtest/gtest.h>

#include <cstdio>
#include <cstdlib>
#include <map>
#include <sstream>

#include "core/error.hpp"
#include "core/file.hpp"
#include "core/json.hpp"
#include "text/chat_template.hpp"
#include "text/tokenizer.hpp"

namespace hb {
namespace {

std::vector<Json> lines_of(const char* variable) {
    std::vector<Json> out;
    const char* path = std::getenv(variable);
    if (!path) return out;
    std::istringstream stream(read_file(path));
    for (std::string line; std::getline(stream, line);) out.push_back(Json::parse(line));
    return out;
}

// {"tokenizer": path, "text": "...", "ids": [...]}
TEST(Oracle, TokenizerCases) {
    const auto cases = lines_of("HALFBYTE_TOKENIZER_CASES");
    if (cases.empty()) GTEST_SKIP() << "HALFBYTE_TOKENIZER_CASES names no file of cases";
    std::map<std::string, Tokenizer> tokenizers;
    for (const auto& one : cases) {
        const std::string path = one.at("tokenizer");
        const auto at = tokenizers.try_emplace(path, read_file(path), path).first;
        EXPECT_EQ(at->second.encode(one.at("text").get<std::string>(), false),
                  one.at("ids").get<std::vector<std::int32_t>>())
            << path << ": " << one.at("text");
    }
}

Json render(const Json& one, std::string& message) {
    try {
        return ChatTemplate(one.at("template").get<std::string>(), one.at("name"))
            .render(one.at("variables"));
    } catch (const Error& error) {
        message = error.what();
        return nullptr;
    }
}

// {"name": ..., "template": "...", "variables": {...}, "expected": "..." or null for an error}
TEST(Oracle, ChatCases) {
    const auto cases = lines_of("HALFBYTE_CHAT_CASES");
    if (cases.empty()) GTEST_SKIP() << "HALFBYTE_CHAT_CASES names no file of cases";
    for (const auto& one : cases) {
        std::string message;
        EXPECT_EQ(render(one, message), one.at("expected")) << one.at("name") << ' ' << message;
    }
}

// The same lines; prints what we made of them, for oracle_chat.py to judge.
TEST(Oracle, ChatReport) {
    const auto cases = lines_of("HALFBYTE_CHAT_REPORT");
    if (cases.empty()) GTEST_SKIP() << "HALFBYTE_CHAT_REPORT names no file of cases";
    for (const auto& one : cases) {
        std::string message;
        Json report = {{"got", render(one, message)}};
        report["error"] = message;
        std::printf("case %s\n", report.dump().c_str());
    }
}

}  // namespace
}  // namespace hb
