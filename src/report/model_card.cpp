// SPDX-License-Identifier: Apache-2.0
#include "report/model_card.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <map>
#include <vector>

#include "report/table.hpp"

namespace hb {
namespace {

std::string text_of(const Json& object, const char* key, std::string otherwise = "") {
    const auto found = object.is_object() ? object.find(key) : object.end();
    if (found == object.end() || found->is_null()) return otherwise;
    return found->is_string() ? found->get<std::string>() : found->dump();
}

double number_of(const Json& object, const char* key) {
    const auto found = object.find(key);
    return found != object.end() && found->is_number() ? found->get<double>() : 0.0;
}

// org/name stays; of a path on this machine only the last part goes into a file that is shared.
std::string public_name(const std::string& model) {
    namespace fs = std::filesystem;
    const bool hub = std::count(model.begin(), model.end(), '/') == 1 && model[0] != '/' &&
                     model[0] != '.' && model.back() != '/' && !model.ends_with(".gguf");
    if (hub) return model;
    const fs::path path = fs::path(model).lexically_normal();
    return (path.has_filename() ? path.filename() : path.parent_path().filename()).string();
}

bool rotated(const Json& run) {
    const auto transforms = run.find("transforms");
    if (transforms == run.end() || !transforms->is_object()) return false;
    return std::any_of(transforms->begin(), transforms->end(),
                       [](const Json& t) { return t.is_string() && t != "none" && t != ""; });
}

// Of a table's cell.
std::string escaped(const std::string& text) {
    std::string out;
    for (const char c : text) out += c == '|' ? "\\|" : std::string(1, c);
    return out;
}

// "nvfp4 and fp8"
std::string schemes_of(const Json& run) {
    std::vector<std::string> names{text_of(run, "scheme", "4 bits")};
    const Json others = run.value("scheme_for", Json::object());
    for (const auto& [target, scheme] : others.items())
        if (scheme.is_string() && std::find(names.begin(), names.end(), scheme) == names.end())
            names.push_back(scheme.get<std::string>());
    return fmt::format("{}", fmt::join(names, " and "));
}

std::string front_matter(const Json& run) {
    const auto quoted = [](const std::string& s) {
        return Json(s).dump(-1, ' ', false, Json::error_handler_t::replace);
    };
    return fmt::format(
        "---\nbase_model: {}\nlibrary_name: {}\ntags:\n- quantized\n- {}\n- {}\n---\n\n",
        quoted(public_name(text_of(run, "model", "unknown"))),
        rotated(run) ? "halfbyte" : "transformers", quoted(text_of(run, "scheme", "unknown")),
        quoted(text_of(run, "recipe", "unknown")));
}

Table recipe_table(const Json& run) {
    Table table{{"what", "value"}, {}};
    const auto add = [&](const char* what, const std::string& value) {
        if (!value.empty()) table.rows.push_back({what, value});
    };
    add("scheme", text_of(run, "scheme"));
    const Json others = run.value("scheme_for", Json::object());
    for (const auto& [target, scheme] : others.items())
        add(fmt::format("scheme of `{}`", escaped(target)).c_str(),
            scheme.is_string() ? scheme.get<std::string>() : scheme.dump());
    if (number_of(run, "bits_per_weight") > 0)
        add("bits of a quantized weight, scales included",
            fmt::format("{:.4g}", number_of(run, "bits_per_weight")));
    add("recipe", text_of(run, "recipe"));
    add("quantizer", text_of(run, "quantizer"));
    add("scale rule of weights", text_of(run, "weight_scales"));
    add("scale rule of activations", text_of(run, "activation_scales"));
    const Json transforms = run.value("transforms", Json::object());
    for (const auto& [site, transform] : transforms.items())
        add(("transform at " + site).c_str(),
            transform.is_string() ? transform.get<std::string>() : transform.dump());
    const Json rotation = run.value("rotation", Json::object());
    add("channels", text_of(run, "channels"));
    add("residual stream, rotated in the weights", text_of(rotation, "residual"));
    add("heads of v, rotated in the weights", text_of(rotation, "heads"));
    const Json calibration = run.value("calibration", Json::object());
    const std::string source = text_of(calibration, "source");
    if (!source.empty() && source != "none")
        add("calibration", fmt::format("{}, {} x {} tokens", public_name(source),
                                       text_of(calibration, "sequences", "?"),
                                       text_of(calibration, "sequence_length", "?")));
    add("seed", text_of(run, "seed"));
    add("made by", run.contains("version") ? "halfbyte " + text_of(run, "version") : "");
    return table;
}

struct Kind {
    double weight_mse = 0, output_error = 0, worst = 0, damping = 0;
    std::int64_t count = 0, dead = 0;
};

// Layers of one kind together: "self_attn.q_proj" of "model.layers.7.self_attn.q_proj".
std::string kind_of(const std::string& name) {
    constexpr std::string_view kBefore = "layers.";
    const auto at = name.find(kBefore);
    const auto dot = at == std::string::npos ? at : name.find('.', at + kBefore.size());
    return dot == std::string::npos ? name : name.substr(dot + 1);
}

Table loss_table(const Json& layers) {
    std::vector<std::string> order;
    std::map<std::string, Kind> kinds;
    for (const Json& layer : layers) {
        const std::string name = kind_of(text_of(layer, "name"));
        if (!kinds.contains(name)) order.push_back(name);
        Kind& kind = kinds[name];
        kind.count += 1;
        kind.weight_mse += number_of(layer, "weight_mse");
        kind.output_error += number_of(layer, "output_error");
        kind.worst = std::max(kind.worst, number_of(layer, "output_error"));
        kind.damping = std::max(kind.damping, number_of(layer, "damping"));
        kind.dead += static_cast<std::int64_t>(number_of(layer, "dead_columns"));
    }
    Table table{{"linear", "layers", "weight error", "output error", "worst output error",
                 "damping", "dead inputs"},
                {}};
    for (const std::string& name : order) {
        const Kind& kind = kinds[name];
        const auto n = static_cast<double>(kind.count);
        const auto or_dash = [](double x) {
            return x > 0 ? fmt::format("{:.3g}", x) : std::string("-");
        };
        table.rows.push_back(
            {name, std::to_string(kind.count), fmt::format("{:.5f}", kind.weight_mse / n),
             kind.output_error > 0 ? fmt::format("{:.5f}", kind.output_error / n) : "-",
             kind.output_error > 0 ? fmt::format("{:.5f}", kind.worst) : "-", or_dash(kind.damping),
             std::to_string(kind.dead)});
    }
    return table;
}

constexpr std::string_view kLoad = R"(## How to use it

```
halfbyte run . --chat -p "What is the capital of France?"
halfbyte eval . --text some.txt
```

)";

constexpr std::string_view kPlain =
    "The files follow compressed-tensors (`quant_method: compressed-tensors`), so clients that "
    "read that\n"
    "layout (version 0.13 or newer of the package for the FP4 schemes) can load this folder as "
    "well.\n";

constexpr std::string_view kRotated =
    "The inputs of the linear layers are transformed while the model runs. A client that left this "
    "out would\n"
    "produce nonsense, so `config.json` says `quant_method: halfbyte`: clients that do not know "
    "the transform\n"
    "refuse the folder instead of misreading it. Tensor names and packing are "
    "compressed-tensors'.\n";

constexpr std::string_view kFolded =
    "The residual stream and the heads of v are rotated, and norms have unit weights: both are "
    "folded into the\n"
    "weights, so that no client needs to know. Embedding and head are two tensors.\n";

constexpr std::string_view kBalanced =
    "Channels are scaled so that inputs and weights round alike. The scales are folded into norms, "
    "v and up, so\n"
    "that no client needs to know; these tensors are not those of the model.\n";

}  // namespace

std::string model_card(const Json& run) {
    const std::string name = public_name(text_of(run, "model", "unknown"));
    std::string card = front_matter(run);
    card += fmt::format("# {} in {}\n\n", name, schemes_of(run));
    card += fmt::format(
        "`{}`, its linear layers quantized. `run.json` holds the same facts for "
        "programs.\n\n",
        name);
    card += "## Recipe\n\n" + markdown(recipe_table(run)) + "\n";
    if (const auto layers = run.find("layers");
        layers != run.end() && layers->is_array() && !layers->empty()) {
        card +=
            "## What it cost\n\nMeans over the layers of a kind. Weight error is |W' - W|^2 / "
            "|W|^2; output error\n"
            "is the same for W x on the calibration inputs, under their second moments.\n\n" +
            markdown(loss_table(*layers)) + "\n";
    }
    card += kLoad;
    card += rotated(run) ? kRotated : kPlain;
    if (run.contains("rotation")) card += kFolded;
    if (run.contains("channels")) card += kBalanced;
    return card;
}

}  // namespace hb
