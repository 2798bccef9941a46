#include "compute/disks/image_sizes.hpp"

#include "async/spawn.hpp"
#include "image/header.hpp"
#include "os/files.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <iterator>
#include <mutex>

namespace domus::compute {

ImageSizes read_image_sizes(const std::string& path, const std::string& format) {
    const auto fd = open_file(path, O_RDONLY | O_NONBLOCK);
    struct stat info{};
    if (::fstat(fd.get(), &info) < 0) throw path_error(errno, "cannot look at", path);
    const auto header = image::read_header(fd.get(), format);
    const auto end = ::lseek(fd.get(), 0, SEEK_END);
    ImageSizes sizes;
    sizes.physical = {static_cast<std::uint64_t>(std::max<off_t>(end, 0))};
    sizes.capacity = header.virtual_size;
    sizes.allocation = S_ISREG(info.st_mode) ? ByteCount{static_cast<std::uint64_t>(info.st_blocks) * 512}
                                             : sizes.physical; // st_blocks: stat(2)
    return sizes;
}

/// Some images, one after the other on one thread. Shared with that thread, which may outlive the wait for it.
struct ImageSizeReader::Batch {
    std::vector<ImageName> images;

    void read() {
        for (const auto& image : images) {
            std::optional<ImageSizes> sizes;
            try {
                if (!image.path.empty()) sizes = read_image_sizes(image.path, image.format);
            } catch (const Error&) {
                // It is not there, or no image of that format.
            }
            const std::lock_guard lock(mutex_);
            sizes_.push_back(sizes);
        }
    }

    /// As far as it has come; the rest is empty.
    std::vector<std::optional<ImageSizes>> sizes() {
        const std::lock_guard lock(mutex_);
        auto known = sizes_;
        known.resize(images.size());
        return known;
    }

    /// The one that it is at; null if it is through.
    const ImageName* current() {
        const std::lock_guard lock(mutex_);
        return sizes_.size() < images.size() ? &images[sizes_.size()] : nullptr;
    }

private:
    std::mutex mutex_;
    std::vector<std::optional<ImageSizes>> sizes_;
};

Task<> ImageSizeReader::run(std::shared_ptr<Batch> batch, std::shared_ptr<std::size_t> running,
                            std::shared_ptr<Notice> done, Deadline by) {
    auto work = [batch] { batch->read(); };
    try {
        co_await lane_.run(by, std::move(work));
    } catch (const Error&) {
        // Not in time, or not begun: the batch says how far it came.
    }
    if (--*running == 0) done->notify_all();
}

Task<std::vector<std::optional<ImageSizes>>> ImageSizeReader::read(std::vector<ImageName> images, Deadline by) {
    constexpr std::size_t batch_size = 32; // so that a thread is not woken for each
    std::erase_if(hanging_, [](const auto& entry) { return entry.second.expired(); });
    for (auto& image : images)
        if (hanging_.contains(image.path)) image.path.clear();
    std::vector<std::shared_ptr<Batch>> batches;
    for (std::size_t i = 0; i < images.size(); i += batch_size) {
        auto& batch = batches.emplace_back(std::make_shared<Batch>());
        batch->images.assign(images.begin() + static_cast<std::ptrdiff_t>(i),
                             images.begin() + static_cast<std::ptrdiff_t>(std::min(i + batch_size, images.size())));
    }
    const auto running = std::make_shared<std::size_t>(batches.size());
    const auto done = std::make_shared<Notice>(executor_);
    for (const auto& batch : batches) spawn(executor_, run(batch, running, done, by), "the sizes of images");
    if (*running > 0) (void)co_await done->wait(by);
    std::vector<std::optional<ImageSizes>> all;
    for (const auto& batch : batches) {
        std::ranges::move(batch->sizes(), std::back_inserter(all));
        if (const auto* hangs = batch->current()) hanging_[hangs->path] = batch;
    }
    co_return all;
}

} // namespace domus::compute
