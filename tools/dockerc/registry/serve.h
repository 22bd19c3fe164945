// A registry that listens, until SIGTERM or SIGINT.
#pragma once

#include <string>

#include "engine/reactor/result.h"

namespace engine::registry {

struct ServeOptions {
    std::string listen = "127.0.0.1:5000";
    std::string root = "/var/lib/dockerc-registry";
    std::string htpasswd;          // a file; "": everyone may enter
    std::string certificate, key;  // PEM files; "": without TLS
    std::string engine;            // whose images are served; "": those that are pushed
};

Result<void> serve(const ServeOptions& options);

}  // namespace engine::registry
