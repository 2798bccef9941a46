// Writing to a place in a file.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace domus {

/// Writes all of it from that byte on, in as many pieces as the kernel takes: how many bytes are there in the end. Where
/// they are fewer, errno says why. pwrite(2).
std::size_t write_at(int fd, std::string_view data, std::uint64_t at);

} // namespace domus
