#include "host/sysinfo.hpp"

#include "base/error.hpp"

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

namespace domus::host {

TEST(Sysinfo, says_what_the_kernel_shows_and_nothing_more) {
    char folder[] = "/tmp/sysinfo-XXXXXX";
    ASSERT_NE(::mkdtemp(folder), nullptr);
    const std::filesystem::path id = std::string(folder) + "/sys/class/dmi/id";
    std::filesystem::create_directories(id);
    EXPECT_THROW((void)sysinfo_xml(folder), Error);
    std::ofstream(id / "bios_vendor") << "Maker & Sons\n";
    std::ofstream(id / "product_name") << "Box\n";
    std::ofstream(id / "product_version") << " \n";
    const auto xml = sysinfo_xml(folder);
    EXPECT_EQ(xml, "<sysinfo type='smbios'>\n  <bios>\n    <entry name='vendor'>Maker &amp; Sons</entry>\n  </bios>\n"
                   "  <system>\n    <entry name='product'>Box</entry>\n  </system>\n</sysinfo>\n");
    std::filesystem::remove_all(folder);
}

} // namespace domus::host
