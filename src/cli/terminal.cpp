// SPDX-License-Identifier: Apache-2.0
#include "cli/terminal.hpp"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>

#include "core/error.hpp"

namespace hb {
namespace {

bool write_all(int descriptor, std::string_view text) {
    while (!text.empty()) {
        const auto put = ::write(descriptor, text.data(), text.size());
        if (put < 0 && errno == EINTR) continue;
        if (put < 0) return false;
        text.remove_prefix(static_cast<std::size_t>(put));
    }
    return true;
}

std::string one_line(std::string_view text) {
    std::string line;
    for (const char c : text) {
        const auto byte = static_cast<unsigned char>(c);
        if (c == '\n')
            line += ' ';
        else if (byte < 0x20 || byte == 0x7f)
            line += fmt::format("\\x{:02x}", byte);
        else
            line += c;
    }
    while (!line.empty() && line.back() == ' ') line.pop_back();
    return line;
}

std::size_t terminal_width() {
    winsize size{};
    return ::ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 20 ? size.ws_col : 80;
}

}  // namespace

void print(std::string_view text) {
    if (write_all(STDOUT_FILENO, text)) return;
    if (errno == EPIPE) throw ClosedPipe{};
    fail("cannot write to standard output: {}", std::strerror(errno));
}

void note(std::string_view line) {
    write_all(STDERR_FILENO, std::string(line) + "\n");
}

void complain(std::string_view text) {
    note("halfbyte: " + one_line(text));
}

bool stdout_is_terminal() {
    return ::isatty(STDOUT_FILENO) == 1;
}

ProgressBar::ProgressBar(std::string title) : title_(std::move(title)) {
    const char* term = std::getenv("TERM");
    terminal_ = ::isatty(STDERR_FILENO) == 1 && term && std::string_view(term) != "dumb";
}

ProgressBar::~ProgressBar() {
    wipe();
}

void ProgressBar::wipe() {
    if (!last_.empty()) write_all(STDERR_FILENO, "\r\x1b[K");
}

void ProgressBar::update(std::int64_t done, std::int64_t total, std::string_view stage) {
    using namespace std::chrono_literals;
    const auto now = Clock::now();
    const bool last = total > 0 && done == total && done_ >= 0 && done_ != done;
    const bool due = now - drawn_ >= (terminal_ ? 100ms : 1s) && (terminal_ || done != done_);
    if (!due && !last) return;
    drawn_ = now;
    done_ = done;
    draw(done, total, stage);
}

void ProgressBar::draw(std::int64_t done, std::int64_t total, std::string_view stage) {
    const double elapsed = std::chrono::duration<double>(drawn_ - begin_).count();
    std::string line = title_;
    if (total > 0 && terminal_) {
        constexpr std::int64_t kWidth = 24;
        const auto filled =
            static_cast<std::size_t>(kWidth * std::clamp<std::int64_t>(done, 0, total) / total);
        line += " [" + std::string(filled, '=') + std::string(kWidth - filled, ' ') + "]";
    }
    if (total > 0) line += fmt::format(" {}/{}", done, total);
    if (!stage.empty()) line += fmt::format(" {}", stage);
    line += ", " + human_seconds(elapsed);
    if (total > 0 && done > 0 && done < total)
        line += fmt::format(", {} left", human_seconds(elapsed / static_cast<double>(done) *
                                                       static_cast<double>(total - done)));
    if (!terminal_) return note(line);
    last_ = line.substr(0, terminal_width() - 1);
    write_all(STDERR_FILENO, "\r" + last_ + "\x1b[K");
}

void ProgressBar::notice(std::string_view line) {
    wipe();
    note(line);
    if (!last_.empty()) write_all(STDERR_FILENO, last_);
}

std::string human_bytes(double bytes) {
    const char* unit = "B";
    for (const char* larger : {"kB", "MB", "GB", "TB"}) {
        if (bytes < 1000) break;
        bytes /= 1000;
        unit = larger;
    }
    return *unit == 'B' ? fmt::format("{:.0f} B", bytes) : fmt::format("{:.3g} {}", bytes, unit);
}

std::string human_seconds(double seconds) {
    if (seconds < 10) return fmt::format("{:.1f} s", seconds);
    const auto whole = static_cast<std::int64_t>(seconds + 0.5);
    if (whole < 60) return fmt::format("{} s", whole);
    if (whole < 3600) return fmt::format("{} m {:02} s", whole / 60, whole % 60);
    return fmt::format("{} h {:02} m", whole / 3600, whole % 3600 / 60);
}

}  // namespace hb
