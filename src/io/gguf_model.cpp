// SPDX-License-Identifier: Apache-2.0
// Hugging Face's view of a GGUF's tensors. Arch `llama` stores the rows of q and k in interleaved
// RoPE order: with j < head_dim / 2 and s in {0, 1},
//     stored row  head * head_dim + 2 j + s   is row   head * head_dim + s * head_dim / 2 + j.
#include <algorithm>
#include <map>
#include <memory>

#include "core/error.hpp"
#include "io/gguf_keys.hpp"
#include "io/load_bytes.hpp"
#include "io/presenter.hpp"
#include "io/quantization_config.hpp"
#include "io/strict_json.hpp"

namespace hb {
namespace {

const std::byte* bytes_of(const Gguf& gguf, const GgufTensor& tensor) {
    return gguf.bytes.data() + tensor.begin;
}

StoredTensor present(const Gguf& gguf, const GgufTensor& tensor, std::string name, bool bf16) {
    StoredTensor stored;
    stored.info = {std::move(name), std::string(bf16 ? "BF16" : tensor.type->name), tensor.shape,
                   tensor.bytes, std::string(tensor.type->name)};
    stored.type = tensor.type;
    stored.begin = tensor.begin;
    const bool q = tensor.name.find(".attn_q.") != std::string::npos;
    const bool k = tensor.name.find(".attn_k.") != std::string::npos;
    if (architecture_of(gguf).interleaved && (q || k)) {
        const auto heads = heads_of(gguf);
        stored.heads = q ? heads.q : heads.kv;
        if (tensor.shape[0] != stored.heads * heads.size || heads.size % 2 != 0)
            fail("{}: tensor '{}' has {} rows, wanted {} heads of {}", gguf.file,
                 printable(tensor.name), tensor.shape[0], stored.heads, heads.size);
    }
    return stored;
}

float single_float(const Gguf& gguf, const GgufTensor& tensor) {
    if (tensor.type->name != "F32" || tensor.shape != std::vector<std::int64_t>{1})
        fail("{}: tensor '{}' must be a single F32", gguf.file, printable(tensor.name));
    float value = 0;
    tensor.type->decode(bytes_of(gguf, tensor), 1, &value);
    if (!(value > 0 && value < 1e30f && value > 1e-30f))
        fail("{}: tensor '{}' is {}, wanted a positive number", gguf.file, printable(tensor.name),
             value);
    return value;
}

using Originals = std::map<std::string_view, float>;  // by tensor

Originals read_originals(const Gguf& gguf) {
    Originals originals;
    if (!gguf.find(kGgufOriginalNames)) return originals;
    const auto names = gguf.texts(kGgufOriginalNames);
    const auto* values = gguf.find(kGgufOriginalValues);
    if (!values || values->kind != GgufKind::array || values->element != GgufKind::f32 ||
        values->count != names.size())
        fail("{}: key '{}' must be {} F32, one for each of '{}'", gguf.file, kGgufOriginalValues,
             names.size(), kGgufOriginalNames);
    for (std::size_t i = 0; i < names.size(); ++i)
        originals[names[i]] = load<float>(values->bytes.data() + 4 * i);
    return originals;
}

// A stored factor (NAME.scale or NAME.input_scale) as our divisor.
float read_divisor(const Gguf& gguf, const GgufTensor& scale, const Originals& originals) {
    const auto it = originals.find(scale.name);
    return divisor_of(single_float(gguf, scale),
                      it == originals.end() ? std::nullopt : std::optional(it->second));
}

float weight_divisor(const Gguf& gguf, const GgufTensor& weight, std::string_view base,
                     const Originals& originals) {
    const GgufTensor* scale = gguf.tensor(fmt::format("{}.scale", base));
    if (!scale) return 1;
    if (!weight.type->fp4())
        fail("{}: tensor '{}' has a .scale, which only MXFP4 and NVFP4 weights may have", gguf.file,
             printable(weight.name));
    return read_divisor(gguf, *scale, originals);
}

StoredTensor present_input_scale(const Gguf& gguf, const GgufTensor& tensor,
                                 const std::string& module, const Originals& originals) {
    StoredTensor stored;
    stored.info = {module + ".input_global_scale", "F32", {1}, 4, "F32"};
    stored.type = tensor.type;
    stored.begin = tensor.begin;
    stored.value = read_divisor(gguf, tensor, originals);
    return stored;
}

using CodedModules = std::map<std::string, std::string_view>;  // to the type of their blocks

// Whether these are the modules that a configuration means.
bool same_types(const QuantizationConfig& quantization, const CodedModules& coded) {
    return std::all_of(coded.begin(), coded.end(), [&](const auto& entry) {
        const auto& [module, type] = entry;
        const QuantizationGroup* group = quantization.find_group(module);
        const Family wanted = type == "NVFP4" ? Family::nv : Family::mx;
        return group && group->scheme->family == wanted;
    });
}

// The configuration under our own key, when it is of this model: a file may have been quantized
// again since. Otherwise nothing.
std::optional<Json> own_config(const Gguf& gguf, const Json& synthesized,
                               const CodedModules& coded) {
    const auto text = gguf.text_or_none(kGgufConfig);
    if (!text) return std::nullopt;
    const Json own = parse_json(*text, fmt::format("{}: key '{}'", gguf.file, kGgufConfig));
    if (!own.is_object()) return std::nullopt;
    for (const char* name : {"hidden_size", "intermediate_size", "num_hidden_layers",
                             "num_attention_heads", "vocab_size"})
        if (own.value(name, Json()) != synthesized[name]) return std::nullopt;
    try {
        const auto quantization = quantization_config_of(own);
        if (quantization.has_value() == coded.empty()) return std::nullopt;
        if (!quantization) return own;
        if (!same_types(*quantization, coded) || quantization->online_transform())
            return std::nullopt;
    } catch (const Error&) {
        return std::nullopt;
    }
    return own;
}

// Weights of either type; inputs are left alone.
QuantizationConfig config_of(const CodedModules& coded) {
    QuantizationConfig config;
    QuantizationGroup mx{&find_scheme("mxfp4a16"), "", "", {}};
    for (const auto& [module, type] : coded)
        if (type != "NVFP4") mx.targets.push_back(module);
    if (mx.targets.size() < coded.size()) config.groups = {{&find_scheme("nvfp4a16"), "", ""}};
    if (config.groups.empty()) mx.targets = {"Linear"};
    if (!mx.targets.empty()) config.groups.push_back(std::move(mx));
    config.ignore = {"lm_head"};
    return config;
}

Json rope_factors(const Gguf& gguf, const GgufTensor& tensor) {
    if (tensor.type->name != "F32" || tensor.shape.size() != 1 || tensor.shape[0] > 512)
        fail("{}: tensor 'rope_freqs.weight' must be a vector of at most 512 F32", gguf.file);
    std::vector<float> values(static_cast<std::size_t>(tensor.shape[0]));
    tensor.type->decode(bytes_of(gguf, tensor), tensor.shape[0], values.data());
    return values;
}

}  // namespace

void describe_gguf(const Gguf& gguf, Source& source) {
    source.config = gguf_config(gguf);
    const auto originals = read_originals(gguf);
    const bool bf16 = presented_as_bf16(gguf);
    CodedModules coded;
    for (const auto& tensor : gguf.tensors) {
        const std::string_view name = tensor.name;
        const auto dot = name.rfind('.');
        const auto base = name.substr(0, dot),
                   suffix = dot == std::string_view::npos ? "" : name.substr(dot);
        if (name == "rope_freqs.weight") {
            source.config["rope_freqs"] = rope_factors(gguf, tensor);
            continue;
        }
        const auto module = module_of_gguf(base);
        if (name.find("_exps") != std::string_view::npos)
            fail("{}: tensor '{}': mixtures of experts are not supported", gguf.file,
                 printable(name));
        if (module.empty() || (suffix != ".weight" && suffix != ".bias" && suffix != ".scale" &&
                               suffix != ".input_scale"))
            fail("{}: tensor '{}' is not known for architecture {}", gguf.file, printable(name),
                 gguf.text("general.architecture"));
        if (suffix == ".input_scale")
            source.tensors.push_back(present_input_scale(gguf, tensor, module, originals));
        if (suffix != ".weight" && suffix != ".bias") continue;
        auto stored = present(gguf, tensor, module + std::string(suffix), bf16);
        if (suffix == ".weight") stored.divisor = weight_divisor(gguf, tensor, base, originals);
        if (tensor.type->fp4() && name.starts_with("blk.")) coded[module] = tensor.type->name;
        source.tensors.push_back(std::move(stored));
    }
    if (auto own = own_config(gguf, source.config, coded)) {
        source.config = std::move(*own);
    } else if (!coded.empty()) {
        source.config["quantization_config"] = to_json(config_of(coded));
    }
    source.sort();
}

Source open_gguf(const std::filesystem::path& file) {
    Source source;
    source.path = file;
    source.files.emplace_back(file);
    const auto gguf = std::make_shared<Gguf>(parse_gguf(source.files[0].bytes(), file.string()));
    describe_gguf(*gguf, source);
    source.asset = [gguf](std::string_view name) -> std::optional<std::string> {
        if (name == "config.json") return gguf_config(*gguf).dump(2);
        if (!gguf->find("tokenizer.ggml.model")) return std::nullopt;
        if (name == "tokenizer.json") return gguf_tokenizer(*gguf);
        if (name == "tokenizer_config.json") return gguf_tokenizer_config(*gguf);
        if (name == "generation_config.json") return gguf_generation_config(*gguf);
        return std::nullopt;
    };
    return source;
}

}  // namespace hb
