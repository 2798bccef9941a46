#include "compute/domain/definition.hpp"

#include "format/xml.hpp"
#include "model/domain.hpp"
#include "model/unsupported.hpp"

namespace domus::compute {

namespace {

std::string source_of(const model::Disk& disk) {
    const auto& source = disk.source;
    for (const auto* place : {&source.file, &source.dev, &source.dir, &source.name, &source.volume})
        if (*place) return **place;
    return {};
}

} // namespace

Summary summarize(const model::Domain& domain) {
    Summary summary;
    summary.maximum_memory = domain.memory;
    summary.memory = domain.current_memory.value_or(domain.memory);
    summary.maximum_vcpus = domain.vcpu;
    summary.vcpus = domain.vcpu_current.value_or(domain.vcpu);
    summary.title = domain.title.value_or("");
    for (const auto& disk : domain.devices.disks)
        summary.disks.push_back({disk.target.dev, source_of(disk), disk.driver.type.value_or("raw")});
    for (const auto& interface : domain.devices.interfaces)
        if (interface.target_dev) summary.interfaces.push_back(*interface.target_dev);
    for (const auto& graphics : domain.devices.graphics)
        if (graphics.passwd) summary.has_secrets = true;
    summary.disks.shrink_to_fit();
    summary.interfaces.shrink_to_fit();
    return summary;
}

void require_sound(const model::Domain& domain) {
    format::Findings findings;
    model::check(domain, findings);
    format::throw_findings(findings, ErrorDomain::domain, "<domain>");
}

model::Domain read_domain(const std::string& xml, format::Reading how) {
    auto domain = format::from_xml<model::Domain>(xml, ErrorDomain::domain, how);
    model::strip_live(domain); // it may be the XML of a running domain
    format::Findings findings;
    model::check(domain, findings);
    model::find_unsupported(domain, findings);
    format::throw_findings(findings, ErrorDomain::domain, "<domain>");
    return domain;
}

DefinitionPtr make_definition(const model::Domain& domain, std::optional<Credentials> definer) {
    auto definition = std::make_shared<Definition>();
    definition->xml = format::to_xml(domain, {.live = false, .secrets = true});
    definition->xml.shrink_to_fit();
    definition->summary = summarize(domain);
    if (definer && !definer->unrestricted()) definition->definer = std::move(definer);
    return definition;
}

model::Domain parse_definition(const Definition& definition) {
    return format::from_xml<model::Domain>(definition.xml, ErrorDomain::domain);
}

} // namespace domus::compute
