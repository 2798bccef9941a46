// What a domain's monitor tells unasked: translated into the domain's state and into events for clients.
#pragma once

#include "compute/domain.hpp"

#include <boost/json/object.hpp>

namespace domus::compute {

class MonitorEvents {
public:
    /// Handles one QMP event of the domain. Names: QAPI schema of QEMU 7.2 (run-state, block-core, char, ui, misc).
    static void handle(Domain& domain, const std::shared_ptr<Running>& running, std::string_view name,
                       const boost::json::object& data);

private:
    static void shut_down(Domain& domain, const std::shared_ptr<Running>& running, const boost::json::object& data);
    static void stopped(Domain& domain, Running& running);
    static void resumed(Domain& domain, const std::shared_ptr<Running>& running);
    static void reset(Domain& domain, const std::shared_ptr<Running>& running, const boost::json::object& data);
    static void panicked(Domain& domain, const std::shared_ptr<Running>& running, const boost::json::object& data);
    static void tray_moved(Domain& domain, const boost::json::object& data);
    static void watchdog(Domain& domain, const boost::json::object& data);
    static void io_error(Domain& domain, Running& running, const boost::json::object& data);
    static void port_changed(Domain& domain, const std::shared_ptr<Running>& running, const boost::json::object& data);
    static void device_deleted(Domain& domain, const std::shared_ptr<Running>& running, std::string alias);
    static void unplug_refused(Domain& domain, Running& running, std::string alias);
    static void graphics(Domain& domain, int phase, const boost::json::object& data);
};

} // namespace domus::compute
