// The table of all procedures of libvirt's RPC programs and of our own, made at build from protocol/procedures.csv.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

namespace domus::wire {

enum class Kind : std::uint8_t { call, event };
/// Which way a call's stream is declared to run, seen from the client.
enum class StreamUse : std::uint8_t { none, read, write };

struct ProcedureInfo {
    std::int32_t number;
    std::string_view name; ///< DOMAIN_CREATE
    Kind kind;
    StreamUse stream;
    bool urgent;             ///< must not wait behind slow ones
    bool read_only;          ///< allowed on a read-only connection
    std::string_view rights; ///< "domain:start", blank-separated
    std::string_view since;
};

inline constexpr std::uint32_t remote_program = 0x20008086;
inline constexpr std::uint32_t qemu_program = 0x20008087;
inline constexpr std::uint32_t domus_program = 0x646f6d75; ///< what libvirt does not have
inline constexpr std::uint32_t keepalive_program = 0x6b656570;

struct Program {
    std::uint32_t number;
    std::span<const ProcedureInfo> procedures; ///< by number
};
std::span<const Program> programs();
/// Null for one that we do not speak.
const Program* find_program(std::uint32_t number);

/// Null for what no program has.
const ProcedureInfo* find_procedure(std::uint32_t program, std::int32_t number);

} // namespace domus::wire
