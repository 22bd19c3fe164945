#include <cstdio>

#include "tools/dockerc/commands/commands.h"
#include "tools/dockerc/registry/serve.h"

namespace dockerc {

int registry_command(const Command& command, Client&, Arguments arguments) {
    CommandLine line(command);
    engine::registry::ServeOptions options;
    line.app.add_option("--listen", options.listen, "Address to listen on (default 127.0.0.1:5000)");
    line.app.add_option("--root", options.root, "Folder that holds everything (default /var/lib/dockerc-registry)");
    line.app.add_option("--htpasswd", options.htpasswd, "File of users, as htpasswd -B writes it");
    line.app.add_option("--tls-cert", options.certificate, "Certificate (chain), PEM: HTTPS instead of HTTP");
    line.app.add_option("--tls-key", options.key, "Its private key, PEM");
    if (const int code = line.parse(std::move(arguments), 1, 1); code >= 0) return code;
    if (line.words[0] != "serve") return report_usage(command, "unknown command: dockerc registry " + line.words[0]);
    const auto served = engine::registry::serve(options);
    return served ? 0 : report(served.error());
}

}  // namespace dockerc
