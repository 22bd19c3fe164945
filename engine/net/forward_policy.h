// What drops forwarded packets on this host beside our own table: containers reach nobody outside then, and are not
// reached. Other packet filters set such a policy (docker's own, ufw, administrators). Blocking; net worker only.
#pragma once

#include <string>
#include <vector>

namespace engine::net {

// The chains whose policy is to drop what is forwarded, each as an administrator would name it: "iptables FORWARD"
// (of the legacy ip_tables), "nftables ip filter FORWARD". In the network namespace of the calling process. What cannot
// be asked is not named.
std::vector<std::string> dropping_forward_chains();

}  // namespace engine::net
