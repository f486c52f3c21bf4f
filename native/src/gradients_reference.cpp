// The loops of gradients_kernels.h in plain C++: what the others must equal.
#include "gradients_kernels.h"

#include <string.h>

static uint32_t bits_of(float value) {
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

static float absolute(float value) { return value < 0 ? -value : value; }

static void signs(const float *values, int64_t pixels, int channels, float clip, int8_t *signs,
                  uint8_t *bits, uint8_t *mask, int32_t *sums) {
    for (int64_t p = 0; p < pixels; p++) {
        int32_t sum = 0;
        for (int c = 0; c < channels; c++) {
            int64_t i = p * channels + c;
            signs[i] = values[i] < 0 ? -1 : 1;
            sum += signs[i];
            if (bits) {
                if (i % 8 == 0) bits[i / 8] = 0;
                bits[i / 8] |= (uint8_t)((signs[i] > 0) << (i % 8));
            }
            if (mask) {
                if (i % 8 == 0) mask[i / 8] = 0;
                mask[i / 8] |= (uint8_t)((absolute(values[i]) <= clip) << (i % 8));
            }
        }
        if (sums) sums[p] = sum;
    }
}

static uint32_t largest(const float *values, int64_t count) {
    uint32_t found = 0;
    for (int64_t i = 0; i < count; i++) {
        uint32_t bits = bits_of(values[i]) & 0x7fffffffu;
        if (bits > found) found = bits;
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
    const float shift = 12582912.0f;  // 1.5 * 2^23: what is below one is lost when it is added
    if (value > 4194304.0f || value < -4194304.0f) return (int32_t)value;
    volatile float moved = value + shift;
    return (int32_t)(moved - shift);
}

static void quantize(const float *values, int64_t pixels, int channels, float inverse,
                     uint32_t *state, int8_t *rounded, int32_t *sums) {
    for (int64_t p = 0; p < pixels; p++) {
        int32_t sum = 0;
        for (int c = 0; c < channels; c += 16) {
            for (int k = 0; k < 8; k++) {
                uint32_t random = next_random(&state[k]);
                for (int half = 0; half < 2; half++) {
                    int64_t i = p * channels + c + half * 8 + k;
                    int32_t noise = half ? (int32_t)(random >> 16) : (int32_t)(random & 0xffff);
                    int32_t value = (nearest(values[i] * inverse) + noise) >> 16;
                    value = value > 127 ? 127 : value < -128 ? -128 : value;
                    rounded[i] = (int8_t)value;
                    sum += value;
                }
            }
        }
        sums[p] = sum;
    }
}

static void interleave(const int8_t *const rows[4], int64_t pixels, int channels, int block,
                       int64_t block_stride, int8_t *quads) {
    for (int64_t p = 0; p < pixels; p++)
        for (int c = 0; c < channels; c++)
            for (int n = 0; n < 4; n++)
                quads[c / block * block_stride + (p * block + c % block) * 4 + n] =
                    rows[n][p * channels + c];
}

static void interleave_signs(const int8_t *const rows[4], int64_t pixels, int channels, int shift,
                             int64_t block_stride, uint8_t *quads) {
    for (int64_t p = 0; p < pixels; p++)
        for (int c = 0; c < channels; c++)
            for (int n = 0; n < 4; n++)
                quads[c / 8 * block_stride + (p * 8 + c % 8) * 4 + n] =
                    (uint8_t)((rows[n][p * channels + c] + 1) >> shift);
}

static void bits(const float *values, int64_t count, uint8_t *bits) {
    for (int64_t i = 0; i < count; i++) bits[i] = !(values[i] < 0);
}

static void convolve(const onlooker_convolution *work) {
    for (int64_t p = 0; p < work->pixels; p++) {
        int64_t place = work->pixel_outputs[p] * work->columns;
        for (int column = 0; column < work->columns; column++) {
            const uint8_t *panel = work->filters + column / 16 * work->panel_bytes;
            int32_t sum = 0;
            for (int t = 0; t < work->taps; t++) {
                const int8_t *input = work->input + work->pixel_inputs[p] + work->tap_inputs[t];
                const uint8_t *filter = panel + work->tap_filters[t] + column % 16 * 4;
                for (int c = 0; c < work->channels; c++)
                    sum += input[c] * filter[c / 4 * 64 + c % 4];
            }
            float value = (float)(2 * sum - work->corrections[p]) * work->scales[p];
            int64_t i = place + column;
            bool passes = !work->mask || (work->mask[i / 8] >> (i % 8) & 1);
            work->output[i] = passes ? value : 0.0f;
        }
    }
}

static void convolve_signs(const onlooker_sign_convolution *work) {
    const int quads = work->channels / 4, count = work->taps * quads;
    const int64_t block_nibbles = (count + 2) / 3 * 3;
    for (int64_t p = 0; p < work->pixels; p++) {
        float *output = work->output + (work->first_output + p) * work->columns;
        for (int column = 0; column < work->columns; column++) {
            const int first = column / 128 * 128, left = work->columns - first;
            const int width = left < 128 ? (left + 31) / 32 * 32 : 128;
            const int in_vector = column % 32;
            const uint8_t *nibble = work->nibbles + first * block_nibbles + (column - first) / 32 * 32 +
                                    (in_vector < 16 ? 2 * in_vector : 2 * in_vector - 31);
            int differ = 0;
            for (int t = 0; t < work->taps; t++) {
                const uint8_t *input = work->input + work->pixel_inputs[p] + work->tap_inputs[t];
                for (int q = 0; q < quads; q++, nibble += width)
                    for (int bit = 0; bit < 4; bit++)
                        differ += (input[q / 2] >> (q % 2 * 4 + bit) ^ *nibble >> bit) & 1;
            }
            output[column] = (float)(work->taps * work->channels - 2 * differ);
        }
    }
}

static void totals(const int8_t *quads, int64_t pixels, int32_t totals[4]) {
    for (int channel = 0; channel < 4; channel++) totals[channel] = 0;
    for (int64_t i = 0; i < pixels * 16; i++) totals[i % 16 / 4] += quads[i];
}

static void correlate(const onlooker_correlation *work) {
    for (int channel = 0; channel < work->channel_blocks * 4; channel++)
        for (int block = 0; block < work->column_blocks; block++)
            for (int column = 0; column < 8; column++) {
                const int8_t *gradient =
                    work->gradients + channel / 4 * work->gradient_stride + channel % 4 * 4;
                const uint8_t *sign = work->signs + work->column_signs[block] + column * 4;
                int32_t product = 0;
                for (int p = 0; p < work->pixels; p++, gradient += 16)
                    for (int n = 0; n < 4; n++)
                        product += gradient[n] * sign[work->pixel_signs[p] + n];
                float *place =
                    work->sums + channel * work->sums_stride + work->column_sums[block] + column;
                int32_t sum = work->factor * product - work->totals[channel];
                float value = (float)sum * work->scale;
                *place = work->first ? value : *place + value;
            }
}

const onlooker_gradient_kernels onlooker_gradient_kernels_reference = {
    "reference", signs, largest, quantize, interleave, interleave_signs, bits, convolve,
    convolve_signs, totals, correlate};
