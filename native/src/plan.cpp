#include "plan.h"

#include <algorithm>
#include <numeric>

namespace onlooker {

namespace {

constexpr int64_t most_rows = 1 << 20;                  // of a map, and columns
constexpr int64_t most_map_bytes = int64_t{1} << 31;    // of a map with its border
constexpr int64_t most_arena_bytes = int64_t{1} << 33;
constexpr int64_t most_flat = 1 << 17;                  // channels that a flat row has
// Half of the smallest second-level cache about; a map that fits is not divided into bands.
constexpr int64_t most_band_bytes = 1 << 17;
constexpr int64_t alignment = 64, guard = 64;  // kernels may read so far outside of a map

int64_t aligned(int64_t size) { return (size + alignment - 1) / alignment * alignment; }

// Where a window that starts at the last place ends, counted from the first row.
int64_t reach(int result, int stride, int dilation, int kernel, int before) {
    return int64_t{result - 1} * stride + int64_t{dilation} * (kernel - 1) + 1 - before;
}

int result_size(size_t node, int64_t size, int before, int after, int dilation, int kernel,
                int stride) {
    const int64_t rest = size + before + after - int64_t{dilation} * (kernel - 1) - 1;
    if (rest < 0)
        fail("node %zu: its kernel covers %lld pixels, and the padded map has %lld; give a larger "
             "picture",
             node, static_cast<long long>(int64_t{dilation} * (kernel - 1) + 1),
             static_cast<long long>(size + before + after));
    const int64_t result = rest / stride + 1;
    if (result > most_rows) fail("node %zu: a map of more than %lld rows or columns", node,
                                 static_cast<long long>(most_rows));
    return static_cast<int>(result);
}

bool convolves(Operation operation) {
    return operation == Operation::binary_convolution || operation == Operation::convolution ||
           operation == Operation::quantized_convolution;
}

}  // namespace

bool flattens(const Model& model, const Node& node) {
    if (node.operation != Operation::input && node.operation != Operation::pointwise) return false;
    if (node.channels >= 64) return false;
    const auto whole = [&](int tensor) {
        return tensor < 0 || model.tensors[tensor].channels == node.channels;
    };
    bool all = whole(node.input) && whole(node.residual);
    for (int k = 0; k < node.outlet_count; ++k)
        all = all && whole(node.outlets[k].tensor) &&
              model.tensors[node.outlets[k].tensor].kind != Kind::bits;
    return all;
}

onlooker_node described(const Model& model, const Node& node) {
    onlooker_node out = {};
    out.operation = static_cast<uint32_t>(node.operation);
    out.input_kind = node.input < 0 ? static_cast<uint32_t>(Kind::float32)
                                    : static_cast<uint32_t>(model.tensors[node.input].kind);
    out.input_channels = static_cast<uint32_t>(node.input_channels);
    out.channels = static_cast<uint32_t>(node.channels);
    out.kernel_height = static_cast<uint32_t>(node.kernel_height);
    out.kernel_width = static_cast<uint32_t>(node.kernel_width);
    out.stride_down = static_cast<uint32_t>(node.stride_down);
    out.stride_right = static_cast<uint32_t>(node.stride_right);
    out.padding_above = static_cast<uint32_t>(node.pad_above);
    out.padding_left = static_cast<uint32_t>(node.pad_left);
    out.dilation_down = static_cast<uint32_t>(node.dilation_down);
    out.dilation_right = static_cast<uint32_t>(node.dilation_right);
    out.groups = static_cast<uint32_t>(node.groups);
    out.zero_padding = node.pad_with_zero;
    out.weights = node.weights;
    out.sources = node.sources;
    out.scale = node.scale;
    out.shift = node.shift;
    out.activation = static_cast<uint32_t>(node.activation);
    if (node.residual >= 0)
        out.residual_kind = static_cast<uint32_t>(model.tensors[node.residual].kind);
    return out;
}

Plan::Plan(const Model& model, const onlooker_kernels& kernels, int height, int width, int threads)
    : model_(model), threads_(threads) {
    shapes(height, width);
    lives();
    share_memory();
    borders();
    bands();
    divide(kernels);
    place();
}

void Plan::shapes(int height, int width) {
    if (height < 1 || width < 1 || height > 65536 || width > 65536)
        fail("a picture of %d x %d pixels; expected 1 to 65536 each", height, width);
    if ((model_.input_height && height != model_.input_height) ||
        (model_.input_width && width != model_.input_width))
        fail("a picture of %d x %d pixels (height x width); this network takes %d x %d", height,
             width, model_.input_height, model_.input_width);
    heights_.assign(model_.tensors.size(), 0);
    widths_.assign(model_.tensors.size(), 0);
    steps.resize(model_.nodes.size());
    for (size_t i = 0; i < model_.nodes.size(); ++i) {
        const Node& node = model_.nodes[i];
        Step& step = steps[i];
        const int h = node.input < 0 ? height : heights_[node.input];
        const int w = node.input < 0 ? width : widths_[node.input];
        if (node.whole_map) {
            step.height = step.width = 1;
        } else {
            step.height = result_size(i, h, node.pad_above, node.pad_below, node.dilation_down,
                                      node.kernel_height, node.stride_down);
            step.width = result_size(i, w, node.pad_left, node.pad_right, node.dilation_right,
                                     node.kernel_width, node.stride_right);
        }
        if (node.residual >= 0 &&
            (heights_[node.residual] != step.height || widths_[node.residual] != step.width))
            fail("node %zu: result of %d x %d, residual of %d x %d; give a picture whose sides are "
                 "divisible more often",
                 i, step.height, step.width, heights_[node.residual], widths_[node.residual]);
        for (int k = 0; k < node.outlet_count; ++k) {
            const int tensor = node.outlets[k].tensor;
            if (heights_[tensor] &&
                (heights_[tensor] != step.height || widths_[tensor] != step.width))
                fail("node %zu: result of %d x %d, and tensor %d is %d x %d; give a picture whose "
                     "sides are divisible more often",
                     i, step.height, step.width, tensor, heights_[tensor], widths_[tensor]);
            heights_[tensor] = step.height;
            widths_[tensor] = step.width;
        }
    }
}

void Plan::lives() {
    storage_of.assign(model_.tensors.size(), -1);
    const auto use = [&](int tensor, int node) {
        if (tensor < 0) return;
        int& index = storage_of[tensor];
        if (index < 0) {
            index = static_cast<int>(storages.size());
            storages.emplace_back();
            storages.back().first_node = node;
        }
        storages[index].last_node = node;
    };
    const int count = static_cast<int>(model_.nodes.size());
    for (int i = 0; i < count; ++i) {
        const Node& node = model_.nodes[i];
        use(node.input, i);
        use(node.residual, i);
        for (int k = 0; k < node.outlet_count; ++k) use(node.outlets[k].tensor, i);
    }
    storages[storage_of[model_.result]].last_node = count;
}

// A sum takes the place of its residual, where that is of no further use.
void Plan::share_memory() {
    std::vector<int> owner(storages.size());
    std::iota(owner.begin(), owner.end(), 0);
    for (size_t i = 0; i < model_.nodes.size(); ++i) {
        const Node& node = model_.nodes[i];
        if (node.residual < 0 || node.residual == node.input ||
            model_.tensors[node.residual].kind != Kind::float32)
            continue;
        const int from = owner[storage_of[node.residual]];
        if (storages[from].last_node != static_cast<int>(i)) continue;
        // The input may live there too, since an earlier node shared it.
        if (node.input >= 0 && owner[storage_of[node.input]] == from) continue;
        for (int k = 0; k < node.outlet_count; ++k) {
            const Outlet& outlet = node.outlets[k];
            const int to = storage_of[outlet.tensor];
            if (outlet.kind == OutletKind::value && outlet.tensor != node.residual &&
                outlet.first_channel == node.residual_first_channel &&
                model_.tensors[outlet.tensor].channels == model_.tensors[node.residual].channels &&
                storages[to].first_node == static_cast<int>(i)) {
                owner[to] = from;
                storages[from].last_node = storages[to].last_node;
                break;
            }
        }
    }
    std::vector<int> number(storages.size(), -1);
    std::vector<Storage> kept;
    for (size_t i = 0; i < storages.size(); ++i) {
        if (owner[i] != static_cast<int>(i)) continue;
        number[i] = static_cast<int>(kept.size());
        kept.push_back(storages[i]);
    }
    for (int& index : storage_of)
        if (index >= 0) index = number[owner[index]];
    storages = std::move(kept);
}

void Plan::borders() {
    for (size_t t = 0; t < model_.tensors.size(); ++t) {
        if (storage_of[t] < 0) continue;
        const Tensor& tensor = model_.tensors[t];
        Storage& storage = storages[storage_of[t]];
        storage.height = heights_[t];
        storage.width = widths_[t];
        storage.pixel = tensor.pixel_bytes();
        if (tensor.kind == Kind::bits) {
            storage.group_bytes = 8 * tensor.group_words();
            storage.tail_bytes = storage.group_bytes - (tensor.channels / tensor.groups + 7) / 8;
        }
        largest_bytes = std::max(largest_bytes, storage.pixel * storage.height * storage.width);
    }
    for (size_t i = 0; i < model_.nodes.size(); ++i) {
        const Node& node = model_.nodes[i];
        if (!convolves(node.operation)) continue;
        Storage& read = storages[storage_of[node.input]];
        const auto past = [](int64_t end, int size) {
            return static_cast<int>(std::max<int64_t>(0, end - size));
        };
        read.above = std::max(read.above, node.pad_above);
        read.left = std::max(read.left, node.pad_left);
        read.below = std::max(
            read.below, past(reach(steps[i].height, node.stride_down, node.dilation_down,
                                   node.kernel_height, node.pad_above), read.height));
        read.right = std::max(
            read.right, past(reach(steps[i].width, node.stride_right, node.dilation_right,
                                   node.kernel_width, node.pad_left), read.width));
        if (node.padding && node.padded()) read.padding = node.padding;
    }
    for (Storage& storage : storages) {
        const int64_t rows = int64_t{storage.height} + storage.above + storage.below;
        storage.row = (int64_t{storage.width} + storage.left + storage.right) * storage.pixel;
        if (storage.row > most_map_bytes || rows * storage.row > most_map_bytes)
            fail("a map of %d x %d pixels with %lld bytes each; a smaller picture is needed",
                 storage.height, storage.width, static_cast<long long>(storage.pixel));
        storage.size = rows * storage.row;
        if (storage.bordered() || storage.tail_bytes)
            steps[storage.first_node].fills.push_back(static_cast<int>(&storage - storages.data()));
    }
}

void Plan::bands() {
    for (size_t i = 0; i + 1 < steps.size(); ++i) {
        const Node& node = model_.nodes[i];
        const Node& next = model_.nodes[i + 1];
        const bool pools = next.operation == Operation::max_pooling ||
                           next.operation == Operation::average_pooling;
        if (!convolves(node.operation) || !pools || next.whole_map || node.outlet_count != 1)
            continue;
        const int tensor = node.outlets[0].tensor;
        Storage& map = storages[storage_of[tensor]];
        if (next.input != tensor || model_.tensors[tensor].channels != node.channels ||
            map.first_node != static_cast<int>(i) || map.last_node != static_cast<int>(i) + 1 ||
            map.bordered() || map.size <= most_band_bytes)
            continue;
        const int64_t rows = (most_band_bytes / map.row - next.kernel_height) / next.stride_down + 1;
        const int64_t most = (steps[i + 1].height + threads_ - 1) / threads_;
        steps[i].band = static_cast<int>(std::max<int64_t>(1, std::min(rows, most)));
        steps[i + 1].inside = true;
        const int64_t held =
            int64_t{steps[i].band - 1} * next.stride_down + next.kernel_height;
        band_bytes_ = std::max(band_bytes_, held * map.row);
        map.size = 0;  // it has no place in the arena
        // What the convolution reads is needed while the pooling writes.
        for (const int read : {node.input, node.residual}) {
            if (read < 0) continue;
            int& last = storages[storage_of[read]].last_node;
            last = std::max(last, static_cast<int>(i) + 1);
        }
    }
}

// The largest first, each as low as what lives at the same time lets it.
void Plan::place() {
    std::vector<int> order(storages.size());
    std::iota(order.begin(), order.end(), 0);
    std::stable_sort(order.begin(), order.end(),
                     [&](int a, int b) { return storages[a].size > storages[b].size; });
    std::vector<int> placed;  // by where they begin
    int64_t end = guard;
    for (const int index : order) {
        Storage& storage = storages[index];
        int64_t at = guard;
        for (const int other : placed) {
            const Storage& there = storages[other];
            if (there.last_node < storage.first_node || there.first_node > storage.last_node)
                continue;
            if (at + storage.size <= there.begin) break;
            at = std::max(at, aligned(there.begin + there.size));
        }
        storage.begin = at;
        storage.at = at + storage.above * storage.row + storage.left * storage.pixel;
        end = std::max(end, at + storage.size);
        const auto where = std::upper_bound(
            placed.begin(), placed.end(), at,
            [&](int64_t begin, int other) { return begin < storages[other].begin; });
        placed.insert(where, index);
    }
    const int64_t work = aligned(end + guard);
    for (int64_t& at : scratch_at) at += work;
    for (int64_t& at : picture_at) at += work;
    for (int64_t& at : band_at) at += work;
    arena_bytes = work + work_bytes_;
    if (arena_bytes > most_arena_bytes)
        fail("%lld bytes of memory for a picture of this size; a smaller one is needed",
             static_cast<long long>(arena_bytes));
}

// About how many nanoseconds one thread needs: rates of a middling processor, good enough to tell
// what is worth dividing.
double Plan::estimate(size_t index) const {
    const Node& node = model_.nodes[index];
    const double results = double{1} * steps[index].height * steps[index].width * node.channels;
    const int height = node.whole_map ? heights_[node.input] : node.kernel_height;
    const int width = node.whole_map ? widths_[node.input] : node.kernel_width;
    const double taps = double{1} * height * width;
    const double products = results * taps * (node.input_channels / node.groups);
    const double written = results * node.outlet_count;
    switch (node.operation) {
        case Operation::binary_convolution: return products / 500 + written / 4;
        case Operation::convolution: return products / 20 + written / 4;
        case Operation::quantized_convolution: return products / 60 + written / 4;
        case Operation::max_pooling:
        case Operation::average_pooling: return results * taps / 4 + written / 4;
        default: return written / 2;
    }
}

void Plan::divide(const onlooker_kernels& kernels) {
    // Waiting for each other costs about as much: less work is not worth a second thread.
    constexpr double least_work = 3000;
    const int64_t tile = std::max<int64_t>(1, kernels.pixels);
    int64_t scratch = 0, picture = 0;
    for (size_t i = 0; i < steps.size(); ++i) {
        const Node& node = model_.nodes[i];
        Step& step = steps[i];
        step.work = estimate(i);
        step.alone = threads_ == 1 || (step.work < least_work && !step.band && !step.inside);
        divide(step, node, tile);
        onlooker_node whole = described(model_, node);
        std::vector<onlooker_outlet> outlets(node.outlet_count);
        for (int k = 0; k < node.outlet_count; ++k) {
            outlets[k] = {};
            outlets[k].kind = static_cast<uint32_t>(node.outlets[k].kind);
            outlets[k].groups = static_cast<uint32_t>(model_.tensors[node.outlets[k].tensor].groups);
        }
        if (step.flat) whole.channels = whole.input_channels = whole.channels * step.width;
        whole.outlets = outlets.data();
        whole.outlet_count = outlets.size();
        scratch = std::max(scratch, static_cast<int64_t>(kernels.scratch_bytes(&whole)));
        if (node.operation == Operation::input)
            picture = std::max(picture, int64_t{4} * node.channels * step.width);
    }
    int64_t at = 0;
    for (int thread = 0; thread < threads_; ++thread) {
        scratch_at.push_back(at);
        at += aligned(scratch);
        picture_at.push_back(at += guard);
        at += aligned(picture) + guard;
        band_at.push_back(at += guard);
        at += aligned(band_bytes_) + guard;
    }
    work_bytes_ = at;
}

// By pixels in whole tiles, by channels in blocks of 64, or both: what leaves the least to whoever
// has most; of equals, the one that reads fewer weights.
void Plan::divide(Step& step, const Node& node, int64_t tile) const {
    step.flat = flattens(model_, node) && int64_t{node.channels} * step.width <= most_flat;
    const int64_t pixels = int64_t{step.height} * (step.flat ? 1 : step.width);
    bool grouped = node.groups != 1;
    for (int k = 0; k < node.outlet_count; ++k)
        grouped = grouped || model_.tensors[node.outlets[k].tensor].groups != 1;
    // The picture is handed over row by row.
    const int64_t grain =
        step.flat ? 1
        : step.inside || node.operation == Operation::input ? step.width
                                                            : tile;
    const int64_t tiles = (pixels + grain - 1) / grain;
    const int64_t blocks = grouped || step.flat || step.inside || node.operation == Operation::input
                               ? 1
                               : (node.channels + 63) / 64;
    const int team = step.alone ? 1 : threads_;
    int best = 1;  // parts of the channels
    int64_t least = INT64_MAX;
    for (int parts = 1; parts <= team && parts <= blocks; ++parts) {
        if (team % parts != 0) continue;
        const int columns = team / parts;
        const int64_t most = (tiles + columns - 1) / columns * ((blocks + parts - 1) / parts);
        if (most < least || (most == least && node.weights)) {
            least = most;
            best = parts;
        }
    }
    // In two, where it is worth it, so that whoever is early can take some of the rest.
    constexpr double worth_halving = 20000;
    // (A node and the pooling of its bands have the same shares.)
    const bool whole = step.alone || step.inside || step.band;
    step.shares_each = !whole && step.work > worth_halving * team ? 2 : 1;
    const int columns = team / best, parts = columns * step.shares_each;
    const int64_t last_channel = node.channels * (step.flat ? int64_t{step.width} : 1);
    for (int thread = 0; thread < team; ++thread) {
        const int column = thread / best, part = thread % best;
        for (int half = 0; half < step.shares_each; ++half) {
            const int64_t at = int64_t{column} * step.shares_each + half;
            Share share;
            share.first_pixel = static_cast<uint32_t>(std::min(pixels, tiles * at / parts * grain));
            share.last_pixel =
                static_cast<uint32_t>(std::min(pixels, tiles * (at + 1) / parts * grain));
            share.first_channel = static_cast<uint32_t>(blocks * part / best * 64);
            share.last_channel = static_cast<uint32_t>(
                part + 1 == best ? last_channel : blocks * (part + 1) / best * 64);
            step.shares.push_back(share);
        }
    }
}

}  // namespace onlooker
