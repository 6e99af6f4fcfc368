// SPDX-License-Identifier: Apache-2.0
// All that is written to the terminal. Results go to stdout; progress, notices and the one line of
// a failure go to stderr. On a terminal progress is a bar that redraws itself, elsewhere plain
// lines.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

namespace hb {

struct ClosedPipe {};  // the reader of stdout went away: leave quietly

void print(std::string_view text);  // stdout; throws ClosedPipe, or Error when the disk is full
void note(std::string_view line);   // stderr, one line; never fails
void complain(
    std::string_view text);  // "halfbyte: text" on stderr, control characters made visible
bool stdout_is_terminal();

class ProgressBar {
public:
    explicit ProgressBar(std::string title);
    ~ProgressBar();  // wipes the bar
    ProgressBar(const ProgressBar&) = delete;
    ProgressBar& operator=(const ProgressBar&) = delete;

    void update(std::int64_t done, std::int64_t total,
                std::string_view stage = {});  // total 0: unknown
    void notice(std::string_view line);        // above the bar

private:
    using Clock = std::chrono::steady_clock;
    void draw(std::int64_t done, std::int64_t total, std::string_view stage);
    void wipe();

    std::string title_, last_;
    Clock::time_point begin_ = Clock::now(),
                      drawn_ = begin_;  // drawn: never in a run that is over at once
    std::int64_t done_ = -1;
    bool terminal_ = false;
};

// "1.23 GB", "4 m 05 s": for people; files get plain numbers.
std::string human_bytes(double bytes);
std::string human_seconds(double seconds);

}  // namespace hb
