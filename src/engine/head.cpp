// SPDX-License-Identifier: Apache-2.0
#include "engine/head.hpp"

#include <algorithm>
#include <array>
#include <optional>

#include "core/error.hpp"
#include "engine/decoder.hpp"
#include "engine/parts.hpp"

namespace hb {
namespace {

constexpr std::int64_t kRows = 4096;  // of a part; whole panels

struct NamedHeadType {
    std::string_view name;
    HeadType type;
    std::string_view in_files;  // the file's type that is kept as it is
};
constexpr std::array<NamedHeadType, 6> kTypes = {{
    {"stored", HeadType::stored, ""},
    {"bf16", HeadType::bf16, ""},
    {"q8_0", HeadType::q8_0, "Q8_0"},
    {"q8_0a8", HeadType::q8_0a8, "Q8_0"},
    {"mxfp4", HeadType::mxfp4, "MXFP4"},
    {"nvfp4", HeadType::nvfp4, "NVFP4"},
}};

template <class T>
void append(AlignedVector<T>& whole, const AlignedVector<T>& part) {
    whole.insert(whole.end(), part.begin(), part.end());
}

// pack(first, count) gives a part, or nothing to give up.
template <class Pack>
std::optional<PackedMatrix> by_parts(std::int64_t n, const Pack& pack) {
    PackedMatrix whole;
    for (std::int64_t first = 0; first < n; first += kRows) {
        const std::int64_t count = std::min(kRows, n - first);
        std::optional<PackedMatrix> part = pack(first, count);
        if (!part) return std::nullopt;
        if (first == 0) {
            whole = std::move(*part);
            const auto room = [&](std::size_t size) {
                return size / static_cast<std::size_t>((count + 15) / 16) *
                       static_cast<std::size_t>((n + 15) / 16);
            };
            whole.narrow.reserve(room(whole.narrow.size()));
            whole.wide.reserve(room(whole.wide.size()));
            whole.coded.reserve(room(whole.coded.size()));
        } else {
            append(whole.narrow, part->narrow);
            append(whole.wide, part->wide);
            append(whole.coded, part->coded);
            whole.moderate = whole.moderate && part->moderate;
        }
        whole.n = first + count;
    }
    return whole;
}

PackedMatrix pack_plain(const RowSource& source, Precision precision, Threads& threads) {
    return *by_parts(source.rows, [&](std::int64_t first, std::int64_t count) {
        return std::optional(pack(source.read(first, count).view(), precision, threads));
    });
}

PackedMatrix pack_as_exact(const RowSource& source, Threads& threads) {
    auto narrow = by_parts(source.rows, [&](std::int64_t first, std::int64_t count) {
        auto part = pack_exact(source.read(first, count).view(), threads);
        return part.precision == Precision::bf16 ? std::optional(std::move(part)) : std::nullopt;
    });
    return narrow ? std::move(*narrow) : pack_plain(source, Precision::f32, threads);
}

PackedMatrix pack_q8(const Q8Tensor& w, HeadType type, WeightStorage storage, Threads& threads) {
    const bool late = type == HeadType::q8_0a8;
    if (!late && storage != WeightStorage::codes)
        return pack_bf16(dequantize_bf16(w).view(), threads);
    PackedMatrix packed = pack_codes(w, threads);
    packed.late = late;
    return packed;
}

Head make_fp4(const RowSource& source, const Scheme& scheme, WeightStorage storage,
              Threads& threads) {
    const ScaleRule& rule = find_scale_rule(scheme.weight_rule, scheme.family);
    float amax = 0;
    for (std::int64_t first = 0; first < source.rows; first += kRows) {
        const auto part = source.read(first, std::min(kRows, source.rows - first));
        amax = std::max(amax, largest_magnitude(part.view()));
    }
    const float divisor = rule.divisor(amax);
    auto weight = by_parts(source.rows, [&](std::int64_t first, std::int64_t count) {
        const QTensor q =
            quantize_under(source.read(first, count).view(), scheme, rule, divisor, threads);
        return std::optional(make_linear(q, {}, nullptr, storage, threads).weight);
    });
    return {std::move(*weight), 1 / divisor};
}

// The head of a file that holds it in a type that products read, when that one is wanted.
std::optional<Head> keep_stored(const Checkpoint& checkpoint, const std::string& module,
                                const ModelConfig& config, HeadType type, WeightStorage storage,
                                Threads& threads) {
    const std::string name = module + ".weight";
    const TensorInfo* info = checkpoint.find(name);
    const auto held = std::find_if(kTypes.begin(), kTypes.end(), [&](const NamedHeadType& t) {
        return info && !t.in_files.empty() && t.in_files == info->stored_type &&
               (type == HeadType::stored || type == t.type);
    });
    if (held == kTypes.end()) return std::nullopt;
    if (held->type == HeadType::q8_0 || held->type == HeadType::q8_0a8) {
        auto weight = by_parts(config.vocab, [&](std::int64_t first, std::int64_t count) {
            return std::optional(pack_q8(checkpoint.read_q8_rows(name, first, count, config.hidden),
                                         held->type, storage, threads));
        });
        return Head{std::move(*weight), 1};
    }
    const auto codes = checkpoint.read_quantized(module, config.vocab, config.hidden);
    if (!codes) return std::nullopt;
    Linear linear = make_linear(*codes, {}, nullptr, storage, threads);
    return Head{std::move(linear.weight), linear.alpha};
}

}  // namespace

HeadType find_head_type(std::string_view name) {
    for (const NamedHeadType& known : kTypes)
        if (known.name == name) return known.type;
    fail("unknown type '{}' of the head; choose one of: {}", name, head_type_names());
}

std::string head_type_names() {
    std::string names;
    for (const NamedHeadType& known : kTypes)
        names += (names.empty() ? "" : ", ") + std::string(known.name);
    return names;
}

Head make_head(const RowSource& source, HeadType type, WeightStorage storage, Threads& threads) {
    switch (type) {
        case HeadType::stored:
            break;
        case HeadType::bf16:
            return {pack_plain(source, Precision::bf16, threads)};
        case HeadType::q8_0:
        case HeadType::q8_0a8:
            return {*by_parts(source.rows, [&](std::int64_t first, std::int64_t count) {
                const Q8Tensor q = quantize_q8(source.read(first, count).view(), threads);
                return std::optional(pack_q8(q, type, storage, threads));
            })};
        case HeadType::mxfp4:
            return make_fp4(source, find_scheme("mxfp4a16"), storage, threads);
        case HeadType::nvfp4:
            return make_fp4(source, find_scheme("nvfp4a16"), storage, threads);
    }
    return {pack_as_exact(source, threads)};
}

Head load_head(const Checkpoint& checkpoint, const ModelConfig& config, HeadType type,
               WeightStorage storage, Threads& threads) {
    const std::string module = config.tied ? "model.embed_tokens" : "lm_head",
                      name = module + ".weight";
    const RowSource source{config.vocab, config.hidden,
                           [&](std::int64_t first, std::int64_t count) {
                               return checkpoint.read_rows(name, first, count, config.hidden);
                           }};
    std::optional<Head> head;
    try {
        head = keep_stored(checkpoint, module, config, type, storage, threads);
        if (!head && (type == HeadType::stored || type == HeadType::bf16))
            if (auto exact = load_bf16(checkpoint, name, config.vocab, config.hidden, threads))
                head = Head{std::move(*exact), 1};
        if (!head) head = make_head(source, type, storage, threads);
    } catch (const Error& error) {
        if (type == HeadType::stored) throw;
        fail("{}: '{}' as the head's type asks for: {}", checkpoint.path().string(), name,
             error.what());
    }
    checkpoint.drop(name);
    return std::move(*head);
}

}  // namespace hb
