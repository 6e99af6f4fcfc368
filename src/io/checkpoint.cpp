// SPDX-License-Identifier: Apache-2.0
#include "io/checkpoint.hpp"

#include <algorithm>
#include <cstring>

#include "core/digest.hpp"
#include "core/error.hpp"
#include "core/float_bits.hpp"
#include "io/quantization_config.hpp"
#include "io/source.hpp"
#include "io/strict_json.hpp"

namespace hb {
namespace {

namespace fs = std::filesystem;

struct Shape2 {
    std::int64_t rows, cols;
};

// A vector is one row.
Shape2 as_matrix(const Source& source, const StoredTensor& tensor) {
    const auto& shape = tensor.info.shape;
    if (shape.size() == 2) return {shape[0], shape[1]};
    if (shape.size() == 1) return {1, shape[0]};
    if (shape.empty()) return {1, 1};
    fail("{}: tensor '{}' has {} dimensions, wanted 1 or 2", source.path.string(),
         printable(tensor.info.name), shape.size());
}

const StoredTensor& numbers(const Source& source, std::string_view name) {
    const auto& tensor = source.get(name);
    if (!tensor.type)
        fail("{}: tensor '{}' is {}, wanted F32, F16 or BF16", source.path.string(),
             printable(name), tensor.info.dtype);
    return tensor;
}

// The tensor, when it has these rows.
const StoredTensor& rows_wanted(const Source& source, std::string_view name, std::int64_t first,
                                std::int64_t count, std::int64_t cols) {
    const auto& tensor = numbers(source, name);
    const auto shape = as_matrix(source, tensor);
    if (shape.cols != cols || first < 0 || count < 0 || first > shape.rows - count)
        fail("{}: rows {} to {} of {} columns wanted from tensor '{}', which is {} by {}",
             source.path.string(), first, first + count, cols, printable(name), shape.rows,
             shape.cols);
    return tensor;
}

bool is_weight_file(const fs::path& path) {
    static constexpr std::string_view kEndings[] = {
        ".safetensors", ".bin",  ".gguf", ".pt",         ".pth",     ".h5",
        ".msgpack",     ".onnx", ".ckpt", ".index.json", ".partial", ".tmp"};
    const auto name = path.filename().string();
    return std::any_of(std::begin(kEndings), std::end(kEndings),
                       [&](auto end) { return name.ends_with(end); });
}

}  // namespace

Checkpoint::Checkpoint(std::unique_ptr<Source> source) : source_(std::move(source)) {}
Checkpoint::~Checkpoint() = default;
Checkpoint::Checkpoint(Checkpoint&&) noexcept = default;
Checkpoint& Checkpoint::operator=(Checkpoint&&) noexcept = default;

Checkpoint Checkpoint::open(const std::string& model) {
    auto source = std::make_unique<Source>(open_source(model));
    try {
        quantization_config_of(source->config);
    } catch (const Error& error) {
        fail("{}: {}", source->path.string(), error.what());
    }
    return Checkpoint(std::move(source));
}

Checkpoint Checkpoint::derive(Checkpoint stored, Json config, std::vector<DerivedTensor> tensors) {
    Source& source = *stored.source_;
    std::vector<StoredTensor> made;
    for (DerivedTensor& wanted : tensors) {
        const StoredTensor& from = numbers(source, wanted.from);
        StoredTensor tensor;
        tensor.info = {std::move(wanted.name), std::move(wanted.dtype), from.info.shape,
                       from.info.stored_bytes, "derived"};
        tensor.type = find_stored_type("F32");
        tensor.file = from.file;
        tensor.begin = from.begin;
        tensor.derivation = std::make_shared<Derivation>(Derivation{from, std::move(wanted.make)});
        made.push_back(std::move(tensor));
    }
    for (StoredTensor& tensor : made) {
        const auto same = [&](const auto& other) { return other.info.name == tensor.info.name; };
        std::erase_if(source.tensors, same);
        source.tensors.push_back(std::move(tensor));
    }
    source.config = std::move(config);
    source.sort();
    return stored;
}

const fs::path& Checkpoint::path() const {
    return source_->path;
}
const Json& Checkpoint::config() const {
    return source_->config;
}
std::optional<std::string> Checkpoint::asset(std::string_view name) const {
    return source_->asset(name);
}
const std::vector<TensorInfo>& Checkpoint::tensors() const {
    return source_->infos;
}

std::vector<fs::path> Checkpoint::other_files() const {
    std::vector<fs::path> files;
    if (!fs::is_directory(path())) return files;
    for (const auto& entry : fs::directory_iterator(path())) {
        const auto name = entry.path().filename().string();
        if (entry.is_regular_file() && !name.starts_with('.') && name != "config.json" &&
            !is_weight_file(entry.path()))
            files.push_back(entry.path());
    }
    std::sort(files.begin(), files.end());
    return files;
}

const TensorInfo* Checkpoint::find(std::string_view name) const {
    const auto* tensor = source_->find(name);
    return tensor ? &tensor->info : nullptr;
}

Matrix<float> Checkpoint::read(std::string_view name, std::int64_t rows, std::int64_t cols) const {
    const auto& tensor = numbers(*source_, name);
    const auto shape = as_matrix(*source_, tensor);
    if (shape.rows != rows || shape.cols != cols)
        fail("{}: tensor '{}' is {} by {}, wanted {} by {}", path().string(), printable(name),
             shape.rows, shape.cols, rows, cols);
    return decode_rows(*source_, tensor, 0, rows, cols);
}

Matrix<float> Checkpoint::read_rows(std::string_view name, std::int64_t first, std::int64_t count,
                                    std::int64_t cols) const {
    return decode_rows(*source_, rows_wanted(*source_, name, first, count, cols), first, count,
                       cols);
}

Matrix<float> Checkpoint::read_stored_rows(std::string_view name, std::int64_t first,
                                           std::int64_t count, std::int64_t cols) const {
    return decode_stored_rows(*source_, rows_wanted(*source_, name, first, count, cols), first,
                              count, cols);
}

std::optional<Matrix<std::uint16_t>> Checkpoint::read_bf16_rows(std::string_view name,
                                                                std::int64_t first,
                                                                std::int64_t count,
                                                                std::int64_t cols) const {
    return decode_bf16_rows(*source_, rows_wanted(*source_, name, first, count, cols), first, count,
                            cols);
}

Q8Tensor Checkpoint::read_q8_rows(std::string_view name, std::int64_t first, std::int64_t count,
                                  std::int64_t cols) const {
    return read_q8_blocks(*source_, rows_wanted(*source_, name, first, count, cols), first, count,
                          cols);
}

std::vector<std::byte> Checkpoint::read_bytes(std::string_view name) const {
    const auto& tensor = source_->get(name);
    const auto raw = source_->bytes(tensor);
    if (tensor.info.dtype == tensor.info.stored_type && tensor.heads == 0)
        return {raw.begin(), raw.end()};
    const auto shape = as_matrix(*source_, tensor);
    const std::size_t width = tensor.info.dtype == "F32" ? 4 : 2;
    std::vector<std::byte> bytes(static_cast<std::size_t>(shape.rows * shape.cols) * width);
    constexpr std::int64_t kRows = 1024;  // decoded at a time
    std::byte* to = bytes.data();
    for (std::int64_t first = 0; first < shape.rows; first += kRows) {
        const auto values =
            decode_rows(*source_, tensor, first, std::min(kRows, shape.rows - first), shape.cols);
        for (const float x : values.values) {
            const auto narrow = tensor.info.dtype == "F16" ? float_to_f16(x) : float_to_bf16(x);
            if (width == 4)
                std::memcpy(to, &x, 4);
            else
                std::memcpy(to, &narrow, 2);
            to += width;
        }
    }
    return bytes;
}

std::optional<QTensor> Checkpoint::read_quantized(std::string_view module, std::int64_t rows,
                                                  std::int64_t cols) const {
    const auto read = quantized_rows(module, rows, cols);
    return read ? std::optional(read(0, rows)) : std::nullopt;
}

QuantizedRows Checkpoint::quantized_rows(std::string_view module, std::int64_t rows,
                                         std::int64_t cols) const {
    const std::string name(module);
    if (source_->find(name + ".weight_packed") || source_->find(name + ".weight_scale")) {
        const auto config = quantization_config_of(source_->config);
        if (!config)
            fail("{}: '{}' is quantized, but config.json has no quantization_config",
                 path().string(), name);
        return packed_rows(*source_, name, *config->group_of(name).scheme, rows, cols);
    }
    const auto& tensor = source_->get(name + ".weight");
    if (!tensor.type || !tensor.type->fp4()) return {};
    if (tensor.info.shape != std::vector<std::int64_t>{rows, cols})
        fail("{}: tensor '{}.weight' has shape [{}], wanted [{}, {}]", path().string(), name,
             fmt::join(tensor.info.shape, ", "), rows, cols);
    return [source = source_.get(), &tensor, cols](std::int64_t first, std::int64_t count) {
        return read_fp4_blocks(*source, tensor, first, count, cols);
    };
}

void Checkpoint::drop(std::string_view name) const {
    const std::string prefix = std::string(name) + ".";
    auto it =
        std::lower_bound(source_->tensors.begin(), source_->tensors.end(), name,
                         [](const auto& tensor, auto wanted) { return tensor.info.name < wanted; });
    for (; it != source_->tensors.end(); ++it) {
        if (it->info.name != name && !it->info.name.starts_with(prefix)) break;
        source_->files[it->file].drop(it->begin, it->info.stored_bytes);
    }
}

void Checkpoint::drop_rows(std::string_view name, std::int64_t first, std::int64_t count) const {
    const auto& tensor = source_->get(name);
    const std::int64_t rows = as_matrix(*source_, tensor).rows;
    if (tensor.heads > 0 || first < 0 || count < 0 || first > rows - count || rows == 0) return;
    const std::uint64_t row = tensor.info.stored_bytes / static_cast<std::uint64_t>(rows);
    source_->files[tensor.file].drop(tensor.begin + static_cast<std::uint64_t>(first) * row,
                                     static_cast<std::uint64_t>(count) * row);
}

std::uint64_t Checkpoint::fingerprint() const {
    constexpr std::size_t kChunk = 4 << 20;
    std::uint64_t h = digest(config().dump(-1, ' ', true, Json::error_handler_t::replace));
    for (const auto& file : source_->files) {
        const auto bytes = file.bytes();
        for (std::size_t at = 0; at < bytes.size(); at += kChunk) {
            const auto part = bytes.subspan(at, std::min(kChunk, bytes.size() - at));
            h = digest(part, h);
            file.drop(at, part.size());
        }
    }
    return h;
}

}  // namespace hb
