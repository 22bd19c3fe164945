#include "engine/net/net_call.h"

#include <concepts>
#include <type_traits>

namespace engine::net {
namespace {

// One description of each struct serves both directions: `archive & field`.
class Packer {
public:
    static constexpr bool reads = false;
    template <class T>
        requires std::is_arithmetic_v<T> || std::is_enum_v<T>
    void value(const T& v) {
        out.append(reinterpret_cast<const char*>(&v), sizeof v);
    }
    void value(const std::string& v) {
        value(static_cast<std::uint32_t>(v.size()));
        out.append(v);
    }
    void value(const Address& v) {
        value(static_cast<std::uint8_t>(v.size()));
        out.append(reinterpret_cast<const char*>(v.bytes()), v.size());
    }
    void value(const HardwareAddress& v) { out.append(reinterpret_cast<const char*>(v.bytes.data()), v.bytes.size()); }
    std::string out;
};

class Unpacker {
public:
    static constexpr bool reads = true;
    explicit Unpacker(std::string_view bytes) : left(bytes) {}
    template <class T>
        requires std::is_arithmetic_v<T> || std::is_enum_v<T>
    void value(T& v) {
        take(&v, sizeof v);
    }
    void value(std::string& v) {
        std::uint32_t size = 0;
        value(size);
        if (size > left.size()) return refuse();
        v.assign(left.substr(0, size));
        left.remove_prefix(size);
    }
    void value(Address& v) {
        std::uint8_t size = 0;
        value(size);
        if (size == 0) return;
        if ((size != 4 && size != 16) || size > left.size()) return refuse();
        v = Address::from_bytes(left.data(), size == 16);
        left.remove_prefix(size);
    }
    void value(HardwareAddress& v) { take(v.bytes.data(), v.bytes.size()); }
    void take(void* into, std::size_t bytes) {
        if (bytes > left.size()) return refuse();
        std::memcpy(into, left.data(), bytes);
        left.remove_prefix(bytes);
    }
    void refuse() {
        sound = false;
        left = {};
    }
    std::string_view left;
    bool sound = true;
};

template <class A, class T>
concept Value = requires(A a, T& v) { a.value(v); };

template <class A, class T>
    requires Value<A, T>
void visit(A& a, T& v) {
    a.value(v);
}
template <class A, class T>
    requires std::same_as<std::remove_const_t<T>, Prefix>
void visit(A& a, T& v) {
    a.value(v.address);
    a.value(v.length);
}
template <class A, class T>
    requires std::same_as<std::remove_const_t<T>, std::pair<std::string, std::string>>
void visit(A& a, T& v) {
    a.value(v.first);
    a.value(v.second);
}

template <class A, class... T>
void fields(A& a, T&... values);

template <class A, class T>
void visit(A& a, std::vector<T>& list) {
    std::uint32_t count = static_cast<std::uint32_t>(list.size());
    a.value(count);
    if constexpr (A::reads) {
        // Every item takes a byte at least: a count that lies costs nothing.
        if (count > a.left.size()) return a.refuse();
        list.resize(count);
    }
    for (T& item : list) visit(a, item);
}

template <class A>
void visit(A& a, LinkFacts& v) {
    fields(a, v.index, v.master, v.mtu, v.up, v.name, v.kind, v.filters_vlans, v.hardware);
}
template <class A>
void visit(A& a, AddressFacts& v) {
    fields(a, v.index, v.address);
}
template <class A>
void visit(A& a, Survey& v) {
    fields(a, v.routes, v.addresses, v.links);
}
template <class A>
void visit(A& a, BridgePlan& v) {
    fields(a, v.name, v.hardware, v.mtu, v.addresses, v.make, v.filters_vlans, v.bridge_filter, v.forward_v4,
           v.forward_v6, v.loopback_ports);
}
template <class A>
void visit(A& a, BridgeMade& v) {
    fields(a, v.index, v.addresses, v.warnings, v.existed);
}
template <class A>
void visit(A& a, Overlay& v) {
    fields(a, v.vni, v.port, v.peers, v.local, v.parent);
}
template <class A>
void visit(A& a, HostLinkPlan& v) {
    fields(a, v.kind, v.name, v.parent, v.vlan, v.overlay, v.bridge, v.mtu);
}
template <class A>
void visit(A& a, StackedLink& v) {
    fields(a, v.kind, v.mode, v.flags);
}
template <class A>
void visit(A& a, VethPlan& v) {
    fields(a, v.host_name, v.inside_name, v.inside_hardware, v.mtu, v.bridge_index);
}
template <class A>
void visit(A& a, RoutePlan& v) {
    fields(a, v.destination, v.gateway, v.metric);
}
template <class A>
void visit(A& a, EndpointPlan& v) {
    fields(a, v.veth, v.bridge, v.addresses, v.routes, v.gateway, v.gateway_v6, v.hairpin, v.may_widen,
           v.stacked, v.vlan, v.settings);
}
template <class A>
void visit(A& a, AttachPlan& v) {
    fields(a, v.endpoints, v.replace_default, v.resolver);
}
template <class A>
void visit(A& a, DetachPlan& v) {
    fields(a, v.host_name, v.inside_name, v.gateway, v.gateway_v6, v.gateway_link);
}

template <class A, class... T>
void fields(A& a, T&... values) {
    (visit(a, values), ...);
}

// The packer changes nothing; the descriptions above are written for both.
template <class T>
std::string packed(const T& value) {
    Packer packer;
    visit(packer, const_cast<T&>(value));
    return std::move(packer.out);
}
template <class T>
bool unpacked(std::string_view bytes, T& value) {
    Unpacker unpacker(bytes);
    visit(unpacker, value);
    return unpacker.sound && unpacker.left.empty();
}

}  // namespace

std::string pack(const Survey& v) { return packed(v); }
std::string pack(const BridgePlan& v) { return packed(v); }
std::string pack(const BridgeMade& v) { return packed(v); }
std::string pack(const HostLinkPlan& v) { return packed(v); }
std::string pack(const AttachPlan& v) { return packed(v); }
std::string pack(const DetachPlan& v) { return packed(v); }
std::string pack(const Settings& v) { return packed(v); }
std::string pack(const std::vector<std::string>& v) { return packed(v); }
std::string pack(const std::string& v) { return packed(v); }

bool unpack(std::string_view bytes, Survey& out) { return unpacked(bytes, out); }
bool unpack(std::string_view bytes, BridgePlan& out) { return unpacked(bytes, out); }
bool unpack(std::string_view bytes, BridgeMade& out) { return unpacked(bytes, out); }
bool unpack(std::string_view bytes, HostLinkPlan& out) { return unpacked(bytes, out); }
bool unpack(std::string_view bytes, AttachPlan& out) { return unpacked(bytes, out); }
bool unpack(std::string_view bytes, DetachPlan& out) { return unpacked(bytes, out); }
bool unpack(std::string_view bytes, Settings& out) { return unpacked(bytes, out); }
bool unpack(std::string_view bytes, std::vector<std::string>& out) { return unpacked(bytes, out); }
bool unpack(std::string_view bytes, std::string& out) { return unpacked(bytes, out); }

}  // namespace engine::net
