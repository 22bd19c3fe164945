#include "engine/options.h"

#include <getopt.h>

#include <charconv>
#include <cstring>

#include "engine/reactor/try.h"

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
    uploads,
    bip,
    bip6,
    fixed_cidr,
    fixed_cidr_v6,
    default_gateway,
    default_gateway_v6,
    mtu,
    icc,
    ip,
    ip_forward,
    ip_masq,
    iptables,
    ipv6,
    dns,
    dns_search,
    dns_opt,
    host_gateway_ip,
    port_range
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
    {"bridge", required_argument, nullptr, 'b'},
    {"bip", required_argument, nullptr, bip},
    {"bip6", required_argument, nullptr, bip6},
    {"fixed-cidr", required_argument, nullptr, fixed_cidr},
    {"fixed-cidr-v6", required_argument, nullptr, fixed_cidr_v6},
    {"default-gateway", required_argument, nullptr, default_gateway},
    {"default-gateway-v6", required_argument, nullptr, default_gateway_v6},
    {"mtu", required_argument, nullptr, mtu},
    {"icc", optional_argument, nullptr, icc},
    {"ip", required_argument, nullptr, ip},
    {"ip-forward", optional_argument, nullptr, ip_forward},
    {"ip-masq", optional_argument, nullptr, ip_masq},
    {"iptables", optional_argument, nullptr, iptables},
    {"ipv6", optional_argument, nullptr, ipv6},
    {"dns", required_argument, nullptr, dns},
    {"dns-search", required_argument, nullptr, dns_search},
    {"dns-opt", required_argument, nullptr, dns_opt},
    {"host-gateway-ip", required_argument, nullptr, host_gateway_ip},
    {"port-range", required_argument, nullptr, port_range},
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

// "--icc", "--icc=true", "--icc=0".
Result<void> switch_on(const char* value, const char* option, bool& out) {
    const std::string_view word = value ? value : "true";
    out = word == "true" || word == "1";
    if (out || word == "false" || word == "0") return {};
    return fail(usage("invalid boolean \"" + std::string(word) + "\" for --" + option));
}

Result<unsigned> number_of(std::string_view text, const char* option, unsigned most) {
    unsigned value = 0;
    const auto parsed = std::from_chars(text.data(), text.data() + text.size(), value);
    if (parsed.ec == std::errc{} && parsed.ptr == text.data() + text.size() && value <= most) return value;
    return fail(usage("--" + std::string(option) + ": '" + std::string(text) + "' is not a number up to " +
                      std::to_string(most)));
}

Result<void> set_port_range(std::string_view text, net::Options& network) {
    const std::size_t dash = text.find('-');
    TRY(const unsigned first, number_of(text.substr(0, dash), "port-range", 65535));
    TRY(const unsigned last, number_of(dash == text.npos ? text : text.substr(dash + 1), "port-range", 65535));
    if (first == 0 || last < first) return fail(usage("--port-range: '" + std::string(text) + "' is not FIRST-LAST"));
    network.port_first = static_cast<std::uint16_t>(first);
    network.port_last = static_cast<std::uint16_t>(last);
    return {};
}

Result<void> apply_network(int code, const char* value, net::Options& network) {
    switch (code) {
        case 'b': network.bridge = value; break;
        case bip: network.bip = value; break;
        case bip6: network.bip6 = value; break;
        case fixed_cidr: network.fixed_cidr = value; break;
        case fixed_cidr_v6: network.fixed_cidr_v6 = value; break;
        case default_gateway: network.default_gateway = value; break;
        case default_gateway_v6: network.default_gateway_v6 = value; break;
        case mtu: {
            TRY(network.mtu, number_of(value, "mtu", 65535));
            break;
        }
        case icc: return switch_on(value, "icc", network.icc);
        case ip: network.ip = value; break;
        case ip_forward: return switch_on(value, "ip-forward", network.ip_forward);
        case ip_masq: return switch_on(value, "ip-masq", network.ip_masq);
        case iptables: return switch_on(value, "iptables", network.iptables);
        case ipv6: return switch_on(value, "ipv6", network.ipv6);
        case dns: network.dns.emplace_back(value); break;
        case dns_search: network.dns_search.emplace_back(value); break;
        case dns_opt: network.dns_opt.emplace_back(value); break;
        case host_gateway_ip: network.host_gateway_ip = value; break;
        case port_range: return set_port_range(value, network);
        default: return fail(usage("unknown option"));
    }
    return {};
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
        default: return apply_network(code, value, options.network);
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
    if (auto network = net::check_options(options.network); !network)
        return fail(usage(network.error().message()));
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
        const int code = getopt_long(argc, argv, ":H:g:p:s:G:l:b:Ddhv", long_options, nullptr);
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
           "  -b, --bridge NAME         bridge of the default network (default docker0, made here;\n"
           "                            none: no such network)\n"
           "      --bip CIDR            address and network of that bridge; --bip6 too\n"
           "      --fixed-cidr CIDR     part of the network that containers get addresses from; --fixed-cidr-v6 too\n"
           "      --default-gateway IP  gateway of containers on the default network; --default-gateway-v6 too\n"
           "      --mtu BYTES           of the containers' interfaces\n"
           "      --icc=false           containers on the default network don't reach each other\n"
           "      --ip ADDRESS          where ports are published when nothing is said (default 0.0.0.0)\n"
           "      --ip-forward=false    leave the host's forwarding as it is\n"
           "      --ip-masq=false       don't hide the containers behind the host's address\n"
           "      --iptables=false      no nftables rules: no published ports, no filtering\n"
           "      --ipv6                IPv6 on the default network (with --fixed-cidr-v6)\n"
           "      --dns ADDRESS         name server of containers (repeatable); --dns-search, --dns-opt too\n"
           "      --host-gateway-ip IP  what host-gateway means in --add-host\n"
           "      --port-range A-B      where ports are picked when none is asked for (default 49153-65535)\n"
           "  -l, --log-level LEVEL     debug, info, warn or error\n"
           "  -D, --debug               log at debug level, and turns of the loop that take too long\n"
           "      --plain-ring          use io_uring as the oldest supported kernel has it\n"
           "  -v, --version             print the version\n"
           "  -h, --help                print this\n";
}

}  // namespace engine
