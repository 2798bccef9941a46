#include "http/routes.hpp"

namespace domus::http {

void add_storage_routes(std::vector<Route>& all) {
    add_routes(all, service::pool_rows);
    add_routes(all, service::volume_rows);
    add_routes(all, service::job_rows);
}

} // namespace domus::http
