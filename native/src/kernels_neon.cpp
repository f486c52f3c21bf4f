// Kernels for the vectors that every 64-bit ARM has. Counting bits of bytes is an instruction, so
// binary convolutions use the words of the file as they are.
#include <stddef.h>
#include <stdint.h>
#include <arm_neon.h>

namespace {

typedef float32x4_t vec;
const int LANES = 4;
const uint32_t TILE = 24;

inline vec load(const float *p) { return vld1q_f32(p); }
inline void store(float *p, vec v) { vst1q_f32(p, v); }
inline vec splat(float x) { return vdupq_n_f32(x); }
inline vec add(vec a, vec b) { return vaddq_f32(a, b); }
inline vec multiply(vec a, vec b) { return vmulq_f32(a, b); }
inline vec divide(vec a, vec b) { return vdivq_f32(a, b); }
inline vec larger(vec a, vec b) { return vbslq_f32(vcgtq_f32(a, b), a, b); }
inline vec smaller(vec a, vec b) { return vbslq_f32(vcltq_f32(a, b), a, b); }
inline vec from_i16(const int16_t *p) { return vcvtq_f32_s32(vmovl_s16(vld1_s16(p))); }
inline vec from_i32(const int32_t *p) { return vcvtq_f32_s32(vld1q_s32(p)); }

// One bit for each of 16 bytes that are 0 or 255.
inline uint64_t bits_of(uint8x16_t bytes) {
    const uint8x16_t place = {1, 2, 4, 8, 16, 32, 64, 128, 1, 2, 4, 8, 16, 32, 64, 128};
    const uint8x16_t bits = vandq_u8(bytes, place);
    return static_cast<uint64_t>(vaddv_u8(vget_low_u8(bits))) |
           static_cast<uint64_t>(vaddv_u8(vget_high_u8(bits))) << 8;
}

inline uint16x8_t at_least_8(const float *a, const float *b) {
    return vcombine_u16(vmovn_u32(vcgeq_f32(load(a), load(b))),
                        vmovn_u32(vcgeq_f32(load(a + 4), load(b + 4))));
}

inline uint64_t at_least_f32(const float *a, const float *b) {
    uint64_t bits = 0;
    for (int i = 0; i < 64; i += 16)
        bits |= bits_of(vcombine_u8(vmovn_u16(at_least_8(a + i, b + i)),
                                    vmovn_u16(at_least_8(a + i + 8, b + i + 8))))
                << i;
    return bits;
}

inline uint64_t at_least_i16(const int16_t *a, const int16_t *b) {
    uint64_t bits = 0;
    for (int i = 0; i < 64; i += 16) {
        const uint16x8_t low = vcgeq_s16(vld1q_s16(a + i), vld1q_s16(b + i));
        const uint16x8_t high = vcgeq_s16(vld1q_s16(a + i + 8), vld1q_s16(b + i + 8));
        bits |= bits_of(vcombine_u8(vmovn_u16(low), vmovn_u16(high))) << i;
    }
    return bits;
}

inline uint16x4_t quantize_4(const float *v, const float *inverse, const float *zero) {
    const vec q = add(multiply(load(v), load(inverse)), load(zero));
    const vec clipped = smaller(larger(q, splat(0.0f)), splat(255.0f));
    return vmovn_u32(vcvtnq_u32_f32(clipped));
}

inline void quantize(const float *v, const float *inverse, const float *zero, uint8_t *into) {
    for (int i = 0; i < 64; i += 8)
        vst1_u8(into + i, vmovn_u16(vcombine_u16(
                              quantize_4(v + i, inverse + i, zero + i),
                              quantize_4(v + i + 4, inverse + i + 4, zero + i + 4))));
}

}  // namespace

#include "kernels_common.h"

namespace {

const int FLOAT_PIXELS = 4;
const int QUANTIZED_PIXELS = 4;

template <int pixels>
inline void float_block(const unsigned char *const *from, const window &w, const float *weights,
                        float *into, size_t stride) {
    vec sum[pixels][4];
    for (int p = 0; p < pixels; p++)
        for (int k = 0; k < 4; k++) sum[p][k] = splat(0.0f);
    for (uint32_t i = 0; i < w.down; i++) {
        for (uint32_t j = 0; j < w.right; j++) {
            const ptrdiff_t offset = i * w.row + j * w.column;
            const ptrdiff_t end = offset + static_cast<ptrdiff_t>(w.length * 4);
            for (ptrdiff_t at = offset; at < end; at += 4, weights += 16) {
                vec values[4];
                for (int k = 0; k < 4; k++) values[k] = load(weights + 4 * k);
                for (int p = 0; p < pixels; p++) {
                    const vec a = vld1q_dup_f32(reinterpret_cast<const float *>(from[p] + at));
                    for (int k = 0; k < 4; k++) sum[p][k] = vfmaq_f32(sum[p][k], values[k], a);
                }
            }
        }
    }
    for (int p = 0; p < pixels; p++)
        for (int k = 0; k < 4; k++) store(into + p * stride + 4 * k, sum[p][k]);
}

// There are products of signed bytes only: 128 is taken off the inputs and, times the sum of the
// weights, added at the end. Two products, of at most 128 · 63 each, fit 16 bits.
template <int pixels>
inline void quantized_block(const unsigned char *const *from, const window &w,
                            const int8_t *weights, int32_t *into, size_t stride) {
    int32x4_t sum[pixels][4], total[4];
    const uint32x4_t middle = vdupq_n_u32(0x80808080u);
    for (int k = 0; k < 4; k++) {
        total[k] = vdupq_n_s32(0);
        for (int p = 0; p < pixels; p++) sum[p][k] = vdupq_n_s32(0);
    }
    for (uint32_t i = 0; i < w.down; i++) {
        for (uint32_t j = 0; j < w.right; j++) {
            const ptrdiff_t offset = i * w.row + j * w.column;
            const ptrdiff_t end = offset + static_cast<ptrdiff_t>(w.length);
            for (ptrdiff_t at = offset; at < end; at += 4, weights += 64) {
                int8x16_t values[4];
                for (int k = 0; k < 4; k++) {
                    values[k] = vld1q_s8(weights + 16 * k);
                    total[k] = vpadalq_s16(total[k], vpaddlq_s8(values[k]));
                }
                for (int p = 0; p < pixels; p++) {
                    uint32_t four;
                    __builtin_memcpy(&four, from[p] + at, 4);
                    const int8x16_t a =
                        vreinterpretq_s8_u32(veorq_u32(vdupq_n_u32(four), middle));
                    for (int k = 0; k < 4; k++) {
                        const int16x8_t low = vmull_s8(vget_low_s8(values[k]), vget_low_s8(a));
                        const int16x8_t high = vmull_high_s8(values[k], a);
                        sum[p][k] = vpadalq_s16(sum[p][k], vpaddq_s16(low, high));
                    }
                }
            }
        }
    }
    for (int p = 0; p < pixels; p++)
        for (int k = 0; k < 4; k++)
            vst1q_s32(into + p * stride + 4 * k,
                      vaddq_s32(sum[p][k], vshlq_n_s32(total[k], 7)));
}

}  // namespace

#include "kernels_nodes.h"

namespace {

const int BINARY_PIXELS = 4;
const int BINARY_BLOCKS = 1;

// Counts of bytes, at most 8 a word, to counts of words: eight channels' sums of 16 bits.
inline uint16x8_t widen(const uint8x16_t *counts) {
    const uint16x8_t low = vpaddq_u16(vpaddlq_u8(counts[0]), vpaddlq_u8(counts[1]));
    const uint16x8_t high = vpaddq_u16(vpaddlq_u8(counts[2]), vpaddlq_u8(counts[3]));
    return vpaddq_u16(low, high);
}

template <int pixels, int>
inline void binary_block(const unsigned char *const *from, const window &w,
                         const uint64_t *weights, size_t, int length, int16_t *into,
                         size_t stride) {
    uint8x16_t counts[pixels][4];
    uint16x8_t sum[pixels];
    for (int p = 0; p < pixels; p++) {
        sum[p] = vdupq_n_u16(0);
        for (int k = 0; k < 4; k++) counts[p][k] = vdupq_n_u8(0);
    }
    ptrdiff_t room = 31 * 8; // bytes of input until counts may be 255
    for (uint32_t i = 0; i < w.down; i++) {
        for (uint32_t j = 0; j < w.right; j++) {
            ptrdiff_t at = i * w.row + j * w.column;
            const ptrdiff_t end = at + static_cast<ptrdiff_t>(w.length * 8);
            while (at < end) {
                const ptrdiff_t until = at + room < end ? at + room : end;
                room -= until - at;
                for (; at < until; at += 8, weights += 8) {
                    uint8x16_t words[4];
                    for (int k = 0; k < 4; k++)
                        words[k] = vreinterpretq_u8_u64(vld1q_u64(weights + 2 * k));
                    for (int p = 0; p < pixels; p++) {
                        const uint8x16_t bits = vreinterpretq_u8_u64(
                            vld1q_dup_u64(reinterpret_cast<const uint64_t *>(from[p] + at)));
                        for (int k = 0; k < 4; k++)
                            counts[p][k] =
                                vaddq_u8(counts[p][k], vcntq_u8(veorq_u8(words[k], bits)));
                    }
                }
                if (room != 0) continue;
                room = 31 * 8;
                for (int p = 0; p < pixels; p++) {
                    sum[p] = vaddq_u16(sum[p], widen(counts[p]));
                    for (int k = 0; k < 4; k++) counts[p][k] = vdupq_n_u8(0);
                }
            }
        }
    }
    for (int p = 0; p < pixels; p++) {
        const uint16x8_t different = vaddq_u16(sum[p], widen(counts[p]));
        const int16x8_t twice = vreinterpretq_s16_u16(vshlq_n_u16(different, 1));
        vst1q_s16(into + p * stride, vsubq_s16(vdupq_n_s16(static_cast<int16_t>(length)), twice));
    }
}

}  // namespace

#include "kernels_words.h"

extern "C" {
extern const onlooker_kernels onlooker_kernels_neon;
const onlooker_kernels onlooker_kernels_neon = {
    "neon",
    ONLOOKER_CPU_NEON,
    prepared_bytes,
    prepare,
    scratch_bytes,
    {run_pointwise, run_binary, run_convolution, run_quantized, run_pooling<true>,
     run_pooling<false>, run_pointwise, run_gather},
    TILE,
};
}
