// For tests: all that a daemon has, and no objects.
#pragma once

#include "engine/qemu/qemu_engine.hpp"
#include "service/service.hpp"

#include <filesystem>
#include <string>
#include <vector>

namespace domus::service {

struct EmptyHost {
    explicit EmptyHost(const Executor& executor)
        : qemu(executor, folder / "cache"), engine(executor, qemu),
          secrets(executor, {.definitions = folder / "secrets", .key = folder / "key"}, [](const auto&, auto) {}),
          pools(
              executor,
              {.definitions = folder / "storage",
               .autostart = folder / "storage/autostart",
               .state = folder / "state",
               .locks = folder / "locks",
               .library = folder / "library",
               .boot = {}},
              [](model::SecretReference) -> Task<Sensitive> { co_return Sensitive(std::string()); },
              [](const auto&, auto) {}),
          environment{.executor = executor,
                      .settings = {},
                      .store = compute::Store({.definitions = folder / "qemu",
                                               .autostart = folder / "qemu/autostart",
                                               .state = folder / "run",
                                               .library = folder / "lib",
                                               .logs = folder / "log",
                                               .locks = folder / "locks"}),
                      .files = Lane(executor, "definitions", 1),
                      .emit = [](const compute::DomainEvent&) {}},
          domains(environment),
          interfaces(executor, {.root = folder, .folder = folder / "interfaces", .may_change = false}),
          jobs(executor, folder / "jobs", &domains), events(executor),
          service({.domains = domains,
                   .engine = engine,
                   .networks = nullptr,
                   .filters = nullptr,
                   .secrets = secrets,
                   .pools = pools,
                   .interfaces = interfaces,
                   .rules = {},
                   .root = folder,
                   .jobs = jobs,
                   .audit = [this](const std::string& line) { audit.push_back(line); }},
                  events, "qemu:///system") {
        environment.domains = &domains;
        environment.engine = &engine;
        environment.secrets = &secrets;
        environment.pools = &pools;
    }

    std::vector<std::string> audit; ///< its lines
    std::filesystem::path folder = "/nonexistent/domus";
    engine::qemu::Qemu qemu;
    engine::qemu::QemuEngine engine;
    secret::Secrets secrets;
    storage::Pools pools;
    compute::Environment environment;
    compute::Domains domains;
    host::Interfaces interfaces;
    Jobs jobs;
    Events events;
    Service service;
};

} // namespace domus::service
