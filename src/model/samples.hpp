// For tests: the stored documents of libvirt 9.0 in tests/data/xml.
#pragma once

#include <fstream>
#include <sstream>
#include <stdexcept>
#include <string>

namespace domus::model {

inline std::string sample(const std::string& name) {
    std::ifstream file("tests/data/xml/" + name);
    if (!file) throw std::runtime_error("no sample " + name + " (tests run in the source folder)");
    std::ostringstream text;
    text << file.rdbuf();
    return std::move(text).str();
}

} // namespace domus::model
