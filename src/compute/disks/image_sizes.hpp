// How large the images of disks are: for `domblkinfo` and `domstats --block`, of domains that run and of those that do not.
#pragma once

#include "async/lane.hpp"
#include "base/bytes.hpp"

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace domus::compute {

struct ImageSizes {
    ByteCount capacity;   ///< what the guest sees
    ByteCount allocation; ///< what it takes on the host
    ByteCount physical;   ///< length of the file or device
};

/// Reads the header as one of `format`: what a guest wrote into a raw image is no header. Blocks; throws.
ImageSizes read_image_sizes(const std::string& path, const std::string& format);

struct ImageName {
    std::string path, format;
};

/// Reads many images, several at a time. One whose storage hangs is left out, and not asked again until it has answered.
class ImageSizeReader {
public:
    explicit ImageSizeReader(Executor executor) : executor_(executor), lane_(executor, "the sizes of images", 8) {}

    /// In the order of `images`; nothing for those that cannot be read by then.
    Task<std::vector<std::optional<ImageSizes>>> read(std::vector<ImageName> images, Deadline by);

private:
    struct Batch;
    Task<> run(std::shared_ptr<Batch> batch, std::shared_ptr<std::size_t> running, std::shared_ptr<Notice> done,
               Deadline by);

    Executor executor_;
    Lane lane_;
    std::map<std::string, std::weak_ptr<Batch>>
        hanging_; ///< by path: the reads that were given up; gone when they have ended
};

} // namespace domus::compute
