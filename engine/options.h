// The engine's command line, spelled as dockerd's; the older spellings (-g/--graph, -p, -s, -d) are accepted too.
#pragma once

#include <string>
#include <vector>

#include "engine/net/options.h"
#include "engine/reactor/result.h"

namespace engine {

struct Options {
    std::vector<std::string> hosts;             // -H, as given; default unix:///var/run/docker.sock
    std::string data_root = "/var/lib/dockercd";
    std::string exec_root = "/run/dockercd";
    std::string pidfile;                        // "": none
    std::string storage_driver;                 // "": chosen at start
    std::string cgroup_parent = "/docker";
    std::string group = "docker";               // owner of unix sockets
    std::string log_level = "info";
    std::vector<std::string> labels;
    std::vector<std::string> log_opts;          // default log options of containers, k=v
    std::string log_driver = "json-file";
    std::vector<std::string> insecure_registries;  // host[:port] or CIDR
    std::vector<std::string> registry_mirrors;     // URLs
    int downloads_max = 3;                         // --max-concurrent-downloads
    int uploads_max = 5;                           // --max-concurrent-uploads
    net::Options network;                       // -b, --bip, --icc, --dns ...
    bool debug = false;
    bool plain_ring = false;                    // --plain-ring: the ring of the oldest supported kernel
    bool help = false;
    bool version = false;
};

Result<Options> parse_options(int argc, char** argv);
std::string options_help();

}  // namespace engine
