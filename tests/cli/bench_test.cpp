// SPDX-License-Identifier: Apache-2.0
// bench on a tiny model and on random weights: every number is there and they agree with each
// other. How large they are is the machine's affair.
#include "tiny_model.hpp"

namespace hb::test {
namespace {

class Bench : public ::testing::Test {
protected:
    std::string path(const std::string& name) const { return (folder / name).string(); }
    Ran bench(std::vector<std::string> more) const {
        std::vector<std::string> all = {
            "bench", "-p", "24", "-n", "3", "--repeat", "3", "--json", path("bench.json"),
            "-t",    "1"};
        all.insert(all.end(), more.begin(), more.end());
        return run(all);
    }
    Json result() const { return json_in(folder / "bench.json"); }

    TemporaryFolder folder;
};

void expect_numbers(const Json& j) {
    for (const std::string test : {"pp", "tg", "tg_batch8"}) {
        const auto number = [&](const char* name) {
            const Json& value = j[test + name];
            EXPECT_TRUE(value.is_number() && value > 0) << test << name << " " << value;
            return value.is_number() ? value.get<double>() : 0;
        };
        const double rate = number("_tokens_per_second");
        EXPECT_LE(number("_tokens_per_second_min"), rate);
        EXPECT_GE(number("_tokens_per_second_max"), rate);
        ASSERT_EQ(j["samples"][test + "_tokens_per_second"].size(), 3u);
        const bool pp = test == "pp";
        const double reached = number(pp ? "_gflops" : "_gigabytes_per_second");
        const double roof = j[pp ? "roof_gflops" : "roof_gigabytes_per_second"].get<double>();
        EXPECT_NEAR(number("_percent_of_roof"), 100 * reached / roof, 1e-6 * reached / roof);
    }
}

TEST_F(Bench, AModelInAFolder) {
    write_tiny_model(folder / "model");
    const Ran ran = bench({path("model")});
    ASSERT_TRUE(succeeded(ran));
    const Json j = result();
    expect_numbers(j);
    EXPECT_EQ(j["model"], path("model"));
    EXPECT_TRUE(j["scheme"].is_null());
    EXPECT_EQ(j["threads"], 1);
    EXPECT_EQ(j["parallel"], 1);
    // the linears and the head, in bf16
    EXPECT_EQ(
        j["weight_bytes"],
        2 * (kLayers * (3 * kHidden * kHidden + 3 * kHidden * kIntermediate) + kVocab * kHidden));
    EXPECT_EQ(std::count(ran.out.begin(), ran.out.end(), '\n'), 4);
    for (const char* word :
         {"tokens/s", "min..max", "GFLOP/s", "GB/s", "% of roof", "pp24", "tg3", "tg1 x8"})
        EXPECT_NE(ran.out.find(word), std::string::npos) << word;
}

TEST_F(Bench, TheHeadCanBeOfAnotherType) {
    write_tiny_model(folder / "model");
    constexpr std::int64_t kLinears =
        2 * kLayers * (3 * kHidden * kHidden + 3 * kHidden * kIntermediate);
    using Case = std::tuple<const char*, const char*, std::int64_t>;  // bytes of 32 weights
    for (const auto& [name, type, bytes] : {Case{"stored", "bf16", 64},
                                            {"bf16", "bf16", 64},
                                            {"q8_0", "Q8_0", 34},
                                            {"q8_0a8", "Q8_0", 34},
                                            {"mxfp4", "MXFP4", 17},
                                            {"nvfp4", "NVFP4", 18}}) {
        ASSERT_TRUE(succeeded(bench({path("model"), "--head", name})));
        const Json j = result();
        EXPECT_EQ(j["head"], name);
        EXPECT_EQ(j["head_type"], type);
        EXPECT_EQ(j["embedding_type"], "bf16") << "not tied";
        EXPECT_EQ(j["weight_bytes"], kLinears + kVocab * kHidden / 32 * bytes) << name;
        ASSERT_TRUE(
            succeeded(bench({"--random", "llama-tiny", "--scheme", "nvfp4", "--head", name})));
        EXPECT_EQ(result()["head_type"], name == std::string("stored") ? "NVFP4" : type)
            << "random weights are stored nowhere";
    }
}

TEST_F(Bench, KeysAndValuesCanBeOfAnotherType) {
    write_tiny_model(folder / "model");
    using Case = std::tuple<const char*, const char*, double>;  // bytes of a number
    constexpr std::int64_t kHeadDim = kHidden / kHeads;
    constexpr double kCoded = 1 + 2. / kHeadDim;
    for (const auto& [name, type, bytes] :
         {Case{"auto", "fp32", 4}, {"bf16", "bf16", 2}, {"int8", "int8", kCoded}}) {
        ASSERT_TRUE(succeeded(bench({path("model"), "--kv", name})));
        const Json j = result();
        expect_numbers(j);
        EXPECT_EQ(j["kv"], name);
        EXPECT_EQ(j["kv_type"], type);
        EXPECT_EQ(j["kv_bytes"], 2 * kLayers * kKvHeads * kHeadDim * bytes) << name;
    }
    for (const auto& [name, bytes] : {std::pair{"auto", 64}, {"int8", 34}}) {
        ASSERT_TRUE(
            succeeded(bench({"--random", "llama-tiny", "--scheme", "mxfp4", "--kv", name})));
        EXPECT_EQ(result()["kv_bytes"], 2 * 2 * 2 * bytes) << name;
    }
}

TEST_F(Bench, AQuantizedModelSaysItsScheme) {
    write_tiny_model(folder / "model");
    ASSERT_TRUE(succeeded(
        run({"quantize", path("model"), path("out"), "--scheme", "mxfp4", "--recipe", "rtn"})));
    ASSERT_TRUE(succeeded(bench({path("out")})));
    EXPECT_EQ(result()["scheme"], "mxfp4");
    EXPECT_EQ(result()["activations"], "ct-round");
    const Ran refused = bench({path("out"), "--activations", "mxint8"});
    EXPECT_TRUE(refused.failed_in_one_line());
    EXPECT_NE(refused.err.find("mxint8"), std::string::npos) << refused.err;
    ASSERT_TRUE(succeeded(
        run({"quantize", path("model"), path("a16"), "--scheme", "mxfp4a16", "--recipe", "rtn"})));
    for (const char* type : {"stored", "mxint8"}) {
        ASSERT_TRUE(succeeded(bench({path("a16"), "--activations", type})));
        EXPECT_EQ(result()["activations"], type == std::string("stored") ? "bf16" : type);
    }
}

TEST_F(Bench, RandomWeights) {
    for (const char* scheme : {"nvfp4", "mxfp4a16"}) {
        const Ran ran = bench(
            {"--random", "llama-tiny", "--scheme", scheme, "--parallel", "2", "--kernels", "avx2"});
        ASSERT_TRUE(succeeded(ran));
        const Json j = result();
        expect_numbers(j);
        EXPECT_EQ(j["model"], "random llama-tiny");
        EXPECT_EQ(j["scheme"], scheme);
        EXPECT_EQ(j["kernels"], "avx2");
        EXPECT_EQ(j["parallel"], 2);
        EXPECT_EQ(j["transform"], scheme == std::string("nvfp4") ? "hadamard:16" : "hadamard:128");
        const char* head = scheme == std::string("nvfp4") ? "NVFP4" : "MXFP4";
        EXPECT_EQ(j["head_type"], head);
        EXPECT_EQ(j["embedding_type"], "bf16") << "not tied";
        EXPECT_NE(ran.out.find("tg3 x2"), std::string::npos) << ran.out;
        EXPECT_NE(ran.err.find("bf16"), std::string::npos) << ran.err;
    }
}

TEST_F(Bench, RefusesWhatItCannotDo) {
    write_tiny_model(folder / "model");  // a context of 256
    using Case = std::pair<std::vector<std::string>, int>;
    const Case cases[] = {
        {{}, 2},
        {{"--random", "llama-tiny"}, 2},
        {{path("model"), "--scheme", "nvfp4"}, 2},
        {{path("model"), "--random", "llama-tiny", "--scheme", "nvfp4"}, 2},
        {{path("model"), "-p", "0"}, 2},
        {{path("model"), "-n", "many"}, 2},
        {{path("model"), "--repeat", "0"}, 2},
        {{path("model"), "--parallel", "-1"}, 2},
        {{path("model"), "--head", "int3"}, 2},
        {{path("model"), "-p", "257"}, 1},
        {{path("model"), "-n", "257"}, 1},
        {{path("model"), "--kernels", "mmx"}, 1},
        {{path("absent")}, 1},
        {{"--random", "llama-2b", "--scheme", "nvfp4"}, 1},
        {{"--random", "llama-tiny", "--scheme", "fp3"}, 1},
        {{"--random", "llama-8b", "--scheme", "nvfp4", "--parallel", "1024", "-n", "131072"}, 1},
    };
    for (const auto& [options, status] : cases) {
        const Ran ran = bench(options);
        EXPECT_TRUE(ran.failed_in_one_line()) << ::testing::PrintToString(options);
        EXPECT_EQ(ran.status, status) << ::testing::PrintToString(options) << ran.err;
        EXPECT_FALSE(fs::exists(folder / "bench.json"));
    }
}

}  // namespace
}  // namespace hb::test
