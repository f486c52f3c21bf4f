/* The operations, in terms of a file's blocks.
 *
 * On top of kernels_common.h a file of kernels defines, before it includes this one:
 *   FLOAT_PIXELS, QUANTIZED_PIXELS: pixels that one block computes at most;
 *   template <int pixels> float_block(from, window, weights, into, stride): 16 channels of `pixels`
 *   pixels, whose windows start at `from[0]`, …; quantized_block alike. */
#ifndef ONLOOKER_KERNELS_NODES_H
#define ONLOOKER_KERNELS_NODES_H

#include "kernels_common.h"

namespace {

/* As many pixels at once as there are, the rest with the smaller blocks. */
template <int pixels>
struct float_blocks {
    static void run(const unsigned char *const *from, uint32_t count, const window &w,
                    const float *weights, float *into, size_t stride) {
        for (; count >= pixels; count -= pixels, from += pixels, into += pixels * stride)
            float_block<pixels>(from, w, weights, into, stride);
        float_blocks<pixels - 1>::run(from, count, w, weights, into, stride);
    }
};

template <>
struct float_blocks<0> {
    static void run(const unsigned char *const *, uint32_t, const window &, const float *, float *,
                    size_t) {}
};

template <int pixels>
struct quantized_blocks {
    static void run(const unsigned char *const *from, uint32_t count, const window &w,
                    const int8_t *weights, int32_t *into, size_t stride) {
        for (; count >= pixels; count -= pixels, from += pixels, into += pixels * stride)
            quantized_block<pixels>(from, w, weights, into, stride);
        quantized_blocks<pixels - 1>::run(from, count, w, weights, into, stride);
    }
};

template <>
struct quantized_blocks<0> {
    static void run(const unsigned char *const *, uint32_t, const window &, const int8_t *,
                    int32_t *, size_t) {}
};

void shifted(const unsigned char **to, const tile &t, size_t bytes) {
    for (uint32_t i = 0; i < t.count; i++) to[i] = t.from[i] + bytes;
}

void finish_tile(const finishing &f, const tile &t) {
    for (uint32_t i = 0; i < t.count; i++)
        finish(f, t.y[i], t.x[i], f.rows + i * f.stride * (f.kind == ROW_I16 ? 2 : 4));
}

void run_convolution(const onlooker_node *n, const onlooker_rectangle *r, void *scratch) {
    const finishing f = start(n, r, scratch, ROW_F32);
    const size_t in_each = n->input_channels / n->groups, out_each = n->channels / n->groups;
    const window w = runs(n, in_each, 4);
    const size_t block = 16 * in_each * n->kernel_height * n->kernel_width;
    const size_t first = n->groups == 1 ? r->first_channel / 16 : 0;
    const size_t last = n->groups == 1 ? ceiling(r->last_channel, 16) : ceiling(out_each, 16);
    tile t;
    const unsigned char *from[TILE];
    for (uint32_t p = r->first_pixel; p < r->last_pixel; p += TILE) {
        fill(t, n, p, r->last_pixel);
        const float *weights = static_cast<const float *>(n->weights) + first * block;
        for (size_t g = 0; g < n->groups; g++) {
            shifted(from, t, g * in_each * 4);
            for (size_t b = first; b < last; b++, weights += block)
                float_blocks<FLOAT_PIXELS>::run(
                    from, t.count, w, weights,
                    reinterpret_cast<float *>(f.rows) + g * out_each + (b - first) * 16, f.stride);
        }
        finish_tile(f, t);
    }
}

void run_quantized(const onlooker_node *n, const onlooker_rectangle *r, void *scratch) {
    const finishing f = start(n, r, scratch, ROW_I32);
    const size_t in_each = n->input_channels / n->groups, out_each = n->channels / n->groups;
    window w = runs(n, in_each, 1);
    if (n->groups == 1 && n->dilation_right == 1) { /* the file's rows are runs */
        w.right = 1;
        w.length = n->kernel_width * in_each;
    }
    const size_t block = 64 * ceiling(w.length, 4) * w.down * w.right;
    const size_t first = n->groups == 1 ? r->first_channel / 16 : 0;
    const size_t last = n->groups == 1 ? ceiling(r->last_channel, 16) : ceiling(out_each, 16);
    tile t;
    const unsigned char *from[TILE];
    for (uint32_t p = r->first_pixel; p < r->last_pixel; p += TILE) {
        fill(t, n, p, r->last_pixel);
        const int8_t *weights = static_cast<const int8_t *>(n->weights) + first * block;
        for (size_t g = 0; g < n->groups; g++) {
            shifted(from, t, g * in_each);
            for (size_t b = first; b < last; b++, weights += block)
                quantized_blocks<QUANTIZED_PIXELS>::run(
                    from, t.count, w, weights,
                    reinterpret_cast<int32_t *>(f.rows) + g * out_each + (b - first) * 16,
                    f.stride);
        }
        finish_tile(f, t);
    }
}

/* Dot products too long for 16 bits: the layers after a flattened map. Bound by reading weights. */
void run_long_binary(const onlooker_node *n, const onlooker_rectangle *r, void *scratch) {
    const finishing f = start(n, r, scratch, ROW_I32);
    const size_t in_each = n->input_channels / n->groups, out_each = n->channels / n->groups;
    const size_t words = ceiling(in_each, 64), taps = n->kernel_height * n->kernel_width;
    const size_t first = n->groups == 1 ? r->first_channel / 8 : 0;
    const size_t last = n->groups == 1 ? ceiling(r->last_channel, 8) : ceiling(out_each, 8);
    tile t;
    for (uint32_t p = r->first_pixel; p < r->last_pixel; p += TILE) {
        fill(t, n, p, r->last_pixel);
        for (size_t g = 0; g < n->groups; g++) {
            for (size_t b = first; b < last; b++) {
                const uint64_t *block = static_cast<const uint64_t *>(n->weights) +
                                        (g * ceiling(out_each, 8) + b) * taps * words * 8;
                for (uint32_t q = 0; q < t.count; q++) {
                    const uint64_t *w = block;
                    uint64_t different[8] = {0, 0, 0, 0, 0, 0, 0, 0};
                    int32_t length = 0;
                    for (uint32_t i = 0; i < n->kernel_height; i++) {
                        for (uint32_t j = 0; j < n->kernel_width; j++, w += words * 8) {
                            if (n->zero_padding &&
                                !(within(source_row(n, t.y[q], i), n->input_height) &&
                                  within(source_column(n, t.x[q], j), n->input_width)))
                                continue;
                            length += static_cast<int32_t>(in_each);
                            const uint64_t *bits =
                                reinterpret_cast<const uint64_t *>(
                                    t.from[q] + i * n->dilation_down * n->input.row +
                                    j * n->dilation_right * n->input.pixel) +
                                g * words;
                            for (size_t k = 0; k < words; k++)
                                for (int c = 0; c < 8; c++)
                                    different[c] += static_cast<uint64_t>(
                                        __builtin_popcountll(bits[k] ^ w[k * 8 + c]));
                        }
                    }
                    int32_t *row = reinterpret_cast<int32_t *>(f.rows) + q * f.stride +
                                   g * out_each + (b - first) * 8;
                    for (int c = 0; c < 8; c++)
                        row[c] = length - 2 * static_cast<int32_t>(different[c]);
                }
            }
        }
        finish_tile(f, t);
    }
}

/* Zero padding: what the taps outside of the map gave is taken away again. `outside` holds for each
 * tap and channel the dot product of the tap's weights with −1, rows of `stride` numbers. */
void take_away_outside(const onlooker_node *n, const tile &t, uint32_t q, const int16_t *outside,
                       size_t stride, int16_t *row, size_t first, size_t count) {
    for (uint32_t i = 0; i < n->kernel_height; i++) {
        const bool row_within = within(source_row(n, t.y[q], i), n->input_height);
        for (uint32_t j = 0; j < n->kernel_width; j++) {
            if (row_within && within(source_column(n, t.x[q], j), n->input_width)) continue;
            const int16_t *tap = outside + (i * n->kernel_width + j) * stride + first;
            for (size_t c = 0; c < count; c++) row[c] = static_cast<int16_t>(row[c] - tap[c]);
        }
    }
}

size_t outside_bytes(const onlooker_node *n) {
    if (!n->zero_padding) return 0;
    return ceiling(padded(n) * 2 * n->kernel_height * n->kernel_width, 64) * 64;
}

void sum_outside(const onlooker_node *n, int16_t *into) {
    if (!n->zero_padding) return;
    const size_t in_each = n->input_channels / n->groups, out_each = n->channels / n->groups;
    const size_t words = ceiling(in_each, 64), taps = n->kernel_height * n->kernel_width;
    for (size_t tap = 0; tap < taps; tap++) {
        for (size_t c = 0; c < n->channels; c++) {
            const size_t block = c / out_each * ceiling(out_each, 8) + c % out_each / 8;
            const uint64_t *w = static_cast<const uint64_t *>(n->weights) +
                                (block * taps + tap) * words * 8 + c % out_each % 8;
            int ones = 0;
            for (size_t k = 0; k < words; k++) ones += __builtin_popcountll(w[k * 8]);
            into[tap * padded(n) + c] =
                static_cast<int16_t>(static_cast<int>(in_each) - 2 * ones);
        }
    }
}

/* Taps of a window that are inside: the first one, how many, and bytes between them. */
struct taps {
    const unsigned char *from;
    ptrdiff_t down, right, row, column;
};

template <bool maximum, int kind, bool plain>
void pool_pixel(const finishing &f, const taps &t, float *row) {
    const vec count = splat(static_cast<float>(t.down * t.right));
    for (size_t c = 0; c < f.count; c += LANES) {
        const vec scale = load(f.scale + c), shift = load(f.shift + c);
        vec total = splat(maximum ? -__builtin_inff() : 0.0f);
        for (ptrdiff_t y = 0; y < t.down; y++) {
            const unsigned char *at = t.from + y * t.row;
            for (ptrdiff_t x = 0; x < t.right; x++, at += t.column) {
                vec v = load_row<kind>(at, c);
                if (!plain) v = add(multiply(v, scale), shift);
                total = maximum ? larger(v, total) : add(total, v);
            }
        }
        store(row + c, maximum ? total : divide(total, count));
    }
}

/* Taps of a row or column that are inside: from which one on, and how many. */
inline void inside(ptrdiff_t at, ptrdiff_t kernel, ptrdiff_t step, ptrdiff_t size, ptrdiff_t &first,
                   ptrdiff_t &count) {
    first = at >= 0 ? 0 : (-at + step - 1) / step;
    const ptrdiff_t reach = size > at ? (size - at + step - 1) / step : 0;
    count = (reach < kernel ? reach : kernel) - first;
    if (count < 0) count = 0;
}

template <bool maximum, int kind>
void run_pooling(const onlooker_node *n, const onlooker_rectangle *r, void *scratch) {
    const finishing f = start(n, r, scratch, ROW_DONE);
    float *row = reinterpret_cast<float *>(f.rows);
    taps t;
    t.row = n->input.row * static_cast<ptrdiff_t>(n->dilation_down);
    t.column = n->input.pixel * static_cast<ptrdiff_t>(n->dilation_right);
    for (uint32_t p = r->first_pixel; p < r->last_pixel; p++) {
        const uint32_t y = p / n->width, x = p % n->width;
        const ptrdiff_t top = source_row(n, y, 0), left = source_column(n, x, 0);
        ptrdiff_t first_row, first_column;
        inside(top, n->kernel_height, n->dilation_down, n->input_height, first_row, t.down);
        inside(left, n->kernel_width, n->dilation_right, n->input_width, first_column, t.right);
        t.from = place(n->input, top, left) + first_row * t.row + first_column * t.column +
                 f.first * (kind == ROW_I16 ? 2 : 4);
        if (n->scale || n->shift)
            pool_pixel<maximum, kind, false>(f, t, row);
        else
            pool_pixel<maximum, kind, true>(f, t, row);
        finish(f, y, x, row);
    }
}

template <bool maximum>
void run_pooling(const onlooker_node *n, const onlooker_rectangle *r, void *scratch) {
    if (n->input_kind == ONLOOKER_I16)
        run_pooling<maximum, ROW_I16>(n, r, scratch);
    else
        run_pooling<maximum, ROW_F32>(n, r, scratch);
}

void run_pointwise(const onlooker_node *n, const onlooker_rectangle *r, void *scratch) {
    const bool short_input = n->input_kind == ONLOOKER_I16;
    const finishing f = start(n, r, scratch, short_input ? ROW_I16 : ROW_F32);
    for (uint32_t p = r->first_pixel; p < r->last_pixel; p++) {
        const uint32_t y = p / n->width, x = p % n->width;
        finish(f, y, x, place(n->input, y, x) + f.first * (short_input ? 2 : 4));
    }
}

void run_gather(const onlooker_node *n, const onlooker_rectangle *r, void *scratch) {
    const finishing f = start(n, r, scratch, ROW_DONE);
    float *row = reinterpret_cast<float *>(f.rows);
    const uint32_t *sources = n->sources + f.first;
    for (uint32_t p = r->first_pixel; p < r->last_pixel; p++) {
        const uint32_t y = p / n->width, x = p % n->width;
        const unsigned char *pixel = place(n->input, y, x);
        if (n->input_kind == ONLOOKER_I16)
            for (size_t c = 0; c < f.count; c++)
                row[c] = static_cast<float>(reinterpret_cast<const int16_t *>(pixel)[sources[c]]);
        else
            for (size_t c = 0; c < f.count; c++)
                row[c] = reinterpret_cast<const float *>(pixel)[sources[c]];
        finish(f, y, x, row);
    }
}

}  // namespace

#endif
