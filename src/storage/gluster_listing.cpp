#include "storage/gluster_listing.hpp"

#include <filesystem>

namespace domus::storage {

const format::Schema& GlusterListing::schema() {
    static const format::Schema table =
        format::Describe<GlusterListing>("listing", "What a volume of Gluster holds.")
            .scaled("capacity", &GlusterListing::capacity, "bytes", "bytes", "how much it holds")
            .scaled("available", &GlusterListing::available, "bytes", "bytes", "how much is free")
            .field("volume", &GlusterListing::volumes);
    return table;
}

Command gluster_command(std::string what, std::string host, std::optional<unsigned> port, std::string volume,
                        std::string path) {
    Command command((std::filesystem::read_symlink("/proc/self/exe").parent_path() / "domus-gluster").string());
    command.arguments = {std::move(what), std::move(host), std::to_string(port.value_or(gluster_port)),
                         std::move(volume), std::move(path)};
    return command;
}

} // namespace domus::storage
