// CRC-32 as zlib computes it.
#pragma once

#include <cstddef>
#include <cstdint>

namespace onlooker {

uint32_t checksum(const uint8_t* data, size_t length);

}  // namespace onlooker
