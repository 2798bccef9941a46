#include "service/audit.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace domus::service {

namespace {

std::string printable(std::string text) {
    std::ranges::replace_if(text, [](char c) { return static_cast<unsigned char>(c) < 32 || c == 127; }, '?');
    return text;
}

std::string ending_of(const AuditRecord& record) {
    using namespace std::chrono_literals;
    auto text = std::string();
    switch (record.outcome) {
    case Outcome::begun:
        return "begun";
    case Outcome::ok:
        text = "ok";
        break;
    case Outcome::refused:
        text = fmt::format("refused with code {}", static_cast<int>(record.code));
        break;
    case Outcome::failed:
        text = fmt::format("failed with code {}", static_cast<int>(record.code));
        break;
    }
    if (record.took >= 1s) text += fmt::format(" after {:.1f} s", std::chrono::duration<double>(record.took).count());
    return text;
}

} // namespace

std::string principal_of(const Caller& caller) {
    return caller.principal.empty() ? fmt::format("uid {}", caller.who.uid) : caller.principal;
}

std::string text_of(const AuditRecord& record) {
    auto text = fmt::format("audit: {}", record.row.name);
    if (!record.objects.empty()) text += " " + record.objects;
    text += fmt::format(" by {}", principal_of(record.caller));
    if (!record.caller.address.empty()) text += fmt::format(" from {}", record.caller.address);
    text += fmt::format(" (connection {}): {}", record.caller.connection, ending_of(record));
    return printable(std::move(text));
}

bool AuditLog::may_write_refusal(const Caller& caller, Clock::time_point now) {
    constexpr std::size_t most_users = 1000;
    if (refusals_.size() >= most_users)
        std::erase_if(refusals_, [&](const auto& entry) { return now - entry.second.since > period; });
    auto& refusals = refusals_.try_emplace(principal_of(caller), Refusals{now, 0}).first->second;
    if (now - refusals.since > period) {
        if (refusals.count > most_refusals)
            write_(printable(fmt::format("audit: {} more refusals of {} were not written",
                                         refusals.count - most_refusals, principal_of(caller))));
        refusals = {now, 0};
    }
    return ++refusals.count <= most_refusals;
}

void AuditLog::add(const AuditRecord& record, Clock::time_point now) {
    if (record.outcome == Outcome::refused && !may_write_refusal(record.caller, now)) return;
    write_(text_of(record));
}

} // namespace domus::service
