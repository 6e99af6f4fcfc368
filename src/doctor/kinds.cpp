// SPDX-License-Identifier: Apache-2.0
// Every fault that the doctor knows. docs/doctor.md has the same table.
#include "core/error.hpp"
#include "doctor/doctor.hpp"

namespace hb::doctor {
namespace {

constexpr Severity kNote = Severity::note, kWarning = Severity::warning, kError = Severity::error;
constexpr std::string_view kDownload = "download the file again";
constexpr std::string_view kQuantize = "quantize the layer again";

constexpr Kind kKinds[] = {
    // files
    {"file-unreadable", kError, "no client opens it", kDownload},
    {"file-truncated", kError, "the end is missing: clients refuse it or read zeros", kDownload},
    {"file-holes", kError, "strict readers refuse the file", "write the file again"},
    {"file-overlap", kError, "two tensors share bytes: at least one is wrong",
     "write the file again"},
    {"file-trailing", kError, "strict readers refuse the file",
     "write the file again, or cut what follows the last tensor"},
    {"extent-wrong", kError, "shape and bytes disagree: clients refuse the file",
     "write the file again"},
    {"weights-missing", kError, "there is nothing to load",
     "download model.safetensors, or the index and all of its shards"},
    {"weights-twice", kWarning, "a single file and an index: clients differ in which they load",
     "remove one of the two"},
    {"shard-missing", kError, "the tensors in it are missing", kDownload},
    {"shard-unlisted", kWarning, "clients do not load the tensors in it",
     "name them in the index, or remove the file"},
    {"index-missing", kError, "clients do not find the shards",
     "write model.safetensors.index.json"},
    {"index-stale", kError, "the index names a tensor that its shard has not: loading stops",
     "write the index anew from the shards"},
    {"index-incomplete", kError, "the index omits a tensor that a shard holds: it is not loaded",
     "write the index anew from the shards"},
    {"index-size", kNote, "metadata.total_size is not the sum of the tensors' bytes",
     "write the index anew from the shards"},
    {"tensor-twice", kError, "which of the two is loaded is chance", "remove one of the two"},
    // texts
    {"json-unreadable", kError, "clients stop at it", "repair or download the file"},
    {"config-missing", kError, "no client knows the architecture", "copy it from the base model"},
    {"config-wrong", kError, "clients build another model, or none", "correct the field"},
    {"architecture-unknown", kNote, "names and shapes of tensors are not examined", "-"},
    {"method-unknown", kNote, "the quantization is not examined", "-"},
    {"tokenizer-missing", kNote, "no text in or out; llama.cpp refuses a GGUF without it",
     "copy it from the base model"},
    {"chat-template-missing", kNote, "chats are refused or follow a template that is guessed",
     "copy it from the base model, if that has one"},
    {"generation-config-missing", kNote,
     "clients generate with their own defaults and may not stop",
     "copy generation_config.json from the base model, if that has one"},
    // configuration of the quantization
    {"pattern-matches-nothing", kWarning,
     "a layer that was meant to be left alone, or to be "
     "quantized, is not",
     "correct or remove the pattern"},
    {"pattern-unreadable", kWarning, "clients stop at it, or match nothing", "correct the pattern"},
    {"ignored-but-quantized", kError, "clients look for a dense weight and do not find it",
     "remove the layer from the list"},
    {"dense-but-not-ignored", kError, "clients look for codes and scales and do not find them",
     "add the layer to the list of those left alone"},
    {"format-mismatch", kError, "codes are taken for those of another format",
     "correct the format in the configuration"},
    {"group-format-missing", kError,
     "mixed-precision leaves the format to each group: clients stop", "give the group its format"},
    {"activation-scale-dtype-missing", kWarning,
     "Transformers leaves the scales of activations unrounded: logits off by a third",
     "add scale_dtype to input_activations"},
    {"sparsity-unsupported", kWarning, "Transformers and vLLM refuse a sparsity_config",
     "save the weights dense"},
    {"actorder-unsupported", kError,
     "compressed-tensors 0.20 and vLLM refuse a permutation of "
     "columns (weight_g_idx)",
     "quantize with actorder weight or none"},
    {"rotation-ignored", kWarning,
     "Transformers ignores transform_config without a word and talks "
     "nonsense",
     "quantize with --transform none, or serve it with a client that rotates"},
    {"rotation-under-plain-method", kError,
     "weights are rotated for a rotated input, and clients "
     "of this quant_method do not rotate",
     "set quant_method to halfbyte, or quantize with "
     "--transform none"},
    {"rotation-matrix-wrong", kError, "inputs are not rotated as the weights were",
     "export the model again"},
    // tensors against config.json
    {"tensor-missing", kError, "clients stop, or start the layer at random", kDownload},
    {"tensor-unexpected", kWarning,
     "clients pass over it: it may be a name that was meant "
     "otherwise",
     "rename or remove it"},
    {"shape-wrong", kError, "clients stop at it",
     "correct config.json, or export the tensor again"},
    {"dtype-wrong", kError, "bytes are taken for other numbers, or loading stops",
     "export the tensor again"},
    {"type-unknown", kNote, "the tensor's numbers are not examined", "-"},
    {"tied-head-differs", kError, "clients use the embedding instead of the stored head",
     "set tie_word_embeddings to false, or remove lm_head.weight"},
    {"tied-head-stored", kNote, "the same matrix lies in the file twice", "remove lm_head.weight"},
    {"head-missing", kError, "the head starts at random",
     "set tie_word_embeddings to true, if the "
     "base model is tied"},
    {"tensor-parallel", kNote, "the layer cannot be cut for this many devices in whole groups",
     "serve it on fewer devices, or leave the layer unquantized"},
    // scales
    {"scale-nan", kError, "every output of the layer is NaN", kQuantize},
    {"scale-infinite", kError, "every output of the layer is infinite or NaN", kQuantize},
    {"scale-negative", kError, "kernels that read scales without a sign give other weights",
     kQuantize},
    {"scale-zero", kWarning, "a group that has codes is zero", kQuantize},
    {"scale-subnormal", kWarning, "hardware that flushes subnormals takes the group for zero",
     kQuantize},
    {"scale-coarse", kNote, "E4M3 scales below 2^-6 have fewer than four digits", "-"},
    {"scale-overflow", kError, "weights are infinite in bf16", kQuantize},
    {"global-scale-missing", kError, "weights are off by the tensor's factor", kQuantize},
    {"global-scale-invalid", kError, "the whole layer is zero, infinite or NaN", kQuantize},
    {"reciprocal-reversed", kError,
     "the layout stores the reciprocal: weights are off by the "
     "square of the factor",
     "store 1 / value"},
    {"factor-three-missing", kError, "weights are three times too large",
     "store 3 as weight_global_scale (in a GGUF 1/3 as .scale)"},
    {"magnitude-absurd", kWarning, "weights of this size are no model's", kQuantize},
    {"fused-scales-differ", kWarning,
     "vLLM fuses these layers and gives all of them one of the "
     "values: wrong weights",
     "quantize again with a scale that they share"},
    {"fused-inputs-differ", kWarning,
     "clients that fuse these layers give all of them one of the "
     "values",
     "calibrate again with a scale that they share"},
    {"input-scale-missing", kError, "inputs are quantized under a scale that nobody set",
     "calibrate again, or serve it with 16-bit activations"},
    {"input-scale-invalid", kError, "every input of the layer is zero, infinite or NaN",
     "calibrate again"},
    {"input-scale-absurd", kWarning, "inputs saturate or vanish", "calibrate again"},
    {"input-scale-unused", kWarning,
     "the configuration says that inputs are not quantized: one "
     "of the two is wrong",
     "say W4A4 in the configuration, or remove the tensor"},
    {"scale-orphan", kWarning, "a scale without a weight is not used, or used for another type",
     "remove it"},
    // weights
    {"weights-not-finite", kError, "every output is NaN or infinite", kDownload},
    {"weights-zero", kWarning, "the layer does nothing, as after a download with holes", kDownload},
    {"dead-groups", kNote, "groups whose codes are all zero", "-"},
    {"saturation", kNote, "many codes lie at the end of their range: the scales may be too small",
     "-"},
    // by statistics
    {"permutation-doubtful", kNote,
     "rows of q and k seem to lie in the other order of RoPE: the "
     "model would talk nonsense",
     "compare its text with that of the base model"},
    {"rotation-doubtful", kNote,
     "a rotation is recorded, but columns differ as in weights that "
     "were not rotated",
     "compare its text with that of the base model"},
    {"rotation-unrecorded", kNote,
     "columns are as even as in rotated weights, but no rotation is "
     "recorded",
     "compare its text with that of the base model"},
    {"unexamined", kNote, "a check gave up", "-"},
};

}  // namespace

std::span<const Kind> all_kinds() {
    return kKinds;
}

const Kind& find_kind(std::string_view name) {
    for (const Kind& kind : kKinds)
        if (kind.name == name) return kind;
    fail("unknown kind of finding '{}'", name);
}

}  // namespace hb::doctor
