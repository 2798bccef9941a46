#include "storage/gluster_listing.hpp"

namespace domus::storage {

const format::Schema& GlusterListing::schema() {
    static const format::Schema table = format::Describe<GlusterListing>("listing", "What a volume of Gluster holds.")
                                            .scaled("capacity", &GlusterListing::capacity, "bytes", "bytes", "how much it holds")
                                            .scaled("available", &GlusterListing::available, "bytes", "bytes", "how much is free")
                                            .field("volume", &GlusterListing::volumes);
    return table;
}

} // namespace domus::storage
