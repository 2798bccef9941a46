#include "network/port/bandwidth.hpp"

#include "network/site.hpp"
#include "os/nft.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace domus::network {

namespace {

constexpr std::uint64_t bytes = 1024; ///< in a kilobyte of the definition
/// A packet that a card hands over in one piece (GSO) must fit.
constexpr std::uint64_t least_burst = 64 * bytes;

/// Without <burst>: what comes in a twentieth of a second.
std::uint64_t burst_of(const model::BandwidthLimit& limit) {
    const auto wanted = limit.burst ? *limit.burst * bytes : limit.average.value_or(0) * bytes / 20;
    return std::max(wanted, least_burst);
}

std::string table_of(const std::string& device) { return fmt::format("netdev domus_rate_{}", device); }

} // namespace

std::string outbound_script(const std::string& device, const std::optional<model::BandwidthLimit>& limit) {
    auto script = fmt::format("add table {0}\ndelete table {0}\n", table_of(device));
    if (!limit || !limit->average) return script;
    script += fmt::format("table {} {{\n  chain sent {{\n    type filter hook ingress device \"{}\" priority filter;\n",
                          table_of(device), device);
    // nft's bucket holds what a second allows, and the burst beside it (nft_limit_init() of the kernel).
    const auto drop_over = [&](std::uint64_t kilobytes, std::uint64_t burst) {
        const auto more = burst > kilobytes ? fmt::format(" burst {} kbytes", burst - kilobytes) : std::string();
        script += fmt::format("    limit rate over {} kbytes/second{} drop\n", kilobytes, more);
    };
    if (limit->peak) drop_over(*limit->peak, 0);
    drop_over(*limit->average, limit->burst.value_or(0));
    return script + "  }\n}\n";
}

bool is_limited(const model::Bandwidth& bandwidth) {
    const auto limits = [](const std::optional<model::BandwidthLimit>& limit) { return limit && limit->average; };
    return limits(bandwidth.inbound) || limits(bandwidth.outbound);
}

std::optional<netlink::Shaper> shaper_of(const model::Bandwidth& bandwidth) {
    const auto& in = bandwidth.inbound;
    if (!in || !in->average) return std::nullopt;
    return netlink::Shaper{.bytes_per_second = *in->average * bytes,
                           .peak_bytes_per_second = in->peak.value_or(0) * bytes,
                           .burst = burst_of(*in)};
}

void set_bandwidth(const std::string& device, const model::Bandwidth& bandwidth) {
    if (const auto shaper = shaper_of(bandwidth))
        netlink::set_shaper(device, *shaper);
    else
        netlink::clear_shaper(device);
    nft::apply_script(outbound_script(device, bandwidth.outbound), timeout);
}

void forget_bandwidth(const std::string& device) { nft::apply_script(outbound_script(device, {}), timeout); }

} // namespace domus::network
