#include "http/routes.hpp"

namespace domus::http {

void add_domain_part_routes(std::vector<Route>& all) {
    add_routes(all, service::device_rows);
    add_routes(all, service::saved_memory_rows);
    add_routes(all, service::snapshot_rows);
    add_routes(all, service::statistics_rows);
    add_routes(all, service::console_rows);
    add_routes(all, service::guest_rows);
}

} // namespace domus::http
