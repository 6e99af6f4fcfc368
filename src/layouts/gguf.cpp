// SPDX-License-Identifier: Apache-2.0
// A model as one GGUF for llama.cpp. NVFP4 is blocks of 64: four E4M3 bytes, then 16 elements in 8
// bytes four times; MXFP4 blocks of 32: an E8M0 byte, then 16 bytes. A byte j of n elements holds
// element j low and j + n/2 high. The divisors stand as factors: `.scale` and `.input_scale`, their
// reciprocals. Arch `llama` keeps the rows of q and k in interleaved RoPE order. Vectors are F32.
// Embedding and head can be rounded to Q8_0, as llama.cpp's own 4-bit files have them.
// config.json goes along under a key of our own, so that a file says of itself what a folder says.
#include <algorithm>
#include <cmath>

#include "core/error.hpp"
#include "core/float_bits.hpp"
#include "core/parallel.hpp"
#include "io/gguf_names.hpp"
#include "io/source.hpp"
#include "layouts/folder.hpp"
#include "layouts/gguf_tokenizer.hpp"

namespace hb {
namespace {

const StoredType& block_type(const Contents& c, const QuantizedLinear& linear) {
    const bool nv = linear.scheme->family == Family::nv;
    if (!nv && linear.scheme->family != Family::mx)
        fail("{}: '{}' is {}; gguf holds MXFP4 and NVFP4", c.checkpoint->path().string(),
             linear.module, linear.scheme->name);
    const auto& type = *find_stored_type(nv ? "NVFP4" : "MXFP4");
    if (linear.cols % type.block != 0)
        fail(
            "{}: '{}' has {} columns, not a multiple of the {} in a block of GGUF's {}: quantize "
            "with --ignore {}",
            c.checkpoint->path().string(), linear.module, linear.cols, type.block, type.name,
            linear.module);
    return type;
}

// Heads when arch llama permutes the rows of this module, else 0.
std::int64_t permuted_heads(const Contents& c, const GgufArchitecture& arch,
                            std::string_view module) {
    if (!arch.interleaved) return 0;
    if (module.ends_with("self_attn.q_proj")) return c.model.heads;
    return module.ends_with("self_attn.k_proj") ? c.model.kv_heads : 0;
}

void pack_halves(const std::uint8_t* codes, int n, std::byte* out) {
    const auto code = [&](int i) { return codes[i / 2] >> (i % 2 * 4) & 15; };
    for (int j = 0; j < n / 2; ++j) out[j] = static_cast<std::byte>(code(j) | code(j + n / 2) << 4);
}

std::vector<std::byte> pack_blocks(const Contents& c, const QuantizedLinear& linear,
                                   const StoredType& type, std::int64_t heads) {
    const QTensor q = linear.read(0, linear.rows);
    c.checkpoint->drop(linear.module);
    const int group = q.scheme->group, groups = type.block / group;
    const std::int64_t blocks = q.cols / type.block;
    std::vector<std::byte> bytes(static_cast<std::size_t>(q.rows * blocks * type.bytes));
    for (std::int64_t r = 0; r < q.rows; ++r) {
        std::byte* block = bytes.data() + stored_row(r, q.rows, heads) * blocks * type.bytes;
        for (std::int64_t b = 0; b < blocks; ++b, block += type.bytes) {
            for (int g = 0; g < groups; ++g) {
                const auto column = b * groups + g;
                const auto bits = q.scales.bits(r, column);
                if (type.name == "NVFP4" && bits > 0x7f)
                    fail("'{}' has the scale -0, which GGUF's NVFP4 has not: quantize it again",
                         linear.module);
                block[g] = static_cast<std::byte>(bits);
                pack_halves(q.codes.row(r) + column * group / 2, group,
                            block + groups + g * group / 2);
            }
        }
    }
    return bytes;
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

Q8Tensor q8_rows(const Checkpoint& from, const PlainTensor& tensor, std::int64_t first,
                 std::int64_t count) {
    if (tensor.stored_type == "Q8_0")
        return from.read_q8_rows(tensor.name, first, count, cols_of(tensor));
    const auto rows = from.read_stored_rows(tensor.name, first, count, cols_of(tensor));
    Threads alone(1);
    try {
        return quantize_q8(rows.view(), alone);
    } catch (const Error& error) {
        fail("{}: tensor '{}' from row {} on: {}", from.path().string(), tensor.name, first,
             error.what());
    }
}

// Q8_0 blocks, those of another GGUF as they were.
std::vector<std::byte> q8_blocks(const Checkpoint& from, const PlainTensor& tensor) {
    std::vector<std::byte> bytes;
    const std::int64_t rows = rows_of(tensor), cols = cols_of(tensor);
    for (std::int64_t first = 0; first < rows; first += part_rows(cols)) {
        const std::int64_t count = std::min(part_rows(cols), rows - first);
        const auto q = q8_rows(from, tensor, first, count);
        from.drop_rows(tensor.name, first, count);
        for (std::int64_t r = 0; r < q.rows; ++r)
            for (std::int64_t b = 0; b < cols / Q8Tensor::kGroup; ++b) {
                const auto scale = std::as_bytes(std::span(&q.scales(r, b), 1));
                bytes.insert(bytes.end(), scale.begin(), scale.end());
                const auto* codes =
                    reinterpret_cast<const std::byte*>(q.codes.row(r) + b * Q8Tensor::kGroup);
                bytes.insert(bytes.end(), codes, codes + Q8Tensor::kGroup);
            }
    }
    return bytes;
}

// Rows of `width` bytes where arch llama wants them.
std::vector<std::byte> permute(const std::vector<std::byte>& bytes, std::int64_t rows,
                               std::int64_t heads) {
    std::vector<std::byte> out(bytes.size());
    const auto width = static_cast<std::int64_t>(bytes.size()) / rows;
    for (std::int64_t r = 0; r < rows; ++r)
        std::copy_n(bytes.begin() + r * width, width,
                    out.begin() + stored_row(r, rows, heads) * width);
    return out;
}

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
                                return heads == 0 ? bytes : permute(bytes, tensor.shape[0], heads);
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
