// SPDX-License-Identifier: Apache-2.0
// Every kind of finding has a fault that is put into a sound model here, is found under that kind's
// name, and is found where it was put.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <set>

#include "core/error.hpp"
#include "doctor/doctor.hpp"
#include "doctor/patient.hpp"
#include "io/make_gguf.hpp"

namespace hb::doctor {
namespace {

using test::Patient;
namespace fs = std::filesystem;

constexpr float kNaN = std::numeric_limits<float>::quiet_NaN();
const std::string kUp = "model.layers.0.mlp.up_proj", kQ = "model.layers.0.self_attn.q_proj";
const std::string kIndex = "model.safetensors.index.json";

struct Fault {
    const char *kind, *layout, *scheme;
    std::function<void(const Patient&)> inject;
    std::string where;
    bool tied = false;
};

template <class T>
std::function<void(const Patient&)> poke(std::string tensor, T value, std::size_t at = 0) {
    return [=](const Patient& p) { p.poke(tensor, value, at); };
}
std::function<void(const Patient&)> remove(std::string tensor) {
    return [=](const Patient& p) { p.remove(tensor); };
}
std::function<void(const Patient&)> unlink(const char* name) {
    return [=](const Patient& p) { fs::remove(p.path / name); };
}
std::function<void(const Patient&)> put(const char* name, const char* text) {
    return [=](const Patient& p) { write_file(p.path / name, text); };
}
std::function<void(const Patient&)> config(std::function<void(Json&)> knife) {
    return [=](const Patient& p) { p.config(knife); };
}
std::function<void(const Patient&)> quantization(std::function<void(Json&)> knife) {
    return [=](const Patient& p) { p.quantization(knife); };
}
std::function<void(const Patient&)> header(std::function<void(Json&, std::string&)> knife) {
    return [=](const Patient& p) { p.header(knife); };
}
std::function<void(const Patient&)> index(std::function<void(Json&)> knife) {
    return [=](const Patient& p) {
        p.shard();
        p.index(knife);
    };
}
std::function<void(const Patient&)> cut(std::size_t bytes) {
    return [=](const Patient& p) {
        const auto file = read_file(p.weights());
        write_file(p.weights(), file.substr(0, file.size() - bytes));
    };
}
std::function<void(const Patient&)> keep(std::size_t bytes) {
    return
        [=](const Patient& p) { write_file(p.weights(), read_file(p.weights()).substr(0, bytes)); };
}
std::function<void(const Patient&)> scale_by(std::string tensor, float factor) {
    return [=](const Patient& p) { p.poke(tensor, p.number(tensor) * factor); };
}
std::function<void(const Patient&)> invert(std::string tensor) {
    return [=](const Patient& p) { p.poke(tensor, 1 / (200 * p.number(tensor))); };
}
// Weights of this value in a tensor of that many bytes.
std::function<void(const Patient&)> fill(std::string tensor, char value, std::size_t bytes) {
    return [=](const Patient& p) {
        p.patch(tensor, [&](char* data) { std::fill_n(data, bytes, value); });
    };
}
// The place of the second tensor in the header, by name.
Json& second(Json& json) {
    Json* found = nullptr;
    std::uint64_t begin = 0, least = ~0ull;
    for (auto& [name, t] : json.items())
        if (name != "__metadata__" && (begin = t["data_offsets"][0]) > 0 && begin < least)
            found = &t, least = begin;
    return *found;
}

constexpr const char *kCt = "compressed-tensors", *kFp = "fp-quant", *kMo = "modelopt",
                     *kGguf = "gguf";

const std::vector<Fault>& faults() {
    static const std::vector<Fault> table = {
        // files
        {"file-unreadable", kCt, "nvfp4", keep(100), "model.safetensors"},
        {"file-unreadable", kGguf, "nvfp4", keep(1000), "sound.gguf"},
        {"file-unreadable", kMo, "nvfp4", put("model.safetensors", ""), "model.safetensors"},
        {"file-truncated", kCt, "mxfp4", cut(1), "model.safetensors"},
        {"file-truncated", kGguf, "mxfp4", cut(4000), "sound.gguf"},
        {"file-truncated", kFp, "nvfp4", cut(1000), "model.safetensors"},
        {"file-holes", kCt, "nvfp4",
         header([](Json& json, std::string& data) {
             for (auto& [name, t] : json.items())
                 if (name != "__metadata__")
                     for (auto& at : t["data_offsets"]) at = at.get<std::uint64_t>() + 8;
             data.insert(0, 8, '\0');
         }),
         "model.safetensors"},
        {"file-overlap", kMo, "nvfp4",
         header([](Json& json, std::string&) {
             for (auto& at : second(json)["data_offsets"]) at = at.get<std::uint64_t>() - 2;
         }),
         "model.safetensors"},
        {"file-trailing", kCt, "int4g32",
         [](const Patient& p) { write_file(p.weights(), read_file(p.weights()) + "xx"); },
         "model.safetensors"},
        {"file-trailing", kGguf, "nvfp4",
         [](const Patient& p) {
             write_file(p.weights(), read_file(p.weights()) + std::string(64, 'x'));
         },
         "sound.gguf"},
        {"extent-wrong", kCt, "nvfp4",
         header([](Json& json, std::string&) { json["model.norm.weight"]["shape"][0] = 63; }),
         "model.norm.weight"},
        {"weights-missing", kMo, "nvfp4", unlink("model.safetensors"), "sound"},
        {"weights-twice", kCt, "nvfp4",
         [](const Patient& p) {
             const auto file = read_file(p.weights());
             p.shard();
             write_file(p.weights(), file);
         },
         "model.safetensors"},
        {"shard-missing", kCt, "nvfp4",
         [](const Patient& p) {
             p.shard();
             fs::remove(p.path / "model-00002-of-00002.safetensors");
         },
         "model-00002-of-00002.safetensors"},
        {"shard-unlisted", kFp, "mxfp4",
         index([](Json& json) {
             Json kept = Json::object();
             for (const auto& [tensor, file] : json["weight_map"].items())
                 if (file != "model-00002-of-00002.safetensors") kept[tensor] = file;
             json["weight_map"] = kept;
         }),
         "model-00002-of-00002.safetensors"},
        {"index-missing", kMo, "nvfp4",
         [](const Patient& p) {
             p.shard();
             fs::remove(p.path / kIndex);
         },
         kIndex},
        {"index-stale", kCt, "mxfp4",
         index([](Json& json) {
             json["weight_map"]["old.weight"] = "model-00001-of-00002.safetensors";
         }),
         "old.weight"},
        {"index-incomplete", kCt, "mxfp4",
         index([](Json& json) { json["weight_map"].erase("model.norm.weight"); }),
         "model.norm.weight"},
        {"index-size", kCt, "mxfp4",
         index([](Json& json) { json["metadata"]["total_size"] = 5; }), kIndex},
        {"tensor-twice", kCt, "nvfp4",
         [](const Patient& p) {
             p.shard();
             fs::copy(p.path / "model-00001-of-00002.safetensors",
                      p.path / "model-00003-of-00002.safetensors");
         },
         "model."},
        // texts
        {"json-unreadable", kCt, "nvfp4", put("config.json", "{"), "config.json"},
        {"json-unreadable", kCt, "nvfp4", put("tokenizer.json", "{"), "tokenizer.json"},
        {"json-unreadable", kCt, "nvfp4", put("model.safetensors.index.json", "[]"), kIndex},
        {"config-missing", kMo, "nvfp4", unlink("config.json"), "config.json"},
        {"config-wrong", kCt, "nvfp4", config([](Json& c) { c["hidden_size"] = "many"; }),
         "config.json"},
        {"architecture-unknown", kCt, "nvfp4",
         config([](Json& c) { c["architectures"] = {"GemmaForCausalLM"}; }), "config.json"},
        {"method-unknown", kCt, "nvfp4",
         quantization([](Json& q) { q["quant_method"] = "awq"; }), "config.json"},
        {"tokenizer-missing", kCt, "nvfp4", unlink("tokenizer.json"), "tokenizer.json"},
        {"tokenizer-missing", kGguf, "nvfp4", [](const Patient&) {}, "sound.gguf"},
        {"chat-template-missing", kMo, "nvfp4", put("tokenizer_config.json", "{}"), "chat_template"},
        {"chat-template-missing", kGguf, "mxfp4", [](const Patient&) {}, "sound.gguf"},
        {"generation-config-missing", kFp, "nvfp4", unlink("generation_config.json"),
         "generation_config.json"},
        // configuration
        {"pattern-matches-nothing", kCt, "nvfp4",
         quantization([](Json& q) { q["ignore"].push_back("model.layers.7.mlp.up_proj"); }),
         "ignore"},
        {"pattern-matches-nothing", kCt, "mxfp4",
         quantization([](Json& q) { q["ignore"].push_back("re:.*vision.*"); }), "ignore"},
        {"pattern-matches-nothing", kMo, "nvfp4",
         quantization([](Json& q) { q["ignore"].push_back("model.visual*"); }), "ignore"},
        {"pattern-matches-nothing", kFp, "nvfp4",
         quantization([](Json& q) { q["modules_to_not_convert"].push_back("router"); }),
         "modules_to_not_convert"},
        {"pattern-matches-nothing", kCt, "nvfp4",
         quantization([](Json& q) {
             q["config_groups"]["group_0"]["targets"].push_back("re:.*experts.*");
         }),
         "targets"},
        {"pattern-unreadable", kCt, "nvfp4",
         quantization([](Json& q) { q["ignore"].push_back("re:(mlp"); }), "ignore"},
        {"ignored-but-quantized", kCt, "nvfp4",
         quantization([](Json& q) { q["ignore"].push_back(kUp); }), kUp},
        {"ignored-but-quantized", kMo, "nvfp4",
         quantization([](Json& q) { q["ignore"].push_back("model.layers.0.mlp*"); }), kUp},
        {"dense-but-not-ignored", kCt, "int4g32",
         quantization([](Json& q) { q["ignore"] = {"lm_head"}; }), "model.layers.1.mlp.up_proj"},
        {"dense-but-not-ignored", kFp, "mxfp4",
         quantization([](Json& q) { q["modules_to_not_convert"] = {"model.layers.1.mlp.up_proj"}; }),
         "lm_head"},
        {"format-mismatch", kCt, "nvfp4",
         quantization([](Json& q) {
             q["format"] = q["config_groups"]["group_0"]["format"] = "mxfp4-pack-quantized";
         }),
         kUp},
        {"format-mismatch", kCt, "int4g32",
         quantization([](Json& q) {
             q["config_groups"]["group_0"]["weights"]["group_size"] = 64;
         }),
         kUp},
        {"format-mismatch", kCt, "mxfp4",
         config([](Json& c) { c.erase("quantization_config"); }), kUp},
        {"format-mismatch", kCt, "nvfp4+fp8",  // the pattern before the class
         quantization([](Json& q) { q["config_groups"]["group_0"]["targets"] = {"re:.*up_proj"}; }),
         kUp},
        {"group-format-missing", kCt, "nvfp4+fp8",
         quantization([](Json& q) { q["config_groups"]["group_1"].erase("format"); }), "group_1"},
        {"activation-scale-dtype-missing", kCt, "nvfp4",
         quantization([](Json& q) {
             q["config_groups"]["group_0"]["input_activations"].erase("scale_dtype");
         }),
         "input_activations"},
        {"sparsity-unsupported", kCt, "int4g32",
         quantization([](Json& q) { q["sparsity_config"] = {{"format", "sparse-24-bitmask"}}; }),
         "sparsity_config"},
        {"actorder-unsupported", kCt, "int4g32",
         quantization([](Json& q) {
             q["config_groups"]["group_0"]["weights"]["actorder"] = "group";
         }),
         "group_0"},
        {"rotation-ignored", kCt, "nvfp4",
         quantization([](Json& q) { q["transform_config"] = {{"config_groups", {{"u", 1}}}}; }),
         "transform_config"},
        {"rotation-under-plain-method", kCt, "nvfp4",
         quantization([](Json& q) { q["halfbyte"]["transforms"]["down"] = "hadamard:64"; }),
         "quantization_config"},
        {"rotation-matrix-wrong", kFp, "mxfp4",
         quantization([](Json& q) { q["hadamard_group_size"] = 64; }), kUp},
        {"rotation-matrix-wrong", kFp, "nvfp4",
         poke(kUp + ".forward_hadamard_matrix", std::uint16_t{0x4000}),
         kUp + ".forward_hadamard_matrix"},
        // tensors
        {"tensor-missing", kCt, "nvfp4", remove("model.norm.weight"), "model.norm.weight"},
        {"tensor-missing", kCt, "mxfp4", remove(kUp + ".weight_scale"), kUp + ".weight_scale"},
        {"tensor-missing", kMo, "nvfp4", remove(kUp + ".weight"), kUp + ".weight"},
        {"tensor-missing", kFp, "mxfp4", remove(kUp + ".qweight"), kUp + ".qweight"},
        {"tensor-missing", "made", "int4g128a", remove(kUp + ".weight_zero_point"),
         kUp + ".weight_zero_point"},
        {"tensor-missing", kGguf, "nvfp4",
         [](const Patient& p) { p.replace("blk.0.ffn_up.weight", "blk.0.ffn_uq.weight"); },
         "blk.0.ffn_up.weight"},
        {"tensor-unexpected", kGguf, "nvfp4",
         [](const Patient& p) { p.replace("blk.0.ffn_up.weight", "blk.0.ffn_uq.weight"); },
         "blk.0.ffn_uq.weight"},
        {"tensor-unexpected", kCt, "nvfp4",
         [](const Patient& p) { p.add(kUp + ".bias", "BF16", {128}); }, kUp + ".bias"},
        {"shape-wrong", kCt, "nvfp4", config([](Json& c) { c["intermediate_size"] = 192; }),
         kUp + ".weight_packed"},
        {"shape-wrong", kCt, "int4g32", poke(kUp + ".weight_shape", std::int64_t{64}),
         kUp + ".weight_shape"},
        {"shape-wrong", kMo, "nvfp4",
         [](const Patient& p) { p.retype(kUp + ".weight_scale", "F8_E4M3", {64, 8}); },
         kUp + ".weight_scale"},
        {"shape-wrong", kFp, "nvfp4",
         config([](Json& c) { c["vocab_size"] = 31; }), "model.embed_tokens.weight"},
        {"dtype-wrong", kCt, "nvfp4",
         [](const Patient& p) { p.retype("model.norm.weight", "I16", {64}); },
         "model.norm.weight"},
        {"dtype-wrong", kFp, "nvfp4",
         [](const Patient& p) { p.retype(kUp + ".scales", "F8_E4M3", {128, 4}); },
         kUp + ".scales"},
        {"type-unknown", kGguf, "nvfp4",
         [](const Patient& p) {  // the type stands behind name, dimensions and sizes
             auto file = read_file(p.path);
             const auto at = file.find("output_norm.weight") + 18 + 4 + 8;
             file[at] = 23;
             write_file(p.path, file);
         },
         "output_norm.weight"},
        {"tied-head-differs", kCt, "nvfp4",
         config([](Json& c) { c["tie_word_embeddings"] = true; }), "lm_head.weight"},
        {"tied-head-stored", kMo, "nvfp4",
         [](const Patient& p) {
             p.change([](auto& all) {
                 for (const auto& t : all)
                     if (t.name == "model.embed_tokens.weight") {
                         auto head = t;
                         head.name = "lm_head.weight";
                         return all.push_back(head);
                     }
             });
         },
         "lm_head.weight", true},
        {"head-missing", kCt, "int4g32", remove("lm_head.weight"), "lm_head.weight"},
        {"tensor-parallel", kCt, "nvfp4", [](const Patient&) {}, "o_proj"},
        // scales
        {"scale-nan", kCt, "nvfp4", poke(kUp + ".weight_scale", std::uint8_t{0x7f}, 9),
         kUp + ".weight_scale"},
        {"scale-nan", kCt, "mxfp4", poke(kUp + ".weight_scale", std::uint8_t{0xff}),
         kUp + ".weight_scale"},
        {"scale-nan", kMo, "nvfp4", poke(kUp + ".weight_scale", std::uint8_t{0xff}),
         kUp + ".weight_scale"},
        {"scale-nan", kFp, "mxfp4", poke(kUp + ".scales", std::uint8_t{0xff}), kUp + ".scales"},
        {"scale-nan", kGguf, "nvfp4", poke("blk.0.ffn_up.weight", std::uint8_t{0x7f}, 36 + 3),
         "blk.0.ffn_up.weight"},
        {"scale-nan", kGguf, "mxfp4", poke("blk.0.ffn_up.weight", std::uint8_t{0xff}, 17),
         "blk.0.ffn_up.weight"},
        {"scale-nan", "made", "int8", poke(kUp + ".weight_scale", std::uint16_t{0x7fc0}),
         kUp + ".weight_scale"},
        {"scale-infinite", kCt, "int4g32", poke(kUp + ".weight_scale", std::uint16_t{0x7f80}),
         kUp + ".weight_scale"},
        {"scale-negative", kCt, "nvfp4", poke(kUp + ".weight_scale", std::uint8_t{0xb0}),
         kUp + ".weight_scale"},
        {"scale-negative", kGguf, "nvfp4", poke("blk.0.ffn_up.weight", std::uint8_t{0xb0}),
         "blk.0.ffn_up.weight"},
        {"scale-negative", "made", "fp8", poke(kUp + ".weight_scale", std::uint16_t{0xbf80}),
         kUp + ".weight_scale"},
        {"scale-zero", kMo, "nvfp4", poke(kUp + ".weight_scale", std::uint8_t{0}),
         kUp + ".weight_scale"},
        {"scale-zero", kCt, "int4g32", poke(kUp + ".weight_scale", std::uint16_t{0}),
         kUp + ".weight_scale"},
        {"scale-subnormal", kFp, "mxfp4", poke(kUp + ".scales", std::uint8_t{0}), kUp + ".scales"},
        {"scale-subnormal", "made", "int4g128", poke(kUp + ".weight_scale", std::uint16_t{5}),
         kUp + ".weight_scale"},
        {"scale-coarse", kCt, "nvfp4", poke(kUp + ".weight_scale", std::uint8_t{3}),
         kUp + ".weight_scale"},
        {"scale-overflow", kCt, "mxfp4a16", poke(kUp + ".weight_scale", std::uint8_t{254}),
         kUp + ".weight_scale"},
        {"global-scale-missing", kCt, "nvfp4", remove(kUp + ".weight_global_scale"),
         kUp + ".weight_global_scale"},
        {"global-scale-missing", kMo, "nvfp4", remove(kUp + ".weight_scale_2"),
         kUp + ".weight_scale_2"},
        {"global-scale-invalid", kCt, "nvfp4", poke(kUp + ".weight_global_scale", 0.f),
         kUp + ".weight_global_scale"},
        {"global-scale-invalid", kMo, "nvfp4", poke(kUp + ".weight_scale_2", kNaN),
         kUp + ".weight_scale_2"},
        {"global-scale-invalid", kFp, "mxfp4", poke(kUp + ".weight_global_scale", -3.f),
         kUp + ".weight_global_scale"},
        {"global-scale-invalid", kGguf, "nvfp4",
         poke("blk.0.ffn_up.scale", std::numeric_limits<float>::infinity()), "blk.0.ffn_up.scale"},
        {"reciprocal-reversed", kCt, "nvfp4", invert(kUp + ".weight_global_scale"),
         kUp + ".weight_global_scale"},
        {"reciprocal-reversed", kMo, "nvfp4", poke(kUp + ".weight_scale_2", 5376.f),
         kUp + ".weight_scale_2"},
        {"reciprocal-reversed", kGguf, "nvfp4", poke("blk.0.ffn_up.scale", 5376.f),
         "blk.0.ffn_up.scale"},
        {"reciprocal-reversed", kFp, "nvfp4", poke(kUp + ".weight_global_scale", 1 / 5376.f),
         kUp + ".weight_global_scale"},
        {"factor-three-missing", kFp, "mxfp4", poke(kUp + ".weight_global_scale", 1.f),
         kUp + ".weight_global_scale"},
        {"factor-three-missing", kFp, "mxfp4", remove(kUp + ".weight_global_scale"),
         kUp + ".weight_global_scale"},
        {"factor-three-missing", kFp, "mxfp4", poke(kUp + ".act_global_scale", 1.f),
         kUp + ".act_global_scale"},
        {"factor-three-missing", "halfbyte", "mxfp4",
         quantization([](Json& q) { q["halfbyte"]["weight_scales"] = "fp-quant"; }),
         kUp + ".weight_global_scale"},
        {"magnitude-absurd", kGguf, "mxfp4",
         [](const Patient& p) {
             p.patch("blk.0.ffn_up.weight", [](char* data) {
                 for (std::size_t b = 0; b < 128 * 2; ++b) data[17 * b] = 90;
             });
         },
         "blk.0.ffn_up"},
        {"fused-scales-differ", kCt, "nvfp4", scale_by(kQ + ".weight_global_scale", 2),
         kQ + ".weight_global_scale"},
        {"fused-scales-differ", kMo, "nvfp4", scale_by(kUp + ".weight_scale_2", .7f),
         "gate_proj.weight_scale_2"},
        {"fused-inputs-differ", kCt, "nvfp4", scale_by(kQ + ".input_global_scale", 1.1f),
         kQ + ".input_global_scale"},
        {"input-scale-missing", kCt, "nvfp4", remove(kUp + ".input_global_scale"),
         kUp + ".input_global_scale"},
        {"input-scale-missing", kMo, "nvfp4", remove(kUp + ".input_scale"), kUp + ".input_scale"},
        {"input-scale-missing", kFp, "nvfp4", remove(kUp + ".act_global_scale"),
         kUp + ".act_global_scale"},
        {"input-scale-invalid", kCt, "nvfp4", poke(kUp + ".input_global_scale", kNaN),
         kUp + ".input_global_scale"},
        {"input-scale-absurd", kMo, "nvfp4", poke(kUp + ".input_scale", 1e9f),
         kUp + ".input_scale"},
        {"input-scale-unused", kCt, "nvfp4",
         quantization([](Json& q) {
             q["config_groups"]["group_0"]["input_activations"] = nullptr;
         }),
         kUp + ".input_global_scale"},
        {"scale-orphan", kGguf, "nvfp4",
         [](const Patient& p) { p.replace("blk.0.ffn_up.weight", "blk.0.ffn_uq.weight"); },
         "blk.0.ffn_up.scale"},
        {"scale-orphan", kCt, "nvfp4",
         [](const Patient& p) {
             p.add("model.layers.1.mlp.up_proj.weight_scale", "F8_E4M3", {128, 4}, 0x38);
         },
         "model.layers.1.mlp.up_proj.weight_scale"},
        // weights
        {"weights-not-finite", kCt, "nvfp4",
         poke("model.layers.1.mlp.up_proj.weight", std::uint16_t{0x7fc0}, 2 * 70),
         "model.layers.1.mlp.up_proj.weight"},
        {"weights-not-finite", "dense", "mxfp4a16",
         poke(kUp + ".weight", std::uint16_t{0xff80}, 100), kUp + ".weight"},
        {"weights-not-finite", kGguf, "nvfp4",
         poke("output_norm.weight", std::uint32_t{0x7f800001}, 4), "output_norm.weight"},
        {"weights-not-finite", "made", "fp8", poke(kUp + ".weight", std::uint8_t{0xff}, 77),
         kUp + ".weight"},
        {"weights-zero", kCt, "nvfp4", fill("lm_head.weight", 0, 2 * 32 * 64), "lm_head.weight"},
        {"weights-zero", kMo, "nvfp4", fill(kUp + ".weight", 0, 128 * 32), kUp + ".weight"},
        {"dead-groups", kCt, "mxfp4", fill(kUp + ".weight_packed", char(0x80), 16 * 8),
         kUp + ".weight_packed"},
        {"saturation", kCt, "nvfp4", fill(kUp + ".weight_packed", 0x7f, 128 * 16),
         kUp + ".weight_packed"},
    };
    return table;
}

std::string shown(const Examination& e) {
    std::string text;
    for (const auto& f : e.findings)
        text += fmt::format("  {} {}: {}\n", f.kind->name, f.where, f.value);
    return text;
}

class InjectedFault : public testing::TestWithParam<std::size_t> {};

TEST_P(InjectedFault, IsFoundNamedAndLocated) {
    const Fault& fault = faults()[GetParam()];
    const TemporaryFolder folder;
    const Patient patient{
        test::write_sound(folder.path, fault.layout, fault.scheme, "llama", fault.tied)};
    fault.inject(patient);
    Threads threads(2);
    const auto e = examine(patient.path.string(), threads);
    const bool found = std::any_of(e.findings.begin(), e.findings.end(), [&](const Finding& f) {
        return f.kind->name == fault.kind && f.where.find(fault.where) != std::string::npos;
    });
    EXPECT_TRUE(found) << fault.kind << " at " << fault.where << " in " << fault.layout << " "
                       << fault.scheme << "; found:\n"
                       << shown(e);
    for (const auto& f : e.findings) {
        EXPECT_NE(f.kind->name, "unexamined") << f.where << f.value;
        EXPECT_FALSE(f.value.empty() || f.where.empty()) << f.kind->name;
    }
}

INSTANTIATE_TEST_SUITE_P(Every, InjectedFault, testing::Range(std::size_t{0}, faults().size()),
                         [](const auto& at) {
                             std::string name = faults()[at.param].kind;
                             std::erase(name, '-');
                             return fmt::format("{}_{}", at.param, name);
                         });

// 8 heads of 32 whose rows have the norms of their pairs, `neighbours`: of RoPE's interleaved
// order.
std::vector<float> paired_rows(bool neighbours) {
    Random random{5};
    std::vector<float> values;
    for (int h = 0; h < 8; ++h)
        for (int r = 0; r < 32; ++r) {
            const int pair = neighbours ? r / 2 : r % 16;
            const float norm = std::exp(
                2 * static_cast<float>(mix64(std::uint64_t(h * 16 + pair)) >> 40) * 0x1p-24f);
            for (int c = 0; c < 256; ++c) values.push_back(norm * random.normal());
        }
    return values;
}

std::string gguf_of_rows(bool neighbours) {
    GgufBuilder b;
    b.text("general.architecture", "llama").whole("llama.block_count", 1);
    b.whole("llama.context_length", 128).whole("llama.embedding_length", 256);
    b.whole("llama.feed_forward_length", 32).whole("llama.attention.head_count", 8);
    b.real("llama.attention.layer_norm_rms_epsilon", 1e-5f);
    const auto add = [&](const std::string& name, std::vector<std::uint64_t> dims) {
        std::size_t n = 1;
        for (const auto d : dims) n *= d;
        b.floats(name, std::move(dims),
                 name == "blk.0.attn_k.weight" ? paired_rows(neighbours) : tiny_values(1, n));
    };
    add("token_embd.weight", {256, 8});
    for (const char* norm : {"output_norm", "blk.0.attn_norm", "blk.0.ffn_norm"})
        add(std::string(norm) + ".weight", {256});
    for (const char* square : {"q", "k", "v", "output"})
        add(std::string("blk.0.attn_") + square + ".weight", {256, 256});
    add("blk.0.ffn_gate.weight", {256, 32});
    add("blk.0.ffn_up.weight", {256, 32});
    add("blk.0.ffn_down.weight", {32, 256});
    return b.build();
}

bool has(const Examination& e, std::string_view kind) {
    return std::any_of(e.findings.begin(), e.findings.end(),
                       [&](const Finding& f) { return f.kind->name == kind; });
}

TEST(Statistics, TellTheOrderOfRows) {
    Threads threads(1);
    const TemporaryFolder folder;
    const auto right = examine(folder.put("right.gguf", gguf_of_rows(true)), threads);
    const auto wrong = examine(folder.put("wrong.gguf", gguf_of_rows(false)), threads);
    EXPECT_FALSE(has(right, "permutation-doubtful")) << shown(right);
    ASSERT_TRUE(has(wrong, "permutation-doubtful")) << shown(wrong);
    for (const auto& f : wrong.findings)
        if (f.kind->name == "permutation-doubtful") {
            EXPECT_EQ(f.where, "blk.0.attn_k.weight");
        }
}

// Random columns of equal size, as after a rotation, or of sizes that differ.
std::vector<float> columns(std::int64_t rows, std::int64_t cols, bool even) {
    Random random{9};
    std::vector<float> values;
    for (std::int64_t r = 0; r < rows; ++r)
        for (std::int64_t c = 0; c < cols; ++c)
            values.push_back(random.normal() * (even || c % 4 != 0 ? 1.f : 3.f));
    return values;
}

// A llama of one block in fp32 whose config says (or not) that it was rotated.
void write_columns(const fs::path& folder, bool even, bool said) {
    std::vector<TensorToWrite> tensors;
    const auto add = [&](const std::string& name, std::vector<std::int64_t> shape,
                         std::vector<float> values) {
        tensors.push_back({name, "F32", std::move(shape), [values] {
                               const auto bytes = std::as_bytes(std::span(values));
                               return std::vector<std::byte>(bytes.begin(), bytes.end());
                           }});
    };
    test::Shape s;
    s.hidden = 256, s.intermediate = 64, s.heads = s.kv_heads = 8, s.head_dim = 32, s.layers = 1;
    s.tied = true;
    Json config = test::config_json(s);
    if (said)
        config["quantization_config"] = {
            {"quant_method", "halfbyte"},
            {"format", "mxfp4-pack-quantized"},
            {"config_groups",
             {{"group_0",
               {{"targets", {"Linear"}},
                {"format", "mxfp4-pack-quantized"},
                {"weights",
                 {{"num_bits", 4},
                  {"type", "float"},
                  {"strategy", "group"},
                  {"group_size", 32}}}}}}},
            {"ignore", {"re:.*"}},
            {"halfbyte", {{"scheme", "mxfp4a16"}, {"transforms", {{"down", "hadamard:32"}}}}}};
    add("model.embed_tokens.weight", {32, 256}, columns(32, 256, true));
    for (const char* norm : {"model.norm.weight", "model.layers.0.input_layernorm.weight",
                             "model.layers.0.post_attention_layernorm.weight"})
        add(norm, {256}, std::vector<float>(256, 1.f));
    const ModelConfig model = parse_config(test::config_json(s), "test");
    for (const auto& linear : block_linears()) {
        const auto [out, in] = linear_shape(model, linear.name);
        add(module_name(0, linear.name) + ".weight", {out, in},
            linear.name == "self_attn.k_proj" ? paired_rows(false) : columns(out, in, even));
    }
    fs::create_directories(folder);
    write_sharded(folder, std::move(tensors), 1 << 30);
    write_file(folder / "config.json", config.dump());
}

TEST(Statistics, TellRotatedColumns) {
    Threads threads(1);
    for (const bool even : {false, true})
        for (const bool said : {false, true}) {
            const TemporaryFolder folder;
            write_columns(folder.path / "m", even, said);
            const auto e = examine((folder.path / "m").string(), threads);
            EXPECT_EQ(has(e, "rotation-doubtful"), said && !even) << shown(e);
            EXPECT_EQ(has(e, "rotation-unrecorded"), !said && even) << shown(e);
        }
}

TEST(SplitGguf, IsExaminedAsFarAsItGoes) {
    Threads threads(1);
    const TemporaryFolder folder;
    auto b = tiny_keys();
    b.whole("split.count", 2);
    tiny_tensors(b, "blk.0.ffn_down.weight");
    const auto e = examine(folder.put("a.gguf", b.build()), threads);
    EXPECT_TRUE(has(e, "unexamined"));
    EXPECT_FALSE(has(e, "tensor-missing"));
}

TEST(Kinds, EveryOneHasAFault) {
    std::set<std::string_view> injected{"permutation-doubtful", "rotation-doubtful",
                                        "rotation-unrecorded", "unexamined"};
    for (const Fault& fault : faults()) injected.insert(fault.kind);
    for (const Kind& kind : all_kinds()) {
        EXPECT_TRUE(injected.contains(kind.name)) << kind.name;
        EXPECT_FALSE(kind.consequence.empty() || kind.cure.empty()) << kind.name;
        injected.erase(kind.name);
    }
    EXPECT_TRUE(injected.empty());
}

TEST(Kinds, AreTheTableOfTheDocument) {
    const auto text = read_file(HALFBYTE_TESTS_DIR "/../docs/doctor.md");
    for (const Kind& kind : all_kinds()) {
        static constexpr const char* kNames[] = {"note", "warning", "error"};
        const auto row =
            fmt::format("| `{}` | {} | {} | {} |", kind.name,
                        kNames[static_cast<int>(kind.severity)], kind.consequence, kind.cure);
        EXPECT_NE(text.find(row), std::string::npos) << row;
    }
}

}  // namespace
}  // namespace hb::doctor
