/* Binary convolutions with the words of weights as they lie in the file.
 *
 * On top of kernels_nodes.h a file of kernels defines, before it includes this one:
 *   BINARY_PIXELS, BINARY_BLOCKS: what one block computes at most, blocks of 8 channels;
 *   template <int pixels, int blocks> binary_block(from, window, weights, block, length, into,
 *   stride): dot products of that many windows and blocks of weights, which are `block` words
 *   apart, as i16 rows. */
#ifndef ONLOOKER_KERNELS_WORDS_H
#define ONLOOKER_KERNELS_WORDS_H

#include "kernels_nodes.h"

namespace {

template <int pixels, int blocks>
struct binary_blocks {
    static void run(const unsigned char *const *from, uint32_t count, const window &w,
                    const uint64_t *weights, size_t block, int length, int16_t *into,
                    size_t stride) {
        for (; count >= pixels; count -= pixels, from += pixels, into += pixels * stride)
            binary_block<pixels, blocks>(from, w, weights, block, length, into, stride);
        binary_blocks<pixels - 1, blocks>::run(from, count, w, weights, block, length, into,
                                               stride);
    }
};

template <int blocks>
struct binary_blocks<0, blocks> {
    static void run(const unsigned char *const *, uint32_t, const window &, const uint64_t *,
                    size_t, int, int16_t *, size_t) {}
};

/* As many blocks at once as there are. */
template <int blocks>
struct counting {
    static void run(const unsigned char *const *from, uint32_t count, const window &w,
                    const uint64_t *weights, size_t left, size_t block, int length, int16_t *into,
                    size_t stride) {
        for (; left >= blocks; left -= blocks, weights += blocks * block, into += blocks * 8)
            binary_blocks<BINARY_PIXELS, blocks>::run(from, count, w, weights, block, length, into,
                                                      stride);
        counting<blocks - 1>::run(from, count, w, weights, left, block, length, into, stride);
    }
};

template <>
struct counting<0> {
    static void run(const unsigned char *const *, uint32_t, const window &, const uint64_t *,
                    size_t, size_t, int, int16_t *, size_t) {}
};

size_t prepared_bytes(const onlooker_node *n) {
    if (n->operation != ONLOOKER_BINARY_CONVOLUTION || dot_length(n) > longest_i16) return 0;
    return outside_bytes(n);
}

void prepare(const onlooker_node *n, void *into) {
    if (prepared_bytes(n)) sum_outside(n, static_cast<int16_t *>(into));
}

size_t scratch_bytes(const onlooker_node *n) { return common_bytes(n, tile_rows(n)) + 64; }

void run_binary(const onlooker_node *n, const onlooker_rectangle *r, void *scratch) {
    if (dot_length(n) > longest_i16) {
        run_long_binary(n, r, scratch);
        return;
    }
    const finishing f = start(n, r, scratch, ROW_I16);
    const size_t in_each = n->input_channels / n->groups, out_each = n->channels / n->groups;
    const size_t words = ceiling(in_each, 64);
    const window w = runs(n, words, 8);
    const size_t block = words * n->kernel_height * n->kernel_width * 8;
    const size_t first = n->groups == 1 ? r->first_channel / 8 : 0;
    const size_t last = n->groups == 1 ? ceiling(r->last_channel, 8) : ceiling(out_each, 8);
    const int16_t *outside = static_cast<const int16_t *>(n->prepared);
    const int length = static_cast<int>(dot_length(n));
    int16_t *rows = reinterpret_cast<int16_t *>(f.rows);
    tile t;
    const unsigned char *from[TILE];
    for (uint32_t p = r->first_pixel; p < r->last_pixel; p += TILE) {
        fill(t, n, p, r->last_pixel);
        for (size_t g = 0; g < n->groups; g++) {
            shifted(from, t, g * words * 8);
            const uint64_t *weights =
                static_cast<const uint64_t *>(n->weights) + g * ceiling(out_each, 8) * block;
            counting<BINARY_BLOCKS>::run(from, t.count, w, weights + first * block, last - first,
                                         block, length, rows + g * out_each, f.stride);
        }
        for (uint32_t q = 0; n->zero_padding && q < t.count; q++)
            take_away_outside(n, t, q, outside, f.stride, rows + q * f.stride, f.first, f.count);
        finish_tile(f, t);
    }
}

}  // namespace

#endif
