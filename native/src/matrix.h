// Products of matrices of signs, by the kernels of a 1 x 1 binary convolution.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>

#include "kernels.h"
#include "pool.h"
#include "run.h"

namespace onlooker {

class Matrix {
public:
    Matrix(const float* values, int columns, int length, const onlooker_kernels& kernels);

    void pack(const float* values, size_t rows, uint64_t* bits) const;
    void multiply(const uint64_t* bits, size_t rows, int threads, float* results) const;

private:
    onlooker_node product(size_t rows) const;

    const onlooker_kernels& kernels_;
    const int columns_, length_, words_;
    Memory weights_;
    Memory prepared_;
    Memory thresholds_;  // of packing: zero for each number of a row
    mutable std::mutex mutex_;
    mutable std::shared_ptr<Lender> lender_;  // of the last call, so that its threads stay
};

}  // namespace onlooker
