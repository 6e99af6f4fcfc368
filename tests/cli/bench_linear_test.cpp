// SPDX-License-Identifier: Apache-2.0
// bench --linear: the parts are there and the rates follow from the times.
#include "tiny_model.hpp"

namespace hb::test {
namespace {

Ran bench(const TemporaryFolder& folder, std::vector<std::string> more) {
    std::vector<std::string> all = {"bench",    "-p",     "40",
                                    "--repeat", "3",      "-t",
                                    "1",        "--json", (folder / "linear.json").string()};
    all.insert(all.end(), more.begin(), more.end());
    return run(all);
}

TEST(BenchLinear, RatesFollowFromTheTimes) {
    const TemporaryFolder folder;
    for (const auto& [scheme, bytes, activations] :
         {std::tuple{"mxfp4", 96 * 128 / 32 * 17, "ceil7.25"},
          std::tuple{"nvfp4a16", 96 * 128 / 32 * 18, "bf16"},
          std::tuple{"fp8", 96 * 128 * 2, "absmax"}}) {
        const Ran ran = bench(folder, {"--linear", "96x128", "--scheme", scheme});
        ASSERT_TRUE(succeeded(ran));
        EXPECT_EQ(std::count(ran.out.begin(), ran.out.end(), '\n'), 4);
        const Json j = json_in(folder / "linear.json");
        EXPECT_EQ(j["weight_bytes"], bytes) << scheme;
        EXPECT_EQ(j["activations"], activations);
        EXPECT_EQ(j["rows"], 40);
        const double flops = 2.0 * 40 * 96 * 128;
        for (const char* name : {"product", "together"}) {
            const Json& part = j[name];
            const double ms = part["ms"];
            EXPECT_GT(ms, 0);
            EXPECT_NEAR(part["gflops"], 1e-6 * flops / ms, 1e-9 * flops / ms);
            EXPECT_NEAR(part["percent_of_roof"], 100 * part["floor_ms"].get<double>() / ms, 1e-6);
            EXPECT_GE(part["floor_ms"], 1e-6 * flops / j["roof_gflops"].get<double>() * 0.999);
        }
        ASSERT_EQ(j["input"]["samples_ms"].size(), 3u);
        for (std::size_t i = 0; i < 3; ++i) {
            const auto sample = [&](const char* part) {
                return j[part]["samples_ms"][i].get<double>();
            };
            EXPECT_NEAR(sample("together"), sample("input") + sample("product"), 1e-9);
        }
    }
}

TEST(BenchLinear, RefusesWhatIsNoLinear) {
    const TemporaryFolder folder;
    for (const char* shape : {"96", "x128", "96x", "0x128", "96x128x2", "96x20", "-96x128",
                              "9e9x32", "1000000x1000000"})
        EXPECT_TRUE(bench(folder, {"--linear", shape, "--scheme", "mxfp4"}).failed_in_one_line())
            << shape;
    for (const std::vector<std::string>& more :
         {std::vector<std::string>{"--linear", "96x128"},
          {"--linear", "96x128", "--scheme", "mxfp4", "--kv", "int8"},
          {"--linear", "96x128", "--scheme", "mxfp4", "-n", "3"},
          {"--linear", "1048576x32", "--scheme", "mxfp4", "-p", "1048576"}})
        EXPECT_TRUE(bench(folder, more).failed_in_one_line());
}

}  // namespace
}  // namespace hb::test
