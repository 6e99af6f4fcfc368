// SPDX-License-Identifier: Apache-2.0
// One turn of a conversation as the model's own chat template writes it.
#pragma once

#include <string>

#include "io/checkpoint.hpp"

namespace hb {

// system: left out when empty. Throws Error when the model has no chat template.
std::string render_chat(const Checkpoint& checkpoint, const std::string& system,
                        const std::string& user);

}  // namespace hb
