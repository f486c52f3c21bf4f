// Kernels for AVX-512 with VPOPCNTDQ and VNNI: counts and products of bytes are instructions there,
// so all weights are used as they lie in the file. ONLOOKER_SIMDE builds the same source on SIMDe's
// emulation, for tests on other machines.
#include <stddef.h>
#include <stdint.h>
#ifdef ONLOOKER_SIMDE
#define SIMDE_ENABLE_NATIVE_ALIASES
#include <simde/x86/avx512.h>
#define ONLOOKER_TABLE onlooker_kernels_simde
#define ONLOOKER_NAME "avx512 on SIMDe"
#else
#include <immintrin.h>
#define ONLOOKER_TABLE onlooker_kernels_avx512
#define ONLOOKER_NAME "avx512"
#endif

#if defined(__GNUC__) && !defined(__clang__)
// GCC's own header, up to version 12, makes its undefined vectors by reading them (its bug 105593).
#pragma GCC diagnostic ignored "-Wuninitialized"
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#endif

#include "kernels_math.h"

namespace {

typedef __m512 vec;
const int LANES = 16;
const uint32_t TILE = 24;

inline vec load(const float *p) { return _mm512_loadu_ps(p); }
inline void store(float *p, vec v) { _mm512_storeu_ps(p, v); }
inline vec splat(float x) { return _mm512_set1_ps(x); }
inline vec add(vec a, vec b) { return _mm512_add_ps(a, b); }
inline vec multiply(vec a, vec b) { return _mm512_mul_ps(a, b); }
inline vec divide(vec a, vec b) { return _mm512_div_ps(a, b); }
inline vec larger(vec a, vec b) { return _mm512_max_ps(a, b); }
inline vec smaller(vec a, vec b) { return _mm512_min_ps(a, b); }

#ifdef ONLOOKER_SIMDE // which lacks these
inline vec from_i32(const int32_t *p) {
    float values[16];
    for (int i = 0; i < 16; i++) values[i] = static_cast<float>(p[i]);
    return load(values);
}

inline vec from_i16(const int16_t *p) {
    float values[16];
    for (int i = 0; i < 16; i++) values[i] = static_cast<float>(p[i]);
    return load(values);
}

inline void store_i16(int16_t *p, __m512i v) {
    int64_t values[8];
    _mm512_storeu_si512(values, v);
    for (int i = 0; i < 8; i++) p[i] = static_cast<int16_t>(values[i]);
}
#else
inline vec from_i32(const int32_t *p) { return _mm512_cvtepi32_ps(_mm512_loadu_si512(p)); }

inline vec from_i16(const int16_t *p) {
    const __m256i v = _mm256_loadu_si256(reinterpret_cast<const __m256i *>(p));
    return _mm512_cvtepi32_ps(_mm512_cvtepi16_epi32(v));
}

inline void store_i16(int16_t *p, __m512i v) {
    _mm_storeu_si128(reinterpret_cast<__m128i *>(p), _mm512_cvtepi64_epi16(v));
}
#endif

inline uint64_t at_least_f32(const float *a, const float *b) {
    uint64_t bits = 0;
    for (int i = 0; i < 64; i += 16)
        bits |= static_cast<uint64_t>(_mm512_cmp_ps_mask(load(a + i), load(b + i), _CMP_GE_OQ))
                << i;
    return bits;
}

inline uint64_t at_least_i16(const int16_t *a, const int16_t *b) {
    const __mmask32 low = _mm512_cmpge_epi16_mask(_mm512_loadu_si512(a), _mm512_loadu_si512(b));
    const __mmask32 high =
        _mm512_cmpge_epi16_mask(_mm512_loadu_si512(a + 32), _mm512_loadu_si512(b + 32));
    return static_cast<uint64_t>(low) | static_cast<uint64_t>(high) << 32;
}

// A loop that compilers make vectors of.
inline void quantize(const float *v, const float *inverse, const float *zero, uint8_t *into) {
    for (int i = 0; i < 64; i++) into[i] = onlooker_quantize(v[i], inverse[i], zero[i]);
}

}  // namespace

#include "kernels_common.h"

namespace {

// Eight sums hide the latency of two multiplications a cycle, and eight pointers leave registers
// for the loop. Not inlined: constants of the surroundings would take the registers of sums.
const int FLOAT_PIXELS = 8;
const int QUANTIZED_PIXELS = 8;

template <int pixels>
__attribute__((noinline)) void float_block(const unsigned char *const *from, const window &w,
                                           const float *weights, float *into, size_t stride) {
    vec sum[pixels];
    for (int p = 0; p < pixels; p++) sum[p] = splat(0.0f);
    for (uint32_t i = 0; i < w.down; i++) {
        for (uint32_t j = 0; j < w.right; j++) {
            const ptrdiff_t offset = i * w.row + j * w.column;
            const ptrdiff_t end = offset + static_cast<ptrdiff_t>(w.length * 4);
            for (ptrdiff_t at = offset; at < end; at += 4, weights += 16) {
                const vec w0 = load(weights);
                for (int p = 0; p < pixels; p++)
                    sum[p] = _mm512_fmadd_ps(
                        splat(*reinterpret_cast<const float *>(from[p] + at)), w0, sum[p]);
            }
        }
    }
    for (int p = 0; p < pixels; p++) store(into + p * stride, sum[p]);
}

template <int pixels>
__attribute__((noinline)) void quantized_block(const unsigned char *const *from, const window &w,
                            const int8_t *weights, int32_t *into, size_t stride) {
    __m512i sum[pixels];
    for (int p = 0; p < pixels; p++) sum[p] = _mm512_setzero_si512();
    for (uint32_t i = 0; i < w.down; i++) {
        for (uint32_t j = 0; j < w.right; j++) {
            const ptrdiff_t offset = i * w.row + j * w.column;
            const ptrdiff_t end = offset + static_cast<ptrdiff_t>(w.length);
            for (ptrdiff_t at = offset; at < end; at += 4, weights += 64) {
                const __m512i w0 = _mm512_loadu_si512(weights);
                for (int p = 0; p < pixels; p++) {
                    int32_t four;
                    __builtin_memcpy(&four, from[p] + at, 4);
                    sum[p] = _mm512_dpbusd_epi32(sum[p], _mm512_set1_epi32(four), w0);
                }
            }
        }
    }
    for (int p = 0; p < pixels; p++) _mm512_storeu_si512(into + p * stride, sum[p]);
}

}  // namespace

#include "kernels_nodes.h"

namespace {

const int BINARY_PIXELS = 6;
const int BINARY_BLOCKS = 4; // of eight channels; with six pixels 24 sums and four weights

// Dot products of `pixels` windows with `blocks` blocks of weights, `block` words apart.
template <int pixels, int blocks>
__attribute__((noinline)) void binary_block(const unsigned char *const *from, const window &w,
                         const uint64_t *weights, size_t block, int length, int16_t *into,
                         size_t stride) {
    __m512i sum[pixels][blocks];
    for (int p = 0; p < pixels; p++)
        for (int b = 0; b < blocks; b++) sum[p][b] = _mm512_setzero_si512();
    for (uint32_t i = 0; i < w.down; i++) {
        for (uint32_t j = 0; j < w.right; j++) {
            const ptrdiff_t offset = i * w.row + j * w.column;
            const ptrdiff_t end = offset + static_cast<ptrdiff_t>(w.length * 8);
            for (ptrdiff_t at = offset; at < end; at += 8, weights += 8) {
                __m512i words[blocks];
                for (int b = 0; b < blocks; b++)
                    words[b] = _mm512_loadu_si512(weights + b * block);
                for (int p = 0; p < pixels; p++) {
                    const __m512i bits =
                        _mm512_set1_epi64(*reinterpret_cast<const int64_t *>(from[p] + at));
                    for (int b = 0; b < blocks; b++)
                        sum[p][b] = _mm512_add_epi64(
                            sum[p][b], _mm512_popcnt_epi64(_mm512_xor_si512(words[b], bits)));
                }
            }
        }
    }
    const __m512i longest = _mm512_set1_epi64(length);
    for (int p = 0; p < pixels; p++) {
        for (int b = 0; b < blocks; b++) {
            const __m512i dots = _mm512_sub_epi64(longest, _mm512_slli_epi64(sum[p][b], 1));
            store_i16(into + p * stride + b * 8, dots);
        }
    }
}

}  // namespace

#include "kernels_words.h"

extern "C" {
extern const onlooker_kernels ONLOOKER_TABLE;
const onlooker_kernels ONLOOKER_TABLE = {
    ONLOOKER_NAME,
    ONLOOKER_CPU_AVX512,
    prepared_bytes,
    prepare,
    scratch_bytes,
    {run_pointwise, run_binary, run_convolution, run_quantized, run_pooling<true>,
     run_pooling<false>, run_pointwise, run_gather},
    TILE,
};
}
