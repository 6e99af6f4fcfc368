// SPDX-License-Identifier: Apache-2.0
// The engine's linears on inputs that came from elsewhere: linears MODEL IN.f32 ROWS OUT.f32 reads
// the input (rows, in) of every linear, block by block in the order q k v o gate up down, and
// writes their outputs (rows, out). Inputs are transformed and quantized as the checkpoint says.
#include <cstdio>
#include <cstdlib>
#include <fstream>

#include "core/error.hpp"
#include "engine/decoder.hpp"

namespace {

using namespace hb;

void write_output(const Block& block, const Linear& linear, int site_index, View<const float> x,
                  Threads& threads, std::ofstream& out) {
    const Site& site = block.sites[static_cast<std::size_t>(site_index)];
    Operand operand;
    prepare_operand(pick_kernels(), threads, x, site.transform,
                    site.quantizer ? &*site.quantizer : nullptr, Precision::bf16, operand);
    Matrix<float> y(x.rows, linear.weight.n);
    gemm(pick_kernels(), threads, operand, linear.weight, y.view(), linear.alpha,
         linear.bias.empty() ? nullptr : linear.bias.data());
    out.write(reinterpret_cast<const char*>(y.values.data()),
              static_cast<std::streamsize>(4 * y.values.size()));
}

void write_outputs(char** argv) {
    Threads threads(2);
    const Checkpoint checkpoint = Checkpoint::open(argv[1]);
    const Decoder decoder = load_decoder(checkpoint, threads);
    std::ifstream in(argv[2], std::ios::binary);
    std::ofstream out(argv[4], std::ios::binary);
    for (const Block& block : decoder.blocks) {
        for (std::size_t i = 0; i < block.linears.size(); ++i) {
            const Linear& linear = block.linears[i];
            if (!linear.quantized) fail("{}: a linear is not quantized", argv[1]);
            Matrix<float> x(std::atol(argv[3]), linear.weight.k);
            if (!in.read(reinterpret_cast<char*>(x.values.data()),
                         static_cast<std::streamsize>(4 * x.values.size())))
                fail("{}: shorter than the linears' inputs", argv[2]);
            write_output(block, linear, block_linears()[i].site, x.view(), threads, out);
        }
    }
}

}  // namespace

int main(int argc, char** argv) {
    try {
        if (argc != 5) hb::fail("usage: linears MODEL IN.f32 ROWS OUT.f32");
        write_outputs(argv);
    } catch (const std::exception& error) {
        std::fprintf(stderr, "linears: %s\n", error.what());
        return 1;
    }
}
