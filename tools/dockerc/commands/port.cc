#include <cstdio>

#include "engine/reactor/try.h"
#include "tools/dockerc/commands/commands.h"
#include "tools/dockerc/text.h"

namespace dockerc {
namespace {

std::string host_of(JsonValue binding) {
    const std::string address = json_text(binding, "HostIp");
    const bool v6 = address.find(':') != std::string::npos;
    return (v6 ? "[" + address + "]" : address) + ":" + json_text(binding, "HostPort");
}

}  // namespace

int port_command(const Command& command, Client& client, Arguments arguments) {
    CommandLine line(command);
    if (const int code = line.parse(std::move(arguments), 1, 2); code >= 0) return code;
    const auto body = client.call("GET", "/containers/" + url_escape(line.words[0]) + "/json");
    if (!body) return report(body.error());
    std::string wanted = line.words.size() > 1 ? line.words[1] : "";
    if (!wanted.empty() && wanted.find('/') == std::string::npos) wanted += "/tcp";
    JsonDocument document;
    JsonValue settings;
    simdjson::dom::object ports;
    if (!document.parse(*body) || !json_member(document.root(), "NetworkSettings", settings) ||
        settings["Ports"].get(ports) != simdjson::SUCCESS)
        return 1;
    bool found = false;
    for (const auto port : ports) {
        if (!wanted.empty() && port.key != wanted) continue;
        json_each(port.value, [&](JsonValue binding) {
            found = true;
            const std::string host = host_of(binding);
            if (wanted.empty()) std::printf("%s -> ", std::string(port.key).c_str());
            std::printf("%s\n", host.c_str());
        });
    }
    if (found || wanted.empty()) return 0;
    std::fprintf(stderr, "Error: No public port '%s' published for %s\n", wanted.c_str(), line.words[0].c_str());
    return 1;
}

}  // namespace dockerc
