// The loops of gradients_kernels.h in plain C++: what the others must equal.
#include <stdint.h>
#include <string.h>

#include "gradients_kernels.h"

static uint32_t bits_of(float value) {
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

static float absolute(float value) { return value < 0 ? -value : value; }

// Where a column stands in its vector of nibbles.
static int place_of(int column) {
    column %= 32;
    return column < 16 ? 2 * column : 2 * column - 31;
}

static void signs(const float *values, int64_t count, float clip, uint8_t *bits, uint8_t *mask) {
    for (int64_t i = 0; i < count; i++) {
        if (i % 8 == 0) {
            bits[i / 8] = 0;
            if (mask) mask[i / 8] = 0;
        }
        bits[i / 8] |= (uint8_t)(!(values[i] < 0) << (i % 8));
        if (mask) mask[i / 8] |= (uint8_t)((absolute(values[i]) <= clip) << (i % 8));
    }
}

static uint32_t larger(uint32_t found, float value) {
    const uint32_t bits = bits_of(value) & 0x7fffffffu;
    return bits > found ? bits : found;
}

static uint32_t largest(const float *const *rows, int row_count, int64_t count) {
    uint32_t found = 0;
    for (int64_t i = 0; i < count; i += 4) {
        float across[4] = {0, 0, 0, 0};
        for (int r = 0; r < row_count; r++) {
            float sum = 0;
            for (int k = 0; k < 4; k++) {
                sum += absolute(rows[r][i + k]);
                across[k] += absolute(rows[r][i + k]);
            }
            found = larger(found, sum);
        }
        for (int k = 0; k < 4; k++) found = larger(found, across[k]);
    }
    return found;
}

static uint32_t next_random(uint32_t *state) {
    uint32_t x = *state;
    x ^= x << 13;
    x ^= x >> 17;
    x ^= x << 5;
    return *state = x;
}

// Nearest integer, ties to even, as processors convert.
static int32_t nearest(float value) {
    if (value > 4194304.0f || value < -4194304.0f) return (int32_t)value;
    const float shift = 12582912.0f;  // 1.5 * 2^23: what is below one is lost when it is added
    volatile float moved = value + shift;
    return (int32_t)(moved - shift);
}

static void quantize(const float *values, int64_t pixels, int channels, float inverse,
                     uint32_t *state, int8_t *rounded, int32_t *sums) {
    for (int64_t p = 0; p < pixels; p++) {
        int32_t sum = 0;
        for (int c = 0; c < channels; c += 16)
            for (int k = 0; k < 8; k++) {
                const uint32_t random = next_random(&state[k]);
                for (int half = 0; half < 2; half++) {
                    const int64_t i = p * channels + c + half * 8 + k;
                    const int32_t noise = (int32_t)(half ? random >> 16 : random & 0xffff);
                    const int32_t value = (nearest(values[i] * inverse) + noise) >> 16;
                    rounded[i] = (int8_t)value;
                    sum += value < 0 ? -value : value;
                }
            }
        sums[p] = sum;
    }
}

static void interleave(const int8_t *const rows[4], int64_t pixels, int channels,
                       int64_t block_stride, int8_t *quads) {
    for (int64_t p = 0; p < pixels; p++)
        for (int c = 0; c < channels; c++)
            for (int n = 0; n < 4; n++)
                quads[c / 4 * block_stride + (p * 4 + c % 4) * 4 + n] = rows[n][p * channels + c];
}

static void totals(const int8_t *quads, int64_t pixels, int32_t totals[4]) {
    for (int channel = 0; channel < 4; channel++) totals[channel] = 0;
    for (int64_t i = 0; i < pixels * 16; i++)
        totals[i % 16 / 4] += quads[i] < 0 ? -quads[i] : quads[i];
}

static void tables(const int8_t *values, int64_t quads, uint8_t *tables) {
    for (int64_t q = 0; q < quads; q++)
        for (int nibble = 0; nibble < 16; nibble++) {
            int sum = 0;
            for (int k = 0; k < 4; k++) {
                const int value = values[q * 4 + k];
                const bool positive = nibble >> k & 1;
                if (positive == (value > 0)) sum += value < 0 ? -value : value;
            }
            tables[q * 16 + nibble] = (uint8_t)sum;
        }
}

static void bytes(const float *values, int64_t count, uint8_t *bytes) {
    for (int64_t i = 0; i < count; i++) bytes[i] = !(values[i] < 0);
}

static void join_bytes(const uint8_t *const rows[4], int columns, uint8_t *nibbles) {
    memset(nibbles, 0, 32);
    for (int c = 0; c < columns; c++)
        nibbles[place_of(c)] =
            (uint8_t)(rows[0][c] | rows[1][c] << 1 | rows[2][c] << 2 | rows[3][c] << 3);
}

static void join_bits(const uint8_t *const pictures[4], int64_t pixels, int channels,
                      int64_t stride, uint8_t *nibbles) {
    for (int64_t p = 0; p < pixels; p++)
        for (int first = 0; first < channels; first += 32) {
            uint8_t *vector = nibbles + first / 32 * stride + p * 32;
            memset(vector, 0, 32);
            for (int c = first; c < first + 32 && c < channels; c++)
                for (int n = 0; n < 4; n++) {
                    const int bit = pictures[n][p * (channels / 8) + c / 8] >> (c % 8) & 1;
                    vector[place_of(c)] |= (uint8_t)(bit << n);
                }
        }
}

static void convolve_signs(const onlooker_sign_convolution *work) {
    const int quads = work->channels / 4, count = work->taps * quads;
    const int64_t rows = (count + 2) / 3 * 3;
    for (int64_t p = 0; p < work->pixels; p++)
        for (int column = 0; column < work->columns; column++) {
            const int first = column / 128 * 128, left = work->columns - first;
            const int width = left < 128 ? (left + 31) / 32 * 32 : 128;
            const uint8_t *nibble =
                work->nibbles + first * rows + (column - first) / 32 * 32 + place_of(column);
            int differ = 0;
            for (int t = 0; t < work->taps; t++) {
                const uint8_t *input = work->input + work->pixel_inputs[p] + work->tap_inputs[t];
                for (int q = 0; q < quads; q++, nibble += width)
                    for (int bit = 0; bit < 4; bit++)
                        differ += (input[q / 2] >> (q % 2 * 4 + bit) ^ *nibble >> bit) & 1;
            }
            work->output[(work->first_output + p) * work->columns + column] =
                (float)(work->taps * work->channels - 2 * differ);
        }
}

static void convolve(const onlooker_gradient_convolution *work) {
    const int quads = work->channels / 4;
    for (int64_t p = 0; p < work->pixels; p++)
        for (int column = 0; column < work->columns; column++) {
            const int first = column / 64 * 64;
            const int width = work->columns - first > 32 ? 64 : 32;
            const uint8_t *block = work->nibbles + (int64_t)first * work->filter_taps * quads +
                                   (column - first) / 32 * 32 + place_of(column);
            int32_t sum = 0;
            for (int t = 0; t < work->taps; t++) {
                const uint8_t *table = work->tables + work->pixel_inputs[p] + work->tap_inputs[t];
                const uint8_t *nibble = block + work->tap_filters[t] * quads * width;
                for (int q = 0; q < quads; q++) sum += table[16 * q + nibble[q * width]];
            }
            const int64_t i = work->pixel_outputs[p] * work->columns + column;
            const bool passes = !work->mask || (work->mask[i / 8] >> (i % 8) & 1);
            const float value = (float)(2 * sum - work->corrections[p]) * work->scales[p];
            work->output[i] = passes ? value : 0.0f;
        }
}

static void correlate(const onlooker_correlation *work) {
    for (int channel = 0; channel < work->channels; channel++)
        for (int v = 0; v < work->vectors; v++)
            for (int column = 0; column < work->vector_columns[v]; column++) {
                const uint8_t *table =
                    work->tables + ((int64_t)(channel / 4) * work->pixels * 4 + channel % 4) * 16;
                const uint8_t *nibble = work->nibbles + work->vector_signs[v] + place_of(column);
                int32_t sum = 0;
                for (int p = 0; p < work->pixels; p++)
                    sum += table[p * 64 + nibble[work->pixel_signs[p]]];
                float *place =
                    work->sums + channel * work->sums_stride + work->vector_sums[v] + column;
                const float value = (float)(2 * sum - work->totals[channel]) * work->scale;
                *place = work->first ? value : *place + value;
            }
}

const onlooker_gradient_kernels onlooker_gradient_kernels_reference = {
    "reference", signs, largest,    quantize,  interleave,     totals,   tables,
    bytes,       join_bytes, join_bits, convolve_signs, convolve, correlate};
