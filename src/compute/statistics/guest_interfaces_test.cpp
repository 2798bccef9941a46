#include "compute/statistics/guest_interfaces.hpp"

#include "base/error.hpp"

#include <boost/json/parse.hpp>
#include <gtest/gtest.h>

namespace domus::compute {

TEST(GuestInterfaces, are_read_from_what_an_agent_says) {
    const auto all = read_guest_interfaces(boost::json::parse(
        R"([{"name": "lo", "ip-addresses": [{"ip-address-type": "ipv4", "ip-address": "127.0.0.1", "prefix": 8}]},
        {"name": "eth0", "hardware-address": "52:54:00:00:00:01"}])"));
    ASSERT_EQ(all.size(), 2u);
    EXPECT_EQ(all[0].addresses.at(0), (std::pair<std::string, unsigned>{"127.0.0.1", 8}));
    EXPECT_EQ(all[1].mac, "52:54:00:00:00:01");
    EXPECT_TRUE(all[1].addresses.empty());
}

TEST(GuestInterfaces, a_guest_may_answer_anything) {
    for (const char* text : {"null", "{}", "1", "[1]", "[{}]", R"([{"name": 1}])",
                             R"([{"name": "e", "ip-addresses": {}}])", R"([{"name": "e", "ip-addresses": [{}]}])",
                             R"([{"name": "e", "ip-addresses": [{"ip-address": "1.2.3.4", "prefix": "x"}]}])"})
        EXPECT_THROW(read_guest_interfaces(boost::json::parse(text)), Error) << text;
}

} // namespace domus::compute
