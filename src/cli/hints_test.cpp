#include "cli/hints.hpp"

#include <gtest/gtest.h>

namespace domus::cli {

namespace {

TEST(Hints, name_the_uri_that_was_given) {
    EXPECT_EQ(hint_with_uri("start it with 'domus start web'", "qemu+ssh://h/system"),
              "start it with 'domus -c qemu+ssh://h/system start web'");
    EXPECT_EQ(hint_with_uri("'domus save', or 'domus vol list p'", "qemu:///session"),
              "'domus -c qemu:///session save', or 'domus -c qemu:///session vol list p'");
    EXPECT_EQ(hint_with_uri("'domus list'", "qemu+unix:///system?socket=/a&b=$c"),
              "'domus -c \"qemu+unix:///system?socket=/a&b=\\$c\" list'");
}

TEST(Hints, stay_as_they_are_where_no_daemon_is_asked) {
    for (const auto* hint : {"use ssh: domus -c qemu+ssh://HOST/system", "'domus help list' explains it",
                             "look at it with 'domus image-info web.qcow2'", "'domus image info x'", "start domusd",
                             "see /etc/domus list", "the domus of today", "'domus'", "domus "})
        EXPECT_EQ(hint_with_uri(hint, "qemu:///session"), hint);
    EXPECT_EQ(hint_with_uri("'domus start web'", ""), "'domus start web'");
}

} // namespace

} // namespace domus::cli
