#include "service/check_definition.hpp"

#include "format/xml.hpp"

namespace domus::service {

Task<> check_definition(Service& service, Caller caller, std::string xml) {
    const auto kind = format::root_element(xml);
    if (kind == "network")
        co_await service.networks.check(std::move(xml));
    else if (kind == "pool")
        service.storage.check(xml);
    else if (kind == "secret")
        service.secrets.check(xml);
    else
        co_await service.domains.check(std::move(caller), std::move(xml));
}

} // namespace domus::service
