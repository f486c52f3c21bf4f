// Running a network: an engine holds what all sizes of pictures share, a session one size.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <vector>

#include "file.h"
#include "kernels.h"
#include "plan.h"
#include "pool.h"

namespace onlooker {

// Memory at a multiple of 64.
class Memory {
public:
    explicit Memory(int64_t bytes);
    ~Memory();
    Memory(const Memory&) = delete;
    Memory& operator=(const Memory&) = delete;

    uint8_t* data() const { return data_; }
    int64_t bytes() const { return bytes_; }

private:
    uint8_t* data_;
    int64_t bytes_;
};

// A model and the kernels that run it, with the weights in the order that these like.
class Engine {
public:
    Engine(std::shared_ptr<const Model> model, const onlooker_kernels& kernels);

    const Model& model() const { return *model_; }
    const onlooker_kernels& kernels() const { return kernels_; }
    const void* prepared(size_t node) const { return prepared_at_[node]; }
    int64_t prepared_bytes() const { return prepared_.bytes(); }

private:
    static int64_t measure(const Model& model, const onlooker_kernels& kernels);

    std::shared_ptr<const Model> model_;
    const onlooker_kernels& kernels_;
    Memory prepared_;
    std::vector<const void*> prepared_at_;
};

// One picture: where it is and how its numbers lie.
struct Picture {
    enum class Form { planes, pixels, bytes };  // float32 CHW, float32 HWC, u8 HWC

    const void* data = nullptr;
    Form form = Form::planes;
    // Of bytes: for each channel the 256 numbers that they stand for.
    const float* values = nullptr;
};

class Session {
public:
    Session(std::shared_ptr<const Engine> engine, int height, int width, int threads);

    // Result: channels-last, or planes if wanted. One call at a time.
    void run(const Picture& picture, float* result, bool planes);
    // Nanoseconds that each node took in the last call; measured from the first call of this on.
    const int64_t* profile();

    const Engine& engine() const { return *engine_; }
    const Plan& plan() const { return plan_; }
    int result_height() const { return result_.height; }
    int result_width() const { return result_.width; }
    int height() const { return height_; }
    int width() const { return width_; }

private:
    struct Call;

    void bind();
    void flatten(onlooker_node& node, size_t first_outlet);
    const float* repeated(const void* values, uint32_t count, uint32_t times);
    void work(Call& call, int thread);
    void step(const Call& call, size_t index, int thread);
    void share(const Call& call, size_t index, size_t number, int thread);
    void await(size_t index) const;
    void banded(const Call& call, size_t index, size_t number, int thread);
    void compute(const onlooker_node& node, const onlooker_rectangle& rectangle, int thread);
    void hand_in(const Call& call, size_t index, const Share& share, int thread);
    bool takes_bytes(size_t index) const;
    void quantize_bytes(const float* values);
    void hand_in_bytes(const uint8_t* picture, size_t index, const Share& share) const;
    void fill(const Storage& storage, size_t part, size_t parts);
    void take_out(float* result, bool planes) const;

    std::shared_ptr<const Engine> engine_;
    const int height_, width_, threads_;
    Plan plan_;
    Memory arena_;
    std::vector<onlooker_node> nodes_;
    std::vector<onlooker_outlet> outlets_;
    std::vector<std::unique_ptr<Memory>> repeated_;  // factors of flat nodes, pixel by pixel
    // Of each outlet of an input that goes to u8 alone: what each byte of a picture becomes.
    struct ByteTable {
        size_t outlet;
        bool same = false;  // itself
        std::vector<uint8_t> of;
    };
    std::vector<ByteTable> byte_tables_;
    Storage result_;
    int result_channels_ = 0;
    std::shared_ptr<Lender> lender_;
    // Of each step and thread, how many of its shares are taken; of each step, how many are done.
    std::vector<std::atomic<int>> taken_, done_;
    std::vector<int64_t> times_;
};

}  // namespace onlooker
