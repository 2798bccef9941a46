// Sets of the host's CPUs as the protocol has them, a bit for each in the order of its bytes, and as people write them.
#pragma once

#include <boost/json/array.hpp>

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace domus::cli {

bool has_cpu(std::string_view map, std::size_t cpu);
/// "yy-y": a letter for each CPU.
std::string cpu_letters(std::string_view map, std::size_t cpus);
/// "0-1,3"
std::string cpu_ranges(std::string_view map, std::size_t cpus);
boost::json::array cpu_numbers(std::string_view map, std::size_t cpus);
/// What "0-3,^2" names, or "r" for all; nothing if the text is malformed or names a CPU from `cpus` on.
std::optional<std::string> parse_cpus(std::string_view text, std::size_t cpus);

} // namespace domus::cli
