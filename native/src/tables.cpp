#include "tables.h"

#include <cstring>
#include <iterator>
#include <map>

#include "checksum.h"

namespace onlooker {

namespace {

constexpr uint8_t magic[8] = {0x89, 'O', 'N', 'B', 0x0D, 0x0A, 0x1A, 0x0A};
constexpr uint32_t version = 1;
constexpr size_t header_size = 80, tensor_size = 16, node_size = 96, outlet_size = 24,
                 blob_size = 16, alignment = 64;

// Which channels of a tensor were written: spans [first, end), none touching another.
class Written {
public:
    bool covers(int first, int count) const {
        auto next = spans_.upper_bound(first);
        return next != spans_.begin() && std::prev(next)->second >= first + count;
    }

    // False if some of them were written before.
    bool add(int first, int count) {
        int end = first + count;
        auto next = spans_.lower_bound(first);
        if (next != spans_.end() && next->first < end) return false;
        if (next != spans_.begin()) {
            auto before = std::prev(next);
            if (before->second > first) return false;
            if (before->second == first) {
                first = before->first;
                spans_.erase(before);
            }
        }
        if (next != spans_.end() && next->first == end) {
            end = next->second;
            spans_.erase(next);
        }
        spans_.emplace(first, end);
        return true;
    }

private:
    std::map<int, int> spans_;
};

// Checks one file and fills the tables of a model from it.
class Reader {
public:
    Reader(Model& model, std::vector<Outlet>& outlets, const uint8_t* data, size_t length)
        : model_(model), outlets_(outlets), data_(data), length_(length) {}

    void read() {
        header();
        tensors();
        blobs();
        outlets();
        nodes();
        order();
    }

private:
    void header() {
        if (length_ < header_size || std::memcmp(data_, magic, sizeof magic) != 0)
            fail("not a packed network: it does not begin like one");
        Record record(data_ + sizeof magic);
        const uint32_t found = record.u32();
        if (found > version)
            fail("file of version %u; this program reads up to version %u: a newer one is needed",
                 found, version);
        if (found != version) fail("file of version %u, which never was", found);
        const uint32_t sum = record.u32();
        const uint64_t length = record.u64();
        if (length != length_)
            fail("file is %zu bytes long, and was %llu when written: cut off or damaged", length_,
                 static_cast<unsigned long long>(length));
        if (checksum(data_ + 16, length_ - 16) != sum)
            fail("checksum is not the one written: the file is damaged");
        tensor_count_ = count(record.u32(), 1, 65536, "tensors");
        node_count_ = count(record.u32(), 1, 65536, "nodes");
        outlet_count_ = count(record.u32(), 1, 262144, "outlets");
        blob_count_ = count(record.u32(), 0, 262144, "blobs");
        const uint32_t result = record.u32();
        if (result >= tensor_count_) fail("result is tensor %u of %u", result, tensor_count_);
        model_.result = static_cast<int>(result);
        model_.input_channels = static_cast<int>(count(record.u32(), 1, 4096, "input channels"));
        const uint64_t offset = record.u64();
        const uint64_t metadata_length = record.u64();
        model_.input_height = static_cast<int>(count(record.u32(), 0, 65536, "rows of the input"));
        model_.input_width = static_cast<int>(count(record.u32(), 0, 65536, "columns of the input"));
        if (!record.zero(8)) fail("header: bytes that are zero in this version are not");
        tensors_at_ = header_size;
        nodes_at_ = tensors_at_ + tensor_size * tensor_count_;
        outlets_at_ = nodes_at_ + node_size * node_count_;
        blobs_at_ = outlets_at_ + outlet_size * outlet_count_;
        tables_end_ = blobs_at_ + blob_size * blob_count_;
        if (tables_end_ > length_) fail("tables reach beyond the end of the file");
        if (offset < tables_end_ || offset > length_ || metadata_length > length_ - offset)
            fail("metadata lies outside of the file");
        model_.metadata = reinterpret_cast<const char*>(data_ + offset);
        model_.metadata_length = metadata_length;
    }

    static uint32_t count(uint32_t value, uint32_t least, uint32_t most, const char* what) {
        if (value < least || value > most)
            fail("%u %s; expected %u to %u", value, what, least, most);
        return value;
    }

    void tensors() {
        model_.tensors.resize(tensor_count_);
        for (uint32_t i = 0; i < tensor_count_; ++i) {
            Record record(data_ + tensors_at_ + tensor_size * i);
            const uint32_t kind = record.u32();
            const uint32_t channels = record.u32();
            const uint32_t groups = record.u32();
            if (kind > 3) fail("tensor %u: kind %u; expected 0 to 3", i, kind);
            if (channels < 1 || channels > most_channels)
                fail("tensor %u: %u channels; expected 1 to %u", i, channels, most_channels);
            if (groups < 1 || groups > channels || channels % groups != 0)
                fail("tensor %u: %u groups do not divide %u channels", i, groups, channels);
            if (groups != 1 && kind != static_cast<uint32_t>(Kind::bits))
                fail("tensor %u: groups, and not of bits", i);
            if (!record.zero(4)) fail("tensor %u: bytes that are zero in this version are not", i);
            Tensor& tensor = model_.tensors[i];
            tensor.kind = static_cast<Kind>(kind);
            tensor.channels = static_cast<int>(channels);
            tensor.groups = static_cast<int>(groups);
            // They lie as if there were no groups, and are said to be one.
            if (tensor.groups != 1 && tensor.channels / tensor.groups % 64 == 0)
                fail("tensor %u: %u groups of whole words; expected 1", i, groups);
        }
        if (model_.tensors[model_.result].kind != Kind::float32) fail("result is not of float32");
    }

    void blobs() {
        tables_.blobs.resize(blob_count_);
        for (uint32_t i = 0; i < blob_count_; ++i) {
            Record record(data_ + blobs_at_ + blob_size * i);
            const uint64_t offset = record.u64();
            const uint64_t length = record.u64();
            if (offset % alignment != 0) fail("blob %u: its offset is no multiple of 64", i);
            if (offset < tables_end_ || offset > length_ || length > length_ - offset)
                fail("blob %u lies outside of the file", i);
            tables_.blobs[i] = {data_ + offset, length};
            model_.weight_bytes += length;
        }
    }

    void outlets() {
        outlets_.resize(outlet_count_);
        tables_.outlet_blobs.resize(outlet_count_);
        for (uint32_t i = 0; i < outlet_count_; ++i) {
            Record record(data_ + outlets_at_ + outlet_size * i);
            const uint32_t kind = record.u32();
            const uint32_t tensor = record.u32();
            const uint32_t first = record.u32();
            if (kind > 4) fail("outlet %u: kind %u; expected 0 to 4", i, kind);
            if (tensor >= tensor_count_) fail("outlet %u: tensor %u of %u", i, tensor, tensor_count_);
            if (first >= most_channels) fail("outlet %u: first channel %u", i, first);
            tables_.outlet_blobs[i].thresholds = record.i32();
            tables_.outlet_blobs[i].second = record.i32();
            if (!record.zero(4)) fail("outlet %u: bytes that are zero in this version are not", i);
            Outlet& outlet = outlets_[i];
            outlet.kind = static_cast<OutletKind>(kind);
            outlet.tensor = static_cast<int>(tensor);
            outlet.first_channel = static_cast<int>(first);
            static constexpr Kind kinds[] = {Kind::float32, Kind::bits, Kind::bits, Kind::u8,
                                             Kind::i16};
            if (model_.tensors[tensor].kind != kinds[kind])
                fail("outlet %u: kind %u does not fit tensor %u, which is of kind %u", i, kind,
                     tensor, static_cast<uint32_t>(model_.tensors[tensor].kind));
        }
    }

    void nodes() {
        model_.nodes.resize(node_count_);
        for (uint32_t i = 0; i < node_count_; ++i)
            read_node(model_, outlets_, tables_, i, Record(data_ + nodes_at_ + node_size * i));
    }

    // Nothing is read before it was written, nothing is written twice.
    void order() {
        std::vector<Written> written(tensor_count_);
        std::vector<const uint8_t*> padding(tensor_count_);
        for (node_ = 0; node_ < node_count_; ++node_) {
            const Node& node = model_.nodes[node_];
            for (const int read : {node.input, node.residual})
                if (read >= 0 && !written[read].covers(0, model_.tensors[read].channels))
                    fail("node %u: reads tensor %d before it is written whole", node_, read);
            for (int i = 0; i < node.outlet_count; ++i) {
                const Outlet& outlet = node.outlets[i];
                const int first = outlet.first_channel;
                // In place, number by number; nowhere else may a tensor be written again.
                if (outlet.tensor == node.residual && outlet.tensor != node.input &&
                    outlet.kind == OutletKind::value && first == node.residual_first_channel)
                    continue;
                if (!written[outlet.tensor].add(first, node.channels))
                    fail("node %u: writes channels of tensor %d again", node_, outlet.tensor);
            }
            if (node.padding && node.padded()) same_padding(node, padding[node.input]);
        }
        if (!written[model_.result].covers(0, model_.tensors[model_.result].channels))
            fail("result: tensor %d is not written whole", model_.result);
    }

    // The border of a tensor is kept once, for all nodes that read it.
    void same_padding(const Node& node, const uint8_t*& known) const {
        if (known && std::memcmp(known, node.padding, node.input_channels) != 0)
            fail("node %u: pads tensor %d with other bytes than a node before it", node_, node.input);
        known = node.padding;
    }

    Model& model_;
    std::vector<Outlet>& outlets_;
    const uint8_t* data_;
    size_t length_;
    uint32_t tensor_count_ = 0, node_count_ = 0, outlet_count_ = 0, blob_count_ = 0;
    uint64_t tensors_at_ = 0, nodes_at_ = 0, outlets_at_ = 0, blobs_at_ = 0, tables_end_ = 0;
    Tables tables_;
    uint32_t node_ = 0;  // the one at hand, for messages
};

}  // namespace

void read_tables(Model& model, std::vector<Outlet>& outlets, const uint8_t* data, size_t length) {
    Reader(model, outlets, data, length).read();
}

}  // namespace onlooker
