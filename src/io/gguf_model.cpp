// SPDX-License-Identifier: Apache-2.0
// Hugging Face's view of a GGUF's tensors and keys. Arch `llama` stores the rows of q and k in
// interleaved RoPE order: with j < head_dim / 2 and s in {0, 1},
//     stored row  head * head_dim + 2 j + s   is row   head * head_dim + s * head_dim / 2 + j.
#include <algorithm>
#include <charconv>
#include <memory>
#include <set>

#include "core/error.hpp"
#include "io/quantization_config.hpp"
#include "io/source.hpp"
#include "io/strict_json.hpp"

namespace hb {
namespace {

struct GgufArchitecture {
    std::string_view name, hugging_face;
    bool interleaved;  // rows of q and k
};
constexpr GgufArchitecture kArchitectures[] = {
    {"llama", "LlamaForCausalLM", true},
    {"qwen2", "Qwen2ForCausalLM", false},
    {"qwen3", "Qwen3ForCausalLM", false},
};

struct Name {
    std::string_view gguf, hugging_face;
};
constexpr Name kTopNames[] = {
    {"token_embd", "model.embed_tokens"}, {"output_norm", "model.norm"}, {"output", "lm_head"}};
constexpr Name kBlockNames[] = {
    {"attn_norm", "input_layernorm"},    {"ffn_norm", "post_attention_layernorm"},
    {"attn_q", "self_attn.q_proj"},      {"attn_k", "self_attn.k_proj"},
    {"attn_v", "self_attn.v_proj"},      {"attn_output", "self_attn.o_proj"},
    {"attn_q_norm", "self_attn.q_norm"}, {"attn_k_norm", "self_attn.k_norm"},
    {"ffn_gate", "mlp.gate_proj"},       {"ffn_up", "mlp.up_proj"},
    {"ffn_down", "mlp.down_proj"}};

template <std::size_t n>
std::string_view look_up(const Name (&names)[n], std::string_view gguf) {
    for (const auto& name : names)
        if (name.gguf == gguf) return name.hugging_face;
    return {};
}

// "blk.3.attn_q" -> "model.layers.3.self_attn.q_proj"; empty when unknown.
std::string module_of(std::string_view base) {
    if (!base.starts_with("blk.")) return std::string(look_up(kTopNames, base));
    const auto rest = base.substr(4);
    const auto dot = rest.find('.');
    int layer = -1;
    const auto [end, error] =
        std::from_chars(rest.data(), rest.data() + std::min(dot, rest.size()), layer);
    if (dot == std::string_view::npos || error != std::errc{} || end != rest.data() + dot ||
        layer < 0)
        return {};
    const auto name = look_up(kBlockNames, rest.substr(dot + 1));
    return name.empty() ? std::string{} : fmt::format("model.layers.{}.{}", layer, name);
}

const GgufArchitecture& architecture_of(const Gguf& gguf) {
    const auto name = gguf.text("general.architecture");
    std::vector<std::string_view> known;
    for (const auto& architecture : kArchitectures) {
        if (architecture.name == name) return architecture;
        known.push_back(architecture.name);
    }
    fail("{}: architecture '{}' is not supported; known are {}", gguf.file, printable(name),
         fmt::join(known, ", "));
}

struct Heads {
    std::int64_t q = 0, kv = 0, size = 0;
};

Heads heads_of(const Gguf& gguf) {
    const auto arch = gguf.text("general.architecture");
    const auto in_range = [&](std::string_view key, std::int64_t value) {
        if (value < 1 || value > 1 << 18)
            fail("{}: key '{}.{}' is {}", gguf.file, arch, key, value);
        return value;
    };
    Heads h;
    h.q = in_range("attention.head_count", gguf.whole(arch + ".attention.head_count"));
    h.kv = in_range("attention.head_count_kv",
                    gguf.whole_or_none(arch + ".attention.head_count_kv").value_or(h.q));
    const auto hidden = in_range("embedding_length", gguf.whole(arch + ".embedding_length"));
    h.size = in_range("attention.key_length",
                      gguf.whole_or_none(arch + ".attention.key_length").value_or(hidden / h.q));
    for (const char* key : {".attention.value_length", ".rope.dimension_count"})
        if (const auto n = gguf.whole_or_none(arch + key).value_or(h.size); n != h.size)
            fail("{}: key '{}{}' is {}, which differs from the head size {}", gguf.file, arch, key,
                 n, h.size);
    return h;
}

const std::byte* bytes_of(const Gguf& gguf, const GgufTensor& tensor) {
    return gguf.bytes.data() + tensor.begin;
}

// Matrices decide: anything quantized or in bf16 makes the whole file bf16.
bool presented_as_bf16(const Gguf& gguf) {
    return std::any_of(gguf.tensors.begin(), gguf.tensors.end(), [](const auto& tensor) {
        return tensor.shape.size() > 1 && tensor.type->name != "F32" && tensor.type->name != "F16";
    });
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

// The weight's factor (NAME.scale) as our divisor.
float divisor_of(const Gguf& gguf, const GgufTensor& weight, std::string_view base) {
    const GgufTensor* scale = gguf.tensor(fmt::format("{}.scale", base));
    if (!scale) return 1;
    if (!weight.type->fp4())
        fail("{}: tensor '{}' has a .scale, which only MXFP4 and NVFP4 weights may have", gguf.file,
             printable(weight.name));
    return 1 / single_float(gguf, *scale);
}

Json rope_factors(const Gguf& gguf, const GgufTensor& tensor) {
    if (tensor.type->name != "F32" || tensor.shape.size() != 1 || tensor.shape[0] > 512)
        fail("{}: tensor 'rope_freqs.weight' must be a vector of at most 512 F32", gguf.file);
    std::vector<float> values(static_cast<std::size_t>(tensor.shape[0]));
    tensor.type->decode(bytes_of(gguf, tensor), tensor.shape[0], values.data());
    return values;
}

}  // namespace

std::vector<std::int64_t> gguf_end_tokens(const Gguf& gguf) {
    std::vector<std::int64_t> ids;
    for (const char* key : {"tokenizer.ggml.eos_token_id", "tokenizer.ggml.eot_token_id"})
        if (const auto id = gguf.whole_or_none(key);
            id && std::find(ids.begin(), ids.end(), *id) == ids.end())
            ids.push_back(*id);
    return ids;
}

Json gguf_config(const Gguf& gguf) {
    const auto& arch = architecture_of(gguf);
    const std::string prefix = std::string(arch.name) + ".";
    if (gguf.whole_or_none(prefix + "expert_count").value_or(0) != 0)
        fail("{}: key '{}expert_count': mixtures of experts are not supported", gguf.file, prefix);
    const auto heads = heads_of(gguf);
    const auto* embedding = gguf.tensor("token_embd.weight");
    if (!embedding || embedding->shape.size() != 2)
        fail("{}: no matrix 'token_embd.weight'", gguf.file);
    const auto window = gguf.whole_or_none(prefix + "attention.sliding_window").value_or(0);
    const bool mistral = arch.name == "llama" && window > 0;
    Json config;
    config["architectures"] = {mistral ? "MistralForCausalLM" : std::string(arch.hugging_face)};
    config["model_type"] = mistral ? "mistral" : std::string(arch.name);
    config["hidden_size"] = gguf.whole(prefix + "embedding_length");
    config["intermediate_size"] = gguf.whole(prefix + "feed_forward_length");
    config["num_hidden_layers"] = gguf.whole(prefix + "block_count");
    config["num_attention_heads"] = heads.q;
    config["num_key_value_heads"] = heads.kv;
    config["head_dim"] = heads.size;
    config["vocab_size"] = embedding->shape[0];
    config["hidden_act"] = "silu";
    config["max_position_embeddings"] = gguf.whole(prefix + "context_length");
    const auto eps = gguf.real_or_none(prefix + "attention.layer_norm_rms_epsilon");
    if (!eps) fail("{}: key '{}attention.layer_norm_rms_epsilon' is missing", gguf.file, prefix);
    config["rms_norm_eps"] = *eps;
    config["rope_theta"] = gguf.real_or_none(prefix + "rope.freq_base").value_or(10000);
    const auto scaling = gguf.text_or_none(prefix + "rope.scaling.type").value_or("none");
    if (scaling != "none") config["rope_scaling"] = {{"rope_type", scaling}};
    if (mistral) config["sliding_window"] = window;
    config["tie_word_embeddings"] = gguf.tensor("output.weight") == nullptr;
    if (const auto id = gguf.whole_or_none("tokenizer.ggml.bos_token_id"))
        config["bos_token_id"] = *id;
    const auto end = gguf_end_tokens(gguf);
    if (end.size() == 1)
        config["eos_token_id"] = end[0];
    else if (end.size() > 1)
        config["eos_token_id"] = end;
    if (arch.name == "llama")
        config["attention_bias"] = gguf.tensor("blk.0.attn_q.bias") != nullptr;
    const bool half = embedding->type->name == "F16";
    config["torch_dtype"] = presented_as_bf16(gguf) ? "bfloat16" : half ? "float16" : "float32";
    return config;
}

void describe_gguf(const Gguf& gguf, Source& source) {
    source.config = gguf_config(gguf);
    const bool bf16 = presented_as_bf16(gguf);
    std::set<std::string_view> schemes;
    for (const auto& tensor : gguf.tensors) {
        const std::string_view name = tensor.name;
        const auto dot = name.rfind('.');
        const auto base = name.substr(0, dot),
                   suffix = dot == std::string_view::npos ? "" : name.substr(dot);
        if (name == "rope_freqs.weight") {
            source.config["rope_freqs"] = rope_factors(gguf, tensor);
            continue;
        }
        const auto module = module_of(base);
        if (name.find("_exps") != std::string_view::npos)
            fail("{}: tensor '{}': mixtures of experts are not supported", gguf.file,
                 printable(name));
        if (module.empty() || (suffix != ".weight" && suffix != ".bias" && suffix != ".scale" &&
                               suffix != ".input_scale"))
            fail("{}: tensor '{}' is not known for architecture {}", gguf.file, printable(name),
                 gguf.text("general.architecture"));
        if (suffix != ".weight" && suffix != ".bias") continue;
        auto stored = present(gguf, tensor, module + std::string(suffix), bf16);
        if (suffix == ".weight") stored.divisor = divisor_of(gguf, tensor, base);
        if (tensor.type->fp4() && name.starts_with("blk.")) schemes.insert(tensor.type->name);
        source.tensors.push_back(std::move(stored));
    }
    if (!schemes.empty()) {
        QuantizationConfig quantization;
        quantization.scheme = &find_scheme(schemes.contains("NVFP4") ? "nvfp4a16" : "mxfp4a16");
        quantization.ignore = {"lm_head"};
        source.config["quantization_config"] = to_json(quantization);
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
