// SPDX-License-Identifier: Apache-2.0
// The engine's logits of rows of tokens, for comparing with other programs: logits MODEL
// TOKENS.i32 LENGTH OUT.f32 writes (tokens, vocab). Dense weights meet fp32 activations.
#include <cstdio>
#include <cstdlib>
#include <fstream>

#include "calibration/dataset.hpp"
#include "core/error.hpp"
#include "engine/decoder.hpp"

namespace {

void write_logits(char** argv) {
    using namespace hb;
    Threads threads(2);
    const Checkpoint checkpoint = Checkpoint::open(argv[1]);
    const Decoder decoder = load_decoder(checkpoint, threads);
    const std::int64_t length = std::atol(argv[3]);
    const auto tokens = cut_rows(read_tokens(argv[2], checkpoint, decoder.config), 1 << 20, length);
    std::ofstream file(argv[4], std::ios::binary);
    Scratch scratch;
    Matrix<float> hidden, out(length, decoder.config.vocab);
    for (std::int64_t r = 0; r < tokens.rows; ++r) {
        forward_window(decoder, pick_kernels(), threads,
                       {tokens.row(r), static_cast<std::size_t>(length)}, scratch, hidden);
        logits(decoder, pick_kernels(), threads, hidden.view(), scratch, out.view());
        file.write(reinterpret_cast<const char*>(out.values.data()),
                   static_cast<std::streamsize>(4 * out.values.size()));
    }
}

}  // namespace

int main(int argc, char** argv) {
    try {
        if (argc != 5) hb::fail("usage: logits MODEL TOKENS.i32 LENGTH OUT.f32");
        write_logits(argv);
    } catch (const std::exception& error) {
        std::fprintf(stderr, "logits: %s\n", error.what());
        return 1;
    }
}
