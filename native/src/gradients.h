/* Training of binary convolutions: products of signs, and their gradients from eight-bit numbers.
 *
 * Arrays are dense; pictures are [n][y][x][channel], weights [filter][y][x][channel]. Channels and
 * filters are multiples of 16. A function returns 0, or 1 where memory ran out or a shape is not
 * one it takes.
 */
#ifndef ONLOOKER_GRADIENTS_H
#define ONLOOKER_GRADIENTS_H

#include <stdint.h>

#if defined(_WIN32)
#define ONLOOKER_TRAINING __declspec(dllexport)
#else
#define ONLOOKER_TRAINING __attribute__((visibility("default")))
#endif

#ifdef __cplusplus
extern "C" {
#endif

typedef struct {
    int64_t pictures, height, width, channels; /* of the input */
    int64_t filters, kernel_height, kernel_width;
    int64_t stride_y, stride_x, padding_y, padding_x, dilation_y, dilation_x;
} onlooker_training_shape;

/* The instruction set in use: "avx2" or "reference". */
ONLOOKER_TRAINING const char *onlooker_training_kernels(void);

/* How large `signs` must be. */
ONLOOKER_TRAINING int64_t onlooker_training_sign_bytes(const onlooker_training_shape *shape);

/* output = sign(values), padded with -1, convolved with sign(weight).
 *
 * For the backward pass it fills signs; filter_bytes, one byte a weight; and mask, one bit a value:
 * |value| <= clip (or null). */
ONLOOKER_TRAINING int onlooker_training_forward(const onlooker_training_shape *shape,
                                                const float *values, const float *weight,
                                                float clip, float *output, uint8_t *signs,
                                                uint8_t *mask, uint8_t *filter_bytes, int threads);

/* Gradients of values (zero where the mask, if given, is unset) and of weight (either may be null).
 *
 * The gradient of the output is rounded at random to eight bits, with one scale for a few pictures;
 * what comes out is right on average. The same seed gives the same result. */
ONLOOKER_TRAINING int onlooker_training_backward(const onlooker_training_shape *shape,
                                                 const float *gradient, const uint8_t *signs,
                                                 const uint8_t *mask, const uint8_t *filter_bytes,
                                                 uint64_t seed, float *of_values,
                                                 float *of_weight, int threads);

#ifdef __cplusplus
}
#endif

#endif
