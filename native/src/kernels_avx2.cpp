// Kernels for AVX2 and FMA.
//
// There is no vector popcount, so binary convolutions look their counts up, four channels at once,
// and for two pixels in one step: for the four bits that each of two pixels has, a table of 16
// bytes says for each possible nibble of weights how many bits differ, pixel 0 in the low half of
// the byte and pixel 1 in the high half. A shuffle of that table by the nibbles of 32 output
// channels does 256 XNORs. Three of them are added before the halves must be taken apart: nine
// instructions for 768 XNORs, all of them on ports that Zen and Intel have at least two of.
#include <stddef.h>
#include <stdint.h>
#include <immintrin.h>

namespace {

typedef __m256 vec;
const int LANES = 8;
const uint32_t TILE = 24;

inline vec load(const float *p) { return _mm256_loadu_ps(p); }
inline void store(float *p, vec v) { _mm256_storeu_ps(p, v); }
inline vec splat(float x) { return _mm256_set1_ps(x); }
inline vec add(vec a, vec b) { return _mm256_add_ps(a, b); }
inline vec multiply(vec a, vec b) { return _mm256_mul_ps(a, b); }
inline vec divide(vec a, vec b) { return _mm256_div_ps(a, b); }
inline vec larger(vec a, vec b) { return _mm256_max_ps(a, b); }
inline vec smaller(vec a, vec b) { return _mm256_min_ps(a, b); }

inline __m256i load_bytes(const void *p) {
    return _mm256_loadu_si256(static_cast<const __m256i *>(p));
}

inline void store_bytes(void *p, __m256i v) {
    _mm256_storeu_si256(static_cast<__m256i *>(p), v);
}

inline vec from_i16(const int16_t *p) {
    const __m128i v = _mm_loadu_si128(reinterpret_cast<const __m128i *>(p));
    return _mm256_cvtepi32_ps(_mm256_cvtepi16_epi32(v));
}

inline vec from_i32(const int32_t *p) { return _mm256_cvtepi32_ps(load_bytes(p)); }

inline uint64_t at_least_f32(const float *a, const float *b) {
    uint64_t bits = 0;
    for (int i = 0; i < 64; i += 8) {
        const int mask = _mm256_movemask_ps(_mm256_cmp_ps(load(a + i), load(b + i), _CMP_GE_OQ));
        bits |= static_cast<uint64_t>(static_cast<uint32_t>(mask)) << i;
    }
    return bits;
}

inline uint32_t above_i16(const int16_t *a, const int16_t *b) {
    const __m256i low = _mm256_cmpgt_epi16(load_bytes(b), load_bytes(a));
    const __m256i high = _mm256_cmpgt_epi16(load_bytes(b + 16), load_bytes(a + 16));
    const __m256i bytes = _mm256_permute4x64_epi64(_mm256_packs_epi16(low, high), 0xd8);
    return ~static_cast<uint32_t>(_mm256_movemask_epi8(bytes));
}

inline uint64_t at_least_i16(const int16_t *a, const int16_t *b) {
    return above_i16(a, b) | static_cast<uint64_t>(above_i16(a + 32, b + 32)) << 32;
}

inline __m256i quantize_8(const float *v, const float *inverse, const float *zero) {
    const vec q = add(multiply(load(v), load(inverse)), load(zero));
    return _mm256_cvtps_epi32(smaller(larger(q, splat(0.0f)), splat(255.0f)));
}

inline void quantize(const float *v, const float *inverse, const float *zero, uint8_t *into) {
    for (int i = 0; i < 64; i += 32) {
        __m256i q[4];
        for (int k = 0; k < 4; k++)
            q[k] = quantize_8(v + i + k * 8, inverse + i + k * 8, zero + i + k * 8);
        const __m256i bytes = _mm256_packus_epi16(_mm256_packs_epi32(q[0], q[1]),
                                                  _mm256_packs_epi32(q[2], q[3]));
        const __m256i order = _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7);
        store_bytes(into + i, _mm256_permutevar8x32_epi32(bytes, order));
    }
}

}  // namespace

#include "kernels_common.h"

namespace {

const int FLOAT_PIXELS = 6;
const int QUANTIZED_PIXELS = 5;

template <int pixels>
inline void float_block(const unsigned char *const *from, const window &w, const float *weights,
                        float *into, size_t stride) {
    vec sum[pixels][2];
    const unsigned char *base[pixels];
    for (int p = 0; p < pixels; p++) {
        base[p] = from[p];
        sum[p][0] = sum[p][1] = splat(0.0f);
    }
    for (uint32_t i = 0; i < w.down; i++) {
        for (uint32_t j = 0; j < w.right; j++) {
            const ptrdiff_t offset = i * w.row + j * w.column;
            const ptrdiff_t end = offset + static_cast<ptrdiff_t>(w.length * 4);
            for (ptrdiff_t at = offset; at < end; at += 4, weights += 16) {
                const vec w0 = load(weights), w1 = load(weights + 8);
                for (int p = 0; p < pixels; p++) {
                    const vec a =
                        _mm256_broadcast_ss(reinterpret_cast<const float *>(base[p] + at));
                    sum[p][0] = _mm256_fmadd_ps(a, w0, sum[p][0]);
                    sum[p][1] = _mm256_fmadd_ps(a, w1, sum[p][1]);
                }
            }
        }
    }
    for (int p = 0; p < pixels; p++) {
        store(into + p * stride, sum[p][0]);
        store(into + p * stride + 8, sum[p][1]);
    }
}

// Weights of at most 63 keep a pair of products within 16 bits.
template <int pixels>
inline void quantized_block(const unsigned char *const *from, const window &w,
                            const int8_t *weights, int32_t *into, size_t stride) {
    __m256i sum[pixels][2];
    const unsigned char *base[pixels];
    const __m256i ones = _mm256_set1_epi16(1);
    for (int p = 0; p < pixels; p++) {
        base[p] = from[p];
        sum[p][0] = sum[p][1] = _mm256_setzero_si256();
    }
    for (uint32_t i = 0; i < w.down; i++) {
        for (uint32_t j = 0; j < w.right; j++) {
            const ptrdiff_t offset = i * w.row + j * w.column;
            const ptrdiff_t end = offset + static_cast<ptrdiff_t>(w.length);
            for (ptrdiff_t at = offset; at < end; at += 4, weights += 64) {
                const __m256i w0 = load_bytes(weights), w1 = load_bytes(weights + 32);
                for (int p = 0; p < pixels; p++) {
                    int32_t four;
                    __builtin_memcpy(&four, base[p] + at, 4);
                    const __m256i a = _mm256_set1_epi32(four);
                    const __m256i low = _mm256_madd_epi16(_mm256_maddubs_epi16(a, w0), ones);
                    const __m256i high = _mm256_madd_epi16(_mm256_maddubs_epi16(a, w1), ones);
                    sum[p][0] = _mm256_add_epi32(sum[p][0], low);
                    sum[p][1] = _mm256_add_epi32(sum[p][1], high);
                }
            }
        }
    }
    for (int p = 0; p < pixels; p++) {
        store_bytes(into + p * stride, sum[p][0]);
        store_bytes(into + p * stride + 8, sum[p][1]);
    }
}

}  // namespace

#include "kernels_nodes.h"

namespace {

// For the nibbles a and b of two pixels, at a + 16 · b: 16 bytes by the nibble of weights.
struct lookup {
    alignas(64) unsigned char counts[256][16];
    constexpr lookup() : counts() {
        for (int pair = 0; pair < 256; pair++) {
            for (int w = 0; w < 16; w++) {
                const int first = (pair & 15) ^ w, second = (pair >> 4) ^ w;
                int counted = 0;
                for (int bit = 0; bit < 4; bit++)
                    counted += (first >> bit & 1) + 16 * (second >> bit & 1);
                counts[pair][w] = static_cast<unsigned char>(counted);
            }
        }
    }
};

constexpr lookup table;

const size_t longest = 21; // steps of three nibbles: 252 still fits a byte
const size_t block_channels = 128;

struct shape {
    size_t in_each, out_each, nibbles /* of a tap */, steps /* of three nibbles */;
};

shape shape_of(const onlooker_node *n) {
    shape s;
    s.in_each = n->input_channels / n->groups;
    s.out_each = n->channels / n->groups;
    s.nibbles = ceiling(s.in_each, 4);
    s.steps = ceiling(s.nibbles * n->kernel_height * n->kernel_width, 3);
    return s;
}

inline bool too_long(const onlooker_node *n) { return dot_length(n) > longest_i16; }

size_t group_bytes(const shape &s) { return s.steps * 3 * ceiling(s.out_each, 32) * 32; }

size_t prepared_bytes(const onlooker_node *n) {
    if (n->operation != ONLOOKER_BINARY_CONVOLUTION || too_long(n)) return 0;
    return outside_bytes(n) + group_bytes(shape_of(n)) * n->groups;
}

// [groups][blocks of 128 channels][nibbles][vectors of 32 channels][32]; the byte 2i of a vector is
// channel i and 2i + 1 is channel 16 + i, so that taking bytes apart to 16 bits puts them in order.
void prepare(const onlooker_node *n, void *into) {
    if (n->operation != ONLOOKER_BINARY_CONVOLUTION || too_long(n)) return;
    const shape s = shape_of(n);
    sum_outside(n, static_cast<int16_t *>(into));
    unsigned char *to = static_cast<unsigned char *>(into) + outside_bytes(n);
    const size_t taps = n->kernel_height * n->kernel_width, words = ceiling(s.in_each, 64);
    const size_t nibbles = s.nibbles * taps;
    for (size_t g = 0; g < n->groups; g++) {
        const uint64_t *weights = static_cast<const uint64_t *>(n->weights) +
                                  g * ceiling(s.out_each, 8) * taps * words * 8;
        for (size_t first = 0; first < s.out_each; first += block_channels) {
            const size_t left = s.out_each - first;
            const size_t vectors = left < block_channels ? ceiling(left, 32) : 4;
            for (size_t k = 0; k < s.steps * 3; k++) {
                const size_t tap = k / s.nibbles, nibble = k % s.nibbles;
                for (size_t i = 0; i < vectors * 32; i++) {
                    const size_t c = first + i / 32 * 32 + i % 2 * 16 + i % 32 / 2;
                    unsigned char four = 0;
                    if (k < nibbles && c < s.out_each) {
                        const uint64_t word = weights[((c / 8 * taps + tap) * words + nibble / 16) *
                                                          8 + c % 8];
                        four = static_cast<unsigned char>(word >> (nibble % 16 * 4) & 15);
                    }
                    *to++ = four;
                }
            }
        }
    }
}

// Where in the lookup the nibbles of two runs of bits are, for 32 nibbles at a time.
inline void pair_up(const unsigned char *first, const unsigned char *second, size_t nibbles,
                    uint16_t *into) {
    const __m128i mask = _mm_set1_epi8(15);
    for (size_t k = 0; k < nibbles; k += 32, first += 16, second += 16, into += 32) {
        const __m128i a = _mm_loadu_si128(reinterpret_cast<const __m128i *>(first));
        const __m128i b = _mm_loadu_si128(reinterpret_cast<const __m128i *>(second));
        const __m128i even = _mm_or_si128(_mm_and_si128(a, mask),
                                          _mm_slli_epi16(_mm_and_si128(b, mask), 4));
        const __m128i odd = _mm_or_si128(_mm_and_si128(_mm_srli_epi16(a, 4), mask),
                                         _mm_andnot_si128(mask, b));
        const __m256i low = _mm256_cvtepu8_epi16(_mm_unpacklo_epi8(even, odd));
        const __m256i high = _mm256_cvtepu8_epi16(_mm_unpackhi_epi8(even, odd));
        store_bytes(into, _mm256_slli_epi16(low, 4));
        store_bytes(into + 16, _mm256_slli_epi16(high, 4));
    }
}

// What becomes of a chunk's counts: the first ones start a row, the last ones make it dot products.
enum chunk_place { ONLY, FIRST, MIDDLE, LAST };

inline void widen_16(__m256i counts, chunk_place place, __m256i length, uint16_t *row) {
    if (place == MIDDLE || place == LAST) counts = _mm256_add_epi16(counts, load_bytes(row));
    if (place == ONLY || place == LAST)
        counts = _mm256_sub_epi16(length, _mm256_add_epi16(counts, counts));
    store_bytes(row, counts);
}

// The byte counts of 32 channels to a row of 16-bit numbers.
inline void widen(__m256i counts, chunk_place place, __m256i length, uint16_t *row) {
    widen_16(_mm256_and_si256(counts, _mm256_set1_epi16(255)), place, length, row);
    widen_16(_mm256_srli_epi16(counts, 8), place, length, row + 16);
}

// Byte sums of 32 channels: both pixels', `pixel 0 + 16 · pixel 1` modulo 256, and pixel 1's, from
// which pixel 0's follow.
struct sums {
    __m256i both, high;
};

// Three nibbles of weights, `apart` bytes apart, are looked up in their tables.
inline void look_up(sums &s, __m256i first, __m256i second, __m256i third,
                    const unsigned char *weights, size_t apart) {
    __m256i sum = _mm256_shuffle_epi8(first, load_bytes(weights));
    sum = _mm256_add_epi8(sum, _mm256_shuffle_epi8(second, load_bytes(weights + apart)));
    sum = _mm256_add_epi8(sum, _mm256_shuffle_epi8(third, load_bytes(weights + 2 * apart)));
    const __m256i high = _mm256_and_si256(_mm256_srli_epi16(sum, 4), _mm256_set1_epi8(15));
    s.both = _mm256_add_epi8(s.both, sum);
    s.high = _mm256_add_epi8(s.high, high);
    // Each stays in its register: left alone, compilers copy them around.
    __asm__("" : "+x"(s.both), "+x"(s.high));
}

inline void widen(const sums &s, chunk_place place, __m256i length, uint16_t *row,
                  size_t stride) {
    const __m256i low_bits = _mm256_and_si256(s.high, _mm256_set1_epi8(15));
    widen(_mm256_sub_epi8(s.both, _mm256_slli_epi16(low_bits, 4)), place, length, row);
    widen(s.high, place, length, row + stride);
}

inline __m256i found(uint16_t at) {
    const unsigned char *counts = reinterpret_cast<const unsigned char *>(table.counts);
    return _mm256_broadcastsi128_si256(
        _mm_load_si128(reinterpret_cast<const __m128i *>(counts + at)));
}

// Differing bits of two pixels with `vectors · 32` of the `width · 32` channels of a block.
template <int vectors, int width>
void count_block(const uint16_t *pairs, const unsigned char *weights, size_t steps,
                 chunk_place place, int length, uint16_t *row, size_t stride) {
    const size_t apart = width * 32;
    const __m256i zero = _mm256_setzero_si256();
    // Names, not an array, which would be kept in memory.
    sums s0 = {zero, zero}, s1 = s0, s2 = s0, s3 = s0;
    for (const uint16_t *end = pairs + 3 * steps; pairs != end; pairs += 3, weights += 3 * apart) {
        const __m256i first = found(pairs[0]), second = found(pairs[1]), third = found(pairs[2]);
        look_up(s0, first, second, third, weights, apart);
        if (vectors > 1) look_up(s1, first, second, third, weights + 32, apart);
        if (vectors > 2) look_up(s2, first, second, third, weights + 64, apart);
        if (vectors > 3) look_up(s3, first, second, third, weights + 96, apart);
    }
    const __m256i all = _mm256_set1_epi16(static_cast<int16_t>(length));
    widen(s0, place, all, row, stride);
    if (vectors > 1) widen(s1, place, all, row + 32, stride);
    if (vectors > 2) widen(s2, place, all, row + 64, stride);
    if (vectors > 3) widen(s3, place, all, row + 96, stride);
}

typedef void (*counting)(const uint16_t *, const unsigned char *, size_t, chunk_place, int,
                         uint16_t *, size_t);

counting choose_counting(size_t vectors, size_t width) {
    switch (vectors * 8 + width) {
        case 4 * 8 + 4: return count_block<4, 4>;
        case 3 * 8 + 3: return count_block<3, 3>;
        case 2 * 8 + 2: return count_block<2, 2>;
        case 1 * 8 + 1: return count_block<1, 1>;
        case 2 * 8 + 4: return count_block<2, 4>;
        case 2 * 8 + 3: return count_block<2, 3>;
        default: return count_block<1, 3>;
    }
}

void pair_up_tile(const onlooker_node *n, const shape &s, const tile &t, size_t group,
                  uint16_t *pairs, size_t pair_stride) {
    const size_t words = ceiling(s.in_each, 64);
    window w = runs(n, words, 8);
    size_t nibbles = s.nibbles * (n->kernel_width / w.right);
    if (s.in_each % 64 != 0) { // bits past the last channel are left out
        w.right = n->kernel_width;
        nibbles = s.nibbles;
    }
    for (uint32_t q = 0; q < t.count; q += 2, pairs += pair_stride) {
        const unsigned char *first = t.from[q] + group * words * 8;
        const unsigned char *second = t.from[q + 1] + group * words * 8;
        uint16_t *into = pairs;
        for (uint32_t i = 0; i < w.down; i++) {
            for (uint32_t j = 0; j < w.right; j++, into += nibbles) {
                const ptrdiff_t offset = i * w.row + j * w.column;
                pair_up(first + offset, second + offset, nibbles, into);
            }
        }
        into[0] = into[1] = 0; // up to a whole step; weights are 0 there too
    }
}

size_t pairs_stride(const shape &s) { return ceiling(s.steps * 3, 32) * 32 + 64; }

size_t scratch_bytes(const onlooker_node *n) {
    size_t bytes = common_bytes(n, tile_rows(n));
    if (n->operation == ONLOOKER_BINARY_CONVOLUTION && !too_long(n))
        bytes += pairs_stride(shape_of(n)) * TILE;
    return bytes + 64;
}

void run_binary(const onlooker_node *n, const onlooker_rectangle *r, void *scratch) {
    if (too_long(n)) {
        run_long_binary(n, r, scratch);
        return;
    }
    const finishing f = start(n, r, scratch, ROW_I16);
    const shape s = shape_of(n);
    const int16_t *outside = static_cast<const int16_t *>(n->prepared);
    const unsigned char *weights =
        static_cast<const unsigned char *>(n->prepared) + outside_bytes(n);
    const size_t pair_stride = pairs_stride(s);
    uint16_t *rows = reinterpret_cast<uint16_t *>(f.rows);
    uint16_t *pairs = rows + TILE * f.stride;
    const size_t first = n->groups == 1 ? r->first_channel : 0;
    const size_t last = n->groups == 1 ? r->last_channel : s.out_each;
    const size_t chunks = ceiling(s.steps, longest), chunk = ceiling(s.steps, chunks);
    const int length = static_cast<int>(dot_length(n));
    tile t;
    for (uint32_t p = r->first_pixel; p < r->last_pixel; p += TILE) {
        fill(t, n, p, r->last_pixel);
        for (size_t g = 0; g < n->groups; g++) {
            pair_up_tile(n, s, t, g, pairs, pair_stride);
            size_t end;
            for (size_t c = first; c < last; c = end) {
                const size_t block = c / block_channels * block_channels;
                end = block + block_channels < last ? block + block_channels : last;
                const size_t left = s.out_each - block;
                const size_t width = left < block_channels ? ceiling(left, 32) : 4;
                const size_t vectors = ceiling(end - c, 32);
                const counting count = choose_counting(vectors, width);
                const unsigned char *at =
                    weights + g * group_bytes(s) + block * s.steps * 3 + (c - block);
                uint16_t *row = rows + g * s.out_each + (c - first);
                for (size_t step = 0; step < s.steps; step += chunk, at += chunk * 3 * width * 32) {
                    const size_t steps = s.steps - step < chunk ? s.steps - step : chunk;
                    const bool more = step + steps < s.steps;
                    const chunk_place place =
                        step == 0 ? (more ? FIRST : ONLY) : (more ? MIDDLE : LAST);
                    for (uint32_t q = 0; q < t.count; q += 2)
                        count(pairs + q / 2 * pair_stride + step * 3, at, steps, place, length,
                              row + q * f.stride, f.stride);
                }
            }
        }
        for (uint32_t q = 0; n->zero_padding && q < t.count; q++)
            take_away_outside(n, t, q, outside, f.stride,
                              reinterpret_cast<int16_t *>(rows) + q * f.stride, f.first, f.count);
        finish_tile(f, t);
    }
}

}  // namespace

extern "C" {
extern const onlooker_kernels onlooker_kernels_avx2;
const onlooker_kernels onlooker_kernels_avx2 = {
    "avx2",
    ONLOOKER_CPU_AVX2,
    prepared_bytes,
    prepare,
    scratch_bytes,
    {run_pointwise, run_binary, run_convolution, run_quantized, run_pooling<true>,
     run_pooling<false>, run_pointwise, run_gather},
    TILE,
};
}
