// The loops of gradients_kernels.h with AVX2.
//
// Sums are looked up: a shuffle of a table of 16 bytes by the nibbles of 32 columns is 128 products,
// and as bytes two of them may be added before they are widened. For signs times signs a table even
// serves two pixels, as in kernels_avx2.cpp. Multiplying bytes (vpmaddubsw, vpaddw) would take two
// and a half times as many instructions.
#include <immintrin.h>
#include <stdint.h>

#include "gradients_kernels.h"

#define UNROLL _Pragma("GCC unroll 16")

static inline int32_t sum_of(__m128i sums) {
    return _mm_cvtsi128_si32(_mm_add_epi64(sums, _mm_unpackhi_epi64(sums, sums)));
}

static inline __m128i narrow(__m256i low, __m256i high) {
    __m256i words = _mm256_permute4x64_epi64(_mm256_packs_epi32(low, high), 0xd8);
    return _mm_packs_epi16(_mm256_castsi256_si128(words), _mm256_extracti128_si256(words, 1));
}

static void signs(const float *values, int64_t count, float clip, uint8_t *bits, uint8_t *mask) {
    const __m256 zero = _mm256_setzero_ps(), limit = _mm256_set1_ps(clip);
    const __m256 magnitude = _mm256_castsi256_ps(_mm256_set1_epi32(0x7fffffff));
    for (int64_t i = 0; i < count; i += 8) {
        const __m256 value = _mm256_loadu_ps(values + i);
        bits[i / 8] = (uint8_t)~_mm256_movemask_ps(_mm256_cmp_ps(value, zero, _CMP_LT_OQ));
        if (mask)
            mask[i / 8] = (uint8_t)_mm256_movemask_ps(
                _mm256_cmp_ps(_mm256_and_ps(value, magnitude), limit, _CMP_LE_OQ));
    }
}

static uint32_t largest(const float *const *rows, int row_count, int64_t count) {
    // Bits of positive numbers are ordered as the numbers are, and NaN is above them all.
    const __m256 magnitude = _mm256_castsi256_ps(_mm256_set1_epi32(0x7fffffff));
    __m256i found = _mm256_setzero_si256();
    int64_t i = 0;
    for (; i < count; i += 8) {  // a multiple of 16
        __m256 across = _mm256_setzero_ps();
        for (int r = 0; r < row_count; r++) {
            const __m256 value = _mm256_and_ps(_mm256_loadu_ps(rows[r] + i), magnitude);
            across = _mm256_add_ps(across, value);
            __m256 sum = _mm256_add_ps(value, _mm256_permute_ps(value, 0xb1));
            sum = _mm256_add_ps(sum, _mm256_permute_ps(sum, 0x4e));
            found = _mm256_max_epi32(
                found, _mm256_castps_si256(_mm256_and_ps(sum, magnitude)));
        }
        found = _mm256_max_epi32(found, _mm256_castps_si256(_mm256_and_ps(across, magnitude)));
    }
    uint32_t lanes[8], result = 0;
    _mm256_storeu_si256((__m256i *)lanes, found);
    for (int k = 0; k < 8; k++)
        if (lanes[k] > result) result = lanes[k];
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
    __m256i random = _mm256_loadu_si256((const __m256i *)state);
    for (int64_t p = 0; p < pixels; p++) {
        __m128i sum = _mm_setzero_si128();
        for (int c = 0; c < channels; c += 16, values += 16, rounded += 16) {
            random = next_random(random);
            __m256i low = _mm256_cvtps_epi32(_mm256_mul_ps(_mm256_loadu_ps(values), factor));
            __m256i high = _mm256_cvtps_epi32(_mm256_mul_ps(_mm256_loadu_ps(values + 8), factor));
            low = _mm256_add_epi32(low, _mm256_and_si256(random, low_half));
            high = _mm256_add_epi32(high, _mm256_srli_epi32(random, 16));
            const __m128i bytes = narrow(_mm256_srai_epi32(low, 16), _mm256_srai_epi32(high, 16));
            _mm_storeu_si128((__m128i *)rounded, bytes);
            sum = _mm_add_epi64(sum, _mm_sad_epu8(_mm_abs_epi8(bytes), _mm_setzero_si128()));
        }
        sums[p] = sum_of(sum);
    }
    _mm256_storeu_si256((__m256i *)state, random);
}

static void interleave(const int8_t *const rows[4], int64_t pixels, int channels,
                       int64_t block_stride, int8_t *quads) {
    for (int64_t p = 0; p < pixels; p++)
        for (int c = 0; c < channels; c += 16) {
            __m128i row[4];
            for (int k = 0; k < 4; k++)
                row[k] = _mm_loadu_si128((const __m128i *)(rows[k] + p * channels + c));
            int8_t *to = quads + c / 4 * block_stride + p * 16;
            __m128i ab = _mm_unpacklo_epi8(row[0], row[1]), cd = _mm_unpacklo_epi8(row[2], row[3]);
            _mm_storeu_si128((__m128i *)to, _mm_unpacklo_epi16(ab, cd));
            _mm_storeu_si128((__m128i *)(to + block_stride), _mm_unpackhi_epi16(ab, cd));
            ab = _mm_unpackhi_epi8(row[0], row[1]), cd = _mm_unpackhi_epi8(row[2], row[3]);
            _mm_storeu_si128((__m128i *)(to + 2 * block_stride), _mm_unpacklo_epi16(ab, cd));
            _mm_storeu_si128((__m128i *)(to + 3 * block_stride), _mm_unpackhi_epi16(ab, cd));
        }
}

static void totals(const int8_t *quads, int64_t pixels, int32_t totals[4]) {
    const __m128i one_bytes = _mm_set1_epi8(1), one_words = _mm_set1_epi16(1);
    __m128i sum = _mm_setzero_si128();
    for (int64_t p = 0; p < pixels; p++) {
        const __m128i bytes = _mm_abs_epi8(_mm_loadu_si128((const __m128i *)(quads + 16 * p)));
        sum = _mm_add_epi32(sum, _mm_madd_epi16(_mm_maddubs_epi16(bytes, one_bytes), one_words));
    }
    _mm_storeu_si128((__m128i *)totals, sum);
}

// Two tables at once, of the positive and negative parts of two quads, eight bytes each.
static inline void store_tables(__m128i parts, const __m256i places[4], uint8_t *tables) {
    const __m256i both = _mm256_broadcastsi128_si256(parts);
    const __m256i left = _mm256_add_epi8(_mm256_shuffle_epi8(both, places[0]),
                                         _mm256_shuffle_epi8(both, places[1]));
    const __m256i right = _mm256_add_epi8(_mm256_shuffle_epi8(both, places[2]),
                                          _mm256_shuffle_epi8(both, places[3]));
    _mm256_storeu_si256((__m256i *)tables, _mm256_add_epi8(left, right));
}

static void tables(const int8_t *values, int64_t quads, uint8_t *tables) {
    alignas(32) uint8_t numbers[4][32];
    __m256i places[4];
    for (int k = 0; k < 4; k++) {
        for (int i = 0; i < 32; i++)
            numbers[k][i] = (uint8_t)(i / 16 * 8 + ((i % 16) >> k & 1 ? 0 : 4) + k);
        places[k] = _mm256_load_si256((const __m256i *)numbers[k]);
    }
    const __m128i zero = _mm_setzero_si128();
    for (int64_t q = 0; q < quads; q += 4, values += 16, tables += 64) {  // a multiple of 4
        const __m128i value = _mm_loadu_si128((const __m128i *)values);
        const __m128i positive = _mm_max_epi8(value, zero);
        const __m128i negative = _mm_max_epi8(_mm_sub_epi8(zero, value), zero);
        store_tables(_mm_unpacklo_epi32(positive, negative), places, tables);
        store_tables(_mm_unpackhi_epi32(positive, negative), places, tables + 32);
    }
}

static void bytes(const float *values, int64_t count, uint8_t *bytes) {
    const __m256 zero = _mm256_setzero_ps();
    const __m128i one = _mm_set1_epi8(1);
    for (int64_t i = 0; i < count; i += 16) {  // a multiple of 16
        __m256 low = _mm256_loadu_ps(values + i), high = _mm256_loadu_ps(values + i + 8);
        const __m128i negative =
            narrow(_mm256_castps_si256(_mm256_cmp_ps(low, zero, _CMP_LT_OQ)),
                   _mm256_castps_si256(_mm256_cmp_ps(high, zero, _CMP_LT_OQ)));
        _mm_storeu_si128((__m128i *)(bytes + i), _mm_add_epi8(negative, one));
    }
}

// 32 bytes in the order of a vector of nibbles.
static inline void store_vector(__m128i low, __m128i high, uint8_t *nibbles) {
    _mm_storeu_si128((__m128i *)nibbles, _mm_unpacklo_epi8(low, high));
    _mm_storeu_si128((__m128i *)(nibbles + 16), _mm_unpackhi_epi8(low, high));
}

static inline __m128i join_16(const uint8_t *const rows[4], int first) {
    __m128i nibble = _mm_setzero_si128();
    for (int k = 3; k >= 0; k--)  // a byte has at most three bits when it is shifted
        nibble = _mm_add_epi8(_mm_slli_epi16(nibble, 1),
                              _mm_loadu_si128((const __m128i *)(rows[k] + first)));
    return nibble;
}

static void join_bytes(const uint8_t *const rows[4], int columns, uint8_t *nibbles) {
    store_vector(join_16(rows, 0), columns > 16 ? join_16(rows, 16) : _mm_setzero_si128(),
                 nibbles);
}

static void join_bits(const uint8_t *const pictures[4], int64_t pixels, int channels,
                      int64_t stride, uint8_t *nibbles) {
    const __m256i spread = _mm256_setr_epi8(0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1,  //
                                            2, 2, 2, 2, 2, 2, 2, 2, 3, 3, 3, 3, 3, 3, 3, 3);
    const __m256i bit = _mm256_set1_epi64x((int64_t)0x8040201008040201);
    const int64_t row = channels / 8;
    for (int64_t p = 0; p < pixels; p++)
        for (int first = 0; first < channels; first += 32) {
            __m256i nibble = _mm256_setzero_si256();
            for (int n = 0; n < 4; n++) {
                const uint8_t *at = pictures[n] + p * row + first / 8;
                int32_t four = at[0] | at[1] << 8;
                if (channels - first >= 32) __builtin_memcpy(&four, at, 4);
                const __m256i bytes = _mm256_shuffle_epi8(_mm256_set1_epi32(four), spread);
                const __m256i set = _mm256_cmpeq_epi8(_mm256_and_si256(bytes, bit), bit);
                nibble = _mm256_or_si256(
                    nibble, _mm256_and_si256(set, _mm256_set1_epi8((char)(1 << n))));
            }
            store_vector(_mm256_castsi256_si128(nibble), _mm256_extracti128_si256(nibble, 1),
                         nibbles + first / 32 * stride + p * 32);
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

// Sums of looked-up bytes in 16 bits. `all` adds them as if the odd ones were not there (they only
// reach beyond what 16 bits hold, and are taken away again), `odd` those: a mask less each time.
struct Sums {
    __m256i all, odd;
};

static inline void add_two(Sums *sums, __m256i one, __m256i two, __m256i nibbles_one,
                           __m256i nibbles_two) {
    const __m256i bytes = _mm256_add_epi8(_mm256_shuffle_epi8(one, nibbles_one),
                                          _mm256_shuffle_epi8(two, nibbles_two));
    sums->all = _mm256_add_epi16(sums->all, bytes);
    sums->odd = _mm256_add_epi16(sums->odd, _mm256_srli_epi16(bytes, 8));
}

static inline __m256i even_of(const Sums &sums) {
    return _mm256_sub_epi16(sums.all, _mm256_slli_epi16(sums.odd, 8));
}

static inline __m256i table_at(const uint8_t *table) {
    return _mm256_broadcastsi128_si256(_mm_loadu_si128((const __m128i *)table));
}

static inline __m256i vector_at(const uint8_t *bytes) {
    return _mm256_loadu_si256((const __m256i *)bytes);
}

enum { GRADIENT_PAIRS = 16, NEAR_QUADS = 128, WIDE_QUADS = 512 };

// Adds the products of two pixels by 32 V columns over some quads of one tap.
template <int V>
static inline void add_run(const uint8_t *one, const uint8_t *two, const uint8_t *nibbles, int quads,
                           Sums sums[2 * V]) {
    for (int q = 0; q < quads; q += 2, one += 32, two += 32, nibbles += 64 * V) {
        const __m256i one_0 = table_at(one), one_1 = table_at(one + 16);
        const __m256i two_0 = table_at(two), two_1 = table_at(two + 16);
        UNROLL for (int v = 0; v < V; v++) {
            const __m256i n_0 = vector_at(nibbles + 32 * v);
            const __m256i n_1 = vector_at(nibbles + 32 * (V + v));
            add_two(&sums[v], one_0, one_1, n_0, n_1);
            add_two(&sums[V + v], two_0, two_1, n_0, n_1);
        }
    }
}

// Moves 16-bit sums to those in 32 bits, which are in order: [pixel][64].
template <int V>
static inline void move_sums(const Sums sums[2 * V], int first, int32_t *wide) {
    UNROLL for (int k = 0; k < 2 * V; k++) {
        const __m256i halves[2] = {even_of(sums[k]), sums[k].odd};
        int32_t *to = wide + k / V * 64 + k % V * 32;
        UNROLL for (int h = 0; h < 2; h++) {
            const __m128i low = _mm256_castsi256_si128(halves[h]);
            const __m128i high = _mm256_extracti128_si256(halves[h], 1);
            __m256i *place = (__m256i *)(to + 16 * h);
            __m256i a = _mm256_cvtepu16_epi32(low), b = _mm256_cvtepu16_epi32(high);
            if (!first) {
                a = _mm256_add_epi32(a, _mm256_load_si256(place));
                b = _mm256_add_epi32(b, _mm256_load_si256(place + 1));
            }
            _mm256_store_si256(place, a);
            _mm256_store_si256(place + 1, b);
        }
    }
}

// Quads of 32 pixels by 64 columns, so many at a time that their nibbles stay in L1.
template <int V>
static void convolve_block(const onlooker_gradient_convolution *work, const uint8_t *const *pixels,
                           int pairs, const uint8_t *block, int32_t *wide) {
    Sums kept[GRADIENT_PAIRS][2 * V];
    const int quads = work->channels / 4;
    const int taps_at_once = quads < NEAR_QUADS ? NEAR_QUADS / quads : 1;
    int summed = 0;
    bool fresh = true, first = true;
    for (int tap = 0; tap < work->taps; tap += taps_at_once)
        for (int q = 0; q < quads; q += NEAR_QUADS) {
            const int taps = work->taps - tap < taps_at_once ? work->taps - tap : taps_at_once;
            const int run = quads - q < NEAR_QUADS ? quads - q : NEAR_QUADS;
            const bool last = tap + taps == work->taps && q + run == quads;
            summed += taps * run;
            const bool full = last || summed + NEAR_QUADS > WIDE_QUADS;
            for (int p = 0; p < pairs; p++) {
                Sums sums[2 * V];
                UNROLL for (int k = 0; k < 2 * V; k++) {
                    if (fresh) sums[k].all = sums[k].odd = _mm256_setzero_si256();
                    else sums[k] = kept[p][k];
                }
                for (int t = tap; t < tap + taps; t++) {
                    const int64_t at = work->tap_inputs[t] + 16 * q;
                    add_run<V>(pixels[2 * p] + at, pixels[2 * p + 1] + at,
                               block + (work->tap_filters[t] * quads + q) * 32 * V, run, sums);
                }
                if (full) {
                    move_sums<V>(sums, first, wide + p * 128);
                } else {
                    UNROLL for (int k = 0; k < 2 * V; k++) kept[p][k] = sums[k];
                }
            }
            fresh = full;
            if (full) first = false, summed = 0;
        }
}

static void convolve(const onlooker_gradient_convolution *work) {
    alignas(32) int32_t wide[2 * GRADIENT_PAIRS * 64];
    const __m256i lane_bits = _mm256_setr_epi32(1, 2, 4, 8, 16, 32, 64, 128);
    if (work->taps == 0)  // pixels that no tap meets
        for (int i = 0; i < 2 * GRADIENT_PAIRS * 64; i++) wide[i] = 0;
    for (int64_t start = 0; start < work->pixels; start += 2 * GRADIENT_PAIRS) {
        const int64_t left = work->pixels - start;
        const int count = left < 2 * GRADIENT_PAIRS ? (int)left : 2 * GRADIENT_PAIRS;
        const uint8_t *pixels[2 * GRADIENT_PAIRS];
        for (int n = 0; n < count + count % 2; n++)
            pixels[n] = work->tables + work->pixel_inputs[start + (n < count ? n : 0)];
        for (int column = 0; column < work->columns; column += 64) {
            const int columns = work->columns - column < 64 ? work->columns - column : 64;
            const uint8_t *block =
                work->nibbles + (int64_t)column * work->filter_taps * (work->channels / 4);
            if (work->taps == 0) {
            } else if (columns > 32) {
                convolve_block<2>(work, pixels, (count + 1) / 2, block, wide);
            } else {
                convolve_block<1>(work, pixels, (count + 1) / 2, block, wide);
            }
            for (int n = 0; n < count; n++) {
                const int64_t place = work->pixel_outputs[start + n] * work->columns + column;
                const __m256i correction = _mm256_set1_epi32(work->corrections[start + n]);
                const __m256 scale = _mm256_set1_ps(work->scales[start + n]);
                for (int c = 0; c < columns; c += 8) {
                    __m256i sum = _mm256_load_si256((const __m256i *)(wide + n * 64 + c));
                    sum = _mm256_sub_epi32(_mm256_slli_epi32(sum, 1), correction);
                    __m256 value = _mm256_mul_ps(_mm256_cvtepi32_ps(sum), scale);
                    if (work->mask) {
                        __m256i passes = _mm256_set1_epi32(work->mask[(place + c) / 8]);
                        passes = _mm256_cmpeq_epi32(_mm256_and_si256(passes, lane_bits), lane_bits);
                        value = _mm256_and_ps(value, _mm256_castsi256_ps(passes));
                    }
                    _mm256_storeu_ps(work->output + place + c, value);
                }
            }
        }
    }
}

// Two channels by V vectors of columns.
template <int V>
static inline void correlate_tile(const onlooker_correlation *work, const uint8_t *tables,
                                  int vector, int channel) {
    Sums sums[2 * V];
    UNROLL for (int k = 0; k < 2 * V; k++) sums[k].all = sums[k].odd = _mm256_setzero_si256();
    const uint8_t *nibbles[V];
    UNROLL for (int v = 0; v < V; v++) nibbles[v] = work->nibbles + work->vector_signs[vector + v];
    const int64_t *places = work->pixel_signs;
    for (int p = 0; p < work->pixels; p += 2, tables += 128, places += 2) {
        const __m256i one_0 = table_at(tables), one_1 = table_at(tables + 64);
        const __m256i two_0 = table_at(tables + 16), two_1 = table_at(tables + 80);
        UNROLL for (int v = 0; v < V; v++) {
            const __m256i n_0 = vector_at(nibbles[v] + places[0]);
            const __m256i n_1 = vector_at(nibbles[v] + places[1]);
            add_two(&sums[v], one_0, one_1, n_0, n_1);
            add_two(&sums[V + v], two_0, two_1, n_0, n_1);
        }
    }
    alignas(32) int32_t wide[128];
    move_sums<V>(sums, 1, wide);
    const __m256 scale = _mm256_set1_ps(work->scale);
    for (int n = 0; n < 2; n++) {
        const __m256i total = _mm256_set1_epi32(work->totals[channel + n]);
        for (int v = 0; v < V; v++) {
            float *to = work->sums + (channel + n) * work->sums_stride +
                        work->vector_sums[vector + v];
            for (int c = 0; c < work->vector_columns[vector + v]; c += 8) {
                __m256i sum = _mm256_load_si256((const __m256i *)(wide + n * 64 + v * 32 + c));
                sum = _mm256_sub_epi32(_mm256_slli_epi32(sum, 1), total);
                __m256 value = _mm256_mul_ps(_mm256_cvtepi32_ps(sum), scale);
                if (!work->first) value = _mm256_add_ps(value, _mm256_loadu_ps(to + c));
                _mm256_storeu_ps(to + c, value);
            }
        }
    }
}

static void correlate(const onlooker_correlation *work) {
    for (int channel = 0; channel < work->channels; channel += 2) {
        const uint8_t *tables =
            work->tables + ((int64_t)(channel / 4) * work->pixels * 4 + channel % 4) * 16;
        int vector = 0;
        for (; vector + 2 <= work->vectors; vector += 2)
            correlate_tile<2>(work, tables, vector, channel);
        if (vector < work->vectors) correlate_tile<1>(work, tables, vector, channel);
    }
}

extern const onlooker_gradient_kernels onlooker_gradient_kernels_avx2 = {
    "avx2", signs,      largest,   quantize,       interleave, totals,   tables,
    bytes,  join_bytes, join_bits, convolve_signs, convolve,   correlate};
