// SPDX-License-Identifier: Apache-2.0
// A request in a batch gets the tokens and the logits, to the bit, that it gets alone: for any
// number of sequences, chunk of prompt rows and threads, with and without shared prefixes, whatever
// the type of keys and values. The counts show that prefixes were shared.
#include "engine/batch.hpp"

#include <gtest/gtest.h>

#include <cstring>
#include <string>

#include "core/error.hpp"
#include "engine/random_model.hpp"

namespace hb {
namespace {

struct Output {
    std::vector<std::int32_t> tokens;
    std::vector<float> logits;
    End end = End::none;
    std::int64_t reused = 0;
};

constexpr std::int64_t kContext = 288;

// "NAME" or "NAME_int8", with such keys and values; "SCHEMEa8": weights in it, inputs in MXINT8.
Decoder decoder_of(const std::string& name, Threads& threads) {
    if (name.ends_with("_int8")) {
        Decoder decoder = decoder_of(name.substr(0, name.size() - 5), threads);
        decoder.kv = KvType::int8;
        return decoder;
    }
    const bool eight_bits = name.ends_with("a8");
    if (name != "mxfp4" && name != "nvfp4" && !eight_bits) {
        Decoder decoder = load_decoder(
            Checkpoint::open(std::string(HALFBYTE_TESTS_DIR) + "/engine/golden/" + name), threads);
        decoder.config.context = kContext;
        return decoder;
    }
    const Scheme& scheme = find_scheme(eight_bits ? name.substr(0, name.size() - 2) + "a16" : name);
    ModelConfig config = config_of(find_random_shape("llama-tiny"));
    config.context = kContext;
    RandomModelOptions options{&scheme, "hadamard:16", nullptr, 3};
    if (eight_bits)
        options.activations = find_activations("mxint8");
    else
        options.activation_rule = &find_scale_rule(scheme.activation_rule, scheme.family);
    return random_decoder(config, options, threads);
}

std::vector<std::int32_t> draw_prompt(const ModelConfig& c, std::int64_t length,
                                      std::uint64_t seed) {
    Random random{seed, 0};
    std::vector<std::int32_t> ids;
    while (static_cast<std::int64_t>(ids.size()) < length)
        ids.push_back(static_cast<std::int32_t>(random.uniform() * static_cast<double>(c.vocab)));
    return ids;
}

// Every length of a prompt that is special, some beginning alike, some alike, some at the context's
// end.
std::vector<BatchRequest> mixed_requests(const ModelConfig& c) {
    const auto common = draw_prompt(c, 100, 1);
    std::vector<BatchRequest> requests;
    std::uint64_t seed = 10;
    const auto add = [&](std::int64_t shared, std::int64_t own, std::int64_t count, Sampling s) {
        BatchRequest r;
        r.prompt.assign(common.begin(), common.begin() + shared);
        const auto rest = draw_prompt(c, own, ++seed);
        r.prompt.insert(r.prompt.end(), rest.begin(), rest.end());
        r.count = count;
        r.sampling = s;
        r.sampling.seed = seed;
        requests.push_back(std::move(r));
    };
    add(100, 3, 9, {});
    add(0, 1, 20, {1, 1, 0});
    add(100, 0, 5, {0.8f, 0.9f, 0});
    add(64, 40, 12, {});
    add(0, 140, 3, {1, 1, 5});
    add(33, 0, 40, {1, 1, 0});
    add(100, 3, 1, {});
    add(0, c.context - 4, 30, {1, 1, 0});
    add(64, 0, 7, {});
    add(100, 150, 4, {1, 1, 0});
    requests.push_back(requests[2]);
    requests.back().stop_ids = draw_prompt(c, c.vocab / 4, 99);
    return requests;
}

Output alone(const Decoder& decoder, const BatchRequest& r, Threads& threads) {
    Output out;
    const auto& stops = r.stop_ids;
    Sequence sequence = make_sequence(decoder, decoder.config.context);
    Scratch scratch;
    Matrix<float> hidden, row(1, decoder.config.vocab);
    Random random{r.sampling.seed, 0};
    std::vector<std::int32_t> pending = r.prompt;
    const std::int64_t room = decoder.config.context - static_cast<std::int64_t>(r.prompt.size());
    while (out.end == End::none) {
        const Request request{&sequence, pending};
        forward(decoder, pick_kernels(), threads, {&request, 1}, scratch, hidden);
        logits(decoder, pick_kernels(), threads, hidden.view().middle_rows(hidden.rows - 1, 1),
               scratch, row.view());
        const std::int32_t token = sample(row.values, r.sampling, random);
        out.tokens.push_back(token);
        out.logits.insert(out.logits.end(), row.values.begin(), row.values.end());
        pending = {token};
        const auto drawn = static_cast<std::int64_t>(out.tokens.size());
        if (is_end_token(decoder.config, token) ||
            std::find(stops.begin(), stops.end(), token) != stops.end())
            out.end = End::end_token;
        else if (drawn == r.count)
            out.end = End::count;
        else if (drawn == room)
            out.end = End::context;
    }
    return out;
}

std::vector<Output> together(Batch& batch, const std::vector<BatchRequest>& requests) {
    std::vector<Output> outputs(requests.size());
    std::int64_t first = -1;
    for (const BatchRequest& r : requests) {
        const std::int64_t number = batch.submit(r);
        if (first < 0) first = number;
    }
    for (int steps = 0; !batch.idle(); ++steps) {
        if (steps == 10000) {
            ADD_FAILURE() << "the batch does not end";
            break;
        }
        for (const Drawn& d : batch.step()) {
            Output& out = outputs[static_cast<std::size_t>(d.request - first)];
            EXPECT_EQ(out.end, End::none) << "a token after the end of request " << d.request;
            out.tokens.push_back(d.token);
            out.logits.insert(out.logits.end(), d.logits.begin(), d.logits.end());
            out.end = d.end;
            out.reused = d.reused;
        }
    }
    return outputs;
}

void expect_same(const std::vector<Output>& ours, const std::vector<Output>& wanted) {
    ASSERT_EQ(ours.size(), wanted.size());
    for (std::size_t i = 0; i < ours.size(); ++i) {
        EXPECT_EQ(ours[i].tokens, wanted[i].tokens) << "request " << i;
        EXPECT_EQ(ours[i].end, wanted[i].end) << "request " << i;
        ASSERT_EQ(ours[i].logits.size(), wanted[i].logits.size()) << "request " << i;
        EXPECT_EQ(0, std::memcmp(ours[i].logits.data(), wanted[i].logits.data(),
                                 ours[i].logits.size() * sizeof(float)))
            << "logits of request " << i;
    }
}

std::int64_t rows_of(const std::vector<BatchRequest>& requests) {
    std::int64_t rows = 0;
    for (const BatchRequest& r : requests) rows += static_cast<std::int64_t>(r.prompt.size());
    return rows;
}

class BatchOf : public testing::TestWithParam<std::string> {
protected:
    Threads one{1}, three{3};
    Decoder decoder = decoder_of(GetParam(), one);
    std::vector<BatchRequest> requests = mixed_requests(decoder.config);
    std::vector<Output> wanted;
    void SetUp() override {
        for (const BatchRequest& r : requests) wanted.push_back(alone(decoder, r, one));
    }
};

TEST_P(BatchOf, GivesEveryRequestTheBitsThatItGetsAlone) {
    for (const std::int64_t parallel : {1, 3, 8})
        for (const std::int64_t chunk : {7, 50, 256})
            for (Threads* threads : {&one, &three})
                for (const std::int64_t cache_bytes : {0, 1 << 28}) {
                    SCOPED_TRACE("parallel " + std::to_string(parallel) + ", chunk " +
                                 std::to_string(chunk) + ", threads " +
                                 std::to_string(threads->count()) + ", cache " +
                                 std::to_string(cache_bytes));
                    Batch batch(decoder, pick_kernels(), *threads, {parallel, chunk, cache_bytes});
                    expect_same(together(batch, requests), wanted);
                    const BatchCounts& n = batch.counts();
                    EXPECT_EQ(n.prompt_rows + n.reused, rows_of(requests));
                    if (cache_bytes == 0)
                        EXPECT_EQ(n.reused, 0);
                    else  // of requests 2, 3, 5, 6, 8, 9, 10
                        EXPECT_EQ(n.reused, 96 + 64 + 32 + 96 + 32 + 96 + 96);
                }
}

TEST_P(BatchOf, AgreesWithGenerate) {
    for (std::size_t i = 0; i < requests.size(); ++i) {
        if (!requests[i].stop_ids.empty()) continue;
        std::vector<std::int32_t> tokens;
        generate(decoder, pick_kernels(), one, requests[i].prompt, requests[i].count,
                 requests[i].sampling, [&](std::int32_t token) {
                     tokens.push_back(token);
                     return true;
                 });
        auto ours = wanted[i].tokens;
        if (wanted[i].end == End::end_token) ours.pop_back();
        EXPECT_EQ(tokens, ours) << "request " << i;
    }
}

INSTANTIATE_TEST_SUITE_P(Every, BatchOf,
                         testing::Values("mxfp4", "nvfp4", "llama", "mistral", "qwen2",
                                         "mxfp4_int8", "mistral_int8", "mxfp4a8", "nvfp4a8"),
                         [](const auto& model) { return model.param; });

class Sharing : public testing::Test {
protected:
    Threads threads{1};
    Decoder decoder = decoder_of("mxfp4", threads);
    std::vector<std::int32_t> common = draw_prompt(decoder.config, 200, 5);
    BatchRequest request(std::int64_t shared, std::uint64_t seed, std::int64_t count = 4) const {
        BatchRequest r{{common.begin(), common.begin() + shared}, count, {}, {}};
        const auto own = draw_prompt(decoder.config, 5, seed);
        r.prompt.insert(r.prompt.end(), own.begin(), own.end());
        return r;
    }
};

TEST_F(Sharing, PromptsThatStartTogetherComputeTheirPrefixOnce) {
    Batch batch(decoder, pick_kernels(), threads, {8, 64});
    std::vector<BatchRequest> requests;
    for (std::uint64_t i = 0; i < 8; ++i) requests.push_back(request(200, 20 + i));
    together(batch, requests);
    EXPECT_EQ(batch.counts().reused, 7 * 192);
    EXPECT_EQ(batch.counts().prompt_rows, 205 + 7 * 13);
}

TEST_F(Sharing, AFinishedConversationGoesOnWhereItStood) {
    Batch batch(decoder, pick_kernels(), threads, {});
    BatchRequest turn = request(120, 1, 30);
    const auto first = together(batch, {turn});
    turn.prompt.insert(turn.prompt.end(), first[0].tokens.begin(), first[0].tokens.end());
    const auto user = draw_prompt(decoder.config, 9, 2);
    turn.prompt.insert(turn.prompt.end(), user.begin(), user.end());
    const auto second = together(batch, {turn});
    EXPECT_EQ(second[0].reused, (125 + 29) / 32 * 32);  // the last token drawn was never fed
    expect_same(second, {alone(decoder, turn, threads)});
}

TEST_F(Sharing, TheOneNotUsedForTheLongestTimeGoesFirst) {
    const std::int64_t bytes = bytes_of(make_sequence(decoder, 69));
    PrefixCache cache(2 * bytes);
    const auto put = [&](std::uint64_t seed) {
        Past past{draw_prompt(decoder.config, 64, seed), make_sequence(decoder, 69)};
        past.sequence.length = 64;
        cache.keep(std::move(past));
    };
    const auto held = [&](std::uint64_t seed) {
        return cache.find(draw_prompt(decoder.config, 69, seed)).positions;
    };
    put(1);
    put(2);
    EXPECT_EQ(held(1), 64);
    put(3);
    EXPECT_EQ(held(2), 0);
    EXPECT_EQ(held(1), 64);
    EXPECT_EQ(held(3), 64);
    EXPECT_EQ(cache.bytes(), 2 * bytes);
    put(1);  // nothing twice
    EXPECT_EQ(cache.bytes(), 2 * bytes);
    PrefixCache none(bytes - 1);
    none.keep({draw_prompt(decoder.config, 64, 1), make_sequence(decoder, 69)});
    EXPECT_EQ(none.bytes(), 0);
}

TEST_F(Sharing, WholeBlocksAndNeverTheWholePrompt) {
    const std::span<const std::int32_t> all = common;
    EXPECT_EQ(shared_positions(all, 200, all.first(64)), 32);
    EXPECT_EQ(shared_positions(all, 200, all.first(65)), 64);
    EXPECT_EQ(shared_positions(all, 63, all.first(65)), 32);
    EXPECT_EQ(shared_positions(all.first(70), 70, all), 64);
    EXPECT_EQ(shared_positions(all, 200, all.subspan(1)), 0);
    EXPECT_EQ(shared_positions(all, 200, all.first(1)), 0);
    EXPECT_EQ(shared_positions(all, 0, all), 0);
}

TEST_F(Sharing, ACancelledRequestLeavesAndIsStillShared) {
    Batch batch(decoder, pick_kernels(), threads, {1, 100});
    const std::int64_t cut = batch.submit(request(200, 1));
    const std::int64_t never = batch.submit(request(200, 2));
    EXPECT_TRUE(batch.step().empty());
    batch.cancel(cut);
    batch.cancel(never);
    EXPECT_TRUE(batch.idle());
    EXPECT_TRUE(batch.step().empty());
    const BatchRequest next = request(200, 3);
    const auto out = together(batch, {next});
    EXPECT_EQ(out[0].reused, 96);
    expect_same(out, {alone(decoder, next, threads)});
}

TEST_F(Sharing, ALongAnswerGetsMoreRoom) {
    decoder.config.context = 600;
    for (const std::int64_t length : {1, 33}) {
        BatchRequest r{draw_prompt(decoder.config, length, 1), 400, {1, 1, 0, 7}, {}};
        Batch batch(decoder, pick_kernels(), threads, {2});
        expect_same(together(batch, {r, r}), {2, alone(decoder, r, threads)});
    }
}

TEST_F(Sharing, DecodingDoesNotWaitForALongPrompt) {
    Batch batch(decoder, pick_kernels(), threads, {2, 16});
    const std::int64_t first = batch.submit({{1, 2, 3}, 50, {}, {}});
    ASSERT_EQ(batch.step().size(), 1u);
    batch.submit(request(200, 1));
    for (int i = 0; i < 12; ++i) {
        const auto drawn = batch.step();
        ASSERT_EQ(drawn.size(), 1u) << i;
        EXPECT_EQ(drawn[0].request, first);
    }
    EXPECT_EQ(batch.step().size(), 2u);
}

TEST_F(Sharing, WhatCannotRunIsRefusedAtOnce) {
    Batch batch(decoder, pick_kernels(), threads, {});
    EXPECT_THROW(batch.submit({{}, 1, {}, {}}), Error);
    EXPECT_THROW(batch.submit({{1, -1}, 1, {}, {}}), Error);
    EXPECT_THROW(batch.submit({{1, 512}, 1, {}, {}}), Error);
    EXPECT_THROW(batch.submit({{1}, 0, {}, {}}), Error);
    EXPECT_THROW(batch.submit({draw_prompt(decoder.config, kContext, 1), 1, {}, {}}), Error);
    EXPECT_TRUE(batch.idle());
    EXPECT_THROW(Batch(decoder, pick_kernels(), threads, {0, 1}), Error);
    EXPECT_THROW(Batch(decoder, pick_kernels(), threads, {1, 0}), Error);
}

}  // namespace
}  // namespace hb
