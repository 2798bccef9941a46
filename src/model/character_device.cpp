#include "model/character_device.hpp"

namespace domus::model {

using format::Describe;
using format::empty_is_absent;
using format::live_only;
using format::never_empty;
using format::Schema;

CharacterSource& CharacterDevice::source() {
    if (sources.empty()) sources.emplace_back();
    return sources.front();
}

const CharacterSource& CharacterDevice::source() const {
    static const CharacterSource none;
    return sources.empty() ? none : sources.front();
}

CharacterSource::CharacterSource() = default;
CharacterSource::CharacterSource(const CharacterSource&) = default;
CharacterSource::CharacterSource(CharacterSource&&) noexcept = default;
CharacterSource& CharacterSource::operator=(const CharacterSource&) = default;
CharacterSource& CharacterSource::operator=(CharacterSource&&) noexcept = default;
CharacterSource::~CharacterSource() = default;
bool CharacterSource::operator==(const CharacterSource&) const = default;

const Schema& CharacterSource::schema() {
    static const Schema table =
        Describe<CharacterSource>("source", "The host's end. Which attributes count depends on the type beside it.")
            .field("@mode", &CharacterSource::mode, "tcp, udp, unix: bind listens, connect connects", never_empty)
            .field("@path", &CharacterSource::path, "dev, file, pipe, unix: path; pty: that of the terminal")
            .field("@host", &CharacterSource::host, "tcp, udp: address")
            .field("@service", &CharacterSource::service, "tcp, udp: port")
            .field("@channel", &CharacterSource::channel, "spiceport, dbus: name of the channel")
            .field("@master", &CharacterSource::master, "nmdm: our device")
            .field("@slave", &CharacterSource::slave, "nmdm: the other device")
            .field("@append", &CharacterSource::append, "file: whether it is continued")
            .field("@tls", &CharacterSource::tls, "tcp: whether the connection is encrypted")
            .field("reconnect", &CharacterSource::reconnect)
            .field("clipboard@copypaste", &CharacterSource::clipboard_copypaste,
                   "qemu-vdagent: whether the clipboard is shared")
            .field("mouse@mode", &CharacterSource::mouse_mode, "qemu-vdagent: who moves the pointer")
            .field("seclabel", &CharacterSource::seclabels);
    return table;
}

const Schema& CharacterLog::schema() {
    static const Schema table = Describe<CharacterLog>("log", "A file that keeps what the guest writes.")
                                    .field("@file", &CharacterLog::file, "its path", format::required)
                                    .field("@append", &CharacterLog::append, "whether it is continued");
    return table;
}

const Schema& CharacterTarget::schema() {
    static const Schema table =
        Describe<CharacterTarget>("target", "The guest's end.")
            .field("@type", &CharacterTarget::type, "kind of port: isa-serial, virtio, serial, guestfwd, ...",
                   never_empty)
            .field("@name", &CharacterTarget::name, "channel: name by which the guest finds it")
            .field("@state", &CharacterTarget::state, "channel: whether a program in the guest has it open",
                   live_only | empty_is_absent)
            .field("@address", &CharacterTarget::address, "guestfwd: address that the guest connects to")
            .field("@port", &CharacterTarget::port, "number of the port")
            .field("model@name", &CharacterTarget::model_name, "serial: device of QEMU");
    return table;
}

CharacterDevice::CharacterDevice() = default;
CharacterDevice::CharacterDevice(const CharacterDevice&) = default;
CharacterDevice::CharacterDevice(CharacterDevice&&) noexcept = default;
CharacterDevice& CharacterDevice::operator=(const CharacterDevice&) = default;
CharacterDevice& CharacterDevice::operator=(CharacterDevice&&) noexcept = default;
CharacterDevice::~CharacterDevice() = default;
bool CharacterDevice::operator==(const CharacterDevice&) const = default;

const Schema& CharacterDevice::schema() {
    static const Schema table =
        Describe<CharacterDevice>("serial", "A serial or parallel port, a console or a channel.")
            .field("@type", &CharacterDevice::type, "what the host's end is", format::required)
            .field("@tty", &CharacterDevice::tty, "console: path of the terminal, as old clients read it", live_only)
            .field("source", &CharacterDevice::sources)
            .field("protocol@type", &CharacterDevice::protocol, "tcp: what is spoken over the connection")
            .field("log", &CharacterDevice::log)
            .field("target", &CharacterDevice::target)
            .field("alias@name", &CharacterDevice::alias, "name of the device; the user's own begin with ua-")
            .refuse("acpi", acpi_index_unsupported)
            .field("address", &CharacterDevice::address);
    return table;
}

} // namespace domus::model
