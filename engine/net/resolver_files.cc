#include "engine/net/resolver_files.h"

#include <algorithm>

#include "engine/net/address.h"

namespace engine::net {
namespace {

std::vector<std::string> words_of(std::string_view line) {
    std::vector<std::string> out;
    while (!line.empty()) {
        const std::size_t begin = line.find_first_not_of(" \t\r");
        if (begin == std::string_view::npos) break;
        line.remove_prefix(begin);
        const std::size_t end = std::min(line.find_first_of(" \t\r"), line.size());
        out.emplace_back(line.substr(0, end));
        line.remove_prefix(end);
    }
    return out;
}

}  // namespace

ResolverConfig parse_resolver_config(std::string_view text) {
    ResolverConfig out;
    while (!text.empty()) {
        const std::size_t end = std::min(text.find('\n'), text.size());
        std::string_view line = text.substr(0, end);
        text.remove_prefix(std::min(end + 1, text.size()));
        line = line.substr(0, line.find_first_of("#;"));
        std::vector<std::string> words = words_of(line);
        if (words.size() < 2) continue;
        const std::string keyword = words[0];
        words.erase(words.begin());
        if (keyword == "nameserver") out.servers.push_back(words[0]);
        // The last of these lines is the one that counts (resolv.conf(5)).
        if (keyword == "search" || keyword == "domain") out.search = std::move(words);
        if (keyword == "options") out.options.insert(out.options.end(), words.begin(), words.end());
    }
    return out;
}

std::string resolver_text(const ResolverConfig& config) {
    std::string out;
    const auto line = [&out](std::string_view keyword, const std::vector<std::string>& words) {
        if (words.empty()) return;
        out += keyword;
        for (const std::string& word : words) out.append(" ").append(word);
        out += "\n";
    };
    for (const std::string& server : config.servers) out += "nameserver " + server + "\n";
    // A search of "." asks for none, and clears the host's.
    if (config.search != std::vector<std::string>{"."}) line("search", config.search);
    line("options", config.options);
    return out;
}

ResolverConfig container_resolver(ResolverConfig host, const ResolverConfig& own) {
    if (!own.search.empty()) host.search = own.search;
    if (!own.options.empty()) host.options = own.options;
    if (!own.servers.empty()) {
        host.servers = own.servers;
        return host;
    }
    std::erase_if(host.servers, [](const std::string& server) {
        const auto address = Address::parse(server.substr(0, server.find('%')));
        return !address || address->is_loopback();
    });
    if (host.servers.empty()) host.servers = {"8.8.8.8", "8.8.4.4"};
    return host;
}

std::string hosts_text(const std::vector<HostsEntry>& entries) {
    std::string out =
        "127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\nfe00::\tip6-localnet\n"
        "ff00::\tip6-mcastprefix\nff02::1\tip6-allnodes\nff02::2\tip6-allrouters\n";
    for (const HostsEntry& entry : entries) out += entry.address + "\t" + entry.names + "\n";
    return out;
}

std::string with_host(std::string_view text, const HostsEntry& entry) {
    std::string out;
    const std::string name = "\t" + entry.names.substr(0, entry.names.find(' '));
    while (!text.empty()) {
        const std::size_t end = std::min(text.find('\n'), text.size());
        const std::string_view line = text.substr(0, end);
        text.remove_prefix(std::min(end + 1, text.size()));
        const std::string_view names = line.substr(std::min(line.find('\t'), line.size()));
        if (names != name && !names.starts_with(name + " ")) out.append(line).append("\n");
    }
    if (!entry.address.empty()) out += entry.address + "\t" + entry.names + "\n";
    return out;
}

}  // namespace engine::net
