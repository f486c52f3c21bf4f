// The loops of gradients_kernels.h with AVX2 and FMA.
//
// Products: vpmaddubsw multiplies 32 unsigned by 32 signed bytes and adds neighbours, vpaddw adds
// these up in 16 bits: 32 products in two instructions. Of 254 at most each, 128 fit before they
// have to be widened.
#include <immintrin.h>
#include <stdint.h>

#include "gradients_kernels.h"

static inline int32_t sum_of(__m128i sums) {
    return _mm_cvtsi128_si32(_mm_add_epi64(sums, _mm_unpackhi_epi64(sums, sums)));
}

static inline __m128i narrow(__m256i low, __m256i high) {
    __m256i words = _mm256_permute4x64_epi64(_mm256_packs_epi32(low, high), 0xd8);
    return _mm_packs_epi16(_mm256_castsi256_si128(words), _mm256_extracti128_si256(words, 1));
}

static void signs(const float *values, int64_t pixels, int channels, float clip, int8_t *signs,
                  uint8_t *bits, uint8_t *mask, int32_t *sums) {
    const __m256 zero = _mm256_setzero_ps(), limit = _mm256_set1_ps(clip);
    const __m256 magnitude = _mm256_castsi256_ps(_mm256_set1_epi32(0x7fffffff));
    const __m128i one = _mm_set1_epi8(1);
    for (int64_t p = 0; p < pixels; p++) {
        __m128i sum = _mm_setzero_si128();
        for (int c = 0; c < channels; c += 16, values += 16, signs += 16) {
            __m256 low = _mm256_loadu_ps(values), high = _mm256_loadu_ps(values + 8);
            __m256i low_negative = _mm256_castps_si256(_mm256_cmp_ps(low, zero, _CMP_LT_OQ));
            __m256i high_negative = _mm256_castps_si256(_mm256_cmp_ps(high, zero, _CMP_LT_OQ));
            __m128i found = _mm_or_si128(narrow(low_negative, high_negative), one);
            _mm_storeu_si128((__m128i *)signs, found);
            sum = _mm_add_epi64(sum, _mm_sad_epu8(_mm_add_epi8(found, one), _mm_setzero_si128()));
            if (bits) {
                *bits++ = (uint8_t)~_mm256_movemask_ps(_mm256_castsi256_ps(low_negative));
                *bits++ = (uint8_t)~_mm256_movemask_ps(_mm256_castsi256_ps(high_negative));
            }
            if (mask) {
                __m256 low_passes = _mm256_cmp_ps(_mm256_and_ps(low, magnitude), limit, _CMP_LE_OQ);
                __m256 high_passes =
                    _mm256_cmp_ps(_mm256_and_ps(high, magnitude), limit, _CMP_LE_OQ);
                *mask++ = (uint8_t)_mm256_movemask_ps(low_passes);
                *mask++ = (uint8_t)_mm256_movemask_ps(high_passes);
            }
        }
        if (sums) sums[p] = sum_of(sum) - channels;
    }
}

static uint32_t largest(const float *values, int64_t count) {
    // Bits of positive numbers are ordered as the numbers are, and NaN is above them all.
    const __m256i magnitude = _mm256_set1_epi32(0x7fffffff);
    __m256i found[4];
    for (int k = 0; k < 4; k++) found[k] = _mm256_setzero_si256();
    int64_t i = 0;
    for (; i + 32 <= count; i += 32)
        for (int k = 0; k < 4; k++) {
            __m256i bits = _mm256_loadu_si256((const __m256i *)(values + i + 8 * k));
            found[k] = _mm256_max_epi32(found[k], _mm256_and_si256(bits, magnitude));
        }
    for (; i + 8 <= count; i += 8) {
        __m256i bits = _mm256_loadu_si256((const __m256i *)(values + i));
        found[0] = _mm256_max_epi32(found[0], _mm256_and_si256(bits, magnitude));
    }
    found[0] = _mm256_max_epi32(_mm256_max_epi32(found[0], found[1]),
                                _mm256_max_epi32(found[2], found[3]));
    uint32_t lanes[8], result = 0;
    _mm256_storeu_si256((__m256i *)lanes, found[0]);
    for (int k = 0; k < 8; k++)
        if (lanes[k] > result) result = lanes[k];
    for (; i < count; i++) {
        uint32_t bits = (uint32_t)_mm_cvtsi128_si32(_mm_castps_si128(_mm_load_ss(values + i)));
        bits &= 0x7fffffffu;
        if (bits > result) result = bits;
    }
    return result;
}

static inline __m256i next_random(__m256i x) {
    x = _mm256_xor_si256(x, _mm256_slli_epi32(x, 13));
    x = _mm256_xor_si256(x, _mm256_srli_epi32(x, 17));
    return _mm256_xor_si256(x, _mm256_slli_epi32(x, 5));
}

static void quantize(const float *values, int64_t pixels, int channels, float inverse,
                     uint32_t *state, int8_t *rounded, int32_t *sums) {
    const __m256 factor = _mm256_set1_ps(inverse);
    const __m256i low_half = _mm256_set1_epi32(0xffff);
    const __m128i offset = _mm_set1_epi8(-128);
    __m256i random = _mm256_loadu_si256((const __m256i *)state);
    for (int64_t p = 0; p < pixels; p++) {
        __m128i sum = _mm_setzero_si128();
        for (int c = 0; c < channels; c += 16, values += 16, rounded += 16) {
            random = next_random(random);
            __m256i low = _mm256_cvtps_epi32(_mm256_mul_ps(_mm256_loadu_ps(values), factor));
            __m256i high = _mm256_cvtps_epi32(_mm256_mul_ps(_mm256_loadu_ps(values + 8), factor));
            low = _mm256_add_epi32(low, _mm256_and_si256(random, low_half));
            high = _mm256_add_epi32(high, _mm256_srli_epi32(random, 16));
            __m128i bytes = narrow(_mm256_srai_epi32(low, 16), _mm256_srai_epi32(high, 16));
            _mm_storeu_si128((__m128i *)rounded, bytes);
            sum = _mm_add_epi64(sum,
                                _mm_sad_epu8(_mm_xor_si128(bytes, offset), _mm_setzero_si128()));
        }
        sums[p] = sum_of(sum) - 128 * channels;
    }
    _mm256_storeu_si256((__m256i *)state, random);
}

// Four rows of 16 channels → 16 quads.
static inline void transpose(const int8_t *const rows[4], int64_t place, __m128i quads[4]) {
    __m128i a = _mm_loadu_si128((const __m128i *)(rows[0] + place));
    __m128i b = _mm_loadu_si128((const __m128i *)(rows[1] + place));
    __m128i c = _mm_loadu_si128((const __m128i *)(rows[2] + place));
    __m128i d = _mm_loadu_si128((const __m128i *)(rows[3] + place));
    __m128i ab = _mm_unpacklo_epi8(a, b), cd = _mm_unpacklo_epi8(c, d);
    quads[0] = _mm_unpacklo_epi16(ab, cd);
    quads[1] = _mm_unpackhi_epi16(ab, cd);
    ab = _mm_unpackhi_epi8(a, b), cd = _mm_unpackhi_epi8(c, d);
    quads[2] = _mm_unpacklo_epi16(ab, cd);
    quads[3] = _mm_unpackhi_epi16(ab, cd);
}

static void interleave(const int8_t *const rows[4], int64_t pixels, int channels, int block,
                       int64_t block_stride, int8_t *quads) {
    __m128i found[4];
    for (int64_t p = 0; p < pixels; p++)
        for (int c = 0; c < channels; c += 16) {
            transpose(rows, p * channels + c, found);
            for (int k = 0; k < 4; k++) {
                int channel = c + 4 * k;
                int8_t *place = quads + channel / block * block_stride +
                                (p * block + channel % block) * 4;
                _mm_storeu_si128((__m128i *)place, found[k]);
            }
        }
}

static void interleave_signs(const int8_t *const rows[4], int64_t pixels, int channels, int shift,
                             int64_t block_stride, uint8_t *quads) {
    const __m128i one = _mm_set1_epi8(1);
    const __m128i kept = _mm_set1_epi8(shift ? 1 : 3);
    __m128i found[4];
    for (int64_t p = 0; p < pixels; p++)
        for (int c = 0; c < channels; c += 16) {
            transpose(rows, p * channels + c, found);
            for (int k = 0; k < 4; k++) {
                uint8_t *place = quads + (c / 8 + k / 2) * block_stride + p * 32 + k % 2 * 16;
                __m128i raised = _mm_srli_epi16(_mm_add_epi8(found[k], one), shift);
                _mm_storeu_si128((__m128i *)place, _mm_and_si128(raised, kept));
            }
        }
}

static void bits(const float *values, int64_t count, uint8_t *bits) {
    const __m256 zero = _mm256_setzero_ps();
    const __m128i one = _mm_set1_epi8(1);
    int64_t i = 0;
    for (; i + 16 <= count; i += 16) {
        __m256 low = _mm256_loadu_ps(values + i), high = _mm256_loadu_ps(values + i + 8);
        __m128i negative =
            narrow(_mm256_castps_si256(_mm256_cmp_ps(low, zero, _CMP_LT_OQ)),
                   _mm256_castps_si256(_mm256_cmp_ps(high, zero, _CMP_LT_OQ)));
        _mm_storeu_si128((__m128i *)(bits + i), _mm_add_epi8(negative, one));
    }
    for (; i < count; i++) bits[i] = !(values[i] < 0);
}

static inline __m256i quad(const void *bytes) { return _mm256_set1_epi32(*(const int32_t *)bytes); }

#define UNROLL _Pragma("GCC unroll 16")

// Sums of 6 pixels times 16 columns in 32 bits: [pixel][column].
static inline void convolve_tile(const onlooker_convolution *work, const int8_t *const pixels[6],
                                 const uint8_t *panel, __m256i sums[12]) {
    const __m256i ones = _mm256_set1_epi16(1);
    const int quads = work->channels / 4;
    __m256i added[12];
    UNROLL for (int k = 0; k < 12; k++) {
        sums[k] = _mm256_setzero_si256();
        added[k] = _mm256_setzero_si256();
    }
    int room = work->limit;
    for (int t = 0; t < work->taps; t++) {
        const int64_t input = work->tap_inputs[t];
        const int8_t *p0 = pixels[0] + input, *p1 = pixels[1] + input, *p2 = pixels[2] + input;
        const int8_t *p3 = pixels[3] + input, *p4 = pixels[4] + input, *p5 = pixels[5] + input;
        const uint8_t *filter = panel + work->tap_filters[t];
        for (int left = quads; left > 0;) {
            const int run = left < room ? left : room;
            left -= run, room -= run;
#define PIXEL(n, p)                                                                      \
    value = quad(p + 4 * k);                                                             \
    added[2 * n] = _mm256_add_epi16(added[2 * n], _mm256_maddubs_epi16(low, value));     \
    added[2 * n + 1] = _mm256_add_epi16(added[2 * n + 1], _mm256_maddubs_epi16(high, value));
            _Pragma("GCC unroll 4") for (int64_t k = 0; k < run; k++) {
                const __m256i low = _mm256_load_si256((const __m256i *)(filter + 64 * k));
                const __m256i high = _mm256_load_si256((const __m256i *)(filter + 64 * k + 32));
                __m256i value;
                PIXEL(0, p0) PIXEL(1, p1) PIXEL(2, p2) PIXEL(3, p3) PIXEL(4, p4) PIXEL(5, p5)
            }
#undef PIXEL
            p0 += 4 * run, p1 += 4 * run, p2 += 4 * run;
            p3 += 4 * run, p4 += 4 * run, p5 += 4 * run;
            filter += 64 * run;
            if (room == 0) {
                UNROLL for (int k = 0; k < 12; k++) {
                    sums[k] = _mm256_add_epi32(sums[k], _mm256_madd_epi16(added[k], ones));
                    added[k] = _mm256_setzero_si256();
                }
                room = work->limit;
            }
        }
    }
    UNROLL for (int k = 0; k < 12; k++) {
        sums[k] = _mm256_add_epi32(sums[k], _mm256_madd_epi16(added[k], ones));
    }
}

static void convolve(const onlooker_convolution *work) {
    const __m256i lane_bits = _mm256_setr_epi32(1, 2, 4, 8, 16, 32, 64, 128);
    for (int column = 0; column < work->columns; column += 16) {
        const uint8_t *panel = work->filters + column / 16 * work->panel_bytes;
        for (int64_t first = 0; first < work->pixels; first += 6) {
            const int count = work->pixels - first < 6 ? (int)(work->pixels - first) : 6;
            const int8_t *pixels[6];
            for (int n = 0; n < 6; n++)
                pixels[n] = work->input + work->pixel_inputs[first + (n < count ? n : 0)];
            __m256i sums[12];
            convolve_tile(work, pixels, panel, sums);
            for (int n = 0; n < count; n++) {
                const int64_t place = work->pixel_outputs[first + n] * work->columns + column;
                const __m256i correction = _mm256_set1_epi32(work->corrections[first + n]);
                const __m256 scale = _mm256_set1_ps(work->scales[first + n]);
                for (int half = 0; half < 2; half++) {
                    __m256i sum = _mm256_slli_epi32(sums[2 * n + half], 1);
                    sum = _mm256_sub_epi32(sum, correction);
                    __m256 value = _mm256_mul_ps(_mm256_cvtepi32_ps(sum), scale);
                    if (work->mask) {
                        __m256i passes = _mm256_set1_epi32(work->mask[place / 8 + half]);
                        passes = _mm256_cmpeq_epi32(_mm256_and_si256(passes, lane_bits), lane_bits);
                        value = _mm256_and_ps(value, _mm256_castsi256_ps(passes));
                    }
                    _mm256_storeu_ps(work->output + place + 8 * half, value);
                }
            }
        }
    }
}

// For the nibbles a and b of two pixels, at a + 16 b: by each nibble of a filter, how many bits of
// a differ from it (in the low half of a byte) and how many of b (in the high half). A shuffle of
// these 16 bytes by the nibbles of 32 filters does 256 products of signs.
struct Differences {
    alignas(64) uint8_t counts[256][16];
    constexpr Differences() : counts() {
        for (int pair = 0; pair < 256; pair++)
            for (int filter = 0; filter < 16; filter++)
                for (int bit = 0; bit < 4; bit++)
                    counts[pair][filter] = (uint8_t)(counts[pair][filter] +
                                                     ((pair ^ filter) >> bit & 1) +
                                                     ((pair >> 4 ^ filter) >> bit & 1) * 16);
    }
};
static constexpr Differences differences;

enum { PAIRS = 16, STEPS = 21 };  // of pixels in a tile; of three nibbles that a byte can count

// Places in `differences`, for the nibbles of two runs of bytes.
static inline void pair_up(const uint8_t *first, const uint8_t *second, int nibbles,
                           uint16_t *indices) {
    const __m128i low = _mm_set1_epi8(15);
    for (int k = 0; k < nibbles; k += 32, first += 16, second += 16, indices += 32) {
        __m128i a = _mm_loadu_si128((const __m128i *)first);
        __m128i b = _mm_loadu_si128((const __m128i *)second);
        __m128i even = _mm_or_si128(_mm_and_si128(a, low),
                                    _mm_slli_epi16(_mm_and_si128(b, low), 4));
        __m128i odd = _mm_or_si128(_mm_and_si128(_mm_srli_epi16(a, 4), low),
                                   _mm_andnot_si128(low, b));
        __m256i left = _mm256_cvtepu8_epi16(_mm_unpacklo_epi8(even, odd));
        __m256i right = _mm256_cvtepu8_epi16(_mm_unpackhi_epi8(even, odd));
        _mm256_storeu_si256((__m256i *)indices, _mm256_slli_epi16(left, 4));
        _mm256_storeu_si256((__m256i *)(indices + 16), _mm256_slli_epi16(right, 4));
    }
}

static inline void widen(__m256i bytes, int first, uint16_t *counts) {
    __m256i even = _mm256_and_si256(bytes, _mm256_set1_epi16(255));
    __m256i odd = _mm256_srli_epi16(bytes, 8);
    if (!first) {
        even = _mm256_add_epi16(even, _mm256_load_si256((const __m256i *)counts));
        odd = _mm256_add_epi16(odd, _mm256_load_si256((const __m256i *)(counts + 16)));
    }
    _mm256_store_si256((__m256i *)counts, even);
    _mm256_store_si256((__m256i *)(counts + 16), odd);
}

// Adds how many bits of two pixels differ from those of 32 V columns: counts [2][32 V].
template <int V>
static inline void count_pair(const uint16_t *indices, const uint8_t *nibbles, int steps, int first,
                              uint16_t *counts) {
    const __m256i low = _mm256_set1_epi8(15);
    const uint8_t *const table = differences.counts[0];
    __m256i one[V], two[V];
    UNROLL for (int v = 0; v < V; v++) one[v] = two[v] = _mm256_setzero_si256();
    for (int s = 0; s < steps; s++, indices += 3, nibbles += 96 * V) {
        __m256i looked_up[3];
        UNROLL for (int k = 0; k < 3; k++) looked_up[k] = _mm256_broadcastsi128_si256(
            _mm_load_si128((const __m128i *)(table + indices[k])));
        UNROLL for (int v = 0; v < V; v++) {
            const __m256i *filter = (const __m256i *)nibbles + v;
            __m256i sum = _mm256_shuffle_epi8(looked_up[0], _mm256_load_si256(filter));
            sum = _mm256_add_epi8(
                sum, _mm256_shuffle_epi8(looked_up[1], _mm256_load_si256(filter + V)));
            sum = _mm256_add_epi8(
                sum, _mm256_shuffle_epi8(looked_up[2], _mm256_load_si256(filter + 2 * V)));
            one[v] = _mm256_add_epi8(one[v], _mm256_and_si256(sum, low));
            two[v] = _mm256_add_epi8(two[v], _mm256_and_si256(_mm256_srli_epi16(sum, 4), low));
        }
    }
    UNROLL for (int v = 0; v < V; v++) {
        widen(one[v], first, counts + 32 * v);
        widen(two[v], first, counts + 32 * (V + v));
    }
}

template <int V>
static void count_block(const uint16_t *indices, int stride, int pairs, const uint8_t *nibbles,
                        int steps, uint16_t *counts) {
    for (int s = 0; s < steps; s += STEPS) {
        const int run = steps - s < STEPS ? steps - s : STEPS;
        for (int p = 0; p < pairs; p++)
            count_pair<V>(indices + p * stride + 3 * s, nibbles + (int64_t)s * 96 * V, run, s == 0,
                          counts + p * 64 * V);
    }
}

static void convolve_signs(const onlooker_sign_convolution *work) {
    alignas(32) uint16_t counts[PAIRS * 64 * 4];
    const int quads = work->channels / 4, nibbles = work->taps * quads;
    const int steps = (nibbles + 2) / 3, stride = nibbles + 64;
    const __m256i length = _mm256_set1_epi32(work->taps * work->channels);
    for (int64_t first = 0; first < work->pixels; first += 2 * PAIRS) {
        const int64_t left = work->pixels - first;
        const int pixels = left < 2 * PAIRS ? (int)left : 2 * PAIRS;
        const int pairs = (pixels + 1) / 2;
        for (int p = 0; p < pairs; p++) {
            const int64_t *places = work->pixel_inputs + first + 2 * p;
            const uint8_t *one = work->input + places[0];
            const uint8_t *two = work->input + places[2 * p + 1 < pixels];
            uint16_t *indices = work->indices + p * stride;
            for (int t = 0; t < work->taps; t++)
                pair_up(one + work->tap_inputs[t], two + work->tap_inputs[t], quads,
                        indices + t * quads);
            indices[nibbles] = indices[nibbles + 1] = 0;
        }
        for (int column = 0; column < work->columns; column += 128) {
            const int columns = work->columns - column < 128 ? work->columns - column : 128;
            const int vectors = (columns + 31) / 32;
            const uint8_t *block = work->nibbles + (int64_t)column * steps * 3;
            switch (vectors) {
                case 1: count_block<1>(work->indices, stride, pairs, block, steps, counts); break;
                case 2: count_block<2>(work->indices, stride, pairs, block, steps, counts); break;
                case 3: count_block<3>(work->indices, stride, pairs, block, steps, counts); break;
                default: count_block<4>(work->indices, stride, pairs, block, steps, counts);
            }
            for (int n = 0; n < pixels; n++) {
                const uint16_t *count = counts + n * 32 * vectors;
                float *output = work->output +
                                (work->first_output + first + n) * work->columns + column;
                for (int c = 0; c < columns; c += 8) {
                    __m256i differ =
                        _mm256_cvtepu16_epi32(_mm_load_si128((const __m128i *)(count + c)));
                    __m256i sum = _mm256_sub_epi32(length, _mm256_slli_epi32(differ, 1));
                    _mm256_storeu_ps(output + c, _mm256_cvtepi32_ps(sum));
                }
            }
        }
    }
}

// Sums of 4 channels times 8 columns each of V places.
template <int V>
static inline void correlate_tile(const onlooker_correlation *work, const int8_t *gradient,
                                  int block, const int32_t totals[4], float *sums) {
    const __m256i ones = _mm256_set1_epi16(1);
    const uint8_t *signs[V];
    __m256i added[4 * V];
    UNROLL for (int v = 0; v < V; v++) signs[v] = work->signs + work->column_signs[block + v];
    UNROLL for (int k = 0; k < 4 * V; k++) added[k] = _mm256_setzero_si256();
    const int64_t *places = work->pixel_signs;
    _Pragma("GCC unroll 4") for (int p = 0; p < work->pixels; p++) {
        __m256i sign[V];
        UNROLL for (int v = 0; v < V; v++) sign[v] =
            _mm256_loadu_si256((const __m256i *)(signs[v] + places[p]));
        UNROLL for (int c = 0; c < 4; c++) {
            const __m256i value = quad(gradient + 16 * p + 4 * c);
            UNROLL for (int v = 0; v < V; v++) {
                added[c * V + v] =
                    _mm256_add_epi16(added[c * V + v], _mm256_maddubs_epi16(sign[v], value));
            }
        }
    }
    const __m256 scale = _mm256_set1_ps(work->scale);
    UNROLL for (int c = 0; c < 4; c++) {
        const __m256i total = _mm256_set1_epi32(totals[c]);
        UNROLL for (int v = 0; v < V; v++) {
            __m256i sum = _mm256_madd_epi16(added[c * V + v], ones);
            sum = _mm256_sub_epi32(_mm256_slli_epi32(sum, work->factor - 1), total);
            float *place = sums + c * work->sums_stride + work->column_sums[block + v];
            __m256 value = _mm256_mul_ps(_mm256_cvtepi32_ps(sum), scale);
            if (!work->first) value = _mm256_add_ps(value, _mm256_loadu_ps(place));
            _mm256_storeu_ps(place, value);
        }
    }
}

static void totals(const int8_t *quads, int64_t pixels, int32_t totals[4]) {
    const __m128i one_bytes = _mm_set1_epi8(1), one_words = _mm_set1_epi16(1);
    __m128i sum = _mm_setzero_si128();
    for (int64_t p = 0; p < pixels; p++) {
        __m128i bytes = _mm_loadu_si128((const __m128i *)(quads + 16 * p));
        sum = _mm_add_epi32(sum, _mm_madd_epi16(_mm_maddubs_epi16(one_bytes, bytes), one_words));
    }
    _mm_storeu_si128((__m128i *)totals, sum);
}

static void correlate(const onlooker_correlation *work) {
    for (int channel = 0; channel < work->channel_blocks; channel++) {
        const int8_t *gradient = work->gradients + channel * work->gradient_stride;
        const int32_t *totals = work->totals + 4 * channel;
        float *sums = work->sums + 4 * channel * work->sums_stride;
        int block = 0;
        for (; block + 2 <= work->column_blocks; block += 2)
            correlate_tile<2>(work, gradient, block, totals, sums);
        if (block < work->column_blocks) correlate_tile<1>(work, gradient, block, totals, sums);
    }
}

extern const onlooker_gradient_kernels onlooker_gradient_kernels_avx2 = {
    "avx2", signs, largest, quantize, interleave, interleave_signs, bits, convolve,
    convolve_signs, totals, correlate};
