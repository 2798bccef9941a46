#include "compute/life/leases.hpp"

#include "base/log.hpp"
#include "image/lease.hpp"
#include "os/host_name.hpp"

#include <fcntl.h>
#include <fmt/format.h>

namespace domus::compute {

using namespace std::chrono_literals;

namespace {

constexpr auto timeout = 2s;

image::Lease lease_of(std::string domain, const Uuid& uuid) {
    return {.host = host_name(), .domain = std::move(domain), .uuid = uuid.text()};
}

bool lies_on_shared_storage(const std::string& image) {
    const UniqueFd fd(::open(image.c_str(), O_PATH | O_CLOEXEC));
    return fd && image::is_shared(fd.get());
}

/// In a lane of its own: storage that hangs holds up nobody else.
template <class Work>
Task<> for_each_image(Environment& environment, std::string domain, std::vector<std::string> images, Work work) {
    if (images.empty()) co_return;
    Lane lane(environment.executor, fmt::format("the notes beside images of domain '{}'", domain), 1);
    auto all = [images = std::move(images), work = std::move(work)] {
        for (const auto& image : images) work(image);
    };
    std::exception_ptr failure;
    try {
        co_await lane.run(Deadline::in(timeout), std::move(all));
    } catch (...) {
        failure = std::current_exception();
    }
    if (failure) log::warning("domain '{}': {}", domain, describe(failure));
}

} // namespace

std::vector<std::string> written_images(const model::Disk& disk) {
    const bool writes = disk.type == model::DiskType::file && !disk.readonly && !disk.transient
                        && disk.device != model::DiskDevice::cdrom;
    if (!writes || !disk.source.file) return {};
    return {*disk.source.file};
}

std::vector<std::string> written_images(const model::Domain& live) {
    std::vector<std::string> all;
    for (const auto& disk : live.devices.disks)
        for (auto& image : written_images(disk)) all.push_back(std::move(image));
    return all;
}

Task<> write_leases(Environment& environment, std::string domain, Uuid uuid, std::vector<std::string> images,
                    Credentials caller) {
    auto work = [lease = lease_of(domain, uuid), caller](const std::string& image) {
        if (lies_on_shared_storage(image)) image::write_lease(caller, image, lease);
    };
    return for_each_image(environment, std::move(domain), std::move(images), std::move(work));
}

Task<> remove_leases(Environment& environment, std::string domain, Uuid uuid, std::vector<std::string> images) {
    auto work = [lease = lease_of(domain, uuid)](const std::string& image) { image::remove_lease(image, lease); };
    return for_each_image(environment, std::move(domain), std::move(images), std::move(work));
}

} // namespace domus::compute
