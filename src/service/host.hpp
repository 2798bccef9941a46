// Operations on the host: what it is, what it can run, how it is used.
#pragma once

#include "engine/qemu/capabilities.hpp"
#include "host/documents.hpp"
#include "host/node.hpp"

#include <string>
#include <vector>

namespace domus::service {

class HostOperations {
public:
    explicit HostOperations(engine::qemu::Qemu& qemu) : qemu_(qemu) {}

    host::Node node() const { return host::read_node(); }
    /// Version of the default emulator, as libvirt counts: major * 1000000 + minor * 1000 + micro.
    Task<unsigned> version();
    Task<std::string> capabilities();
    Task<std::string> domain_capabilities(std::string emulator, std::string arch, std::string machine, std::string virt_type);
    Task<std::vector<std::string>> cpu_models(std::string arch);
    Task<unsigned> max_vcpus(std::string virt_type);

private:
    engine::qemu::Qemu& qemu_;
};

} // namespace domus::service
