// Every table of kernels that works here against the reference, on random nodes.
//
//   test_kernels [nodes = 3000] [seed = 1]
//
// Both write into equal buffers and the buffers are compared whole, so that a byte that was written
// outside of a node's result is found too. Float convolutions get small integers, whose sums are
// exact in any order.
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <vector>

#include "random_nodes.h"

extern "C" {
extern const onlooker_kernels onlooker_kernels_reference;
#ifdef ONLOOKER_TEST_SIMDE
extern const onlooker_kernels onlooker_kernels_simde;
#endif
}

namespace {

// In pieces, as several threads would.
void run_all(const onlooker_kernels &table, const onlooker_node &node) {
    onlooker_node n = node;
    memory prepared(table.prepared_bytes(&n));
    table.prepare(&n, prepared.data);
    n.prepared = prepared.data;
    memory scratch(table.scratch_bytes(&n));
    std::memset(scratch.data, 0xff, scratch.size());
    bool whole = n.groups > 1;
    for (size_t i = 0; i < n.outlet_count; i++) whole = whole || n.outlets[i].groups > 1;
    const uint32_t end = n.width * n.height;
    const bool split = chance(50);
    for (uint32_t first = 0, last; first < end; first = last) {
        last = split ? first + 1 + below(end - first) : end;
        for (uint32_t channel = 0, until; channel < n.channels; channel = until) {
            until = whole || chance(60) ? n.channels : channel + 64 * (1 + below(4));
            if (until > n.channels) until = n.channels;
            const onlooker_rectangle r = {first, last, channel, until};
            table.run[n.operation](&n, &r, scratch.data);
        }
    }
}

// Floats count as equal with their value (0 and −0), all else byte by byte.
bool same(const tensor &a, const tensor &b, bool floats) {
    if (!floats) return std::memcmp(a.bytes.data, b.bytes.data, a.bytes.size()) == 0;
    for (size_t i = 0; i + 4 <= a.bytes.size(); i += 4) {
        float x, y;
        std::memcpy(&x, a.bytes.data + i, 4);
        std::memcpy(&y, b.bytes.data + i, 4);
        if (!(x == y) && std::memcmp(&x, &y, 4) != 0) return false;
    }
    return true;
}

bool agree(const std::vector<const onlooker_kernels *> &tables, uint32_t operation, bool huge) {
    example e;
    written expected;
    e.node.operation = operation;
    choose_sizes(e.node);
    if (huge) { // dot products beyond 16 bits
        e.node.groups = 1;
        e.node.input_height = e.node.kernel_height = e.node.input_width = e.node.kernel_width = 3;
        e.node.input_channels = 3600 + below(200);
        e.node.channels = 1 + below(40);
        e.node.height = e.node.width = 1;
        e.node.dilation_down = e.node.dilation_right = 1;
        e.node.padding_above = below(2);
        e.node.padding_left = below(2);
        if (chance(50)) { // or as many as just fit
            e.node.input_height = e.node.kernel_height = 1;
            e.node.input_width = e.node.kernel_width = 1;
            e.node.padding_above = e.node.padding_left = 0;
            e.node.input_channels = 32764 + below(5);
        }
    }
    e.extreme = chance(20);
    fill_input(e);
    fill_arithmetic(e);
    fill_outlets(e, expected);
    std::vector<tensor> blank = expected.tensors;
    run_all(onlooker_kernels_reference, e.node);
    bool good = true;
    for (const onlooker_kernels *table : tables) {
        std::vector<tensor> result = blank;
        std::vector<onlooker_outlet> outlets = e.outlets;
        for (size_t i = 0; i < outlets.size(); i++)
            outlets[i].map.data = result[i].bytes.data +
                                  (static_cast<unsigned char *>(e.outlets[i].map.data) -
                                   expected.tensors[i].bytes.data);
        onlooker_node n = e.node;
        n.outlets = outlets.data();
        run_all(*table, n);
        for (size_t i = 0; i < outlets.size(); i++) {
            if (same(result[i], expected.tensors[i], outlets[i].kind == ONLOOKER_VALUE)) continue;
            std::printf("%s differs from the reference in outlet %zu, of kind %u:\n",
                        table->name, i, outlets[i].kind);
            describe(n);
            good = false;
        }
    }
    return good;
}

}  // namespace

int main(int count, char **values) {
    const uint32_t nodes = count > 1 ? static_cast<uint32_t>(std::atoi(values[1])) : 3000;
    const uint32_t seed = count > 2 ? static_cast<uint32_t>(std::atoi(values[2])) : 1;
    std::vector<const onlooker_kernels *> tables(8);
    tables.resize(onlooker_kernels_usable(tables.data(), tables.size()));
#ifdef ONLOOKER_TEST_SIMDE
    tables.push_back(&onlooker_kernels_simde);
#endif
    std::printf("tables:");
    for (const onlooker_kernels *table : tables) std::printf(" %s", table->name);
    std::printf("\n");
    uint32_t wrong = 0;
    for (uint32_t i = 0; i < nodes && wrong < 20; i++) {
        state = (uint64_t(seed) << 32 | i) * 0x9e3779b97f4a7c15u + 1;
        for (int k = 0; k < 4; k++) random_bits();
        // Half of them binary, one in fifty of those very long.
        const uint32_t operation = i % 2 ? below(8) : 1u * ONLOOKER_BINARY_CONVOLUTION;
        const bool huge = operation == ONLOOKER_BINARY_CONVOLUTION && i % 50 == 0;
        if (!agree(tables, operation, huge)) {
            std::printf("  node %u of seed %u\n", i, seed);
            wrong++;
        }
    }
    std::printf("%u nodes, %u wrong\n", nodes, wrong);
    return wrong ? 1 : 0;
}
