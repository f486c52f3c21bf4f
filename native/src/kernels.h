/* The kernels: one table a set of instructions, all with the same contract.
 *
 * A kernel computes a rectangle of a node's result, `pixels × channels`, straight from the map
 * that it reads (no im2col of the map), and writes it through the node's outlets. The numbers of
 * operations, activations, outlets and tensor kinds are those of the packed file
 * (docs/reference/packed-format.md), and so are the layouts of weights.
 *
 * Kernels allocate nothing, keep no state and touch nothing but what the node points to, so any
 * number of threads may run disjoint rectangles of one node at once, each with its own scratch.
 *
 * Maps. `data` points at the first channel that is read or written of pixel (0, 0); row and pixel
 * are strides in bytes. Whoever owns the memory guarantees:
 *   - A convolution reads around the map, as far as its padding (and where the last window ends):
 *     bits: zeros there, for both kinds of padding; float32: zeros; u8: the node's padding, one
 *     byte a channel. Pooling never reads outside of the map.
 *   - The bits of a pixel that stand past the last channel of a group are zero. Outlets write
 *     whole bytes, ceil(channels / 8) of them; the rest of the last word is the owner's to zero.
 *   - 64 bytes before the first and after the last byte of a map may be read (never written).
 *   - Bits: rows, pixels and groups start at multiples of 8 bytes. float32 and i16: at multiples of
 *     their size. u8: the pixels of a row stand side by side, `pixel` is the number of channels.
 *
 * Padding of binary convolutions. With −1 a zero bit outside of the map is just another −1. With 0
 * the dot product runs over the taps inside only; the fast tables compute it over all taps and then
 * take away what the taps outside gave, known from the weights alone: `prepare` sums that per tap
 * and channel. Callers see no difference.
 *
 * Equality. Integers, and therefore bits by integer thresholds, are the same in every table.
 * v = act(x · scale + shift + residual) is rounded to float32 after each operation and never fused,
 * so that v of binary and quantized convolutions, pooling and pointwise nodes is the same too, as
 * are the u8 that follow. Sums of float32 convolutions depend on the order of a table's additions.
 */
#ifndef ONLOOKER_KERNELS_H
#define ONLOOKER_KERNELS_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

enum onlooker_operation {
    ONLOOKER_INPUT = 0, /* as pointwise */
    ONLOOKER_BINARY_CONVOLUTION = 1,
    ONLOOKER_CONVOLUTION = 2,
    ONLOOKER_QUANTIZED_CONVOLUTION = 3,
    ONLOOKER_MAX_POOLING = 4,
    ONLOOKER_AVERAGE_POOLING = 5,
    ONLOOKER_POINTWISE = 6,
    ONLOOKER_GATHER = 7,
    ONLOOKER_OPERATIONS = 8
};

enum onlooker_kind { ONLOOKER_F32 = 0, ONLOOKER_BITS = 1, ONLOOKER_U8 = 2, ONLOOKER_I16 = 3 };

enum onlooker_activation {
    ONLOOKER_NONE = 0,
    ONLOOKER_RELU = 1,
    ONLOOKER_TANH = 2,
    ONLOOKER_HARD_TANH = 3
};

enum onlooker_outlet_kind {
    ONLOOKER_VALUE = 0,
    ONLOOKER_BITS_BY_FLOAT = 1,
    ONLOOKER_BITS_BY_INTEGER = 2,
    ONLOOKER_QUANTIZE = 3,
    ONLOOKER_INTEGER = 4
};

struct onlooker_map {
    void *data;      /* pixel (0, 0), first channel that is used */
    ptrdiff_t row;   /* bytes from a row to the next */
    ptrdiff_t pixel; /* bytes from a pixel to the next */
};

struct onlooker_outlet {
    uint32_t kind;           /* enum onlooker_outlet_kind */
    uint32_t groups;         /* of the bits tensor; 1, unless each group starts a new word */
    struct onlooker_map map; /* bits: `data` is the byte that holds the first channel */
    const void *thresholds;  /* float32, int32, or inverse scales: one a channel of the node */
    const void *flips;       /* bits, or zeros as float32; bits may be NULL: none */
};

struct onlooker_node {
    uint32_t operation;                /* enum onlooker_operation */
    uint32_t input_kind;               /* enum onlooker_kind of `input` */
    struct onlooker_map input;         /* from the first channel that is read */
    uint32_t input_height, input_width;
    uint32_t input_channels;           /* all groups together */
    uint32_t height, width, channels;  /* of the result */
    uint32_t kernel_height, kernel_width;
    uint32_t stride_down, stride_right;
    uint32_t padding_above, padding_left;
    uint32_t dilation_down, dilation_right;
    uint32_t groups;
    uint32_t zero_padding;             /* of a binary convolution: 0 for −1, 1 for 0 */
    const void *weights;               /* as in the file */
    const void *prepared;              /* what `prepare` wrote; unused where that takes 0 bytes */
    const uint32_t *sources;           /* gather: each channel's source, counted from `input` */
    const float *scale;                /* one a channel; NULL: all 1 */
    const float *shift;                /* one a channel; NULL: all 0 */
    uint32_t activation;               /* enum onlooker_activation */
    uint32_t residual_kind;            /* ONLOOKER_F32 or ONLOOKER_I16 */
    struct onlooker_map residual;      /* from the first channel that is added; data NULL: none */
    const struct onlooker_outlet *outlets;
    size_t outlet_count;
};

/* Half open: pixels count row by row, y · width + x. Channels start at multiples of 64 and end at
 * one or at the node's last; with groups, or an outlet with groups, all of them must be given. */
struct onlooker_rectangle {
    uint32_t first_pixel, last_pixel;
    uint32_t first_channel, last_channel;
};

enum onlooker_cpu {
    ONLOOKER_CPU_ANY = 0,
    ONLOOKER_CPU_AVX2 = 1,   /* AVX2, FMA, F16C, BMI 1 and 2, LZCNT, POPCNT */
    ONLOOKER_CPU_AVX512 = 2, /* and AVX-512 F, BW, DQ, VL, BITALG, VPOPCNTDQ, VNNI */
    ONLOOKER_CPU_NEON = 4
};

struct onlooker_kernels {
    const char *name; /* reference, avx2, avx512, neon */
    uint32_t cpu;     /* enum onlooker_cpu: what the table needs */

    /* A node's own memory, written once after its weights are known and then only read: weights in
     * the order this table likes, sums for padding. 0 bytes: use the file in place and leave
     * `prepared` NULL. `into` is aligned to 64 bytes. Depends on geometry and weights alone, not
     * on the sizes of maps. */
    size_t (*prepared_bytes)(const struct onlooker_node *node);
    void (*prepare)(const struct onlooker_node *node, void *into);

    /* Working memory of one call, aligned to 64 bytes, contents of no interest. Does not depend on
     * the sizes of maps, but on the outlets. */
    size_t (*scratch_bytes)(const struct onlooker_node *node);

    /* By operation. A call is best given at least `pixels` pixels, or all there are; then all of a
     * tile's lanes work, and the weights are read from far memory once for many pixels. */
    void (*run[ONLOOKER_OPERATIONS])(const struct onlooker_node *node,
                                     const struct onlooker_rectangle *rectangle, void *scratch);
    uint32_t pixels;
};

/* dispatch.cpp: the only place that asks the CPU. */

/* The tables that work on this machine, best first; the reference is always the last. Returns how
 * many there are and writes at most `capacity`. */
size_t onlooker_kernels_usable(const struct onlooker_kernels **tables, size_t capacity);

/* The table by that name, or with NULL the one that ONLOOKER_CPU names, or where that is unset or
 * empty the best. NULL and a sentence in `error` (always ended) where there is no such table or the
 * machine cannot run it. */
const struct onlooker_kernels *onlooker_kernels_choose(const char *name, char *error,
                                                       size_t capacity);

#ifdef __cplusplus
}
#endif

#endif
