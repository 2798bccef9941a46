// Save images as files: what is in them, and domains that go on from them.
#include "compute/domain/domains.hpp"

#include "compute/memory/save_image.hpp"
#include "compute/memory/saved_definition.hpp"
#include "format/xml.hpp"

#include <fmt/format.h>

namespace domus::compute {

namespace {

Task<std::shared_ptr<SaveImage>> open_image(Executor executor, Credentials caller, std::filesystem::path file) {
    // A lane of its own: what hangs here is this file's.
    Lane lane(executor, fmt::format("'{}'", file.string()), 1);
    auto work = [caller, file] { return std::make_shared<SaveImage>(open_save_image(caller, file)); };
    auto image = co_await lane.run(Deadline::in(file_timeout), std::move(work));
    co_return image;
}

bool resumes(StateAfterRestore state, const SaveHeader& header) {
    return state == StateAfterRestore::as_it_was ? header.was_running : state == StateAfterRestore::running;
}

Task<std::string> replaced_xml(Environment& environment, std::string saved, std::string wanted, Credentials who) {
    const auto before =
        std::make_shared<const model::Domain>(format::from_xml<model::Domain>(saved, ErrorDomain::domain));
    require_emulator(environment.settings.rules, who, before->devices.emulator.value_or(""));
    auto replaced = co_await replace_definition(*environment.engine, before, std::move(wanted));
    co_return compute::saved_xml(std::move(replaced));
}

} // namespace

Task<DomainPtr> Domains::restore(RestoreRequest wanted) {
    auto image = co_await open_image(environment_.executor, wanted.caller, wanted.file);
    auto xml = image->xml;
    if (wanted.xml) xml = co_await replaced_xml(environment_, image->xml, *wanted.xml, wanted.caller);
    Restore restore;
    restore.resume = resumes(wanted.state, image->header);
    restore.image = std::move(image);
    restore.file = wanted.file;
    restore.bypass_cache = wanted.bypass_cache;
    StartRequest request;
    request.caller = wanted.caller;
    request.paused = wanted.state == StateAfterRestore::paused;
    request.restore = std::move(restore);
    auto domain = co_await create(std::move(xml), std::move(request));
    co_return domain;
}

Task<std::string> Domains::image_xml(Credentials caller, std::filesystem::path file, bool secrets) {
    const auto image = co_await open_image(environment_.executor, std::move(caller), std::move(file));
    const auto saved = format::from_xml<model::Domain>(image->xml, ErrorDomain::domain);
    co_return format::to_xml(saved, {.live = false, .secrets = secrets});
}

Task<> Domains::define_image(Credentials caller, std::filesystem::path file, std::optional<std::string> xml,
                             StateAfterRestore state) {
    auto image = co_await open_image(environment_.executor, caller, file);
    const bool resume = resumes(state, image->header);
    auto text = image->xml;
    if (xml) text = co_await replaced_xml(environment_, image->xml, *xml, caller);
    if (text == image->xml && resume == image->header.was_running) co_return;
    image.reset(); // and with it its lock
    Lane lane(environment_.executor, fmt::format("'{}'", file.string()), 1);
    auto work = [caller, file, text = std::move(text), resume] { rewrite_save_image(caller, file, text, resume); };
    co_await lane.run(Deadline::in(file_timeout), std::move(work));
}

} // namespace domus::compute
