#include "file.h"

#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <utility>

#if defined(_WIN32)
#include <fstream>
#else
#include <cerrno>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#endif

#include "tables.h"

namespace onlooker {

namespace {

constexpr size_t alignment = 64;  // of blobs in the file, so of its bytes in memory

}  // namespace

void fail(const char* format, ...) {
    char text[512];
    va_list arguments;
    va_start(arguments, format);
    std::vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    throw Failure(text);
}

const char* name_of(Operation operation) {
    static const char* const names[] = {"input",       "binary convolution", "convolution",
                                        "quantized convolution", "max pooling", "average pooling",
                                        "pointwise",   "gather"};
    return names[static_cast<uint32_t>(operation)];
}

int64_t Tensor::pixel_bytes() const {
    switch (kind) {
        case Kind::float32: return int64_t{4} * channels;
        case Kind::bits: return int64_t{8} * groups * group_words();
        case Kind::u8: return channels;
        case Kind::i16: return int64_t{2} * channels;
    }
    return 0;
}

// The bytes of a file, at a multiple of 64, mapped or copied.
struct Model::Bytes {
    const uint8_t* data = nullptr;
    size_t length = 0;
    void* owned = nullptr;   // from aligned_alloc
    void* mapped = nullptr;  // from mmap

    Bytes() = default;
    Bytes(const Bytes&) = delete;
    Bytes& operator=(const Bytes&) = delete;

    ~Bytes() {
        std::free(owned);
#if !defined(_WIN32)
        if (mapped) munmap(mapped, length);
#endif
    }

    uint8_t* allocate(size_t wanted) {
        owned = std::aligned_alloc(alignment, (wanted + alignment) / alignment * alignment);
        if (!owned) fail("no memory for a file of %zu bytes", wanted);
        data = static_cast<uint8_t*>(owned);
        length = wanted;
        return static_cast<uint8_t*>(owned);
    }
};

Model::Model(std::unique_ptr<Bytes> bytes) : bytes_(std::move(bytes)) {
    read_tables(*this, outlets_, bytes_->data, bytes_->length);
}

Model::~Model() = default;

std::shared_ptr<const Model> Model::from_bytes(const void* bytes, size_t length) {
    auto held = std::make_unique<Bytes>();
    uint8_t* to = held->allocate(length);
    if (length) std::memcpy(to, bytes, length);
    return std::shared_ptr<const Model>(new Model(std::move(held)));
}

#if defined(_WIN32)

std::shared_ptr<const Model> Model::open(const char* path) {
    std::ifstream file(path, std::ios::binary | std::ios::ate);
    if (!file) fail("cannot be opened");
    auto held = std::make_unique<Bytes>();
    const auto length = static_cast<size_t>(file.tellg());
    uint8_t* to = held->allocate(length);
    file.seekg(0);
    if (!file.read(reinterpret_cast<char*>(to), static_cast<std::streamsize>(length)))
        fail("cannot be read");
    return std::shared_ptr<const Model>(new Model(std::move(held)));
}

#else

std::shared_ptr<const Model> Model::open(const char* path) {
    // A pipe without a writer would be waited for.
    const int file = ::open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (file < 0) fail("cannot be opened: %s", std::strerror(errno));
    auto held = std::make_unique<Bytes>();
    struct stat status;
    const bool regular = fstat(file, &status) == 0 && S_ISREG(status.st_mode);
    if (regular && status.st_size > 0) {
        held->length = static_cast<size_t>(status.st_size);
        void* mapped = mmap(nullptr, held->length, PROT_READ, MAP_PRIVATE, file, 0);
        if (mapped != MAP_FAILED) held->mapped = mapped;
    }
    ::close(file);
    if (!regular) fail("is not a file");
    if (status.st_size > 0 && !held->mapped) fail("cannot be mapped into memory");
    held->data = static_cast<const uint8_t*>(held->mapped);
    return std::shared_ptr<const Model>(new Model(std::move(held)));
}

#endif

}  // namespace onlooker
