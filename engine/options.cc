#include "engine/options.h"

#include <getopt.h>

#include <charconv>
#include <cstring>

namespace engine {
namespace {

enum Long : int {
    data_root = 256,
    exec_root,
    pidfile,
    cgroup_parent,
    log_level,
    label,
    log_opt,
    log_driver,
    plain_ring,
    insecure_registry,
    registry_mirror,
    downloads,
    uploads
};

constexpr option long_options[] = {
    {"host", required_argument, nullptr, 'H'},
    {"data-root", required_argument, nullptr, data_root},
    {"graph", required_argument, nullptr, data_root},
    {"exec-root", required_argument, nullptr, exec_root},
    {"pidfile", required_argument, nullptr, pidfile},
    {"storage-driver", required_argument, nullptr, 's'},
    {"cgroup-parent", required_argument, nullptr, cgroup_parent},
    {"group", required_argument, nullptr, 'G'},
    {"log-level", required_argument, nullptr, log_level},
    {"label", required_argument, nullptr, label},
    {"log-opt", required_argument, nullptr, log_opt},
    {"log-driver", required_argument, nullptr, log_driver},
    {"plain-ring", no_argument, nullptr, plain_ring},
    {"insecure-registry", required_argument, nullptr, insecure_registry},
    {"registry-mirror", required_argument, nullptr, registry_mirror},
    {"max-concurrent-downloads", required_argument, nullptr, downloads},
    {"max-concurrent-uploads", required_argument, nullptr, uploads},
    {"debug", no_argument, nullptr, 'D'},
    {"daemon", no_argument, nullptr, 'd'},
    {"help", no_argument, nullptr, 'h'},
    {"version", no_argument, nullptr, 'v'},
    {nullptr, 0, nullptr, 0},
};

Error usage(std::string text) {
    return Error(ErrorKind::invalid, std::move(text) + "\nSee 'dockercd --help'.");
}

// At least one transfer at a time.
Result<int> count_of(const char* option_name, std::string_view text) {
    int value = 0;
    const auto parsed = std::from_chars(text.data(), text.data() + text.size(), value);
    if (parsed.ec != std::errc() || parsed.ptr != text.data() + text.size() || value < 1 || value > 1000)
        return fail(usage(std::string("invalid ") + option_name + ": " + std::string(text)));
    return value;
}

// http(s)://host[:port], nothing behind it.
Result<std::string> mirror_of(std::string text) {
    const bool web = text.starts_with("http://") || text.starts_with("https://");
    if (!web) return fail(usage("invalid mirror: unsupported scheme in \"" + text + "\": it must be http or https"));
    while (text.ends_with('/')) text.pop_back();
    const auto rest = std::string_view(text).substr(text.find("://") + 3);
    if (rest.empty() || rest.find_first_of("@?#") != std::string_view::npos)
        return fail(usage("invalid mirror: \"" + text + "\": it is http(s)://host[:port]"));
    return text;
}

Result<void> apply(int code, const char* value, Options& options) {
    switch (code) {
        case 'H': options.hosts.emplace_back(value); break;
        case 'g':
        case data_root: options.data_root = value; break;
        case exec_root: options.exec_root = value; break;
        case 'p':
        case pidfile: options.pidfile = value; break;
        case 's': options.storage_driver = value; break;
        case cgroup_parent: options.cgroup_parent = value; break;
        case 'G': options.group = value; break;
        case 'l':
        case log_level: options.log_level = value; break;
        case label: options.labels.emplace_back(value); break;
        case log_opt: options.log_opts.emplace_back(value); break;
        case log_driver: options.log_driver = value; break;
        case plain_ring: options.plain_ring = true; break;
        case insecure_registry: options.insecure_registries.emplace_back(value); break;
        case registry_mirror: {
            auto mirror = mirror_of(value);
            if (!mirror) return fail(std::move(mirror.error()));
            options.registry_mirrors.push_back(std::move(*mirror));
            break;
        }
        case downloads:
        case uploads: {
            const bool down = code == downloads;
            auto count = count_of(down ? "max concurrent downloads" : "max concurrent uploads", value);
            if (!count) return fail(std::move(count.error()));
            (down ? options.downloads_max : options.uploads_max) = *count;
            break;
        }
        case 'D': options.debug = true; break;
        case 'd': break;  // was "be a daemon": we are nothing else
        case 'h': options.help = true; break;
        case 'v': options.version = true; break;
        default: return fail(usage("unknown option"));
    }
    return {};
}

Result<void> check(Options& options) {
    if (options.data_root.empty() || options.data_root[0] != '/')
        return fail(usage("--data-root must be an absolute path, not '" + options.data_root + "'"));
    if (options.exec_root.empty() || options.exec_root[0] != '/')
        return fail(usage("--exec-root must be an absolute path, not '" + options.exec_root + "'"));
    if (!options.storage_driver.empty() && options.storage_driver != "overlay2" && options.storage_driver != "vfs")
        return fail(usage("--storage-driver: '" + options.storage_driver + "' is unknown (overlay2, vfs)"));
    bool known = false;
    for (const char* level : {"debug", "info", "warn", "error"}) known = known || options.log_level == level;
    if (!known) return fail(usage("--log-level: '" + options.log_level + "' is unknown (debug, info, warn, error)"));
    if (options.hosts.empty()) options.hosts.emplace_back("unix:///var/run/docker.sock");
    return {};
}

}  // namespace

Result<Options> parse_options(int argc, char** argv) {
    Options options;
    opterr = 0;
    optind = 1;
    while (true) {
        const int at = optind;
        const int code = getopt_long(argc, argv, ":H:g:p:s:G:l:Ddhv", long_options, nullptr);
        if (code < 0) break;
        if (code == '?') return fail(usage(std::string("unknown flag: ") + argv[at < argc ? at : argc - 1]));
        if (code == ':') return fail(usage(std::string("flag needs an argument: ") + argv[argc - 1]));
        if (auto applied = apply(code, optarg, options); !applied) return fail(std::move(applied.error()));
    }
    if (optind < argc) return fail(usage(std::string("unexpected argument: ") + argv[optind]));
    if (auto checked = check(options); !checked) return fail(std::move(checked.error()));
    return options;
}

std::string options_help() {
    return "Usage: dockercd [OPTIONS]\n\n"
           "A Docker-compatible container engine.\n\n"
           "  -H, --host ADDRESS        listen here: unix:///path, tcp://host:port, fd:// (repeatable;\n"
           "                            default unix:///var/run/docker.sock)\n"
           "      --data-root DIR       images, containers, state (default /var/lib/dockercd; also -g, --graph)\n"
           "      --exec-root DIR       runtime state, the keeper's socket (default /run/dockercd)\n"
           "  -p, --pidfile FILE        write the process id there\n"
           "  -s, --storage-driver NAME overlay2 or vfs (default: overlay2 where the filesystem has it)\n"
           "      --cgroup-parent PATH  parent of the containers' cgroups (default /docker)\n"
           "  -G, --group NAME          group that owns unix sockets (default docker)\n"
           "      --label KEY=VALUE     label of this engine, shown by info (repeatable)\n"
           "      --log-driver NAME     default log driver of containers (default json-file)\n"
           "      --log-opt KEY=VALUE   default log option of containers (repeatable)\n"
           "      --insecure-registry HOST   registry (host[:port] or CIDR) reached without verification (repeatable)\n"
           "      --registry-mirror URL      tried before Docker Hub (repeatable)\n"
           "      --max-concurrent-downloads N   layers pulled at once (default 3)\n"
           "      --max-concurrent-uploads N     layers pushed at once (default 5)\n"
           "  -l, --log-level LEVEL     debug, info, warn or error\n"
           "  -D, --debug               log at debug level, and turns of the loop that take too long\n"
           "      --plain-ring          use io_uring as the oldest supported kernel has it\n"
           "  -v, --version             print the version\n"
           "  -h, --help                print this\n";
}

}  // namespace engine
