// SPDX-License-Identifier: Apache-2.0
#include "cli/commands.hpp"

#include <algorithm>
#include <array>
#include <csignal>
#include <new>
#include <string>
#include <vector>

#include "cli/terminal.hpp"
#include "core/error.hpp"

namespace hb {
namespace {

constexpr std::array<Command, 10> kCommands = {{
    {"quantize", "turn a model into a 4-bit checkpoint", define_quantize},
    {"eval", "perplexity, KL and top-1 agreement with a reference; tasks", define_eval},
    {"run", "generate text from a prompt", define_run},
    {"bench", "speed of a model, or of random weights, beside the machine's limits", define_bench},
    {"inspect", "architecture, scheme, tensors and bits per weight of a model", define_inspect},
    {"convert", "the same model in another layout, exactly, with a proof", define_convert},
    {"doctor", "what is wrong with a finished checkpoint of anyone's, and the cure", define_doctor},
    {"study", "a model under many schemes and recipes, as a report; number formats in theory",
     define_study},
    {"list", "what can be named: schemes, scale rules, transforms, recipes, layouts, ...",
     define_list},
    {"sample", "write token rows drawn from a model, for calibration or evaluation", define_sample},
}};

void refuse_unknown_command(int argc, const char* const* argv) {
    if (argc < 2 || argv[1][0] == '-' || argv[1][0] == '\0') return;
    std::string names;
    for (const Command& command : kCommands) {
        if (command.name == argv[1]) return;
        names += names.empty() ? "" : ", ";
        names += command.name;
    }
    fail("unknown command '{}'; wanted one of {}", argv[1], names);
}

int parse_and_run(int argc, const char* const* argv) {
    CLI::App app{"halfbyte: 4-bit microscaling floating point for LLM checkpoints, on a CPU",
                 "halfbyte"};
    app.set_version_flag("--version", "halfbyte " HALFBYTE_VERSION);
    app.require_subcommand(1);
    app.get_formatter()->column_width(34);
    std::vector<Action> actions;
    for (const Command& command : kCommands) {
        CLI::App* sub = app.add_subcommand(std::string(command.name), std::string(command.help));
        sub->option_defaults()->multi_option_policy(CLI::MultiOptionPolicy::TakeLast);
        actions.push_back(command.define(*sub));
    }
    try {
        refuse_unknown_command(argc, argv);
        app.parse(argc, argv);
    } catch (const CLI::Success& e) {  // --help, --version
        std::string text = app.help();
        for (const CLI::App* sub : app.get_subcommands()) text = sub->help("halfbyte");
        print(e.get_name() == "CallForVersion" ? std::string(e.what()) + "\n" : text);
        return 0;
    } catch (const CLI::ParseError& e) {
        complain(std::string(e.what()) + " (see halfbyte --help)");
        return 2;
    } catch (const Error& e) {
        complain(e.what());
        return 2;
    }
    for (std::size_t i = 0; i < kCommands.size(); ++i)
        if (app.got_subcommand(std::string(kCommands[i].name))) actions[i]();
    return 0;
}

}  // namespace

std::span<const Command> all_commands() {
    return kCommands;
}

int run_command_line(int argc, const char* const* argv) {
    std::signal(SIGPIPE, SIG_IGN);
    try {
        return parse_and_run(argc, argv);
    } catch (const ExitStatus& status) {
        return status.value;
    } catch (const ClosedPipe&) {
        return 128 + SIGPIPE;
    } catch (const std::bad_alloc&) {
        complain("out of memory");
    } catch (const std::exception& e) {
        complain(e.what());
    }
    return 1;
}

}  // namespace hb
