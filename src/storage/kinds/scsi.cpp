// Pool type 'scsi': the logical units that a SCSI or Fibre Channel adapter of the host sees.
#include "storage/scsi_units.hpp"

#include <fmt/format.h>

#include <charconv>

namespace domus::storage {

namespace {

/// "host3", or the older "scsi_host3".
unsigned host_of(const model::Pool& pool) {
    std::string_view name = *pool.source.adapter.name;
    if (name.starts_with("scsi_")) name.remove_prefix(5);
    unsigned number = 0;
    const auto read = name.starts_with("host") ? std::from_chars(name.data() + 4, name.data() + name.size(), number)
                                               : std::from_chars_result{name.data(), std::errc::invalid_argument};
    if (read.ec != std::errc() || read.ptr != name.data() + name.size())
        throw Error(ErrorCode::xml_error, ErrorDomain::storage,
                    fmt::format("XML error: '{}' is not the name of a SCSI adapter", *pool.source.adapter.name))
            .hint("write <adapter type='scsi_host' name='host3'/>; see /sys/class/scsi_host");
    return number;
}

class Scsi final : public Kind {
public:
    Scsi()
        : Kind({
              .name = "scsi",
              .about = "a SCSI adapter of the host, and its units",
              .can = abilities_of<Kind, Scsi>(),
          }) {}

    void admit(model::Pool& pool) const override {
        auto& adapter = pool.source.adapter;
        if (adapter.type == "fc_host")
            throw Error(ErrorCode::config_unsupported, ErrorDomain::storage,
                        "unsupported configuration: adapters of type 'fc_host' are not made by this version")
                .hint("name the host that the adapter has: <adapter type='scsi_host' name='host3'/>");
        if (!adapter.name)
            throw Error(ErrorCode::xml_error, ErrorDomain::storage,
                        "XML error: missing storage pool source adapter name")
                .hint("write <source><adapter type='scsi_host' name='host3'/></source>");
        (void)host_of(pool);
        if (!adapter.type) adapter.type = "scsi_host";
        if (!pool.target) pool.target = "/dev/disk/by-path";
    }

    std::string source(const model::Pool& pool) const override {
        return fmt::format("SCSI adapter host{}", host_of(pool));
    }

    Task<> start(Definition pool, Site site) const override {
        auto work = [host = host_of(*pool)] {
            const auto there = scsi_hosts();
            if (std::ranges::find(there, host) == there.end())
                throw Error(ErrorCode::operation_failed, ErrorDomain::storage,
                            fmt::format("operation failed: there is no SCSI adapter 'host{}'", host))
                    .hint("see /sys/class/scsi_host");
        };
        return site.block(std::move(work));
    }

    Task<Contents> look(Definition pool, Site site) const override {
        auto work = [host = host_of(*pool), folder = *pool->target] {
            scan_scsi_host(host);
            return scsi_units(host, folder);
        };
        return site.block(std::move(work));
    }
};

} // namespace

const Kind& kind_scsi() {
    static const Scsi kind;
    return kind;
}

} // namespace domus::storage
