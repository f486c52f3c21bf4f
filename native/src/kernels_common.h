/* What the fast tables share: walking over tiles of pixels, and the way from sums to outlets.
 *
 * A file of kernels defines, before it includes this one, a vector of LANES float32 and these
 * functions on it, all static:
 *   vec, load(const float *), store(float *, vec), splat(float), add, multiply, divide,
 *   larger(a, b): a > b ? a : b, smaller(a, b): a < b ? a : b, from_i16(const int16_t *), from_i32(const int32_t *);
 *   at_least_f32(const float *, const float *), at_least_i16(const int16_t *, const int16_t *):
 *   64 comparisons ≥ as bits; quantize(float *v, inverse, zero, uint8_t *into): 64 of them.
 * and TILE, the number of pixels that are computed before their outlets are written.
 *
 * Sums of a tile stay in scratch: rows of i16 (dot products), i32 (quantized; dot products longer
 * than 32,766) or float32, `stride` elements apart. Row `i` begins with the rectangle's first
 * channel. That costs a store and a load per number, which is little beside the sum, and lets
 * outlets whose bytes hold channels of two groups be written like all others. */
#ifndef ONLOOKER_KERNELS_COMMON_H
#define ONLOOKER_KERNELS_COMMON_H

#include <stddef.h>
#include <stdint.h>

#include "kernels.h"
#include "kernels_math.h"

namespace {

enum row_kind { ROW_I16, ROW_I32, ROW_F32, ROW_DONE /* float32, scale and shift applied */ };

const uint32_t longest_i16 = 32766; /* so that a threshold above every dot product fits i16 */

inline size_t ceiling(size_t a, size_t b) { return (a + b - 1) / b; }

inline size_t padded(const onlooker_node *n) { return (ceiling(n->channels, 64) + 1) * 64; }

inline size_t dot_length(const onlooker_node *n) {
    const size_t taps = static_cast<size_t>(n->kernel_height) * n->kernel_width;
    return taps * (n->input_channels / n->groups);
}

inline const unsigned char *place(const onlooker_map &map, ptrdiff_t y, ptrdiff_t x) {
    return static_cast<const unsigned char *>(map.data) + y * map.row + x * map.pixel;
}

inline unsigned char *target(const onlooker_map &map, ptrdiff_t y, ptrdiff_t x) {
    return static_cast<unsigned char *>(map.data) + y * map.row + x * map.pixel;
}

/* Scratch: the parameters of all channels padded to whole vectors, one row of v, then the rows. */
struct finishing {
    const onlooker_node *node;
    uint32_t first, count; /* channels */
    size_t stride;         /* elements of a row */
    float *scale, *shift;
    unsigned char *outlets; /* 8 · stride bytes each: thresholds, then flips or zeros */
    float *v;
    unsigned char *rows;
    float low, high;
    bool values;   /* is v needed at all? */
    size_t direct; /* the outlet in whose memory v is computed; their number: in `v` */
    row_kind kind;
};

inline size_t common_bytes(const onlooker_node *n, size_t row_elements) {
    return padded(n) * (3 * 4 + 8 * n->outlet_count + 4 * row_elements);
}

/* Convolutions compute a tile before its outlets, the others one pixel. */
inline size_t tile_rows(const onlooker_node *n) {
    return n->operation == ONLOOKER_BINARY_CONVOLUTION || n->operation == ONLOOKER_CONVOLUTION ||
                   n->operation == ONLOOKER_QUANTIZED_CONVOLUTION
               ? TILE
               : 1;
}

inline void copy(void *to, const void *from, size_t bytes) { __builtin_memcpy(to, from, bytes); }

finishing start(const onlooker_node *n, const onlooker_rectangle *r, void *scratch, row_kind kind) {
    finishing f;
    f.node = n;
    f.first = r->first_channel;
    f.count = r->last_channel - r->first_channel;
    f.stride = padded(n);
    f.scale = static_cast<float *>(scratch);
    f.shift = f.scale + f.stride;
    f.v = f.shift + f.stride;
    f.outlets = reinterpret_cast<unsigned char *>(f.v + f.stride);
    f.rows = f.outlets + 8 * f.stride * n->outlet_count;
    f.kind = kind;
    f.values = false;
    f.direct = n->outlet_count;
    for (uint32_t c = 0; c < f.count; c++) f.scale[c] = n->scale ? n->scale[f.first + c] : 1.0f;
    for (uint32_t c = 0; c < f.count; c++) f.shift[c] = n->shift ? n->shift[f.first + c] : 0.0f;
    const float infinity = __builtin_inff();
    f.low = n->activation == ONLOOKER_RELU        ? 0.0f
            : n->activation == ONLOOKER_HARD_TANH ? -1.0f
                                                  : -infinity;
    f.high = n->activation == ONLOOKER_HARD_TANH ? 1.0f : infinity;
    for (size_t i = 0; i < n->outlet_count; i++) {
        const onlooker_outlet &o = n->outlets[i];
        unsigned char *at = f.outlets + 8 * f.stride * i;
        const bool integer = o.kind == ONLOOKER_BITS_BY_INTEGER || o.kind == ONLOOKER_INTEGER;
        f.values = f.values || !integer;
        /* Whole vectors are written there and, by other outlets, 64 channels read. */
        if (o.kind == ONLOOKER_VALUE && f.count % (n->outlet_count == 1 ? LANES : 64) == 0)
            f.direct = i;
        if (o.kind == ONLOOKER_BITS_BY_INTEGER && kind == ROW_I16) {
            const int32_t *from = static_cast<const int32_t *>(o.thresholds) + f.first;
            int16_t *to = reinterpret_cast<int16_t *>(at);
            for (uint32_t c = 0; c < f.count; c++) {
                const int32_t above = from[c] < 32767 ? from[c] : 32767;
                to[c] = static_cast<int16_t>(above > -32768 ? above : -32768);
            }
        } else if (o.thresholds) {
            copy(at, static_cast<const float *>(o.thresholds) + f.first, f.count * 4);
        }
        if (o.kind == ONLOOKER_QUANTIZE)
            copy(at + 4 * f.stride, static_cast<const float *>(o.flips) + f.first, f.count * 4);
        else if (o.flips)
            copy(at + 4 * f.stride, static_cast<const unsigned char *>(o.flips) + f.first / 8,
                 ceiling(f.count, 8));
        else
            __builtin_memset(at + 4 * f.stride, 0, ceiling(f.count, 8));
    }
    return f;
}

template <int kind>
inline vec load_row(const void *row, size_t c) {
    if (kind == ROW_I16) return from_i16(static_cast<const int16_t *>(row) + c);
    if (kind == ROW_I32) return from_i32(static_cast<const int32_t *>(row) + c);
    return load(static_cast<const float *>(row) + c);
}

enum residual_kind { NO_RESIDUAL, F32_RESIDUAL, I16_RESIDUAL };

template <int kind, int residual>
inline void compute_values(const finishing &f, const void *row, const void *added, float *v) {
    const vec low = splat(f.low), high = splat(f.high);
    for (size_t c = 0; c < f.count; c += LANES) {
        vec x = load_row<kind>(row, c);
        if (kind != ROW_DONE) x = add(multiply(x, load(f.scale + c)), load(f.shift + c));
        if (residual == F32_RESIDUAL) x = add(x, load(static_cast<const float *>(added) + c));
        if (residual == I16_RESIDUAL) x = add(x, from_i16(static_cast<const int16_t *>(added) + c));
        store(v + c, smaller(high, larger(low, x)));
    }
    if (f.node->activation == ONLOOKER_TANH)
        for (size_t c = 0; c < f.count; c++) v[c] = onlooker_tanh(v[c]);
}

template <int kind>
void compute_values(const finishing &f, const void *row, uint32_t y, uint32_t x, float *v) {
    const onlooker_node *n = f.node;
    const unsigned char *added = n->residual.data ? place(n->residual, y, x) : nullptr;
    if (!added)
        compute_values<kind, NO_RESIDUAL>(f, row, nullptr, v);
    else if (n->residual_kind == ONLOOKER_I16)
        compute_values<kind, I16_RESIDUAL>(f, row, added + f.first * 2, v);
    else
        compute_values<kind, F32_RESIDUAL>(f, row, added + f.first * 4, v);
}

uint64_t at_least_i32(const int32_t *a, const int32_t *b, size_t count) {
    uint64_t bits = 0;
    for (size_t c = 0; c < count; c++) bits |= static_cast<uint64_t>(a[c] >= b[c]) << c;
    return bits;
}

/* 64 bits of a pixel at channel `c`, counted from the first, into as many bytes as they need. */
void put_bits(unsigned char *pixel, size_t c, size_t count, uint64_t bits) {
    if (count == 64) {
        copy(pixel + c / 8, &bits, 8);
        return;
    }
    bits &= (uint64_t(1) << count) - 1;
    for (size_t i = 0; i * 8 < count; i++)
        pixel[c / 8 + i] = static_cast<unsigned char>(bits >> (8 * i));
}

/* Groups that start new words, none of them whole: bits move one by one. */
void put_grouped_bits(unsigned char *pixel, const onlooker_node *n, uint32_t groups, size_t c,
                      size_t count, uint64_t bits) {
    const size_t each = n->channels / groups, words = ceiling(each, 64);
    for (size_t i = 0; i < count; i++) {
        const size_t group = (c + i) / each, local = (c + i) % each;
        unsigned char *byte = pixel + group * words * 8 + local / 8;
        const unsigned char bit = static_cast<unsigned char>((bits >> i & 1) << (local % 8));
        *byte = local % 8 == 0 ? bit : static_cast<unsigned char>(*byte | bit);
    }
}

void write_bits(const finishing &f, const onlooker_outlet &o, const unsigned char *parameters,
                const void *row, const float *v, unsigned char *pixel) {
    const unsigned char *flips = parameters + 4 * f.stride;
    if (o.kind == ONLOOKER_BITS_BY_INTEGER && f.kind == ROW_I16 && f.count % 64 == 0 &&
        o.groups == 1) { /* what most binary convolutions end with */
        const int16_t *dots = static_cast<const int16_t *>(row);
        const int16_t *thresholds = reinterpret_cast<const int16_t *>(parameters);
        for (size_t c = 0; c < f.count; c += 64) {
            uint64_t flip;
            copy(&flip, flips + c / 8, 8);
            flip ^= at_least_i16(dots + c, thresholds + c);
            copy(pixel + c / 8, &flip, 8);
        }
        return;
    }
    const bool grouped = o.groups > 1 && f.node->channels / o.groups % 64 != 0;
    for (size_t c = 0; c < f.count; c += 64) {
        const size_t count = f.count - c < 64 ? f.count - c : 64;
        uint64_t bits, flip;
        if (o.kind == ONLOOKER_BITS_BY_FLOAT)
            bits = at_least_f32(v + c, reinterpret_cast<const float *>(parameters) + c);
        else if (f.kind == ROW_I16)
            bits = at_least_i16(static_cast<const int16_t *>(row) + c,
                                reinterpret_cast<const int16_t *>(parameters) + c);
        else
            bits = at_least_i32(static_cast<const int32_t *>(row) + c,
                                reinterpret_cast<const int32_t *>(parameters) + c, count);
        copy(&flip, flips + c / 8, 8);
        bits ^= flip;
        if (grouped)
            put_grouped_bits(pixel, f.node, o.groups, c, count, bits);
        else
            put_bits(pixel, c, count, bits);
    }
}

void write_u8(const finishing &f, const unsigned char *parameters, const float *v,
              unsigned char *pixel) {
    const float *inverse = reinterpret_cast<const float *>(parameters);
    const float *zero = inverse + f.stride;
    for (size_t c = 0; c < f.count; c += 64) {
        if (f.count - c >= 64) {
            quantize(v + c, inverse + c, zero + c, pixel + c);
        } else {
            unsigned char bytes[64];
            quantize(v + c, inverse + c, zero + c, bytes);
            copy(pixel + c, bytes, f.count - c);
        }
    }
}

void write_i16(const finishing &f, const void *row, unsigned char *pixel) {
    if (f.kind == ROW_I16) {
        copy(pixel, row, f.count * 2);
        return;
    }
    int16_t *to = reinterpret_cast<int16_t *>(pixel);
    for (size_t c = 0; c < f.count; c++)
        to[c] = static_cast<int16_t>(static_cast<const int32_t *>(row)[c]);
}

/* One pixel's sums to all outlets. */
void finish(const finishing &f, uint32_t y, uint32_t x, const void *row) {
    const onlooker_outlet *outlets = f.node->outlets;
    float *v = f.v;
    if (f.values) {
        if (f.direct < f.node->outlet_count)
            v = reinterpret_cast<float *>(target(outlets[f.direct].map, y, x)) + f.first;
        switch (f.kind) {
            case ROW_I16: compute_values<ROW_I16>(f, row, y, x, v); break;
            case ROW_I32: compute_values<ROW_I32>(f, row, y, x, v); break;
            case ROW_F32: compute_values<ROW_F32>(f, row, y, x, v); break;
            case ROW_DONE: compute_values<ROW_DONE>(f, row, y, x, v); break;
        }
    }
    for (size_t i = 0; i < f.node->outlet_count; i++) {
        const onlooker_outlet &o = outlets[i];
        if (i == f.direct) continue;
        const unsigned char *parameters = f.outlets + 8 * f.stride * i;
        unsigned char *pixel = target(o.map, y, x);
        switch (o.kind) {
            case ONLOOKER_VALUE: copy(pixel + f.first * 4, v, f.count * 4); break;
            case ONLOOKER_QUANTIZE: write_u8(f, parameters, v, pixel + f.first); break;
            case ONLOOKER_INTEGER: write_i16(f, row, pixel + f.first * 2); break;
            default: write_bits(f, o, parameters, row, v, pixel + f.first / 8);
        }
    }
}

/* Pixels of a tile: where they are, and where their windows start in the input. Up to TILE, the
 * last one is repeated, so that kernels may compute more than there are. */
struct tile {
    uint32_t count;
    uint32_t y[TILE], x[TILE];
    const unsigned char *from[TILE];
};

void fill(tile &t, const onlooker_node *n, uint32_t pixel, uint32_t last) {
    uint32_t y = pixel / n->width, x = pixel % n->width;
    t.count = last - pixel < TILE ? last - pixel : TILE;
    for (uint32_t i = 0; i < TILE; i++) {
        t.y[i] = y;
        t.x[i] = x;
        t.from[i] = place(n->input,
                          static_cast<ptrdiff_t>(y) * n->stride_down -
                              static_cast<ptrdiff_t>(n->padding_above),
                          static_cast<ptrdiff_t>(x) * n->stride_right -
                              static_cast<ptrdiff_t>(n->padding_left));
        if (i + 1 < t.count && ++x == n->width) {
            x = 0;
            y++;
        }
    }
}

/* Runs of adjacent elements that a window consists of. */
struct window {
    uint32_t down, right;      /* runs */
    ptrdiff_t row, column;     /* bytes between them */
    size_t length;             /* elements (f32), bytes (u8), words (bits) */
};

window runs(const onlooker_node *n, size_t length, size_t element) {
    window w;
    w.down = n->kernel_height;
    w.right = n->kernel_width;
    w.row = n->input.row * static_cast<ptrdiff_t>(n->dilation_down);
    w.column = n->input.pixel * static_cast<ptrdiff_t>(n->dilation_right);
    w.length = length;
    if (w.right > 1 && n->groups == 1 && w.column == static_cast<ptrdiff_t>(length * element)) {
        w.length = length * w.right;
        w.right = 1;
    }
    return w;
}

inline ptrdiff_t source_row(const onlooker_node *n, uint32_t y, uint32_t tap) {
    return static_cast<ptrdiff_t>(y) * n->stride_down +
           static_cast<ptrdiff_t>(tap) * n->dilation_down -
           static_cast<ptrdiff_t>(n->padding_above);
}

inline ptrdiff_t source_column(const onlooker_node *n, uint32_t x, uint32_t tap) {
    return static_cast<ptrdiff_t>(x) * n->stride_right +
           static_cast<ptrdiff_t>(tap) * n->dilation_right -
           static_cast<ptrdiff_t>(n->padding_left);
}

inline bool within(ptrdiff_t at, uint32_t size) {
    return at >= 0 && at < static_cast<ptrdiff_t>(size);
}

}  // namespace

#endif
