#include "service/registry.hpp"

#include "service/rows/connections.hpp"
#include "service/rows/consoles.hpp"
#include "service/rows/definitions.hpp"
#include "service/rows/devices.hpp"
#include "service/rows/domains.hpp"
#include "service/rows/filters.hpp"
#include "service/rows/guests.hpp"
#include "service/rows/hosts.hpp"
#include "service/rows/interfaces.hpp"
#include "service/rows/jobs.hpp"
#include "service/rows/networks.hpp"
#include "service/rows/saved_memory.hpp"
#include "service/rows/secrets.hpp"
#include "service/rows/snapshots.hpp"
#include "service/rows/statistics.hpp"
#include "service/rows/storage.hpp"
#include "service/rows/volumes.hpp"

#include <algorithm>

namespace domus::service {

namespace {

std::vector<const Row*> collect() {
    std::vector<const Row*> all;
    const auto add = [&](const auto& table) {
        for (const auto* row : table.all()) all.push_back(row);
    };
    for (const auto& row : connection_rows) all.push_back(&row);
    add(domain_rows);
    add(device_rows);
    add(saved_memory_rows);
    add(snapshot_rows);
    add(statistics_rows);
    add(console_rows);
    add(guest_rows);
    add(definition_rows);
    add(host_rows);
    add(interface_rows);
    add(network_rows);
    add(filter_rows);
    add(filter_binding_rows);
    add(secret_rows);
    add(pool_rows);
    add(volume_rows);
    add(job_rows);
    return all;
}

} // namespace

std::span<const Row* const> operations() {
    static const auto all = collect();
    return all;
}

std::vector<std::string_view> words_of(std::string_view list) {
    std::vector<std::string_view> words;
    while (!list.empty()) {
        const auto end = std::min(list.find(' '), list.size());
        if (end > 0) words.push_back(list.substr(0, end));
        list.remove_prefix(std::min(end + 1, list.size()));
    }
    return words;
}

std::vector<const Row*> operations_of(std::string_view procedure) {
    std::vector<const Row*> found;
    for (const auto* row : operations())
        if (std::ranges::count(words_of(row->procedures), procedure) > 0) found.push_back(row);
    return found;
}

} // namespace domus::service
