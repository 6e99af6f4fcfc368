// SPDX-License-Identifier: Apache-2.0
// A sound model in any layout with the texts that belong to it, and the knives: bytes changed where
// they lie, tensors and configuration changed and written again.
#pragma once

#include <algorithm>
#include <cstring>
#include <functional>

#include "io/gguf.hpp"
#include "io/temporary_folder.hpp"
#include "layouts/convert.hpp"
#include "layouts/random_model.hpp"

namespace hb::test {

namespace fs = std::filesystem;

inline bool is_dense(std::string_view layout) {
    return layout == "dense";
}

// A folder, or a file when the layout is gguf. Layout "dense": bf16 without quantization. Scheme
// "nvfp4+fp8": the second for down.
inline fs::path write_sound(const fs::path& folder, const std::string& layout,
                            const std::string& scheme, const std::string& type = "llama",
                            bool tied = false) {
    ModelOptions o;
    o.shape.type = type;
    o.shape.tied = tied;
    const auto plus = scheme.find('+');
    o.scheme = scheme.substr(0, plus);
    if (plus != scheme.npos) o.scheme_for = {{"re:.*down_proj", scheme.substr(plus + 1)}};
    if (scheme.find("g128") != std::string::npos)
        o.shape.hidden = o.shape.intermediate = 128, o.shape.head_dim = 32;
    if (layout == "fp-quant" && scheme.starts_with("mx")) o.mx_divisor = 3;
    o.extreme = false;
    o.shared = true;
    write_model(folder / "made", o);
    write_file(folder / "made/tokenizer.json",
               R"({"model":{"type":"BPE","vocab":{},"merges":[]}})");
    write_file(folder / "made/tokenizer_config.json", R"({"chat_template":"{{ x }}"})");
    write_file(folder / "made/generation_config.json", "{}");
    if (layout == "made") return folder / "made";
    const auto out = folder / (layout == "gguf" ? "sound.gguf" : "sound");
    if (layout == "gguf") fs::remove(folder / "made/tokenizer.json");
    convert((folder / "made").string(), out, find_layout(is_dense(layout) ? "bf16" : layout),
            {is_dense(layout)});
    return out;
}

struct Patient {
    fs::path path;

    bool gguf() const { return !fs::is_directory(path); }
    fs::path weights() const { return gguf() ? path : path / "model.safetensors"; }
    std::string text(const char* name) const { return read_file(path / name); }

    // Gives `knife` the bytes of the tensor where they lie.
    void patch(const std::string& tensor, const std::function<void(char*)>& knife) const {
        auto file = read_file(weights());
        const auto bytes = std::as_bytes(std::span(file));
        std::size_t begin = 0;
        if (gguf()) {
            for (const auto& t : parse_gguf(bytes, "patient").tensors)
                if (t.name == tensor) begin = t.begin;
        } else {
            const auto header = parse_safetensors(bytes, "patient");
            for (const auto& e : header.entries)
                if (e.name == tensor) begin = header.data_offset + e.begin;
        }
        if (begin == 0) throw std::runtime_error("no tensor " + tensor);
        knife(file.data() + begin);
        write_file(weights(), file);
    }
    template <class T>
    void poke(const std::string& tensor, T value, std::size_t at = 0) const {
        patch(tensor, [&](char* data) { std::memcpy(data + at, &value, sizeof(T)); });
    }
    // Of one F32.
    float number(const std::string& tensor) const {
        const auto file = read_file(weights());
        const auto bytes = std::as_bytes(std::span(file));
        const auto header = parse_safetensors(bytes, "patient");
        float value = 0;
        for (const auto& e : header.entries)
            if (e.name == tensor) std::memcpy(&value, &bytes[header.data_offset + e.begin], 4);
        return value;
    }
    // Replaces a text of the same length anywhere in the weights' file.
    void replace(const std::string& from, const std::string& to) const {
        auto file = read_file(weights());
        const auto at = file.find(from);
        if (at == std::string::npos || from.size() != to.size()) throw std::runtime_error(from);
        write_file(weights(), file.replace(at, from.size(), to));
    }
    std::vector<TensorToWrite> tensors() const {
        const auto file = read_file(weights());
        const auto bytes = std::as_bytes(std::span(file));
        const auto header = parse_safetensors(bytes, "patient");
        std::vector<TensorToWrite> all;
        for (const auto& e : header.entries) {
            const auto part = bytes.subspan(header.data_offset + e.begin, e.end - e.begin);
            all.push_back({e.name, e.dtype, e.shape,
                           [copy = std::vector(part.begin(), part.end())] { return copy; }});
        }
        return all;
    }
    void change(const std::function<void(std::vector<TensorToWrite>&)>& knife) const {
        auto all = tensors();
        knife(all);
        write_safetensors(weights(), std::move(all));
    }
    void remove(const std::string& tensor) const {
        change([&](auto& all) {
            const auto gone = std::erase_if(all, [&](const auto& t) { return t.name == tensor; });
            if (gone == 0) throw std::runtime_error("no tensor " + tensor);
        });
    }
    void add(const std::string& name, const std::string& dtype, std::vector<std::int64_t> shape,
             char fill = 0) const {
        change([&](auto& all) {
            std::int64_t n = dtype_bytes(dtype);
            for (const auto d : shape) n *= d;
            all.push_back({name, dtype, shape, [n, fill] {
                               return std::vector<std::byte>(static_cast<std::size_t>(n),
                                                             std::byte(fill));
                           }});
        });
    }
    // Of the same number of bytes.
    void retype(const std::string& tensor, const std::string& dtype,
                std::vector<std::int64_t> shape) const {
        change([&](auto& all) {
            for (auto& t : all)
                if (t.name == tensor) t.dtype = dtype, t.shape = shape;
        });
    }
    void config(const std::function<void(Json&)>& knife) const {
        Json json = Json::parse(text("config.json"));
        knife(json);
        write_file(path / "config.json", json.dump(2));
    }
    void quantization(const std::function<void(Json&)>& knife) const {
        config([&](Json& json) { knife(json["quantization_config"]); });
    }
    // As two shards and an index.
    void shard() const {
        auto all = tensors();
        fs::remove(weights());
        std::uint64_t size = 0;
        for (const auto& t : all) size += t.load().size();
        write_sharded(path, std::move(all), size * 6 / 10);
    }
    void index(const std::function<void(Json&)>& knife) const {
        Json json = Json::parse(text("model.safetensors.index.json"));
        knife(json);
        write_file(path / "model.safetensors.index.json", json.dump(2));
    }
    // The file with another header over the same data.
    void header(const std::function<void(Json&, std::string&)>& knife) const {
        const auto file = read_file(weights());
        std::uint64_t length = 0;
        std::memcpy(&length, file.data(), 8);
        Json json = Json::parse(file.substr(8, length));
        std::string data = file.substr(8 + length);
        knife(json, data);
        const std::string text = json.dump();
        length = text.size();
        write_file(weights(), std::string(reinterpret_cast<const char*>(&length), 8) + text + data);
    }
};

}  // namespace hb::test
