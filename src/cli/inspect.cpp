// SPDX-License-Identifier: Apache-2.0
// halfbyte inspect MODEL: reads headers only, and checks them as loading would. Bits per weight are
// stored bits, scales and divisors included, over the number of weights that they stand for.
#include <fmt/format.h>

#include <memory>
#include <numeric>
#include <set>

#include "cli/commands.hpp"
#include "cli/options.hpp"
#include "cli/terminal.hpp"
#include "io/checkpoint.hpp"
#include "io/quantization_config.hpp"
#include "model/model_tensors.hpp"
#include "report/table.hpp"

namespace hb {
namespace {

struct Total {
    double weights = 0, bytes = 0;
    Json json() const {
        return {{"parameters", weights},
                {"bytes", bytes},
                {"bits_per_weight", weights > 0 ? 8 * bytes / weights : 0}};
    }
};

// "model.layers.0.mlp.up_proj" of "model.layers.0.mlp.up_proj.weight_packed"
std::string module_of(const std::string& tensor) {
    return tensor.substr(0, tensor.rfind('.'));
}

struct Totals {
    Total linears, all;
};

Totals count(const Checkpoint& checkpoint, const ModelConfig& config) {
    std::set<std::string> linears;
    Totals totals;
    for (std::int64_t layer = 0; layer < config.layers; ++layer) {
        for (const LinearName& linear : block_linears()) {
            const LinearShape shape = linear_shape(config, linear.name);
            linears.insert(module_name(layer, linear.name));
            totals.linears.weights +=
                static_cast<double>(shape.out) * static_cast<double>(shape.in);
        }
    }
    totals.all.weights = totals.linears.weights;
    for (const TensorInfo& tensor : checkpoint.tensors()) {
        const auto bytes = static_cast<double>(tensor.stored_bytes);
        totals.all.bytes += bytes;
        if (linears.contains(module_of(tensor.name)) && !tensor.name.ends_with(".bias"))
            totals.linears.bytes += bytes;
        else
            totals.all.weights +=
                std::accumulate(tensor.shape.begin(), tensor.shape.end(), 1.0, std::multiplies<>());
    }
    return totals;
}

Json describe(const std::string& model, const Checkpoint& checkpoint) {
    const ModelConfig c = model_config(checkpoint);
    check_model_tensors(checkpoint, c);
    Json j = {{"model", model},
              {"architecture", c.architecture->name},
              {"model_type", c.architecture->model_type},
              {"layers", c.layers},
              {"hidden", c.hidden},
              {"intermediate", c.intermediate},
              {"heads", c.heads},
              {"kv_heads", c.kv_heads},
              {"head_dim", c.head_dim},
              {"vocabulary", c.vocab},
              {"context", c.context},
              {"tied_embeddings", c.tied},
              {"scheme", nullptr}};
    if (const auto q = quantization_config_of(checkpoint.config())) {
        j["scheme"] = q->schemes();
        if (q->groups.size() == 1) j.update(rules_of(q->groups[0]));
        for (std::size_t i = 0; q->groups.size() > 1 && i < q->groups.size(); ++i) {
            j["groups"].push_back(rules_of(q->groups[i]));
            j["groups"].back()["targets"] = q->groups[i].targets;
        }
        j["transforms"] = {
            {"qkv", q->qkv}, {"o", q->o}, {"gate_up", q->gate_up}, {"down", q->down}};
        if (q->residual != "none" || q->heads != "none")
            j["folded"] = {{"residual", q->residual}, {"heads", q->heads}};
        if (q->channels != "plain") j["channels"] = q->channels;
        j["ignore"] = q->ignore;
    }
    const Totals totals = count(checkpoint, c);
    j["linears"] = totals.linears.json();
    j["all"] = totals.all.json();
    j["bits_per_weight"] = j["linears"]["bits_per_weight"];
    for (const TensorInfo& t : checkpoint.tensors())
        j["tensors"].push_back({{"name", t.name},
                                {"dtype", t.dtype},
                                {"stored_type", t.stored_type},
                                {"shape", t.shape},
                                {"bytes", t.stored_bytes}});
    return j;
}

std::string total_text(const Json& total) {
    return fmt::format(
        "{:.4g} M parameters, {}, {:.4g} bits per weight", total["parameters"].get<double>() / 1e6,
        human_bytes(total["bytes"].get<double>()), total["bits_per_weight"].get<double>());
}

std::string rules_text(const Json& group) {
    const auto weights = group["weight_scales"].get<std::string>(),
               inputs = group["activation_scales"].get<std::string>();
    return weights + " for weights" + (inputs.empty() ? "" : ", " + inputs + " for activations");
}

void print_facts(const Json& j) {
    const auto number = [&](const char* key) { return j[key].get<std::int64_t>(); };
    const auto text = [](const Json& value) { return value.get<std::string>(); };
    Table facts;
    facts.rows.push_back({"model", text(j["model"])});
    facts.rows.push_back({"architecture", text(j["architecture"])});
    facts.rows.push_back(
        {"blocks", fmt::format("{} of hidden {}, intermediate {}", number("layers"),
                               number("hidden"), number("intermediate"))});
    facts.rows.push_back(
        {"attention", fmt::format("{} heads, {} for keys and values, of {}", number("heads"),
                                  number("kv_heads"), number("head_dim"))});
    facts.rows.push_back(
        {"vocabulary", fmt::format("{}{}", number("vocabulary"),
                                   j["tied_embeddings"].get<bool>() ? ", head tied to it" : "")});
    facts.rows.push_back({"context", std::to_string(number("context"))});
    facts.rows.push_back({"scheme", j["scheme"].is_null() ? "none" : text(j["scheme"])});
    if (!j["scheme"].is_null()) {
        if (j.contains("weight_scales")) facts.rows.push_back({"scale rules", rules_text(j)});
        for (const Json& group : j.value("groups", Json::array()))
            facts.rows.push_back(
                {text(group["scheme"]),
                 fmt::format("{}: {}",
                             fmt::join(group["targets"].get<std::vector<std::string>>(), ", "),
                             rules_text(group))});
        std::string sites;
        for (const auto& [site, transform] : j["transforms"].items())
            sites += (sites.empty() ? "" : ", ") + site + " " + text(transform);
        facts.rows.push_back({"transforms", sites});
        if (j.contains("folded"))
            facts.rows.push_back({"in the weights", "residual stream " +
                                                        text(j["folded"]["residual"]) + ", heads " +
                                                        text(j["folded"]["heads"])});
        if (j.contains("channels")) facts.rows.push_back({"channels", text(j["channels"])});
    }
    facts.rows.push_back({"linear layers", total_text(j["linears"])});
    facts.rows.push_back({"everything", total_text(j["all"])});
    print(plain_text(facts) + "\n");
}

void print_tensors(const Json& tensors) {
    Table table{{"tensor", "type", "shape", "bytes"}, {}};
    for (const Json& t : tensors)
        table.rows.push_back(
            {t["name"].get<std::string>(), t["stored_type"].get<std::string>(),
             fmt::format("{}", fmt::join(t["shape"].get<std::vector<std::int64_t>>(), " x ")),
             std::to_string(t["bytes"].get<std::uint64_t>())});
    print(plain_text(table));
}

}  // namespace

Action define_inspect(CLI::App& app) {
    struct Arguments {
        std::string model;
        std::filesystem::path json;
    };
    const auto a = std::make_shared<Arguments>();
    add_model(app, a->model);
    add_json(app, a->json);
    return [a] {
        const auto checkpoint = Checkpoint::open(a->model);
        const Json j = describe(a->model, checkpoint);
        print_facts(j);
        print_tensors(j["tensors"]);
        write_json(a->json, j);
    };
}

}  // namespace hb
