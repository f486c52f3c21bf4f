// Which kernels this machine can run, and which of them are used.
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "kernels.h"

#if defined(__x86_64__)
#include <cpuid.h>
#endif

extern "C" {
extern const onlooker_kernels onlooker_kernels_reference;
#if defined(__x86_64__)
extern const onlooker_kernels onlooker_kernels_avx2;
extern const onlooker_kernels onlooker_kernels_avx512;
#elif defined(__aarch64__)
extern const onlooker_kernels onlooker_kernels_neon;
#endif
}

namespace {

// Best first.
const onlooker_kernels *const all[] = {
#if defined(__x86_64__)
    &onlooker_kernels_avx512,
    &onlooker_kernels_avx2,
#elif defined(__aarch64__)
    &onlooker_kernels_neon,
#endif
    &onlooker_kernels_reference,
};

const char *const names[] = {"avx512", "avx2", "neon", "reference"};

#if defined(__x86_64__)
// All that the files are compiled with: what they do not use by name a compiler may.
uint32_t ask() {
    unsigned a = 0, b = 0, c = 0, d = 0;
    if (!__get_cpuid(1, &a, &b, &c, &d)) return 0;
    const unsigned fma = 1u << 12, popcnt = 1u << 23, xsave = 1u << 27, avx = 1u << 28,
                   f16c = 1u << 29, first = fma | popcnt | xsave | avx | f16c;
    if ((c & first) != first) return 0;
    // Does the system save the wide registers? Bits 1, 2: xmm, ymm; 5 to 7: masks and zmm.
    uint32_t low = 0, high = 0;
    __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    if ((low & 0x06) != 0x06) return 0;
    const unsigned lzcnt = 1u << 5;
    if (!__get_cpuid(0x80000001, &a, &b, &c, &d) || (c & lzcnt) == 0) return 0;
    if (!__get_cpuid_count(7, 0, &a, &b, &c, &d)) return 0;
    const unsigned bmi = 1u << 3, avx2 = 1u << 5, bmi2 = 1u << 8, second = bmi | avx2 | bmi2;
    if ((b & second) != second) return 0;
    const unsigned f = 1u << 16, dq = 1u << 17, bw = 1u << 30, vl = 1u << 31;
    const unsigned vnni = 1u << 11, bitalg = 1u << 12, vpopcntdq = 1u << 14;
    const unsigned in_b = f | dq | bw | vl, in_c = vnni | bitalg | vpopcntdq;
    const bool wide = (low & 0xe6) == 0xe6 && (b & in_b) == in_b && (c & in_c) == in_c;
    return ONLOOKER_CPU_AVX2 | (wide ? ONLOOKER_CPU_AVX512 : 0);
}
#elif defined(__aarch64__)
// Advanced SIMD is part of the architecture.
uint32_t ask() { return ONLOOKER_CPU_NEON; }
#else
uint32_t ask() { return ONLOOKER_CPU_ANY; }
#endif

bool usable(const onlooker_kernels *table) {
    static const uint32_t cpu = ask();
    return (table->cpu & ~cpu) == 0;
}

}  // namespace

extern "C" size_t onlooker_kernels_usable(const onlooker_kernels **tables, size_t capacity) {
    size_t count = 0;
    for (const onlooker_kernels *table : all) {
        if (!usable(table)) continue;
        if (count < capacity) tables[count] = table;
        count++;
    }
    return count;
}

extern "C" const onlooker_kernels *onlooker_kernels_choose(const char *name, char *error,
                                                           size_t capacity) {
    const char *from = "the name";
    if (name == nullptr) {
        name = std::getenv("ONLOOKER_CPU");
        from = "ONLOOKER_CPU";
    }
    const bool best = name == nullptr || name[0] == '\0';
    for (const onlooker_kernels *table : all) {
        if (best ? usable(table) : std::strcmp(name, table->name) == 0) {
            if (usable(table)) return table;
            std::snprintf(error, capacity, "%s is '%s', but this CPU lacks what it needs", from,
                          name);
            return nullptr;
        }
    }
    bool known = false;
    for (const char *other : names) known = known || std::strcmp(name, other) == 0;
    std::snprintf(error, capacity,
                  known ? "%s is '%s', which is for another kind of CPU"
                        : "%s is '%s', expected one of avx512, avx2, neon, reference",
                  from, name);
    return nullptr;
}
