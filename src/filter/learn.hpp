// Learning the IPv4 address of a guest from what passes its port, for filters that compare with $IP where the definition gives
// none. https://libvirt.org/formatnwfilter.html#automatic-ip-address-detection
#pragma once

#include "async/task.hpp"
#include "base/ip_address.hpp"

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace domus::filter {

/// CTRL_IP_LEARNING.
enum class Learning {
    any,  ///< the first address that the guest uses, or that a DHCP server gives it
    dhcp, ///< those that DHCP servers lend it, for as long as they do
    none,
};
/// Nothing for another word.
std::optional<Learning> learning_of(std::string_view word);

struct Learnt {
    IpAddress address;
    std::optional<std::uint32_t> lease; ///< seconds; nothing: for ever
};

struct LearnFrom {
    std::array<std::uint8_t, 6> mac{}; ///< the guest's
    Learning how = Learning::any;
    std::optional<IpAddress> dhcp_server; ///< the only one that is believed
};

/// What a frame tells, RFC 826, RFC 791 and RFC 2131. `from_guest`: the guest has sent it.
std::optional<Learnt> learn_from(const LearnFrom& what, bool from_guest, std::span<const std::uint8_t> frame);

std::array<std::uint8_t, 6> mac_bytes(std::string_view text);

/// Looks at a port's frames until it is destroyed. What the bridge drops is seen too: a guest whose address is not known yet
/// need not be let through to tell it.
class Learner {
public:
    using Found = std::function<void(Learnt)>;
    /// The device may come later, and go and come again.
    Learner(Executor executor, std::string device, LearnFrom what, Found found);
    ~Learner();
    Learner(const Learner&) = delete;
    Learner& operator=(const Learner&) = delete;

private:
    struct State;
    std::shared_ptr<State> state_;
};

} // namespace domus::filter
