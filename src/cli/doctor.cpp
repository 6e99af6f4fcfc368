// SPDX-License-Identifier: Apache-2.0
// halfbyte doctor MODEL: what is wrong with a finished checkpoint, the worst first, one paragraph a
// kind of fault. The exit status is that of the worst.
#include <fmt/format.h>

#include <memory>

#include "cli/commands.hpp"
#include "cli/options.hpp"
#include "cli/terminal.hpp"
#include "core/error.hpp"
#include "doctor/doctor.hpp"
#include "io/strict_json.hpp"

namespace hb {
namespace {

using doctor::Examination;
using doctor::Finding;
using doctor::Severity;

constexpr int kShown = 12;  // of each kind
constexpr int kUnexamined = 3;

std::string_view name_of(Severity severity) {
    static constexpr std::string_view kNames[] = {"note", "warning", "error"};
    return kNames[static_cast<int>(severity)];
}

std::string counted(std::int64_t n, std::string_view what) {
    return fmt::format("{} {}{}", n, what, n == 1 ? "" : "s");
}

void print_kind(std::span<const Finding> findings) {
    const doctor::Kind& kind = *findings[0].kind;
    print(fmt::format("{} {}: {}\n", name_of(kind.severity), kind.name, kind.consequence));
    int shown = 0;
    for (const Finding& f : findings) {
        if (++shown > kShown) break;
        print(fmt::format("    {}: {}\n", printable(f.where, 400), printable(f.value, 400)));
    }
    if (static_cast<int>(findings.size()) > kShown)
        print(fmt::format("    and {} more (all of them with --json)\n", findings.size() - kShown));
    const bool repairable = std::any_of(findings.begin(), findings.end(),
                                        [](const Finding& f) { return f.repairable; });
    if (kind.cure != "-" || repairable)
        print(fmt::format("    cure: {}{}\n", kind.cure, repairable ? " (--fix does it)" : ""));
}

struct Counts {
    std::int64_t by[3] = {};
    int worst = 0;
};

Counts count(const Examination& e) {
    Counts counts;
    for (const Finding& f : e.findings) {
        const int severity = static_cast<int>(f.kind->severity);
        ++counts.by[severity];
        counts.worst = std::max(counts.worst, severity);
    }
    return counts;
}

void print_examination(const std::string& model, const Examination& e) {
    const auto& all = e.findings;
    for (std::size_t i = 0; i < all.size();) {
        std::size_t end = i;
        while (end < all.size() && all[end].kind == all[i].kind) ++end;
        print_kind(std::span(all).subspan(i, end - i));
        i = end;
    }
    const Counts counts = count(e);
    print(fmt::format("{}: {}, {} in {}, {}: {}, {}, {}\n", printable(model, 400), e.layout,
                      counted(e.tensors, "tensor"), counted(e.files, "file"),
                      human_bytes(static_cast<double>(e.bytes)), counted(counts.by[2], "error"),
                      counted(counts.by[1], "warning"), counted(counts.by[0], "note")));
}

Json json_of(const std::string& model, const Examination& e) {
    Json findings = Json::array();
    for (const Finding& f : e.findings)
        findings.push_back({{"severity", name_of(f.kind->severity)},
                            {"kind", f.kind->name},
                            {"where", f.where},
                            {"value", f.value},
                            {"consequence", f.kind->consequence},
                            {"cure", f.kind->cure},
                            {"fixable", f.repairable}});
    const Counts counts = count(e);
    return {{"version", HALFBYTE_VERSION}, {"model", model},        {"layout", e.layout},
            {"tensors", e.tensors},        {"bytes", e.bytes},      {"errors", counts.by[2]},
            {"warnings", counts.by[1]},    {"notes", counts.by[0]}, {"findings", findings}};
}

struct DoctorArguments {
    std::string model;
    std::filesystem::path json, fix;
    int threads = 1;
};

int examine_and_print(const DoctorArguments& a) {
    try {
        Threads threads(a.threads);
        const Examination e = doctor::examine(a.model, threads);
        print_examination(a.model, e);
        write_json(a.json, json_of(a.model, e));
        if (!a.fix.empty())
            for (const auto& line : doctor::repair(a.model, e.findings, a.fix))
                print(fmt::format("repaired in {}: {}\n", a.fix.string(), line));
        return count(e).worst;
    } catch (const Error& error) {
        complain(error.what());
        return kUnexamined;
    }
}

}  // namespace

Action define_doctor(CLI::App& app) {
    const auto a = std::make_shared<DoctorArguments>();
    add_model(app, a->model);
    add_threads(app, a->threads);
    add_json(app, a->json);
    app.add_option("--fix", a->fix, "write a copy with exact repairs to this folder")
        ->type_name("OUT");
    app.footer(
        "Exit status: 0 nothing or notes, 1 warnings, 2 errors, 3 not examined or not repaired.");
    return [a] {
        if (const int status = examine_and_print(*a)) throw ExitStatus{status};
    };
}

}  // namespace hb
