// domus-gluster: looks into a volume of Gluster, removes a file from it, or asks who may use one, for the daemon. A program of
// its own, since libgfapi waits for servers for minutes and starts threads, and is there only where its package is installed.
//
//     domus-gluster look HOST PORT VOLUME FOLDER            the document of gluster_listing.hpp
//     domus-gluster remove HOST PORT VOLUME FILE
//     domus-gluster read|write HOST PORT VOLUME FILE [UID GID]   ends with gluster_not_permitted if that user may not
#include "format/xml.hpp"
#include "os/files.hpp"
#include "storage/gluster_listing.hpp"
#include "storage/volume_file.hpp"

#include <dirent.h>
#include <dlfcn.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <grp.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <cstdlib>
#include <iostream>

namespace {

using namespace domus;

constexpr std::size_t longest_header = 64u << 10;

struct Volume;
struct File;

/// libgfapi's functions (api/src/glfs.h of Gluster), looked up when the program runs.
struct Library {
    Volume* (*make)(const char* name);
    int (*set_server)(Volume*, const char* transport, const char* host, int port);
    int (*set_logging)(Volume*, const char* file, int level);
    int (*init)(Volume*);
    File* (*opendir)(Volume*, const char* path);
    dirent* (*readdirplus)(File*, struct stat*);
    File* (*open)(Volume*, const char* path, int flags);
    ssize_t (*read)(File*, void*, std::size_t, int flags);
    int (*close)(File*);
    int (*statvfs)(Volume*, const char* path, struct statvfs*);
    int (*unlink)(Volume*, const char* path);
    int (*access)(Volume*, const char* path, int mode);
    int (*stat)(Volume*, const char* path, struct stat*);

    Library() {
        handle_ = ::dlopen("libgfapi.so.0", RTLD_NOW | RTLD_LOCAL);
        if (!handle_) {
            std::cerr << ::dlerror() << '\n';
            std::exit(storage::gluster_library_missing);
        }
        find(make, "glfs_new");
        find(set_server, "glfs_set_volfile_server");
        find(set_logging, "glfs_set_logging");
        find(init, "glfs_init");
        find(opendir, "glfs_opendir");
        find(readdirplus, "glfs_readdirplus");
        find(open, "glfs_open");
        find(read, "glfs_read");
        find(close, "glfs_close");
        find(statvfs, "glfs_statvfs");
        find(unlink, "glfs_unlink");
        find(access, "glfs_access");
        find(stat, "glfs_stat");
    }

private:
    template <class Function> void find(Function& function, const char* name) {
        function = reinterpret_cast<Function>(::dlsym(handle_, name));
        if (!function)
            throw Error(ErrorCode::no_support, ErrorDomain::storage, fmt::format("libgfapi has no '{}'", name));
    }
    void* handle_;
};

/// The beginning of a file as a file of ours, as long as that one.
UniqueFd fetch_header(const Library& library, Volume* volume, const std::string& path, off_t size) {
    UniqueFd copy(::memfd_create("header", MFD_CLOEXEC));
    auto* file = library.open(volume, path.c_str(), O_RDONLY);
    if (!file) throw path_error(errno, "cannot open", path);
    std::string header(longest_header, '\0');
    const auto n = library.read(file, header.data(), header.size(), 0);
    const int failure = errno;
    library.close(file);
    if (n < 0) throw path_error(failure, "cannot read", path);
    write_all(copy.get(), std::string_view(header.data(), static_cast<std::size_t>(n)), path);
    if (::ftruncate(copy.get(), size) < 0) throw path_error(errno, "cannot copy", path);
    return copy;
}

storage::GlusterListing look(const Library& library, Volume* volume, const std::string& name,
                             const std::string& folder) {
    storage::GlusterListing listing;
    struct statvfs sizes{};
    if (library.statvfs(volume, folder.c_str(), &sizes) < 0) throw path_error(errno, "cannot look at", folder);
    listing.capacity = {sizes.f_frsize * sizes.f_blocks};
    listing.available = {sizes.f_frsize * sizes.f_bavail};
    auto* entries = library.opendir(volume, folder.c_str());
    if (!entries) throw path_error(errno, "cannot list", folder);
    struct stat info{};
    while (const auto* entry = library.readdirplus(entries, &info)) {
        const std::string file = entry->d_name;
        if (file == "." || file == "..") continue;
        const auto path = folder + file;
        const auto fd = S_ISREG(info.st_mode) ? fetch_header(library, volume, path, info.st_size) : UniqueFd();
        auto known = storage::describe_file(fd.get(), info, name + path, file);
        if (known) listing.volumes.push_back(std::move(*known));
    }
    return listing;
}

/// The server looks at the user of the process that asks.
void become(const std::string& uid, const std::string& gid) {
    const auto group = static_cast<gid_t>(std::stoul(gid));
    const auto user = static_cast<uid_t>(std::stoul(uid));
    if (::setgroups(1, &group) < 0 || ::setresgid(group, group, group) < 0 || ::setresuid(user, user, user) < 0)
        throw system_error(errno, "cannot become uid " + uid, ErrorDomain::storage);
}

/// The brick looks at owner and mode; opening would succeed, since the client defers it.
void require_access(const Library& library, Volume* volume, const std::string& path, bool writes) {
    if (library.access(volume, path.c_str(), writes ? R_OK | W_OK : R_OK) == 0) return;
    if (errno != EACCES && errno != EPERM) throw path_error(errno, "cannot look at", path);
    struct stat info{};
    std::cerr << "uid " << ::getuid() << " may not";
    if (library.stat(volume, path.c_str(), &info) == 0)
        std::cerr << fmt::format(": it belongs to uid {}, gid {} and has mode {:04o}", info.st_uid, info.st_gid,
                                 info.st_mode & 07777u);
    std::cerr << '\n';
    std::cerr.flush();
    ::_exit(storage::gluster_not_permitted);
}

void run(const std::vector<std::string>& arguments) {
    if (arguments.size() == 7) become(arguments[5], arguments[6]);
    const auto& [what, host, port, name, path] =
        std::tie(arguments[0], arguments[1], arguments[2], arguments[3], arguments[4]);
    const Library library;
    auto* volume = library.make(name.c_str());
    const bool ready = volume && library.set_server(volume, "tcp", host.c_str(), std::atoi(port.c_str())) == 0
                       && library.set_logging(volume, "/dev/null", 0) == 0 && library.init(volume) == 0;
    if (!ready)
        throw system_error(errno, fmt::format("cannot enter volume '{}' of Gluster at {}:{}", name, host, port),
                           ErrorDomain::storage);
    if (what == "remove") {
        if (library.unlink(volume, path.c_str()) < 0) throw path_error(errno, "cannot remove", path);
        return;
    }
    if (what != "look") return require_access(library, volume, path, what == "write");
    std::cout << format::to_xml(look(library, volume, name, path), {.live = true, .secrets = false});
}

} // namespace

int main(int count, char** arguments) {
    const std::vector<std::string> given(arguments + 1, arguments + count);
    const bool asks = !given.empty() && (given[0] == "read" || given[0] == "write");
    const bool changes_or_looks = !given.empty() && (given[0] == "look" || given[0] == "remove");
    if (!(given.size() == 5 && (asks || changes_or_looks)) && !(given.size() == 7 && asks)) {
        std::cerr << "domus-gluster look|remove|read|write HOST PORT VOLUME PATH [UID GID]\n";
        return 2;
    }
    try {
        run(given);
    } catch (const std::exception& error) {
        std::cerr << error.what() << '\n';
        return 1;
    }
    // Without the library's good-byes, which take ten seconds.
    std::cout.flush();
    ::_exit(std::cout.good() ? 0 : 1);
}
