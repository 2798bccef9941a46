// Pool type 'iscsi-direct': the logical units of a target, reached without the host's initiator: by this process to look
// at them, and by QEMU's own driver when a domain uses one. Nothing appears below /dev.
#include "storage/conversion.hpp"
#include "storage/iscsi_data.hpp"
#include "storage/iscsi_target.hpp"

#include <boost/json.hpp>
#include <fmt/format.h>

#include <charconv>

namespace domus::storage {

namespace {

namespace json = boost::json;

model::Volume volume_of(const model::Pool& pool, const IscsiUnit& unit) {
    model::Volume volume;
    volume.type = model::VolumeType::network;
    volume.name = fmt::format("unit:0:0:{}", unit.number);
    volume.key = fmt::format("ip-{}-iscsi-{}-lun-{}", portal_of(pool.source.hosts[0]), target_of(pool), unit.number);
    volume.target.path = volume.key;
    volume.target.format = "raw";
    volume.capacity = volume.allocation = volume.physical = ByteCount{unit.size()};
    return volume;
}

/// Of a volume's name.
int unit_number(const model::Volume& volume) {
    int number = 0;
    const auto digits = std::string_view(volume.name).substr(volume.name.rfind(':') + 1);
    std::from_chars(digits.data(), digits.data() + digits.size(), number);
    return number;
}

constexpr std::string_view setup = R"(`vol-create-from` copies its units into other pools.
)";

class IscsiDirect final : public Kind {
public:
    IscsiDirect()
        : Kind({
              .name = "iscsi-direct",
              .about = "an iSCSI target that the daemon and QEMU log in to by themselves, and its units",
              .usage = setup,
              .can = abilities_of<Kind, IscsiDirect>(),
              .reach = Reach::server,
              .needs = {{"libiscsi", {"libiscsi7"}}},
              .block_driver = "iscsi",
              .logs_in = true,
          }) {}

    void admit(model::Pool& pool) const override {
        admit_target(pool);
        if (!pool.source.initiator || pool.source.initiator->empty())
            throw Error(ErrorCode::xml_error, ErrorDomain::storage, "XML error: missing initiator IQN")
                .hint("write <source>...<initiator><iqn name='iqn.2026-01.org.example:host'/></initiator></source>");
    }

    std::string source(const model::Pool& pool) const override { return target_source(pool); }

    Place place(const model::Pool& pool, const model::Volume& volume,
                std::optional<model::VolumeMode> mode) const override {
        if (mode == model::VolumeMode::host)
            throw Error(
                ErrorCode::config_unsupported, ErrorDomain::storage,
                "unsupported configuration: the host has no device for a volume of a pool of type 'iscsi-direct'")
                .hint("leave mode='host' out, or use a pool for which the host itself logs in to the target");
        return direct_place(pool, volume);
    }

    Task<> start(Definition, Site) const override { co_return; } // looking needs a session of its own anyway

    Task<Contents> look(Definition pool, Site site) const override {
        auto login = co_await login_of(pool, site);
        auto work = [pool, login = std::move(login)] {
            IscsiSession session(login, target_of(*pool));
            Contents contents;
            for (const auto& unit : session.units()) {
                contents.volumes.push_back(volume_of(*pool, unit));
                contents.capacity.bytes += unit.size();
            }
            contents.allocation = contents.capacity;
            return contents;
        };
        auto contents = co_await site.block(std::move(work));
        co_return contents;
    }

    Task<> wipe(Definition pool, VolumePtr volume, unsigned algorithm, Site site) const override {
        constexpr unsigned zero = 0; // virStorageVolWipeAlgorithm
        if (algorithm != zero)
            throw Error(ErrorCode::operation_unsupported, ErrorDomain::storage,
                        fmt::format("wiping algorithm {} is not supported by pools of type 'iscsi-direct'", algorithm))
                .hint("take the algorithm 'zero'");
        auto login = co_await login_of(pool, site);
        auto work = [pool, volume, login = std::move(login), progress = site.progress()] {
            constexpr std::uint64_t most_at_once = 16u << 20; // bytes
            IscsiSession session(login, target_of(*pool));
            const auto unit = session.unit(unit_number(*volume));
            progress->expect(unit.size());
            for (std::uint64_t at = 0, count = 0; at < unit.blocks; at += count) {
                progress->check();
                count = std::min<std::uint64_t>(unit.blocks - at, most_at_once / unit.block_size);
                session.clear(unit, at, count);
                progress->advance(count * unit.block_size);
            }
            session.flush(unit);
        };
        co_await site.block(std::move(work));
    }

    Task<std::string> image_name(Definition pool, VolumePtr volume, std::string key, std::shared_ptr<Command> command,
                                 Site site) const override {
        const auto login = co_await login_of(pool, site);
        json::object unit{
            {"driver", "iscsi"}, {"transport", "tcp"}, {"portal", login.portal}, {"target", target_of(*pool)}};
        unit["lun"] = unit_number(*volume);
        unit["initiator-name"] = login.initiator;
        if (!login.user.empty()) {
            pass_secret(*command, key, login.password.view());
            unit["user"] = login.user;
            unit["password-secret"] = key;
        }
        const json::object image{{"driver", "raw"}, {"file", std::move(unit)}};
        co_return node_name(image);
    }

    /// QEMU itself goes on connecting for ever.
    Task<> require_answer(Definition pool, Site site) const override {
        auto login = co_await login_of(pool, site);
        auto work = [pool, login = std::move(login)] { IscsiSession session(login, target_of(*pool)); };
        co_await site.block(std::move(work));
    }

    Task<std::shared_ptr<VolumeData>> open(Definition pool, VolumePtr volume, Site site) const override {
        auto login = co_await login_of(pool, site);
        auto work = [pool, volume, login = std::move(login)]() -> std::shared_ptr<VolumeData> {
            return std::make_shared<IscsiData>(login, target_of(*pool), unit_number(*volume));
        };
        auto data = co_await site.block(std::move(work));
        co_return data;
    }

    Task<std::vector<model::PoolSource>> find_sources(model::PoolSource wanted, Site site) const override {
        if (wanted.hosts.size() != 1 || wanted.hosts[0].name.empty())
            throw Error(ErrorCode::invalid_arg, ErrorDomain::storage,
                        "invalid argument: hostname must be specified for iscsi-direct sources")
                .hint("domus find-storage-pool-sources-as iscsi-direct SERVER --initiator IQN");
        if (!wanted.initiator)
            throw Error(ErrorCode::invalid_arg, ErrorDomain::storage,
                        "invalid argument: initiator IQN must be specified for iscsi-direct sources")
                .hint("domus find-storage-pool-sources-as iscsi-direct SERVER --initiator IQN");
        IscsiLogin login;
        login.portal = portal_of(wanted.hosts[0]);
        login.initiator = *wanted.initiator;
        auto work = [login] { return iscsi_targets(login); };
        const auto names = co_await site.block(std::move(work));
        std::vector<model::PoolSource> sources;
        for (const auto& target : names) {
            auto& source = sources.emplace_back();
            source.hosts = wanted.hosts;
            source.devices.emplace_back().path = target;
            source.initiator = wanted.initiator;
        }
        co_return sources;
    }

private:
    static Task<IscsiLogin> login_of(Definition pool, Site site) {
        IscsiLogin login;
        login.portal = portal_of(pool->source.hosts[0]);
        login.initiator = *pool->source.initiator;
        if (pool->source.auth) {
            login.user = *pool->source.auth->username;
            login.password = co_await target_password(pool, site);
        }
        co_return login;
    }
};

} // namespace

const Kind& kind_iscsi_direct() {
    static const IscsiDirect kind;
    return kind;
}

} // namespace domus::storage
