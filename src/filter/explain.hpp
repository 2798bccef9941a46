// The rules of a port in words.
#pragma once

#include "filter/script.hpp"

#include <string>
#include <vector>

namespace domus::filter {

/// What happens to packets of that way, in the order in which they are judged.
struct Explanation {
    struct Line {
        std::string text;   ///< "drop IPv4 packets unless the sender is 10.0.0.1"
        std::string filter; ///< where the rule stands
        std::string chain;
        int priority = 0;
    };
    std::vector<Line> from_guest, to_guest;
};

Explanation explain(const PortRules& port);

} // namespace domus::filter
