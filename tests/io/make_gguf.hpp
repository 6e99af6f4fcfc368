// SPDX-License-Identifier: Apache-2.0
// Builds GGUF files byte by byte, right or wrong, and a tiny llama that is right.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

#include "io/gguf.hpp"

namespace hb {

class GgufBuilder {
public:
    std::uint32_t version = 3;
    std::uint64_t alignment = 32;
    std::int64_t extra_tensors = 0, extra_keys = 0;  // lies in the counts

    template <class T>
    GgufBuilder& key(std::string_view name, GgufKind kind, T value) {
        begin(name, kind);
        append(pairs_, value);
        return *this;
    }
    GgufBuilder& whole(std::string_view name, std::uint32_t value) {
        return key(name, GgufKind::u32, value);
    }
    GgufBuilder& real(std::string_view name, float value) {
        return key(name, GgufKind::f32, value);
    }
    GgufBuilder& flag(std::string_view name, bool value) {
        return key(name, GgufKind::boolean, static_cast<std::uint8_t>(value));
    }
    GgufBuilder& text(std::string_view name, std::string_view value) {
        begin(name, GgufKind::string);
        append_text(pairs_, value);
        return *this;
    }
    GgufBuilder& texts(std::string_view name, const std::vector<std::string>& values) {
        begin_array(name, GgufKind::string, values.size());
        for (const auto& value : values) append_text(pairs_, value);
        return *this;
    }
    GgufBuilder& wholes(std::string_view name, const std::vector<std::int32_t>& values) {
        begin_array(name, GgufKind::i32, values.size());
        for (const auto value : values) append(pairs_, value);
        return *this;
    }
    GgufBuilder& begin_array(std::string_view name, GgufKind element, std::uint64_t count) {
        begin(name, GgufKind::array);
        append(pairs_, static_cast<std::uint32_t>(element));
        append(pairs_, count);
        return *this;
    }
    // dims innermost first, as in the file; shift moves the offset
    GgufBuilder& tensor(std::string_view name, std::vector<std::uint64_t> dims, std::uint32_t type,
                        const std::string& data, std::int64_t shift = 0) {
        append_text(infos_, name);
        append(infos_, static_cast<std::uint32_t>(dims.size()));
        for (const auto n : dims) append(infos_, n);
        append(infos_, type);
        data_.resize((data_.size() + alignment - 1) / alignment * alignment);
        append(infos_, data_.size() + static_cast<std::uint64_t>(shift));
        data_ += data;
        ++tensors_;
        return *this;
    }
    GgufBuilder& floats(std::string_view name, std::vector<std::uint64_t> dims,
                        const std::vector<float>& values) {
        return tensor(name, std::move(dims), 0,
                      {reinterpret_cast<const char*>(values.data()), values.size() * 4});
    }
    std::string build() const {
        std::string out = "GGUF";
        append(out, version);
        append(out, static_cast<std::uint64_t>(tensors_ + extra_tensors));
        append(out, static_cast<std::uint64_t>(keys_ + extra_keys));
        out += pairs_ + infos_;
        out.resize((out.size() + alignment - 1) / alignment * alignment);
        return out + data_;
    }

private:
    template <class T>
    static void append(std::string& out, T value) {
        out.append(reinterpret_cast<const char*>(&value), sizeof(T));
    }
    static void append_text(std::string& out, std::string_view text) {
        append(out, static_cast<std::uint64_t>(text.size()));
        out += text;
    }
    void begin(std::string_view name, GgufKind kind) {
        append_text(pairs_, name);
        append(pairs_, static_cast<std::uint32_t>(kind));
        ++keys_;
    }
    std::string pairs_, infos_, data_;
    std::int64_t tensors_ = 0, keys_ = 0;
};

// value(i) is what element i of tensor `salt` holds
inline float tiny_value(int salt, std::size_t i) {
    return static_cast<float>(
               static_cast<int>((i * 31 + static_cast<std::size_t>(salt) * 17) % 255) - 127) /
           64.0f;
}

inline std::vector<float> tiny_values(int salt, std::size_t n) {
    std::vector<float> values(n);
    for (std::size_t i = 0; i < n; ++i) values[i] = tiny_value(salt, i);
    return values;
}

// hidden 32, 4 heads of 8, 2 kv heads, intermediate 64, vocab 8, one block, all F32
inline GgufBuilder tiny_keys(const std::string& arch = "llama") {
    GgufBuilder b;
    b.text("general.architecture", arch);
    b.whole(arch + ".block_count", 1)
        .whole(arch + ".context_length", 128)
        .whole(arch + ".embedding_length", 32);
    b.whole(arch + ".feed_forward_length", 64).whole(arch + ".attention.head_count", 4);
    b.whole(arch + ".attention.head_count_kv", 2)
        .real(arch + ".attention.layer_norm_rms_epsilon", 1e-5f);
    b.real(arch + ".rope.freq_base", 10000).whole("tokenizer.ggml.bos_token_id", 1);
    b.whole("tokenizer.ggml.eos_token_id", 2);
    return b;
}

inline void tiny_tensors(GgufBuilder& b, const std::string& without = "") {
    int salt = 0;
    const auto add = [&](const std::string& name, std::vector<std::uint64_t> dims) {
        std::size_t n = 1;
        for (const auto d : dims) n *= d;
        ++salt;
        if (name != without) b.floats(name, std::move(dims), tiny_values(salt, n));
    };
    add("token_embd.weight", {32, 8});     // salt 1
    add("output_norm.weight", {32});       // 2
    add("blk.0.attn_norm.weight", {32});   // 3
    add("blk.0.ffn_norm.weight", {32});    // 4
    add("blk.0.attn_q.weight", {32, 32});  // 5
    add("blk.0.attn_k.weight", {32, 16});  // 6
    add("blk.0.attn_v.weight", {32, 16});  // 7
    add("blk.0.attn_output.weight", {32, 32});
    add("blk.0.ffn_gate.weight", {32, 64});
    add("blk.0.ffn_up.weight", {32, 64});
    add("blk.0.ffn_down.weight", {64, 32});
}

inline std::string tiny_gguf(const std::string& arch = "llama") {
    auto b = tiny_keys(arch);
    tiny_tensors(b);
    return b.build();
}

}  // namespace hb
