// SPDX-License-Identifier: Apache-2.0
#include "io/checkpoint.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>

#include "core/error.hpp"
#include "core/float_bits.hpp"
#include "io/make_gguf.hpp"
#include "io/make_safetensors.hpp"
#include "io/safetensors.hpp"
#include "io/temporary_folder.hpp"

namespace hb {
namespace {

using testing::HasSubstr;
using testing::ThrowsMessage;

TensorToWrite tensor(std::string name, std::string dtype, std::vector<std::int64_t> shape,
                     int fill = 1) {
    std::size_t n = static_cast<std::size_t>(dtype_bytes(dtype));
    for (const auto d : shape) n *= static_cast<std::size_t>(d);
    return {std::move(name), std::move(dtype), std::move(shape),
            [=] { return std::vector<std::byte>(n, static_cast<std::byte>(fill)); }};
}

class Folder : public testing::Test {
protected:
    void SetUp() override { temporary.put("config.json", "{}"); }
    void write(std::uint64_t shard_bytes) {
        write_sharded(
            temporary.path,
            {tensor("a", "F32", {2, 3}), tensor("b", "BF16", {4}), tensor("c", "I32", {2, 2})},
            shard_bytes);
    }
    Checkpoint open() const { return Checkpoint::open(temporary.path.string()); }
    void refuses(const char* message) const {
        EXPECT_THAT([&] { open(); }, ThrowsMessage<Error>(HasSubstr(message)));
    }
    void edit_index(const std::function<void(Json&)>& change) {
        const auto path = temporary.path / "model.safetensors.index.json";
        Json index = Json::parse(read_file(path));
        change(index);
        write_file(path, index.dump());
    }
    TemporaryFolder temporary;
};

TEST_F(Folder, ShardsReadAsOneFile) {
    write(1 << 20);
    const auto one = open();
    const auto single = one.read("a", 2, 3).values;
    std::filesystem::remove(temporary.path / "model.safetensors");
    write(8);
    const auto many = open();
    EXPECT_EQ(many.tensors().size(), 3u);
    EXPECT_EQ(many.read("a", 2, 3).values, single);
    EXPECT_EQ(many.read("b", 1, 4)(0, 3), bf16_to_float(0x0101));
    EXPECT_EQ(many.read_bytes("c"), one.read_bytes("c"));
    EXPECT_EQ(many.find("c")->dtype, "I32");
    many.drop("a");
    EXPECT_EQ(many.read("a", 2, 3).values, single);
}

TEST_F(Folder, ReadsRowsAndRefusesOtherShapes) {
    write(1 << 20);
    const auto model = open();
    EXPECT_EQ(model.read_rows("a", 1, 1, 3).rows, 1);
    EXPECT_THAT([&] { model.read("a", 3, 2); }, ThrowsMessage<Error>(HasSubstr("2 by 3")));
    EXPECT_THAT([&] { model.read("z", 3, 2); }, ThrowsMessage<Error>(HasSubstr("'z' is missing")));
    EXPECT_THAT([&] { model.read("c", 2, 2); }, ThrowsMessage<Error>(HasSubstr("I32")));
    EXPECT_THROW(model.read_rows("a", 1, 2, 3), Error);
    EXPECT_THROW(model.read_rows("a", -1, 1, 3), Error);
    EXPECT_THROW(model.read_rows("a", 0, 1, 4), Error);
}

TEST_F(Folder, NeedsItsParts) {
    refuses("neither");
    write(8);
    temporary.put("model.safetensors", "");
    refuses("has both");
    std::filesystem::remove(temporary.path / "model.safetensors");
    EXPECT_NO_THROW(open());
    std::filesystem::remove(temporary.path / "model-00002-of-00003.safetensors");
    refuses("shard model-00002-of-00003.safetensors is missing");
    std::filesystem::remove(temporary.path / "config.json");
    refuses("no config.json");
}

TEST_F(Folder, IndexAndShardsMustAgree) {
    write(8);
    edit_index([](Json& index) { index["weight_map"]["d"] = "model-00001-of-00003.safetensors"; });
    refuses("'d' is in the index but not in shard");
    edit_index([](Json& index) {
        index["weight_map"].erase("d");
        index["weight_map"]["a"] = "model-00002-of-00003.safetensors";
    });
    refuses("stale");
    edit_index([](Json& index) { index["weight_map"]["a"] = "../a.safetensors"; });
    refuses("not the name of a safetensors file");
    edit_index([](Json& index) { index["weight_map"]["a"] = 3; });
    refuses("not given a file");
    edit_index([](Json& index) { index["weight_map"] = Json::object(); });
    refuses("is empty");
    edit_index([](Json& index) { index.erase("weight_map"); });
    refuses("'weight_map' is missing");
}

TEST_F(Folder, ConfigMustBeAnObjectWithoutSurprises) {
    write(1 << 20);
    for (const auto& [text, message] :
         {std::pair<std::string, const char*>{"[]", "wanted a JSON object"},
          {"{", "not valid JSON"},
          {"", "not valid JSON"},
          {R"({"a":1,"a":2})", "occurs twice"},
          {"{\"a\":\"\xff\"}", "not valid JSON"},
          {std::string(5000, '['), "nested"},
          {R"({"quantization_config":{"quant_method":"gptq"}})", "'gptq' is not supported"}}) {
        temporary.put("config.json", text);
        refuses(message);
    }
}

TEST_F(Folder, AssetsAndOtherFiles) {
    write(8);
    temporary.put("tokenizer.json", "{\"x\":1}");
    temporary.put("LICENSE", "");
    temporary.put("pytorch_model.bin", "");
    temporary.put(".hidden", "");
    const auto model = open();
    EXPECT_EQ(model.asset("tokenizer.json"), "{\"x\":1}");
    EXPECT_FALSE(model.asset("chat_template.jinja"));
    std::vector<std::string> names;
    for (const auto& path : model.other_files()) names.push_back(path.filename().string());
    EXPECT_THAT(names, testing::ElementsAre("LICENSE", "tokenizer.json"));
}

TEST_F(Folder, FingerprintSeesEveryByte) {
    write(1 << 20);
    const auto path = temporary.path / "model.safetensors";
    const auto before = open().fingerprint();
    EXPECT_EQ(open().fingerprint(), before);
    auto bytes = read_file(path);
    bytes.back() ^= 1;
    write_file(path, bytes);
    EXPECT_NE(open().fingerprint(), before);
    bytes.back() ^= 1;
    bytes[bytes.find("\"a\"") + 1] = 'q';
    write_file(path, bytes);
    EXPECT_NE(open().fingerprint(), before);
}

TEST_F(Folder, IsFoundInTheHubCache) {
    TemporaryFolder cache;
    ::setenv("HF_HUB_CACHE", cache.path.c_str(), 1);
    EXPECT_THAT([] { Checkpoint::open("some/model"); },
                ThrowsMessage<Error>(HasSubstr("hf download some/model")));
    EXPECT_THAT([] { Checkpoint::open("some/../model"); },
                ThrowsMessage<Error>(HasSubstr("there is no file")));
    write(1 << 20);
    cache.put("models--some--model/refs/main", "abc\n");
    const auto snapshot = cache.path / "models--some--model" / "snapshots" / "abc";
    std::filesystem::create_directories(snapshot.parent_path());
    EXPECT_THROW(Checkpoint::open("some/model"), Error);
    std::filesystem::create_directory_symlink(temporary.path, snapshot);
    EXPECT_EQ(Checkpoint::open("some/model").tensors().size(), 3u);
    ::unsetenv("HF_HUB_CACHE");
}

TEST(GgufModel, SpeaksHuggingFace) {
    TemporaryFolder folder;
    const auto model = Checkpoint::open(folder.put("tiny.gguf", tiny_gguf()));
    const auto& config = model.config();
    EXPECT_EQ(config["architectures"][0], "LlamaForCausalLM");
    EXPECT_EQ(config["rms_norm_eps"], 1e-5);
    EXPECT_EQ(config["head_dim"], 8);
    EXPECT_EQ(config["vocab_size"], 8);
    EXPECT_EQ(config["tie_word_embeddings"], true);
    EXPECT_EQ(config["torch_dtype"], "float32");
    EXPECT_FALSE(config.contains("quantization_config"));
    EXPECT_EQ(model.tensors().size(), 11u);
    EXPECT_TRUE(std::is_sorted(model.tensors().begin(), model.tensors().end(),
                               [](const auto& a, const auto& b) { return a.name < b.name; }));
    EXPECT_FALSE(model.asset("tokenizer.json"));
    EXPECT_TRUE(model.other_files().empty());
    const auto v = model.read("model.layers.0.self_attn.v_proj.weight", 16, 32);
    for (std::size_t i = 0; i < v.values.size(); ++i) ASSERT_EQ(v.values[i], tiny_value(7, i));
}

// Hugging Face's row s * 4 + j of a head of 8 is stored as row 2 j + s, for llama alone.
TEST(GgufModel, RowsOfQAndKComeBackToHalfSplitOrder) {
    for (const std::string arch : {"llama", "qwen2"}) {
        TemporaryFolder folder;
        const auto model = Checkpoint::open(folder.put("tiny.gguf", tiny_gguf(arch)));
        for (const auto& [name, rows, salt] : {std::tuple{"q", 32, 5}, std::tuple{"k", 16, 6}}) {
            const auto tensor_name = fmt::format("model.layers.0.self_attn.{}_proj.weight", name);
            const auto w = model.read(tensor_name, rows, 32);
            for (int head = 0; head < rows / 8; ++head)
                for (int s = 0; s < 2; ++s)
                    for (int j = 0; j < 4; ++j)
                        for (int c = 0; c < 32; ++c) {
                            const int presented = head * 8 + s * 4 + j;
                            const int stored = arch == "llama" ? head * 8 + 2 * j + s : presented;
                            ASSERT_EQ(w(presented, c),
                                      tiny_value(salt, static_cast<std::size_t>(stored * 32 + c)));
                        }
            const auto part = model.read_rows(tensor_name, 3, 9, 32);
            for (int r = 0; r < 9; ++r) ASSERT_EQ(part(r, 5), w(3 + r, 5));
            const auto bytes = model.read_bytes(tensor_name);
            EXPECT_EQ(std::memcmp(bytes.data(), w.values.data(), bytes.size()), 0);
        }
    }
}

TEST(GgufModel, CodesAndScalesAreReorderedTogether) {
    // 32 rows of one NVFP4 block of 64: scales name the row, every code names it too
    std::string raw;
    for (int row = 0; row < 32; ++row)
        raw += std::string(4, static_cast<char>(row + 1)) +
               std::string(32, static_cast<char>(row % 16 * 17));
    auto b = tiny_keys();
    tiny_tensors(b, "blk.0.attn_q.weight");
    b.tensor("blk.0.attn_q.weight", {64, 32}, 40, raw).floats("blk.0.attn_q.scale", {1}, {0.25f});
    TemporaryFolder folder;
    const auto model = Checkpoint::open(folder.put("tiny.gguf", b.build()));
    const auto q = model.read_quantized("model.layers.0.self_attn.q_proj", 32, 64);
    ASSERT_TRUE(q);
    EXPECT_EQ(q->scheme->name, "nvfp4a16");
    EXPECT_EQ(q->scales.divisor, 4);
    for (int head = 0; head < 4; ++head)
        for (int s = 0; s < 2; ++s)
            for (int j = 0; j < 4; ++j) {
                const int row = head * 8 + s * 4 + j, stored = head * 8 + 2 * j + s;
                EXPECT_EQ(q->scales.bits(row, 3), stored + 1);
                EXPECT_EQ(q->code(row, 37), stored % 16);
            }
    EXPECT_FALSE(model.read_quantized("model.layers.0.self_attn.k_proj", 16, 32));
    EXPECT_EQ(model.config()["quantization_config"]["format"], "nvfp4-pack-quantized");
    EXPECT_FALSE(model.has("model.layers.0.self_attn.q_proj.scale"));
    const auto w = model.read("model.layers.0.self_attn.q_proj.weight", 32, 64);
    const auto expected = dequantize(*q);
    for (std::size_t i = 0; i < w.values.size(); ++i)
        ASSERT_EQ(w.values[i], round_to_bf16(expected.values[i]));
}

// One quantized matrix makes every tensor bf16; F32 norms too.
TEST(GgufModel, IsPresentedAsBf16WhenAnyMatrixIsQuantized) {
    auto b = tiny_keys();
    tiny_tensors(b, "blk.0.attn_norm.weight");
    b.floats("blk.0.attn_norm.weight", {32}, std::vector<float>(32, 1.0009765625f));
    b.tensor("output.weight", {32, 8}, 8, std::string(8 * 34, '\1'));
    TemporaryFolder folder;
    const auto model = Checkpoint::open(folder.put("tiny.gguf", b.build()));
    for (const auto& info : model.tensors()) EXPECT_EQ(info.dtype, "BF16") << info.name;
    EXPECT_EQ(model.find("lm_head.weight")->stored_type, "Q8_0");
    EXPECT_EQ(model.config()["tie_word_embeddings"], false);
    EXPECT_EQ(model.read("model.layers.0.input_layernorm.weight", 1, 32)(0, 0), 1.0f);
    EXPECT_EQ(model.read_bytes("model.layers.0.input_layernorm.weight").size(), 64u);
}

TEST(GgufModel, BiasesAndRopeFactorsAreCarriedOver) {
    auto b = tiny_keys();
    tiny_tensors(b);
    b.floats("blk.0.attn_q.bias", {32}, tiny_values(9, 32))
        .floats("rope_freqs.weight", {4}, {1, 1, 4, 8});
    b.whole("tokenizer.ggml.eot_token_id", 5);
    TemporaryFolder folder;
    const auto model = Checkpoint::open(folder.put("tiny.gguf", b.build()));
    const auto bias = model.read("model.layers.0.self_attn.q_proj.bias", 1, 32);
    EXPECT_EQ(bias(0, 5), tiny_value(9, 3));  // s = 1, j = 1
    EXPECT_EQ(model.config()["rope_freqs"], Json::array({1.0, 1.0, 4.0, 8.0}));
    EXPECT_EQ(model.config()["model_type"], "qwen2");
    EXPECT_EQ(model.config()["eos_token_id"], Json::array({2, 5}));
    b.floats("blk.0.attn_output.bias", {32}, tiny_values(9, 32));
    const auto llama = Checkpoint::open(folder.put("llama.gguf", b.build()));
    EXPECT_EQ(llama.config()["model_type"], "llama");
    EXPECT_EQ(llama.config()["attention_bias"], true);
}

}  // namespace
}  // namespace hb
