// Snapshots inside the images of a domain: looked for, made, gone back to and deleted, by qemu-img while it does not run,
// as the caller so that it may do no more than they.
#include "compute/snapshots/snapshot_change.hpp"

#include "async/lane.hpp"
#include "async/process_wait.hpp"
#include "base/log.hpp"
#include "compute/disks/disk_volumes.hpp"
#include "compute/snapshots/snapshot_plan.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <unistd.h>

namespace domus::compute {

using namespace std::chrono_literals;

namespace {

constexpr auto image_timeout = 10min;

/// qemu-img snapshot OPTION TAG IMAGE
Task<> change_image(Environment& environment, Credentials caller, std::string option, std::string tag,
                    const model::Disk* disk) {
    const auto opened = co_await placed(environment, *disk);
    if (opened.type != model::DiskType::file && opened.type != model::DiskType::block)
        throw Error(ErrorCode::config_unsupported, ErrorDomain::qemu,
                    fmt::format("unsupported configuration: internal snapshot for disk {} unsupported for {} disks "
                                "while the domain is off",
                                disk->target.dev, format::word(opened.type)))
            .hint("make it while the domain runs");
    Command command("qemu-img");
    const auto image = opened.source.text();
    command.arguments = {"snapshot", option, tag, image};
    if (::geteuid() == 0 && !caller.root()) {
        command.uid = caller.uid;
        command.gid = caller.gid;
        command.groups = caller.groups;
    }
    const auto done = co_await run_command(std::move(command), Deadline::in(image_timeout));
    if (done.status.success()) co_return;
    throw Error(ErrorCode::operation_failed, ErrorDomain::qemu,
                fmt::format("operation failed: 'qemu-img snapshot {}' of '{}' {}", option, image, done.status.text()))
        .because(done.err);
}

/// Images of a snapshot that is inside them.
struct Images {
    std::vector<std::string> here; ///< paths of those on this host
    std::size_t elsewhere = 0;
};

/// As the definition has them: the snapshot's own or the domain's present one.
Task<Images> images_of(DomainPtr domain, model::Snapshot snapshot, model::Domain definition) {
    Images images;
    for (const auto* disk : internal_disks(snapshot, definition)) {
        const auto opened = co_await placed(domain->environment(), *disk);
        if (is_here(opened))
            images.here.push_back(opened.source.text());
        else
            ++images.elsewhere;
    }
    co_return images;
}

/// Runs the work in a lane of its own: an image that hangs holds up nobody else.
template <class Work> Task<std::invoke_result_t<Work>> read_images(DomainPtr domain, Work work) {
    Lane lane(domain->environment().executor, fmt::format("the images of domain '{}'", domain->name()), 1);
    auto result = co_await lane.run(Deadline::in(file_timeout), std::move(work));
    co_return result;
}

} // namespace

Task<InImages> look_into_images(DomainPtr domain, model::Snapshot snapshot) {
    auto definition = domain->running()      ? *domain->running()->domain
                      : domain->definition() ? parse_definition(*domain->definition())
                                             : *snapshot.domain;
    auto images = co_await images_of(domain, snapshot, std::move(definition));
    InImages found;
    found.images = images.here.size();
    found.elsewhere = images.elsewhere;
    auto work = [paths = std::move(images.here), name = *snapshot.name] {
        return static_cast<std::size_t>(
            std::ranges::count_if(paths, [&](const auto& path) { return image_has_snapshot(path, name); }));
    };
    found.have_it = co_await read_images(domain, std::move(work));
    co_return found;
}

/// One that an image has and the domain does not know would be mixed up with the new one.
Task<> require_new_in_images(DomainPtr domain, model::Snapshot snapshot) {
    const auto found = co_await look_into_images(domain, snapshot);
    if (found.have_it == 0) co_return;
    throw Error(
        ErrorCode::operation_failed, ErrorDomain::qemu,
        fmt::format(
            "operation failed: an image of domain '{}' already has a snapshot '{}', which the domain does not know",
            domain->name(), *snapshot.name))
        .hint(fmt::format("choose another name, or remove it: 'qemu-img snapshot -d {} IMAGE'", *snapshot.name));
}

/// Before something is given up for it.
Task<> require_in_images(DomainPtr domain, model::Snapshot snapshot) {
    auto images = co_await images_of(domain, snapshot, *snapshot.domain);
    auto work = [paths = std::move(images.here), name = *snapshot.name] {
        const auto found =
            std::ranges::find_if(paths, [&](const auto& path) { return !image_has_snapshot(path, name); });
        return found == paths.end() ? std::string{} : *found;
    };
    const auto without = co_await read_images(domain, std::move(work));
    if (without.empty()) co_return;
    throw Error(ErrorCode::operation_failed, ErrorDomain::qemu,
                fmt::format("operation failed: '{}' has no snapshot '{}'", without, *snapshot.name))
        .hint(fmt::format("'qemu-img snapshot -l {}' shows what it has", without));
}

/// QEMU itself loads memory by the name alone, which it takes for an id first.
Task<> require_unmistakable(DomainPtr domain, model::Snapshot snapshot) {
    auto images = co_await images_of(domain, snapshot, *snapshot.domain);
    auto work = [paths = std::move(images.here), name = *snapshot.name] {
        for (const auto& path : paths)
            if (auto other = snapshot_mistaken_for(path, name)) return other;
        return std::optional<std::string>{};
    };
    const auto other = co_await read_images(domain, std::move(work));
    if (!other) co_return;
    throw Error(
        ErrorCode::operation_failed, ErrorDomain::qemu,
        fmt::format(
            "operation failed: QEMU would take '{}' for snapshot '{}', whose number in an image of domain '{}' it is",
            *snapshot.name, *other, domain->name()))
        .hint(fmt::format("names that are no numbers are safe; '{}' can be used once '{}' is deleted", *snapshot.name,
                          *other));
}

/// All or none of the images have it afterwards.
Task<> make_in_images(DomainPtr domain, Credentials caller, model::Snapshot snapshot, model::Domain definition) {
    auto& environment = domain->environment();
    const auto& tag = *snapshot.name;
    const auto disks = internal_disks(snapshot, definition);
    std::exception_ptr failure;
    std::size_t made = 0;
    try {
        for (; made < disks.size(); ++made) co_await change_image(environment, caller, "-c", tag, disks[made]);
    } catch (...) {
        failure = std::current_exception();
    }
    if (!failure) co_return;
    for (std::size_t i = 0; i < made; ++i) {
        std::exception_ptr trouble;
        try {
            co_await change_image(environment, caller, "-d", tag, disks[i]);
        } catch (...) {
            trouble = std::current_exception();
        }
        if (trouble) log::error("a part of snapshot '{}' stays behind: {}", tag, describe(trouble));
    }
    std::rethrow_exception(failure);
}

Task<> apply_to_images(DomainPtr domain, model::Snapshot snapshot, Credentials caller) {
    for (const auto* disk : internal_disks(snapshot, *snapshot.domain)) {
        const auto opened = co_await placed(domain->environment(), *disk);
        auto reference = *snapshot.name;
        if (is_here(opened)) {
            auto work = [path = opened.source.text(), name = *snapshot.name] { return snapshot_reference(path, name); };
            reference = co_await read_images(domain, std::move(work));
        }
        co_await change_image(domain->environment(), caller, "-a", std::move(reference), disk);
    }
}

Task<> drop_from_images(DomainPtr domain, model::Snapshot snapshot, Credentials caller) {
    if (domain->running()) {
        const auto running = domain->running();
        auto disks = disks_of(snapshot, *running->domain);
        co_await running->guest().delete_snapshot(*snapshot.name, std::move(disks));
        co_return;
    }
    const auto definition = domain->definition() ? parse_definition(*domain->definition()) : *snapshot.domain;
    for (const auto* disk : internal_disks(snapshot, definition)) {
        std::exception_ptr failure;
        try {
            co_await change_image(domain->environment(), caller, "-d", *snapshot.name, disk);
        } catch (...) {
            failure = std::current_exception();
        }
        if (!failure) continue;
        // An image that was replaced since has none of it: that must not keep the rest.
        const auto opened = co_await placed(domain->environment(), *disk);
        auto look = [path = opened.source.text(), name = *snapshot.name] {
            try {
                return image_has_snapshot(path, name);
            } catch (const std::exception&) {
                return false;
            }
        };
        const bool still_there = co_await read_images(domain, std::move(look));
        if (still_there) std::rethrow_exception(failure);
        log::warning("domain '{}': snapshot '{}' is not removed from '{}': {}", domain->name(), *snapshot.name,
                     disk->source.text(), describe(failure));
    }
}

} // namespace domus::compute
