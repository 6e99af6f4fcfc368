// SPDX-License-Identifier: Apache-2.0
// A model quantized with --channels balanced is a plain one: it is measured against the model it
// was made from, says what it is, and goes into a GGUF and out.
#include "tiny_model.hpp"

namespace hb::test {
namespace {

class BalancedChannels : public ::testing::Test {
protected:
    void SetUp() override {
        write_tiny_model(folder / "model");
        put(folder / "text.txt", tiny_text(4000));
    }
    std::string path(const std::string& name) const { return (folder / name).string(); }
    Ran quantize(const std::string& out, const std::string& scheme, const std::string& channels,
                 const std::string& rotation = "online") {
        return run({"quantize", path("model"), path(out), "--scheme", scheme, "--transform",
                    "hadamard:16", "--rotation", rotation, "--calibration", path("text.txt"),
                    "--sequences", "8", "--sequence-length", "64", "--threads", "1", "--channels",
                    channels});
    }
    double kl(const std::string& model) {
        const Ran ran =
            run({"eval", path(model), "--text", path("text.txt"), "--window", "64", "--reference",
                 path("model"), "--kl-stride", "4", "--threads", "1", "--json", path("eval.json")});
        EXPECT_TRUE(succeeded(ran));
        return json_in(folder / "eval.json")["kl"].get<double>();
    }
    TemporaryFolder folder;
};

TEST_F(BalancedChannels, AreSaidAndMeasuredLikeAnyOther) {
    for (const std::string scheme : {"mxfp4", "nvfp4a16"}) {
        ASSERT_TRUE(succeeded(quantize(scheme, scheme, "balanced")));
        EXPECT_LT(kl(scheme), 1);
        EXPECT_NE(run({"inspect", path(scheme)}).out.find("balanced"), std::string::npos);
        ASSERT_TRUE(succeeded(quantize("plain" + scheme, scheme, "plain")));
        EXPECT_EQ(run({"inspect", path("plain" + scheme)}).out.find("balanced"), std::string::npos);
    }
}

TEST_F(BalancedChannels, GoIntoAGgufAndBack) {
    ASSERT_TRUE(
        succeeded(run({"quantize", path("model"), path("in"), "--scheme", "nvfp4", "--transform",
                       "none", "--channels", "balanced", "--calibration", path("text.txt"),
                       "--sequences", "8", "--sequence-length", "64", "--threads", "1"})));
    ASSERT_TRUE(succeeded(run({"convert", path("in"), path("m.gguf"), "--to", "gguf"})));
    EXPECT_EQ(kl("m.gguf"), kl("in"));
    ASSERT_TRUE(
        succeeded(run({"convert", path("m.gguf"), path("back"), "--to", "compressed-tensors"})));
    EXPECT_EQ(content(folder / "back/model.safetensors"), content(folder / "in/model.safetensors"));
}

TEST_F(BalancedChannels, AreRefusedInOneLine) {
    EXPECT_TRUE(quantize("o", "nvfp4", "sideways").failed_in_one_line());
    EXPECT_TRUE(quantize("o", "nvfp4", "balanced", "offline").failed_in_one_line());
}

}  // namespace
}  // namespace hb::test
