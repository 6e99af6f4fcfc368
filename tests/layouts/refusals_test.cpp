// SPDX-License-Identifier: Apache-2.0
// What a layout cannot hold is refused before anything is written, in one line that says why and
// what to do; damaged FP-Quant and ModelOpt folders are refused when they are opened.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>

#include "core/error.hpp"
#include "io/temporary_folder.hpp"
#include "layouts/convert.hpp"
#include "layouts/random_model.hpp"

namespace hb {
namespace {

namespace fs = std::filesystem;
using test::ModelOptions;
using testing::AllOf;
using testing::HasSubstr;
using testing::Not;
using testing::ThrowsMessage;

Conversion convert_to(const fs::path& in, const fs::path& out, const char* layout,
                      bool allow_loss = false) {
    return convert(in.string(), out, find_layout(layout), {allow_loss});
}

void expect_refused(const ModelOptions& o, const char* layout, const char* reason,
                    const char* way_out) {
    const TemporaryFolder folder;
    test::write_model(folder.path / "in", o);
    EXPECT_THAT(
        [&] { convert_to(folder.path / "in", folder.path / "out", layout); },
        ThrowsMessage<Error>(AllOf(HasSubstr(reason), HasSubstr(way_out), Not(HasSubstr("\n")))))
        << layout;
    EXPECT_FALSE(fs::exists(folder.path / "out")) << layout;
}

ModelOptions with_scheme(const char* scheme) {
    ModelOptions o;
    o.scheme = scheme;
    return o;
}

TEST(Refused, RotationsWhereClientsWouldIgnoreThem) {
    auto o = with_scheme("nvfp4");
    o.transform = "hadamard:64";
    for (const char* layout : {"compressed-tensors", "modelopt", "gguf", "bf16"})
        expect_refused(o, layout, "rotated online", "--rotation offline");
    o.transform = "dct:64";
    expect_refused(o, "fp-quant", "dct:64", "convert to halfbyte");
    o.transform = "hadamard:8";
    expect_refused(o, "fp-quant", "hadamard:8", "convert to halfbyte");
}

TEST(Refused, TheFactorThreeInPlainMxfp4) {
    auto o = with_scheme("mxfp4");
    o.mx_divisor = 3;
    expect_refused(o, "compressed-tensors", "divides its MXFP4 scales by 3", "convert to halfbyte");
}

TEST(Refused, SchemesThatALayoutHasNot) {
    expect_refused(with_scheme("mxfp4"), "modelopt", "NVFP4 only", "modelopt");
    expect_refused(with_scheme("nvfp4a16"), "fp-quant", "nvfp4a16", "quantized activations");
    for (const char* layout : {"modelopt", "gguf", "fp-quant"})
        expect_refused(with_scheme("int4g32"), layout, "int4g32", "holds");
}

TEST(Refused, SeveralSchemesWhereThereIsRoomForOne) {
    auto o = with_scheme("nvfp4");
    o.scheme_for = {{"re:.*down_proj", "fp8"}};
    expect_refused(o, "gguf", "down_proj' is fp8", "gguf holds MXFP4 and NVFP4");
    expect_refused(o, "modelopt", "down_proj' is fp8", "NVFP4 only");
    expect_refused(o, "fp-quant", "down_proj' is fp8", "convert to compressed-tensors");
    o.scheme_for = {{"re:.*down_proj", "nvfp4a16"}};
    for (const char* layout : {"modelopt", "fp-quant"})
        expect_refused(o, layout, "holds one scheme", "convert to compressed-tensors");
}

// A group that no linear has does not count.
TEST(Refused, NotWhereOneSchemeIsLeft) {
    const TemporaryFolder folder;
    auto o = with_scheme("nvfp4");
    o.scheme_for = {{"re:.*vision.*", "fp8"}};
    test::write_model(folder.path / "in", o);
    for (const char* layout : {"modelopt", "fp-quant", "gguf"}) {
        const auto c = convert_to(folder.path / "in", folder.path / layout, layout);
        EXPECT_EQ(c.proof.digest_in, c.proof.digest_out);
    }
}

TEST(Refused, RowsThatAreNotWholeBlocks) {
    auto o = with_scheme("nvfp4");
    o.shape.intermediate = 96;
    o.one_dense = false;
    expect_refused(o, "gguf", "96 columns", "--ignore model.layers.0.mlp.down_proj");
}

TEST(Refused, PlacesThatAreTaken) {
    const TemporaryFolder folder;
    test::write_model(folder.path / "in", with_scheme("nvfp4"));
    folder.put("out/x", "");
    folder.put("out.gguf", "");
    EXPECT_THROW(convert_to(folder.path / "in", folder.path / "out", "modelopt"), Error);
    EXPECT_THROW(convert_to(folder.path / "in", folder.path / "out.gguf", "gguf"), Error);
    EXPECT_THROW(convert_to(folder.path / "in", folder.path / "in", "compressed-tensors"), Error);
    EXPECT_EQ(read_file(folder.path / "out.gguf"), "");
    EXPECT_THAT([] { find_layout("awq"); }, ThrowsMessage<Error>(HasSubstr("fp-quant")));
}

// A folder of that layout in which `change` may break the tensors and the configuration.
using Change = std::function<void(std::vector<TensorToWrite>&, Json&)>;

std::vector<std::byte> bytes_of(float x) {
    const auto bytes = std::as_bytes(std::span(&x, 1));
    return {bytes.begin(), bytes.end()};
}

void put_changed(const fs::path& folder, const char* layout, const char* scheme,
                 const Change& change) {
    auto o = with_scheme(scheme);
    if (*scheme == 'm') o.mx_divisor = 3;
    test::write_model(folder / "in", o);
    convert_to(folder / "in", folder / "good", layout);
    const auto file = read_file(folder / "good/model.safetensors");
    const auto bytes = std::as_bytes(std::span(file));
    const auto header = parse_safetensors(bytes, "good");
    std::vector<TensorToWrite> tensors;
    for (const auto& e : header.entries) {
        const auto part = bytes.subspan(header.data_offset + e.begin, e.end - e.begin);
        const std::vector<std::byte> copy(part.begin(), part.end());
        tensors.push_back({e.name, e.dtype, e.shape, [copy] { return copy; }});
        if (const auto it = header.metadata.find(original_key(e.name)); it != header.metadata.end())
            tensors.back().original = std::stof(it->second);
    }
    Json config = Json::parse(read_file(folder / "good/config.json"));
    change(tensors, config);
    fs::create_directories(folder / "bad");
    write_safetensors(folder / "bad/model.safetensors", std::move(tensors));
    write_file(folder / "bad/config.json", config.dump());
}

TensorToWrite& tensor(std::vector<TensorToWrite>& tensors, const std::string& name) {
    for (auto& t : tensors)
        if (t.name == "model.layers.0.mlp.up_proj." + name) return t;
    throw std::runtime_error("no tensor " + name);
}

Change set(const char* field, Json value) {
    return [=](auto&, Json& config) { config["quantization_config"][field] = value; };
}
Change number(const char* name, float value) {
    return [=](auto& tensors, Json&) {
        auto& t = tensor(tensors, name);
        t.load = [value] { return bytes_of(value); };
        t.original.reset();
    };
}
Change without(const char* name) {
    return [=](auto& tensors, Json&) {
        std::erase_if(tensors, [&](const auto& t) {
            return t.name == std::string("model.layers.0.mlp.up_proj.") + name;
        });
    };
}

struct Damage {
    const char *layout, *scheme;
    Change change;
    const char* message;
};

TEST(Damaged, FpQuantAndModelOptFoldersGiveOneLine) {
    const Damage cases[] = {
        {"fp-quant", "mxfp4", set("forward_dtype", "mxfp6"), "'forward_dtype' is 'mxfp6'"},
        {"fp-quant", "mxfp4", set("forward_dtype", 4), "'forward_dtype' is 4, wanted a text"},
        {"fp-quant", "mxfp4", set("forward_method", "quest"), "only abs_max"},
        {"fp-quant", "mxfp4", set("pseudoquantization", true), "'pseudoquantization' is on"},
        {"fp-quant", "mxfp4", set("modules_to_not_convert", "lm_head"),
         "is \"lm_head\", wanted a list"},
        {"fp-quant", "mxfp4", set("halfbyte", Json{{"scheme", "nvfp4"}}), "scheme 'nvfp4'"},
        {"fp-quant", "mxfp4", without("scales"), "up_proj.scales' is missing"},
        {"fp-quant", "mxfp4", without("weight_global_scale"), "weight_global_scale' is missing"},
        {"fp-quant", "mxfp4", without("forward_hadamard_matrix"), "matrix' is missing"},
        {"fp-quant", "mxfp4", number("weight_global_scale", 0), "is 0, wanted a positive number"},
        {"fp-quant", "mxfp4", number("weight_global_scale", -INFINITY), "wanted a positive"},
        {"fp-quant", "mxfp4", number("act_global_scale", 1), "want 3"},
        {"fp-quant", "nvfp4", number("act_global_scale", NAN), "wanted a positive number"},
        {"fp-quant", "mxfp4",
         [](auto& tensors, Json&) {
             tensor(tensors, "forward_hadamard_matrix").load = [] {
                 return std::vector<std::byte>(2 * 32 * 32, std::byte{1});
             };
         },
         "none of the transforms"},
        {"fp-quant", "mxfp4",
         [](auto& tensors, Json&) {
             auto& t = tensor(tensors, "forward_hadamard_matrix");
             t.shape = {1024};
         },
         "wanted a square matrix"},
        {"modelopt", "nvfp4", set("quant_algo", "FP8"), "'quant_algo' is \"FP8\""},
        {"modelopt", "nvfp4", set("kv_cache_scheme", Json::object()), "KV cache"},
        {"modelopt", "nvfp4", set("group_size", 32), "'group_size' is 32, wanted 16"},
        {"modelopt", "nvfp4", set("ignore", Json::array({1})), "has 1, wanted texts"},
        {"modelopt", "nvfp4", number("weight_scale_2", 0), "wanted a positive number"},
        {"modelopt", "nvfp4", number("weight_scale_2", 1e-45f), "stands for the divisor inf"},
        {"modelopt", "nvfp4", number("input_scale", INFINITY), "wanted a positive number"},
        {"modelopt", "nvfp4", without("input_scale"), "up_proj.input_scale' is missing"},
        {"modelopt", "nvfp4", without("weight_scale"), "up_proj.weight_scale' is missing"},
        {"modelopt", "nvfp4",
         [](auto& tensors, Json&) {
             tensor(tensors, "weight_scale_2").shape = {1, 1};
         },
         "wanted one number"},
    };
    for (const auto& c : cases) {
        const TemporaryFolder folder;
        put_changed(folder.path, c.layout, c.scheme, c.change);
        EXPECT_THAT([&] { Checkpoint::open((folder.path / "bad").string()); },
                    ThrowsMessage<Error>(AllOf(HasSubstr(c.message),
                                               HasSubstr((folder.path / "bad").string()),
                                               Not(HasSubstr("\n")))));
    }
}

// The original counts only while the multiplier beside it is its reciprocal.
TEST(ModelOpt, AnOriginalIsUsedOnlyForItsMultiplier) {
    constexpr float kDivisor = 915.06384f;
    ASSERT_NE(1 / (1 / kDivisor), kDivisor);
    for (const auto& [multiplier, wanted] : {std::pair{1 / kDivisor, kDivisor}, {0.25f, 4.f}}) {
        const TemporaryFolder folder;
        put_changed(folder.path, "modelopt", "nvfp4", [&](auto& tensors, Json&) {
            auto& t = tensor(tensors, "weight_scale_2");
            t.load = [m = multiplier] { return bytes_of(m); };
            t.original = kDivisor;
        });
        const auto checkpoint = Checkpoint::open((folder.path / "bad").string());
        EXPECT_EQ(checkpoint.read("model.layers.0.mlp.up_proj.weight_global_scale", 1, 1)(0, 0),
                  wanted);
    }
}

TEST(ModelOpt, IsKnownByItsOwnFileAlone) {
    const TemporaryFolder folder;
    test::write_model(folder.path / "in", with_scheme("nvfp4"));
    convert_to(folder.path / "in", folder.path / "out", "modelopt");
    Json config = Json::parse(read_file(folder.path / "out/config.json"));
    config.erase("quantization_config");
    write_file(folder.path / "out/config.json", config.dump());
    const auto checkpoint = Checkpoint::open((folder.path / "out").string());
    const auto c = quantization_config_of(checkpoint.config());
    ASSERT_TRUE(c);
    EXPECT_EQ(c->groups.at(0).scheme->name, "nvfp4");
    EXPECT_EQ(c->groups.at(0).activation_rule, "absmax");
    EXPECT_TRUE(c->ignores("lm_head"));
    write_file(folder.path / "out/hf_quant_config.json", "{}");
    EXPECT_THAT([&] { Checkpoint::open((folder.path / "out").string()); },
                ThrowsMessage<Error>(HasSubstr("'quantization' is missing")));
}

// Puts `value` at the beginning of the tensor whose name ends so.
template <class T>
void overwrite(const fs::path& model, std::string_view ending, T value) {
    const auto path = model / "model.safetensors";
    auto file = read_file(path);
    const auto header = parse_safetensors(std::as_bytes(std::span(file)), "in");
    for (const auto& e : header.entries)
        if (e.name.ends_with(ending))
            std::memcpy(file.data() + header.data_offset + e.begin, &value, sizeof(T));
    write_file(path, file);
}

TEST(Gguf, AScaleOfMinusZeroIsRefused) {
    const TemporaryFolder folder;
    test::write_model(folder.path / "in", with_scheme("nvfp4"));
    overwrite(folder.path / "in", "0.mlp.up_proj.weight_scale", std::uint8_t{0x80});
    EXPECT_THAT([&] { convert_to(folder.path / "in", folder.path / "out.gguf", "gguf"); },
                ThrowsMessage<Error>(HasSubstr("-0")));
    EXPECT_FALSE(fs::exists(folder.path / "out.gguf"));
}

TEST(Gguf, DivisorsBeyondWhatReadersTakeAreRefused) {
    const TemporaryFolder folder;
    test::write_model(folder.path / "in", with_scheme("nvfp4"));
    overwrite(folder.path / "in", "0.mlp.up_proj.weight_global_scale", 1e-38f);
    for (const char* layout : {"gguf", "modelopt"})
        EXPECT_THAT([&] { convert_to(folder.path / "in", folder.path / "out", layout); },
                    ThrowsMessage<Error>(HasSubstr("the reciprocal of")));
    EXPECT_NO_THROW(convert_to(folder.path / "in", folder.path / "out", "halfbyte"));
}

}  // namespace
}  // namespace hb
