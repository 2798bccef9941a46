#include "compute/life/vhost_net.hpp"

#include "base/error.hpp"

#include <fcntl.h>
#include <fmt/format.h>

#include <cerrno>
#include <cstring>

namespace domus::compute {

using engine::SharedFd;

namespace {

constexpr const char* device = "/dev/vhost-net";

bool is_possible(const model::Interface& interface) { return interface.model.value_or("virtio").starts_with("virtio"); }

Error unavailable(const model::Interface& interface, int number) {
    Error error(
        ErrorCode::config_unsupported, ErrorDomain::qemu,
        fmt::format("unsupported configuration: vhost-net was requested for an interface (line {}), but is unavailable",
                    interface.rest.line));
    error.add_cause(fmt::format("{}: {}", device, std::strerror(number)));
    return std::move(error).hint("load the kernel's module with 'modprobe vhost_net', or use <driver name='qemu'/>");
}

} // namespace

std::vector<SharedFd> open_vhost_net(const model::Interface& interface, model::DomainType type, std::size_t queues) {
    const bool demanded = interface.driver.name == "vhost";
    // As with libvirt, a guest under KVM gets it unasked.
    const bool wanted = demanded || (!interface.driver.name && type == model::DomainType::kvm);
    std::vector<SharedFd> opened;
    if (!wanted || !is_possible(interface)) return opened;
    for (std::size_t i = 0; i < queues; ++i) {
        auto fd = std::make_shared<UniqueFd>(::open(device, O_RDWR | O_CLOEXEC));
        if (!*fd && demanded) throw unavailable(interface, errno);
        if (!*fd) return {};
        opened.push_back(std::move(fd));
    }
    return opened;
}

} // namespace domus::compute
