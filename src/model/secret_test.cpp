#include "model/secret.hpp"

#include <gtest/gtest.h>

namespace domus::model {

namespace {

std::string canonical(const std::string& xml) { return format::to_xml(format::from_xml<Secret>(xml)); }

std::size_t breaches(const std::string& xml, void (*judge)(const Secret&, format::Findings&)) {
    format::Findings findings;
    judge(format::from_xml<Secret>(xml), findings);
    return findings.size();
}

} // namespace

TEST(SecretDocument, is_written_as_libvirt_does) {
    EXPECT_EQ(
        canonical("<secret><usage type='iscsi'><target>t1</target></usage><description>for &lt;me&gt;</description>"
                  "<uuid>2DE1CF5F8C1D4FA5B0A7A0F5C0B3A111</uuid></secret>"),
        "<secret ephemeral='no' private='no'>\n"
        "  <uuid>2de1cf5f-8c1d-4fa5-b0a7-a0f5c0b3a111</uuid>\n"
        "  <description>for &lt;me&gt;</description>\n"
        "  <usage type='iscsi'>\n"
        "    <target>t1</target>\n"
        "  </usage>\n"
        "</secret>\n");
    EXPECT_EQ(canonical("<secret private='yes' ephemeral='yes'/>"), "<secret ephemeral='yes' private='yes'/>\n");
}

TEST(SecretDocument, names_its_use_by_one_element_of_the_type) {
    for (const std::string_view usage :
         {"type='volume'><volume>/v</volume", "type='ceph'><name>n</name", "type='iscsi'><target>t</target",
          "type='tls'><name>n</name", "type='vtpm'><name>n</name", "type='none'><volume>left</volume"})
        EXPECT_EQ(breaches(fmt::format("<secret><usage {}></usage></secret>", usage), check), 0u) << usage;
    for (const std::string_view usage : {"type='volume'><name>/v</name", "type='ceph'><target>t</target",
                                         "type='iscsi'><volume>v</volume", "type='tls'><name></name"})
        EXPECT_EQ(breaches(fmt::format("<secret><usage {}></usage></secret>", usage), check), 1u) << usage;
    EXPECT_THROW((void)canonical("<secret><usage type='spoon'/></secret>"), Error);
    EXPECT_THROW((void)canonical("<secret><usage/></secret>"), Error);
    EXPECT_THROW((void)canonical("<secret ephemeral='perhaps'/>"), Error);
}

TEST(SecretDocument, is_judged_strictly_on_demand) {
    EXPECT_EQ(breaches("<secret><uuid>2de1cf5f-8c1d-4fa5-b0a7-a0f5c0b3a111</uuid></secret>", check_strictly), 0u);
    EXPECT_EQ(breaches("<secret><usage type='tls'><name>a</name><volume>b</volume></usage></secret>", check_strictly),
              1u);
}

} // namespace domus::model
