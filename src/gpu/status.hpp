// SPDX-License-Identifier: Apache-2.0
// What every function of the GPU library returns. None aborts, allocates or synchronizes: a refused
// argument or launch is a Status with one line of text that lives as long as the program.
#pragma once

#include <cstddef>
#include <cstdint>

struct CUstream_st;  // cudaStream_t is a pointer to it

namespace hb::gpu {

using Stream = CUstream_st*;

enum class Code { ok, bad_argument, too_little_workspace, launch_failed };

struct [[nodiscard]] Status {
    Code code = Code::ok;
    const char* text = "ok";

    bool ok() const { return code == Code::ok; }
};

inline Status refuse(const char* text) {
    return {Code::bad_argument, text};
}

// After a launch: what the runtime has against it.
Status launched();

}  // namespace hb::gpu
