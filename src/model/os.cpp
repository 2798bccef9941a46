#include "model/os.hpp"

namespace domus::model {

using format::Describe;
using format::empty_is_absent;
using format::keep_empty;
using format::required;
using format::Schema;

const Schema& FirmwareFeature::schema() {
    static const Schema table =
        Describe<FirmwareFeature>("feature", "A feature that the firmware must or must not have.")
            .field("@enabled", &FirmwareFeature::enabled, "whether it must be on", required)
            .field("@name", &FirmwareFeature::name, "secure-boot, enrolled-keys", required);
    return table;
}

const Schema& Loader::schema() {
    static const Schema table = Describe<Loader>("loader", "The firmware.")
                                    .field("@readonly", &Loader::readonly, "whether the guest cannot write it")
                                    .field("@secure", &Loader::secure, "whether only SMM may write it")
                                    .field("@type", &Loader::type, "how the guest sees it")
                                    .field("@stateless", &Loader::stateless, "whether it keeps no variables")
                                    .field("@format", &Loader::format, "format of the image: raw, qcow2")
                                    .field(".", &Loader::path, "its path");
    return table;
}

const Schema& Nvram::schema() {
    static const Schema table = Describe<Nvram>("nvram", "Where the firmware keeps its variables.")
                                    .field("@template", &Nvram::template_path, "file from which it is made at first")
                                    .field("@templateFormat", &Nvram::template_format, "format of that file")
                                    .field("@type", &Nvram::type, "kind of place, if it is no plain file")
                                    .field("@format", &Nvram::format, "format of the image: raw, qcow2")
                                    .field(".", &Nvram::path, "its path")
                                    .field("source", &Nvram::source);
    return table;
}

const Schema& Boot::schema() {
    static const Schema table = Describe<Boot>("boot", "A kind of device to boot from; the first is tried first.")
                                    .field("@dev", &Boot::dev, "the kind", required);
    return table;
}

const Schema& AcpiTable::schema() {
    static const Schema table = Describe<AcpiTable>("table", "A table that is added to the guest's ACPI.")
                                    .field("@type", &AcpiTable::type, "slic", required)
                                    .field(".", &AcpiTable::path, "file with it");
    return table;
}

const Schema& Os::schema() {
    static const Schema table =
        Describe<Os>("os", "How the guest boots.")
            .field("@firmware", &Os::firmware, "which kind of firmware is looked for", empty_is_absent)
            .field("type@arch", &Os::arch, "architecture: x86_64, aarch64, ...")
            .field("type@machine", &Os::machine, "machine: q35, pc, virt, ...")
            .field("type", &Os::type, "hvm", required)
            .field("firmware/feature", &Os::firmware_features)
            .field("loader", &Os::loader)
            .field("nvram", &Os::nvram)
            .refuse("init", "it starts containers, which this version does not run")
            .field("kernel", &Os::kernel, "path of a Linux kernel to boot directly")
            .field("initrd", &Os::initrd, "path of its initial RAM disk")
            .field("cmdline", &Os::cmdline, "its command line")
            .field("dtb", &Os::dtb, "path of a device tree")
            .field("acpi/table", &Os::acpi_tables)
            .field("boot", &Os::boot)
            .field("bootmenu@enable", &Os::bootmenu, "whether the firmware offers a menu")
            .field("bootmenu@timeout", &Os::bootmenu_timeout, "milliseconds that it waits")
            .field("bios@useserial", &Os::bios_useserial, "whether the BIOS writes to the serial port", empty_is_absent)
            .field("bios@rebootTimeout", &Os::bios_reboot_timeout, "milliseconds after which it tries again; -1 never")
            .field("smbios@mode", &Os::smbios, "where the guest's SMBIOS comes from", empty_is_absent);
    return table;
}

const Schema& SysinfoEntry::schema() {
    static const Schema table = Describe<SysinfoEntry>("entry", "One text of SMBIOS or of fw_cfg.")
                                    .field("@name", &SysinfoEntry::name, "which: vendor, serial, opt/com.example, ...")
                                    .field("@file", &SysinfoEntry::file, "fwcfg: file with the contents")
                                    .field(".", &SysinfoEntry::value, "the text");
    return table;
}

const Schema& SysinfoBlock::schema() {
    static const Schema table =
        Describe<SysinfoBlock>("baseBoard", "One board of SMBIOS.").field("entry", &SysinfoBlock::entries);
    return table;
}

const Schema& Sysinfo::schema() {
    static const Schema table = Describe<Sysinfo>("sysinfo", "What SMBIOS or fw_cfg tells the guest.")
                                    .field("@type", &Sysinfo::type, "which of the two", required)
                                    .field("bios/entry", &Sysinfo::bios)
                                    .field("system/entry", &Sysinfo::system)
                                    .field("baseBoard", &Sysinfo::base_boards)
                                    .field("chassis/entry", &Sysinfo::chassis)
                                    .field("oemStrings/entry", &Sysinfo::oem_strings, {}, keep_empty)
                                    .field("entry", &Sysinfo::entries, "fwcfg");
    return table;
}

} // namespace domus::model
