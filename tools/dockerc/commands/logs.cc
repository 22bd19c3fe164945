#include <cstdio>

#include "engine/reactor/try.h"
#include "tools/dockerc/commands/commands.h"

#include <time.h>

#include "tools/dockerc/session.h"
#include "tools/dockerc/text.h"

namespace dockerc {

int logs_command(const Command& command, Client& client, Arguments arguments) {
    CommandLine line(command);
    bool follow = false, timestamps = false, details = false;
    std::string tail, since, until;
    line.app.add_flag("-f,--follow", follow, "Follow log output");
    line.app.add_flag("-t,--timestamps", timestamps, "Show timestamps");
    line.app.add_flag("--details", details, "Show extra details provided to logs");
    line.app.add_option("-n,--tail", tail, "Number of lines to show from the end of the logs");
    line.app.add_option("--since", since, "Show logs since timestamp or relative (e.g. \"42m\")");
    line.app.add_option("--until", until, "Show logs before a timestamp or relative");
    if (const int code = line.parse(std::move(arguments), 1, 1); code >= 0) return code;
    const std::string path = "/containers/" + url_escape(line.words.front());
    const auto about = client.call("GET", path + "/json");
    if (!about) return report(about.error());
    JsonDocument document;
    JsonValue config;
    if (!document.parse(*about) || !json_member(document.root(), "Config", config)) return 1;
    const bool tty = json_bool(config, "Tty");
    const std::int64_t now = ::time(nullptr);
    Query query;
    query.add("stdout", "1").add("stderr", "1").add("follow", follow ? "1" : "");
    query.add("timestamps", timestamps ? "1" : "").add("details", details ? "1" : "").add("tail", tail);
    query.add("since", api_time(since, now)).add("until", api_time(until, now));
    Demultiplexer demultiplexer;
    Result<void> written;
    const auto out = [&written](int fd, std::string_view bytes) {
        if (written) written = write_out(fd, bytes);
    };
    const BodySink sink = [&](std::string_view bytes) -> Result<void> {
        if (tty) {
            out(STDOUT_FILENO, bytes);
        } else {
            TRY_VOID(demultiplexer.feed(bytes, out));
        }
        if (!written) return engine::fail(std::move(written).error());
        return {};
    };
    const auto done = client.stream("GET", path + "/logs" + query.text(), sink);
    return done ? 0 : report(done.error());
}

}  // namespace dockerc
