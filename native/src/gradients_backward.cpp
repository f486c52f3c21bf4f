// The backward pass of a binary convolution: the output's gradient in eight bits, then its products
// with the signs of the filters, and with those of the input.
#include <cmath>
#include <cstring>
#include <vector>

#include "gradients_parts.h"

namespace onlooker {
namespace {

constexpr int64_t near_bytes = 1 << 16;  // of pictures that a task works on; tables are four times
constexpr int64_t scale_pixels = 128;    // at least so many quads have one scale, if there are any

struct Rounded {
    int64_t top, left, height, width;  // of the border, and of a picture with it
    int64_t groups_a_scale;
    int8_t *pictures, *quads;
    int32_t *sums;  // of |q|, over the channels of each bordered pixel
    float *scales;
};

int64_t floored(int64_t a, int64_t b) { return a >= 0 ? a / b : -((b - 1 - a) / b); }

// How far the gradient of an input reaches beyond the output: rows before it, and all with those.
void reach(int64_t input, int64_t output, int64_t kernel, int64_t stride, int64_t padding,
           int64_t dilation, int64_t *before, int64_t *total) {
    *before = std::max<int64_t>(0, -floored(padding - dilation * (kernel - 1), stride));
    *total = *before + std::max(output, floored(input - 1 + padding, stride) + 1);
}

void seed_states(uint64_t seed, uint64_t part, uint32_t state[8]) {
    uint64_t mixed = seed + part * 0x9e3779b97f4a7c15u;
    for (int k = 0; k < 8; k++) {  // splitmix64
        uint64_t z = mixed += 0x9e3779b97f4a7c15u;
        z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
        z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
        state[k] = (uint32_t)(z >> 32) | 1u;  // zero is where xorshift stays
    }
}

// What a number of eight bits is worth, so that no four add up to more than their limit.
float scale_of(const Shape &s, const Geometry &g, const float *gradient, int64_t first,
               int64_t last) {
    uint32_t bits = 0;
    for (int64_t group = first; group < last; group++) {
        const float *rows[4];
        const int64_t size = g.area * s.filters;
        const int count = (int)std::min<int64_t>(4, s.pictures - group * 4);
        for (int k = 0; k < count; k++) rows[k] = gradient + (group * 4 + k) * size;
        bits = std::max(bits, gradient_kernels().largest(rows, count, size));
    }
    float most;
    std::memcpy(&most, &bits, sizeof most);
    // Rounding adds less than one to each. A scale that is no number spoils all that comes of it,
    // as in arithmetic without scales.
    return std::isfinite(most) ? most / (ONLOOKER_QUAD_LIMIT - 4) : NAN;
}

Rounded round_gradient(const Shape &s, const Geometry &g, const float *gradient, uint64_t seed,
                       Workspace &space, int threads) {
    Rounded r{};
    reach(s.height, g.out_height, s.kernel_height, s.stride_y, s.padding_y, s.dilation_y, &r.top,
          &r.height);
    reach(s.width, g.out_width, s.kernel_width, s.stride_x, s.padding_x, s.dilation_x, &r.left,
          &r.width);
    const int64_t bordered = r.height * r.width;
    r.groups_a_scale = std::max<int64_t>(1, scale_pixels / g.area);
    const int64_t parts = parts_of(g.groups, r.groups_a_scale);
    r.pictures = space.rounded.of<int8_t>(s.pictures * bordered * s.filters);
    r.sums = space.sums.of<int32_t>(s.pictures * bordered);
    r.quads = space.quads.of<int8_t>(g.groups * 4 * g.area * s.filters);
    r.scales = space.scales.of<float>(parts);
    const std::vector<int8_t> nothing((size_t)(g.out_width * s.filters));
    run_tasks(threads, (int)parts, [&](int part) {
        const int64_t first = part * r.groups_a_scale;
        const int64_t last = std::min(first + r.groups_a_scale, g.groups);
        const float scale = r.scales[part] = scale_of(s, g, gradient, first, last);
        const float inverse = scale > 0 ? 65536.0f / scale : 0.0f;
        uint32_t state[8];
        seed_states(seed, (uint64_t)part, state);
        for (int64_t n = first * 4; n < std::min(last * 4, s.pictures); n++) {
            clear_border(r.pictures + n * bordered * s.filters, r.height, r.width, s.filters, r.top,
                         r.left, g.out_height, g.out_width);
            clear_border(r.sums + n * bordered, r.height, r.width, (int64_t)1, r.top, r.left,
                         g.out_height, g.out_width);
        }
        for (int64_t group = first; group < last; group++)
            for (int64_t y = 0; y < g.out_height; y++) {
                const int8_t *rows[4];
                for (int k = 0; k < 4; k++) {
                    const int64_t n = group * 4 + k;
                    rows[k] = nothing.data();
                    if (n >= s.pictures) continue;
                    const int64_t to = n * bordered + (y + r.top) * r.width + r.left;
                    gradient_kernels().quantize(
                        gradient + (n * g.area + y * g.out_width) * s.filters, g.out_width,
                        (int)s.filters, inverse, state, r.pictures + to * s.filters, r.sums + to);
                    rows[k] = r.pictures + to * s.filters;
                }
                gradient_kernels().interleave(rows, g.out_width, (int)s.filters,
                                              g.groups * g.area * 16,
                                              r.quads + (group * g.area + y * g.out_width) * 16);
            }
    });
    return r;
}

// Nibbles of filters, four output channels each: an input channel is a column.
void pack_turned_filters(const Shape &s, const Geometry &g, const uint8_t *filter_bytes,
                         uint8_t *nibbles, int threads) {
    const int64_t filter = g.taps * s.channels, quads = s.filters / 4;
    run_tasks(threads, (int)parts_of(s.channels, ONLOOKER_FILTER_COLUMNS), [&](int block) {
        const int64_t first = block * ONLOOKER_FILTER_COLUMNS, left = s.channels - first;
        const int64_t width = left > 32 ? 64 : 32;
        uint8_t *to = nibbles + first * g.taps * quads;
        for (int64_t tap = 0; tap < g.taps; tap++)
            for (int64_t quad = 0; quad < quads; quad++)
                for (int64_t column = 0; column < width; column += 32, to += 32) {
                    const uint8_t *rows[4];
                    for (int k = 0; k < 4; k++)
                        rows[k] = filter_bytes + (quad * 4 + k) * filter + tap * s.channels +
                                  first + column;
                    gradient_kernels().join_bytes(rows, left - column > 16 ? 32 : 16, to);
                }
    });
}

struct Tap {
    int64_t index, step;  // of the kernel; of the gradient, from the pixel's place
};

// Taps that meet the input rows (or columns) of one phase of the stride.
std::vector<Tap> taps_of(int64_t phase, int64_t kernel, int64_t stride, int64_t padding,
                         int64_t dilation) {
    std::vector<Tap> taps;
    for (int64_t k = 0; k < kernel; k++) {
        const int64_t shift = phase + padding - dilation * k;
        if (floored(shift, stride) * stride == shift) taps.push_back({k, floored(shift, stride)});
    }
    return taps;
}

// Pixels of the pictures [first, last) that are in one phase of the strides.
void convolve_phase(const Shape &s, const Rounded &r, const uint8_t *tables,
                    const uint8_t *nibbles, int64_t first, int64_t last, int64_t down,
                    int64_t across, const uint8_t *mask, float *of_values) {
    const int64_t bordered = r.height * r.width;
    std::vector<int64_t> tap_pixels, tap_inputs, tap_filters, inputs, outputs;
    std::vector<int32_t> corrections;
    std::vector<float> scales;
    for (Tap y : taps_of(down, s.kernel_height, s.stride_y, s.padding_y, s.dilation_y))
        for (Tap x : taps_of(across, s.kernel_width, s.stride_x, s.padding_x, s.dilation_x)) {
            tap_pixels.push_back(y.step * r.width + x.step);
            tap_inputs.push_back(tap_pixels.back() * s.filters * 4);
            tap_filters.push_back(y.index * s.kernel_width + x.index);
        }
    for (int64_t n = first; n < last; n++)
        for (int64_t y = down; y < s.height; y += s.stride_y)
            for (int64_t x = across; x < s.width; x += s.stride_x) {
                const int64_t place = n * bordered + (y / s.stride_y + r.top) * r.width +
                                      x / s.stride_x + r.left;
                int32_t sum = 0;
                for (int64_t tap : tap_pixels) sum += r.sums[place + tap];
                inputs.push_back((place - first * bordered) * s.filters * 4);
                outputs.push_back((n * s.height + y) * s.width + x);
                corrections.push_back(sum);
                scales.push_back(r.scales[n / 4 / r.groups_a_scale]);
            }
    onlooker_gradient_convolution work{};
    work.tables = tables, work.nibbles = nibbles;
    work.tap_inputs = tap_inputs.data(), work.tap_filters = tap_filters.data();
    work.taps = (int)tap_pixels.size();
    work.filter_taps = (int)(s.kernel_height * s.kernel_width);
    work.channels = (int)s.filters, work.columns = (int)s.channels;
    work.pixel_inputs = inputs.data(), work.pixel_outputs = outputs.data();
    work.corrections = corrections.data(), work.scales = scales.data();
    work.pixels = (int64_t)inputs.size();
    work.output = of_values, work.mask = mask;
    gradient_kernels().convolve(&work);
}

void gradient_of_values(const Shape &s, const Rounded &r, const uint8_t *nibbles,
                        const uint8_t *mask, float *of_values, int threads) {
    const int64_t picture = r.height * r.width * s.filters;
    const int64_t pictures = share(s.pictures, threads, near_bytes / picture);
    run_tasks(threads, (int)parts_of(s.pictures, pictures), [&](int task) {
        const int64_t first = task * pictures, last = std::min(first + pictures, s.pictures);
        static thread_local Buffer memory;
        uint8_t *tables = memory.of<uint8_t>((last - first) * picture * 4);
        gradient_kernels().tables(r.pictures + first * picture, (last - first) * picture / 4,
                                  tables);
        for (int64_t down = 0; down < std::min(s.stride_y, s.height); down++)
            for (int64_t across = 0; across < std::min(s.stride_x, s.width); across++)
                convolve_phase(s, r, tables, nibbles, first, last, down, across, mask, of_values);
    });
}

// Vectors of 32 input channels (16 where they end) at a tap.
struct Vectors {
    std::vector<int64_t> signs, sums;
    std::vector<int> columns;

    Vectors(const Shape &s, const Geometry &g) {
        for (int64_t channel = 0; channel < s.channels; channel += 32)
            for (int64_t y = 0; y < s.kernel_height; y++)
                for (int64_t x = 0; x < s.kernel_width; x++) {
                    const int64_t tap = y * s.dilation_y * g.padded_width + x * s.dilation_x;
                    signs.push_back((channel / 32 * g.groups * g.padded + tap) * 32);
                    sums.push_back((y * s.kernel_width + x) * s.channels + channel);
                    columns.push_back((int)std::min<int64_t>(32, s.channels - channel));
                }
    }
};

// A block of pixels of one scale, for a few channels of the gradient.
struct Block {
    std::vector<int64_t> pixels;
    std::vector<int32_t> totals;
    Buffer tables;
    onlooker_correlation work;
};

void gradient_of_weight(const Shape &s, const Geometry &g, const Rounded &r, const uint8_t *signs,
                        uint8_t *nibbles, float *of_weight, int threads) {
    const int64_t bytes = s.channels / 8, quad_row = g.groups * g.area * 16;
    run_tasks(threads, (int)g.groups, [&](int group) {
        const uint8_t *rows[4];
        for (int k = 0; k < 4; k++)  // beyond the last picture, gradients are zero
            rows[k] = signs + std::min<int64_t>(group * 4 + k, s.pictures - 1) * g.padded * bytes;
        gradient_kernels().join_bits(rows, g.padded, (int)s.channels, g.groups * g.padded * 32,
                                     nibbles + group * g.padded * 32);
    });
    const Vectors vectors(s, g);
    const int64_t all = (int64_t)vectors.signs.size(), vectors_at_once = 18;
    const size_t blocks_at_once = 4;  // for the same vectors: sums stay in L2
    const int64_t limit = ONLOOKER_BLOCK_PIXELS;
    const int64_t width = std::min(g.out_width, limit), rows = std::min(g.out_height, limit / width);
    const int64_t quads = s.filters / 4;
    // Tables of a task stay in L2: 64 bytes a pixel for four channels.
    const int64_t quads_a_task = share(quads, threads, 4);
    run_tasks(threads, (int)parts_of(quads, quads_a_task), [&](int task) {
        static thread_local std::vector<Block> blocks(blocks_at_once);
        const int64_t first = task * quads_a_task, count = std::min(quads_a_task, quads - first);
        size_t filled = 0;
        int fresh = 1;
        const auto finish = [&] {
            for (int64_t vector = 0; vector < all; vector += vectors_at_once)
                for (size_t k = 0; k < filled; k++) {
                    onlooker_correlation &work = blocks[k].work;
                    work.vector_signs = vectors.signs.data() + vector;
                    work.vector_sums = vectors.sums.data() + vector;
                    work.vector_columns = vectors.columns.data() + vector;
                    work.vectors = (int)std::min(vectors_at_once, all - vector);
                    work.first = fresh && k == 0;
                    gradient_kernels().correlate(&work);
                }
            filled = 0, fresh = 0;
        };
        for (int64_t group = 0; group < g.groups; group += r.groups_a_scale)
            for (int64_t y = 0; y < g.out_height; y += rows)
                for (int64_t x = 0; x < g.out_width; x += width) {
                    if (filled == blocks_at_once) finish();
                    Block &block = blocks[filled++];
                    block.pixels.clear();
                    for (int64_t q = group; q < std::min(group + r.groups_a_scale, g.groups); q++)
                        for (int64_t row = y; row < std::min(y + rows, g.out_height); row++)
                            for (int64_t at = x; at < std::min(x + width, g.out_width); at++)
                                block.pixels.push_back((q * g.padded +
                                                        row * s.stride_y * g.padded_width +
                                                        at * s.stride_x) * 32);
                    const int64_t pixels = (int64_t)block.pixels.size(), even = pixels + pixels % 2;
                    if (even > pixels) block.pixels.push_back(block.pixels.back());
                    block.totals.resize((size_t)(count * 4));
                    uint8_t *tables = block.tables.of<uint8_t>(count * even * 64);
                    for (int64_t k = 0; k < count; k++) {
                        const int8_t *from = r.quads + (first + k) * quad_row +
                                             (group * g.area + y * g.out_width + x) * 16;
                        gradient_kernels().totals(from, pixels, block.totals.data() + 4 * k);
                        gradient_kernels().tables(from, pixels * 4, tables + k * even * 64);
                        std::memset(tables + (k * even + pixels) * 64, 0,
                                    (size_t)((even - pixels) * 64));
                    }
                    onlooker_correlation &work = block.work;
                    work.tables = tables, work.channels = (int)(count * 4);
                    work.pixels = (int)even, work.pixel_signs = block.pixels.data();
                    work.nibbles = nibbles, work.totals = block.totals.data();
                    work.scale = r.scales[group / r.groups_a_scale];
                    work.sums = of_weight + first * 4 * g.taps * s.channels;
                    work.sums_stride = g.taps * s.channels;
                }
        finish();
    });
}

}  // namespace

void backward(const Shape &s, const float *gradient, const uint8_t *signs, const uint8_t *mask,
              const uint8_t *filter_bytes, uint64_t seed, float *of_values, float *of_weight,
              Workspace &space, int threads) {
    const Geometry g(s);
    const Rounded rounded = round_gradient(s, g, gradient, seed, space, threads);
    if (of_values) {
        uint8_t *nibbles =
            space.filters.of<uint8_t>(parts_of(s.channels, 32) * 32 * g.taps * s.filters / 4);
        pack_turned_filters(s, g, filter_bytes, nibbles, threads);
        gradient_of_values(s, rounded, nibbles, mask, of_values, threads);
    }
    if (of_weight) {
        uint8_t *nibbles =
            space.signs.of<uint8_t>(parts_of(s.channels, 32) * 32 * g.groups * g.padded);
        gradient_of_weight(s, g, rounded, signs, nibbles, of_weight, threads);
    }
}

}  // namespace onlooker
