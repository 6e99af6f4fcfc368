// SPDX-License-Identifier: Apache-2.0
#include "calibration/finish.hpp"

#include "calibration/stream.hpp"
#include "core/file.hpp"
#include "report/model_card.hpp"

namespace hb {
namespace fs = std::filesystem;
namespace {

constexpr std::uint64_t kShardBytes = 4ull << 30;

TensorToWrite copy_of(const Checkpoint& from, const TensorInfo& info) {
    return {info.name, info.dtype, info.shape, [&from, name = info.name] {
                auto bytes = from.read_bytes(name);
                from.drop(name);
                return bytes;
            }};
}

void write_assets(const Checkpoint& checkpoint, const fs::path& out) {
    for (const char* name : {"tokenizer.json", "tokenizer_config.json", "generation_config.json",
                             "chat_template.jinja"})
        if (const auto text = checkpoint.asset(name)) write_file(out / name, *text);
    for (const fs::path& file : checkpoint.other_files()) {
        const std::string name = file.filename().string();
        if (name == "config.json" || name == "run.json") continue;
        write_file(out / (name == "README.md" ? "README.source.md" : name), read_file(file));
    }
}

}  // namespace

void write_output(const Settings& settings, const Checkpoint& checkpoint, const WorkFolder& work,
                  const Json& run) {
    std::vector<Checkpoint> parts;
    for (std::int64_t layer = 0; layer < settings.config.layers; ++layer)
        parts.push_back(Checkpoint::open(work.block_folder(layer).string()));
    const auto replaced = quantized_weights(settings);
    std::vector<TensorToWrite> tensors;
    for (const TensorInfo& info : checkpoint.tensors())
        if (!replaced.contains(info.name)) tensors.push_back(copy_of(checkpoint, info));
    for (const Checkpoint& part : parts)
        for (const TensorInfo& info : part.tensors()) tensors.push_back(copy_of(part, info));

    const fs::path& out = work.out();
    write_sharded(out, std::move(tensors), kShardBytes);
    write_assets(checkpoint, out);
    write_file(out / "README.md", model_card(run));
    write_file(out / "run.json", run.dump(1) + "\n");
    write_file(out / "config.json",
               quantized_config(checkpoint.config(), settings.quantization).dump(2) + "\n");
    work.remove();
}

}  // namespace hb
