// SPDX-License-Identifier: Apache-2.0
// Runs the program that was built and catches what it writes; a folder that is removed afterwards.
#pragma once

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <string>
#include <vector>

#include "core/json.hpp"

namespace hb::test {

namespace fs = std::filesystem;

inline std::string content(const fs::path& file) {
    std::ifstream in(file, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
}

inline Json json_in(const fs::path& file) {
    return Json::parse(content(file), nullptr, false);
}

// Every file below a folder by its relative name.
inline std::map<std::string, std::string> tree(const fs::path& folder) {
    std::map<std::string, std::string> files;
    for (const auto& entry : fs::recursive_directory_iterator(folder))
        if (entry.is_regular_file()) files[fs::relative(entry, folder).string()] = content(entry);
    return files;
}

class TemporaryFolder {
public:
    TemporaryFolder() {
        std::string name = (fs::temp_directory_path() / "halfbyte-test.XXXXXX").string();
        if (!::mkdtemp(name.data())) std::abort();
        path_ = name;
    }
    ~TemporaryFolder() {
        std::error_code ignored;
        fs::remove_all(path_, ignored);
    }
    TemporaryFolder(const TemporaryFolder&) = delete;
    TemporaryFolder& operator=(const TemporaryFolder&) = delete;
    fs::path operator/(const std::string& name) const { return path_ / name; }

private:
    fs::path path_;
};

struct Ran {
    int status = 0;  // of exit, or 128 + signal
    std::string out, err;

    // A failure is one line on stderr that begins with the program's name, and nothing on stdout.
    ::testing::AssertionResult failed_in_one_line() const {
        const bool one = err.starts_with("halfbyte: ") &&
                         std::count(err.begin(), err.end(), '\n') == 1 && err.ends_with("\n");
        if (status != 0 && status < 128 && one && out.empty()) return ::testing::AssertionSuccess();
        return ::testing::AssertionFailure()
               << "status " << status << "\nout: " << out << "\nerr: " << err;
    }
};

inline ::testing::AssertionResult succeeded(const Ran& ran) {
    if (ran.status == 0) return ::testing::AssertionSuccess();
    return ::testing::AssertionFailure() << "status " << ran.status << ": " << ran.err;
}

inline Ran run_with_output(const std::vector<std::string>& arguments,
                           const std::string& stdout_file) {
    const TemporaryFolder folder;
    const std::string out = stdout_file.empty() ? (folder / "out").string() : stdout_file;
    const std::string err = (folder / "err").string();
    const pid_t child = ::fork();
    if (child == 0) {
        const int to = ::open(out.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0644);
        const int errors = ::open(err.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0644);
        ::dup2(to, STDOUT_FILENO);
        ::dup2(errors, STDERR_FILENO);
        std::string program = HALFBYTE_BINARY;
        std::vector<std::string> copies(arguments);
        std::vector<char*> argv{program.data()};
        for (std::string& argument : copies) argv.push_back(argument.data());
        argv.push_back(nullptr);
        ::execv(program.c_str(), argv.data());
        ::_exit(127);
    }
    int status = 0;
    ::waitpid(child, &status, 0);
    Ran ran;
    ran.status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    ran.out = stdout_file.empty() ? content(out) : "";
    ran.err = content(err);
    return ran;
}

inline Ran run(const std::vector<std::string>& arguments) {
    return run_with_output(arguments, "");
}

}  // namespace hb::test
