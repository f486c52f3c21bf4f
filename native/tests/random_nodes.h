// Random nodes with all that they point to, for tests of kernels.
#ifndef ONLOOKER_TESTS_RANDOM_NODES_H
#define ONLOOKER_TESTS_RANDOM_NODES_H

#include <cstdio>
#include <cstring>
#include <initializer_list>
#include <limits>
#include <vector>

#include "../src/kernels.h"

namespace {

uint64_t state = 1;

uint32_t random_bits() {
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return static_cast<uint32_t>(state >> 16);
}

uint32_t below(uint32_t end) { return random_bits() % end; }
int between(int low, int high) {
    return low + static_cast<int>(below(static_cast<uint32_t>(high - low + 1)));
}
bool chance(uint32_t percent) { return below(100) < percent; }

template <typename T>
T pick(std::initializer_list<T> from) {
    return *(from.begin() + below(static_cast<uint32_t>(from.size())));
}

// Memory that starts at a multiple of 64, with nothing behind it, for sanitizers to see.
struct memory {
    std::vector<unsigned char> bytes;
    unsigned char *data = nullptr;
    memory() = default;
    explicit memory(size_t size) : bytes(size + 63) {
        data = bytes.data();
        while (reinterpret_cast<uintptr_t>(data) % 64) data++;
    }
    memory(const memory &other) : memory(other.size()) {
        std::memcpy(data, other.data, other.size());
    }
    memory &operator=(const memory &) = delete;
    memory(memory &&) = default;
    memory &operator=(memory &&) = default;
    size_t size() const { return bytes.size() - 63; }
};

const size_t slack = 64;

struct tensor {
    memory bytes;
    onlooker_map map{};
    size_t pixel_bytes = 0;
    int height = 0, width = 0, above = 0, below = 0, left = 0, right = 0;

    tensor(size_t pixel, int h, int w, int a, int b, int l, int r)
        : bytes(pixel * static_cast<size_t>((h + a + b) * (w + l + r)) + 2 * slack),
          pixel_bytes(pixel), height(h), width(w), above(a), below(b), left(l), right(r) {
        map.pixel = static_cast<ptrdiff_t>(pixel);
        map.row = map.pixel * (w + l + r);
        map.data = bytes.data + slack + a * map.row + l * map.pixel;
    }
    unsigned char *at(int y, int x) const {
        return static_cast<unsigned char *>(map.data) + y * map.row + x * map.pixel;
    }
    template <typename F>
    void each(F use) const {
        for (int y = -above; y < height + below; y++)
            for (int x = -left; x < width + right; x++)
                use(at(y, x), y >= 0 && y < height && x >= 0 && x < width);
    }
};

size_t words(size_t bits) { return (bits + 63) / 64; }

void random_bits_of(unsigned char *pixel, size_t groups, size_t channels, bool all) {
    const size_t each = channels / groups;
    for (size_t g = 0; g < groups; g++)
        for (size_t c = 0; c < each; c++)
            if (all || chance(50))
                pixel[g * words(each) * 8 + c / 8] |= static_cast<unsigned char>(1 << c % 8);
}

// A node with all that it points to, but for what it writes.
struct example {
    onlooker_node node{};
    std::vector<tensor> tensors;
    memory weights;
    std::vector<float> scale, shift;
    std::vector<uint32_t> sources;
    std::vector<unsigned char> padding;
    std::vector<onlooker_outlet> outlets;
    std::vector<std::vector<float>> floats;
    std::vector<std::vector<int32_t>> integers;
    std::vector<std::vector<unsigned char>> flips;
    bool extreme = false; // the largest sums that there are
};

const char *const names[] = {"input",           "binary convolution", "convolution",
                             "quantized convolution", "max pooling",  "average pooling",
                             "pointwise",       "gather"};

void describe(const onlooker_node &n) {
    std::printf("  %s: %ux%u, %u -> %ux%u, %u channels, kernel %ux%u, stride %u %u, "
                "dilation %u %u, padding %u %u (%s), groups %u, %s input, %zu outlets\n",
                names[n.operation], n.input_height, n.input_width, n.input_channels, n.height,
                n.width, n.channels, n.kernel_height, n.kernel_width, n.stride_down, n.stride_right,
                n.dilation_down, n.dilation_right, n.padding_above, n.padding_left,
                n.zero_padding ? "0" : "-1", n.groups, n.input_kind == ONLOOKER_I16 ? "i16" : "own",
                n.outlet_count);
}

int windows(int size, int padding, int kernel, int dilation, int stride) {
    const int room = size + padding - dilation * (kernel - 1) - 1;
    return room < 0 ? 0 : room / stride + 1;
}

void choose_sizes(onlooker_node &n) {
    const bool small = chance(80);
    do {
        const bool windowed = n.operation >= ONLOOKER_BINARY_CONVOLUTION &&
                              n.operation <= ONLOOKER_AVERAGE_POOLING;
        n.input_height = 1 + below(pick({1u, 4u, 9u, 20u}));
        n.input_width = 1 + below(pick({1u, 4u, 9u, 40u}));
        n.groups = n.operation <= ONLOOKER_QUANTIZED_CONVOLUTION && windowed && chance(25)
                       ? 2 + below(4)
                       : 1;
        const uint32_t in = chance(40)   ? 64 * (1 + below(small ? 2 : 9))
                            : chance(40) ? 1 + below(20)
                                         : 1 + below(small ? 150 : 600);
        const uint32_t out = chance(40)   ? 32 * (1 + below(small ? 5 : 18))
                             : chance(30) ? 1 + below(12)
                                          : 1 + below(small ? 150 : 500);
        n.input_channels = in * n.groups;
        n.channels = windowed && n.operation <= ONLOOKER_QUANTIZED_CONVOLUTION ? out * n.groups
                     : n.operation == ONLOOKER_GATHER                          ? out
                                                                               : n.input_channels;
        n.kernel_height = windowed ? pick({1u, 1u, 2u, 3u, 3u, 5u, 7u}) : 1;
        n.kernel_width = windowed ? pick({1u, 2u, 3u, 3u, 5u, 7u}) : 1;
        if (windowed && chance(20)) n.kernel_height = n.kernel_width = 1;
        n.stride_down = windowed ? 1 + below(3) : 1;
        n.stride_right = windowed ? 1 + below(3) : 1;
        if (windowed && chance(60)) n.stride_down = n.stride_right = 1;
        n.dilation_down = windowed && chance(20) ? 1 + below(3) : 1;
        n.dilation_right = windowed && chance(20) ? 1 + below(3) : 1;
        // A pooling's window must not lie wholly outside.
        const bool pools = n.operation >= ONLOOKER_MAX_POOLING;
        n.padding_above = windowed ? below(pools ? n.kernel_height / 2 + 1 : n.kernel_height) : 0;
        n.padding_left = windowed ? below(pools ? n.kernel_width / 2 + 1 : n.kernel_width) : 0;
        if (pools && (n.dilation_down > 1 || n.dilation_right > 1))
            n.padding_above = n.padding_left = 0;
        n.zero_padding = n.operation == ONLOOKER_BINARY_CONVOLUTION && chance(40);
        n.height = static_cast<uint32_t>(
            windows(static_cast<int>(n.input_height),
                    static_cast<int>(n.padding_above + (pools ? 0 : below(n.kernel_height))),
                    static_cast<int>(n.kernel_height), static_cast<int>(n.dilation_down),
                    static_cast<int>(n.stride_down)));
        n.width = static_cast<uint32_t>(
            windows(static_cast<int>(n.input_width),
                    static_cast<int>(n.padding_left + (pools ? 0 : below(n.kernel_width))),
                    static_cast<int>(n.kernel_width), static_cast<int>(n.dilation_right),
                    static_cast<int>(n.stride_right)));
    } while (n.height == 0 || n.width == 0 ||
             // The reference takes its time.
             uint64_t(n.height) * n.width * n.channels * (n.input_channels / n.groups) *
                     n.kernel_height * n.kernel_width >
                 (n.operation <= ONLOOKER_QUANTIZED_CONVOLUTION ? 60000000u : 600000000u));
}

// Rows and columns around the map that windows reach.
tensor around(const onlooker_node &n, size_t pixel) {
    const int bottom = static_cast<int>((n.height - 1) * n.stride_down +
                                        (n.kernel_height - 1) * n.dilation_down) -
                       static_cast<int>(n.padding_above) - static_cast<int>(n.input_height) + 1;
    const int right = static_cast<int>((n.width - 1) * n.stride_right +
                                       (n.kernel_width - 1) * n.dilation_right) -
                      static_cast<int>(n.padding_left) - static_cast<int>(n.input_width) + 1;
    return tensor(pixel, static_cast<int>(n.input_height), static_cast<int>(n.input_width),
                  static_cast<int>(n.padding_above), bottom > 0 ? bottom : 0,
                  static_cast<int>(n.padding_left), right > 0 ? right : 0);
}

void fill_input(example &e) {
    onlooker_node &n = e.node;
    const size_t in_each = n.input_channels / n.groups, out_each = n.channels / n.groups;
    const size_t taps = n.kernel_height * n.kernel_width;
    const uint32_t more = below(20); // channels of the tensor that the node does not read
    switch (n.operation) {
        case ONLOOKER_BINARY_CONVOLUTION: {
            n.input_kind = ONLOOKER_BITS;
            tensor t = around(n, n.groups * words(in_each) * 8);
            t.each([&](unsigned char *pixel, bool inside) {
                if (inside) random_bits_of(pixel, n.groups, n.input_channels, e.extreme);
            });
            e.tensors.push_back(std::move(t));
            e.weights = memory(n.groups * ((out_each + 7) / 8) * taps * words(in_each) * 64);
            uint64_t *w = reinterpret_cast<uint64_t *>(e.weights.data);
            for (size_t c = 0; c < n.channels; c++) {
                const size_t block = c / out_each * ((out_each + 7) / 8) + c % out_each / 8;
                for (size_t tap = 0; tap < taps; tap++)
                    for (size_t k = 0; k < in_each; k++)
                        if (e.extreme ? c % 3 == 0 : chance(50))
                            w[((block * taps + tap) * words(in_each) + k / 64) * 8 +
                              c % out_each % 8] |= uint64_t(1) << k % 64;
            }
            break;
        }
        case ONLOOKER_CONVOLUTION: {
            n.input_kind = ONLOOKER_F32;
            tensor t = around(n, (n.input_channels + more) * 4);
            t.each([&](unsigned char *pixel, bool inside) {
                for (size_t c = 0; inside && c < n.input_channels; c++)
                    reinterpret_cast<float *>(pixel)[c] = static_cast<float>(between(-8, 8));
            });
            e.tensors.push_back(std::move(t));
            const size_t blocks = (out_each + 15) / 16;
            e.weights = memory(n.groups * blocks * taps * in_each * 64);
            float *w = reinterpret_cast<float *>(e.weights.data);
            for (size_t i = 0; i < e.weights.size() / 4; i++)
                if (i / (16 * taps * in_each) % blocks * 16 + i % 16 < out_each)
                    w[i] = static_cast<float>(between(-8, 8));
            break;
        }
        case ONLOOKER_QUANTIZED_CONVOLUTION: {
            n.input_kind = ONLOOKER_U8;
            for (size_t c = 0; c < n.input_channels; c++)
                e.padding.push_back(static_cast<unsigned char>(below(256)));
            tensor t = around(n, n.input_channels);
            t.each([&](unsigned char *pixel, bool inside) {
                for (size_t c = 0; c < n.input_channels; c++)
                    pixel[c] = inside ? static_cast<unsigned char>(e.extreme ? 255 : below(256))
                                      : e.padding[c];
            });
            e.tensors.push_back(std::move(t));
            const bool rows = n.groups == 1 && n.dilation_right == 1;
            const size_t length = rows ? n.kernel_width * in_each : in_each;
            const size_t runs = rows ? n.kernel_height : taps, blocks = (out_each + 15) / 16;
            e.weights = memory(n.groups * blocks * runs * ((length + 3) / 4) * 64);
            int8_t *w = reinterpret_cast<int8_t *>(e.weights.data);
            const size_t fours = (length + 3) / 4;
            for (size_t i = 0; i < e.weights.size(); i++) {
                const size_t channel = i / (64 * fours * runs) % blocks * 16 + i % 64 / 4;
                if (channel < out_each && i / 64 % fours * 4 + i % 4 < length)
                    w[i] = static_cast<int8_t>(e.extreme ? pick({-63, 63}) : between(-63, 63));
            }
            break;
        }
        default: {
            const uint32_t channels = n.input_channels;
            const bool integers = n.operation != ONLOOKER_INPUT && chance(40);
            n.input_kind = integers ? ONLOOKER_I16 : ONLOOKER_F32;
            const size_t size = n.input_kind == ONLOOKER_I16 ? 2 : 4;
            // Nobody reads around the map: there is anything.
            tensor t(size * (channels + more), static_cast<int>(n.input_height),
                     static_cast<int>(n.input_width), 1, 1, 1, 1);
            t.each([&](unsigned char *pixel, bool inside) {
                for (size_t c = 0; c < channels + more; c++) {
                    if (size == 2)
                        reinterpret_cast<int16_t *>(pixel)[c] =
                            static_cast<int16_t>(inside ? between(-300, 300) : 32767);
                    else
                        reinterpret_cast<float *>(pixel)[c] =
                            inside ? static_cast<float>(between(-999, 999)) / 17.0f
                                   : std::numeric_limits<float>::quiet_NaN();
                }
            });
            e.tensors.push_back(std::move(t));
            for (uint32_t c = 0; n.operation == ONLOOKER_GATHER && c < n.channels; c++)
                e.sources.push_back(below(channels));
            n.sources = e.sources.data();
        }
    }
    n.input = e.tensors[0].map;
    n.weights = e.weights.data;
}

void fill_arithmetic(example &e) {
    onlooker_node &n = e.node;
    if (n.operation != ONLOOKER_GATHER) {
        for (uint32_t c = 0; c < n.channels; c++) {
            e.scale.push_back(static_cast<float>(between(-40, 60)) / 64.0f);
            e.shift.push_back(static_cast<float>(between(-999, 999)) / 77.0f);
        }
        if (chance(70)) n.scale = e.scale.data();
        if (chance(70)) n.shift = e.shift.data();
    }
    n.activation = chance(50) ? 0 : below(4);
    if (n.operation != ONLOOKER_MAX_POOLING && n.operation != ONLOOKER_AVERAGE_POOLING &&
        n.operation != ONLOOKER_GATHER && chance(40)) {
        n.residual_kind = chance(50) ? ONLOOKER_I16 : ONLOOKER_F32;
        const size_t size = n.residual_kind == ONLOOKER_I16 ? 2 : 4;
        tensor t(size * (n.channels + below(9)), static_cast<int>(n.height),
                 static_cast<int>(n.width), 0, 0, 0, 1);
        t.each([&](unsigned char *pixel, bool) {
            for (size_t c = 0; c < n.channels; c++) {
                if (size == 2)
                    reinterpret_cast<int16_t *>(pixel)[c] = static_cast<int16_t>(between(-99, 99));
                else
                    reinterpret_cast<float *>(pixel)[c] = static_cast<float>(between(-99, 99)) / 7;
            }
        });
        n.residual = t.map;
        e.tensors.push_back(std::move(t));
    }
}

struct written {
    std::vector<tensor> tensors;
};

void add_outlet(example &e, written &w, uint32_t kind) {
    const onlooker_node &n = e.node;
    onlooker_outlet o{};
    o.kind = kind;
    o.groups = 1;
    const uint32_t before = 8 * below(4), after = 8 * below(3);
    size_t pixel = (before + n.channels + after) * (kind == ONLOOKER_VALUE ? 4 : 2), skipped = 0;
    std::vector<float> floats;
    std::vector<int32_t> integers;
    std::vector<unsigned char> flips((n.channels + 7) / 8);
    for (auto &byte : flips) byte = static_cast<unsigned char>(below(256));
    if (kind == ONLOOKER_VALUE) {
        skipped = before * 4;
    } else if (kind == ONLOOKER_INTEGER) {
        skipped = before * 2;
    } else if (kind == ONLOOKER_QUANTIZE) {
        pixel = n.channels + before + after;
        skipped = before;
        for (uint32_t c = 0; c < n.channels; c++)
            floats.push_back(static_cast<float>(between(1, 99)) / 16.0f);
        o.thresholds = floats.data();
        e.floats.push_back(std::move(floats));
        std::vector<float> zeros;
        for (uint32_t c = 0; c < n.channels; c++) zeros.push_back(static_cast<float>(below(256)));
        o.flips = zeros.data();
        e.floats.push_back(std::move(zeros));
    } else {
        // A tensor with groups is written by a pointwise node, or its groups are whole words.
        if (n.operation == ONLOOKER_POINTWISE && chance(50)) {
            for (uint32_t groups = 2; groups < 9; groups++)
                if (n.channels % groups == 0) o.groups = groups;
        }
        if (o.groups > 1) {
            pixel = o.groups * words(n.channels / o.groups) * 8;
        } else {
            skipped = before / 8;
            pixel = words(before + n.channels + after) * 8;
        }
        const int length =
            static_cast<int>(n.kernel_height * n.kernel_width * (n.input_channels / n.groups));
        for (uint32_t c = 0; c < n.channels; c++) {
            const int reach = n.operation == ONLOOKER_BINARY_CONVOLUTION ? 40 : 60;
            if (chance(5))
                integers.push_back(pick({std::numeric_limits<int32_t>::min(),
                                         std::numeric_limits<int32_t>::max(), 32767, 32768, -32768,
                                         -32769}));
            else if (e.extreme)
                integers.push_back(pick({-length, length}) + between(-2, 2));
            else
                integers.push_back(between(-reach, reach));
            const float infinity = std::numeric_limits<float>::infinity();
            floats.push_back(chance(5) ? pick({infinity, -infinity})
                                       : static_cast<float>(between(-reach, reach)));
        }
        if (kind == ONLOOKER_BITS_BY_INTEGER) {
            o.thresholds = integers.data();
            e.integers.push_back(std::move(integers));
        } else {
            o.thresholds = floats.data();
            e.floats.push_back(std::move(floats));
        }
        if (chance(70)) {
            o.flips = flips.data();
            e.flips.push_back(std::move(flips));
        }
    }
    tensor t(pixel, static_cast<int>(n.height), static_cast<int>(n.width), 1, 1, 1, 1);
    std::memset(t.bytes.data, 0xa5, t.bytes.size());
    o.map = t.map;
    o.map.data = static_cast<unsigned char *>(t.map.data) + skipped;
    w.tensors.push_back(std::move(t));
    e.outlets.push_back(o);
}

void fill_outlets(example &e, written &w) {
    onlooker_node &n = e.node;
    const size_t length = size_t(n.kernel_height) * n.kernel_width * n.input_channels / n.groups;
    const bool binary = n.operation == ONLOOKER_BINARY_CONVOLUTION;
    const uint32_t count = 1 + below(4);
    const bool integers = binary && chance(30);
    for (uint32_t i = 0; i < count; i++) {
        uint32_t kind = binary ? below(5) : pick({0u, 1u, 3u});
        if (integers) kind = ONLOOKER_BITS_BY_INTEGER;
        if (kind == ONLOOKER_INTEGER && length > 32767) kind = ONLOOKER_VALUE;
        add_outlet(e, w, kind);
    }
    n.outlets = e.outlets.data();
    n.outlet_count = e.outlets.size();
}

}  // namespace

#endif
