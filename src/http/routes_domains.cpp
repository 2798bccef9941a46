#include "http/routes.hpp"

namespace domus::http {

void add_domain_routes(std::vector<Route>& all) {
    add_routes(all, service::domain_rows);
    add_routes(all, service::definition_rows);
}

} // namespace domus::http
