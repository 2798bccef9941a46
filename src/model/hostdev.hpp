// Devices of the host that the guest gets: assigned PCI, USB, SCSI and mediated ones, and USB redirected from a client.
#pragma once

#include "model/character_device.hpp"
#include "model/disk.hpp"

namespace domus::model {

enum class HostdevMode { subsystem, capabilities };
enum class HostdevType { usb, pci, scsi, scsi_host, mdev, storage, misc, net };
enum class GuestReset { off, uninitialized, on };

struct Hostdev {
    Hostdev(); // out of line, as the next five: see "What is out of line" in docs/architecture.md
    Hostdev(const Hostdev&);
    Hostdev(Hostdev&&) noexcept;
    Hostdev& operator=(const Hostdev&);
    Hostdev& operator=(Hostdev&&) noexcept;
    ~Hostdev();

    HostdevMode mode = HostdevMode::subsystem;
    HostdevType type = HostdevType::pci;
    std::optional<bool> managed;
    std::optional<std::string> model;
    std::optional<OnOff> display, ramfb;
    std::optional<bool> rawio;
    std::optional<SgIo> sgio;
    std::optional<std::string> driver_name;
    std::optional<StartupPolicy> startup_policy;                                     ///< usb
    std::optional<GuestReset> guest_reset;                                           ///< usb
    std::optional<bool> write_filtering;                                             ///< pci
    std::optional<std::string> protocol, name, wwpn;                                 ///< scsi over iscsi, scsi_host
    std::optional<format::Hex<4>> vendor, product;                                   ///< usb
    std::optional<std::string> adapter;                                              ///< scsi: "scsi_host0"
    std::vector<SourceHost> hosts;                                                   ///< iscsi
    std::optional<Auth> auth;                                                        ///< iscsi
    std::optional<std::string> initiator;                                            ///< iscsi
    std::optional<unsigned> source_domain, source_bus, source_slot, source_function; ///< pci; bus also usb, scsi
    std::optional<unsigned> source_device;                                           ///< usb
    std::optional<unsigned> source_target, source_unit;                              ///< scsi
    std::optional<Uuid> source_uuid;                                                 ///< mdev
    std::optional<Teaming> teaming;
    bool readonly = false, shareable = false;
    std::optional<unsigned> boot_order;
    Rom rom;
    std::optional<unsigned> acpi_index;
    std::optional<std::string> alias;
    std::optional<Address> address;
    format::Rest rest;
    static const format::Schema& schema();
    bool operator==(const Hostdev&) const;
};

/// A USB port for a device of the viewer's machine.
struct RedirectedDevice {
    std::string bus = "usb";
    CharacterType type = CharacterType::spicevmc;
    std::vector<CharacterSource> sources;
    std::optional<CharacterProtocol> protocol;
    std::optional<unsigned> boot_order;
    std::optional<std::string> alias;
    std::optional<Address> address;
    format::Rest rest;
    static const format::Schema& schema();
    bool operator==(const RedirectedDevice&) const = default;
};

struct UsbFilter {
    std::optional<std::string> usb_class, vendor, product, version; ///< "-1" is any
    bool allow = true;
    format::Rest rest;
    static const format::Schema& schema();
    bool operator==(const UsbFilter&) const = default;
};

struct RedirectFilter {
    std::vector<UsbFilter> devices; ///< the first that fits decides
    format::Rest rest;
    static const format::Schema& schema();
    bool operator==(const RedirectFilter&) const = default;
};

} // namespace domus::model

namespace domus::format {
template <> inline constexpr auto words<model::HostdevMode> = word_list("subsystem", "capabilities");
template <>
inline constexpr auto words<model::HostdevType> =
    word_list("usb", "pci", "scsi", "scsi_host", "mdev", "storage", "misc", "net");
template <> inline constexpr auto words<model::GuestReset> = word_list("off", "uninitialized", "on");
} // namespace domus::format
