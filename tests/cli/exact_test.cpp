// SPDX-License-Identifier: Apache-2.0
// The texts of fifty prompts and the loss on a text, to the last bit, are those of the reference
// kernels on one thread, one prompt at a time: on every table of this machine, however many prompts
// go together and on however many threads.
#include "core/error.hpp"
#include "kernels/kernels.hpp"
#include "tiny_model.hpp"

namespace hb::test {
namespace {

using Case = std::tuple<const char*, const char*>;  // scheme, table

// "mxfp4a8": mxfp4a16 with its inputs in MXINT8.
bool in_eight_bits(std::string_view scheme) {
    return scheme.ends_with("a8");
}

class Exact : public ::testing::TestWithParam<Case> {
protected:
    static fs::path root() {
        return fs::path(::testing::TempDir()) / ("hb_exact_" + std::to_string(::getpid()));
    }
    static void SetUpTestSuite() {
        fs::remove_all(root());
        fs::create_directories(root());
        write_tiny_model(root() / "model");
        Random random{11};
        std::ofstream prompts(root() / "prompts.txt"), text(root() / "text.txt");
        for (int i = 0; i < 50; ++i) {
            std::string prompt;
            for (std::uint64_t left = 1 + random.bits() % 40; left > 0; --left)
                prompt += static_cast<char>(random.bits() % 5 ? 'a' + random.bits() % 26 : ' ');
            prompts << 'x' << prompt << "x\n";
            if (i < 16) text << prompt << '\n';
        }
    }
    static void TearDownTestSuite() { fs::remove_all(root()); }

    static std::string quantized(const std::string& scheme) {
        if (in_eight_bits(scheme)) return quantized(scheme.substr(0, scheme.size() - 2) + "a16");
        const std::string out = (root() / scheme).string();
        if (!fs::exists(out)) {
            EXPECT_TRUE(
                succeeded(run({"quantize", (root() / "model").string(), out, "--scheme", scheme,
                               "--recipe", "rtn", "--calibration", (root() / "text.txt").string(),
                               "--sequence-length", "32"})));
        }
        return out;
    }
    static std::string activations() {
        return in_eight_bits(std::get<0>(GetParam())) ? "mxint8" : "stored";
    }
    static std::string texts(const std::string& model, const char* parallel, const char* threads) {
        const Ran ran = run({"run", model, "--prompts", (root() / "prompts.txt").string(), "-n",
                             "10", "--json-lines", "--parallel", parallel, "--threads", threads,
                             "--activations", activations()});
        EXPECT_TRUE(succeeded(ran));
        return ran.out;
    }
    static Json loss(const std::string& model, const char* threads) {
        const std::string file = (root() / "loss.json").string();
        EXPECT_TRUE(
            succeeded(run({"eval", model, "--text", (root() / "text.txt").string(), "--reference",
                           (root() / "model").string(), "--window", "64", "--threads", threads,
                           "--json", file, "--activations", activations()})));
        const Json all = json_in(file);
        return {all["perplexity"], all["kl"], all["top1"]};
    }
};

TEST_P(Exact, TextsAndLossAreThoseOfTheReference) {
    const auto [scheme, table] = GetParam();
    try {
        find_kernels(table);
    } catch (const Error&) {
        GTEST_SKIP() << table << " does not run here";
    }
    const std::string model = quantized(scheme);
    ::setenv("HALFBYTE_KERNELS", "ref", 1);
    const std::string wanted = texts(model, "1", "1");
    const Json wanted_loss = loss(model, "1");
    ::setenv("HALFBYTE_KERNELS", table, 1);
    for (const auto& [parallel, threads] : {std::pair{"1", "2"}, {"7", "1"}, {"50", "2"}})
        EXPECT_EQ(texts(model, parallel, threads), wanted) << parallel << ' ' << threads;
    const Json got = loss(model, "2");
    EXPECT_EQ(got[0], wanted_loss[0]);
    EXPECT_EQ(got[2], wanted_loss[2]);
    // The baseline's inputs are fp32, which AMX multiplies as three bf16 terms (numerics.md): what
    // its logits differ by is of the order of 2^-24 of their size, and so is KL's difference.
    if (std::string_view(table) == "amx")
        EXPECT_NEAR(got[1].get<double>(), wanted_loss[1].get<double>(), 2e-6);
    else
        EXPECT_EQ(got[1], wanted_loss[1]);
    ::unsetenv("HALFBYTE_KERNELS");
    EXPECT_EQ(std::count(wanted.begin(), wanted.end(), '\n'), 50);
}

INSTANTIATE_TEST_SUITE_P(Every, Exact,
                         ::testing::Combine(::testing::Values("mxfp4", "nvfp4", "mxfp4a16",
                                                              "nvfp4a16", "mxfp4a8", "nvfp4a8"),
                                            ::testing::Values("avx2", "avx512vnni", "amx")),
                         [](const auto& name) {
                             return std::string(std::get<0>(name.param)) + "_" +
                                    std::get<1>(name.param);
                         });

}  // namespace
}  // namespace hb::test
