// A bridge that the host has: <forward mode='bridge'/> with the name of a bridge. It is used as it is.
#include "network/kind.hpp"
#include "network/port/tap.hpp"

namespace domus::network {

namespace {

class RunningHostBridge : public RunningKind {
public:
    Task<> start(std::shared_ptr<model::Network>, std::string&) override { co_return; }
    Task<bool> stop(Live) override { co_return true; }
    Port attach(const model::Network& live, const PortSettings& settings) const override {
        return open_tap_port(settings, *live.bridge.name);
    }
    Port change_port(const model::Network& live, const PortSettings& settings, bool was_limited) const override {
        return change_tap_port(settings, *live.bridge.name, was_limited);
    }
};

class HostBridge : public Kind {
public:
    std::string_view name() const override { return "bridge of the host"; }
    bool is_of(const model::Network& network) const override {
        return network.mode() == model::ForwardMode::bridge && network.bridge.name;
    }
    std::unique_ptr<RunningKind> make(const Site&, Lane&, const std::string&) const override {
        return std::make_unique<RunningHostBridge>();
    }
};

} // namespace

const Kind& kind_host_bridge() {
    static const HostBridge kind;
    return kind;
}

} // namespace domus::network
