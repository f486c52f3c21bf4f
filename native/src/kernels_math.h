/* Float32 arithmetic that every table must do alike, so that their results are equal bit by bit.
 * Plain operations in a fixed order; files of kernels are compiled without fused ones. */
#ifndef ONLOOKER_KERNELS_MATH_H
#define ONLOOKER_KERNELS_MATH_H

#include <stdint.h>

/* tanh, in float64 by exp(−2|x|), whose error is far below a float32's. */
static inline float onlooker_tanh(float x) {
    double a = x < 0 ? -(double)x : (double)x;
    double result;
    if (a < 1e-3) { /* 1 − exp would cancel */
        result = a - a * a * a / 3.0;
    } else if (!(a < 20.0)) {
        result = a != a ? a : 1.0;
    } else {
        const double t = -2.0 * a;
        const int n = (int)(t * 1.4426950408889634 - 0.5); /* t is negative: to the nearest */
        const double r = t - n * 0.6931471805599453;
        double sum = 1.0; /* |r| ≤ ln 2 / 2: the thirteenth term is below 2e-16 */
        for (int k = 13; k >= 1; k--) sum = 1.0 + r * sum / k;
        union {
            uint64_t bits;
            double value;
        } power;
        power.bits = (uint64_t)(1023 + n) << 52;
        const double e = sum * power.value;
        result = (1.0 - e) / (1.0 + e);
    }
    return (float)(x < 0 ? -result : result);
}

static inline float onlooker_activate(float v, uint32_t activation) {
    switch (activation) {
        case 1: return 0.0f > v ? 0.0f : v; /* NaN stays */
        case 2: return onlooker_tanh(v);
        case 3: return -1.0f > v ? -1.0f : 1.0f < v ? 1.0f : v;
        default: return v;
    }
}

/* clip(round(v · inverse_scale + zero), 0, 255). Clipping first changes nothing, and keeps the
 * number small enough for the sum with 1.5 · 2^23, which rounds to an integer, halves to even. */
static inline uint8_t onlooker_quantize(float v, float inverse_scale, float zero) {
    float q = v * inverse_scale;
    q = q + zero;
    q = q > 0.0f ? q : 0.0f;
    q = q < 255.0f ? q : 255.0f;
    q = q + 12582912.0f;
    union {
        float value;
        uint32_t bits;
    } rounded;
    rounded.value = q;
    return (uint8_t)rounded.bits;
}

#endif
