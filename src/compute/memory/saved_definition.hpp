// The definition inside a save image: what the guest had while it ran, without what only that run had. Whoever saves or
// restores may give another one, as long as the guest finds the same machine.
#pragma once

#include "async/task.hpp"
#include "model/domain.hpp"

#include <memory>
#include <string>

namespace domus::engine {
class Engine;
}

namespace domus::compute {

/// XML of a running domain for its image, with secrets.
std::string saved_xml(model::Domain live);

/// As QEMU begins with them and with what is plugged in, whatever the definition says.
void close_trays(model::Devices& devices);

/// Drives are open or closed as they were when the memory was saved, from which the guest goes on.
void adopt_trays(model::Devices& devices, const model::Devices& saved);

/// Whether a guest finds the same in both.
bool same_machine(const model::Domain& one, const model::Domain& other);

/// Reads and completes XML that is to replace `saved`. Throws xml_error, or config_unsupported naming the places at
/// which the guest would find another machine. Where images, consoles, networks and displays are on the host, titles,
/// tuning and what happens at the end may differ.
Task<model::Domain> replace_definition(engine::Engine& engine, std::shared_ptr<const model::Domain> saved,
                                       std::string xml);

} // namespace domus::compute
