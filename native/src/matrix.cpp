#include "matrix.h"

#include <algorithm>
#include <atomic>
#include <cstring>

namespace onlooker {

namespace {

constexpr int most_columns = 65536, most_length = 65536;
constexpr int64_t guard = 64;  // kernels may read so far before and behind a map

int checked(int value, int most, const char* what) {
    if (value < 1 || value > most) fail("%d %s; expected 1 to %d", value, what, most);
    return value;
}

int64_t words_of(int length) { return (int64_t{length} + 63) / 64; }

}  // namespace

Matrix::Matrix(const float* values, int columns, int length, const onlooker_kernels& kernels)
    : kernels_(kernels),
      columns_(checked(columns, most_columns, "columns")),
      length_(checked(length, most_length, "rows of a matrix")),
      words_(static_cast<int>(words_of(length))),
      weights_(words_of(length) * ((columns + 7) / 8) * 64),
      prepared_([&] {
          onlooker_node node = product(1);
          return static_cast<int64_t>(kernels.prepared_bytes(&node));
      }()),
      thresholds_(int64_t{4} * length) {
    std::memset(weights_.data(), 0, static_cast<size_t>(weights_.bytes()));
    std::memset(thresholds_.data(), 0, static_cast<size_t>(thresholds_.bytes()));
    auto* words = reinterpret_cast<uint64_t*>(weights_.data());
    for (int64_t column = 0; column < columns; ++column)
        for (int64_t i = 0; i < length; ++i)
            if (values[column * length + i] >= 0)
                words[(column / 8 * words_ + i / 64) * 8 + column % 8] |= uint64_t{1} << (i % 64);
    onlooker_node node = product(1);
    if (prepared_.bytes()) kernels.prepare(&node, prepared_.data());
}

onlooker_node Matrix::product(size_t rows) const {
    onlooker_node node = {};
    node.operation = ONLOOKER_BINARY_CONVOLUTION;
    node.input_kind = ONLOOKER_BITS;
    node.input_height = node.height = static_cast<uint32_t>(rows);
    node.input_width = node.width = 1;
    node.input_channels = static_cast<uint32_t>(length_);
    node.channels = static_cast<uint32_t>(columns_);
    node.kernel_height = node.kernel_width = 1;
    node.stride_down = node.stride_right = 1;
    node.dilation_down = node.dilation_right = 1;
    node.groups = 1;
    node.weights = weights_.data();
    node.prepared = nullptr;
    return node;
}

// Kernels read a little beyond a map: the first row and the last go through memory of our own, those
// between have neighbours.
void Matrix::pack(const float* values, size_t rows, uint64_t* bits) const {
    if (rows > INT32_MAX) fail("%zu rows; expected at most %d", rows, INT32_MAX);
    const int64_t row_bytes = int64_t{4} * length_;
    onlooker_node node = {};
    node.operation = ONLOOKER_POINTWISE;
    node.input_kind = ONLOOKER_F32;
    node.input_height = node.height = static_cast<uint32_t>(rows);
    node.input_width = node.width = 1;
    node.input_channels = node.channels = static_cast<uint32_t>(length_);
    node.kernel_height = node.kernel_width = 1;
    node.stride_down = node.stride_right = 1;
    node.dilation_down = node.dilation_right = 1;
    node.groups = 1;
    onlooker_outlet outlet = {};
    outlet.kind = ONLOOKER_BITS_BY_FLOAT;
    outlet.groups = 1;
    outlet.map = {bits, ptrdiff_t{8} * words_, ptrdiff_t{8} * words_};
    outlet.thresholds = thresholds_.data();
    node.outlets = &outlet;
    node.outlet_count = 1;
    Memory scratch(static_cast<int64_t>(kernels_.scratch_bytes(&node)));
    for (size_t y = 0; y < rows; ++y) bits[y * words_ + words_ - 1] = 0;
    const auto compute = [&](size_t first, size_t last) {
        const onlooker_rectangle rectangle = {static_cast<uint32_t>(first),
                                              static_cast<uint32_t>(last), 0, node.channels};
        kernels_.run[ONLOOKER_POINTWISE](&node, &rectangle, scratch.data());
    };
    Memory row(row_bytes + 2 * guard);
    const bool direct = row_bytes >= guard && rows > 2;
    for (size_t y = 0; y < rows; y += direct ? rows - 1 : 1) {
        std::memcpy(row.data() + guard, values + y * length_, static_cast<size_t>(row_bytes));
        node.input = {row.data() + guard, 0, 0};
        compute(y, y + 1);
    }
    if (!direct) return;
    node.input = {const_cast<float*>(values), row_bytes, row_bytes};
    compute(1, rows - 1);
}

void Matrix::multiply(const uint64_t* bits, size_t rows, int threads, float* results) const {
    if (rows > INT32_MAX) fail("%zu rows; expected at most %d", rows, INT32_MAX);
    onlooker_node node = product(rows);
    node.prepared = prepared_.bytes() ? prepared_.data() : nullptr;
    node.input = {const_cast<uint64_t*>(bits), ptrdiff_t{8} * words_, ptrdiff_t{8} * words_};
    onlooker_outlet outlet = {};
    outlet.kind = ONLOOKER_VALUE;
    outlet.groups = 1;
    outlet.map = {results, ptrdiff_t{4} * columns_, ptrdiff_t{4} * columns_};
    node.outlets = &outlet;
    node.outlet_count = 1;
    const auto scratch_bytes = static_cast<int64_t>(kernels_.scratch_bytes(&node) + 63) / 64 * 64;
    Memory scratch(scratch_bytes * threads);
    struct Call {
        const Matrix* matrix;
        const onlooker_node* node;
        uint8_t* scratch;
        int64_t scratch_bytes;
        uint32_t rows, part;
        std::atomic<uint32_t> next;
    };
    // In parts of whole tiles, a few for each thread.
    const uint32_t tile = std::max(1u, kernels_.pixels);
    const uint32_t tiles = (static_cast<uint32_t>(rows) + tile - 1) / tile;
    const uint32_t parts = threads == 1 ? 1 : 4 * static_cast<uint32_t>(threads);
    Call call = {this,          &node, scratch.data(), scratch_bytes, static_cast<uint32_t>(rows),
                 std::max(1u, (tiles + parts - 1) / parts) * tile, {0}};
    const auto lender = [&] {
        const std::lock_guard<std::mutex> lock(mutex_);
        if (!lender_ || lender_->threads() != threads) lender_ = Lender::of(threads);
        return lender_;
    }();
    const Lender::Loan loan(*lender);
    (*loan).run(
        [](void* context, int thread) {
            Call& at = *static_cast<Call*>(context);
            for (;;) {
                const uint64_t first = uint64_t{at.next.fetch_add(1)} * at.part;
                if (first >= at.rows) return;
                const onlooker_rectangle rectangle = {
                    static_cast<uint32_t>(first),
                    static_cast<uint32_t>(std::min<uint64_t>(at.rows, first + at.part)), 0,
                    at.node->channels};
                at.matrix->kernels_.run[ONLOOKER_BINARY_CONVOLUTION](
                    at.node, &rectangle, at.scratch + thread * at.scratch_bytes);
            }
        },
        &call);
}

}  // namespace onlooker
