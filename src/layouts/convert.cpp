// SPDX-License-Identifier: Apache-2.0
#include "layouts/convert.hpp"

#include "core/error.hpp"

namespace hb {

Conversion convert(const std::string& in, const std::filesystem::path& out, const Layout& to,
                   const WriteOptions& options) {
    if (options.q8_head && to.name != "gguf")
        fail("--head q8_0 is for --to gguf; {} keeps embedding and head in 16 bits", to.name);
    const auto from = Checkpoint::open(in);
    const Contents contents = contents_of(from);
    Conversion result;
    result.notes = to.write(contents, out, options);
    const auto back = Checkpoint::open(out.string());
    result.proof = compare(contents, contents_of(back));
    const Proof& p = result.proof;
    if (p.recoded > 0)
        fail(
            "{}: {} of {} quantized linears have other codes, scales or divisors than {}: this is "
            "a defect of halfbyte; do not use the copy",
            out.string(), p.recoded, p.coded, in);
    if (p.digest_in != p.digest_out && !options.allow_loss)
        fail(
            "{}: values differ from {} by up to {}: this is a defect of halfbyte; do not use the "
            "copy",
            out.string(), in, p.largest);
    return result;
}

}  // namespace hb
