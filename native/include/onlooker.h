/* The one-bit engine: runs packed networks (docs/reference/packed-format.md) on the processor.
 *
 *     onlooker_model *model = onlooker_open("network.onb", NULL);
 *     onlooker_session *session = model ? onlooker_session_new(model, 2, 224, 224) : NULL;
 *     if (!session || onlooker_run(session, ONLOOKER_PLANES, picture, NULL, 1, scores))
 *         puts(onlooker_error());
 *     onlooker_session_free(session);
 *     onlooker_close(model);
 *
 * Errors. Functions that return a pointer return NULL, those that return an int return −1, and
 * onlooker_error() says why. Nothing a file or a caller's numbers contain crashes; pointers are
 * taken as they are.
 *
 * Threads. A model is never changed: any number of threads may use it, and it lives on until the
 * last of its sessions is freed, though it be closed before. A session is one picture's memory: one
 * thread may use it at a time. Sessions take their threads from teams that are shared by all
 * sessions of the same number of threads; a team is lent for the length of a call and sleeps
 * otherwise. A call uses at most as many threads as its session was made for, the caller among them;
 * it pins none, and does itself what those have not begun that got no core. Results do not depend on
 * how many there are. After fork() the child may go on using models and sessions.
 *
 * A session allocates once, when it is made; a run allocates nothing. */
#ifndef ONLOOKER_H
#define ONLOOKER_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(_WIN32)
#define ONLOOKER_API __declspec(dllexport)
#else
#define ONLOOKER_API __attribute__((visibility("default")))
#endif

typedef struct onlooker_model onlooker_model;
typedef struct onlooker_session onlooker_session;
typedef struct onlooker_matrix onlooker_matrix;

/* Version of this interface; grows by one with every change that breaks a caller. */
#define ONLOOKER_INTERFACE 1
ONLOOKER_API int onlooker_interface(void);

/* What went wrong last in this thread; never NULL. Valid until the thread's next call. */
ONLOOKER_API const char *onlooker_error(void);

/* Name of the kernels that are used where none are named: the fastest that this processor can run,
 * or those that the environment variable ONLOOKER_CPU names. */
ONLOOKER_API const char *onlooker_kernels_chosen(void);

/* Names of all kernels that this processor can run, best first; NULL from the last one on. */
ONLOOKER_API const char *onlooker_kernels_name(size_t index);

/* Models. The file stays mapped; it must not be changed while the model is open. From a buffer the
 * bytes are copied. `kernels`: a name, or NULL for the ones chosen. */
ONLOOKER_API onlooker_model *onlooker_open(const char *path, const char *kernels);
ONLOOKER_API onlooker_model *onlooker_open_buffer(const void *bytes, size_t length,
                                                  const char *kernels);
ONLOOKER_API void onlooker_close(onlooker_model *model);

typedef struct onlooker_model_facts {
    int32_t input_channels, input_height, input_width; /* height, width: 0 for any */
    int32_t result_channels;
    int32_t nodes;
    int64_t weight_bytes;   /* in the file */
    int64_t prepared_bytes; /* weights once more, in the order that the kernels like */
    const char *kernels;
    const char *metadata; /* JSON, not ended by a zero; valid while the model is open */
    size_t metadata_length;
} onlooker_model_facts;

ONLOOKER_API void onlooker_model_ask(const onlooker_model *model, onlooker_model_facts *facts);

/* Operation of a node, for example "binary convolution"; NULL where there is no such node. */
ONLOOKER_API const char *onlooker_node_name(const onlooker_model *model, int index);

/* Sessions: a model, for pictures of one size, with as many threads (1 to 256). */
ONLOOKER_API onlooker_session *onlooker_session_new(const onlooker_model *model, int threads,
                                                    int height, int width);
ONLOOKER_API void onlooker_session_free(onlooker_session *session);

typedef struct onlooker_session_facts {
    int32_t height, width;
    int32_t result_height, result_width, result_channels;
    int32_t threads;
    int64_t arena_bytes;   /* all memory of the session's maps and threads */
    int64_t largest_bytes; /* of the largest map */
} onlooker_session_facts;

ONLOOKER_API void onlooker_session_ask(const onlooker_session *session,
                                       onlooker_session_facts *facts);

enum onlooker_form {
    ONLOOKER_PLANES = 0, /* float32 [channels][height][width], and results alike */
    ONLOOKER_PIXELS = 1, /* float32 [height][width][channels], and results alike */
    ONLOOKER_BYTES = 2   /* u8 [height][width][channels]; results [height][width][channels] */
};

/* Runs `count` pictures, one behind the other; their results are written one behind the other.
 * `values`: of bytes, float32 [channels][256]: the number that each byte stands for; NULL: a 255th
 * of it. */
ONLOOKER_API int onlooker_run(onlooker_session *session, enum onlooker_form form,
                              const void *pictures, const float *values, size_t count,
                              float *results);

/* Nanoseconds that each node took in the last run of a picture, `onlooker_model_facts.nodes` of
 * them, waiting for the other threads included. The first call of this starts the clock and gives
 * zeros. */
ONLOOKER_API const int64_t *onlooker_profile(onlooker_session *session);

/* What a node of a session works on, for tables beside its time. */
typedef struct onlooker_node_facts {
    const char *operation;
    int32_t height, width, channels; /* of the result */
    int32_t input_channels, groups, kernel_height, kernel_width;
    int32_t outlets;
    int32_t threads; /* that take part */
    int64_t products; /* multiply-accumulates of a convolution, else 0 */
} onlooker_node_facts;

ONLOOKER_API int onlooker_node_ask(const onlooker_session *session, int index,
                                   onlooker_node_facts *facts);

/* Matrices of signs. A matrix holds `columns` columns of `length` signs, given as
 * float32 [columns][length]: 1 bit where it is >= 0. */
ONLOOKER_API onlooker_matrix *onlooker_matrix_new(const float *values, int columns, int length,
                                                  const char *kernels);
ONLOOKER_API void onlooker_matrix_free(onlooker_matrix *matrix);

/* Bits of float32 [rows][length]: u64 [rows][ceil(length / 64)], 1 where >= 0. */
ONLOOKER_API int onlooker_matrix_pack(const onlooker_matrix *matrix, const float *values,
                                      size_t rows, uint64_t *bits);

/* float32 [rows][columns]: how many signs agree less how many do not. `bits` and `results` as above;
 * 64 bytes before and after `bits` must be readable. Rows are divided among the threads. */
ONLOOKER_API int onlooker_matrix_multiply(const onlooker_matrix *matrix, const uint64_t *bits,
                                          size_t rows, int threads, float *results);

#ifdef __cplusplus
}
#endif

#endif
