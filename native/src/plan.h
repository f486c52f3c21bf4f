// Where everything lies in memory, and who computes what, for pictures of one size.
#pragma once

#include <cstdint>
#include <vector>

#include "file.h"
#include "kernels.h"

namespace onlooker {

// Memory that a tensor lies in, with the border that its readers need; in bytes and pixels.
struct Storage {
    int64_t at = 0;    // of pixel (0, 0) in the arena
    int64_t row = 0, pixel = 0;
    int64_t begin = 0, size = 0;  // of the whole with its border
    int height = 0, width = 0;
    int above = 0, left = 0, below = 0, right = 0;
    int first_node = -1, last_node = -1;  // from its first writer to its last reader
    const uint8_t* padding = nullptr;     // bytes of the border's pixels; null: zero
    // Bytes at the end of each group's words that no outlet writes; of bits only.
    int group_bytes = 0, tail_bytes = 0;

    bool bordered() const { return above || left || below || right; }
};

// A part of a node's result.
struct Share {
    uint32_t first_pixel = 0, last_pixel = 0, first_channel = 0, last_channel = 0;

    bool empty() const { return first_pixel == last_pixel || first_channel == last_channel; }
};

struct Step {
    int height = 0, width = 0;     // of the result
    double work = 0;               // about how many nanoseconds one thread needs
    bool alone = false;            // too little to divide: thread 0 does it all
    bool flat = false;             // a row is computed as if it were one pixel (see below)
    int band = 0;                  // rows of the next node at a time, else 0 (see below)
    bool inside = false;           // computed with the node before it
    std::vector<Share> shares;     // those of a thread stand side by side
    int shares_each = 1;           // of a thread; others may take them from it
    std::vector<int> fills;        // storages whose border and tails are set before it
};

// A convolution whose map only a pooling reads is computed a band of rows at a time, each pooled at
// once: the map never exists as a whole, and the band stays in the thread's cache. The rows of the
// pooling are divided among the threads; a row of the convolution that two need, both compute.
//
// Whether the pixels of a row may be taken for one with many channels: numbers are computed one by
// one, and what is read and written is stored without gaps. With few channels that is much faster.
bool flattens(const Model& model, const Node& node);

// The sizes of a node that do not depend on the picture, as kernels want them.
onlooker_node described(const Model& model, const Node& node);

class Plan {
public:
    Plan(const Model& model, const onlooker_kernels& kernels, int height, int width, int threads);

    std::vector<int> storage_of;  // of each tensor; −1: never written
    std::vector<Storage> storages;
    std::vector<Step> steps;  // one a node
    int64_t arena_bytes = 0;  // all there is to allocate
    int64_t largest_bytes = 0;  // of one tensor, without its border
    std::vector<int64_t> scratch_at;  // of each thread
    std::vector<int64_t> picture_at;  // of each thread: one row of the picture as float32
    std::vector<int64_t> band_at;     // of each thread: one band of a map

private:
    void shapes(int height, int width);
    void lives();
    void share_memory();
    void borders();
    void bands();
    void place();
    void divide(const onlooker_kernels& kernels);
    void divide(Step& step, const Node& node, int64_t tile) const;
    double estimate(size_t index) const;

    const Model& model_;
    const int threads_;
    std::vector<int> heights_, widths_;  // of tensors
    int64_t band_bytes_ = 0;  // of a thread
    int64_t work_bytes_ = 0;  // what the threads need for themselves
};

}  // namespace onlooker
