// What the forward and the backward pass of a binary convolution share.
#ifndef ONLOOKER_GRADIENTS_PARTS_H
#define ONLOOKER_GRADIENTS_PARTS_H

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <mutex>
#include <new>

#include "gradients.h"
#include "gradients_kernels.h"
#include "gradients_threads.h"

namespace onlooker {

using Shape = onlooker_training_shape;

constexpr int64_t channel_panel = 16;  // what channels are a multiple of

const onlooker_gradient_kernels &gradient_kernels();

// Memory kept from call to call: fresh pages cost more than what is done with them.
class Buffer {
  public:
    template <class T>
    T *of(int64_t count) {
        const size_t bytes = ((size_t)count * sizeof(T) + 127) / 64 * 64;
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

// Working memory of all calls, one at a time.
struct Workspace {
    std::mutex mutex;
    Buffer filters, bits, sums, rounded, quads, signs, scales;
};

Workspace &workspace();

struct Geometry {
    explicit Geometry(const Shape &s)
        : taps(s.kernel_height * s.kernel_width),
          padded_height(s.height + 2 * s.padding_y),
          padded_width(s.width + 2 * s.padding_x),
          out_height((padded_height - s.dilation_y * (s.kernel_height - 1) - 1) / s.stride_y + 1),
          out_width((padded_width - s.dilation_x * (s.kernel_width - 1) - 1) / s.stride_x + 1),
          padded(padded_height * padded_width),
          area(out_height * out_width),
          groups((s.pictures + 3) / 4) {}
    int64_t taps, padded_height, padded_width, out_height, out_width;
    int64_t padded, area, groups;  // pixels of an input, of an output; fours of pictures
};

inline int64_t parts_of(int64_t count, int64_t size) { return (count + size - 1) / size; }

// How many of `count` things a task takes: few enough that threads end at about the same time.
inline int64_t share(int64_t count, int threads, int64_t at_most) {
    return std::max<int64_t>(1, std::min(parts_of(count, 2 * threads), at_most));
}

// Whatever of a bordered picture is not its inside is set to zero.
template <class T>
void clear_border(T *picture, int64_t height, int64_t width, int64_t depth, int64_t top,
                  int64_t left, int64_t inner_height, int64_t inner_width) {
    const int64_t row = width * depth, right = (left + inner_width) * depth;
    std::fill(picture, picture + top * row, T(0));
    for (int64_t y = top; y < top + inner_height; y++) {
        std::fill(picture + y * row, picture + y * row + left * depth, T(0));
        std::fill(picture + y * row + right, picture + (y + 1) * row, T(0));
    }
    std::fill(picture + (top + inner_height) * row, picture + height * row, T(0));
}

void forward(const Shape &s, const float *values, const float *weight, float clip, float *output,
             uint8_t *signs, uint8_t *mask, uint8_t *filter_bytes, Workspace &space, int threads);

void backward(const Shape &s, const float *gradient, const uint8_t *signs, const uint8_t *mask,
              const uint8_t *filter_bytes, uint64_t seed, float *of_values, float *of_weight,
              Workspace &space, int threads);

}  // namespace onlooker

#endif
