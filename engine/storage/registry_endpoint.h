// Where a registry is reached: which addresses, in which order, how far trusted. Pure but for the look-up of a name
// (whose addresses decide whether a CIDR of --insecure-registry means it); used in dockercd-registry.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "engine/storage/registry_job.h"

namespace engine::storage {

struct RegistryEndpoint {
    std::string url;  // without the last slash: https://registry-1.docker.io
    bool verify = true;
    bool mirror = false;
    std::string host() const;  // host[:port]
};

// docker.io: its mirrors, then itself. An insecure registry: https without verification, then http. Others: https.
std::vector<RegistryEndpoint> endpoints_of(const RegistrySettings& settings, std::string_view domain);
// A host[:port] is named by `insecure`, or lies (one of its addresses) in a CIDR there or in a loopback network.
bool is_insecure(const std::vector<std::string>& insecure, std::string_view domain);
// Text of an address in a CIDR's text.
bool address_in_network(std::string_view address, std::string_view cidr);

// What certs.d/<host[:port]>/ holds, read before the process gives up its privileges.
struct Certificates {
    std::string authorities;  // PEM, all *.crt; "": the system's alone
    std::string certificate;  // PEM, of a client
    std::string key;
};
Result<Certificates> read_certificates(const std::string& folder, std::string_view domain);

// "scheme://host:port" of a URL, port explicit: two URLs with one origin may see the same credentials.
std::string origin_of(std::string_view url);

}  // namespace engine::storage
