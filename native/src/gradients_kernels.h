// The loops that training of binary convolutions is made of; one table of them per instruction set.
//
// A sign is a bit, 1 for +1. An output gradient is rounded to a whole number q of eight bits. A sum
// of q by signs is made of tables: for four values q, 16 bytes that say for each nibble of signs
//     table[nibble] = sum over the four of |q| where the sign is that of q, else 0,
// so that sum(q sign) = 2 sum(table[nibble]) - sum(|q|). The four |q| add up to at most
// ONLOOKER_QUAD_LIMIT: two bytes of tables may be added before they are widened. Layouts:
//
//   bits        [n][y][x][channel / 8], with a border of zeros, which are -1
//   pictures    [n][y][x][channel], bytes q, with a border of zeros
//   quads       [channel / 4][n / 4][y][x][channel % 4][n % 4], bytes q, for sums over pictures
//   nibbles     vectors of 32 bytes, one a column, of which the byte 2 i is column i and 2 i + 1 is
//               column 16 + i, so that widening puts them in order
//
// Files with kernels include nothing but stdint.h and intrinsics.
#ifndef ONLOOKER_GRADIENTS_KERNELS_H
#define ONLOOKER_GRADIENTS_KERNELS_H

#include <stdint.h>

enum {
    ONLOOKER_QUAD_LIMIT = 127,
    ONLOOKER_BLOCK_PIXELS = 128,  // of quads that a correlation sums; 16 bits would hold 512
    ONLOOKER_FILTER_COLUMNS = 64  // whose nibbles lie together for gradients: [quad][64]
};

// Signs times signs: output[pixel][column] = length - 2 (how many of `length` bits differ).
typedef struct {
    const uint8_t *input;         // bits
    const uint8_t *nibbles;       // [column / 128][tap][channel / 4][128]; each block is filled up
                                  // with zeros to a multiple of 3 vectors
    const int64_t *tap_inputs;    // per tap: bytes from a pixel's place in the input
    int taps;
    int channels;                 // of the input; a multiple of 16
    int columns;                  // of the output; a multiple of 16
    const int64_t *pixel_inputs;  // per pixel: bytes from `input`
    int64_t first_output;         // number of the first pixel; the others follow
    int64_t pixels;
    uint16_t *indices;            // working memory: 16 (taps channels / 4 + 64) numbers
    float *output;                // [pixel][column]
} onlooker_sign_convolution;

// Gradients times filters:
// output[pixel][column] = scale (2 sum(table[nibble]) - correction), or zero where masked.
typedef struct {
    const uint8_t *tables;        // of pictures: [n][y][x][channel / 4][16]
    const uint8_t *nibbles;       // [column / 64][tap][channel / 4][64 or, of the last, 32]
    const int64_t *tap_inputs;    // per tap: bytes from a pixel's place in the tables
    const int64_t *tap_filters;   // per tap: its number in the filters
    int taps;                     // that are summed
    int filter_taps;              // that the filters have
    int channels;                 // of the gradient; a multiple of 16
    int columns;                  // of the output; a multiple of 16
    const int64_t *pixel_inputs;  // per pixel: bytes from `tables`
    const int64_t *pixel_outputs; // per pixel: its number in the output
    const int32_t *corrections;   // per pixel
    const float *scales;          // per pixel
    int64_t pixels;
    float *output;                // [pixel][column]
    const uint8_t *mask;          // [pixel][column / 8] bits, outputs are zero where unset; or null
} onlooker_gradient_convolution;

// Gradients times signs, summed over a block of pixels of one scale:
// sums[channel][column] += scale (2 sum(table[nibble]) - total).
typedef struct {
    const uint8_t *tables;        // of quads: [channel / 4][pixel][channel % 4][16]
    int channels;                 // a multiple of 4
    int pixels;                   // an even number, at most ONLOOKER_BLOCK_PIXELS
    const uint8_t *nibbles;       // of signs: [column / 32][n / 4][y][x][32]
    const int64_t *pixel_signs;   // per pixel: bytes from a vector of columns' first
    const int64_t *vector_signs;  // per vector of columns: bytes from `nibbles`, tap included
    const int64_t *vector_sums;   // per vector of columns: its place in a row of sums
    const int *vector_columns;    // per vector of columns: 32, or 16 where channels end
    int vectors;
    float scale;
    const int32_t *totals;        // per channel: sum(|q|)
    int first;                    // sums are set, not added to
    float *sums;                  // of the first channel
    int64_t sums_stride;          // floats to the next channel's
} onlooker_correlation;

typedef struct {
    const char *name;
    // Bits of signs, and of where |value| <= clip (mask may be null); count: a multiple of 16.
    void (*signs)(const float *values, int64_t count, float clip, uint8_t *bits, uint8_t *mask);
    // Bits of the largest sum of |value| over four channels of a row, or over the rows (1 to 4);
    // beyond 0x7f800000 if there is a NaN.
    uint32_t (*largest)(const float *const *rows, int row_count, int64_t count);
    // floor(value * inverse / 65536 + random), random in [0, 1); state: 8 words. Per pixel, the sum
    // of |q| over its channels.
    void (*quantize)(const float *values, int64_t pixels, int channels, float inverse,
                     uint32_t *state, int8_t *rounded, int32_t *sums);
    // Four rows of q, of one pixel after another → quads.
    void (*interleave)(const int8_t *const rows[4], int64_t pixels, int channels,
                       int64_t block_stride, int8_t *quads);
    // Sums of |q| over the quads of 4 channels.
    void (*totals)(const int8_t *quads, int64_t pixels, int32_t totals[4]);
    // For each four bytes q, a table.
    void (*tables)(const int8_t *values, int64_t quads, uint8_t *tables);
    // Bits of signs, as bytes 0 and 1.
    void (*bytes)(const float *values, int64_t count, uint8_t *bytes);
    // Four rows of 16 or 32 bytes 0 and 1 → a vector of nibbles, zeros where there are only 16.
    void (*join_bytes)(const uint8_t *const rows[4], int columns, uint8_t *nibbles);
    // Bits of four pictures → vectors of nibbles; from a vector to the next of the same pixel it is
    // `stride` bytes; channels: a multiple of 16.
    void (*join_bits)(const uint8_t *const pictures[4], int64_t pixels, int channels,
                      int64_t stride, uint8_t *nibbles);
    void (*convolve_signs)(const onlooker_sign_convolution *work);
    void (*convolve)(const onlooker_gradient_convolution *work);
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
