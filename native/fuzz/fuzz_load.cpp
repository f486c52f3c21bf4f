// Feeds bytes to the loader, and runs what it takes, on a tiny picture in each form that a caller may
// give it. The checksum of each input is set right first, or no change would get past it.
//
//   cmake -S . -B build/fuzz -G Ninja -DCMAKE_C_COMPILER=clang -DCMAKE_CXX_COMPILER=clang++ \
//     -DONLOOKER_FUZZ=ON -DONLOOKER_SANITIZE=address,undefined && ninja -C build/fuzz fuzz_load
//   build/fuzz/native/fuzz_load -max_len=20000 CORPUS
#include <cstdint>
#include <cstring>
#include <vector>

#include "checksum.h"
#include "onlooker.h"

namespace {

// Multiply-accumulates and bytes: beyond, a run would only be long.
constexpr int64_t most_products = 1 << 17, most_bytes = 1 << 24;

void run(const onlooker_model* model, const onlooker_model_facts& model_facts, int threads,
         int height, int width) {
    onlooker_session* session = onlooker_session_new(model, threads, height, width);
    if (!session) return;
    onlooker_session_facts facts;
    onlooker_session_ask(session, &facts);
    int64_t work = 0;
    for (int i = 0; i < model_facts.nodes && work <= most_products; ++i) {
        onlooker_node_facts node;
        onlooker_node_ask(session, i, &node);
        work += node.products + int64_t{node.height} * node.width * node.channels * node.outlets;
        if (node.kernel_height == 0) work += most_bytes / 64;
    }
    const int64_t results =
        int64_t{facts.result_channels} * facts.result_height * facts.result_width;
    if (work <= most_products && facts.arena_bytes <= most_bytes && results <= most_bytes / 4) {
        // Of the size that the engine may read, to the byte: memory behind is not theirs.
        const std::vector<float> picture(int64_t{model_facts.input_channels} * height * width, 0.25f);
        const std::vector<uint8_t> bytes(picture.size(), 64);
        const std::vector<float> values(int64_t{256} * model_facts.input_channels, -0.5f);
        std::vector<float> result(results);
        onlooker_run(session, ONLOOKER_PLANES, picture.data(), nullptr, 1, result.data());
        onlooker_run(session, ONLOOKER_PIXELS, picture.data(), nullptr, 1, result.data());
        onlooker_run(session, ONLOOKER_BYTES, bytes.data(), nullptr, 1, result.data());
        onlooker_run(session, ONLOOKER_BYTES, bytes.data(), values.data(), 1, result.data());
    }
    onlooker_session_free(session);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    std::vector<uint8_t> file(data, data + size);
    if (size >= 24) {
        const uint64_t length = size;
        std::memcpy(&file[16], &length, 8);
        const uint32_t sum = onlooker::checksum(&file[16], size - 16);
        std::memcpy(&file[12], &sum, 4);
    }
    for (const char* kernels : {"reference", static_cast<const char*>(nullptr)}) {
        onlooker_model* model = onlooker_open_buffer(file.data(), file.size(), kernels);
        if (!model) continue;
        onlooker_model_facts facts;
        onlooker_model_ask(model, &facts);
        // Where the file leaves the size open: a small picture, and one wide enough for bands.
        constexpr int sizes[][2] = {{9, 11}, {40, 130}};
        for (const auto& size : sizes) {
            const int height = facts.input_height ? facts.input_height : size[0];
            const int width = facts.input_width ? facts.input_width : size[1];
            if (height <= 64 && width <= 256 && facts.input_channels <= 64)
                run(model, facts, kernels ? 1 : 2, height, width);
            if (facts.input_height && facts.input_width) break;
        }
        onlooker_close(model);
    }
    return 0;
}
