// The loops that training of binary convolutions is made of; one table of them per instruction set.
//
// A sign s is ±1. An output gradient is rounded to eight bits, q. Products of one by the other are
// sums of q where the sign is +1: sum(q s) = 2 sum(q b) - sum(q) with b = (s + 1) / 2, so that an
// instruction which multiplies unsigned by signed bytes computes them. Layouts:
//
//   pictures    [n][y][x][channel], one byte each, with a border, for products over channels
//   quads       [channel / block][n / 4][y][x][channel % block][n % 4], for products over pictures
//   filters     [column / 16][tap][channel / 4][column % 16][channel % 4], bits as bytes 0 or 1
//   nibbles     [column / 128][tap][channel / 4][column % 128], four bits a byte, the first lowest;
//               of 32 columns, the byte 2 i is column i and 2 i + 1 is 16 + i
//
// Files with kernels include nothing but stdint.h and intrinsics.
#ifndef ONLOOKER_GRADIENTS_KERNELS_H
#define ONLOOKER_GRADIENTS_KERNELS_H

#include <stdint.h>

// Pictures times filters: output[pixel][column] = scale (2 sum(input bit) - correction).
typedef struct {
    const int8_t *input;
    const uint8_t *filters;
    int64_t panel_bytes;          // from 16 columns of filters to the next 16
    const int64_t *tap_inputs;    // per tap: bytes from a pixel's place in the input
    const int64_t *tap_filters;   // per tap: bytes from the panel's start
    int taps;
    int channels;                 // of the input; a multiple of 4
    int columns;                  // of the output; a multiple of 16
    int limit;                    // how often pairs of products may be added up in 16 bits
    const int64_t *pixel_inputs;  // per pixel: bytes from `input`
    const int64_t *pixel_outputs; // per pixel: its number in the output
    const int32_t *corrections;   // per pixel
    const float *scales;          // per pixel
    int64_t pixels;
    float *output;                // [pixel][columns]
    const uint8_t *mask;          // [pixel][columns / 8] bits, outputs are zero where unset; or null
} onlooker_convolution;

// Signs times signs, as bits: output[pixel][column] = length - 2 (how many of `length` bits differ).
typedef struct {
    const uint8_t *input;         // [n][y][x][channel / 8]
    const uint8_t *nibbles;       // of filters; zeros follow, up to a multiple of 3 for each block
    const int64_t *tap_inputs;    // per tap: bytes from a pixel's place in the input
    int taps;
    int channels;                 // of the input; a multiple of 16
    int columns;                  // of the output; a multiple of 16
    const int64_t *pixel_inputs;  // per pixel: bytes from `input`
    int64_t first_output;         // number of the first pixel; the others follow
    int64_t pixels;
    uint16_t *indices;            // working memory: 16 (taps channels / 4 + 64) numbers
    float *output;                // [pixel][columns]
} onlooker_sign_convolution;

// Gradient quads times sign quads, summed over a block of pixels of one scale:
// sums[channel][column] += scale (factor sum(gradient sign) - sum(gradient)).
typedef struct {
    const int8_t *gradients;      // block of 4 channels at the block's first pixel
    int64_t gradient_stride;      // bytes to the next 4 channels
    int channel_blocks;
    const uint8_t *signs;
    const int64_t *column_signs;  // per block of 8 columns: bytes from `signs`, tap included
    const int64_t *column_sums;   // per block of 8 columns: its place in a row of sums
    int column_blocks;
    int pixels;                   // their gradients lie one behind another
    const int64_t *pixel_signs;   // per pixel: bytes from its column's signs
    int factor;                   // 2 for signs as 0 and 1; 1 for 0, 1, 2 (1: not there)
    float scale;
    const int32_t *totals;        // per channel: sum(gradient)
    int first;                    // sums are set, not added to
    float *sums;                  // of the first channel
    int64_t sums_stride;          // floats to the next channel's
} onlooker_correlation;

typedef struct {
    const char *name;
    // Signs as ±1 and as bits, where |value| <= clip, and sums over each pixel's channels; all but
    // the first may be null.
    void (*signs)(const float *values, int64_t pixels, int channels, float clip, int8_t *signs,
                  uint8_t *bits, uint8_t *mask, int32_t *sums);
    // Bits of the largest |value|; beyond 0x7f800000 if there is a NaN.
    uint32_t (*largest)(const float *values, int64_t count);
    // floor(value * inverse + random), random in [0, 1), within eight bits; state: 8 words.
    void (*quantize)(const float *values, int64_t pixels, int channels, float inverse,
                     uint32_t *state, int8_t *rounded, int32_t *sums);
    // Four rows of bytes → quads in blocks of 4, 8 or 16 channels.
    void (*interleave)(const int8_t *const rows[4], int64_t pixels, int channels, int block,
                       int64_t block_stride, int8_t *quads);
    // The same for signs, as (sign + 1) >> shift.
    void (*interleave_signs)(const int8_t *const rows[4], int64_t pixels, int channels, int shift,
                             int64_t block_stride, uint8_t *quads);
    // Bits of signs, as bytes 0 and 1.
    void (*bits)(const float *values, int64_t count, uint8_t *bits);
    void (*convolve)(const onlooker_convolution *work);
    void (*convolve_signs)(const onlooker_sign_convolution *work);
    // Sums over the quads of 4 channels.
    void (*totals)(const int8_t *quads, int64_t pixels, int32_t totals[4]);
    void (*correlate)(const onlooker_correlation *work);
} onlooker_gradient_kernels;

#ifdef __cplusplus
extern "C" {
#endif
extern const onlooker_gradient_kernels onlooker_gradient_kernels_reference;
extern const onlooker_gradient_kernels onlooker_gradient_kernels_avx2;
#ifdef __cplusplus
}
#endif

#endif
