// One place for every operation of the platform: what all protocols offer, each in its own form.
#pragma once

#include "service/domains.hpp"
#include "service/events.hpp"
#include "service/host.hpp"
#include "service/networks.hpp"
#include "service/secrets.hpp"
#include "service/storage.hpp"

#include <string>

namespace domus::service {

struct Service {
    DomainOperations domains;
    HostOperations host;
    NetworkOperations networks;
    SecretOperations secrets;
    StorageOperations storage;
    Events& events;
    std::string uri; ///< qemu:///system or qemu:///session
};

} // namespace domus::service
