// The tables of a packed file, read into a model and checked.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "file.h"

namespace onlooker {

constexpr uint32_t most_channels = 65536;

// Reads the little-endian numbers of one record, in order.
class Record {
public:
    explicit Record(const uint8_t* at) : at_(at) {}

    uint32_t u32() { return number(4); }
    int32_t i32() { return static_cast<int32_t>(number(4)); }
    int u16() { return static_cast<int>(number(2)); }

    uint64_t u64() {
        const uint64_t low = number(4);
        return low | static_cast<uint64_t>(number(4)) << 32;
    }

    bool zero(size_t count) {
        bool all = true;
        for (; count; --count) all = *at_++ == 0 && all;
        return all;
    }

private:
    uint32_t number(int bytes) {
        uint32_t value = 0;
        for (int i = 0; i < bytes; ++i) value |= static_cast<uint32_t>(*at_++) << (8 * i);
        return value;
    }

    const uint8_t* at_;
};

struct Blob {
    const uint8_t* data;
    uint64_t length;
};

// What the tables of a file hold before its nodes are read.
struct Tables {
    struct OutletBlobs {
        int32_t thresholds, second;
    };

    std::vector<Blob> blobs;
    std::vector<OutletBlobs> outlet_blobs;
};

// Reads and checks the node at `record`, number `index`, and its outlets' blobs.
void read_node(Model& model, std::vector<Outlet>& outlets, const Tables& tables, uint32_t index,
               Record record);

// Reads and checks a whole file; throws a Failure that says what is wrong with it.
void read_tables(Model& model, std::vector<Outlet>& outlets, const uint8_t* data, size_t length);

}  // namespace onlooker
