// Pool type 'mpath': the multipath devices of the host, by dmsetup(8). There is one such pool.
#include "storage/block_volume.hpp"

#include <fmt/format.h>

#include <sstream>

namespace domus::storage {

namespace {

class Multipath final : public Kind {
public:
    Multipath()
        : Kind({
              .name = "mpath",
              .about = "the multipath devices of the host",
              .can = abilities_of<Kind, Multipath>(),
              .needs = {{"dmsetup", {"dmsetup"}}},
          }) {}
    std::optional<Watched> watched(const model::Pool& pool) const override { return Watched{*pool.target, false, {}}; }

    void admit(model::Pool& pool) const override { pool.target = "/dev/mapper"; }
    std::string source(const model::Pool&) const override { return "multipath devices of this host"; }
    Task<> start(Definition, Site) const override { co_return; }

    Task<Contents> look(Definition pool, Site site) const override {
        std::vector<std::string> arguments{"ls", "--target", "multipath"};
        const auto listing = co_await site.run("dmsetup", std::move(arguments), "list multipath devices");
        auto work = [listing, folder = *pool->target] { return describe(listing, folder); };
        auto contents = co_await site.block(std::move(work));
        co_return contents;
    }

private:
    /// "mpatha  (253:0)" a line; "No devices found" where there are none.
    static Contents describe(const std::string& listing, const std::string& folder) {
        Contents contents;
        std::istringstream lines(listing);
        for (std::string line; std::getline(lines, line);) {
            std::istringstream words(line);
            std::string name, number;
            if (!(words >> name >> number) || !number.starts_with('(')) continue;
            const auto path = fmt::format("{}/{}", folder, name);
            auto volume = read_block_volume(path, name, path);
            contents.capacity.bytes += volume.capacity->bytes;
            contents.volumes.push_back(std::move(volume));
        }
        contents.allocation = contents.capacity;
        return contents;
    }
};

} // namespace

const Kind& kind_multipath() {
    static const Multipath kind;
    return kind;
}

} // namespace domus::storage
