// -rtc and the timers that are no part of the processor's description.
#include "engine/qemu/devices/devices.hpp"

#include <fmt/chrono.h>
#include <fmt/format.h>

namespace domus::engine::qemu {

using model::ClockOffset;
using model::TickPolicy;
using model::Timer;

namespace {

std::string iso(std::time_t time) {
    std::tm parts{};
    gmtime_r(&time, &parts);
    return fmt::format("{:%Y-%m-%dT%H:%M:%S}", parts);
}

std::int64_t seconds(const model::Clock& clock) {
    const auto text = clock.adjustment.value_or("0");
    if (text == "reset") return 0;
    std::int64_t value = 0;
    const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (failure != std::errc{} || end != text.data() + text.size())
        refuse("clock", clock.rest.line, fmt::format("adjustment '{}' is no number of seconds", text));
    return value;
}

std::time_t variable_base(const model::Clock& clock, std::time_t now) {
    if (clock.basis == model::ClockBasis::localtime) {
        std::tm parts{};
        localtime_r(&now, &parts);
        now += parts.tm_gmtoff;
    }
    return now + seconds(clock);
}

void set_base(Build& build, Options& options) {
    const auto& clock = build.domain.clock;
    switch (clock.offset.value_or(ClockOffset::utc)) {
    case ClockOffset::utc:
        if (seconds(clock) != 0)
            options.set("base", iso(build.launch.now + seconds(clock)));
        else
            options.set("base", "utc");
        break;
    case ClockOffset::localtime:
        options.set("base", "localtime");
        break;
    case ClockOffset::timezone:
        build.command.environment.push_back("TZ=" + clock.timezone.value_or("UTC")); // QEMU asks the C library
        options.set("base", "localtime");
        break;
    case ClockOffset::variable:
        options.set("base", iso(variable_base(clock, build.launch.now)));
        break;
    case ClockOffset::absolute:
        options.set("base", iso(static_cast<std::time_t>(clock.start.value_or(0))));
        break;
    }
}

void set_rtc(const Timer& rtc, Options& options) {
    if (rtc.track) {
        switch (*rtc.track) {
        case model::TimerTrack::boot:
            refuse("timer", rtc.rest.line, "track='boot' is not supported");
        case model::TimerTrack::guest:
            options.set("clock", "vm");
            break;
        case model::TimerTrack::wall:
            options.set("clock", "host");
            break;
        case model::TimerTrack::realtime:
            options.set("clock", "rt");
            break;
        }
    }
    switch (rtc.tickpolicy.value_or(TickPolicy::delay)) {
    case TickPolicy::delay:
        break;
    case TickPolicy::catchup:
        options.set("driftfix", "slew");
        break;
    case TickPolicy::merge:
    case TickPolicy::discard:
        refuse("timer", rtc.rest.line, fmt::format("the RTC has no tickpolicy '{}'", format::word(*rtc.tickpolicy)));
    }
}

void add_pit(Build& build, const Timer& pit) {
    switch (pit.tickpolicy.value_or(TickPolicy::delay)) {
    case TickPolicy::delay:
        if (pit.tickpolicy && build.domain.type == model::DomainType::kvm)
            build.arguments.add("-global", "kvm-pit.lost_tick_policy=delay");
        break;
    case TickPolicy::discard:
        if (build.domain.type == model::DomainType::kvm)
            build.arguments.add("-global", "kvm-pit.lost_tick_policy=discard");
        break;
    case TickPolicy::catchup:
    case TickPolicy::merge:
        refuse("timer", pit.rest.line, fmt::format("the PIT has no tickpolicy '{}'", format::word(*pit.tickpolicy)));
    }
}

void check_timer(const Timer& timer) {
    constexpr std::array<std::string_view, 6> known{"rtc", "pit", "hpet", "tsc", "kvmclock", "hypervclock"};
    if (std::ranges::find(known, timer.name) == known.end())
        refuse("timer", timer.rest.line, fmt::format("timer '{}' is not supported", timer.name));
    if (timer.catchup_threshold || timer.catchup_slew || timer.catchup_limit)
        refuse("catchup", timer.rest.line, "limits for catching up are not supported");
    const bool other_tsc_mode = timer.mode && *timer.mode != model::TscMode::auto_;
    if (other_tsc_mode)
        refuse("timer", timer.rest.line, fmt::format("tsc mode '{}' is not supported", format::word(*timer.mode)));
}

} // namespace

void add_clock(Build& build) {
    const auto& clock = build.domain.clock;
    for (const auto& timer : clock.timers) check_timer(timer);
    Options options;
    set_base(build, options);
    if (const auto* rtc = clock.timer("rtc")) set_rtc(*rtc, options);
    build.arguments.add("-rtc", options);
    if (const auto* pit = clock.timer("pit")) add_pit(build, *pit);
}

} // namespace domus::engine::qemu
