// ~/.docker/config.json (or $DOCKER_CONFIG/config.json): who one is at which registry. Credentials lie in the file, or
// in a helper program that the file names (docker-credential-NAME).
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "engine/reactor/result.h"

namespace dockerc {

struct RegistryLogin {
    std::string server;  // as the file names it: "localhost:5000", "https://index.docker.io/v1/"
    std::string username, password, identity_token;
    bool empty() const { return username.empty() && identity_token.empty(); }
};

inline constexpr std::string_view hub_server = "https://index.docker.io/v1/";

// "busybox" -> hub_server, "localhost:5000/x:1" -> "localhost:5000".
std::string server_of_image(std::string_view image);
// What a user calls a registry, as the file names it.
std::string server_key(std::string_view name);

engine::Result<RegistryLogin> find_login(const std::string& server);
engine::Result<void> store_login(const RegistryLogin& login);
// False: there was none.
engine::Result<bool> erase_login(const std::string& server);
std::string config_path();

// The value of X-Registry-Auth.
std::string registry_auth(const RegistryLogin& login);

}  // namespace dockerc
