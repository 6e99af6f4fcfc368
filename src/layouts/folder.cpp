// SPDX-License-Identifier: Apache-2.0
#include "layouts/folder.hpp"

#include <algorithm>

#include "core/error.hpp"
#include "core/file.hpp"

namespace hb {
namespace fs = std::filesystem;
namespace {

constexpr std::uint64_t kShardBytes = 4ull << 30;

std::vector<std::byte> narrow_scales(const QTensor& q) {
    std::vector<std::byte> bytes(q.scales.bits.values.size());
    std::transform(q.scales.bits.values.begin(), q.scales.bits.values.end(), bytes.begin(),
                   [](std::uint16_t bits) { return static_cast<std::byte>(bits); });
    return bytes;
}

void write_texts(const Checkpoint& from, const fs::path& out) {
    for (const char* name : {"tokenizer.json", "tokenizer_config.json", "generation_config.json",
                             "chat_template.jinja"})
        if (const auto text = from.asset(name)) write_file(out / name, *text);
    for (const fs::path& file : from.other_files())
        if (const auto name = file.filename(); name != "hf_quant_config.json")
            write_file(out / name, read_file(file));
}

}  // namespace

void refuse_rounding(const Contents& c, const WriteOptions& options) {
    for (const auto& tensor : c.tensors)
        if (tensor.rounds && !options.allow_loss)
            fail(
                "{}: tensor '{}' is {}, which this layout has not and BF16 cannot hold exactly: "
                "allow rounding with --allow-loss",
                c.checkpoint->path().string(), tensor.name, tensor.stored_type);
}

void refuse_rotation(const Contents& c, std::string_view layout, std::string_view way_out) {
    if (!c.quantization || !c.quantization->online_transform()) return;
    const auto& q = *c.quantization;
    fail("{}: rotated online (qkv {}, o {}, gate_up {}, down {}), which {} cannot hold: {}",
         c.checkpoint->path().string(), q.qkv, q.o, q.gate_up, q.down, layout, way_out);
}

void refuse_factor(const Contents& c, std::string_view layout, std::string_view way_out) {
    for (const auto& linear : c.linears)
        if (linear.scheme->family == Family::mx && linear.divisor != 1)
            fail("{}: '{}' divides its MXFP4 scales by {}, which {} cannot hold: {}",
                 c.checkpoint->path().string(), linear.module, linear.divisor, layout, way_out);
}

QuantizationConfig one_group(const Contents& c, std::string_view layout) {
    const QuantizedLinear& first = c.linears.front();
    for (const auto& linear : c.linears)
        if (linear.scheme != first.scheme)
            fail(
                "{}: '{}' is {}, '{}' is {}; {} holds one scheme: convert to compressed-tensors or "
                "halfbyte",
                c.checkpoint->path().string(), first.module, first.scheme->name, linear.module,
                linear.scheme->name, layout);
    QuantizationConfig q = *c.quantization;
    QuantizationGroup group = q.group_of(first.module);
    group.targets = {"Linear"};
    q.groups = {std::move(group)};
    return q;
}

void need_quantized(const Contents& c, std::string_view layout) {
    if (c.linears.empty())
        fail(
            "{}: no linear layer is quantized; {} is for quantized models: run halfbyte quantize "
            "first",
            c.checkpoint->path().string(), layout);
}

std::vector<TensorToWrite> plain_tensors(const Contents& c) {
    std::vector<TensorToWrite> tensors;
    for (const auto& tensor : c.tensors)
        tensors.push_back({tensor.name, tensor.dtype, tensor.shape,
                           [&from = *c.checkpoint, &tensor] { return read_plain(from, tensor); }});
    return tensors;
}

TensorToWrite codes_of(const Contents& c, const QuantizedLinear& linear,
                       const std::string& ending) {
    return {linear.module + ending, "U8", {linear.rows, linear.cols / 2}, [&c, &linear] {
                const auto q = linear.read(0, linear.rows);
                c.checkpoint->drop(linear.module);
                const auto bytes = std::as_bytes(std::span(q.codes.values));
                return std::vector<std::byte>(bytes.begin(), bytes.end());
            }};
}

TensorToWrite scales_of(const Contents& c, const QuantizedLinear& linear, const std::string& ending,
                        std::string_view dtype) {
    return {linear.module + ending,
            std::string(dtype),
            {linear.rows, linear.cols / linear.scheme->group},
            [&c, &linear] {
                auto bytes = narrow_scales(linear.read(0, linear.rows));
                c.checkpoint->drop(linear.module);
                return bytes;
            }};
}

TensorToWrite number_of(const QuantizedLinear& linear, const std::string& ending,
                        std::vector<std::int64_t> shape, float value) {
    return {linear.module + ending, "F32", std::move(shape), [value] {
                const auto bytes = std::as_bytes(std::span(&value, 1));
                return std::vector<std::byte>(bytes.begin(), bytes.end());
            }};
}

Json plain_config(const Contents& c) {
    Json config = c.checkpoint->config();
    config.erase("quantization_config");
    if (config.contains("rope_freqs"))
        fail(
            "{}: the file has rope_freqs.weight, which config.json cannot hold: convert from the "
            "folder that the file was made from",
            c.checkpoint->path().string());
    return config;
}

void write_folder(const Contents& c, const fs::path& out, std::vector<TensorToWrite> tensors,
                  const Json& config) {
    std::error_code ignored;
    if (fs::exists(out, ignored) && (!fs::is_directory(out) || !fs::is_empty(out)))
        fail("{} exists and is not an empty folder: choose another place", out.string());
    fs::create_directories(out);
    write_sharded(out, std::move(tensors), kShardBytes);
    write_texts(*c.checkpoint, out);
    write_file(out / "config.json", config.dump(2) + "\n");
}

}  // namespace hb
