// The interface of gradients.h, and the forward pass.
#include "gradients.h"

#include <cstring>
#include <vector>

#include "gradients_parts.h"

namespace onlooker {

const onlooker_gradient_kernels &gradient_kernels() {
    static const onlooker_gradient_kernels *const chosen = [] {
        const char *wanted = std::getenv("ONLOOKER_CPU");
        const bool reference = wanted && !std::strcmp(wanted, "reference");
#if defined(__x86_64__)
        if (!reference && __builtin_cpu_supports("avx2")) return &onlooker_gradient_kernels_avx2;
#endif
        (void)reference;
        return &onlooker_gradient_kernels_reference;
    }();
    return *chosen;
}

Workspace &workspace() {
    static Workspace *const one = new Workspace;  // threads may outlive static objects
    return *one;
}

namespace {

bool taken(const Shape &s) {
    const bool positive = s.pictures > 0 && s.height > 0 && s.width > 0 && s.channels > 0 &&
                          s.filters > 0 && s.kernel_height > 0 && s.kernel_width > 0 &&
                          s.stride_y > 0 && s.stride_x > 0 && s.dilation_y > 0 &&
                          s.dilation_x > 0 && s.padding_y >= 0 && s.padding_x >= 0;
    return positive && s.channels % channel_panel == 0 && s.filters % channel_panel == 0 &&
           s.kernel_height * s.kernel_width * s.channels < 1 << 16 &&  // what 16 bits can count
           s.height + 2 * s.padding_y > s.dilation_y * (s.kernel_height - 1) &&
           s.width + 2 * s.padding_x > s.dilation_x * (s.kernel_width - 1);
}

void pack_signs(const Shape &s, const Geometry &g, const float *values, float clip, uint8_t *signs,
                uint8_t *mask, int threads) {
    const int64_t bytes = s.channels / 8;
    run_tasks(threads, (int)s.pictures, [&](int n) {
        uint8_t *picture = signs + n * g.padded * bytes;
        clear_border(picture, g.padded_height, g.padded_width, bytes, s.padding_y, s.padding_x,
                     s.height, s.width);
        for (int64_t y = 0; y < s.height; y++) {
            const int64_t from = (n * s.height + y) * s.width * s.channels;
            const int64_t to = (y + s.padding_y) * g.padded_width + s.padding_x;
            gradient_kernels().signs(values + from, s.width * s.channels, clip,
                                     picture + to * bytes, mask ? mask + from / 8 : nullptr);
        }
    });
}

// Nibbles of filters, four input channels each: a filter is a column.
void pack_filters(const Shape &s, const Geometry &g, const uint8_t *filter_bytes, uint8_t *nibbles,
                  int threads) {
    const int64_t quads = g.taps * s.channels / 4, rows = parts_of(quads, 3) * 3;
    run_tasks(threads, (int)parts_of(s.filters, 32), [&](int vector) {
        const int64_t block = vector / 4 * 128;
        const int64_t width = std::min<int64_t>(128, parts_of(s.filters - block, 32) * 32);
        uint8_t *const to = nibbles + block * rows + vector % 4 * 32;
        for (int64_t quad = 0; quad < rows; quad++) std::memset(to + quad * width, 0, 32);
        const int64_t columns = std::min<int64_t>(32, s.filters - vector * 32);
        for (int64_t column = 0; column < columns; column++) {
            const uint8_t *from = filter_bytes + (vector * 32 + column) * quads * 4;
            const int64_t place = column < 16 ? 2 * column : 2 * column - 31;
            for (int64_t quad = 0; quad < quads; quad++, from += 4)
                to[quad * width + place] =
                    (uint8_t)(from[0] | from[1] << 1 | from[2] << 2 | from[3] << 3);
        }
    });
}

void convolve_signs(const Shape &s, const Geometry &g, const uint8_t *signs, const uint8_t *nibbles,
                    float *output, int threads) {
    const int64_t bytes = s.channels / 8;
    std::vector<int64_t> tap_inputs;
    for (int64_t y = 0; y < s.kernel_height; y++)
        for (int64_t x = 0; x < s.kernel_width; x++)
            tap_inputs.push_back((y * s.dilation_y * g.padded_width + x * s.dilation_x) * bytes);
    onlooker_sign_convolution work{};
    work.input = signs, work.nibbles = nibbles, work.tap_inputs = tap_inputs.data();
    work.taps = (int)g.taps, work.channels = (int)s.channels, work.columns = (int)s.filters;
    work.output = output;
    const int64_t rows = s.pictures * g.out_height;
    const int64_t rows_a_task = share(rows, threads, parts_of(256, g.out_width));
    run_tasks(threads, (int)parts_of(rows, rows_a_task), [&](int task) {
        std::vector<uint16_t> indices((size_t)(16 * (g.taps * s.channels / 4 + 64)));
        std::vector<int64_t> places;
        const int64_t first = task * rows_a_task;
        for (int64_t row = first; row < std::min(first + rows_a_task, rows); row++)
            for (int64_t x = 0; x < g.out_width; x++)
                places.push_back((row / g.out_height * g.padded +
                                  row % g.out_height * s.stride_y * g.padded_width +
                                  x * s.stride_x) * bytes);
        onlooker_sign_convolution part = work;
        part.pixel_inputs = places.data(), part.pixels = (int64_t)places.size();
        part.first_output = first * g.out_width, part.indices = indices.data();
        gradient_kernels().convolve_signs(&part);
    });
}

}  // namespace

void forward(const Shape &s, const float *values, const float *weight, float clip, float *output,
             uint8_t *signs, uint8_t *mask, uint8_t *filter_bytes, Workspace &space, int threads) {
    const Geometry g(s);
    const int64_t filter = g.taps * s.channels;
    run_tasks(threads, (int)(s.filters / channel_panel), [&](int part) {
        const int64_t first = part * channel_panel * filter;
        gradient_kernels().bytes(weight + first, channel_panel * filter, filter_bytes + first);
    });
    uint8_t *nibbles =
        space.filters.of<uint8_t>((filter / 4 + 2) * parts_of(s.filters, 32) * 32);
    pack_filters(s, g, filter_bytes, nibbles, threads);
    pack_signs(s, g, values, clip, signs, mask, threads);
    convolve_signs(s, g, signs, nibbles, output, threads);
}

}  // namespace onlooker

extern "C" {

const char *onlooker_training_kernels(void) { return onlooker::gradient_kernels().name; }

int64_t onlooker_training_sign_bytes(const onlooker_training_shape *shape) {
    // Kernels read 16 bytes at a time.
    return shape->pictures * onlooker::Geometry(*shape).padded * shape->channels / 8 + 16;
}

int onlooker_training_forward(const onlooker_training_shape *shape, const float *values,
                              const float *weight, float clip, float *output, uint8_t *signs,
                              uint8_t *mask, uint8_t *filter_bytes, int threads) {
    if (!onlooker::taken(*shape)) return 1;
    try {
        onlooker::Workspace &space = onlooker::workspace();
        const std::lock_guard<std::mutex> lock(space.mutex);
        onlooker::forward(*shape, values, weight, clip, output, signs, mask, filter_bytes, space,
                          threads);
        return 0;
    } catch (...) {
        return 1;
    }
}

int onlooker_training_backward(const onlooker_training_shape *shape, const float *gradient,
                               const uint8_t *signs, const uint8_t *mask,
                               const uint8_t *filter_bytes, uint64_t seed, float *of_values,
                               float *of_weight, int threads) {
    if (!onlooker::taken(*shape)) return 1;
    try {
        onlooker::Workspace &space = onlooker::workspace();
        const std::lock_guard<std::mutex> lock(space.mutex);
        onlooker::backward(*shape, gradient, signs, mask, filter_bytes, seed, of_values, of_weight,
                           space, threads);
        return 0;
    } catch (...) {
        return 1;
    }
}

}  // extern "C"
