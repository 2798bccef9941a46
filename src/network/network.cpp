#include "network/network.hpp"

#include "async/process_wait.hpp"
#include "async/spawn.hpp"
#include "base/log.hpp"
#include "format/xml.hpp"
#include "network/record.hpp"
#include "os/files.hpp"
#include "os/stored_files.hpp"

#include <fmt/format.h>

namespace domus::network {

using namespace std::chrono_literals;

Network::Network(std::shared_ptr<const Site> site, std::string name, Uuid its_uuid)
    : uuid(its_uuid), site_(std::move(site)), name_(std::move(name)),
      lane_(site_->executor, fmt::format("network '{}'", name_)),
      jobs_(site_->executor, fmt::format("network '{}'", name_), "try again when that has ended") {}

NetworkView Network::view() const {
    return {name_, uuid, live_ != nullptr, autostart, definition != nullptr, live_, definition};
}

Task<> Network::write_record(Definition live, bool unfinished) {
    Record record;
    record.unfinished = unfinished;
    if (const auto program = kind_ ? kind_->program() : nullptr) {
        record.pid = program->pid();
        record.start_time = program->start_time();
    }
    record.persistent = definition != nullptr;
    record.network = *live;
    auto work = [folder = site_->folders.state, name = name_, xml = format::to_xml(record)] {
        StoredFolder(folder, largest_record).replace(name, xml);
    };
    co_await lane_.run(Deadline::in(timeout), std::move(work));
}

Task<> Network::build(std::shared_ptr<model::Network> live, std::string& step) {
    const bool chooses = live->has_own_bridge() && live->ips.empty();
    step = "writing its record"; // first, so that a daemon which is killed now leaves nothing that nobody knows
    co_await write_record(live, true);
    co_await kind_->start(live, step);
    // A subnet is chosen once, and is then its definition.
    const bool chosen = chooses && !live->ips.empty() && definition;
    if (chosen) {
        step = "keeping the subnet that was chosen";
        auto work = [store = site_->definitions, live] {
            store.save(live->name, format::to_xml(*live, {.live = false}), false);
        };
        co_await lane_.run(Deadline::in(timeout), std::move(work));
    }
    step = "writing its record";
    co_await write_record(live, false);
    if (chosen) definition = live;
}

Task<> Network::start(Definition wanted) {
    auto live = std::make_shared<model::Network>(*wanted);
    claim_ = live;
    std::string step = "choosing what it runs on";
    std::exception_ptr failure;
    try {
        kind_ = kind_of(*live).make(*site_, lane_, name_);
        co_await build(live, step);
    } catch (...) {
        failure = std::current_exception();
    }
    if (failure) {
        if (kind_) co_await take_down(live);
        claim_.reset();
        try {
            std::rethrow_exception(failure);
        } catch (Error& error) {
            error.prefix(fmt::format("cannot start network '{}': {}", name_, step));
            throw;
        }
    }
    live_ = live;
    watch();
    log::info("network '{}' runs on bridge '{}'", name_, live_->bridge.name.value_or(""));
}

Task<> Network::take_down(Definition live) {
    const bool all = co_await kind_->stop(live);
    kind_.reset();
    if (!all) co_return; // the next daemon tries again
    auto work = [record = site_->record_of(name_)] { remove_if_possible(record); };
    co_await lane_.run(Deadline::in(timeout), std::move(work));
}

Task<> Network::stop() {
    const auto live = live_;
    std::exception_ptr trouble;
    try {
        co_await write_record(live, true);
    } catch (...) {
        trouble = std::current_exception(); // a full disk keeps nobody from stopping it
    }
    if (trouble) log::warning("network '{}': {}", name_, describe(trouble));
    live_.reset(); // its program ends now, and nobody runs it again
    co_await take_down(live);
    claim_.reset();
    log::info("network '{}' stopped", name_);
}

Task<> Network::take_over(model::Network live, int pid, std::uint64_t start_time) {
    const auto model = std::make_shared<const model::Network>(std::move(live));
    claim_ = model;
    kind_ = kind_of(*model).make(*site_, lane_, name_);
    co_await kind_->take_over(model, pid, start_time);
    if (pid != 0 && !kind_->program())
        log::warning("network '{}': its dnsmasq has ended while the daemon was away", name_);
    live_ = model;
    watch();
}

Task<> Network::clear(model::Network left, bool owned) {
    const auto model = std::make_shared<const model::Network>(std::move(left));
    kind_ = kind_of(*model).make(*site_, lane_, name_);
    if (owned) co_await kind_->take_over(model, 0, 0);
    co_await take_down(model);
}

Task<> Network::change(Definition after) {
    const auto before = live_;
    co_await kind_->change(before, after);
    live_ = claim_ = after;
    co_await write_record(after, false);
}

Task<Port> Network::attach(PortSettings settings) {
    auto work = [kind = kind_.get(), live = live_, settings = std::move(settings)] {
        return kind->attach(*live, settings);
    };
    auto port = co_await lane_.run(Deadline::in(timeout), std::move(work));
    co_return port;
}

Task<Port> Network::change_port(PortSettings settings, bool was_limited) {
    auto work = [kind = kind_.get(), live = live_, settings = std::move(settings), was_limited] {
        return kind->change_port(*live, settings, was_limited);
    };
    auto port = co_await lane_.run(Deadline::in(timeout), std::move(work));
    co_return port;
}

// ---- its program --------------------------------------------------------------------------------------------------

void Network::watch() {
    if (kind_->is_watched(*live_))
        spawn(site_->executor, keep_program(shared_from_this()), fmt::format("dnsmasq of network '{}'", name_));
}

/// Runs it again whenever it has died, the later the faster it dies, until the network stops.
Task<> Network::keep_program(std::shared_ptr<Network> self) {
    constexpr Clock::duration first = 500ms, last = 60s;
    const auto* const kind = self->kind_.get();
    const auto runs = [&] { return self->live_ && self->kind_.get() == kind; };
    auto pause = first;
    while (true) {
        const auto mine = kind->program();
        const auto since = Clock::now();
        if (mine) (void)co_await wait_for_exit(*mine);
        if (!runs()) co_return;
        if (kind->program() != mine) continue; // it was run again, for a change of the network
        if (Clock::now() - since > last) pause = first;
        log::error("network '{}': dnsmasq {}; it is run again in {} ms", self->name_,
                   mine ? mine->poll().value_or(ExitStatus{}).text() : "does not run",
                   std::chrono::duration_cast<std::chrono::milliseconds>(pause).count());
        co_await sleep_until(Deadline::in(pause));
        pause = std::min<Clock::duration>(pause * 2, last);
        if (!runs()) co_return;
        co_await self->revive(mine);
        if (!runs()) co_return;
    }
}

Task<> Network::revive(std::shared_ptr<Process> dead) {
    std::exception_ptr failure;
    try {
        const auto turn = co_await jobs_.enter("run dnsmasq again", Deadline::in(timeout));
        if (!live_ || kind_->program() != dead) co_return;
        co_await kind_->revive(live_);
        co_await write_record(live_, false);
    } catch (...) {
        failure = std::current_exception();
    }
    if (failure) log::error("network '{}': {}", name_, describe(failure));
}

} // namespace domus::network
