// SPDX-License-Identifier: Apache-2.0
// A checkpoint as plain data, however damaged: files, tensors under one naming of their parts,
// config.json and what it says of the quantization. A module is what stands before the last dot of
// a tensor's name (in a GGUF translated to Hugging Face's), a part what stands behind it.
#pragma once

#include <array>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "core/file.hpp"
#include "core/json.hpp"
#include "doctor/doctor.hpp"
#include "doctor/pattern.hpp"
#include "doctor/scan.hpp"
#include "io/gguf.hpp"
#include "model/config.hpp"
#include "schemes/scheme.hpp"

namespace hb::doctor {

enum class Style { dense, compressed_tensors, fp_quant, modelopt, gguf };

struct PatientFile {
    std::string name;  // within the folder
    MappedFile map;
    std::uint64_t data = 0;   // where the tensors begin
    std::uint64_t slack = 0;  // bytes of padding that may lie between two tensors
    bool readable = false;
};

struct Tensor {
    std::string name;  // in the file
    std::string dtype;
    const StoredType* type = nullptr;  // null: not numbers, or of an unknown type
    std::vector<std::int64_t> shape;
    std::size_t file = 0;
    std::uint64_t begin = 0, end = 0;  // in the file
    bool whole = false;                // lies in the file, as long as dtype and shape say
    Numbers numbers;                   // of dense tensors

    std::int64_t rows() const { return shape.empty() ? 1 : shape[0]; }
};

enum Part { kWeight, kCodes, kScales, kGlobal, kInput, kZeros, kShape, kRotation, kBias, kParts };

struct Module {
    std::array<int, kParts> parts;  // indices of tensors, -1 where absent
    std::optional<Family> family;   // of codes
    std::int64_t rows = 0, cols = 0, group = 0;
    std::optional<float> divisor, input_divisor;  // of the layout's number, whatever it is
    Groups groups;                                // what the scan found

    Module() { parts.fill(-1); }
    bool has(Part part) const { return parts[part] >= 0; }
    bool quantized() const { return has(kCodes) || has(kScales) || has(kGlobal); }
};

// One of the config_groups.
struct Targets {
    std::string name;
    std::vector<Pattern> patterns;
    std::optional<Family> family;
    std::int64_t group = 0;
    bool activations = false;  // of the inputs
};

struct Settings {
    std::string method;  // quant_method; empty: not quantized
    std::vector<Targets> targets;
    std::vector<Pattern> ignore;
    std::string ignore_name;  // of the field
    Json json;                // quantization_config
    Json own;                 // what halfbyte wrote of itself
};

struct Patient {
    std::filesystem::path path;
    Style style = Style::dense;
    std::vector<PatientFile> files;
    std::vector<Tensor> tensors;
    std::map<std::string, Module> modules;
    std::optional<std::map<std::string, std::string>> index;  // tensor -> shard
    std::optional<std::uint64_t> index_size;
    std::optional<Json> config;
    std::optional<ModelConfig> model;
    Settings settings;
    std::optional<Gguf> gguf;
    bool split = false;  // only a part of the model

    const Tensor* tensor(const Module& module, Part part) const {
        return module.has(part) ? &tensors[static_cast<std::size_t>(module.parts[part])] : nullptr;
    }
    const Module* module(const std::string& name) const {
        const auto it = modules.find(name);
        return it == modules.end() ? nullptr : &it->second;
    }
    std::span<const std::byte> bytes(const Tensor& t) const {
        return files[t.file].map.bytes().subspan(t.begin, t.end - t.begin);
    }
};

class Findings {
public:
    void add(std::string_view kind, std::string where, std::string value, bool repairable = false) {
        list.push_back({&find_kind(kind), std::move(where), std::move(value), repairable});
    }
    std::vector<Finding> list;
};

// Throws Error when there is no such model; adds what cannot be read.
Patient admit(const std::string& model, Findings& findings);
// Parts of it.
void read_folder(Patient& patient, Findings& findings);
void read_gguf(Patient& patient, Findings& findings);
void read_settings(Patient& patient, Findings& findings);
void sort_into_modules(Patient& patient);

// Bytes that dtype and shape need, 0 when unknown.
std::uint64_t bytes_needed(const Tensor& tensor);
// The one number of a tensor of one F32, F16 or BF16.
std::optional<float> number_of(const Patient& patient, const Tensor& tensor);
// What stands for the module's part in this layout: ".weight_packed".
std::string part_name(const Patient& patient, Part part);
// "model.layers.0.mlp.up_proj.weight_packed", in a GGUF "blk.0.ffn_up.weight".
std::string tensor_name(const Patient& patient, const std::string& module, Part part);
bool ignored(const Patient& patient, const std::string& module);
// The group that a module belongs to; null when there is none.
const Targets* targets_of(const Patient& patient, const std::string& module);
bool is_linear(const std::string& module);  // by its name
bool is_rotation(const Json& transform);    // "hadamard:64", not "none" or "identity:32"

}  // namespace hb::doctor
