#include <cstring>

#include "tables.h"

namespace onlooker {

namespace {

// A float32 number holds every integer up to the first; a quantized sum of as many weights up to 63
// times bytes up to 255 fits an int32; a dot of as many products of ±1 an i16.
constexpr int64_t most_products = 1 << 24, most_quantized_products = 131072,
                  most_integer_products = 32767;

int64_t ceil_div(int64_t value, int64_t by) { return (value + by - 1) / by; }

// Reads and checks one node.
class NodeReader {
public:
    NodeReader(Model& model, std::vector<Outlet>& outlets, const Tables& tables, uint32_t index)
        : model_(model), outlets_(outlets), tables_(tables), node_(index) {}

    void read(Node& node, Record record) {
        const uint32_t operation = record.u32();
        if (operation > 7) fail("node %u: operation %u; expected 0 to 7", node_, operation);
        node.operation = static_cast<Operation>(operation);
        const uint32_t channels = record.u32();
        if (channels < 1 || channels > most_channels)
            fail("node %u: %u channels; expected 1 to %u", node_, channels, most_channels);
        node.channels = static_cast<int>(channels);
        node.input = record.i32();
        node.residual = record.i32();
        const uint32_t residual_first = record.u32();
        const uint32_t activation = record.u32();
        const uint32_t first_outlet = record.u32();
        const uint32_t outlet_count = record.u32();
        const int32_t weights = record.i32();
        const int32_t scale = record.i32();
        const int32_t shift = record.i32();
        const int32_t extra = record.i32();
        node.kernel_height = record.u16();
        node.kernel_width = record.u16();
        node.stride_down = record.u16();
        node.stride_right = record.u16();
        node.pad_above = record.u16();
        node.pad_left = record.u16();
        node.pad_below = record.u16();
        node.pad_right = record.u16();
        node.dilation_down = record.u16();
        node.dilation_right = record.u16();
        const uint32_t groups = record.u32();
        const uint32_t pad_with_zero = record.u32();
        const uint32_t input_first = record.u32();
        if (!record.zero(16)) fail("node %u: bytes that are zero in this version are not", node_);
        if (activation > 3) fail("node %u: activation %u; expected 0 to 3", node_, activation);
        node.activation = static_cast<Activation>(activation);
        if (groups < 1 || groups > most_channels) fail("node %u: %u groups", node_, groups);
        node.groups = static_cast<int>(groups);
        if (input_first >= most_channels || residual_first >= most_channels)
            fail("node %u: reads from channel %u, adds from channel %u", node_, input_first,
                 residual_first);
        node.input_first_channel = static_cast<int>(input_first);
        node.residual_first_channel = static_cast<int>(residual_first);
        if (pad_with_zero > (node.operation == Operation::binary_convolution))
            fail("node %u: padding %u", node_, pad_with_zero);
        node.pad_with_zero = pad_with_zero == 1;

        input(node);
        residual(node);
        geometry(node);
        factors(node, scale, shift);
        operands(node, weights, extra);
        node_outlets(node, first_outlet, outlet_count);
    }

private:
    const Tensor* tensor(int32_t index, const char* what) const {
        if (index < -1 || index >= static_cast<int64_t>(tensor_count()))
            fail("node %u: %s is tensor %d of %u", node_, what, index, tensor_count());
        return index < 0 ? nullptr : &model_.tensors[index];
    }

    void input(Node& node) const {
        const Tensor* read = tensor(node.input, "input");
        if ((node.operation == Operation::input) != !read)
            fail("node %u: %s %s", node_, name_of(node.operation),
                 read ? "reads a tensor" : "reads no tensor");
        if (!read) {
            if (node.channels != model_.input_channels || node.input_first_channel != 0)
                fail("node %u: input of %d channels; the header says %d", node_, node.channels,
                     model_.input_channels);
            node.input_channels = node.channels;
            return;
        }
        bool fits = false;
        switch (node.operation) {
            case Operation::input: break;
            case Operation::binary_convolution: fits = read->kind == Kind::bits; break;
            case Operation::convolution: fits = read->kind == Kind::float32; break;
            case Operation::quantized_convolution: fits = read->kind == Kind::u8; break;
            case Operation::max_pooling:
            case Operation::average_pooling:
            case Operation::pointwise:
            case Operation::gather:
                fits = read->kind == Kind::float32 || read->kind == Kind::i16;
                break;
        }
        if (!fits)
            fail("node %u: %s cannot read tensor %d, which is of kind %u", node_,
                 name_of(node.operation), node.input, static_cast<uint32_t>(read->kind));
        const bool slice = node.operation == Operation::max_pooling ||
                           node.operation == Operation::average_pooling ||
                           node.operation == Operation::pointwise;
        node.input_channels = slice ? node.channels : read->channels;
        if (!slice && node.input_first_channel != 0)
            fail("node %u: %s reads from channel %d; expected 0", node_, name_of(node.operation),
                 node.input_first_channel);
        if (node.input_first_channel + node.input_channels > read->channels)
            fail("node %u: reads %d channels from %d on; tensor %d has %d", node_,
                 node.input_channels, node.input_first_channel, node.input, read->channels);
    }

    void residual(const Node& node) const {
        const Tensor* added = tensor(node.residual, "residual");
        if (!added) {
            if (node.residual_first_channel != 0)
                fail("node %u: no residual, and a first channel of it", node_);
            return;
        }
        const Operation o = node.operation;
        if (o != Operation::binary_convolution && o != Operation::convolution &&
            o != Operation::quantized_convolution && o != Operation::pointwise)
            fail("node %u: %s adds no residual", node_, name_of(o));
        if (added->kind != Kind::float32 && added->kind != Kind::i16)
            fail("node %u: residual is tensor %d, which is of kind %u", node_, node.residual,
                 static_cast<uint32_t>(added->kind));
        if (node.residual_first_channel + node.channels > added->channels)
            fail("node %u: residual needs %d channels from %d on; tensor %d has %d", node_,
                 node.channels, node.residual_first_channel, node.residual, added->channels);
    }

    void geometry(Node& node) const {
        const bool convolution = node.operation == Operation::binary_convolution ||
                                 node.operation == Operation::convolution ||
                                 node.operation == Operation::quantized_convolution;
        const bool pooling = node.operation == Operation::max_pooling ||
                             node.operation == Operation::average_pooling;
        node.whole_map = pooling && node.kernel_height == 0 && node.kernel_width == 0;
        if (!convolution && node.groups != 1)
            fail("node %u: %s in %d groups", node_, name_of(node.operation), node.groups);
        if (node.whole_map) {
            if (node.padded() || node.stride_down != 1 || node.stride_right != 1 ||
                node.dilation_down != 1 || node.dilation_right != 1)
                fail("node %u: pooling of the whole map with a stride, dilation or padding", node_);
            return;
        }
        if (node.kernel_height < 1 || node.kernel_width < 1 || node.stride_down < 1 ||
            node.stride_right < 1 || node.dilation_down < 1 || node.dilation_right < 1)
            fail("node %u: kernel %d x %d, stride %d x %d, dilation %d x %d; expected 1 or more",
                 node_, node.kernel_height, node.kernel_width, node.stride_down, node.stride_right,
                 node.dilation_down, node.dilation_right);
        // So that each window of a pooling holds a pixel of the map.
        if (pooling && (node.dilation_down != 1 || node.dilation_right != 1 ||
                        node.pad_above >= node.kernel_height || node.pad_below >= node.kernel_height ||
                        node.pad_left >= node.kernel_width || node.pad_right >= node.kernel_width))
            fail("node %u: pooling with dilation, or padded as wide as its kernel", node_);
        if (!convolution && !pooling &&
            (node.kernel_height != 1 || node.kernel_width != 1 || node.stride_down != 1 ||
             node.stride_right != 1 || node.dilation_down != 1 || node.dilation_right != 1 ||
             node.padded()))
            fail("node %u: %s with a kernel, stride, dilation or padding", node_,
                 name_of(node.operation));
    }

    const Blob* blob(int32_t index, const char* what) const {
        if (index < -1 || index >= static_cast<int64_t>(blob_count()))
            fail("node %u: %s are blob %d of %u", node_, what, index, blob_count());
        return index < 0 ? nullptr : &tables_.blobs[index];
    }

    // The bytes of a blob of `length`, or null where there is none.
    const uint8_t* sized(int32_t index, int64_t length, const char* what) const {
        const Blob* found = blob(index, what);
        if (!found) return nullptr;
        if (found->length != static_cast<uint64_t>(length))
            fail("node %u: blob %d (%s) has %llu bytes; expected %lld", node_, index, what,
                 static_cast<unsigned long long>(found->length), static_cast<long long>(length));
        return found->data;
    }

    void factors(Node& node, int32_t scale, int32_t shift) const {
        const bool none = node.operation == Operation::input || node.operation == Operation::gather;
        if (none && (scale != -1 || shift != -1 || node.activation != Activation::none))
            fail("node %u: %s has no scale, shift or activation", node_, name_of(node.operation));
        node.scale = reinterpret_cast<const float*>(sized(scale, int64_t{4} * node.channels, "scale"));
        node.shift = reinterpret_cast<const float*>(sized(shift, int64_t{4} * node.channels, "shift"));
    }

    void operands(Node& node, int32_t weights, int32_t extra) const {
        const int64_t taps = int64_t{node.kernel_height} * node.kernel_width;
        const int64_t out = node.channels, groups = node.groups;
        if (out % groups != 0) fail("node %u: %lld groups do not divide its channels", node_,
                                    static_cast<long long>(groups));
        const int64_t out_group = out / groups;
        const int64_t in_group = node.input_channels / groups;
        if (node.input_channels % groups != 0)
            fail("node %u: %d groups do not divide the %d channels of its input", node_,
                 node.groups, node.input_channels);
        int64_t length = -1;  // of the weights; −1: there are none
        switch (node.operation) {
            case Operation::binary_convolution: {
                const int layout = in_group % 64 == 0 ? 1 : node.groups;
                if (model_.tensors[node.input].groups != layout)
                    fail("node %u: %d groups; the words of tensor %d are laid out otherwise", node_,
                         node.groups, node.input);
                if (taps * in_group > most_products)
                    fail("node %u: more than %lld products a sum", node_,
                         static_cast<long long>(most_products));
                length = groups * ceil_div(out_group, 8) * taps * ceil_div(in_group, 64) * 64;
                break;
            }
            case Operation::convolution:
                if (taps * in_group > most_products)
                    fail("node %u: more than %lld products a sum", node_,
                         static_cast<long long>(most_products));
                length = groups * ceil_div(out_group, 16) * taps * in_group * 64;
                break;
            case Operation::quantized_convolution:
                if (taps * in_group > most_quantized_products)
                    fail("node %u: more than %lld products a sum", node_,
                         static_cast<long long>(most_quantized_products));
                if (groups == 1 && node.dilation_right == 1)
                    length = ceil_div(out, 16) * node.kernel_height *
                             ceil_div(int64_t{node.kernel_width} * in_group, 4) * 64;
                else
                    length = groups * ceil_div(out_group, 16) * taps * ceil_div(in_group, 4) * 64;
                break;
            default: break;
        }
        node.weights = length < 0 ? nullptr : sized(weights, length, "weights");
        if ((length < 0) != (weights == -1) || (length >= 0 && !node.weights))
            fail("node %u: %s %s weights", node_, name_of(node.operation),
                 length < 0 ? "has no" : "needs");
        if (node.operation == Operation::quantized_convolution) small_weights(node, length);
        if (node.operation == Operation::gather) {
            node.sources = reinterpret_cast<const uint32_t*>(sized(extra, 4 * out, "sources"));
            if (!node.sources) fail("node %u: gather needs sources", node_);
            for (int64_t k = 0; k < out; ++k)
                if (node.sources[k] >= static_cast<uint32_t>(node.input_channels))
                    fail("node %u: source %u; its input has %d channels", node_, node.sources[k],
                         node.input_channels);
        } else if (node.operation == Operation::quantized_convolution) {
            node.padding = sized(extra, node.input_channels, "padding");
            if (node.padded() && !node.padding) fail("node %u: padding needs its bytes", node_);
        } else if (extra != -1) {
            fail("node %u: %s has no blob of its own", node_, name_of(node.operation));
        }
    }

    // Larger ones would overflow the 16 bits in which kernels add two products.
    void small_weights(const Node& node, int64_t length) const {
        const int8_t* at = static_cast<const int8_t*>(node.weights);
        bool fit = true;
        for (int64_t i = 0; i < length; ++i) fit = at[i] >= -63 && at[i] <= 63 && fit;
        if (!fit) fail("node %u: a weight outside of -63 to 63", node_);
    }

    void node_outlets(Node& node, uint32_t first, uint32_t count) {
        if (count < 1 || count > 64 || first > outlet_count() || count > outlet_count() - first)
            fail("node %u: %u outlets from %u on; there are %u", node_, count, first, outlet_count());
        node.outlets = &outlets_[first];
        node.outlet_count = static_cast<int>(count);
        const int64_t products =
            int64_t{node.kernel_height} * node.kernel_width * (node.input_channels / node.groups);
        for (uint32_t i = first; i < first + count; ++i) {
            Outlet& outlet = outlets_[i];
            const Tensor& written = model_.tensors[outlet.tensor];
            const int64_t values = int64_t{4} * node.channels;
            if (outlet.first_channel + node.channels > written.channels)
                fail("outlet %u: writes %d channels from %d on; tensor %d has %d", i, node.channels,
                     outlet.first_channel, outlet.tensor, written.channels);
            const bool integer = outlet.kind == OutletKind::bits_by_integer ||
                                 outlet.kind == OutletKind::integer;
            if (integer && node.operation != Operation::binary_convolution)
                fail("outlet %u: integers of node %u, which is no binary convolution", i, node_);
            if (outlet.kind == OutletKind::integer && products > most_integer_products)
                fail("outlet %u: a sum of %lld products does not fit 16 bits", i,
                     static_cast<long long>(products));
            const bool bits = written.kind == Kind::bits;
            if (bits && outlet.first_channel % 8 != 0)
                fail("outlet %u: bits from channel %d on; expected a multiple of 8", i,
                     outlet.first_channel);
            if (bits && written.groups != 1 &&
                (node.operation != Operation::pointwise || node.channels != written.channels))
                fail("outlet %u: bits in groups, and not from a pointwise that writes all", i);
            const int32_t second = tables_.outlet_blobs[i].second;
            outlet.thresholds = sized(tables_.outlet_blobs[i].thresholds, values, "thresholds");
            if (bits) {
                outlet.flips = sized(second, ceil_div(node.channels, 8), "flips");
            } else if (outlet.kind == OutletKind::u8) {
                outlet.zeros = reinterpret_cast<const float*>(sized(second, values, "zeros"));
            } else if (second != -1) {
                fail("outlet %u: a blob that its kind has not", i);
            }
            if ((bits || outlet.kind == OutletKind::u8) != (outlet.thresholds != nullptr) ||
                (outlet.kind == OutletKind::u8 && !outlet.zeros))
                fail("outlet %u: thresholds or scales missing, or where there are none", i);
        }
    }

    uint32_t tensor_count() const { return static_cast<uint32_t>(model_.tensors.size()); }
    uint32_t blob_count() const { return static_cast<uint32_t>(tables_.blobs.size()); }
    uint32_t outlet_count() const { return static_cast<uint32_t>(outlets_.size()); }

    Model& model_;
    std::vector<Outlet>& outlets_;
    const Tables& tables_;
    uint32_t node_;  // for messages
};

}  // namespace

void read_node(Model& model, std::vector<Outlet>& outlets, const Tables& tables, uint32_t index,
               Record record) {
    NodeReader(model, outlets, tables, index).read(model.nodes[index], record);
}

}  // namespace onlooker
