// SPDX-License-Identifier: Apache-2.0
// A model as one GGUF for llama.cpp. The divisors stand as factors: `.scale` and `.input_scale`,
// their reciprocals. Arch `llama` keeps the rows of q and k in interleaved RoPE order. Vectors are
// F32. Embedding and head can be rounded to Q8_0, as llama.cpp's own 4-bit files have them.
// config.json goes along under a key of our own, so that a file says of itself what a folder says.
#include <algorithm>

#include "core/error.hpp"
#include "io/gguf_names.hpp"
#include "layouts/folder.hpp"
#include "layouts/gguf_blocks.hpp"
#include "layouts/gguf_tokenizer.hpp"

namespace hb {
namespace {

// Heads when arch llama permutes the rows of this module, else 0.
std::int64_t permuted_heads(const Contents& c, const GgufArchitecture& arch,
                            std::string_view module) {
    if (!arch.interleaved) return 0;
    if (module.ends_with("self_attn.q_proj")) return c.model.heads;
    return module.ends_with("self_attn.k_proj") ? c.model.kv_heads : 0;
}

bool is_q8(const PlainTensor& tensor, const WriteOptions& options) {
    const bool head = tensor.name == "model.embed_tokens.weight" || tensor.name == "lm_head.weight";
    return tensor.stored_type == "Q8_0" || (options.q8_head && head);
}

struct Writer {
    const Contents& c;
    const WriteOptions& options;
    const GgufArchitecture& arch;
    GgufToWrite gguf;
    std::vector<std::string> original_names;
    std::vector<float> original_values;

    // blk.N.attn_q + ending; throws Error when a GGUF has no such module
    std::string name(const std::string& module, std::string_view ending) const {
        const auto base = gguf_of_module(module);
        if (base.empty())
            fail("{}: tensor '{}{}' has no place in a GGUF of architecture {}",
                 c.checkpoint->path().string(), module, ending, arch.name);
        return base + std::string(ending);
    }
    void factor(const std::string& module, std::string_view ending, float divisor) {
        auto tensor = name(module, ending);
        const float value = reciprocal(divisor, tensor);
        if (const auto original = original_of(divisor)) {
            original_names.push_back(tensor);
            original_values.push_back(*original);
        }
        gguf.tensors.push_back({std::move(tensor), {1}, find_stored_type("F32"), [value] {
                                    const auto bytes = std::as_bytes(std::span(&value, 1));
                                    return std::vector<std::byte>(bytes.begin(), bytes.end());
                                }});
    }
    void add_linear(const QuantizedLinear& linear) {
        const auto& type = block_type(c, linear);
        const auto heads = permuted_heads(c, arch, linear.module);
        gguf.tensors.push_back(
            {name(linear.module, ".weight"),
             {linear.rows, linear.cols},
             &type,
             [this, &linear, &type, heads] { return pack_blocks(c, linear, type, heads); }});
        if (linear.scheme->family == Family::nv || linear.divisor != 1)
            factor(linear.module, ".scale", linear.divisor);
        if (linear.input_divisor) factor(linear.module, ".input_scale", *linear.input_divisor);
    }
    void add_plain(const PlainTensor& tensor);
    void add_keys();
    void add_rope_factors();
};

std::vector<std::byte> as_f32(const Checkpoint& from, const PlainTensor& tensor) {
    const auto values = from.read_stored_rows(tensor.name, 0, rows_of(tensor), cols_of(tensor));
    const auto bytes = std::as_bytes(std::span(values.values));
    return {bytes.begin(), bytes.end()};
}

void Writer::add_plain(const PlainTensor& tensor) {
    const auto dot = tensor.name.rfind('.');
    const auto module = tensor.name.substr(0, dot);
    const auto ending = dot == std::string::npos ? "" : tensor.name.substr(dot);
    if (!tensor.number || tensor.shape.empty() || (ending != ".weight" && ending != ".bias"))
        fail("{}: tensor '{}' has no place in a GGUF of architecture {}",
             c.checkpoint->path().string(), tensor.name, arch.name);
    const bool q8 = is_q8(tensor, options), vector = tensor.shape.size() == 1;
    const auto heads = permuted_heads(c, arch, module);
    const auto* type = find_stored_type(vector ? "F32" : q8 ? "Q8_0" : tensor.dtype);
    gguf.tensors.push_back({name(module, ending), tensor.shape, type,
                            [&from = *c.checkpoint, &tensor, vector, q8, heads] {
                                const auto bytes = vector ? as_f32(from, tensor)
                                                   : q8   ? q8_blocks(from, tensor)
                                                          : read_plain(from, tensor);
                                return heads == 0 ? bytes
                                                  : permute_rows(bytes, tensor.shape[0], heads);
                            }});
}

void Writer::add_rope_factors() {
    const ModelConfig& m = c.model;
    if (!m.rope_scaling.llama3 && m.rope_factors.empty()) return;
    ModelConfig plain = m;
    plain.rope_scaling = {};
    plain.rope_factors.clear();
    const auto scaled = rope_frequencies(m), unscaled = rope_frequencies(plain);
    std::vector<float> factors;
    for (std::size_t i = 0; i < scaled.size(); ++i)
        factors.push_back(static_cast<float>(unscaled[i] / scaled[i]));
    gguf.tensors.push_back({"rope_freqs.weight",
                            {static_cast<std::int64_t>(factors.size())},
                            find_stored_type("F32"),
                            [factors] {
                                const auto bytes = std::as_bytes(std::span(factors));
                                return std::vector<std::byte>(bytes.begin(), bytes.end());
                            }});
}

int file_type(const Contents& c) {
    if (!c.linears.empty()) return c.linears[0].scheme->family == Family::nv ? 39 : 38;
    const auto dtype = c.checkpoint->find("model.embed_tokens.weight")->dtype;
    return dtype == "BF16" ? 32 : dtype == "F16" ? 1 : 0;
}

void Writer::add_keys() {
    const ModelConfig& m = c.model;
    const std::string prefix = std::string(arch.name) + ".";
    gguf.text("general.architecture", arch.name);
    gguf.text("general.name", c.checkpoint->path().filename().string());
    gguf.whole("general.file_type", file_type(c));
    gguf.whole("general.quantization_version", 2);
    for (const auto& [key, value] : {std::pair<const char*, std::int64_t>{"block_count", m.layers},
                                     {"context_length", m.context},
                                     {"embedding_length", m.hidden},
                                     {"feed_forward_length", m.intermediate},
                                     {"attention.head_count", m.heads},
                                     {"attention.head_count_kv", m.kv_heads},
                                     {"attention.key_length", m.head_dim},
                                     {"attention.value_length", m.head_dim},
                                     {"rope.dimension_count", m.head_dim},
                                     {"vocab_size", m.vocab}})
        gguf.whole(prefix + key, value);
    if (m.sliding_window > 0) gguf.whole(prefix + "attention.sliding_window", m.sliding_window);
    gguf.real(prefix + "attention.layer_norm_rms_epsilon", static_cast<double>(m.norm_eps));
    gguf.real(prefix + "rope.freq_base", m.rope_theta);
}

// A qwen2 is a llama with biases in q, k and v. It is written as one where the linears of its
// feed-forward have factors: llama.cpp reads those of arch qwen2 and does not apply them, as of
// llama-cpp-python 0.3.36.
bool written_as_llama(const Contents& c) {
    const auto type = c.model.architecture->model_type;
    return type == "mistral" ||
           (type == "qwen2" &&
            std::any_of(c.linears.begin(), c.linears.end(), [](const QuantizedLinear& linear) {
                return linear.divisor != 1 && linear.module.find(".mlp.") != std::string::npos;
            }));
}

const GgufArchitecture& architecture_of(const Contents& c) {
    const auto type = written_as_llama(c) ? "llama" : c.model.architecture->model_type;
    for (const auto& arch : gguf_architectures())
        if (arch.name == type) return arch;
    fail("{}: architecture {} has no name in GGUF", c.checkpoint->path().string(),
         c.model.architecture->name);
}

Json own_config(const Contents& c) {
    Json config = c.checkpoint->config();
    if (!c.quantization) return config;
    QuantizationConfig q = *c.quantization;
    for (const auto& module : plain_modules(c))
        if (!q.ignores(module)) q.ignore.push_back(module);
    config["quantization_config"] = to_json(q);
    return config;
}

// Throws Error when a tensor would have to be rounded and that was not allowed, or cannot be.
void check_rounding(const Contents& c, const PlainTensor& tensor, const WriteOptions& options) {
    const auto path = c.checkpoint->path().string();
    if (is_q8(tensor, options)) {
        if (cols_of(tensor) % Q8Tensor::kGroup != 0)
            fail(
                "{}: tensor '{}' has {} columns, not a multiple of the {} in a block of Q8_0: "
                "leave out --head q8_0",
                path, tensor.name, cols_of(tensor), Q8Tensor::kGroup);
        if (tensor.stored_type != "Q8_0" && !options.allow_loss)
            fail("{}: tensor '{}' is {}, which Q8_0 rounds: allow it with --allow-loss", path,
                 tensor.name, tensor.stored_type);
    } else if (tensor.rounds && !options.allow_loss) {
        fail(
            "{}: tensor '{}' is {}, which is not written, and BF16 cannot hold it exactly: "
            "allow rounding with --allow-loss",
            path, tensor.name, tensor.stored_type);
    }
}

}  // namespace

Notes write_gguf_model(const Contents& c, const std::filesystem::path& out,
                       const WriteOptions& options) {
    refuse_rotation(c, "gguf",
                    "convert to halfbyte or fp-quant, or quantize with --rotation offline");
    for (const auto& tensor : c.tensors) check_rounding(c, tensor, options);
    if (std::filesystem::exists(out)) fail("{} exists already: choose another name", out.string());
    Writer w{c, options, architecture_of(c), {}, {}, {}};
    for (const auto& tensor : c.tensors) w.add_plain(tensor);
    for (const auto& linear : c.linears) w.add_linear(linear);
    w.add_rope_factors();
    w.add_keys();
    const bool tokenizer = add_tokenizer(c, w.gguf);
    w.gguf.text(kGgufConfig, own_config(c).dump());
    if (!w.original_names.empty()) {
        w.gguf.texts(kGgufOriginalNames, w.original_names);
        w.gguf.reals(kGgufOriginalValues, w.original_values);
    }
    write_gguf(out, std::move(w.gguf));
    Notes notes;
    if (!tokenizer)
        notes.push_back(
            "there is no tokenizer.json: the file has no tokenizer, and llama.cpp needs one");
    return notes;
}

}  // namespace hb
