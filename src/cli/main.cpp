// SPDX-License-Identifier: Apache-2.0
#include <malloc.h>

#include "cli/commands.hpp"

int main(int argc, char** argv) {
    // A matrix that is given back leaves the process, so that peak memory is what is in use.
    ::mallopt(M_MMAP_THRESHOLD, 4 << 20);
    ::mallopt(M_TRIM_THRESHOLD, 16 << 20);
    return hb::run_command_line(argc, argv);
}
