// The step of a start that runs the helpers of the guest's devices, before its machine connects to them.
#include "compute/life/start.hpp"

#include "compute/domain/judge.hpp"
#include "compute/domain/record.hpp"
#include "compute/life/helpers.hpp"
#include "compute/life/tpm_state.hpp"

#include <algorithm>

namespace domus::compute {

namespace {

bool is_served(const model::Filesystem& filesystem) {
    return filesystem.driver.type == "virtiofs" && !filesystem.source_socket;
}

bool needs_helpers(const model::Domain& live) {
    return emulated_tpm(live) || std::ranges::any_of(live.devices.filesystems, is_served);
}

} // namespace

Task<> Start::start_helpers() {
    if (!needs_helpers(live_)) co_return;
    // What the machine could not be told is refused before anything of a helper is made.
    auto live = std::make_shared<const model::Domain>(live_);
    auto launch = std::make_shared<const engine::Launch>(launch_);
    co_await environment().engine->judge(std::move(live), std::move(launch));
    std::exception_ptr failure;
    try {
        co_await run_helpers();
    } catch (...) {
        failure = std::current_exception();
    }
    if (!failure) co_return;
    co_await give_back_helpers(domain_, running_);
    std::rethrow_exception(failure);
}

Task<> Start::run_helpers() {
    speaker_ = "QEMU or a helper";
    HelperSite site;
    site.user = running_->user;
    site.views = running_->user && environment().settings.views;
    site.staging = running_->staging_folder();
    site.folder = running_->folder;
    site.cgroup = running_->cgroup;
    site.log = launch_.log;
    const auto keep = [&](StartedHelper started) {
        launch_.helpers[started.helper.device] = std::move(started.socket);
        running_->helpers.push_back(std::move(started.helper));
    };
    for (const auto& filesystem : live_.devices.filesystems) {
        if (!is_served(filesystem)) continue;
        auto opener = opener_for(environment(), *request_.caller);
        auto started = co_await start_shared_folder(environment(), site, filesystem, std::move(opener));
        keep(std::move(started));
    }
    if (const auto* tpm = emulated_tpm(live_)) {
        auto started = co_await start_tpm(environment(), site, *tpm, domain_->uuid(), request_.restore.has_value());
        keep(std::move(started));
    }
    compute::store_record(*domain_); // they are known before QEMU runs
}

} // namespace domus::compute
