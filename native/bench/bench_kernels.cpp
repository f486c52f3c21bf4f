// Speed of the kernels, one thread, beside what the CPU could do at most.
//
//   bench_kernels [words to look for in a case's name, "" for all] [rounds = 10]
//
// Operations are multiplications and additions, each XNOR with its count being two. The peak of
// binary kernels is that of their innermost instructions, run from registers alone. Everything is
// measured once a round, and the best of the rounds counts: a core that is shared with somebody
// else's thread computes vectors at half its speed, for seconds at a time.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <random>
#include <vector>

#include "../src/kernels.h"

#if defined(__x86_64__)
#include <immintrin.h>
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic ignored "-Wuninitialized" // of GCC 12's own header
#endif
#elif defined(__aarch64__)
#include <arm_neon.h>
#endif

namespace {

double now() {
    return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch())
        .count();
}

// Seconds of the fastest of the calls that fit a short while.
template <typename F>
double fastest(F call) {
    double best = 1e9;
    const double end = now() + 0.02;
    for (int calls = 0; calls < 3 || now() < end; calls++) {
        const double start = now();
        call();
        best = std::min(best, now() - start);
    }
    return best;
}

volatile unsigned sink;

#if defined(__x86_64__)
// Three lookups for two pixels, 32 channels: 768 XNORs in nine instructions, as in the kernel.
__attribute__((target("avx2"), noinline)) void peak_avx2(int steps) {
    const __m256i mask = _mm256_set1_epi8(15);
    __m256i both[4], high[4], words = _mm256_set1_epi8(static_cast<char>(steps & 7));
    __m256i table = _mm256_set1_epi8(0x12);
    for (int v = 0; v < 4; v++) both[v] = high[v] = _mm256_setzero_si256();
    for (int i = 0; i < steps; i++) {
        for (int v = 0; v < 4; v++) {
            // Opaque to the compiler, or it would move the lookups out of the loop.
            __asm__ volatile("" : "+x"(words), "+x"(table));
            __m256i sum = _mm256_shuffle_epi8(table, words);
            __asm__ volatile("" : "+x"(words), "+x"(table));
            sum = _mm256_add_epi8(sum, _mm256_shuffle_epi8(table, words));
            __asm__ volatile("" : "+x"(words), "+x"(table));
            sum = _mm256_add_epi8(sum, _mm256_shuffle_epi8(table, words));
            both[v] = _mm256_add_epi8(both[v], sum);
            high[v] = _mm256_add_epi8(high[v], _mm256_and_si256(_mm256_srli_epi16(sum, 4), mask));
        }
    }
    for (int v = 0; v < 4; v++)
        sink = static_cast<unsigned>(_mm256_movemask_epi8(_mm256_xor_si256(both[v], high[v])));
}

__attribute__((target("avx512f,avx512vpopcntdq"), noinline)) void peak_avx512(int steps) {
    __m512i sum[12], words = _mm512_set1_epi64(steps);
    for (int v = 0; v < 12; v++) sum[v] = _mm512_setzero_si512();
    for (int i = 0; i < steps; i++) {
        for (int v = 0; v < 12; v++) {
            __asm__ volatile("" : "+v"(words));
            sum[v] = _mm512_add_epi64(
                sum[v], _mm512_popcnt_epi64(_mm512_xor_si512(words, _mm512_set1_epi64(3))));
        }
    }
    for (int v = 0; v < 12; v++)
        sink = static_cast<unsigned>(_mm_cvtsi128_si32(_mm512_castsi512_si128(sum[v])));
}
#elif defined(__aarch64__)
__attribute__((noinline)) void peak_neon(int steps) {
    uint8x16_t sum[12], words = vdupq_n_u8(static_cast<uint8_t>(steps));
    for (int v = 0; v < 12; v++) sum[v] = vdupq_n_u8(0);
    for (int i = 0; i < steps; i++) {
        for (int v = 0; v < 12; v++) {
            __asm__ volatile("" : "+w"(words));
            sum[v] = vaddq_u8(sum[v], vcntq_u8(veorq_u8(words, vdupq_n_u8(3))));
        }
    }
    for (int v = 0; v < 12; v++) sink = vaddvq_u8(sum[v]);
}
#endif

// Operations in a second, 0 where it is not known.
double peak(const char *name) {
    const int steps = 30000; // a tenth of a millisecond: seldom interrupted
#if defined(__x86_64__)
    if (!std::strcmp(name, "avx2"))
        return 2.0 * 768 * 4 * steps / fastest([] { peak_avx2(steps); });
    if (!std::strcmp(name, "avx512"))
        return 2.0 * 512 * 12 * steps / fastest([] { peak_avx512(steps); });
#elif defined(__aarch64__)
    if (!std::strcmp(name, "neon"))
        return 2.0 * 128 * 12 * steps / fastest([] { peak_neon(steps); });
#endif
    return 0;
}

enum outlets { BITS, INTEGERS, VALUE_AND_RESIDUAL, VALUE, QUANTIZED };
const char *const outlet_names[] = {"bits", "i16", "value + residual", "value", "u8"};

struct measured {
    const char *name;
    uint32_t operation, height, width, in, out, kernel, stride;
    enum outlets outlets;
};

const measured cases[] = {
    {"binary product 3072 x 256, 2304 long", 1, 48, 64, 2304, 256, 1, 1, INTEGERS},
    {"binary 3x3, 64 of 56x56", 1, 56, 56, 64, 64, 3, 1, BITS},
    {"binary 3x3, 64 of 56x56", 1, 56, 56, 64, 64, 3, 1, VALUE_AND_RESIDUAL},
    {"binary 3x3, 128 of 28x28", 1, 28, 28, 128, 128, 3, 1, BITS},
    {"binary 3x3, 128 of 28x28", 1, 28, 28, 128, 128, 3, 1, VALUE_AND_RESIDUAL},
    {"binary 3x3, 256 of 14x14", 1, 14, 14, 256, 256, 3, 1, BITS},
    {"binary 3x3, 256 of 14x14", 1, 14, 14, 256, 256, 3, 1, VALUE_AND_RESIDUAL},
    {"binary 3x3, 256 of 28x28", 1, 28, 28, 256, 256, 3, 1, BITS},
    {"binary 3x3, 512 of 7x7", 1, 7, 7, 512, 512, 3, 1, BITS},
    {"binary 3x3, 512 of 7x7", 1, 7, 7, 512, 512, 3, 1, VALUE_AND_RESIDUAL},
    {"binary 3x3, 256 to 64 of 28x28", 1, 28, 28, 256, 64, 3, 1, VALUE},
    {"binary 3x3, 64 to 128 of 56x56, stride 2", 1, 56, 56, 64, 128, 3, 2, BITS},
    {"float 3x3, 64 of 28x28", 2, 28, 28, 64, 64, 3, 1, VALUE},
    {"float 1x1, 256 to 128 of 28x28", 2, 28, 28, 256, 128, 1, 1, VALUE},
    {"float 1x1, 512 to 1000 of 1x1", 2, 1, 1, 512, 1000, 1, 1, VALUE},
    {"u8 7x7, 3 to 64 of 224x224, stride 2", 3, 224, 224, 3, 64, 7, 2, VALUE},
    {"u8 1x1, 64 to 128 of 28x28", 3, 28, 28, 64, 128, 1, 1, VALUE},
    {"u8 3x3, 64 of 28x28", 3, 28, 28, 64, 64, 3, 1, QUANTIZED},
    {"max pooling 3x3, 64 of 112x112, stride 2", 4, 112, 112, 64, 64, 3, 2, VALUE},
    {"average pooling 7x7, 512", 5, 7, 7, 512, 512, 7, 1, VALUE},
    {"pointwise, 256 of 28x28", 6, 28, 28, 256, 256, 1, 1, BITS},
};

// Memory that starts at a multiple of 64.
struct memory {
    std::vector<unsigned char> bytes;
    unsigned char *data;
    explicit memory(size_t size) : bytes(size + 64) {
        data = bytes.data();
        while (reinterpret_cast<uintptr_t>(data) % 64) data++;
    }
};

// Seconds that the case takes.
double bench(const onlooker_kernels &table, const measured &m) {
    std::mt19937 random(1);
    onlooker_node n{};
    n.operation = m.operation;
    n.input_height = m.height;
    n.input_width = m.width;
    n.input_channels = m.in;
    n.channels = m.out;
    n.kernel_height = n.kernel_width = m.kernel;
    n.stride_down = n.stride_right = m.stride;
    const uint32_t padding = m.kernel < m.height ? m.kernel / 2 : 0;
    n.padding_above = n.padding_left = padding;
    n.dilation_down = n.dilation_right = n.groups = 1;
    n.height = (m.height + 2 * padding - m.kernel) / m.stride + 1;
    n.width = (m.width + 2 * padding - m.kernel) / m.stride + 1;
    const size_t words = (m.in + 63) / 64, taps = m.kernel * m.kernel;
    const size_t pixel = m.operation == ONLOOKER_BINARY_CONVOLUTION      ? words * 8
                         : m.operation == ONLOOKER_QUANTIZED_CONVOLUTION ? m.in
                                                                         : m.in * 4;
    n.input_kind = m.operation == ONLOOKER_BINARY_CONVOLUTION      ? ONLOOKER_BITS
                   : m.operation == ONLOOKER_QUANTIZED_CONVOLUTION ? ONLOOKER_U8
                                                                   : ONLOOKER_F32;
    memory input(pixel * (m.height + 2 * padding) * (m.width + 2 * padding) + 128);
    n.input.pixel = static_cast<ptrdiff_t>(pixel);
    n.input.row = n.input.pixel * static_cast<ptrdiff_t>(m.width + 2 * padding);
    n.input.data = input.data + 64 + padding * static_cast<size_t>(n.input.row + n.input.pixel);
    memory weights(((m.out + 15) / 16 * 16 + 64) * taps * (words * 64 + 64) * 4);
    if (n.input_kind == ONLOOKER_F32) {
        for (size_t i = 0; i < input.bytes.size() / 4 - 16; i++)
            reinterpret_cast<float *>(input.data)[i] = static_cast<float>(random() % 255) - 127;
        for (size_t i = 0; i < weights.bytes.size() / 4 - 16; i++)
            reinterpret_cast<float *>(weights.data)[i] = static_cast<float>(random() % 255) - 127;
    } else {
        for (auto &byte : input.bytes) byte = static_cast<unsigned char>(random());
        // About as trained weights are: normal, the largest of thousands being 63.
        std::normal_distribution<float> normal(0.0f, 17.0f);
        for (auto &byte : weights.bytes)
            byte = m.operation == ONLOOKER_BINARY_CONVOLUTION
                       ? static_cast<unsigned char>(random())
                       : static_cast<unsigned char>(
                             static_cast<int>(std::clamp(normal(random), -63.0f, 63.0f)));
    }
    n.weights = weights.data;
    std::vector<float> scale(m.out, 0.5f), shift(m.out, 0.1f), zeros(m.out, 3.0f);
    std::vector<int32_t> thresholds(m.out);
    for (auto &threshold : thresholds) threshold = static_cast<int32_t>(random() % 40) - 20;
    std::vector<unsigned char> flips(m.out / 8 + 1, 0x5a);
    n.scale = scale.data();
    n.shift = shift.data();
    onlooker_outlet outlet{};
    outlet.groups = 1;
    memory output(n.height * n.width * (size_t(m.out) + 64) * 4), residual(output.bytes.size());
    std::memset(residual.data, 0, output.bytes.size() - 64);
    outlet.map.data = output.data;
    size_t each = m.out * 4;
    switch (m.outlets) {
        case BITS:
            outlet.kind = m.operation == ONLOOKER_BINARY_CONVOLUTION ? ONLOOKER_BITS_BY_INTEGER
                                                                     : ONLOOKER_BITS_BY_FLOAT;
            outlet.thresholds = thresholds.data();
            if (outlet.kind == ONLOOKER_BITS_BY_FLOAT) outlet.thresholds = shift.data();
            outlet.flips = flips.data();
            each = (m.out + 63) / 64 * 8;
            break;
        case INTEGERS:
            outlet.kind = ONLOOKER_INTEGER;
            each = m.out * 2;
            break;
        case QUANTIZED:
            outlet.kind = ONLOOKER_QUANTIZE;
            outlet.thresholds = scale.data();
            outlet.flips = zeros.data();
            each = m.out;
            break;
        case VALUE_AND_RESIDUAL:
            n.residual.data = residual.data;
            n.residual.pixel = static_cast<ptrdiff_t>(m.out * 4);
            n.residual.row = n.residual.pixel * n.width;
            break;
        case VALUE: break;
    }
    outlet.map.pixel = static_cast<ptrdiff_t>(each);
    outlet.map.row = outlet.map.pixel * n.width;
    n.outlets = &outlet;
    n.outlet_count = 1;
    memory prepared(table.prepared_bytes(&n)), scratch(table.scratch_bytes(&n));
    table.prepare(&n, prepared.data);
    n.prepared = prepared.data;
    const onlooker_rectangle all = {0, n.height * n.width, 0, n.channels};
    return fastest([&] { table.run[n.operation](&n, &all, scratch.data); });
}

double operations(const measured &m) {
    const uint32_t padding = m.kernel < m.height ? m.kernel / 2 : 0;
    const double height = (m.height + 2 * padding - m.kernel) / m.stride + 1;
    const double width = (m.width + 2 * padding - m.kernel) / m.stride + 1;
    const double each = m.operation <= ONLOOKER_QUANTIZED_CONVOLUTION ? 2.0 * m.in
                        : m.operation == ONLOOKER_POINTWISE           ? 2.0
                                                                      : 1.0;
    return each * m.kernel * m.kernel * height * width * m.out;
}

}  // namespace

int main(int count, char **values) {
    const char *wanted = count > 1 ? values[1] : "";
    const int rounds = count > 2 ? std::atoi(values[2]) : 10;
    std::vector<const onlooker_kernels *> tables(8);
    tables.resize(onlooker_kernels_usable(tables.data(), tables.size()));
    for (const onlooker_kernels *table : tables) {
        // One to three operations in a nanosecond are not worth the wait.
        if (!std::strcmp(table->name, "reference")) continue;
        double highest = 0;
        std::vector<double> seconds(sizeof cases / sizeof *cases, 1e9);
        for (int round = 0; round < rounds; round++) {
            highest = std::max(highest, peak(table->name));
            for (size_t i = 0; i < seconds.size(); i++)
                if (std::strstr(cases[i].name, wanted))
                    seconds[i] = std::min(seconds[i], bench(*table, cases[i]));
        }
        std::printf("%-7s binary peak, from registers: %.0f Gop/s\n", table->name, highest / 1e9);
        for (size_t i = 0; i < seconds.size(); i++) {
            const measured &m = cases[i];
            if (!std::strstr(m.name, wanted)) continue;
            const double speed = operations(m) / seconds[i];
            std::printf("%-7s %-42s %-17s %9.1f us %8.1f Gop/s", table->name, m.name,
                        outlet_names[m.outlets], seconds[i] * 1e6, speed / 1e9);
            if (m.operation == ONLOOKER_BINARY_CONVOLUTION)
                std::printf(" %5.1f %%", 100 * speed / highest);
            std::printf("\n");
        }
    }
    return 0;
}
