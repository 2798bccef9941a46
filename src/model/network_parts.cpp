#include "model/network_parts.hpp"

namespace domus::model {

using format::Describe;
using format::empty_is_absent;
using format::never_empty;
using format::required;
using format::Schema;

const Schema& VlanTag::schema() {
    static const Schema table =
        Describe<VlanTag>("tag", "A VLAN of the port.")
            .field("@id", &VlanTag::id, "number, 1 to 4094", required)
            .field("@nativeMode", &VlanTag::native_mode, "this one is for untagged frames of a trunk");
    return table;
}

const Schema& Vlan::schema() {
    static const Schema table =
        Describe<Vlan>("vlan", "VLANs of the port: one for an access port, several for a trunk.")
            .field("@trunk", &Vlan::trunk, "whether the guest sees the tags", empty_is_absent)
            .field("tag", &Vlan::tags);
    return table;
}

const Schema& VirtualPort::schema() {
    static const Schema table =
        Describe<VirtualPort>("virtualport", "How the switch identifies the port.")
            .field("@type", &VirtualPort::type, "kind of switch: openvswitch, 802.1Qbg, 802.1Qbh, midonet", never_empty)
            .field("parameters@managerid", &VirtualPort::managerid, "802.1Qbg: manager")
            .field("parameters@typeid", &VirtualPort::typeid_, "802.1Qbg: type")
            .field("parameters@typeidversion", &VirtualPort::typeidversion, "802.1Qbg: version of the type")
            .field("parameters@instanceid", &VirtualPort::instanceid, "802.1Qbg: instance")
            .field("parameters@interfaceid", &VirtualPort::interfaceid, "openvswitch, midonet: interface")
            .field("parameters@profileid", &VirtualPort::profileid, "openvswitch, 802.1Qbh: profile");
    return table;
}

const Schema& BandwidthLimit::schema() {
    static const Schema table = Describe<BandwidthLimit>("inbound", "Limit of one direction.")
                                    .field("@average", &BandwidthLimit::average, "kilobytes a second in the long run")
                                    .field("@peak", &BandwidthLimit::peak, "kilobytes a second in bursts")
                                    .field("@floor", &BandwidthLimit::floor, "kilobytes a second that are guaranteed")
                                    .field("@burst", &BandwidthLimit::burst, "kilobytes that may go at peak speed");
    return table;
}

const Schema& Bandwidth::schema() {
    static const Schema table = Describe<Bandwidth>("bandwidth", "Limits of speed, seen from the guest.")
                                    .field("inbound", &Bandwidth::inbound)
                                    .field("outbound", &Bandwidth::outbound);
    return table;
}

const Schema& Route::schema() {
    static const Schema table = Describe<Route>("route", "A static route.")
                                    .field("@family", &Route::family, "kind of address")
                                    .field("@address", &Route::address, "network it leads to", required)
                                    .field("@netmask", &Route::netmask, "mask of that network", never_empty)
                                    .field("@prefix", &Route::prefix, "length of its prefix")
                                    .field("@gateway", &Route::gateway, "next hop", required)
                                    .field("@metric", &Route::metric, "smaller is preferred");
    return table;
}

const Schema& IpAddress::schema() {
    static const Schema table =
        Describe<IpAddress>("ip", "An address of the interface.")
            .field("@address", &IpAddress::address, "the address", required)
            .field("@family", &IpAddress::family, "kind of address", empty_is_absent)
            .field("@prefix", &IpAddress::prefix, "length of the prefix")
            .field("@peer", &IpAddress::peer, "the other end of a point-to-point link", never_empty);
    return table;
}

} // namespace domus::model
