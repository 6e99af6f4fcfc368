// SPDX-License-Identifier: Apache-2.0
// golden/chat.json: what jinja2, set up as in Transformers, renders from the same templates.
#include "text/chat_template.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/error.hpp"
#include "core/file.hpp"

namespace hb {
namespace {

const Json& golden() {
    static const Json table = Json::parse(read_file(HALFBYTE_TESTS_DIR "/text/golden/chat.json"));
    return table;
}

// The text, or null for an error that names the template and a line.
Json rendered(const std::string& source, const Json& variables) {
    try {
        return ChatTemplate(source, "t.jinja").render(variables);
    } catch (const Error& error) {
        EXPECT_THAT(error.what(), ::testing::StartsWith("t.jinja: line ")) << source;
        EXPECT_EQ(std::string(error.what()).find('\n'), std::string::npos) << error.what();
        return nullptr;
    }
}

class ChatFamily : public ::testing::TestWithParam<std::string> {};

TEST_P(ChatFamily, RendersAsJinja2) {
    const auto& entry = golden().at("templates").at(GetParam());
    int texts = 0;
    for (const auto& [name, expected] : entry.at("expected").items()) {
        EXPECT_EQ(rendered(entry.at("source"), golden().at("conversations").at(name)), expected)
            << name;
        texts += expected.is_string();
    }
    EXPECT_GE(texts, 8);
}

std::vector<std::string> template_names() {
    std::vector<std::string> names;
    for (const auto& [name, unused] : golden().at("templates").items()) names.push_back(name);
    return names;
}
INSTANTIATE_TEST_SUITE_P(Families, ChatFamily, ::testing::ValuesIn(template_names()),
                         [](const auto& test) { return test.param; });

TEST(ChatTemplate, SnippetsRenderAsJinja2) {
    ASSERT_GT(golden().at("snippets").size(), 60u);
    auto values = golden().at("values");
    values["strftime_now_seconds"] =
        golden().at("conversations").front().at("strftime_now_seconds");
    for (const auto& snippet : golden().at("snippets")) {
        // What we refuse and jinja2 does not: its own quirks that no chat template needs.
        const bool refused = snippet[0] == "{{ m | groupby('role') }}" ||
                             snippet[0] == "{{ s.encode() }}" || snippet[0] == "{{ s.__class__ }}";
        EXPECT_EQ(rendered(snippet[0], values), refused ? Json() : snippet[1]) << snippet[0];
    }
}

TEST(ChatTemplate, TheLineOfAnErrorIsNamed) {
    const auto error_of = [](const std::string& source) -> std::string {
        try {
            ChatTemplate(source, "t").render(Json::object());
        } catch (const Error& error) {
            return error.what();
        }
        return "";
    };
    EXPECT_THAT(error_of("a\nb\n{{ x.y }}"), ::testing::StartsWith("t: line 3: 'x' is undefined"));
    EXPECT_THAT(error_of("a\n{% frobnicate %}"),
                ::testing::StartsWith("t: line 2: the tag 'frobnicate'"));
    EXPECT_THAT(error_of("\n\n\n{{ 1 | frobnicate }}"),
                ::testing::StartsWith("t: line 4: the filter 'frobnicate'"));
    EXPECT_THAT(error_of("\r\n{{ raise_exception('stop') }}"),
                ::testing::HasSubstr("line 2: the template refuses this conversation: stop"));
    EXPECT_THAT(error_of("{{ frobnicate() }}"),
                ::testing::HasSubstr("'frobnicate' is undefined and cannot be called"));
}

TEST(ChatTemplate, VariablesMustBeAnObject) {
    EXPECT_THROW(ChatTemplate("x", "t").render(Json::array()), Error);
    EXPECT_THROW(ChatTemplate("x", "t").render({{"n", 18446744073709551615u}}), Error);
    EXPECT_EQ(ChatTemplate("{{ s }}", "t").render({{"s", "a\xff"}}), "a\xef\xbf\xbd");
}

TEST(ChatTemplate, LimitsHold) {
    const auto refuses = [](const std::string& source) {
        EXPECT_THROW(ChatTemplate(source, "t").render(Json::object()), Error) << source;
    };
    refuses("{% for a in range(90000) %}{% for b in range(90000) %}{% endfor %}{% endfor %}");
    refuses(
        "{% set ns = namespace(s='x') %}{% for i in range(60) %}{% set ns.s = ns.s + ns.s %}{% "
        "endfor %}");
    refuses(
        "{% set ns = namespace(l=[1]) %}{% for i in range(60) %}{% set ns.l = ns.l + ns.l %}{% "
        "endfor %}");
    refuses(
        "{% set ns = namespace(l=[1]) %}{% for i in range(9999) %}{% set ns.l = [ns.l] %}{% endfor "
        "%}");
    refuses("{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}");
    refuses("{% for i in range(90000) %}{{ 'xxxxxxxxxx' * 1000 }}{% endfor %}");
    refuses("{{ 'x' * 99999999999 }}{{ [1] * 99999999 }}");
    refuses("{{ range(100001) }}");
    refuses("{{ 9223372036854775807 + 1 }}");
    refuses("{{ 2 ** 64 }}");
    refuses("{{ " + std::string(100'000, '(') + " }}");
    refuses("{{ " + std::string(100'000, '[') + " }}");
    refuses("{{ x" + std::string(100'000, '-') + "1 }}");
    std::string chain = "{{ 1", blocks;
    for (int i = 0; i < 10'000; ++i) chain += "+1", blocks += "{% if 1 %}";
    refuses(chain + " }}");
    refuses(blocks);
    refuses(std::string(2'000'000, 'x'));
}

TEST(ChatTemplate, NamespacesAndMacrosThatHoldThemselvesAreFreed) {
    const ChatTemplate looped(
        "{% set ns = namespace() %}{% set ns.me = ns %}{% macro f() %}{% endmacro %}{% set ns.f = "
        "f %}ok",
        "t");
    EXPECT_EQ(looped.render(Json::object()), "ok");
    EXPECT_EQ(looped.render(Json::object()), "ok");  // a template can be rendered again
}

TEST(ChatTemplate, MovesAndKeepsItsWork) {
    ChatTemplate first("{{ x }}", "t");
    ChatTemplate second(std::move(first));
    EXPECT_EQ(second.render({{"x", 1.5}}), "1.5");
}

}  // namespace
}  // namespace hb
