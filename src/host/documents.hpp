// The XML documents in which libvirt's clients read what a host can do: capabilities, domain capabilities.
#pragma once

#include "engine/capabilities.hpp"
#include "host/node.hpp"
#include "model/cpu.hpp"

#include <string>
#include <vector>

namespace domus::host {

/// <capabilities>: the host, and each emulator's guests. KVM is named only where it truly works.
/// `described`: the host's processor by model and features, where they are known.
std::string capabilities_xml(const Node& node, const std::string& uuid,
                             const std::vector<engine::CapabilitiesPtr>& emulators,
                             const std::optional<model::Cpu>& described);

struct DomainCapabilitiesWish {
    std::string machine;   ///< "" the default one
    std::string virt_type; ///< "qemu", "kvm", or "" for the better one that works
};
/// What of this host a domain can have.
struct DomainCapabilitiesFacts {
    std::vector<std::string> firmware_images; ///< UEFI for the machine
    bool secure_boot = false;                 ///< one of them keeps its variables from the guest's system
    bool host_tpm = false;                    ///< /dev/tpm0
    bool swtpm = false;                       ///< what emulates a TPM is installed
    bool virtiofsd = false;                   ///< what serves folders over virtiofs is
    std::optional<model::Cpu> host_model;     ///< what mode host-model gives; null where that is not known
};
/// <domainCapabilities> of one emulator. Throws invalid_arg for a machine or type that it does not have.
std::string domain_capabilities_xml(const engine::Capabilities& emulator, const DomainCapabilitiesWish& wish,
                                    const DomainCapabilitiesFacts& facts);

} // namespace domus::host
