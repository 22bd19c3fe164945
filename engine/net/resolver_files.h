// The text of a container's /etc/hosts and /etc/resolv.conf. Pure.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace engine::net {

struct ResolverConfig {
    std::vector<std::string> servers, search, options;
};
ResolverConfig parse_resolver_config(std::string_view text);
std::string resolver_text(const ResolverConfig& config);

// What a container inherits: the host's servers but for loopback ones (nobody listens there in the container), public
// ones when none are left, as at dockerd. `own` replaces part by part what is not empty.
ResolverConfig container_resolver(ResolverConfig host, const ResolverConfig& own);
constexpr char embedded_server[] = "127.0.0.11";

struct HostsEntry {
    std::string address;
    std::string names;   // separated by blanks
};
std::string hosts_text(const std::vector<HostsEntry>& entries);
// The text with the line of its first name changed, added, or (an address of "") removed; the rest is the container's
// own.
std::string with_host(std::string_view text, const HostsEntry& entry);

}  // namespace engine::net
