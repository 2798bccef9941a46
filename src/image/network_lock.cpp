#include "image/network_lock.hpp"

#include "image/holder.hpp"
#include "os/files.hpp"

#include <boost/uuid/name_generator_sha1.hpp>
#include <boost/uuid/uuid_io.hpp>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <chrono>
#include <thread>

namespace domus::image {

namespace {

using namespace std::chrono_literals;
namespace fs = std::filesystem;

/// A name of any length and with any letters, as that of a file.
fs::path file_of(const fs::path& folder, const std::string& source) {
    const boost::uuids::name_generator_sha1 generate(boost::uuids::ns::url());
    return folder / to_string(generate(source));
}

/// Nobody begins to use it between the look and the removal: who opened it before sees that it has gone.
void remove_unused(const fs::path& folder) {
    for (const auto& name : names_in(folder)) {
        const auto path = folder / name;
        const UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
        if (fd && claim_alone(fd.get())) ::unlink(path.c_str());
    }
}

bool has_gone(int fd) {
    struct stat info{};
    return ::fstat(fd, &info) == 0 && info.st_nlink == 0;
}

Error in_use(const std::string& source, const std::string& path, const std::optional<Holder>& holder) {
    return Error(ErrorCode::resource_busy, ErrorDomain::locking,
                 fmt::format("resource busy: the image '{}' is in use by {}", source,
                             holder ? holder->text() : "somebody else"))
        .hint(way_out(holder, path));
}

} // namespace

UniqueFd lock_network_image(const fs::path& folder, const std::string& source, std::optional<Claim> how) {
    ensure_directory(folder, 0700);
    remove_unused(folder);
    const auto path = file_of(folder, source).string();
    constexpr int attempts = 10; // a process that ends has its locks for a moment longer than its name
    for (int attempt = 1;; ++attempt) {
        UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0600));
        if (!fd) throw path_error(errno, "cannot lock a network image by", path);
        if (how ? claim(fd.get(), *how) : claim_alone(fd.get())) {
            if (!has_gone(fd.get())) return fd;
            continue; // another one's remove_unused() was faster
        }
        const auto holder = find_holder(fd.get(), path);
        const bool passing = !holder || holder->pid == ::getpid(); // or somebody else's remove_unused()
        if (attempt >= attempts || !passing) throw in_use(source, path, holder);
        std::this_thread::sleep_for(100ms);
    }
}

} // namespace domus::image
