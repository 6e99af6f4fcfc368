// SPDX-License-Identifier: Apache-2.0
// Laws of a report: well-formed, nothing fetched, small, its numbers those of the results.
#include "report/study_page.hpp"

#include <fmt/format.h>
#include <gmock/gmock.h>

#include "core/error.hpp"
#include "xml_check.hpp"

namespace hb {
namespace {

using test::parse_xml;
using test::XmlElement;
using ::testing::HasSubstr;
using ::testing::Not;

Json layers_of(int count, double error) {
    Json layers = Json::array();
    for (int layer = 0; layer < count; ++layer)
        for (const char* linear :
             {"self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj", "self_attn.o_proj",
              "mlp.gate_proj", "mlp.up_proj", "mlp.down_proj"})
            layers.push_back({{"name", fmt::format("model.layers.{}.{}", layer, linear)},
                              {"weight_mse", 0.01 + 0.0001 * layer},
                              {"output_error", error * (1 + layer)}});
    return layers;
}

Json cell(const std::string& scheme, const std::string& recipe, double kl, int layers = 3,
          int seed = 0) {
    return {{"name", fmt::format("{}_{}_{}", scheme, recipe, seed)},
            {"scheme", scheme},
            {"recipe", recipe},
            {"seed", seed},
            {"quantized_inputs", !scheme.ends_with("a16")},
            {"bits_per_weight", scheme.starts_with("mx") ? 4.25 : 4.5},
            {"perplexity", 20 * (1 + kl)},
            {"kl", kl},
            {"top1", 1 - kl / 2},
            {"tasks", Json::array()},
            {"layers", layers_of(layers, recipe == "rtn" ? 0 : 0.001)},
            {"scales", {{"first", -6}, {"shares", {0.25, 0.5, 0.25}}, {"zeros", 0.0}}},
            {"seconds", {{"quantize", 12.5}, {"windows", 3.25}, {"tasks", 0}}}};
}

Json results() {
    Json r = {{"version", "0.1.0"},
              {"model", "model <&>"},
              {"fingerprint", "0123"},
              {"windows", {{"file", "test.i32"}, {"count", 2}, {"length", 2048}}},
              {"calibration",
               {{"source", "c.i32"}, {"sequences", 2}, {"sequence_length", 2048}, {"draws", 1}}},
              {"left_out", Json::array()},
              {"reference",
               {{"perplexity", 20.5},
                {"tasks", Json::array()},
                {"activations",
                 {{{"layer", 0},
                   {"site", "qkv"},
                   {"kurtosis", 100.5},
                   {"peak", 30.0},
                   {"rotation", "hadamard:64"},
                   {"rotated_kurtosis", 3.5},
                   {"rotated_peak", 5.0}}}}}}};
    r["cells"] = {cell("mxfp4", "rtn", 1.23456), cell("nvfp4", "rtn", 0.5),
                  cell("mxfp4a16", "rtn", 0.6), cell("mxfp4", "mr-gptq", 0.4321),
                  cell("mxfp4a16", "mr-gptq", 0.2)};
    return r;
}

// The cells of the rows of the table under this caption.
std::vector<std::vector<std::string>> rows_of(const XmlElement& page, const std::string& caption) {
    std::vector<std::vector<std::string>> rows;
    for (const XmlElement* table : page.all("table")) {
        if (table->all("caption")[0]->all_text().find(caption) == std::string::npos) continue;
        for (const XmlElement* row : table->all("tr")) {
            rows.emplace_back();
            for (const XmlElement& one : row->children) rows.back().push_back(one.all_text());
        }
    }
    return rows;
}

TEST(StudyPage, IsXmlAndFetchesNothing) {
    const std::string text = study_page(results());
    const XmlElement page = parse_xml(text);
    EXPECT_EQ(page.all("h1").size(), 1u);
    EXPECT_EQ(page.all("h1")[0]->text, "Quantization study of model <&>");
    for (const char* word : {"<script", "http", "url(", "@import", "<link", "<img", "<iframe"})
        EXPECT_THAT(text, Not(HasSubstr(word)));
    EXPECT_EQ(text, study_page(results()));
}

TEST(StudyPage, ItsNumbersAreThoseOfTheResults) {
    const Json r = results();
    const auto rows = rows_of(parse_xml(study_page(r)), "All cells");
    ASSERT_EQ(rows.size(), 2 + r["cells"].size());
    std::map<std::string, std::vector<std::string>> by_name;
    double before = 0;
    for (std::size_t i = 2; i < rows.size(); ++i) {
        by_name[rows[i][0] + " " + rows[i][1]] = rows[i];
        EXPECT_GE(std::stod(rows[i][2]), before);  // the least first
        before = std::stod(rows[i][2]);
    }
    for (const Json& c : r["cells"]) {
        const auto& row =
            by_name.at(c["scheme"].get<std::string>() + " " + c["recipe"].get<std::string>());
        EXPECT_EQ(row[2], fmt::format("{:.4f}", c["kl"].get<double>()));
        EXPECT_EQ(row[3], fmt::format("{:.3f}", c["perplexity"].get<double>()));
        EXPECT_EQ(row[5], fmt::format("{:.4f}", c["top1"].get<double>()));
        EXPECT_EQ(row[6], fmt::format("{:.3f}", c["bits_per_weight"].get<double>()));
    }
    const auto inputs = rows_of(parse_xml(study_page(r)), "The same in numbers");
    ASSERT_EQ(inputs.size(), 3u);
    EXPECT_EQ(inputs[2],
              (std::vector<std::string>{"mxfp4", "mr-gptq", "0.2000", "0.4321", "53.7"}));
}

TEST(StudyPage, HeadingsGoInOrderAndEveryLinkHasItsPlace) {
    const XmlElement page = parse_xml(study_page(results()));
    std::set<std::string> ids;
    for (const XmlElement* section : page.all("section")) ids.insert(section->attributes.at("id"));
    EXPECT_EQ(ids.size(), page.all("section").size());
    for (const XmlElement* link : page.all("a"))
        EXPECT_TRUE(ids.contains(link->attributes.at("href").substr(1)));
    EXPECT_EQ(page.all("a").size(), ids.size());
    for (const XmlElement* table : page.all("table")) {
        EXPECT_EQ(table->all("caption").size(), 1u);
        for (const XmlElement* head : table->all("th"))
            EXPECT_TRUE(head->attributes.contains("scope"));
    }
    for (const XmlElement* figure : page.all("figure"))
        EXPECT_EQ(figure->all("figcaption").size(), 1u);
}

TEST(StudyPage, ASectionWithNothingToShowIsLeftOut) {
    Json r = results();
    EXPECT_THAT(study_page(r), Not(HasSubstr("id=\"draws\"")));
    EXPECT_THAT(study_page(r), Not(HasSubstr("Questions")));
    r["cells"].push_back(cell("mxfp4", "mr-gptq", 0.45, 3, 1));
    const auto draws = rows_of(parse_xml(study_page(r)), "KL over the draws");
    ASSERT_EQ(draws.size(), 2u);
    EXPECT_EQ(draws[1][2], "2");
    EXPECT_EQ(draws[1][5], "0.4321");
    EXPECT_EQ(draws[1][6], "0.4500");
    r["reference"]["activations"] = Json::array();
    EXPECT_THAT(study_page(r), Not(HasSubstr("id=\"outliers\"")));
    r["cells"] = Json::array();
    parse_xml(study_page(r));
}

TEST(StudyPage, RecoveryIsTheMeanAsAShareOfTheReferences) {
    Json r = results();
    const auto task = [](double accuracy) {
        return Json::array(
            {{{"task", "piqa"}, {"items", 10}, {"accuracy", accuracy}, {"error", 0.1}},
             {{"task", "boolq"}, {"items", 1}, {"accuracy", 0.6}, {"error", nullptr}}});
    };
    r["reference"]["tasks"] = task(0.8);
    for (Json& c : r["cells"]) c["tasks"] = task(0.45);
    const auto rows = rows_of(parse_xml(study_page(r)), "Accuracy");
    ASSERT_EQ(rows.size(), 7u);
    EXPECT_EQ(rows[2][2], "75.0");  // (.45 + .6) / (.8 + .6)
    EXPECT_EQ(rows[2][3], "45.0 ± 10.0");
    EXPECT_EQ(rows[2][4], "60.0 ± -");
    EXPECT_THAT(study_csv(r), HasSubstr(",piqa,piqa_stderr,boolq,boolq_stderr\n"));
}

TEST(StudyPage, WhatIsMissingIsADash) {
    Json r = results();
    r["cells"][0]["perplexity"] = nullptr;
    r["cells"][1].erase("seconds");
    r["cells"][2].erase("layers");
    r["cells"][3]["scales"] = Json::object();
    const std::string page = study_page(r);
    parse_xml(page);
    EXPECT_THAT(page, Not(HasSubstr("nan")));
    EXPECT_THROW(study_page(Json::array()), Error);
    EXPECT_THROW(study_page({{"cells", 3}}), Error);
}

TEST(StudyPage, FortyCellsOfThirtyLayersAreLessThan3MB) {
    Json r = results();
    r["cells"] = Json::array();
    for (int i = 0; i < 40; ++i)
        r["cells"].push_back(cell("scheme" + std::to_string(i / 4),
                                  std::string("recipe") + std::to_string(i % 4), 0.01 * (i + 1),
                                  30));
    const std::string page = study_page(r);
    parse_xml(page);
    EXPECT_LT(page.size(), 3'000'000u);
    EXPECT_GT(page.size(), 100'000u);
}

TEST(StudyPage, TheCsvHasARowForEveryCell) {
    const Json r = results();
    const std::string csv = study_csv(r);
    EXPECT_EQ(std::count(csv.begin(), csv.end(), '\n'), 1 + std::ssize(r["cells"]));
    EXPECT_THAT(csv, HasSubstr("\nmxfp4,mr-gptq,0,4.25,0.4321,"));
}

}  // namespace
}  // namespace hb
