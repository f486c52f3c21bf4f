// Forward and backward pass of a binary convolution, made of the loops of gradients_kernels.h.
#include "gradients.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <mutex>
#include <new>
#include <vector>

#include "gradients_kernels.h"
#include "gradients_threads.h"

namespace {

using onlooker::run_tasks;
using Shape = onlooker_training_shape;

constexpr int column_panel = 16;     // columns of filters that lie together
constexpr int sum_limit = 128;       // pairs of products up to 254 that fit into 16 bits
constexpr int sign_limit = 8192;     // of pairs up to 2
constexpr int64_t near_bytes = 1 << 17;  // of pictures that a thread works on; stays in its L2

const onlooker_gradient_kernels &kernels() {
    static const onlooker_gradient_kernels *const chosen = [] {
        const char *wanted = std::getenv("ONLOOKER_CPU");
        bool reference = wanted && !std::strcmp(wanted, "reference");
#if defined(__x86_64__)
        if (!reference && __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
            return &onlooker_gradient_kernels_avx2;
#endif
        (void)reference;
        return &onlooker_gradient_kernels_reference;
    }();
    return *chosen;
}

// Memory kept from call to call: fresh pages cost more than what is done with them.
class Buffer {
  public:
    template <class T>
    T *of(int64_t count) {
        size_t bytes = ((size_t)count * sizeof(T) + 127) / 64 * 64;
        if (bytes > size_) {
            size_ = 0;
            memory_.reset(static_cast<char *>(std::aligned_alloc(64, bytes)));
            if (!memory_) throw std::bad_alloc();
            size_ = bytes;
        }
        return reinterpret_cast<T *>(memory_.get());
    }

  private:
    struct Free {
        void operator()(char *memory) const { std::free(memory); }
    };
    std::unique_ptr<char, Free> memory_;
    size_t size_ = 0;
};

struct Workspace {
    std::mutex mutex;
    Buffer filters, bits, sums, rounded, gradient_quads, sign_quads, scales;
};

Workspace &workspace() {
    static Workspace *const one = new Workspace;  // threads may outlive static objects
    return *one;
}

struct Geometry {
    explicit Geometry(const Shape &s)
        : taps(s.kernel_height * s.kernel_width),
          padded_height(s.height + 2 * s.padding_y),
          padded_width(s.width + 2 * s.padding_x),
          out_height((padded_height - s.dilation_y * (s.kernel_height - 1) - 1) / s.stride_y + 1),
          out_width((padded_width - s.dilation_x * (s.kernel_width - 1) - 1) / s.stride_x + 1),
          groups((s.pictures + 3) / 4) {}
    int64_t taps, padded_height, padded_width, out_height, out_width, groups;
};

bool taken(const Shape &s) {
    bool positive = s.pictures > 0 && s.height > 0 && s.width > 0 && s.channels > 0 &&
                    s.filters > 0 && s.kernel_height > 0 && s.kernel_width > 0 && s.stride_y > 0 &&
                    s.stride_x > 0 && s.dilation_y > 0 && s.dilation_x > 0 && s.padding_y >= 0 &&
                    s.padding_x >= 0;
    return positive && s.channels % column_panel == 0 && s.filters % column_panel == 0 &&
           (s.padding_value == -1 || s.padding_value == 0) &&
           s.height + 2 * s.padding_y > s.dilation_y * (s.kernel_height - 1) &&
           s.width + 2 * s.padding_x > s.dilation_x * (s.kernel_width - 1);
}

int share(int64_t count, int threads, int64_t at_most) {
    int64_t even = (count + 2 * threads - 1) / (2 * threads);
    return (int)std::max<int64_t>(1, std::min(even, at_most));
}

// Rows [first, last) of a bordered picture, and the sides of the others, set to one value.
template <class T>
void fill_border(T *picture, int64_t height, int64_t width, int64_t depth, int64_t top,
                 int64_t left, int64_t inner_height, int64_t inner_width, T value) {
    const int64_t row = width * depth, right = (left + inner_width) * depth;
    std::fill(picture, picture + top * row, value);
    for (int64_t y = top; y < top + inner_height; y++) {
        std::fill(picture + y * row, picture + y * row + left * depth, value);
        std::fill(picture + y * row + right, picture + (y + 1) * row, value);
    }
    std::fill(picture + (top + inner_height) * row, picture + height * row, value);
}

// What one task of a convolution goes over; each pixel's place and what is the same for its columns.
struct Pixels {
    std::vector<int64_t> inputs, outputs;
    std::vector<int32_t> corrections;
    std::vector<float> scales;

    void add(int64_t input, int64_t output, int32_t correction, float scale) {
        inputs.push_back(input), outputs.push_back(output);
        corrections.push_back(correction), scales.push_back(scale);
    }
    void run(onlooker_convolution work) const {
        work.pixels = (int64_t)inputs.size();
        work.pixel_inputs = inputs.data(), work.pixel_outputs = outputs.data();
        work.corrections = corrections.data(), work.scales = scales.data();
        kernels().convolve(&work);
    }
};

// Bits and sums may be null.
void pack_signs(const Shape &s, const Geometry &g, const float *values, float clip, int8_t *signs,
                uint8_t *bits, uint8_t *mask, int32_t *sums, int threads) {
    const int64_t area = g.padded_height * g.padded_width, bytes = s.channels / 8;
    const auto border = (int8_t)s.padding_value;
    run_tasks(threads, (int)s.pictures, [&](int n) {
        int8_t *picture = signs + n * area * s.channels;
        fill_border(picture, g.padded_height, g.padded_width, s.channels, s.padding_y, s.padding_x,
                    s.height, s.width, border);
        if (bits)
            fill_border(bits + n * area * bytes, g.padded_height, g.padded_width, bytes,
                        s.padding_y, s.padding_x, s.height, s.width, (uint8_t)0);
        if (sums)
            fill_border(sums + n * area, g.padded_height, g.padded_width, (int64_t)1, s.padding_y,
                        s.padding_x, s.height, s.width, (int32_t)(border * s.channels));
        for (int64_t y = 0; y < s.height; y++) {
            const int64_t from = (n * s.height + y) * s.width * s.channels;
            const int64_t to = (y + s.padding_y) * g.padded_width + s.padding_x;
            kernels().signs(values + from, s.width, (int)s.channels, clip,
                            picture + to * s.channels,
                            bits ? bits + (n * area + to) * bytes : nullptr,
                            mask ? mask + from / 8 : nullptr,
                            sums ? sums + n * area + to : nullptr);
        }
    });
}

// Filters for products over input channels: 16 filters are the columns of a panel.
void pack_filters(const Shape &s, const Geometry &g, const uint8_t *bits, uint8_t *panels,
                  int threads) {
    const int64_t filter = g.taps * s.channels, panel = filter * column_panel;
    run_tasks(threads, (int)(s.filters / column_panel), [&](int p) {
        for (int64_t quad = 0; quad < filter / 4; quad++)
            for (int64_t column = 0; column < column_panel; column++)
                std::memcpy(panels + p * panel + (quad * column_panel + column) * 4,
                            bits + (p * column_panel + column) * filter + quad * 4, 4);
    });
}

// Filters as nibbles, for products of signs by signs.
void pack_nibbles(const Shape &s, const Geometry &g, const uint8_t *bits, uint8_t *nibbles,
                  int threads) {
    const int64_t quads = g.taps * s.channels / 4, rows = (quads + 2) / 3 * 3;
    run_tasks(threads, (int)((s.filters + 31) / 32), [&](int vector) {
        const int64_t block = vector / 4 * 128;
        const int64_t width = std::min<int64_t>(128, (s.filters - block + 31) / 32 * 32);
        uint8_t *const to = nibbles + block * rows + vector % 4 * 32;
        for (int64_t quad = 0; quad < rows; quad++) std::memset(to + quad * width, 0, 32);
        for (int64_t column = 0; column < std::min<int64_t>(32, s.filters - vector * 32); column++) {
            const uint8_t *from = bits + (vector * 32 + column) * quads * 4;
            const int64_t place = column < 16 ? 2 * column : 2 * column - 31;
            for (int64_t quad = 0; quad < quads; quad++, from += 4)
                to[quad * width + place] =
                    (uint8_t)(from[0] | from[1] << 1 | from[2] << 2 | from[3] << 3);
        }
    });
}

// Filters for products over output channels: 16 input channels are the columns of a panel.
void pack_turned_filters(const Shape &s, const Geometry &g, const uint8_t *bits, uint8_t *panels,
                         int threads) {
    const int64_t filter = g.taps * s.channels, panel = g.taps * s.filters * column_panel;
    run_tasks(threads, (int)(s.filters / column_panel), [&](int part) {
        const int64_t first = part * column_panel / 4;
        for (int64_t quad = first; quad < first + column_panel / 4; quad++)
            for (int64_t tap = 0; tap < g.taps; tap++) {
                const int8_t *rows[4];
                for (int k = 0; k < 4; k++)
                    rows[k] = reinterpret_cast<const int8_t *>(bits) + (quad * 4 + k) * filter +
                              tap * s.channels;
                auto *to = reinterpret_cast<int8_t *>(panels) +
                           (tap * s.filters / 4 + quad) * column_panel * 4;
                kernels().interleave(rows, 1, (int)s.channels, column_panel, panel, to);
            }
    });
}

// Where bits say it all, because what is padded with is a sign too.
void convolve_bits(const Shape &s, const Geometry &g, const uint8_t *bits, const uint8_t *nibbles,
                   float *output, int threads) {
    const int64_t area = g.padded_height * g.padded_width, bytes = s.channels / 8;
    std::vector<int64_t> tap_inputs;
    for (int64_t y = 0; y < s.kernel_height; y++)
        for (int64_t x = 0; x < s.kernel_width; x++)
            tap_inputs.push_back((y * s.dilation_y * g.padded_width + x * s.dilation_x) * bytes);
    onlooker_sign_convolution work{};
    work.input = bits, work.nibbles = nibbles, work.tap_inputs = tap_inputs.data();
    work.taps = (int)g.taps, work.channels = (int)s.channels, work.columns = (int)s.filters;
    work.output = output;
    const int64_t rows = s.pictures * g.out_height;
    const int rows_a_task = share(rows, threads, (256 + g.out_width - 1) / g.out_width);
    run_tasks(threads, (int)((rows + rows_a_task - 1) / rows_a_task), [&](int task) {
        std::vector<uint16_t> indices((size_t)(16 * (g.taps * s.channels / 4 + 64)));
        std::vector<int64_t> places;
        const int64_t first = (int64_t)task * rows_a_task;
        for (int64_t row = first; row < std::min(first + rows_a_task, rows); row++)
            for (int64_t x = 0; x < g.out_width; x++)
                places.push_back((row / g.out_height * area +
                                  row % g.out_height * s.stride_y * g.padded_width +
                                  x * s.stride_x) * bytes);
        onlooker_sign_convolution part = work;
        part.pixel_inputs = places.data(), part.pixels = (int64_t)places.size();
        part.first_output = first * g.out_width, part.indices = indices.data();
        kernels().convolve_signs(&part);
    });
}

void convolve_signs(const Shape &s, const Geometry &g, const int8_t *signs, const uint8_t *filters,
                    const int32_t *sums, float *output, int threads) {
    const int64_t area = g.padded_height * g.padded_width;
    std::vector<int64_t> tap_pixels, tap_inputs, tap_filters;
    for (int64_t y = 0; y < s.kernel_height; y++)
        for (int64_t x = 0; x < s.kernel_width; x++) {
            tap_filters.push_back((int64_t)tap_pixels.size() * s.channels * column_panel);
            tap_pixels.push_back(y * s.dilation_y * g.padded_width + x * s.dilation_x);
            tap_inputs.push_back(tap_pixels.back() * s.channels);
        }
    onlooker_convolution work{};
    work.input = signs, work.filters = filters;
    work.panel_bytes = g.taps * s.channels * column_panel;
    work.tap_inputs = tap_inputs.data(), work.tap_filters = tap_filters.data();
    work.taps = (int)g.taps, work.channels = (int)s.channels, work.columns = (int)s.filters;
    work.limit = sign_limit, work.output = output;
    const int pictures = share(s.pictures, threads, near_bytes / (area * s.channels));
    run_tasks(threads, (int)((s.pictures + pictures - 1) / pictures), [&](int task) {
        Pixels pixels;
        const int64_t first = (int64_t)task * pictures;
        for (int64_t n = first; n < std::min(first + pictures, s.pictures); n++)
            for (int64_t y = 0; y < g.out_height; y++)
                for (int64_t x = 0; x < g.out_width; x++) {
                    const int64_t place =
                        n * area + y * s.stride_y * g.padded_width + x * s.stride_x;
                    int32_t sum = 0;
                    for (int64_t tap : tap_pixels) sum += sums[place + tap];
                    pixels.add(place * s.channels, (n * g.out_height + y) * g.out_width + x, sum,
                               1.0f);
                }
        pixels.run(work);
    });
}

// The output's gradient in eight bits, in both layouts.
struct Rounded {
    int64_t top, left, height, width;  // of the border, and of a picture with it
    int64_t groups_a_scale;
    int8_t *pictures;
    int32_t *sums;
    int8_t *quads;
    float *scales;
};

// Whole quotient, rounded down.
int64_t floored(int64_t a, int64_t b) { return a >= 0 ? a / b : -((b - 1 - a) / b); }

// How far gradients of an input reach beyond the output: rows before it and rows with those behind.
void reach(int64_t input, int64_t output, int64_t kernel, int64_t stride, int64_t padding,
           int64_t dilation, int64_t *before, int64_t *total) {
    *before = std::max<int64_t>(0, -floored(padding - dilation * (kernel - 1), stride));
    *total = *before + std::max(output, floored(input - 1 + padding, stride) + 1);
}

int limit_of(const Shape &s) { return s.padding_value ? sum_limit : sum_limit / 2; }

Rounded round_gradient(const Shape &s, const Geometry &g, const float *gradient, uint64_t seed,
                       Workspace &space, int threads) {
    Rounded r{};
    reach(s.height, g.out_height, s.kernel_height, s.stride_y, s.padding_y, s.dilation_y, &r.top,
          &r.height);
    reach(s.width, g.out_width, s.kernel_width, s.stride_x, s.padding_x, s.dilation_x, &r.left,
          &r.width);
    const int64_t area = g.out_height * g.out_width, bordered = r.height * r.width;
    r.groups_a_scale = std::max<int64_t>(1, limit_of(s) / area);
    const int64_t parts = (g.groups + r.groups_a_scale - 1) / r.groups_a_scale;
    r.pictures = space.rounded.of<int8_t>(s.pictures * bordered * s.filters);
    r.sums = space.sums.of<int32_t>(s.pictures * bordered);
    r.quads = space.gradient_quads.of<int8_t>(g.groups * 4 * area * s.filters);
    r.scales = space.scales.of<float>(parts);
    const std::vector<int8_t> nothing((size_t)(g.out_width * s.filters));
    run_tasks(threads, (int)parts, [&](int part) {
        const int64_t first = part * r.groups_a_scale;
        const int64_t last = std::min(first + r.groups_a_scale, g.groups);
        const int64_t pictures = std::min(last * 4, s.pictures) - first * 4;
        const uint32_t bits = kernels().largest(gradient + first * 4 * area * s.filters,
                                                pictures * area * s.filters);
        float most;
        std::memcpy(&most, &bits, sizeof most);
        const bool finite = std::isfinite(most);
        // A scale that is not a number spoils all that comes of it, as in arithmetic without it.
        r.scales[part] = finite ? most / 127.0f : NAN;
        const float inverse = finite && most > 0 ? 127.0f / most * 65536.0f : 0.0f;
        uint32_t state[8];
        uint64_t mixed = seed + (uint64_t)part * 0x9e3779b97f4a7c15u;
        for (uint32_t &word : state) {  // splitmix64
            uint64_t z = mixed += 0x9e3779b97f4a7c15u;
            z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
            z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
            word = (uint32_t)(z >> 32) | 1u;  // xorshift stays at zero
        }
        for (int64_t n = first * 4; n < first * 4 + pictures; n++) {
            fill_border(r.pictures + n * bordered * s.filters, r.height, r.width, s.filters, r.top,
                        r.left, g.out_height, g.out_width, (int8_t)0);
            fill_border(r.sums + n * bordered, r.height, r.width, (int64_t)1, r.top, r.left,
                        g.out_height, g.out_width, (int32_t)0);
        }
        for (int64_t group = first; group < last; group++)
            for (int64_t y = 0; y < g.out_height; y++) {
                const int8_t *rows[4];
                for (int k = 0; k < 4; k++) {
                    const int64_t n = group * 4 + k;
                    rows[k] = nothing.data();
                    if (n >= s.pictures) continue;
                    const int64_t to = (n * r.height + y + r.top) * r.width + r.left;
                    kernels().quantize(gradient + (n * area + y * g.out_width) * s.filters,
                                       g.out_width, (int)s.filters, inverse, state,
                                       r.pictures + to * s.filters, r.sums + to);
                    rows[k] = r.pictures + to * s.filters;
                }
                kernels().interleave(rows, g.out_width, (int)s.filters, 4, g.groups * area * 16,
                                     r.quads + (group * area + y * g.out_width) * 16);
            }
    });
    return r;
}

struct Tap {
    int64_t index, step;  // of the kernel; of the gradient, from the pixel's place
};

// Taps that meet input rows (or columns) of one phase of the stride.
std::vector<Tap> taps_of(int64_t phase, int64_t kernel, int64_t stride, int64_t padding,
                         int64_t dilation) {
    std::vector<Tap> taps;
    for (int64_t k = 0; k < kernel; k++) {
        const int64_t shift = phase + padding - dilation * k;
        if (floored(shift, stride) * stride == shift) taps.push_back({k, floored(shift, stride)});
    }
    return taps;
}

void gradient_of_values(const Shape &s, const Rounded &r, const uint8_t *filters, int64_t panel,
                        const uint8_t *mask, float *of_values, int threads) {
    const int64_t bordered = r.height * r.width;
    const int pictures = share(s.pictures, threads, near_bytes / (bordered * s.filters));
    run_tasks(threads, (int)((s.pictures + pictures - 1) / pictures), [&](int task) {
        const int64_t first = (int64_t)task * pictures;
        const int64_t last = std::min(first + pictures, s.pictures);
        for (int64_t down = 0; down < std::min(s.stride_y, s.height); down++)
            for (int64_t across = 0; across < std::min(s.stride_x, s.width); across++) {
                std::vector<int64_t> tap_pixels, tap_inputs, tap_filters;
                for (Tap y : taps_of(down, s.kernel_height, s.stride_y, s.padding_y, s.dilation_y))
                    for (Tap x :
                         taps_of(across, s.kernel_width, s.stride_x, s.padding_x, s.dilation_x)) {
                        tap_pixels.push_back(y.step * r.width + x.step);
                        tap_inputs.push_back(tap_pixels.back() * s.filters);
                        tap_filters.push_back((y.index * s.kernel_width + x.index) * s.filters *
                                              column_panel);
                    }
                Pixels pixels;
                for (int64_t n = first; n < last; n++)
                    for (int64_t y = down; y < s.height; y += s.stride_y)
                        for (int64_t x = across; x < s.width; x += s.stride_x) {
                            const int64_t place =
                                n * bordered + (y / s.stride_y + r.top) * r.width +
                                x / s.stride_x + r.left;
                            int32_t sum = 0;
                            for (int64_t tap : tap_pixels) sum += r.sums[place + tap];
                            pixels.add(place * s.filters, (n * s.height + y) * s.width + x, sum,
                                       r.scales[n / 4 / r.groups_a_scale]);
                        }
                onlooker_convolution work{};
                work.input = r.pictures, work.filters = filters, work.panel_bytes = panel;
                work.tap_inputs = tap_inputs.data(), work.tap_filters = tap_filters.data();
                work.taps = (int)tap_pixels.size(), work.channels = (int)s.filters;
                work.columns = (int)s.channels, work.limit = sum_limit;
                work.output = of_values, work.mask = mask;
                pixels.run(work);
            }
    });
}

void gradient_of_weight(const Shape &s, const Geometry &g, const Rounded &r, const int8_t *signs,
                        uint8_t *sign_quads, float *of_weight, int threads) {
    const int64_t area = g.out_height * g.out_width, padded = g.padded_height * g.padded_width;
    const int64_t limit = limit_of(s);
    const int64_t sign_block = g.groups * padded * 32, gradient_block = g.groups * area * 16;
    run_tasks(threads, (int)g.groups, [&](int group) {
        const int8_t *rows[4];
        for (int k = 0; k < 4; k++)  // beyond the last picture, gradients are zero
            rows[k] = signs + std::min<int64_t>(group * 4 + k, s.pictures - 1) * padded * s.channels;
        kernels().interleave_signs(rows, padded, (int)s.channels, s.padding_value ? 1 : 0,
                                   sign_block, sign_quads + group * padded * 32);
    });
    std::vector<int64_t> column_signs, column_sums;
    for (int64_t channel = 0; channel < s.channels; channel += 16)  // a line of the sums' memory
        for (int64_t y = 0; y < s.kernel_height; y++)
            for (int64_t x = 0; x < s.kernel_width; x++)
                for (int64_t c = channel; c < channel + 16; c += 8) {
                    const int64_t tap = y * s.dilation_y * g.padded_width + x * s.dilation_x;
                    column_signs.push_back(c / 8 * sign_block + tap * 32);
                    column_sums.push_back((y * s.kernel_width + x) * s.channels + c);
                }
    const int64_t columns = (int64_t)column_signs.size();
    const int64_t columns_at_once = 18;  // two blocks of channels, where the kernel is 3 × 3
    const size_t parts_at_once = 4;      // of pixels, for the same columns: sums stay in L2
    const int64_t width = std::min(g.out_width, limit), rows = std::min(g.out_height, limit / width);
    const int64_t quads = s.filters / 4, quads_a_task = share(quads, threads, quads);
    run_tasks(threads, (int)((quads + quads_a_task - 1) / quads_a_task), [&](int task) {
        const int64_t first = task * quads_a_task, count = std::min(quads_a_task, quads - first);
        struct Part {
            std::vector<int64_t> pixels;
            std::vector<int32_t> totals;
            onlooker_correlation work;
        };
        std::vector<Part> parts;
        parts.reserve(parts_at_once);
        bool fresh = true;
        const auto finish = [&] {
            for (int64_t column = 0; column < columns; column += columns_at_once)
                for (Part &part : parts) {
                    part.work.column_signs = column_signs.data() + column;
                    part.work.column_sums = column_sums.data() + column;
                    part.work.column_blocks = (int)std::min(columns_at_once, columns - column);
                    part.work.first = fresh && &part == &parts.front();
                    kernels().correlate(&part.work);
                }
            parts.clear();
            fresh = false;
        };
        for (int64_t group = 0; group < g.groups; group += r.groups_a_scale)
            for (int64_t y = 0; y < g.out_height; y += rows)
                for (int64_t x = 0; x < g.out_width; x += width) {
                    if (parts.size() == parts_at_once) finish();
                    parts.emplace_back();
                    Part &part = parts.back();
                    for (int64_t q = group; q < std::min(group + r.groups_a_scale, g.groups); q++)
                        for (int64_t row = y; row < std::min(y + rows, g.out_height); row++)
                            for (int64_t at = x; at < std::min(x + width, g.out_width); at++)
                                part.pixels.push_back((q * padded +
                                                       row * s.stride_y * g.padded_width +
                                                       at * s.stride_x) * 32);
                    part.totals.resize((size_t)(count * 4));
                    onlooker_correlation &work = part.work;
                    work.gradients = r.quads + first * gradient_block +
                                     (group * area + y * g.out_width + x) * 16;
                    work.gradient_stride = gradient_block, work.channel_blocks = (int)count;
                    work.signs = sign_quads, work.factor = s.padding_value ? 2 : 1;
                    work.pixels = (int)part.pixels.size(), work.pixel_signs = part.pixels.data();
                    work.scale = r.scales[group / r.groups_a_scale];
                    work.sums = of_weight + first * 4 * g.taps * s.channels;
                    work.sums_stride = g.taps * s.channels, work.totals = part.totals.data();
                    for (int64_t k = 0; k < count; k++)
                        kernels().totals(work.gradients + k * gradient_block, work.pixels,
                                         part.totals.data() + 4 * k);
                }
        finish();
    });
}

}  // namespace

extern "C" {

const char *onlooker_training_kernels(void) { return kernels().name; }

int onlooker_training_forward(const Shape *shape, const float *values, const float *weight,
                              float clip, float *output, int8_t *signs, uint8_t *mask,
                              uint8_t *bits, int threads) {
    if (!taken(*shape)) return 1;
    try {
        const Shape &s = *shape;
        const Geometry g(s);
        Workspace &space = workspace();
        std::lock_guard<std::mutex> lock(space.mutex);
        const int64_t filter = g.taps * s.channels;
        run_tasks(threads, (int)(s.filters / column_panel), [&](int part) {
            const int64_t first = part * column_panel * filter;
            kernels().bits(weight + first, column_panel * filter, bits + first);
        });
        const int64_t padded = s.pictures * g.padded_height * g.padded_width;
        if (s.padding_value == -1 && filter < 1 << 16) {
            const int64_t columns = (s.filters + 31) / 32 * 32;
            uint8_t *nibbles = space.filters.of<uint8_t>((filter / 4 + 2) * columns);
            uint8_t *sign_bits = space.bits.of<uint8_t>(padded * s.channels / 8 + 16);
            pack_nibbles(s, g, bits, nibbles, threads);
            pack_signs(s, g, values, clip, signs, sign_bits, mask, nullptr, threads);
            convolve_bits(s, g, sign_bits, nibbles, output, threads);
        } else {
            uint8_t *filters = space.filters.of<uint8_t>(filter * s.filters);
            int32_t *sums = space.sums.of<int32_t>(padded);
            pack_filters(s, g, bits, filters, threads);
            pack_signs(s, g, values, clip, signs, nullptr, mask, sums, threads);
            convolve_signs(s, g, signs, filters, sums, output, threads);
        }
        return 0;
    } catch (...) {
        return 1;
    }
}

int onlooker_training_backward(const Shape *shape, const float *gradient, const int8_t *signs,
                               const uint8_t *mask, const uint8_t *bits, uint64_t seed,
                               float *of_values, float *of_weight, int threads) {
    if (!taken(*shape)) return 1;
    try {
        const Shape &s = *shape;
        const Geometry g(s);
        Workspace &space = workspace();
        std::lock_guard<std::mutex> lock(space.mutex);
        const Rounded rounded = round_gradient(s, g, gradient, seed, space, threads);
        if (of_values) {
            uint8_t *filters = space.filters.of<uint8_t>(g.taps * s.channels * s.filters);
            pack_turned_filters(s, g, bits, filters, threads);
            gradient_of_values(s, rounded, filters, g.taps * s.filters * column_panel, mask,
                               of_values, threads);
        }
        if (of_weight) {
            uint8_t *quads = space.sign_quads.of<uint8_t>(g.groups * 4 * g.padded_height *
                                                          g.padded_width * s.channels);
            gradient_of_weight(s, g, rounded, signs, quads, of_weight, threads);
        }
        return 0;
    } catch (...) {
        return 1;
    }
}

}  // extern "C"
