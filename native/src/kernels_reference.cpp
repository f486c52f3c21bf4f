// The kernels written as they are defined, one number after the other: what the fast tables are
// compared with, and what runs where there is no other.
#include <stddef.h>
#include <stdint.h>

#include "kernels.h"
#include "kernels_math.h"

namespace {

const unsigned char *at(const onlooker_map &map, ptrdiff_t y, ptrdiff_t x) {
    return static_cast<const unsigned char *>(map.data) + y * map.row + x * map.pixel;
}

unsigned char *written_at(const onlooker_map &map, ptrdiff_t y, ptrdiff_t x) {
    return static_cast<unsigned char *>(map.data) + y * map.row + x * map.pixel;
}

// What a node's result is at one place: the number before scale, and as an integer.
struct sum {
    float value;
    int32_t integer;
};

float number(const onlooker_map &map, uint32_t kind, ptrdiff_t y, ptrdiff_t x, uint32_t channel) {
    const unsigned char *pixel = at(map, y, x);
    if (kind == ONLOOKER_I16)
        return static_cast<float>(reinterpret_cast<const int16_t *>(pixel)[channel]);
    return reinterpret_cast<const float *>(pixel)[channel];
}

float affine(const onlooker_node &n, float x, uint32_t channel) {
    if (n.scale) x = x * n.scale[channel];
    if (n.shift) x = x + n.shift[channel];
    return x;
}

void put_bit(unsigned char *bytes, uint32_t index, bool bit) {
    unsigned char &byte = bytes[index / 8];
    const unsigned char mask = static_cast<unsigned char>(bit << (index % 8));
    byte = index % 8 == 0 ? mask : static_cast<unsigned char>(byte | mask);
}

void hand_out(const onlooker_node &n, uint32_t y, uint32_t x, uint32_t channel, float v,
              int32_t integer) {
    for (size_t i = 0; i < n.outlet_count; i++) {
        const onlooker_outlet &o = n.outlets[i];
        unsigned char *pixel = written_at(o.map, y, x);
        const float *floats = static_cast<const float *>(o.thresholds);
        switch (o.kind) {
            case ONLOOKER_VALUE: reinterpret_cast<float *>(pixel)[channel] = v; break;
            case ONLOOKER_INTEGER:
                reinterpret_cast<int16_t *>(pixel)[channel] = static_cast<int16_t>(integer);
                break;
            case ONLOOKER_QUANTIZE:
                pixel[channel] = onlooker_quantize(v, floats[channel],
                                                   static_cast<const float *>(o.flips)[channel]);
                break;
            default: {
                const unsigned char *flips = static_cast<const unsigned char *>(o.flips);
                const bool flip = flips && (flips[channel / 8] >> (channel % 8) & 1);
                const int32_t *integers = static_cast<const int32_t *>(o.thresholds);
                const bool above = o.kind == ONLOOKER_BITS_BY_INTEGER
                                       ? integer >= integers[channel]
                                       : v >= floats[channel];
                const uint32_t each = n.channels / o.groups, group = channel / each;
                put_bit(pixel + group * ((each + 63) / 64) * 8, channel % each, above != flip);
            }
        }
    }
}

// Every node: the sum at each place of the rectangle, then what all nodes have in common.
template <typename Sum>
void each(const onlooker_node *node, const onlooker_rectangle *r, Sum compute) {
    const onlooker_node &n = *node;
    for (uint32_t p = r->first_pixel; p < r->last_pixel; p++) {
        const uint32_t y = p / n.width, x = p % n.width;
        for (uint32_t c = r->first_channel; c < r->last_channel; c++) {
            const sum s = compute(n, y, x, c);
            float v = s.value;
            if (n.residual.data) v = v + number(n.residual, n.residual_kind, y, x, c);
            hand_out(n, y, x, c, onlooker_activate(v, n.activation), s.integer);
        }
    }
}

ptrdiff_t source_row(const onlooker_node &n, uint32_t y, uint32_t tap) {
    return static_cast<ptrdiff_t>(y) * n.stride_down +
           static_cast<ptrdiff_t>(tap) * n.dilation_down - static_cast<ptrdiff_t>(n.padding_above);
}

ptrdiff_t source_column(const onlooker_node &n, uint32_t x, uint32_t tap) {
    return static_cast<ptrdiff_t>(x) * n.stride_right +
           static_cast<ptrdiff_t>(tap) * n.dilation_right - static_cast<ptrdiff_t>(n.padding_left);
}

bool inside(const onlooker_node &n, ptrdiff_t y, ptrdiff_t x) {
    return y >= 0 && y < static_cast<ptrdiff_t>(n.input_height) && x >= 0 &&
           x < static_cast<ptrdiff_t>(n.input_width);
}

int ones(uint64_t word) {
    int count = 0;
    for (; word; word &= word - 1) count++;
    return count;
}

sum binary_sum(const onlooker_node &n, uint32_t y, uint32_t x, uint32_t channel) {
    const uint32_t in_each = n.input_channels / n.groups, out_each = n.channels / n.groups;
    const size_t words = (in_each + 63) / 64, blocks = (out_each + 7) / 8;
    const size_t group = channel / out_each, local = channel % out_each;
    const uint64_t *weights = static_cast<const uint64_t *>(n.weights) +
                              (group * blocks + local / 8) * n.kernel_height * n.kernel_width *
                                  words * 8 +
                              local % 8;
    int32_t dot = 0;
    for (uint32_t i = 0; i < n.kernel_height; i++) {
        for (uint32_t j = 0; j < n.kernel_width; j++) {
            const ptrdiff_t from_y = source_row(n, y, i), from_x = source_column(n, x, j);
            if (n.zero_padding && !inside(n, from_y, from_x)) continue;
            const uint64_t *bits =
                reinterpret_cast<const uint64_t *>(at(n.input, from_y, from_x)) + group * words;
            const uint64_t *tap = weights + (i * n.kernel_width + j) * words * 8;
            int different = 0;
            for (size_t w = 0; w < words; w++) different += ones(bits[w] ^ tap[w * 8]);
            dot += static_cast<int32_t>(in_each) - 2 * different;
        }
    }
    return {affine(n, static_cast<float>(dot), channel), dot};
}

sum float_sum(const onlooker_node &n, uint32_t y, uint32_t x, uint32_t channel) {
    const uint32_t in_each = n.input_channels / n.groups, out_each = n.channels / n.groups;
    const size_t blocks = (out_each + 15) / 16;
    const size_t group = channel / out_each, local = channel % out_each;
    const float *weights = static_cast<const float *>(n.weights) +
                           (group * blocks + local / 16) * n.kernel_height * n.kernel_width *
                               in_each * 16 +
                           local % 16;
    float total = 0.0f;
    for (uint32_t i = 0; i < n.kernel_height; i++) {
        for (uint32_t j = 0; j < n.kernel_width; j++) {
            const float *values =
                reinterpret_cast<const float *>(at(n.input, source_row(n, y, i),
                                                   source_column(n, x, j))) +
                group * in_each;
            const float *tap = weights + (i * n.kernel_width + j) * in_each * 16;
            for (uint32_t k = 0; k < in_each; k++) total += values[k] * tap[k * 16];
        }
    }
    return {affine(n, total, channel), 0};
}

sum quantized_sum(const onlooker_node &n, uint32_t y, uint32_t x, uint32_t channel) {
    const uint32_t in_each = n.input_channels / n.groups, out_each = n.channels / n.groups;
    const size_t blocks = (out_each + 15) / 16;
    const size_t group = channel / out_each, local = channel % out_each;
    // A row of the kernel is one run of bytes, or each tap is one.
    const bool rows = n.groups == 1 && n.dilation_right == 1;
    const uint32_t runs = rows ? n.kernel_height : n.kernel_height * n.kernel_width;
    const size_t length = rows ? static_cast<size_t>(n.kernel_width) * in_each : in_each;
    const size_t fours = (length + 3) / 4;
    const int8_t *weights = static_cast<const int8_t *>(n.weights) +
                            (group * blocks + local / 16) * runs * fours * 64 + local % 16 * 4;
    int32_t total = 0;
    for (uint32_t run = 0; run < runs; run++) {
        const uint32_t i = rows ? run : run / n.kernel_width, j = rows ? 0 : run % n.kernel_width;
        const uint8_t *values =
            at(n.input, source_row(n, y, i), source_column(n, x, j)) + group * in_each;
        for (size_t k = 0; k < length; k++)
            total += static_cast<int32_t>(values[k]) *
                     weights[(run * fours + k / 4) * 64 + k % 4];
    }
    return {affine(n, static_cast<float>(total), channel), 0};
}

template <bool maximum>
sum pooled(const onlooker_node &n, uint32_t y, uint32_t x, uint32_t channel) {
    float result = 0.0f;
    int count = 0;
    for (uint32_t i = 0; i < n.kernel_height; i++) {
        for (uint32_t j = 0; j < n.kernel_width; j++) {
            const ptrdiff_t from_y = source_row(n, y, i), from_x = source_column(n, x, j);
            if (!inside(n, from_y, from_x)) continue;
            const float read = number(n.input, n.input_kind, from_y, from_x, channel);
            const float v = affine(n, read, channel);
            if (maximum)
                result = count == 0 || v > result ? v : result;
            else
                result = result + v;
            count++;
        }
    }
    if (!maximum && count) result = result / static_cast<float>(count);
    return {result, 0};
}

sum same(const onlooker_node &n, uint32_t y, uint32_t x, uint32_t channel) {
    return {affine(n, number(n.input, n.input_kind, y, x, channel), channel), 0};
}

sum gathered(const onlooker_node &n, uint32_t y, uint32_t x, uint32_t channel) {
    return {number(n.input, n.input_kind, y, x, n.sources[channel]), 0};
}

template <sum (*compute)(const onlooker_node &, uint32_t, uint32_t, uint32_t)>
void run(const onlooker_node *node, const onlooker_rectangle *rectangle, void *) {
    each(node, rectangle, compute);
}

size_t nothing(const onlooker_node *) { return 0; }

void prepare(const onlooker_node *, void *) {}

}  // namespace

extern "C" {
extern const onlooker_kernels onlooker_kernels_reference;
const onlooker_kernels onlooker_kernels_reference = {
    "reference",
    ONLOOKER_CPU_ANY,
    nothing,
    prepare,
    nothing,
    {run<same>, run<binary_sum>, run<float_sum>, run<quantized_sum>, run<pooled<true>>,
     run<pooled<false>>, run<same>, run<gathered>},
    1,
};
}
