// SPDX-License-Identifier: Apache-2.0
// The GPU library's interface: plain pointers, shapes, strides, a stream and a workspace of the
// caller's. Each header below is one family of kernels.
#pragma once

#include "gpu/copy.hpp"
#include "gpu/quantize.hpp"
#include "gpu/status.hpp"
#include "gpu/w4a16.hpp"
#include "gpu/w4a4.hpp"
