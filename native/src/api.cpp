// The C interface: exceptions end here.
#include "onlooker.h"

#include <algorithm>
#include <cstring>
#include <new>
#include <string>

#include "matrix.h"
#include "run.h"

struct onlooker_model {
    std::shared_ptr<const onlooker::Engine> engine;
};

struct onlooker_session {
    onlooker_session(std::shared_ptr<const onlooker::Engine> engine, int height, int width,
                     int threads)
        : session(std::move(engine), height, width, threads), threads(threads) {}

    onlooker::Session session;
    int threads;
    std::vector<float> values;  // 256 a channel: a 255th of each byte
};

struct onlooker_matrix {
    onlooker_matrix(const float* values, int columns, int length, const onlooker_kernels& kernels)
        : matrix(values, columns, length, kernels) {}

    onlooker::Matrix matrix;
};

namespace {

constexpr int most_threads = 256;

std::string& last_error() {
    thread_local std::string message;
    return message;
}

void remember(const char* message) noexcept {
    try {
        last_error() = message;
    } catch (...) {
        last_error().clear();
    }
}

// What `action` returns, or `otherwise` where it threw.
template <typename Result, typename Action>
Result guarded(Result otherwise, Action action) noexcept {
    try {
        return action();
    } catch (const std::bad_alloc&) {
        remember("no memory left");
    } catch (const std::exception& error) {
        remember(error.what());
    } catch (...) {
        remember("an error of unknown kind");
    }
    return otherwise;
}

const onlooker_kernels& kernels_named(const char* name) {
    char error[256];
    const onlooker_kernels* kernels = onlooker_kernels_choose(name, error, sizeof error);
    if (!kernels) onlooker::fail("%s", error);
    return *kernels;
}

void check_threads(int threads) {
    if (threads < 1 || threads > most_threads)
        onlooker::fail("%d threads; expected 1 to %d", threads, most_threads);
}

onlooker_model* opened(std::shared_ptr<const onlooker::Model> model, const char* kernels) {
    return new onlooker_model{
        std::make_shared<const onlooker::Engine>(std::move(model), kernels_named(kernels))};
}

}  // namespace

int onlooker_interface(void) { return ONLOOKER_INTERFACE; }

const char* onlooker_error(void) { return last_error().c_str(); }

const char* onlooker_kernels_chosen(void) {
    return guarded<const char*>(nullptr, [] { return kernels_named(nullptr).name; });
}

const char* onlooker_kernels_name(size_t index) {
    const onlooker_kernels* tables[8];
    const size_t count = onlooker_kernels_usable(tables, 8);
    return index < count && index < 8 ? tables[index]->name : nullptr;
}

onlooker_model* onlooker_open(const char* path, const char* kernels) {
    return guarded<onlooker_model*>(
        nullptr, [&] { return opened(onlooker::Model::open(path), kernels); });
}

onlooker_model* onlooker_open_buffer(const void* bytes, size_t length, const char* kernels) {
    return guarded<onlooker_model*>(
        nullptr, [&] { return opened(onlooker::Model::from_bytes(bytes, length), kernels); });
}

void onlooker_close(onlooker_model* model) { delete model; }

void onlooker_model_ask(const onlooker_model* model, onlooker_model_facts* facts) {
    const onlooker::Engine& engine = *model->engine;
    const onlooker::Model& told = engine.model();
    *facts = {told.input_channels,
              told.input_height,
              told.input_width,
              told.tensors[told.result].channels,
              static_cast<int32_t>(told.nodes.size()),
              static_cast<int64_t>(told.weight_bytes),
              engine.prepared_bytes(),
              engine.kernels().name,
              told.metadata,
              told.metadata_length};
}

const char* onlooker_node_name(const onlooker_model* model, int index) {
    const auto& nodes = model->engine->model().nodes;
    if (index < 0 || static_cast<size_t>(index) >= nodes.size()) return nullptr;
    return onlooker::name_of(nodes[index].operation);
}

onlooker_session* onlooker_session_new(const onlooker_model* model, int threads, int height,
                                       int width) {
    return guarded<onlooker_session*>(nullptr, [&] {
        check_threads(threads);
        const int channels = model->engine->model().input_channels;
        auto session = std::make_unique<onlooker_session>(model->engine, height, width, threads);
        session->values.resize(size_t{256} * channels);
        for (size_t i = 0; i < session->values.size(); ++i)
            session->values[i] = static_cast<float>(i % 256) / 255.0f;
        return session.release();
    });
}

void onlooker_session_free(onlooker_session* session) { delete session; }

void onlooker_session_ask(const onlooker_session* session, onlooker_session_facts* facts) {
    const onlooker::Session& told = session->session;
    const onlooker::Model& model = told.engine().model();
    *facts = {told.height(),
              told.width(),
              told.result_height(),
              told.result_width(),
              model.tensors[model.result].channels,
              session->threads,
              told.plan().arena_bytes,
              told.plan().largest_bytes};
}

int onlooker_run(onlooker_session* session, enum onlooker_form form, const void* pictures,
                 const float* values, size_t count, float* results) {
    return guarded(-1, [&] {
        if (form != ONLOOKER_PLANES && form != ONLOOKER_PIXELS && form != ONLOOKER_BYTES)
            onlooker::fail("form %d; expected 0 to 2", static_cast<int>(form));
        onlooker::Session& ran = session->session;
        const onlooker::Model& model = ran.engine().model();
        const size_t number = form == ONLOOKER_BYTES ? 1 : sizeof(float);
        const size_t stride = number * model.input_channels * ran.height() * ran.width();
        const size_t result = size_t{1} * model.tensors[model.result].channels *
                              ran.result_height() * ran.result_width();
        onlooker::Picture picture;
        picture.form = static_cast<onlooker::Picture::Form>(form);
        picture.values = values ? values : session->values.data();
        for (size_t i = 0; i < count; ++i) {
            picture.data = static_cast<const uint8_t*>(pictures) + i * stride;
            ran.run(picture, results + i * result, form == ONLOOKER_PLANES);
        }
        return 0;
    });
}

const int64_t* onlooker_profile(onlooker_session* session) {
    return guarded<const int64_t*>(nullptr, [&] { return session->session.profile(); });
}

int onlooker_node_ask(const onlooker_session* session, int index, onlooker_node_facts* facts) {
    const onlooker::Session& told = session->session;
    const auto& nodes = told.engine().model().nodes;
    if (index < 0 || static_cast<size_t>(index) >= nodes.size()) {
        remember("no such node");
        return -1;
    }
    const onlooker::Node& node = nodes[index];
    const onlooker::Step& step = told.plan().steps[index];
    const int64_t products = node.weights
                                 ? int64_t{step.height} * step.width * node.channels *
                                       node.kernel_height * node.kernel_width *
                                       (node.input_channels / node.groups)
                                 : 0;
    size_t taking_part = 0;
    for (const onlooker::Share& share : step.shares) taking_part += !share.empty();
    taking_part = std::min(taking_part, step.shares.size() / step.shares_each);
    *facts = {onlooker::name_of(node.operation),
              step.height,
              step.width,
              node.channels,
              node.input_channels,
              node.groups,
              node.kernel_height,
              node.kernel_width,
              node.outlet_count,
              static_cast<int32_t>(taking_part),
              products};
    return 0;
}

onlooker_matrix* onlooker_matrix_new(const float* values, int columns, int length,
                                     const char* kernels) {
    return guarded<onlooker_matrix*>(nullptr, [&] {
        return new onlooker_matrix(values, columns, length, kernels_named(kernels));
    });
}

void onlooker_matrix_free(onlooker_matrix* matrix) { delete matrix; }

int onlooker_matrix_pack(const onlooker_matrix* matrix, const float* values, size_t rows,
                         uint64_t* bits) {
    return guarded(-1, [&] {
        matrix->matrix.pack(values, rows, bits);
        return 0;
    });
}

int onlooker_matrix_multiply(const onlooker_matrix* matrix, const uint64_t* bits, size_t rows,
                             int threads, float* results) {
    return guarded(-1, [&] {
        check_threads(threads);
        matrix->matrix.multiply(bits, rows, threads, results);
        return 0;
    });
}
