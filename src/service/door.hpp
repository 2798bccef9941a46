// The one way to an operation, for every protocol: the door judges whether the caller has the rights that its row
// demands, performs it, hides from lists what the caller may not see, writes the audit and counts.
//
//     const auto domains = door.perform<&DomainOperations::list>(caller, Flags<DomainListFlag>{});       // at once
//     co_await door.perform<&DomainOperations::destroy>(caller, ref, Flags<DestroyFlag>{});              // a Task
//     const auto job = door.start<&VolumeOperations::wipe>(caller, ref, 0u);                             // goes on by itself
//
// What works for long (Effect::job) is a job (jobs.hpp) from its beginning to its end, whoever waits for it.
//
// What returns a Task takes its arguments by value. What returns at once runs at once: such a call costs a look at the row
// and a counter.
//
// Today nobody can be granted rights: a caller that may only read has reading_rights(), every other has all. Grants is
// where that will be configured.
#pragma once

#include "base/error.hpp"
#include "service/audit.hpp"
#include "service/objects.hpp"
#include "service/operation.hpp"

#include <algorithm>
#include <exception>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

namespace domus::service {

/// Who may do what with which object.
class Grants {
public:
    virtual ~Grants() = default;
    /// `object`: null where the operation names none.
    virtual bool allow(const Caller& caller, Right right, const Object* object) const = 0;
};

class Jobs;
struct Job;

class Door {
public:
    /// How often an operation was asked for, by its outcome.
    struct Counts {
        std::uint64_t ok = 0, refused = 0, failed = 0;
    };

    explicit Door(AuditLog::Write write) : audit_(std::move(write)) {}
    Door(const Door&) = delete;
    Door& operator=(const Door&) = delete;

    /// Operations of this class are performed on `part`, which outlives the door.
    template <class Operations> void add(Operations& part) {
        parts_[static_cast<std::size_t>(rows_of(std::type_identity<Operations>{}).family())] = &part;
    }
    /// Beside the rule for those who may only read. Null: none.
    void set_grants(std::unique_ptr<const Grants> grants) { grants_ = std::move(grants); }

    /// Where long operations are kept. Null: nowhere, and none can be started.
    void set_jobs(Jobs* jobs) { jobs_ = jobs; }

    template <auto Function, class... Arguments>
    decltype(auto) perform(const Caller& caller, Arguments&&... arguments) {
        using Of = Signature<decltype(Function)>;
        static_assert(sizeof...(Arguments) == Of::arguments, "the operation takes other arguments");
        if constexpr (is_task<typename Of::Returned>)
            return later<Function>(caller, Performance{row_of<Function>()},
                                   std::remove_cvref_t<Arguments>(std::forward<Arguments>(arguments))...);
        else
            return now<Function>(caller, std::forward<Arguments>(arguments)...);
    }

    /// Begins a job that nobody awaits: what becomes of it, its record tells. Throws where the caller lacks a right.
    template <auto Function, class... Arguments> JobRef start(const Caller& caller, Arguments&&... arguments);

    /// Throws where the caller lacks a right that the operation demands whatever its arguments are. For a protocol that
    /// decodes arguments only for those who may call; `call` is its name for the operation.
    void admit(const Caller& caller, const Row& row, std::string_view call);

    const Counts& counts(const Row& row) const { return counts_[static_cast<std::size_t>(row.family)][row.position]; }

private:
    /// One call.
    struct Performance {
        const Row& row;
        const Caller* caller = nullptr;
        bool audited = false, permitted = false;
        std::string objects{};
        Clock::time_point begun{};
        ProgressPtr progress{};
        std::shared_ptr<Job> job{};
    };

    template <auto Function> auto& part() {
        using Operations = typename Signature<decltype(Function)>::Object;
        return *static_cast<Operations*>(parts_[static_cast<std::size_t>(row_of<Function>().family)]);
    }

    bool has(Family family) const { return parts_[static_cast<std::size_t>(family)] != nullptr; }
    template <class Operations> const Operations& known_part(Family family) const {
        return *static_cast<const Operations*>(parts_[static_cast<std::size_t>(family)]);
    }

    template <auto Function, class... Arguments>
    decltype(auto) invoke(const Performance& performance, Arguments&&... arguments) {
        using Of = Signature<decltype(Function)>;
        auto& operations = part<Function>();
        if constexpr (Of::takes_caller && Of::takes_progress)
            return (operations.*Function)(*performance.caller, performance.progress,
                                          std::forward<Arguments>(arguments)...);
        else if constexpr (Of::takes_caller)
            return (operations.*Function)(*performance.caller, std::forward<Arguments>(arguments)...);
        else if constexpr (Of::takes_progress)
            return (operations.*Function)(performance.progress, std::forward<Arguments>(arguments)...);
        else
            return (operations.*Function)(std::forward<Arguments>(arguments)...);
    }

    template <auto Function, class... Arguments>
    typename Signature<decltype(Function)>::Returned now(const Caller& caller, Arguments&&... arguments) {
        using Returned = typename Signature<decltype(Function)>::Returned;
        Performance performance{row_of<Function>(), &caller};
        begin(performance, arguments...);
        try {
            permit<Function>(performance, arguments...);
            if constexpr (std::is_void_v<Returned>) {
                invoke<Function>(performance, std::forward<Arguments>(arguments)...);
                succeeded(performance);
            } else if constexpr (std::is_reference_v<Returned>) {
                auto& result = invoke<Function>(performance, std::forward<Arguments>(arguments)...);
                succeeded(performance);
                return result;
            } else {
                auto result = invoke<Function>(performance, std::forward<Arguments>(arguments)...);
                complete(performance, result);
                return result;
            }
        } catch (...) {
            failed(performance, std::current_exception());
            throw;
        }
    }

    template <auto Function, class... Arguments>
    typename Signature<decltype(Function)>::Returned later(Caller caller, Performance performance,
                                                           Arguments... arguments) {
        using Returned = typename Signature<decltype(Function)>::Returned::value_type;
        performance.caller = &caller;
        if (!performance.permitted) begin(performance, arguments...);
        std::exception_ptr failure;
        if constexpr (std::is_void_v<Returned>) {
            try {
                if (!performance.permitted) permit<Function>(performance, arguments...);
                auto task = invoke<Function>(performance, std::move(arguments)...);
                co_await std::move(task);
                succeeded(performance);
            } catch (...) {
                failure = std::current_exception();
            }
            if (failure) failed(performance, failure), std::rethrow_exception(failure);
        } else {
            std::optional<Returned> result;
            try {
                if (!performance.permitted) permit<Function>(performance, arguments...);
                auto task = invoke<Function>(performance, std::move(arguments)...);
                auto value = co_await std::move(task);
                result.emplace(std::move(value));
                complete(performance, *result);
            } catch (...) {
                failure = std::current_exception();
            }
            if (failure) failed(performance, failure), std::rethrow_exception(failure);
            co_return std::move(*result);
        }
    }

    // ---- rights ----

    template <class Argument> static std::uint32_t bits_of(FlagsTag tag, const Argument& argument) {
        if constexpr (is_flags<Argument>) {
            if (tag == &flags_tag_of<typename Argument::Enumeration>) return argument.bits();
        } else if constexpr (std::is_enum_v<Argument>) {
            if (tag == &flags_tag_of<Argument> && static_cast<std::uint32_t>(argument) < 32)
                return std::uint32_t{1} << static_cast<unsigned>(argument);
        }
        return 0;
    }
    template <class... Arguments> static bool demanded(const Need& need, const Arguments&... arguments) {
        if (!need.tag) return true;
        const std::uint32_t bits = (0u | ... | bits_of(need.tag, arguments));
        return ((bits & need.mask) != 0) != need.without;
    }
    template <class... Arguments> void judge(const Performance& performance, const Arguments&... arguments) const {
        if (!performance.caller->read_only && !grants_) return;
        const auto object = first_object(arguments...);
        for (const auto& need : performance.row.rights)
            if (demanded(need, arguments...)) require(performance, need, object ? &*object : nullptr);
    }
    void require(const Performance& performance, const Need& need, const Object* object) const;
    bool may(const Caller& caller, Right right, const Object* object) const;

    template <class Other> void hide(const Performance&, Other&) const {} // no list
    /// Takes out of a list what the caller may not see.
    template <class Item> void hide(const Performance& performance, std::vector<Item>& list) const {
        if constexpr (NamesObject<Item>) {
            if (!grants_ || performance.row.shown_by.size() == 0) return;
            std::erase_if(list, [&](const Item& item) {
                const auto object = object_of(item);
                return !may(*performance.caller, performance.row.shown_by[0], &object);
            });
        }
    }

    // ---- names for the audit ----

    static std::optional<Object> first_object() { return std::nullopt; }
    template <class First, class... Others>
    std::optional<Object> first_object(const First& first, const Others&... others) const {
        if constexpr (NamesObject<First>)
            return current(object_of(first));
        else
            return first_object(others...);
    }
    /// With the name that it has now, where callers name it by another.
    Object current(Object object) const;

    template <class Argument> void name(Performance& performance, std::size_t index, const Argument& argument) const {
        if constexpr (NamesObject<Argument>)
            add_name(performance, current(object_of(argument)));
        else if constexpr (std::is_same_v<Argument, std::string>)
            add_text(performance, performance.row.arguments[index], argument);
    }
    static void add_name(Performance& performance, const Object& object);
    static void add_text(Performance& performance, std::string_view argument, const std::string& text);

    // ---- audit and counters ----

    template <class... Arguments> void begin(Performance& performance, const Arguments&... arguments) {
        performance.audited = performance.row.effect != Effect::look;
        for (const auto& need : performance.row.rights)
            if (shows_secrets(need.right) && demanded(need, arguments...)) performance.audited = true;
        if (!performance.audited) return;
        std::size_t index = 0;
        (name(performance, index++, arguments), ...);
        performance.begun = Clock::now();
    }
    template <class Result> void complete(Performance& performance, Result& result) {
        hide(performance, result);
        if constexpr (NamesObject<Result>)
            if (performance.audited) add_name(performance, object_of(result));
        succeeded(performance);
    }
    /// Throws where the caller may not; else it begins.
    template <auto Function, class... Arguments> void permit(Performance& performance, const Arguments&... arguments) {
        judge(performance, arguments...);
        performance.permitted = true;
        if (performance.audited) note_begin(performance);
        if constexpr (row_of<Function>().effect == Effect::job)
            begin_job(performance, first_object(arguments...), Signature<decltype(Function)>::takes_progress);
    }
    /// What a daemon that ended was at, and what hangs, is in the audit too.
    void note_begin(const Performance& performance);
    void begin_job(Performance& performance, const std::optional<Object>& object, bool cancellable) const;
    void succeeded(const Performance& performance);
    void failed(const Performance& performance, const std::exception_ptr& failure);
    JobRef let_go_on(const Performance& performance, Task<> work) const;
    template <class Work> static Task<> without_result(Work work) {
        try {
            (void)co_await std::move(work);
        } catch (...) {
            // it is in the job's record
        }
    }
    Counts& counted(const Row& row) { return counts_[static_cast<std::size_t>(row.family)][row.position]; }

    std::array<void*, families> parts_{};
    std::array<std::array<Counts, most_rows>, families> counts_{};
    std::unique_ptr<const Grants> grants_;
    Jobs* jobs_ = nullptr;
    AuditLog audit_;
};

template <auto Function, class... Arguments> JobRef Door::start(const Caller& caller, Arguments&&... arguments) {
    static_assert(row_of<Function>().effect == Effect::job, "only what works for long goes on by itself");
    Performance performance{row_of<Function>(), &caller};
    begin(performance, arguments...);
    try {
        permit<Function>(performance, arguments...);
    } catch (...) {
        failed(performance, std::current_exception());
        throw;
    }
    auto work =
        later<Function>(caller, performance, std::remove_cvref_t<Arguments>(std::forward<Arguments>(arguments))...);
    return let_go_on(performance, without_result(std::move(work)));
}

} // namespace domus::service
