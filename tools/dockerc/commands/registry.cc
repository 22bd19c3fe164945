#include "tools/dockerc/client.h"
#include "tools/dockerc/commands/commands.h"
#include "tools/dockerc/registry/engine_copy.h"
#include "tools/dockerc/registry/serve.h"

namespace dockerc {
namespace {

constexpr const char* pushed_root = "/var/lib/dockerc-registry";
constexpr const char* copied_root = "/var/cache/dockerc-registry";

}  // namespace

int registry_command(const Command& command, Client& client, Arguments arguments) {
    CommandLine line(command);
    engine::registry::ServeOptions options;
    options.root.clear();
    bool from_engine = false;
    line.app.add_option("--listen", options.listen, "Address to listen on (default 127.0.0.1:5000)");
    line.app.add_option("--root", options.root,
                        std::string("Folder that holds everything (default ") + pushed_root + ", with --from-engine " +
                            copied_root + ")");
    line.app.add_flag("--from-engine", from_engine, "Serve the images of the engine (-H), read-only");
    line.app.add_option("--htpasswd", options.htpasswd, "File of users, as htpasswd -B writes it");
    line.app.add_option("--tls-cert", options.certificate, "Certificate (chain), PEM: HTTPS instead of HTTP");
    line.app.add_option("--tls-key", options.key, "Its private key, PEM");
    if (const int code = line.parse(std::move(arguments), 1, 4); code >= 0) return code;
    if (line.words[0] == copy_command) return copy_from_engine(client, options.root, line.words);
    if (line.words[0] != "serve" || line.words.size() > 1)
        return report_usage(command, "unknown command: dockerc registry " + line.words[0]);
    if (options.root.empty()) options.root = from_engine ? copied_root : pushed_root;
    if (from_engine) options.engine = client.address();
    const auto served = engine::registry::serve(options);
    return served ? 0 : report(served.error());
}

}  // namespace dockerc
