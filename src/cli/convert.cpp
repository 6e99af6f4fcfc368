// SPDX-License-Identifier: Apache-2.0
// halfbyte convert IN OUT --to LAYOUT: the same model in another layout, and the proof that it is.
#include <fmt/format.h>

#include <memory>

#include "cli/commands.hpp"
#include "cli/options.hpp"
#include "cli/terminal.hpp"
#include "layouts/convert.hpp"

namespace hb {
namespace {

struct ConvertArguments {
    std::string model, to;
    std::filesystem::path out, json;
    WriteOptions options;
};

Json result_of(const ConvertArguments& a, const Conversion& c) {
    const Proof& p = c.proof;
    return {{"version", HALFBYTE_VERSION},
            {"model", a.model},
            {"out", a.out.string()},
            {"layout", a.to},
            {"tensors", p.tensors},
            {"values", p.values},
            {"linears_of_the_same_codes", p.coded},
            {"largest_difference", p.largest},
            {"relative_difference", p.relative},
            {"digest_in", fmt::format("{:016x}", p.digest_in)},
            {"digest_out", fmt::format("{:016x}", p.digest_out)},
            {"notes", c.notes}};
}

void convert_command(const ConvertArguments& a) {
    const Conversion c = convert(a.model, a.out, find_layout(a.to), a.options);
    const Proof& p = c.proof;
    for (const auto& note : c.notes) print(fmt::format("note: {}\n", note));
    print(fmt::format("{}: {} tensors, {} values, largest difference {}, digest {:016x} {} {:016x}",
                      a.out.string(), p.tensors, p.values, p.largest, p.digest_in,
                      p.digest_in == p.digest_out ? "=" : "->", p.digest_out));
    if (p.coded > 0) print(fmt::format("; {} linears with the same codes", p.coded));
    if (p.digest_in != p.digest_out) print(fmt::format("; relative loss {:.3g}", p.relative));
    print("\n");
    write_json(a.json, result_of(a, c));
}

}  // namespace

Action define_convert(CLI::App& app) {
    const auto a = std::make_shared<ConvertArguments>();
    add_model(app, a->model);
    app.add_option("OUT", a->out,
                   "the folder, or the .gguf file, to write; must be empty or absent")
        ->required()
        ->type_name("");
    app.add_option("--to", a->to, "see halfbyte list layouts")->required()->type_name("LAYOUT");
    app.add_flag("--allow-loss", a->options.allow_loss,
                 "round what the layout cannot hold exactly, and tell the loss");
    app.add_option_function<std::string>(
           "--head", [a](const std::string& type) { a->options.q8_head = type == "q8_0"; },
           "type of embedding and head in a GGUF: stored, or q8_0, which rounds them")
        ->check(CLI::IsMember({"stored", "q8_0"}))
        ->type_name("TYPE")
        ->default_str("stored");
    add_json(app, a->json);
    return [a] { convert_command(*a); };
}

}  // namespace hb
