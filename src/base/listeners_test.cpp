#include "base/listeners.hpp"

#include <gmock/gmock.h>

#include <string>

namespace domus {

namespace {

using testing::ElementsAre;
using testing::IsEmpty;

TEST(ListenersTest, toldInOrderUntilTheyAreRemoved) {
    Listeners<std::string, int> events;
    std::vector<std::string> heard;
    const auto first = events.add(
        [&](const std::string& what, int number) { heard.push_back("first " + what + std::to_string(number)); });
    events.add([&](const std::string& what, int) { heard.push_back("second " + what); });
    events.notify("a", 1);
    events.remove(first);
    events.notify("b", 2);
    EXPECT_THAT(heard, ElementsAre("first a1", "second a", "second b"));
    EXPECT_EQ(events.size(), 1U);
}

TEST(ListenersTest, mayRemoveThemselvesAndOthersWhileTheyAreTold) {
    Listeners<int> events;
    std::vector<int> heard;
    Listeners<int>::Handle self = 0, other = 0;
    self = events.add([&](int what) {
        events.remove(self);
        events.remove(other);
        heard.push_back(what);
    });
    other = events.add([&](int what) { heard.push_back(-what); });
    events.notify(1);
    events.notify(2);
    EXPECT_THAT(heard, ElementsAre(1));
    EXPECT_EQ(events.size(), 0U);
}

TEST(ListenersTest, thatComeWhileAnEventIsToldHearTheNext) {
    Listeners<int> events;
    std::vector<int> heard;
    events.add([&](int what) {
        if (what == 1) events.add([&](int later) { heard.push_back(later); });
    });
    events.notify(1);
    EXPECT_THAT(heard, IsEmpty());
    events.notify(2);
    EXPECT_THAT(heard, ElementsAre(2));
}

} // namespace

} // namespace domus
