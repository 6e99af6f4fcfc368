// SPDX-License-Identifier: Apache-2.0
// halfbyte doctor as a command: what halfbyte itself writes is sound in every scheme and layout,
// the exit status is that of the worst finding, and --fix writes a copy that is sound.
#include <cmath>

#include "tiny_model.hpp"

namespace hb::test {
namespace {

class Doctor : public testing::Test {
protected:
    void SetUp() override {
        write_tiny_model(folder / "model");
        put(folder / "model/generation_config.json", "{}");
    }
    std::string path(const std::string& name) const { return (folder / name).string(); }
    void quantize(const std::string& scheme, const std::string& out,
                  const std::string& transform = "none") const {
        ASSERT_TRUE(
            succeeded(run({"quantize", path("model"), path(out), "--scheme", scheme, "--recipe",
                           "rtn", "--transform", transform, "--threads", "1"})));
    }
    void expect_sound(const std::string& name) const {
        const Ran ran = run({"doctor", path(name), "--json", path("found.json")});
        EXPECT_EQ(ran.status, 0) << ran.out << ran.err;
        const Json found = json_in(folder / "found.json");
        EXPECT_EQ(found["errors"], 0);
        EXPECT_EQ(found["warnings"], 0);
    }
    TemporaryFolder folder;
};

TEST_F(Doctor, FindsNothingInWhatWeWrite) {
    expect_sound("model");
    for (const char* scheme : {"nvfp4", "mxfp4", "nvfp4a16", "mxfp4a16", "int4g32", "int4g128",
                               "int4g128a", "int8", "fp8"}) {
        const std::string name = std::string("q-") + scheme;
        quantize(scheme, name);
        expect_sound(name);
        for (const char* layout : {"gguf", "modelopt", "fp-quant", "halfbyte", "bf16"}) {
            const std::string out =
                std::string(scheme) + "-" + layout + (std::string(layout) == "gguf" ? ".gguf" : "");
            if (run({"convert", path(name), path(out), "--to", layout, "--allow-loss"}).status == 0)
                expect_sound(out);
        }
    }
    quantize("mxfp4", "rotated", "hadamard:32");
    expect_sound("rotated");
}

TEST_F(Doctor, EndsWithTheWorst) {
    quantize("nvfp4", "q");
    Json config = json_in(folder / "q/config.json");
    config["quantization_config"]["ignore"].push_back("nothing.like.it");
    put(folder / "q/config.json", config.dump());
    const Ran warned = run({"doctor", path("q")});
    EXPECT_EQ(warned.status, 1);
    EXPECT_NE(warned.out.find("warning pattern-matches-nothing"), std::string::npos) << warned.out;
    EXPECT_NE(warned.out.find("0 errors, 1 warning,"), std::string::npos) << warned.out;
    config["quantization_config"]["ignore"] = {"model.layers.0.mlp.up_proj"};
    put(folder / "q/config.json", config.dump());
    const Ran failed = run({"doctor", path("q"), "--json", path("found.json")});
    EXPECT_EQ(failed.status, 2);
    EXPECT_NE(failed.out.find("--fix does it"), std::string::npos) << failed.out;
    const Json first = json_in(folder / "found.json")["findings"][0];
    EXPECT_EQ(first["severity"], "error");
    for (const char* field : {"kind", "where", "value", "consequence", "cure"})
        EXPECT_FALSE(first[field].get<std::string>().empty()) << field;
    const Ran repaired = run({"doctor", path("q"), "--fix", path("fixed")});
    EXPECT_EQ(repaired.status, 2);
    EXPECT_NE(repaired.out.find("repaired in"), std::string::npos) << repaired.out;
    expect_sound("fixed");
}

TEST_F(Doctor, RefusesInOneLine) {
    const Ran absent = run({"doctor", path("nothing")});
    EXPECT_EQ(absent.status, 3);
    EXPECT_TRUE(absent.failed_in_one_line());
    const Ran sound = run({"doctor", path("model"), "--fix", path("fixed")});
    EXPECT_EQ(sound.status, 3);
    EXPECT_NE(sound.err.find("nothing was found that can be repaired"), std::string::npos);
    EXPECT_FALSE(fs::exists(folder / "fixed"));
}

TEST_F(Doctor, SaysItsStatusInTheHelp) {
    EXPECT_NE(run({"doctor", "--help"}).out.find("1 warnings, 2 errors"), std::string::npos);
}

}  // namespace
}  // namespace hb::test
