// SPDX-License-Identifier: Apache-2.0
#include "calibration/stream.hpp"

#include <algorithm>

namespace hb {

Stream::Stream(const Settings& settings, const Checkpoint& checkpoint, const Kernels& kernels,
               Threads& threads, View<const std::int32_t> tokens,
               const std::filesystem::path& spill, bool on_disk)
    : settings_(settings),
      checkpoint_(checkpoint),
      run_(make_runtime(settings.config, kernels, threads, Precision::bf16)),
      lane_(settings.config, checkpoint, kernels, threads, tokens, spill, on_disk) {
    if (tokens.rows == 0) return;
    if (settings.steps.reference)
        reference_.emplace(settings.config, checkpoint, kernels, threads, tokens, spill, on_disk);
}

// Moves every sequence, in order, up to the site, and takes the statistics of its input.
SiteStatistics Stream::collect(const Block& block, const Block* dense, int site) {
    std::int64_t in = 0;
    for (const LinearName& linear : block_linears())
        if (linear.site == site) in = linear_shape(settings_.config, linear.name).in;
    if (!settings_.quantizer->needs_hessian) in = 0;
    SiteObserver observer(in, dense != nullptr, run_.threads->count());
    const auto [sequences, length] = std::pair(lane_.tokens().rows, lane_.tokens().cols);
    const std::int64_t chunk = observer.chunk(length);
    for (std::int64_t s = 0; s < sequences; ++s) {
        if (site == 1) lane_.attend_sequence(block, s);
        if (site == 1 && dense) reference_->attend_sequence(*dense, s);
        for (std::int64_t from = 0; from < length; from += chunk) {
            const std::int64_t end = std::min(from + chunk, length);
            observer.start(end - from);
            lane_.in_parts(
                from, end,
                [&](const Runtime& own, int thread, std::int64_t first, std::int64_t rows) {
                    const View<float> x =
                        lane_.enter_site(own, block, site, thread, s, first, rows);
                    Scratch& scratch = lane_.scratch(thread);
                    observe_site(own, block, site, x, scratch, observer.x(thread));
                    if (site == 3 && lane_.kept() == Lane::Kept::x3)
                        lane_.keep_hidden(thread, s, first);
                    if (dense) {
                        const View<float> y =
                            reference_->enter_site(own, *dense, site, thread, s, first, rows);
                        observe_site(own, *dense, site, y, reference_->scratch(thread),
                                     observer.reference(thread));
                    }
                    observer.take(*own.kernels, thread, first - from);
                });
            observer.add(*run_.kernels, *run_.threads);
        }
    }
    lane_.finish_site(site);
    if (dense) reference_->finish_site(site);
    totals_.hessian_flops += observer.flops();
    return observer.finish();
}

StreamTotals Stream::totals() const {
    StreamTotals totals = totals_;
    totals.linear_flops = lane_.linear_flops() + (reference_ ? reference_->linear_flops() : 0);
    return totals;
}

}  // namespace hb
