#include "run.h"

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <cstring>

#include "kernels_math.h"

namespace onlooker {

namespace {

constexpr int64_t alignment = 64;

int64_t aligned(int64_t size) { return (size + alignment - 1) / alignment * alignment; }

int64_t now() {
    return std::chrono::duration_cast<std::chrono::nanoseconds>(
               std::chrono::steady_clock::now().time_since_epoch())
        .count();
}

onlooker_map map_of(uint8_t* arena, const Storage& storage, const Tensor& tensor, int channel) {
    int64_t at = storage.at;
    switch (tensor.kind) {
        case Kind::float32: at += int64_t{4} * channel; break;
        case Kind::bits: at += channel / 8; break;
        case Kind::u8: at += channel; break;
        case Kind::i16: at += int64_t{2} * channel; break;
    }
    return {arena + at, storage.row, storage.pixel};
}

}  // namespace

Memory::Memory(int64_t bytes)
    : data_(static_cast<uint8_t*>(
          std::aligned_alloc(alignment, static_cast<size_t>(aligned(bytes + 1))))),
      bytes_(bytes) {
    if (!data_) fail("no memory: %lld bytes were needed", static_cast<long long>(bytes));
}

Memory::~Memory() { std::free(data_); }

int64_t Engine::measure(const Model& model, const onlooker_kernels& kernels) {
    int64_t bytes = 0;
    for (const Node& node : model.nodes) {
        const onlooker_node whole = described(model, node);
        bytes += aligned(static_cast<int64_t>(kernels.prepared_bytes(&whole)));
    }
    return bytes;
}

Engine::Engine(std::shared_ptr<const Model> model, const onlooker_kernels& kernels)
    : model_(std::move(model)), kernels_(kernels), prepared_(measure(*model_, kernels)) {
    uint8_t* at = prepared_.data();
    for (const Node& node : model_->nodes) {
        const onlooker_node whole = described(*model_, node);
        const auto bytes = static_cast<int64_t>(kernels.prepared_bytes(&whole));
        prepared_at_.push_back(bytes ? at : nullptr);
        if (bytes) kernels.prepare(&whole, at);
        at += aligned(bytes);
    }
}

Session::Session(std::shared_ptr<const Engine> engine, int height, int width, int threads)
    : engine_(std::move(engine)),
      height_(height),
      width_(width),
      threads_(threads),
      plan_(engine_->model(), engine_->kernels(), height, width, threads),
      arena_(plan_.arena_bytes),
      lender_(Lender::of(threads)),
      taken_(plan_.steps.size() * static_cast<size_t>(threads)),
      done_(plan_.steps.size()) {
    bind();
}

void Session::bind() {
    const Model& model = engine_->model();
    size_t outlet_count = 0;
    for (const Node& node : model.nodes) outlet_count += node.outlet_count;
    outlets_.reserve(outlet_count);
    const auto map = [&](int tensor, int channel) {
        return map_of(arena_.data(), plan_.storages[plan_.storage_of[tensor]],
                      model.tensors[tensor], channel);
    };
    for (size_t i = 0; i < model.nodes.size(); ++i) {
        const Node& node = model.nodes[i];
        onlooker_node bound = described(model, node);
        bound.prepared = engine_->prepared(i);
        bound.height = static_cast<uint32_t>(plan_.steps[i].height);
        bound.width = static_cast<uint32_t>(plan_.steps[i].width);
        bound.input_height = static_cast<uint32_t>(height_);
        bound.input_width = static_cast<uint32_t>(width_);
        if (node.input >= 0) {
            const Storage& read = plan_.storages[plan_.storage_of[node.input]];
            bound.input_height = static_cast<uint32_t>(read.height);
            bound.input_width = static_cast<uint32_t>(read.width);
            bound.input = map(node.input, node.input_first_channel);
        }
        if (node.whole_map) {
            bound.kernel_height = bound.input_height;
            bound.kernel_width = bound.input_width;
        }
        if (node.residual >= 0) bound.residual = map(node.residual, node.residual_first_channel);
        bound.outlets = outlets_.data() + outlets_.size();
        bound.outlet_count = static_cast<size_t>(node.outlet_count);
        for (int k = 0; k < node.outlet_count; ++k) {
            const Outlet& outlet = node.outlets[k];
            onlooker_outlet out = {};
            out.kind = static_cast<uint32_t>(outlet.kind);
            out.groups = static_cast<uint32_t>(model.tensors[outlet.tensor].groups);
            out.map = map(outlet.tensor, outlet.first_channel);
            out.thresholds = outlet.thresholds;
            out.flips = outlet.kind == OutletKind::u8 ? static_cast<const void*>(outlet.zeros)
                                                      : outlet.flips;
            outlets_.push_back(out);
        }
        const size_t first_outlet = outlets_.size() - bound.outlet_count;
        if (plan_.steps[i].flat) flatten(bound, first_outlet);
        nodes_.push_back(bound);
        if (takes_bytes(i))
            for (size_t k = first_outlet; k < outlets_.size(); ++k)
                byte_tables_.push_back(
                    {k, false, std::vector<uint8_t>(size_t{256} * node.channels)});
    }
    result_ = plan_.storages[plan_.storage_of[model.result]];
    result_channels_ = model.tensors[model.result].channels;
}

const float* Session::repeated(const void* values, uint32_t count, uint32_t times) {
    if (!values) return nullptr;
    repeated_.push_back(std::make_unique<Memory>(int64_t{4} * count * times));
    auto* to = reinterpret_cast<float*>(repeated_.back()->data());
    for (uint32_t i = 0; i < times; ++i) std::memcpy(to + i * count, values, sizeof(float) * count);
    return to;
}

void Session::flatten(onlooker_node& node, size_t first_outlet) {
    const uint32_t channels = node.channels, width = node.width;
    node.scale = repeated(node.scale, channels, width);
    node.shift = repeated(node.shift, channels, width);
    for (size_t k = first_outlet; k < outlets_.size(); ++k) {
        outlets_[k].thresholds = repeated(outlets_[k].thresholds, channels, width);
        outlets_[k].flips = repeated(outlets_[k].flips, channels, width);
    }
    node.channels = node.input_channels = channels * width;
    node.width = node.input_width = 1;
}

struct Session::Call {
    Session* session;
    const Picture* picture;
    int64_t* times;  // null: not measured
};

void Session::run(const Picture& picture, float* result, bool planes) {
    if (picture.form == Picture::Form::bytes) quantize_bytes(picture.values);
    {
        for (auto& count : taken_) count.store(0, std::memory_order_relaxed);
        for (auto& count : done_) count.store(0, std::memory_order_relaxed);
        const Lender::Loan loan(*lender_);
        Call call = {this, &picture, times_.empty() ? nullptr : times_.data()};
        (*loan).run(
            [](void* context, int thread) {
                Call& at = *static_cast<Call*>(context);
                at.session->work(at, thread);
            },
            &call);
    }
    take_out(result, planes);
}

const int64_t* Session::profile() {
    times_.resize(nodes_.size());
    return times_.data();
}

void Session::work(Call& call, int thread) {
    const bool timed = call.times && thread == 0;
    int64_t before = timed ? now() : 0;
    size_t previous = nodes_.size();
    for (size_t i = 0; i < nodes_.size(); ++i) {
        const Step& here = plan_.steps[i];
        if (here.inside) continue;
        if (!here.alone || thread == 0) {
            if (timed && here.band) call.times[i + 1] = 0;
            if (previous < nodes_.size()) await(previous);
            step(call, i, thread);
            if (timed) {
                await(i);
                const int64_t after = now();
                call.times[i] = after - before - (here.band ? call.times[i + 1] : 0);
                before = after;
            }
        }
        previous = i;
    }
    if (thread == 0) await(previous);
}

void Session::await(size_t index) const {
    const int all = static_cast<int>(plan_.steps[index].shares.size());
    for (Patience patience; done_[index].load(std::memory_order_acquire) < all;) patience.wait();
}

// Computes the thread's own shares, then what others have not begun with.
void Session::step(const Call& call, size_t index, int thread) {
    const Step& here = plan_.steps[index];
    const int team = here.alone ? 1 : threads_;
    int computed = 0;
    for (int k = 0; k < team; ++k) {
        const int owner = (thread + k) % team;
        std::atomic<int>& taken = taken_[index * static_cast<size_t>(threads_) + owner];
        while (taken.load(std::memory_order_relaxed) < here.shares_each) {
            const int number = taken.fetch_add(1, std::memory_order_relaxed);
            if (number >= here.shares_each) break;
            share(call, index, static_cast<size_t>(owner * here.shares_each + number), thread);
            ++computed;
        }
    }
    if (computed) done_[index].fetch_add(computed, std::memory_order_release);
}

void Session::share(const Call& call, size_t index, size_t number, int thread) {
    const Step& here = plan_.steps[index];
    if (here.band) {
        banded(call, index, number, thread);
        return;
    }
    for (const int storage : here.fills)
        fill(plan_.storages[storage], number, here.shares.size());
    const Share& share = here.shares[number];
    if (share.empty()) return;
    if (nodes_[index].operation == ONLOOKER_INPUT) {
        hand_in(call, index, share, thread);
        return;
    }
    compute(nodes_[index],
            {share.first_pixel, share.last_pixel, share.first_channel, share.last_channel}, thread);
}

void Session::compute(const onlooker_node& node, const onlooker_rectangle& rectangle, int thread) {
    engine_->kernels().run[node.operation](&node, &rectangle,
                                           arena_.data() + plan_.scratch_at[thread]);
}

void Session::banded(const Call& call, size_t index, size_t number, int thread) {
    const bool timed = call.times && thread == 0;
    int64_t pooling = 0;
    const Step& pooled = plan_.steps[index + 1];
    const Share& share = pooled.shares[number];
    for (const int storage : pooled.fills)
        fill(plan_.storages[storage], number, pooled.shares.size());
    onlooker_node filled = nodes_[index], drained = nodes_[index + 1];
    onlooker_outlet outlet = filled.outlets[0];
    filled.outlets = &outlet;
    uint8_t* const band = arena_.data() + plan_.band_at[thread];
    const auto row = static_cast<size_t>(outlet.map.row);
    const auto place = [&](int64_t first) {  // of the row 0 of a map of which `first` is at `band`
        return reinterpret_cast<void*>(reinterpret_cast<uintptr_t>(band) -
                                       static_cast<uintptr_t>(first) * row);
    };
    // Channels before the first that the pooling reads.
    const size_t skipped = static_cast<size_t>(static_cast<uint8_t*>(drained.input.data) -
                                               static_cast<uint8_t*>(outlet.map.data));
    const int64_t stride = drained.stride_down, above = drained.padding_above;
    const int64_t last = share.empty() ? 0 : share.last_pixel / drained.width;
    int64_t held_from = 0, held_to = 0;  // rows that the band holds
    for (int64_t y = share.empty() ? 0 : share.first_pixel / drained.width; y < last;) {
        const int64_t end = std::min(last, y + plan_.steps[index].band);
        const int64_t from = std::max<int64_t>(0, y * stride - above);
        const int64_t to = std::min<int64_t>(
            filled.height, (end - 1) * stride - above + drained.kernel_height);
        if (held_to > from && held_from < from)
            std::memmove(band, band + static_cast<size_t>(from - held_from) * row,
                         static_cast<size_t>(held_to - from) * row);
        const int64_t missing = std::max(from, held_to);
        outlet.map.data = place(from);
        if (missing < to)
            compute(filled,
                    {static_cast<uint32_t>(missing * filled.width),
                     static_cast<uint32_t>(to * filled.width), 0, filled.channels},
                    thread);
        held_from = from;
        held_to = std::max(held_to, to);
        const int64_t before = timed ? now() : 0;
        drained.input.data = static_cast<uint8_t*>(place(from)) + skipped;
        compute(drained,
                {static_cast<uint32_t>(y * drained.width),
                 static_cast<uint32_t>(end * drained.width), 0, drained.channels},
                thread);
        if (timed) pooling += now() - before;
        y = end;
    }
    if (timed) call.times[index + 1] += pooling;
}

// Whether a node takes pictures of bytes as they are, by a table.
bool Session::takes_bytes(size_t index) const {
    const onlooker_node& node = nodes_[index];
    bool bytes = node.operation == ONLOOKER_INPUT && plan_.steps[index].flat;
    for (size_t k = 0; k < node.outlet_count; ++k)
        bytes = bytes && node.outlets[k].kind == ONLOOKER_QUANTIZE;
    return bytes;
}

void Session::quantize_bytes(const float* values) {
    const int channels = engine_->model().input_channels;
    for (ByteTable& table : byte_tables_) {
        const onlooker_outlet& outlet = outlets_[table.outlet];
        table.same = true;
        for (int c = 0; c < channels; ++c) {
            const float inverse_scale = static_cast<const float*>(outlet.thresholds)[c];
            const float zero = static_cast<const float*>(outlet.flips)[c];
            for (int byte = 0; byte < 256; ++byte) {
                const size_t at = size_t{256} * c + byte;
                table.of[at] = onlooker_quantize(values[at], inverse_scale, zero);
                table.same = table.same && table.of[at] == byte;
            }
        }
    }
}

void Session::hand_in_bytes(const uint8_t* picture, size_t index, const Share& share) const {
    const onlooker_node& node = nodes_[index];
    const int channels = engine_->model().input_channels;
    const size_t row = size_t{1} * width_ * channels;
    for (const ByteTable& table : byte_tables_) {
        const onlooker_outlet& outlet = outlets_[table.outlet];
        if (&outlet < node.outlets || &outlet >= node.outlets + node.outlet_count) continue;
        for (uint32_t y = share.first_pixel; y < share.last_pixel; ++y) {
            uint8_t* to = static_cast<uint8_t*>(outlet.map.data) + y * outlet.map.row;
            const uint8_t* from = picture + y * row;
            if (table.same) {
                std::memcpy(to, from, row);
                continue;
            }
            for (int c = 0; c < channels; ++c) {
                const uint8_t* of = table.of.data() + size_t{256} * c;
                for (size_t x = static_cast<size_t>(c); x < row; x += channels) to[x] = of[from[x]];
            }
        }
    }
}

// Row by row through memory of our own: kernels read a little beyond a map, which a caller's picture
// does not allow, and want pixels of float32.
void Session::hand_in(const Call& call, size_t index, const Share& share, int thread) {
    if (call.picture->form == Picture::Form::bytes && takes_bytes(index)) {
        hand_in_bytes(static_cast<const uint8_t*>(call.picture->data), index, share);
        return;
    }
    onlooker_node node = nodes_[index];
    const int width = width_, channels = engine_->model().input_channels;
    auto* row = reinterpret_cast<float*>(arena_.data() + plan_.picture_at[thread]);
    node.input = {row, 0, static_cast<ptrdiff_t>(sizeof(float)) * channels};
    const uint32_t pixels = node.width;  // of a row; 1 where it is flat
    for (uint32_t y = share.first_pixel / pixels; y < share.last_pixel / pixels; ++y) {
        const size_t first = static_cast<size_t>(y) * width, at = first * channels;
        switch (call.picture->form) {
            case Picture::Form::pixels:
                std::memcpy(row, static_cast<const float*>(call.picture->data) + at,
                            sizeof(float) * width * channels);
                break;
            case Picture::Form::planes:
                for (int c = 0; c < channels; ++c) {
                    const float* from = static_cast<const float*>(call.picture->data) +
                                        static_cast<size_t>(c) * height_ * width_ + first;
                    for (int x = 0; x < width; ++x) row[x * channels + c] = from[x];
                }
                break;
            case Picture::Form::bytes: {
                const uint8_t* from = static_cast<const uint8_t*>(call.picture->data) + at;
                for (int c = 0; c < channels; ++c) {
                    const float* values = call.picture->values + 256 * c;
                    for (int x = 0; x < width; ++x)
                        row[x * channels + c] = values[from[x * channels + c]];
                }
                break;
            }
        }
        const onlooker_rectangle rectangle = {y * pixels, (y + 1) * pixels, 0, node.channels};
        compute(node, rectangle, thread);
    }
}

// Sets the border of a map, and the bytes of its pixels that no outlet writes, in a part of its rows.
void Session::fill(const Storage& storage, size_t part, size_t parts) {
    const int64_t rows = int64_t{storage.above} + storage.height + storage.below;
    const int64_t columns = int64_t{storage.left} + storage.width + storage.right;
    uint8_t* const begin = arena_.data() + storage.begin;
    const auto pixels = [&](uint8_t* at, int64_t count) {
        if (!storage.padding) {
            std::memset(at, 0, static_cast<size_t>(count * storage.pixel));
            return;
        }
        for (; count; --count, at += storage.pixel)
            std::memcpy(at, storage.padding, static_cast<size_t>(storage.pixel));
    };
    const auto bound = [&](size_t at) {
        return static_cast<int64_t>(static_cast<size_t>(rows) * at / parts);
    };
    for (int64_t y = bound(part); y < bound(part + 1); ++y) {
        uint8_t* const row = begin + y * storage.row;
        if (y < storage.above || y >= storage.above + storage.height) {
            pixels(row, columns);
            continue;
        }
        uint8_t* const inner = row + storage.left * storage.pixel;
        pixels(row, storage.left);
        pixels(inner + storage.width * storage.pixel, storage.right);
        if (!storage.tail_bytes) continue;
        for (int64_t at = storage.group_bytes; at <= storage.width * storage.pixel;
             at += storage.group_bytes)
            std::memset(inner + at - storage.tail_bytes, 0, static_cast<size_t>(storage.tail_bytes));
    }
}

void Session::take_out(float* result, bool planes) const {
    const int channels = result_channels_;
    for (int y = 0; y < result_.height; ++y) {
        const auto* row =
            reinterpret_cast<const float*>(arena_.data() + result_.at + y * result_.row);
        const size_t width = static_cast<size_t>(result_.width);
        if (!planes) {
            std::memcpy(result + y * width * channels, row, sizeof(float) * width * channels);
            continue;
        }
        for (int c = 0; c < channels; ++c) {
            float* to = result + (static_cast<size_t>(c) * result_.height + y) * width;
            for (size_t x = 0; x < width; ++x) to[x] = row[x * channels + c];
        }
    }
}

}  // namespace onlooker
