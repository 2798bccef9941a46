#include "wire/handlers.hpp"
#include "wire/test_bench.hpp"

#include <gtest/gtest.h>

#include <set>

namespace domus::wire {

using namespace std::chrono_literals;

namespace {

namespace event = compute::event;
constexpr auto soon = 30ms; ///< for what must not happen

/// A session that may register for the events of domains.
struct Registered : Bench {
    service::Events events{loop.get_executor()};
    Uuid one = Uuid::random(), other = Uuid::random();

    Registered() { serve_domain_events(on, events); }
    ~Registered() { end(); }

    template <auto Which> std::optional<Received> ask(const typename Call<Which>::Args& args) {
        peer->send(Peer::call<Which>(9, args));
        return peer->receive();
    }
    std::int32_t add(std::int32_t event, const std::optional<Uuid>& uuid = {}) {
        ConnectDomainEventCallbackRegisterAnyArgs args{event, std::nullopt};
        if (uuid) args.dom.emplace().uuid = *uuid;
        return decode<ConnectDomainEventCallbackRegisterAnyRet>(
                   ask<Procedure::connect_domain_event_callback_register_any>(args).value().body)
            .callback_id;
    }
    PacketStatus add_plain(std::int32_t event) {
        return ask<Procedure::connect_domain_event_register_any>({event}).value().header.status;
    }
    void emit(event::What what) { events.emit({{"vm", one, 3}, std::move(what)}); }
};

/// One of each kind that there is, with its number and its message without and with callback id.
struct Kind {
    event::What what;
    std::int32_t event;
    Procedure plain, callback;
};

const std::vector<Kind>& kinds() {
    using P = Procedure;
    static const std::vector<Kind> all{
        {event::Lifecycle(event::Started::booted), 0, P::domain_event_lifecycle, P::domain_event_callback_lifecycle},
        {event::Reboot{}, 1, P::domain_event_reboot, P::domain_event_callback_reboot},
        {event::RtcChange{7}, 2, P::domain_event_rtc_change, P::domain_event_callback_rtc_change},
        {event::Watchdog{1}, 3, P::domain_event_watchdog, P::domain_event_callback_watchdog},
        {event::IoError{"/a", "vda", 1, "enospc"}, 4, P::domain_event_io_error, P::domain_event_callback_io_error},
        {event::Graphics{1, {0, "h", "s"}, {1, "i", "t"}, "vnc"}, 5, P::domain_event_graphics,
         P::domain_event_callback_graphics},
        {event::IoError{"/a", "vda", 1, "enospc"}, 6, P::domain_event_io_error_reason,
         P::domain_event_callback_io_error_reason},
        {event::TrayChange{"cd", 0}, 10, P::domain_event_tray_change, P::domain_event_callback_tray_change},
        {event::PmWakeup{}, 11, P::domain_event_pmwakeup, P::domain_event_callback_pmwakeup},
        {event::PmSuspend{}, 12, P::domain_event_pmsuspend, P::domain_event_callback_pmsuspend},
        {event::BalloonChange{1024}, 13, P::domain_event_balloon_change, P::domain_event_callback_balloon_change},
        {event::PmSuspendDisk{}, 14, P::domain_event_pmsuspend_disk, P::domain_event_callback_pmsuspend_disk},
        {event::DeviceRemoved{"net0"}, 15, P::domain_event_device_removed, P::domain_event_callback_device_removed},
    };
    return all;
}

/// Those that came later have a message with callback id only.
const std::vector<Kind>& later_kinds() {
    using P = Procedure;
    constexpr P none{};
    static const std::vector<Kind> all{
        {event::AgentLifecycle{1, 2}, 18, none, P::domain_event_callback_agent_lifecycle},
        {event::DeviceAdded{"net0"}, 19, none, P::domain_event_callback_device_added},
        {event::DeviceRemovalFailed{"net0"}, 22, none, P::domain_event_callback_device_removal_failed},
        {event::MetadataChange{0, ""}, 23, none, P::domain_event_callback_metadata_change},
    };
    return all;
}

} // namespace

TEST(Events, each_kind_that_there_is_is_tested) {
    std::set<std::size_t> tested;
    for (const auto* list : {&kinds(), &later_kinds()})
        for (const auto& kind : *list) tested.insert(kind.what.index());
    EXPECT_EQ(tested.size(), std::variant_size_v<event::What>);
}

TEST(Events, later_kinds_are_told_with_callback_ids) {
    for (const auto& kind : later_kinds()) {
        Registered bench;
        bench.open();
        EXPECT_EQ(bench.add_plain(kind.event), PacketStatus::error) << kind.event;
        const auto id = bench.add(kind.event);
        bench.emit(kind.what);
        const auto told = bench.peer->receive();
        ASSERT_TRUE(told) << kind.event;
        EXPECT_EQ(told->header.procedure, static_cast<std::int32_t>(kind.callback));
        Decoder decoder(told->body);
        EXPECT_EQ(static_cast<std::int32_t>(decoder.word()), id);
        Domain domain;
        decoder("dom", domain, 0);
        EXPECT_EQ(domain.name, "vm");
    }
}

TEST(Events, each_kind_is_told_with_and_without_callback_ids) {
    for (const auto& kind : kinds()) {
        Registered bench;
        bench.open();
        ASSERT_EQ(bench.add_plain(kind.event), PacketStatus::ok) << kind.event;
        const auto id = bench.add(kind.event);
        bench.emit(kind.what);
        const auto plain = bench.peer->receive(), with_id = bench.peer->receive();
        ASSERT_TRUE(plain && with_id) << kind.event;
        EXPECT_EQ(plain->header.type, PacketType::message);
        EXPECT_EQ(plain->header.serial, 0u);
        EXPECT_EQ(plain->header.procedure, static_cast<std::int32_t>(kind.plain));
        EXPECT_EQ(with_id->header.procedure, static_cast<std::int32_t>(kind.callback));
        EXPECT_EQ(static_cast<std::int32_t>(Decoder(with_id->body).word()), id);
        EXPECT_TRUE(with_id->body.ends_with(plain->body)) << "the one is part of the other: " << kind.event;
        EXPECT_FALSE(bench.peer->receive(soon));
    }
}

TEST(Events, fields_are_where_clients_look_for_them) {
    Registered bench;
    bench.open();
    (void)bench.add_plain(6);
    (void)bench.add_plain(5);
    bench.emit(event::IoError{"/a", "vda", 1, "enospc"});
    const auto io = decode<DomainEventIoErrorReasonMsg>(bench.peer->receive().value().body);
    EXPECT_EQ(
        std::tie(io.dom.name, io.src_path, io.dev_alias, io.action, io.reason),
        std::forward_as_tuple(std::string("vm"), std::string("/a"), std::string("vda"), 1, std::string("enospc")));
    EXPECT_EQ(io.dom.id, 3);
    bench.emit(event::Graphics{1, {0, "host", "5900"}, {1, "::1", "77"}, "vnc"});
    const auto graphics = decode<DomainEventGraphicsMsg>(bench.peer->receive().value().body);
    EXPECT_EQ(graphics.phase, 1);
    EXPECT_EQ(graphics.local.node, "host");
    EXPECT_EQ(graphics.remote.service, "77");
    EXPECT_EQ(graphics.auth_scheme, "vnc");
}

TEST(Events, the_oldest_registration_tells_of_lifecycles_once) {
    Registered bench;
    bench.open();
    EXPECT_EQ(bench.ask<Procedure::connect_domain_event_register>({}).value().header.status, PacketStatus::ok);
    EXPECT_EQ(bench.ask<Procedure::connect_domain_event_register>({}).value().header.status, PacketStatus::error);
    EXPECT_EQ(bench.add_plain(0), PacketStatus::error) << "it is the same";
    bench.emit(event::Lifecycle(event::Stopped::destroyed));
    EXPECT_EQ(bench.peer->receive().value().header.procedure,
              static_cast<std::int32_t>(Procedure::domain_event_lifecycle));
    EXPECT_FALSE(bench.peer->receive(soon));
    EXPECT_EQ(bench.ask<Procedure::connect_domain_event_deregister>({}).value().header.status, PacketStatus::ok);
    EXPECT_EQ(bench.ask<Procedure::connect_domain_event_deregister>({}).value().header.status, PacketStatus::error);
    bench.emit(event::Lifecycle(event::Stopped::destroyed));
    EXPECT_FALSE(bench.peer->receive(soon));
}

TEST(Events, unknown_numbers_are_refused) {
    Registered bench;
    bench.open();
    for (const auto event : {-1, 16, 27, 1000}) EXPECT_EQ(bench.add_plain(event), PacketStatus::error) << event;
    for (const auto event : {-1, 28, 1000})
        EXPECT_EQ(
            decode<RemoteError>(
                bench.ask<Procedure::connect_domain_event_callback_register_any>({event, std::nullopt}).value().body)
                .message,
            fmt::format("internal error: unsupported event ID {}", event));
}

TEST(Events, of_one_domain_only_and_until_they_are_taken_back) {
    Registered bench;
    bench.open();
    const auto mine = bench.add(1, bench.one);
    const auto foreign = bench.add(1, bench.other);
    EXPECT_NE(mine, foreign);
    bench.emit(event::Reboot{});
    EXPECT_EQ(decode<DomainEventCallbackRebootMsg>(bench.peer->receive().value().body).callback_id, mine);
    EXPECT_FALSE(bench.peer->receive(soon));
    EXPECT_EQ(bench.ask<Procedure::connect_domain_event_callback_deregister_any>({mine}).value().header.status,
              PacketStatus::ok);
    EXPECT_EQ(bench.ask<Procedure::connect_domain_event_callback_deregister_any>({mine}).value().header.status,
              PacketStatus::error);
    bench.emit(event::Reboot{});
    EXPECT_FALSE(bench.peer->receive(soon));
}

TEST(Events, callbacks_and_plain_registrations_do_not_take_each_other_back) {
    Registered bench;
    bench.open();
    const auto id = bench.add(1);
    EXPECT_EQ(bench.ask<Procedure::connect_domain_event_deregister_any>({1}).value().header.status,
              PacketStatus::error);
    ASSERT_EQ(bench.add_plain(1), PacketStatus::ok);
    EXPECT_EQ(bench.ask<Procedure::connect_domain_event_callback_deregister_any>({id + 1}).value().header.status,
              PacketStatus::error);
    EXPECT_EQ(bench.ask<Procedure::connect_domain_event_deregister_any>({1}).value().header.status, PacketStatus::ok);
    bench.emit(event::Reboot{});
    EXPECT_EQ(bench.peer->receive().value().header.procedure,
              static_cast<std::int32_t>(Procedure::domain_event_callback_reboot));
}

TEST(Events, a_client_that_registers_without_end_is_bounded_and_leaves_nothing) {
    Registered bench;
    bench.open();
    std::string calls;
    for (int i = 0; i < 16400; ++i)
        calls += Peer::call<Procedure::connect_domain_event_callback_register_any>(1, {1, std::nullopt});
    std::size_t added = 0, refused = 0;
    std::string_view rest = calls;
    while (added + refused < 16400) {
        ASSERT_FALSE(bench.ended);
        rest.remove_prefix(bench.peer->offer(rest));
        while (const auto reply = bench.peer->receive(1ms))
            ++(reply->header.status == PacketStatus::ok ? added : refused);
    }
    EXPECT_EQ(added, 16384u);
    EXPECT_EQ(bench.events.listeners(), 16384u);
    bench.peer->close();
    ASSERT_TRUE(bench.peer->turn_until([&] { return bench.ended; }));
    EXPECT_EQ(bench.events.listeners(), 0u);
}

} // namespace domus::wire
