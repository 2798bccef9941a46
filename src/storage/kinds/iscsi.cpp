// Pool type 'iscsi': the logical units of a target, reached by the host's own initiator (iscsiadm(8) of open-iscsi) while
// the pool is active.
#include "os/files.hpp"
#include "storage/iscsi_target.hpp"
#include "storage/scsi_units.hpp"

#include <fmt/format.h>

#include <array>
#include <charconv>
#include <filesystem>
#include <sstream>

namespace domus::storage {

namespace {

namespace fs = std::filesystem;

/// One of the host's sessions with a target, as the kernel has them. Blocks.
struct ScsiSession {
    std::string id; ///< "3" for session3
    unsigned host;
};

std::optional<ScsiSession> session_with(const std::string& target) {
    constexpr std::size_t one_page = 4096;
    std::error_code failure;
    for (const auto& entry : fs::directory_iterator("/sys/class/iscsi_session", failure)) {
        const auto name = read_file(entry.path() / "targetname", one_page);
        if (name.substr(0, name.find('\n')) != target) continue;
        const auto id = entry.path().filename().string().substr(std::string_view("session").size());
        // .../hostN/sessionM/iscsi_session/sessionM
        for (const auto& part : fs::canonical(entry.path(), failure)) {
            const auto text = part.string();
            unsigned host = 0;
            if (text.starts_with("host")
                && std::from_chars(text.data() + 4, text.data() + text.size(), host).ec == std::errc())
                return ScsiSession{id, host};
        }
    }
    return std::nullopt;
}

class Iscsi final : public Kind {
public:
    Iscsi()
        : Kind({
              .name = "iscsi",
              .about = "an iSCSI target that the host logs in to, and its units as devices of the host",
              .can = abilities_of<Kind, Iscsi>(),
              .needs = {{"iscsiadm", {"open-iscsi"}}},
              .logs_in = true,
          }) {}

    void admit(model::Pool& pool) const override {
        admit_target(pool);
        if (!pool.target) pool.target = "/dev/disk/by-path";
    }

    std::string source(const model::Pool& pool) const override { return target_source(pool); }

    Place place(const model::Pool& pool, const model::Volume& volume,
                std::optional<model::VolumeMode> mode) const override {
        return mode == model::VolumeMode::direct ? direct_place(pool, volume) : Kind::place(pool, volume, std::nullopt);
    }

    Task<> start(Definition pool, Site site) const override {
        const auto session = co_await find_session(pool, site);
        if (session) co_return;
        std::optional<Sensitive> password; // known before anything is touched
        if (pool->source.auth) password = co_await target_password(pool, site);
        auto record = node(*pool, {"-o", "new"});
        auto manual = node(*pool, {"-o", "update", "-n", "node.startup", "-v", "manual"});
        std::exception_ptr failure;
        try {
            if (pool->source.initiator) co_await make_interface(pool, site);
            (void)co_await site.run("iscsiadm", std::move(record),
                                    fmt::format("make a record of target '{}'", target_of(*pool)));
            (void)co_await site.run("iscsiadm", std::move(manual), "keep the host from logging in at boot");
            if (pool->source.auth) co_await set_login(pool, std::move(*password), site);
            co_await log_in(pool, site);
        } catch (...) {
            failure = std::current_exception();
        }
        if (!failure) co_return;
        co_await forget(pool, site);
        std::rethrow_exception(failure);
    }

    Task<> stop(Definition pool, Site site) const override {
        const auto session = co_await find_session(pool, site);
        if (!session) co_return;
        auto logout = node(*pool, {"--logout"});
        (void)co_await site.run("iscsiadm", std::move(logout), fmt::format("log out of target '{}'", target_of(*pool)));
        co_await forget(pool, site);
    }

    Task<Contents> look(Definition pool, Site site) const override {
        const auto session = co_await require_session(pool, site);
        std::vector<std::string> rescan{"-m", "session", "-r", session.id, "-R"};
        (void)co_await site.run("iscsiadm", std::move(rescan),
                                fmt::format("look for units of target '{}'", target_of(*pool)));
        auto work = [host = session.host, folder = *pool->target] { return scsi_units(host, folder); };
        auto contents = co_await site.block(std::move(work));
        co_return contents;
    }

    Task<std::vector<model::PoolSource>> find_sources(model::PoolSource wanted, Site site) const override {
        if (wanted.hosts.size() != 1)
            throw Error(ErrorCode::invalid_arg, ErrorDomain::storage,
                        "invalid argument: hostname must be specified for iscsi sources")
                .hint("domus find-storage-pool-sources-as iscsi SERVER");
        const auto host = wanted.hosts[0];
        std::vector<std::string> arguments{"-m", "discovery",     "-t", "sendtargets",
                                           "-o", "nonpersistent", "-p", portal_of(host)};
        const auto targets =
            co_await site.run("iscsiadm", std::move(arguments), fmt::format("ask '{}' for its targets", host.name));
        std::vector<model::PoolSource> sources;
        std::istringstream lines(targets); // "192.0.2.1:3260,1 iqn.2026-01.org.example:disks"
        for (std::string portal, target; lines >> portal >> target;) {
            auto& source = sources.emplace_back();
            source.hosts.push_back(host);
            source.devices.emplace_back().path = target;
        }
        co_return sources;
    }

private:
    static std::string interface_of(const model::Pool& pool) { return "domus-" + pool.uuid->text(); }

    static std::vector<std::string> node(const model::Pool& pool, std::vector<std::string> rest) {
        std::vector<std::string> arguments{"-m", "node", "-T", target_of(pool), "-p", portal_of(pool.source.hosts[0])};
        if (pool.source.initiator) arguments.insert(arguments.end(), {"-I", interface_of(pool)});
        arguments.insert(arguments.end(), rest.begin(), rest.end());
        return arguments;
    }

    /// Removes what a start has put into open-iscsi's database.
    static Task<> forget(Definition pool, Site site) {
        auto record = node(*pool, {"-o", "delete"});
        (void)co_await site.attempt("iscsiadm", std::move(record));
        if (!pool->source.initiator) co_return;
        std::vector<std::string> interface{"-m", "iface", "-I", interface_of(*pool), "-o", "delete"};
        (void)co_await site.attempt("iscsiadm", std::move(interface));
    }

    static Task<> set_login(Definition pool, Sensitive password, Site site) {
        const std::array<std::array<std::string, 2>, 2> settings{
            {{"node.session.auth.authmethod", "CHAP"}, {"node.session.auth.username", *pool->source.auth->username}}};
        for (const auto& [name, value] : settings) {
            auto update = node(*pool, {"-o", "update", "-n", name, "-v", value});
            (void)co_await site.run("iscsiadm", std::move(update),
                                    fmt::format("set the login to target '{}'", target_of(*pool)));
        }
        auto work = [pool, password = std::move(password)] {
            write_password(target_of(*pool), pool->source.hosts[0], password);
        };
        co_await site.block(std::move(work));
    }

    static Task<> log_in(Definition pool, Site site) {
        Command command("iscsiadm");
        command.arguments = node(*pool, {"--login"});
        const auto purpose = fmt::format("log in to target '{}'", target_of(*pool));
        const auto output = co_await site.finish(std::move(command), purpose);
        constexpr int login_failed = 24; // iscsiadm(8), exit status
        if (output.status.code == login_failed) throw login_refused(*pool).because(output.err);
        Site::require_success(output, "iscsiadm", purpose);
    }

    /// Our own name for this target lives in a record of open-iscsi's.
    static Task<> make_interface(Definition pool, Site site) {
        const auto name = interface_of(*pool);
        std::vector<std::string> make{"-m", "iface", "-I", name, "-o", "new"};
        (void)co_await site.attempt("iscsiadm", std::move(make)); // there already: updated below
        std::vector<std::string> update{
            "-m", "iface", "-I", name, "-o", "update", "-n", "iface.initiatorname", "-v", *pool->source.initiator};
        (void)co_await site.run("iscsiadm", std::move(update),
                                fmt::format("use the initiator name '{}'", *pool->source.initiator));
    }

    static Task<std::optional<ScsiSession>> find_session(Definition pool, Site site) {
        auto work = [target = target_of(*pool)] { return session_with(target); };
        return site.block(std::move(work));
    }

    static Task<ScsiSession> require_session(Definition pool, Site site) {
        const auto session = co_await find_session(pool, site);
        if (session) co_return *session;
        throw Error(ErrorCode::operation_failed, ErrorDomain::storage,
                    fmt::format("operation failed: there is no session with target '{}'", target_of(*pool)))
            .hint(fmt::format("stop the pool and start it again: 'domus pool-destroy {0}; domus pool-start {0}'",
                              pool->name));
    }
};

} // namespace

const Kind& kind_iscsi() {
    static const Iscsi kind;
    return kind;
}

} // namespace domus::storage
