// The packed file: opened, checked and described. Its page: docs/reference/packed-format.md.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

namespace onlooker {

// What is wrong with a file, a size or a call; the message is shown to people.
class Failure : public std::runtime_error {
public:
    using std::runtime_error::runtime_error;
};

[[noreturn, gnu::format(printf, 1, 2)]] void fail(const char* format, ...);

enum class Kind : uint32_t { float32, bits, u8, i16 };

enum class Operation : uint32_t {
    input,
    binary_convolution,
    convolution,
    quantized_convolution,
    max_pooling,
    average_pooling,
    pointwise,
    gather,
};

enum class Activation : uint32_t { none, relu, tanh, hard_tanh };

enum class OutletKind : uint32_t { value, bits_by_float, bits_by_integer, u8, integer };

const char* name_of(Operation operation);

struct Tensor {
    Kind kind = Kind::float32;
    int channels = 0;
    int groups = 1;

    // Bytes of one pixel in memory.
    int64_t pixel_bytes() const;
    // Words of one group's pixel; of bits only.
    int group_words() const { return (channels / groups + 63) / 64; }
};

struct Outlet {
    OutletKind kind = OutletKind::value;
    int tensor = 0;
    int first_channel = 0;
    const void* thresholds = nullptr;  // float or int32 (bits), float inverse scales (u8)
    const uint8_t* flips = nullptr;    // of bits; null: none
    const float* zeros = nullptr;      // of u8
};

struct Node {
    Operation operation = Operation::input;
    Activation activation = Activation::none;
    int channels = 0;        // of the result
    int input_channels = 0;  // that are read
    int input = -1;
    int input_first_channel = 0;
    int residual = -1;
    int residual_first_channel = 0;
    int groups = 1;
    bool pad_with_zero = false;  // of a binary convolution; else −1
    bool whole_map = false;      // of a pooling
    int kernel_height = 1, kernel_width = 1;
    int stride_down = 1, stride_right = 1;
    int pad_above = 0, pad_left = 0, pad_below = 0, pad_right = 0;
    int dilation_down = 1, dilation_right = 1;
    const void* weights = nullptr;
    const float* scale = nullptr;
    const float* shift = nullptr;
    const uint8_t* padding = nullptr;   // of a quantized convolution: one byte a channel
    const uint32_t* sources = nullptr;  // of a gather
    const Outlet* outlets = nullptr;
    int outlet_count = 0;

    bool padded() const { return pad_above || pad_left || pad_below || pad_right; }
};

// A file that was checked whole: whoever holds one may trust every number in it. It is never
// changed, so that any number of threads may use it at once.
class Model {
public:
    // Maps the file into memory.
    static std::shared_ptr<const Model> open(const char* path);
    // Copies the bytes.
    static std::shared_ptr<const Model> from_bytes(const void* bytes, size_t length);

    std::vector<Tensor> tensors;
    std::vector<Node> nodes;
    int result = 0;
    int input_channels = 0;
    int input_height = 0, input_width = 0;  // 0: any
    const char* metadata = nullptr;
    size_t metadata_length = 0;
    size_t weight_bytes = 0;  // of all blobs

private:
    struct Bytes;
    explicit Model(std::unique_ptr<Bytes> bytes);

    std::unique_ptr<Bytes> bytes_;
    std::vector<Outlet> outlets_;

public:
    ~Model();
};

}  // namespace onlooker
