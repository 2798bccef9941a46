// The guest's clock and timers.
#pragma once

#include "model/common.hpp"

namespace domus::model {

enum class ClockOffset { utc, localtime, timezone, variable, absolute };
enum class ClockBasis { utc, localtime };
enum class TickPolicy { delay, catchup, merge, discard };
enum class TimerTrack { boot, guest, wall, realtime };
enum class TscMode { auto_, native, emulate, paravirt, smpsafe };

struct Timer {
    std::string name; ///< "rtc", "pit", "hpet", "tsc", "kvmclock", "hypervclock", "platform", "armvtimer"
    std::optional<bool> present;
    std::optional<TickPolicy> tickpolicy;
    std::optional<TimerTrack> track;
    std::optional<std::uint64_t> frequency; ///< tsc: Hz
    std::optional<TscMode> mode;            ///< tsc
    std::optional<unsigned> catchup_threshold, catchup_slew, catchup_limit;
    format::Rest rest;
    static const format::Schema& schema();
    bool operator==(const Timer&) const = default;
};

struct Clock {
    std::optional<ClockOffset> offset;
    std::optional<std::string> adjustment; ///< seconds, or "reset"
    std::optional<ClockBasis> basis;       ///< variable
    std::optional<std::string> timezone;
    std::optional<std::uint64_t> start; ///< absolute: seconds since 1970
    std::vector<Timer> timers;
    format::Rest rest;

    const Timer* timer(std::string_view name) const;

    static const format::Schema& schema();
    bool operator==(const Clock&) const = default;
};

} // namespace domus::model

namespace domus::format {
template <>
inline constexpr auto words<model::ClockOffset> = word_list("utc", "localtime", "timezone", "variable", "absolute");
template <> inline constexpr auto words<model::ClockBasis> = word_list("utc", "localtime");
template <> inline constexpr auto words<model::TickPolicy> = word_list("delay", "catchup", "merge", "discard");
template <> inline constexpr auto words<model::TimerTrack> = word_list("boot", "guest", "wall", "realtime");
template <> inline constexpr auto words<model::TscMode> = word_list("auto", "native", "emulate", "paravirt", "smpsafe");
} // namespace domus::format
