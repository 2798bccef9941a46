#include "http/routes.hpp"

namespace domus::http {

void add_host_routes(std::vector<Route>& all) {
    add_routes(all, service::host_rows);
    add_routes(all, service::interface_rows);
    add_routes(all, service::network_rows);
    add_routes(all, service::filter_rows);
    add_routes(all, service::filter_binding_rows);
    add_routes(all, service::secret_rows);
}

} // namespace domus::http
