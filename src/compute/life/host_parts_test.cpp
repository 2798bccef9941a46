#include "compute/life/host_parts.hpp"

#include "base/error.hpp"
#include "format/xml.hpp"
#include "os/files.hpp"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>

namespace domus::compute {

namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

/// A /sys of our own.
class HostParts : public testing::Test {
protected:
    HostParts() {
        std::string name = (fs::temp_directory_path() / "domus-sys-XXXXXX").string();
        sys_ = ::mkdtemp(name.data());
        usb("1-1", "0951", "1625", 1, 4);
        usb("1-2", "0951", "1625", 1, 5);
        usb("2-1", "046d", "c077", 2, 3);
        pages(2048, 10, 4);
        fs::create_directories(sys_ / "bus/pci/drivers/e1000e");
        fs::create_directories(sys_ / "bus/pci/drivers/vfio-pci");
        pci("0000:03:00.0", "e1000e");
        pci("0000:04:00.0", "vfio-pci");
    }
    ~HostParts() override { fs::remove_all(sys_); }

    void put(const fs::path& file, const std::string& text) const {
        fs::create_directories((sys_ / file).parent_path());
        replace_file(sys_ / file, text + "\n", 0600);
    }
    void usb(const std::string& name, const std::string& vendor, const std::string& product, int bus,
             int device) const {
        const auto folder = fs::path("bus/usb/devices") / name;
        put(folder / "idVendor", vendor);
        put(folder / "idProduct", product);
        put(folder / "busnum", std::to_string(bus));
        put(folder / "devnum", std::to_string(device));
    }
    void pci(const std::string& name, const std::string& driver) const {
        fs::create_directories(sys_ / "bus/pci/devices" / name);
        fs::create_directory_symlink(sys_ / "bus/pci/drivers" / driver, sys_ / "bus/pci/devices" / name / "driver");
    }
    void pages(unsigned kib, unsigned all, unsigned free) const {
        const auto folder = fs::path("kernel/mm/hugepages") / fmt::format("hugepages-{}kB", kib);
        put(folder / "nr_hugepages", std::to_string(all));
        put(folder / "free_hugepages", std::to_string(free));
    }

    /// What is said of a domain with these parts; "" if all is there.
    std::string said(const std::string& devices, const std::string& before = {}, std::size_t left = 1) const {
        auto domain =
            format::from_xml<model::Domain>("<domain type='qemu'><name>d</name><memory unit='MiB'>16</memory>" + before
                                            + "<os><type>hvm</type></os><devices>" + devices + "</devices></domain>");
        try {
            require_host_parts(domain, sys_);
            EXPECT_EQ(domain.devices.hostdevs.size(), devices.empty() ? 0 : left) << devices;
            return {};
        } catch (const Error& error) {
            return error.text();
        }
    }

    static std::string usb_device(const std::string& source, const std::string& policy = {}) {
        return "<hostdev mode='subsystem' type='usb'><source" + policy + ">" + source + "</source></hostdev>";
    }
    static std::string pci_device(int bus, const std::string& managed) {
        return fmt::format(
            "<hostdev mode='subsystem' type='pci' managed='{}'><source><address domain='0' bus='{}' slot='0' "
            "function='0'/></source></hostdev>",
            managed, bus);
    }

    fs::path sys_;
};

} // namespace

TEST_F(HostParts, usb_devices_are_there_or_the_start_is_refused) {
    EXPECT_EQ(said(usb_device("<vendor id='0x046d'/><product id='0xc077'/>")), "");
    EXPECT_EQ(said(usb_device("<address bus='1' device='4'/>")), "");
    EXPECT_EQ(said(usb_device("<vendor id='0x0951'/><product id='0x1625'/><address bus='1' device='5'/>")), "");
    EXPECT_THAT(said(usb_device("<vendor id='0x046d'/><product id='0x0001'/>")),
                HasSubstr("Did not find USB device 046d:0001"));
    EXPECT_THAT(said(usb_device("<address bus='99' device='1'/>")),
                HasSubstr("Did not find USB device bus:99 device:1"));
    EXPECT_THAT(said(usb_device("<address bus='99' device='1'/>", " startupPolicy='mandatory'")),
                HasSubstr("Did not find"));
    EXPECT_THAT(said(usb_device("<address bus='99' device='1'/>", " startupPolicy='requisite'")),
                HasSubstr("Did not find"));
    EXPECT_THAT(said(usb_device("<vendor id='0x0951'/><product id='0x1625'/>")),
                HasSubstr("Multiple USB devices for 0951:1625"));
    EXPECT_EQ(said(usb_device("<address bus='99' device='1'/>", " startupPolicy='optional'"), "", 0), "");
}

TEST_F(HostParts, pci_devices_are_there_and_detached) {
    EXPECT_EQ(said(pci_device(4, "no")), "");
    EXPECT_EQ(said(pci_device(4, "yes")), "");
    EXPECT_THAT(said(pci_device(0x99, "yes")), HasSubstr("Device 0000:99:00.0 not found"));
    EXPECT_THAT(said(pci_device(3, "no")), HasSubstr("must be manually detached"));
    EXPECT_THAT(said(pci_device(3, "yes")),
                HasSubstr("bound to driver 'e1000e', and this version does not detach devices"));
}

TEST_F(HostParts, mediated_devices_are_there) {
    EXPECT_THAT(said("<hostdev mode='subsystem' type='mdev' model='vfio-pci'><source>"
                     "<address uuid='c2177883-f1bb-47f0-914d-32a22e3a8804'/></source></hostdev>"),
                HasSubstr("mediated device 'c2177883-f1bb-47f0-914d-32a22e3a8804' not found"));
}

TEST_F(HostParts, huge_pages_are_reserved_and_free) {
    const auto backing = [](const std::string& page) {
        return "<memoryBacking><hugepages>" + page + "</hugepages></memoryBacking>";
    };
    EXPECT_THAT(said("", backing("")), HasSubstr("needs 8 huge pages of 2048 KiB, the host has 4 free"));
    EXPECT_THAT(said("", backing("")), HasSubstr("echo 14 >"));
    EXPECT_THAT(said("", backing("<page size='1' unit='G'/>")),
                HasSubstr("Unable to find any usable hugetlbfs mount for 1048576 KiB"));
    pages(2048, 10, 8);
    EXPECT_EQ(said("", backing("")), "");
    EXPECT_EQ(said("", backing("<page size='2' unit='M'/>")), "");
    pages(1048576, 1, 1);
    EXPECT_EQ(said("", backing("<page size='1' unit='G'/>")), "");
}

TEST_F(HostParts, the_processor_is_of_the_maker_that_a_kvm_guest_asks_for) {
    put("cpuinfo", "processor\t: 0\nvendor_id\t: AuthenticAMD\nmodel\t\t: 1");
    const auto refusal = [&](const std::string& type, const std::string& vendor) -> std::string {
        auto domain = format::from_xml<model::Domain>("<domain type='" + type
                                                      + "'><name>d</name><memory>1024</memory><os><type>hvm</type></os>"
                                                        "<cpu><model>EPYC</model><vendor>"
                                                      + vendor + "</vendor></cpu></domain>");
        EXPECT_EQ(needs_host_parts(domain), type == "kvm");
        try {
            require_host_parts(domain, sys_, sys_ / "cpuinfo");
            return {};
        } catch (const Error& error) {
            return error.text();
        }
    };
    EXPECT_EQ(refusal("kvm", "AMD"), "");
    EXPECT_THAT(refusal("kvm", "Intel"), HasSubstr("<vendor> of <cpu> asks for Intel, the host has AMD"));
    EXPECT_EQ(refusal("qemu", "Intel"), "");
}

} // namespace domus::compute
