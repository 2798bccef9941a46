// The XML of a pool from the options of pool-define-as and pool-create-as.
#include "cli/commands/pool.hpp"
#include "cli/commands/storage.hpp"

#include <fmt/format.h>

namespace domus::cli {

namespace {

/// Elements that stand inside <source>, for those options that are given.
class SourceXml {
public:
    explicit SourceXml(const Arguments& args) : args_(args) {}

    std::string text() {
        element("source-host", "<host name='{}'/>");
        element("source-path", "<dir path='{}'/>");
        element("source-dev", "<device path='{}'/>");
        adapter();
        if (const auto name = value("source-initiator"))
            line(fmt::format("<initiator>\n      <iqn name='{}'/>\n    </initiator>", *name));
        authentication();
        element("source-format", "<format type='{}'/>");
        element("source-name", "<name>{}</name>");
        element("source-protocol-ver", "<protocol ver='{}'/>");
        return out_.empty() ? out_ : "  <source>\n" + out_ + "  </source>\n";
    }

private:
    std::optional<std::string> value(std::string_view option) const {
        const auto given = args_.text(option);
        return given ? std::optional(xml_escaped(*given)) : std::nullopt;
    }
    void line(std::string_view text) { out_ += fmt::format("    {}\n", text); }
    void element(std::string_view option, std::string_view form) {
        if (const auto given = value(option)) line(fmt::format(fmt::runtime(form), *given));
    }

    /// An adapter of the host by its name, else a virtual one by its two numbers and what it hangs on.
    void adapter() {
        if (const auto name = value("adapter-name"))
            return line(fmt::format("<adapter type='scsi_host' name='{}'/>", *name));
        const auto node = value("adapter-wwnn"), port = value("adapter-wwpn");
        if (!node || !port) return;
        std::string parent;
        const auto parent_node = value("adapter-parent-wwnn"), parent_port = value("adapter-parent-wwpn");
        if (const auto name = value("adapter-parent"))
            parent = fmt::format(" parent='{}'", *name);
        else if (parent_node && parent_port)
            parent = fmt::format(" parent_wwnn='{}' parent_wwpn='{}'", *parent_node, *parent_port);
        else if (const auto fabric = value("adapter-parent-fabric-wwn"))
            parent = fmt::format(" parent_fabric_wwn='{}'", *fabric);
        line(fmt::format("<adapter type='fc_host'{} wwnn='{}' wwpn='{}'/>", parent, *node, *port));
    }

    void authentication() {
        const auto type = value("auth-type"), user = value("auth-username");
        const auto usage = value("secret-usage"), uuid = value("secret-uuid");
        if (!type || !user || (!usage && !uuid)) return;
        line(fmt::format("<auth type='{}' username='{}'>\n      <secret {}='{}'/>\n    </auth>", *type, *user,
                         usage ? "usage" : "uuid", usage ? *usage : *uuid));
    }

    const Arguments& args_;
    std::string out_;
};

} // namespace

std::string pool_xml(const Arguments& args) {
    args.exclusive("secret-usage", "secret-uuid");
    auto xml = fmt::format("<pool type='{}'>\n  <name>{}</name>\n", xml_escaped(args.required("type")),
                           xml_escaped(args.required("name")));
    xml += SourceXml(args).text();
    if (const auto path = args.text("target"))
        xml += fmt::format("  <target>\n    <path>{}</path>\n  </target>\n", xml_escaped(*path));
    return xml + "</pool>\n";
}

} // namespace domus::cli
