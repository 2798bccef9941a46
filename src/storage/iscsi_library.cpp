#include "storage/iscsi_library.hpp"

#include <dlfcn.h>
#include <fmt/format.h>
#include <iscsi/iscsi.h>
#include <iscsi/scsi-lowlevel.h>

#include <algorithm>

namespace domus::storage {

namespace {

constexpr auto file_name = "libiscsi.so.7";
constexpr int timeout = 20; // seconds for each answer

/// What of the library is used.
struct Library {
    decltype(&::iscsi_create_context) create;
    decltype(&::iscsi_destroy_context) destroy;
    decltype(&::iscsi_set_session_type) set_session_type;
    decltype(&::iscsi_set_targetname) set_target;
    decltype(&::iscsi_set_initiator_username_pwd) set_user;
    decltype(&::iscsi_set_timeout) set_timeout;
    decltype(&::iscsi_set_noautoreconnect) set_no_reconnect;
    decltype(&::iscsi_connect_sync) connect;
    decltype(&::iscsi_login_sync) login;
    decltype(&::iscsi_logout_sync) logout;
    decltype(&::iscsi_get_error) error;
    decltype(&::iscsi_discovery_sync) discover;
    decltype(&::iscsi_free_discovery_data) free_discovery;
    decltype(&::iscsi_reportluns_sync) report_units;
    decltype(&::iscsi_testunitready_sync) test_unit;
    decltype(&::iscsi_inquiry_sync) inquire;
    decltype(&::iscsi_readcapacity16_sync) read_capacity;
    decltype(&::iscsi_writesame16_sync) write_same;
    decltype(&::iscsi_read16_sync) read;
    decltype(&::iscsi_write16_sync) write;
    decltype(&::iscsi_synchronizecache16_sync) synchronize;
    decltype(&::scsi_datain_unmarshall) unmarshal;
    decltype(&::scsi_free_scsi_task) free_task;
};

Error unusable(const char* why) {
    return Error(ErrorCode::no_support, ErrorDomain::storage,
                 fmt::format("the library '{}' cannot be loaded", file_name))
        .because(why ? why : "")
        .hint("install its package with 'apt install libiscsi7'");
}

template <class Function> void load(void* handle, const char* name, Function& function) {
    function = reinterpret_cast<Function>(::dlsym(handle, name));
    if (!function) throw unusable(::dlerror());
}

Library load_library() {
    auto* handle = ::dlopen(file_name, RTLD_NOW | RTLD_LOCAL);
    if (!handle) throw unusable(::dlerror());
    Library library{};
    load(handle, "iscsi_create_context", library.create);
    load(handle, "iscsi_destroy_context", library.destroy);
    load(handle, "iscsi_set_session_type", library.set_session_type);
    load(handle, "iscsi_set_targetname", library.set_target);
    load(handle, "iscsi_set_initiator_username_pwd", library.set_user);
    load(handle, "iscsi_set_timeout", library.set_timeout);
    load(handle, "iscsi_set_noautoreconnect", library.set_no_reconnect);
    load(handle, "iscsi_connect_sync", library.connect);
    load(handle, "iscsi_login_sync", library.login);
    load(handle, "iscsi_logout_sync", library.logout);
    load(handle, "iscsi_get_error", library.error);
    load(handle, "iscsi_discovery_sync", library.discover);
    load(handle, "iscsi_free_discovery_data", library.free_discovery);
    load(handle, "iscsi_reportluns_sync", library.report_units);
    load(handle, "iscsi_testunitready_sync", library.test_unit);
    load(handle, "iscsi_inquiry_sync", library.inquire);
    load(handle, "iscsi_readcapacity16_sync", library.read_capacity);
    load(handle, "iscsi_writesame16_sync", library.write_same);
    load(handle, "iscsi_read16_sync", library.read);
    load(handle, "iscsi_write16_sync", library.write);
    load(handle, "iscsi_synchronizecache16_sync", library.synchronize);
    load(handle, "scsi_datain_unmarshall", library.unmarshal);
    load(handle, "scsi_free_scsi_task", library.free_task);
    return library;
}

const Library& library() {
    static const Library loaded = load_library(); // tried again after it has thrown
    return loaded;
}

Error failed(iscsi_context* context, std::string_view what) {
    const char* why = library().error(context);
    return Error(ErrorCode::operation_failed, ErrorDomain::storage, fmt::format("operation failed: cannot {}", what))
        .because(why ? why : "");
}

struct FreeTask {
    void operator()(scsi_task* task) const { library().free_task(task); }
};
using Reply = std::unique_ptr<scsi_task, FreeTask>;

bool good(const Reply& task) { return task && task->status == SCSI_STATUS_GOOD; }

/// The answer to a command, in the library's own struct, which lives as long as the task.
template <class Answer> const Answer* answer(const Reply& task) {
    return good(task) ? static_cast<const Answer*>(library().unmarshal(task.get())) : nullptr;
}

/// As much as every target takes in one command.
std::uint64_t blocks_at_once(const IscsiUnit& unit) {
    constexpr std::uint64_t bytes = 256u << 10;
    return std::max<std::uint64_t>(bytes / unit.block_size, 1);
}

iscsi_context* open_context(const IscsiLogin& login) {
    auto* context = library().create(login.initiator.c_str());
    if (!context)
        throw Error(ErrorCode::operation_failed, ErrorDomain::storage,
                    fmt::format("operation failed: '{}' cannot be an initiator's name", login.initiator));
    library().set_no_reconnect(context, 1); // it would go on for ever
    library().set_timeout(context, timeout);
    return context;
}

void log_in(iscsi_context* context, const IscsiLogin& login) {
    if (!login.user.empty()) {
        std::string password(login.password.view());
        const int set = library().set_user(context, login.user.c_str(), password.c_str());
        cleanse(password);
        if (set != 0) throw failed(context, "use the name and password");
    }
    if (library().connect(context, login.portal.c_str()) != 0)
        throw failed(context, fmt::format("reach iSCSI server '{}'", login.portal));
    if (library().login(context) == 0) return;
    auto failure = failed(context, fmt::format("log in to iSCSI server '{}'", login.portal));
    const std::string_view why = library().error(context);
    constexpr std::string_view refused = "(513)"; // class 2, detail 1 of a login response: RFC 7143, 11.13.5
    if (why.find(refused) == why.npos) throw failure;
    throw Error(ErrorCode::auth_failed, ErrorDomain::storage,
                fmt::format("authentication failed: iSCSI server '{}' does not take the login", login.portal))
        .because(std::string(why));
}

} // namespace

void CloseIscsi::operator()(iscsi_context* context) const {
    if (log_out) library().logout(context);
    library().destroy(context);
}

IscsiSession::IscsiSession(const IscsiLogin& login, const std::string& target) : context_(open_context(login)) {
    library().set_session_type(context_.get(), ISCSI_SESSION_NORMAL);
    library().set_target(context_.get(), target.c_str());
    log_in(context_.get(), login);
}

IscsiUnit IscsiSession::unit(int number) {
    const auto refuse = [&](std::string_view why) -> Error {
        return failed(context_.get(), fmt::format("use unit {}: {}", number, why));
    };
    constexpr int attentions = 10; // a unit tells each change of its state once, by failing
    for (int i = 0; i < attentions; ++i) {
        const Reply ready(library().test_unit(context_.get(), number));
        if (!ready) throw refuse("it does not answer");
        if (ready->status == SCSI_STATUS_GOOD || ready->sense.key != SCSI_SENSE_UNIT_ATTENTION) break;
    }
    const Reply asked(library().inquire(context_.get(), number, 0, 0, 255));
    const auto* inquiry = answer<scsi_inquiry_standard>(asked);
    if (!inquiry) throw refuse("it does not say what it is");
    if (inquiry->device_type != SCSI_INQUIRY_PERIPHERAL_DEVICE_TYPE_DIRECT_ACCESS) throw refuse("it is no disk");
    const Reply measured(library().read_capacity(context_.get(), number));
    const auto* capacity = answer<scsi_readcapacity16>(measured);
    if (!capacity || capacity->block_length == 0) throw refuse("it does not tell its size");
    return {number, capacity->returned_lba + 1, capacity->block_length};
}

std::vector<IscsiUnit> IscsiSession::units() {
    constexpr int all = 0, room = 64 << 10;
    const Reply task(library().report_units(context_.get(), all, room));
    const auto* list = answer<scsi_reportluns_list>(task);
    if (!list) throw failed(context_.get(), "list the units of the target");
    std::vector<IscsiUnit> units;
    for (std::uint32_t i = 0; i < list->num; ++i) {
        try {
            units.push_back(unit(list->luns[i]));
        } catch (const Error&) {
            continue; // the target's controller, or one without a medium: none that could be a volume
        }
    }
    std::ranges::sort(units, {}, &IscsiUnit::number);
    return units;
}

std::string IscsiSession::read(const IscsiUnit& unit, std::uint64_t at, std::uint64_t count) {
    std::string data;
    for (const auto end = at + count; at < end;) {
        const auto length = static_cast<std::uint32_t>(std::min(end - at, blocks_at_once(unit)) * unit.block_size);
        const Reply task(
            library().read(context_.get(), unit.number, at, length, static_cast<int>(unit.block_size), 0, 0, 0, 0, 0));
        if (!good(task) || task->datain.size < 0 || static_cast<std::uint32_t>(task->datain.size) != length)
            throw failed(context_.get(), fmt::format("read unit {} at block {}", unit.number, at));
        data.append(reinterpret_cast<const char*>(task->datain.data), length);
        at += length / unit.block_size;
    }
    return data;
}

void IscsiSession::write(const IscsiUnit& unit, std::uint64_t at, std::string_view data) {
    while (!data.empty()) {
        const auto piece = data.substr(0, blocks_at_once(unit) * unit.block_size);
        auto* bytes = reinterpret_cast<unsigned char*>(const_cast<char*>(piece.data()));
        const Reply task(library().write(context_.get(), unit.number, at, bytes,
                                         static_cast<std::uint32_t>(piece.size()), static_cast<int>(unit.block_size), 0,
                                         0, 0, 0, 0));
        if (!good(task)) throw failed(context_.get(), fmt::format("write unit {} at block {}", unit.number, at));
        at += piece.size() / unit.block_size;
        data.remove_prefix(piece.size());
    }
}

void IscsiSession::clear(const IscsiUnit& unit, std::uint64_t at, std::uint64_t count) {
    constexpr std::uint64_t most_at_once = 16u << 20;
    std::string zeros(unit.block_size, '\0');
    const auto end = at + count;
    while (repeats_ && at < end) {
        const auto now =
            static_cast<std::uint32_t>(std::min(end - at, std::max<std::uint64_t>(most_at_once / unit.block_size, 1)));
        const Reply task(library().write_same(context_.get(), unit.number, at,
                                              reinterpret_cast<unsigned char*>(zeros.data()), unit.block_size, now, 0,
                                              0, 0, 0));
        if (good(task))
            at += now;
        else if (task && task->sense.key == SCSI_SENSE_ILLEGAL_REQUEST)
            repeats_ = false;
        else
            throw failed(context_.get(), fmt::format("overwrite unit {} at block {}", unit.number, at));
    }
    zeros.resize(blocks_at_once(unit) * unit.block_size);
    for (; at < end; at += std::min(end - at, blocks_at_once(unit)))
        write(unit, at, std::string_view(zeros).substr(0, std::min(end - at, blocks_at_once(unit)) * unit.block_size));
}

void IscsiSession::flush(const IscsiUnit& unit) {
    const Reply flushed(library().synchronize(context_.get(), unit.number, 0, 0, 0, 0));
    if (!good(flushed)) throw failed(context_.get(), fmt::format("flush unit {}", unit.number));
}

void IscsiSession::abandon() { context_.get_deleter().log_out = false; }

std::vector<std::string> iscsi_targets(const IscsiLogin& login) {
    const std::unique_ptr<iscsi_context, CloseIscsi> context(open_context(login));
    library().set_session_type(context.get(), ISCSI_SESSION_DISCOVERY);
    log_in(context.get(), login);
    auto* found = library().discover(context.get());
    if (!found) throw failed(context.get(), fmt::format("ask '{}' for its targets", login.portal));
    std::vector<std::string> names;
    for (const auto* each = found; each; each = each->next) names.emplace_back(each->target_name);
    library().free_discovery(context.get(), found);
    return names;
}

} // namespace domus::storage
