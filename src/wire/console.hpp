// Streams to and from domains: consoles, channels, screenshots.
#pragma once

#include "service/domains.hpp"
#include "wire/dispatcher.hpp"

namespace domus::wire {

void serve_consoles(Dispatcher& dispatcher, service::DomainOperations& domains);

} // namespace domus::wire
