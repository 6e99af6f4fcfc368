// SPDX-License-Identifier: Apache-2.0
// A model quantized with --rotation offline is a plain one: it talks, is measured against the model
// it was made from, and goes into a GGUF and out.
#include "tiny_model.hpp"

namespace hb::test {
namespace {

class RotatedOffline : public ::testing::Test {
protected:
    // Tied, though its file has a head too.
    void SetUp() override {
        write_tiny_model(folder / "model");
        Json config = tiny_config();
        config["tie_word_embeddings"] = true;
        put(folder / "model" / "config.json", config.dump());
        put(folder / "text.txt", tiny_text(4000));
    }
    std::string path(const std::string& name) const { return (folder / name).string(); }
    Ran quantize(const std::string& out, const std::string& scheme, const std::string& rotation) {
        return run({"quantize", path("model"), path(out), "--scheme", scheme, "--calibration",
                    path("text.txt"), "--sequences", "8", "--sequence-length", "64", "--threads",
                    "1", "--rotation", rotation});
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

TEST_F(RotatedOffline, IsSaidAndMeasuredLikeAnyOther) {
    for (const std::string scheme : {"mxfp4", "nvfp4a16"}) {
        const Ran ran = quantize(scheme, scheme, "offline");
        ASSERT_TRUE(succeeded(ran));
        EXPECT_NE(ran.err.find("untied"), std::string::npos) << ran.err;
        EXPECT_LT(kl(scheme), 1);
        const Ran inspected = run({"inspect", path(scheme)});
        EXPECT_NE(inspected.out.find("residual stream hadamard"), std::string::npos);
    }
}

TEST_F(RotatedOffline, GoesIntoAGgufAndBack) {
    ASSERT_TRUE(succeeded(quantize("in", "nvfp4", "offline")));
    ASSERT_TRUE(succeeded(run({"convert", path("in"), path("m.gguf"), "--to", "gguf"})));
    EXPECT_EQ(kl("m.gguf"), kl("in"));
    ASSERT_TRUE(
        succeeded(run({"convert", path("m.gguf"), path("back"), "--to", "compressed-tensors"})));
    EXPECT_EQ(content(folder / "back/model.safetensors"), content(folder / "in/model.safetensors"));
    ASSERT_TRUE(succeeded(quantize("down", "nvfp4", "offline+down")));
    EXPECT_TRUE(
        run({"convert", path("down"), path("d.gguf"), "--to", "gguf"}).failed_in_one_line());
}

TEST_F(RotatedOffline, RefusesInOneLine) {
    EXPECT_TRUE(quantize("o", "nvfp4", "sideways").failed_in_one_line());
    const Ran ran = run({"quantize", path("model"), path("o"), "--rotation", "offline",
                         "--transform", "hadamard:64", "--threads", "1"});
    EXPECT_TRUE(ran.failed_in_one_line());
    EXPECT_NE(ran.err.find("head_dim is 32"), std::string::npos) << ran.err;
}

}  // namespace
}  // namespace hb::test
