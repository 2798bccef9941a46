// The real QEMU takes every command that is built: each definition is started, stopped as it stands, in a network
// namespace of its own, until the monitor answers; then what belongs to it is said to the monitor, and it quits.
#include "async/test_wait.hpp"
#include "base/error.hpp"
#include "engine/qemu/command.hpp"
#include "engine/qemu/test_domains.hpp"
#include "os/files.hpp"
#include "os/process.hpp"
#include "os/test_network.hpp"

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <gtest/gtest.h>

#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <algorithm>
#include <csignal>
#include <cstring>
#include <filesystem>
#include <fstream>

namespace domus::engine::qemu {
namespace {

namespace fs = std::filesystem;
namespace json = boost::json;

SharedFd shared(int fd) { return std::make_shared<UniqueFd>(fd); }

SharedFd open_shared(const fs::path& path, int flags) {
    auto fd = open_file(path, flags, 0600);
    return std::make_shared<UniqueFd>(std::move(fd));
}

/// The smallest file that QEMU takes for a Linux kernel (Documentation/arch/x86/boot.rst): a header, and nothing to
/// run.
SharedFd kernel() {
    std::string image(8192, '\0');
    image[0x1f1] = 1;
    image[0x1fe] = '\x55';
    image[0x1ff] = '\xaa';
    image.replace(0x202, 4, "HdrS");
    image[0x206] = 0x0c;
    image[0x207] = 0x02;
    image[0x211] = 1;
    image.replace(0x22c, 4, "\xff\xff\xff\x37"); // where the RAM disk may end
    return std::make_shared<UniqueFd>(make_memfd("kernel", image));
}

/// A tap device in a network namespace that nobody else has; gone with its descriptor.
std::vector<SharedFd> taps(unsigned queues) {
    std::vector<SharedFd> fds;
    (void)in_a_network_namespace([&] {
        ifreq request{};
        std::strcpy(request.ifr_name, "tap0");
        request.ifr_flags = static_cast<short>(IFF_TAP | IFF_NO_PI | IFF_VNET_HDR | (queues > 1 ? IFF_MULTI_QUEUE : 0));
        for (unsigned i = 0; i < queues; ++i) {
            UniqueFd fd(open("/dev/net/tun", O_RDWR | O_CLOEXEC));
            if (!fd || ioctl(fd.get(), TUNSETIFF, &request) != 0) return fds.clear();
            fds.push_back(std::make_shared<UniqueFd>(std::move(fd)));
        }
    });
    return fds;
}

class Acceptance : public testing::TestWithParam<std::string> {
protected:
    void SetUp() override {
        if (find_program("qemu-system-x86_64").empty()) GTEST_SKIP() << "qemu-system-x86_64 is not installed";
        if (geteuid() != 0) GTEST_SKIP() << "making tap devices and network namespaces needs root";
        std::string pattern = testing::TempDir() + "acceptXXXXXX";
        folder_ = mkdtemp(pattern.data());
        launch_ = test_launch();
        launch_.folder = folder_;
    }
    void TearDown() override {
        helpers_.clear();
        for (const auto& path : leftovers_) fs::remove(path);
        if (!folder_.empty()) fs::remove_all(folder_);
    }

    /// Puts files that exist in the place of those that the definition names, and takes away what needs hardware or
    /// programs that a build machine lacks.
    void adapt(model::Domain& domain) {
        for (auto& disk : domain.devices.disks) adapt(disk);
        for (auto& interface : domain.devices.interfaces) adapt(interface);
        for (auto* list : {&domain.devices.serials, &domain.devices.consoles, &domain.devices.channels})
            for (auto& device : *list) adapt(device);
        for (auto& filesystem : domain.devices.filesystems) adapt(filesystem);
        for (auto& shmem : domain.devices.shmems) {
            shmem.name = folder_.filename();
            leftovers_.push_back("/dev/shm/" + shmem.name);
        }
        domain.devices.tpms.clear();
        domain.devices.vsock.reset();
        domain.devices.hostdevs.clear();
        adapt(domain.os);
    }

    void adapt(model::Disk& disk) {
        if (disk.source.empty()) return;
        if (disk.type == model::DiskType::network) return export_image(disk);
        if (disk.type == model::DiskType::dir) {
            disk.source.dir = folder_ / "empty";
            fs::create_directory(*disk.source.dir);
            return;
        }
        auto& images = launch_.disks[*disk.alias];
        disk.type = model::DiskType::file;
        disk.source.dev.reset();
        disk.source.file = image(disk.target.dev, disk.driver.type.value_or("raw"));
        images.push_back(opened(*disk.source.file, disk.readonly));
        for (auto* below = &disk.backing_store; !below->empty() && below->front().type;
             below = &below->front().backing_store) {
            auto& source = below->front().source;
            source.file = image(disk.target.dev + std::to_string(images.size()), below->front().format.value_or("raw"));
            images.push_back(opened(*source.file, true));
        }
    }
    Launch::Image opened(const std::string& path, bool readonly) {
        return {{open_shared(path, readonly ? O_RDONLY : O_RDWR)}};
    }
    std::string image(const std::string& name, const std::string& format) {
        const auto path = (folder_ / name).string();
        Command create("qemu-img");
        create.arguments = {"create", "-q", "-f", format, path, "1440K"};
        run(create);
        return path;
    }

    /// Serves an image over NBD in the place of the server that the definition names.
    void export_image(model::Disk& disk) {
        auto& host = disk.source.hosts.front();
        host = {};
        host.transport = model::HostTransport::unix_socket;
        host.socket = (folder_ / (disk.target.dev + ".nbd")).string();
        Command serve("qemu-nbd");
        serve.arguments = {
            "-t", "-f", "raw", "-k", *host.socket, "-x", disk.source.name.value_or(""), image(disk.target.dev, "raw")};
        serve_until_there(serve, *host.socket);
    }

    void adapt(model::Filesystem& filesystem) {
        filesystem.source_dir = folder_;
        if (filesystem.driver.type != "virtiofs") return;
        const auto socket = (folder_ / (*filesystem.alias + "-fs.sock")).string();
        Command serve("/usr/lib/qemu/virtiofsd");
        serve.arguments = {"--socket-path=" + socket, "-o", "source=" + folder_.string(), "-o", "sandbox=chroot"};
        serve_until_there(serve, socket);
    }

    /// Whether somebody listens at a socket. Not tried by connecting: some take one client only.
    static bool answers(const std::string& socket) {
        std::ifstream table("/proc/net/unix"); // Num RefCount Protocol Flags Type St Inode Path
        constexpr auto listening = "00010000"; // __SO_ACCEPTCON of linux/net.h
        for (std::string entry; std::getline(table, entry);)
            if (entry.ends_with(" " + socket) && entry.find(listening) != entry.npos) return true;
        return false;
    }
    /// Starts a helper that ends with the test, and waits for its socket.
    void serve_until_there(const Command& command, const std::string& socket) {
        helpers_.push_back(Process::spawn(command));
        ASSERT_TRUE(comes_true([&] { return answers(socket); })) << command.text();
    }

    void adapt(model::Interface& interface) {
        using model::InterfaceType;
        if (interface.type != InterfaceType::bridge && interface.type != InterfaceType::network
            && interface.type != InterfaceType::direct)
            return;
        interface.driver.name.reset(); // no vhost here
        auto fds = taps(interface.driver.queues.value_or(1));
        ASSERT_FALSE(fds.empty()) << "no tap devices on this machine";
        launch_.interfaces[*interface.alias].taps = std::move(fds);
    }

    void adapt(model::CharacterDevice& device) {
        for (auto& source : device.sources)
            if (source.path) source.path = (folder_ / fs::path(*source.path).filename()).string();
        if (device.log) device.log->file = (folder_ / "character.log").string();
    }

    void adapt(model::Os& os) {
        if (os.kernel) launch_.kernel = kernel();
        if (os.initrd) launch_.initrd = std::make_shared<UniqueFd>(make_memfd("initrd", "nothing"));
        launch_.flash = flash_;
        if (launch_.flash.empty()) return;
        const auto variables = folder_ / "VARS.fd";
        fs::copy_file(launch_.flash.secure ? "/usr/share/OVMF/OVMF_VARS_4M.ms.fd" : "/usr/share/OVMF/OVMF_VARS_4M.fd",
                      variables);
        launch_.flash.variables = variables;
        launch_.flash.code_image = opened(launch_.flash.code, true);
        launch_.flash.variables_image = opened(variables, false);
    }

    void run(const Command& command) {
        auto process = Process::spawn(command);
        ASSERT_TRUE(comes_true([&] { return process.poll().has_value(); })) << command.text();
        ASSERT_TRUE(process.poll()->success()) << command.text();
    }

    /// A socket that listens at `path`, and where QEMU's output goes.
    void make_ends() {
        socket_path_ = (folder_ / "monitor").string();
        launch_.control = shared(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
        const auto address = monitor_address();
        ASSERT_EQ(bind(launch_.control->get(), reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
        ASSERT_EQ(listen(launch_.control->get(), 1), 0);
        launch_.log = open_shared(folder_ / "log", O_RDWR | O_CREAT | O_APPEND);
    }
    sockaddr_un monitor_address() const {
        sockaddr_un address{};
        address.sun_family = AF_UNIX;
        socket_path_.copy(address.sun_path, sizeof address.sun_path - 1);
        return address;
    }

    /// One line of the monitor; empty when it does not answer within `timeout`.
    std::string line(int fd) {
        for (;;) {
            if (const auto end = received_.find('\n'); end != received_.npos) {
                auto text = received_.substr(0, end);
                received_.erase(0, end + 1);
                return text;
            }
            pollfd wait{fd, POLLIN, 0};
            if (poll(&wait, 1, std::chrono::milliseconds(timeout).count()) != 1) return {};
            char bytes[4096];
            const auto count = read(fd, bytes, sizeof bytes);
            if (count <= 0) return {};
            received_.append(bytes, static_cast<std::size_t>(count));
        }
    }

    /// Sends a command and returns the answer, past events.
    json::object ask(int fd, const std::string& command, const json::object& arguments) {
        const auto text = json::serialize(json::object{{"execute", command}, {"arguments", arguments}}) + "\n";
        EXPECT_EQ(send(fd, text.data(), text.size(), MSG_NOSIGNAL), static_cast<ssize_t>(text.size()));
        for (;;) {
            const auto answer = line(fd);
            if (answer.empty()) return {{"error", "silence"}};
            auto parsed = json::parse(answer).as_object();
            if (!parsed.contains("event")) return parsed;
        }
    }

    void start(const model::Domain& domain) {
        make_ends();
        auto command = build_command(domain, test_capabilities(), launch_);
        // In a network of its own, so that ports and multicast disturb nobody.
        std::vector<std::string> wrapped{"-n",
                                         "--",
                                         "/bin/sh",
                                         "-c",
                                         "ip link set lo up multicast on; ip route add 224.0.0.0/4 dev lo; exec \"$@\"",
                                         "sh",
                                         command.program};
        wrapped.insert(wrapped.end(), command.arguments.begin(), command.arguments.end());
        const auto shown = command.text();
        command.program = "unshare";
        command.arguments = std::move(wrapped);
        auto process = Process::spawn(command);
        launch_.control.reset();
        command.fds.clear();
        converse(domain);
        const bool ended = comes_true([&] { return process.poll().has_value(); });
        const auto log = read_file(folder_ / "log", 1 << 20);
        EXPECT_TRUE(ended && process.poll()->success()) << shown << "\n" << log;
        EXPECT_EQ(log.find("warning"), log.npos) << shown << "\n" << log;
    }

    void converse(const model::Domain& domain) {
        UniqueFd monitor(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
        const auto address = monitor_address();
        ASSERT_EQ(connect(monitor.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
        const auto greeting = line(monitor.get());
        ASSERT_NE(greeting.find("\"QMP\""), greeting.npos) << read_file(folder_ / "log", 1 << 20);
        ask(monitor.get(), "qmp_capabilities", {});
        for (const auto& step : preparations(domain)) {
            const auto answer = ask(monitor.get(), step.command, step.arguments);
            EXPECT_TRUE(answer.contains("return")) << step.command << ": " << json::serialize(answer);
        }
        ask(monitor.get(), "quit", {});
    }

    fs::path folder_;
    Launch launch_;
    Launch::Flash flash_;
    std::vector<std::string> leftovers_;
    std::vector<Process> helpers_;
    std::string socket_path_;
    std::string received_;
};

TEST_P(Acceptance, qemu_starts_with_the_command) {
    auto domain = started_test_domain(GetParam());
    flash_ = test_launch(domain).flash;
    if (!flash_.empty() && !fs::exists(flash_.code)) GTEST_SKIP() << "the package ovmf is not installed";
    adapt(domain);
    if (HasFatalFailure()) return;
    start(domain);
}

INSTANTIATE_TEST_SUITE_P(Definitions, Acceptance, testing::ValuesIn(test_domain_names()), [](const auto& each) {
    auto name = each.param;
    std::ranges::replace(name, '-', '_');
    return name;
});

} // namespace
} // namespace domus::engine::qemu
