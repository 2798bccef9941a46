#include "storage/ceph.hpp"

#include "base/host_address.hpp"
#include "os/cipher.hpp"
#include "os/files.hpp"

#include <fmt/format.h>

#include <cerrno>

namespace domus::storage {

namespace json = boost::json;

namespace {

constexpr const char* timeout = "15"; // seconds in which monitors and stores answer

} // namespace

std::string monitors_of(const model::Pool& pool) {
    std::vector<std::string> monitors;
    for (const auto& host : pool.source.hosts)
        monitors.push_back(fmt::format("{}:{}", bracketed(host.name), host.port.value_or(ceph_port)));
    return fmt::format("{}", fmt::join(monitors, ","));
}

std::string ceph_limits() {
    return fmt::format("[global]\nclient_mount_timeout = {0}\nrados_mon_op_timeout = {0}\nrados_osd_op_timeout = {0}\n",
                       timeout);
}

Task<Sensitive> ceph_key(Definition pool, Site site) {
    auto reference = pool->source.auth->secret;
    if (!reference.type) reference.type = model::SecretType::ceph;
    auto value = co_await site.secret(std::move(reference));
    co_return value;
}

Task<Command> ceph_command(Definition pool, std::string program, std::vector<std::string> arguments, Site site) {
    Command command(std::move(program));
    auto& all = command.arguments;
    all = {"--conf", "/dev/null", "-m", monitors_of(*pool)};
    for (const auto* limit : {"--client-mount-timeout", "--rados-mon-op-timeout", "--rados-osd-op-timeout"})
        all.insert(all.end(), {limit, timeout});
    if (pool->source.auth) {
        const auto key = co_await ceph_key(pool, site);
        const Sensitive encoded(base64_encode(key.view()));
        const int number = command.pass(make_memfd("ceph-key", encoded.view()));
        all.insert(all.end(),
                   {"--id", *pool->source.auth->username, "--keyfile", fmt::format("/proc/self/fd/{}", number)});
    } else {
        all.insert(all.end(), {"--auth-client-required", "none"});
    }
    all.insert(all.end(), arguments.begin(), arguments.end());
    co_return command;
}

Error ceph_failure(const model::Pool& pool, const CommandOutput& output, const std::string& program,
                   const std::string& purpose) {
    const auto& said = output.err.empty() ? "it said nothing" : output.err;
    // They exit with the errno of what failed, but for what they begin with.
    if (output.status.code == ETIMEDOUT || said.contains("(110)") || said.contains("failed to fetch mon config"))
        return Error(ErrorCode::operation_timeout, ErrorDomain::storage,
                     fmt::format("cannot {}: Ceph does not answer at {}", purpose, monitors_of(pool)))
            .because(said)
            .hint("look whether its monitors run and are reached from here");
    const auto code = output.status.code == EEXIST ? ErrorCode::storage_vol_exist : ErrorCode::internal_error;
    Error error(code, ErrorDomain::storage, fmt::format("cannot {}: {} {}", purpose, program, output.status.text()));
    error.add_cause(said);
    if (output.status.code == ENOENT && said.contains("pool"))
        return std::move(error).hint(fmt::format("make it with 'ceph osd pool create {}'", *pool.source.name));
    return error;
}

Task<std::string> call_ceph(Definition pool, std::string program, std::vector<std::string> arguments,
                            std::string purpose, Site site, std::string input) {
    auto command = co_await ceph_command(pool, program, std::move(arguments), site);
    auto output = co_await site.attempt(std::move(command), std::move(input));
    if (!output.status.success()) throw ceph_failure(*pool, output, program, purpose);
    co_return std::move(output.out);
}

Task<bool> try_rbd(Definition pool, std::vector<std::string> arguments, Site site) {
    auto command = co_await ceph_command(pool, "rbd", std::move(arguments), site);
    const auto output = co_await site.attempt(std::move(command));
    co_return output.status.success();
}

Task<json::value> ask_ceph(Definition pool, std::string program, std::vector<std::string> arguments,
                           std::string purpose, Site site) {
    arguments.insert(arguments.end(), {"--format", "json"});
    const auto output = co_await call_ceph(std::move(pool), std::move(program), std::move(arguments),
                                           std::move(purpose), std::move(site));
    co_return json::parse(output);
}

} // namespace domus::storage
