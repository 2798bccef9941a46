// The definitions that the tests complete and build commands from: tests/data/argv/NAME.xml, with what is expected of
// them beside it. DOMUS_UPDATE_GOLDEN=1 writes the expectations anew, to be read before they are committed.
#pragma once

#include "engine/launch.hpp"
#include "engine/qemu/capabilities.hpp"
#include "model/domain.hpp"

#include <filesystem>
#include <functional>
#include <string>
#include <vector>

namespace domus::engine::qemu {

/// Names of all definitions.
std::vector<std::string> test_domain_names();
model::Domain test_domain(const std::string& name);
/// A QEMU 7.2 with every device; the machines and models that the definitions name.
Capabilities test_capabilities();
/// A start with nothing but paths, at a fixed time.
Launch test_launch();
/// The same with the firmware of the definition, as Debian installs it.
Launch test_launch(const model::Domain& domain);
/// Completes it, with aliases and with what a start chooses. Throws Error as a start does.
void start_test_domain(model::Domain& domain);
model::Domain started_test_domain(const std::string& name);

/// Compares with tests/data/argv/FILE, as `normal` writes it, or writes the file.
void expect_golden(const std::string& file, const std::string& text,
                   const std::function<std::string(const std::string&)>& normal = std::identity{});

} // namespace domus::engine::qemu
