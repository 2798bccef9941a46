#include "filter/stock.hpp"

#include <array>
#include <string_view>

namespace domus::filter {

namespace {

constexpr auto documents = std::to_array<std::string_view>({
    R"(<filter name='allow-arp' chain='arp'>
         <rule action='accept' direction='inout'><arp/></rule>
       </filter>)",
    R"(<filter name='no-mac-spoofing' chain='mac' priority='-800'>
         <rule action='return' direction='out'><mac srcmacaddr='$MAC'/></rule>
         <rule action='drop' direction='out'><mac/></rule>
       </filter>)",
    R"(<filter name='no-mac-broadcast' chain='ipv4'>
         <rule action='drop' direction='out'><mac dstmacaddr='ff:ff:ff:ff:ff:ff'/></rule>
       </filter>)",
    R"(<filter name='no-arp-mac-spoofing' chain='arp-mac' priority='-520'>
         <rule action='return' direction='out' priority='350'><arp arpsrcmacaddr='$MAC'/></rule>
         <rule action='drop' direction='out' priority='1000'><arp/></rule>
       </filter>)",
    R"(<filter name='no-arp-ip-spoofing' chain='arp-ip' priority='-510'>
         <rule action='return' direction='out' priority='400'><arp arpsrcipaddr='$IP'/></rule>
         <rule action='return' direction='out' priority='410'><arp arpsrcipaddr='0.0.0.0' opcode='Request'/></rule>
         <rule action='drop' direction='out' priority='1000'><arp/></rule>
       </filter>)",
    R"(<filter name='no-arp-spoofing' chain='root'>
         <filterref filter='no-arp-mac-spoofing'/>
         <filterref filter='no-arp-ip-spoofing'/>
       </filter>)",
    R"(<filter name='no-ip-spoofing' chain='ipv4-ip' priority='-710'>
         <rule action='return' direction='out' priority='100'>
           <ip srcipaddr='0.0.0.0' protocol='udp' srcportstart='68' dstportstart='67'/>
         </rule>
         <rule action='return' direction='out' priority='500'><ip srcipaddr='$IP'/></rule>
         <rule action='drop' direction='out' priority='1000'><mac/></rule>
       </filter>)",
    R"(<filter name='no-ipv6-spoofing' chain='ipv6-ip' priority='-610'>
         <rule action='return' direction='out' priority='100'><ipv6 srcipaddr='::'/></rule>
         <rule action='return' direction='out' priority='200'><ipv6 srcipaddr='fe80::' srcipmask='10'/></rule>
         <rule action='return' direction='out' priority='500'><ipv6 srcipaddr='$IPV6'/></rule>
         <rule action='drop' direction='out' priority='1000'><mac/></rule>
       </filter>)",
    R"(<filter name='no-ip-multicast' chain='ipv4'>
         <rule action='drop' direction='out'><ip dstipaddr='224.0.0.0' dstipmask='4'/></rule>
       </filter>)",
    R"(<filter name='no-ipv6-multicast' chain='ipv6'>
         <rule action='drop' direction='out'><ipv6 dstipaddr='ff00::' dstipmask='8'/></rule>
       </filter>)",
    R"(<filter name='allow-ipv4' chain='ipv4'>
         <rule action='accept' direction='inout'><ip/></rule>
       </filter>)",
    R"(<filter name='allow-ipv6' chain='ipv6'>
         <rule action='accept' direction='inout'><ipv6/></rule>
       </filter>)",
    R"(<filter name='allow-incoming-ipv4' chain='ipv4'>
         <rule action='accept' direction='in'><ip/></rule>
       </filter>)",
    R"(<filter name='allow-incoming-ipv6' chain='ipv6'>
         <rule action='accept' direction='in'><ipv6/></rule>
       </filter>)",
    R"(<filter name='allow-dhcp' chain='ipv4'>
         <rule action='accept' direction='out' priority='100'>
           <ip srcipaddr='0.0.0.0' dstipaddr='255.255.255.255' protocol='udp' srcportstart='68' dstportstart='67'/>
         </rule>
         <rule action='accept' direction='in' priority='100'>
           <ip protocol='udp' srcportstart='67' dstportstart='68'/>
         </rule>
       </filter>)",
    R"(<filter name='allow-dhcp-server' chain='ipv4'>
         <rule action='accept' direction='out' priority='100'>
           <ip srcipaddr='0.0.0.0' dstipaddr='255.255.255.255' protocol='udp' srcportstart='68' dstportstart='67'/>
         </rule>
         <rule action='accept' direction='in' priority='100'>
           <ip srcipaddr='$DHCPSERVER' protocol='udp' srcportstart='67' dstportstart='68'/>
         </rule>
       </filter>)",
    R"(<filter name='allow-dhcpv6' chain='ipv6'>
         <rule action='accept' direction='out' priority='100'>
           <ipv6 srcipaddr='fe80::' srcipmask='10' dstipaddr='ff02::1:2' protocol='udp' srcportstart='546'
                 dstportstart='547'/>
         </rule>
         <rule action='accept' direction='in' priority='100'>
           <ipv6 srcipaddr='fe80::' srcipmask='10' protocol='udp' srcportstart='547' dstportstart='546'/>
         </rule>
       </filter>)",
    R"(<filter name='allow-dhcpv6-server' chain='ipv6'>
         <rule action='accept' direction='out' priority='100'>
           <ipv6 srcipaddr='fe80::' srcipmask='10' dstipaddr='ff02::1:2' protocol='udp' srcportstart='546'
                 dstportstart='547'/>
         </rule>
         <rule action='accept' direction='in' priority='100'>
           <ipv6 srcipaddr='$DHCPSERVERV6' protocol='udp' srcportstart='547' dstportstart='546'/>
         </rule>
       </filter>)",
    R"(<filter name='no-other-l2-traffic' chain='root'>
         <rule action='drop' direction='inout' priority='1000'><mac/></rule>
       </filter>)",
    R"(<filter name='no-other-rarp-traffic' chain='rarp'>
         <rule action='drop' direction='inout' priority='1000'><rarp/></rule>
       </filter>)",
    R"(<filter name='qemu-announce-self-rarp' chain='rarp'>
         <rule action='accept' direction='out'>
           <rarp srcmacaddr='$MAC' dstmacaddr='ff:ff:ff:ff:ff:ff' opcode='Request_Reverse' arpsrcmacaddr='$MAC'
                 arpdstmacaddr='$MAC' arpsrcipaddr='0.0.0.0' arpdstipaddr='0.0.0.0'/>
         </rule>
         <rule action='accept' direction='in'>
           <rarp dstmacaddr='ff:ff:ff:ff:ff:ff' opcode='Request_Reverse' arpsrcipaddr='0.0.0.0'
                 arpdstipaddr='0.0.0.0'/>
         </rule>
       </filter>)",
    R"(<filter name='qemu-announce-self' chain='root'>
         <rule action='accept' direction='out'><mac protocolid='0x835'/></rule>
         <filterref filter='qemu-announce-self-rarp'/>
         <filterref filter='no-other-rarp-traffic'/>
       </filter>)",
    R"(<filter name='clean-traffic' chain='root'>
         <filterref filter='no-mac-spoofing'/>
         <filterref filter='no-ip-spoofing'/>
         <rule action='accept' direction='out' priority='-650'><mac protocolid='ipv4'/></rule>
         <filterref filter='allow-incoming-ipv4'/>
         <filterref filter='no-arp-spoofing'/>
         <rule action='accept' direction='inout' priority='-500'><mac protocolid='arp'/></rule>
         <filterref filter='no-other-l2-traffic'/>
         <filterref filter='qemu-announce-self'/>
       </filter>)",
    R"(<filter name='clean-traffic-gateway' chain='root'>
         <filterref filter='no-mac-spoofing'/>
         <filterref filter='no-ip-spoofing'/>
         <rule action='accept' direction='out' priority='-650'>
           <mac dstmacaddr='$GATEWAY_MAC' protocolid='ipv4'/>
         </rule>
         <rule action='accept' direction='in' priority='-650'>
           <mac srcmacaddr='$GATEWAY_MAC' protocolid='ipv4'/>
         </rule>
         <filterref filter='no-arp-spoofing'/>
         <rule action='accept' direction='in' priority='-550'>
           <mac srcmacaddr='$GATEWAY_MAC' protocolid='arp'/>
         </rule>
         <rule action='accept' direction='out' priority='-550'><mac protocolid='arp'/></rule>
         <filterref filter='no-other-l2-traffic'/>
         <filterref filter='qemu-announce-self'/>
       </filter>)",
});

} // namespace

std::vector<model::NwFilter> stock_filters() {
    std::vector<model::NwFilter> filters;
    for (const auto document : documents) {
        auto& filter = filters.emplace_back(format::from_xml<model::NwFilter>(document, ErrorDomain::nwfilter));
        model::normalize(filter);
    }
    return filters;
}

} // namespace domus::filter
