#include <poll.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <map>
#include <optional>

#include "engine/reactor/try.h"
#include "tools/dockerc/commands/commands.h"
#include "tools/dockerc/session.h"
#include "tools/dockerc/stats_row.h"
#include "tools/dockerc/table.h"

namespace dockerc {
namespace {

using Clock = std::chrono::steady_clock;
constexpr auto redraw_pause = std::chrono::milliseconds(500);
constexpr int samples_needed = 2;   // the first says nothing of the processors

// One container's stream of samples.
struct Watched {
    std::string asked;
    std::unique_ptr<Connection> connection;   // none: it ended
    std::string partial;
    std::optional<StatsRow> row;
    int samples = 0;
    bool idle = false;   // it does not run: one sample says all

    bool settled() const { return !connection || idle || samples >= samples_needed; }
};

class Board {
public:
    Board(Client& client, StatsFormat format, bool no_trunc)
        : client_(client), format_(std::move(format)), no_trunc_(no_trunc) {}

    Result<void> watch(const std::string& container) {
        TRY(auto connection, client_.open("GET", "/containers/" + url_escape(container) + "/stats?stream=1"));
        if (const int status = connection->reply().status(); status != 200) {
            std::string body;
            const BodySink keep = [&body](std::string_view bytes) -> Result<void> {
                body += bytes;
                return {};
            };
            for (bool more = true; more;) {
                TRY(more, connection->receive_some(keep));
            }
            return engine::fail(daemon_error(status, body));
        }
        watched_.emplace_back();
        watched_.back().asked = container;
        watched_.back().connection = std::move(connection);
        take(watched_.back());   // the first sample comes at once, perhaps with the head
        return {};
    }

    // Follows the list of containers: new ones come, ended ones go.
    Result<void> follow_list(bool all) {
        TRY(const auto body, client_.call("GET", std::string("/containers/json") + (all ? "?all=1" : "")));
        JsonDocument document;
        if (!document.parse(body)) return engine::fail(engine::ErrorKind::internal, "unexpected answer to a list");
        std::vector<std::string> ids;
        json_each(document.root(), [&ids](JsonValue one) { ids.push_back(json_text(one, "Id")); });
        std::erase_if(watched_, [&ids](const Watched& one) { return std::ranges::count(ids, one.asked) == 0; });
        for (const std::string& id : ids) {
            const bool known = std::ranges::any_of(watched_, [&id](const Watched& one) { return one.asked == id; });
            if (known) continue;
            const auto watching = watch(id);
            engine::ignore_result(watching, "it may have gone meanwhile");
        }
        return {};
    }

    // Takes what comes until `until`, or until every container has told enough.
    Result<void> receive(Clock::time_point until, bool once) {
        while (true) {
            const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(until - Clock::now()).count();
            if (left <= 0 || (once && settled())) return {};
            std::vector<pollfd> polled;
            std::vector<std::size_t> owners;
            for (std::size_t i = 0; i < watched_.size(); ++i) {
                if (!watched_[i].connection) continue;
                polled.push_back({watched_[i].connection->fd(), POLLIN, 0});
                owners.push_back(i);
            }
            if (::poll(polled.data(), polled.size(), static_cast<int>(left)) < 0) continue;   // a signal
            for (std::size_t i = 0; i < polled.size(); ++i)
                if (polled[i].revents != 0) take(watched_[owners[i]]);
        }
    }

    bool settled() const {
        return std::all_of(watched_.begin(), watched_.end(), [](const Watched& w) { return w.settled(); });
    }
    bool ended() const {
        return std::none_of(watched_.begin(), watched_.end(), [](const Watched& w) { return w.connection != nullptr; });
    }

    std::string text() const {
        std::string out;
        Table table(format_.table() ? format_.header() : std::vector<std::string>());
        for (const Watched& one : watched_) {
            if (!one.row) continue;
            if (format_.table()) {
                table.add(format_.cells(*one.row));
            } else {
                out += (format_.json() ? stats_json_line(*one.row) : format_.line(*one.row)) + "\n";
            }
        }
        return format_.table() ? table.text() : out;
    }

private:
    void take(Watched& one) {
        const BodySink keep = [&one](std::string_view bytes) -> Result<void> {
            one.partial += bytes;
            return {};
        };
        const auto more = one.connection->receive_some(keep);
        std::size_t begin = 0;
        for (std::size_t end = 0; (end = one.partial.find('\n', begin)) != std::string::npos; begin = end + 1) {
            JsonDocument document;
            if (!document.parse(std::string_view(one.partial).substr(begin, end - begin))) continue;
            one.row = stats_row(document.root(), one.asked, no_trunc_);
            one.idle = stats_cell(*one.row, "PIDs") == "--";
            ++one.samples;
        }
        one.partial.erase(0, begin);
        if (!more || !*more || one.connection->reply().complete()) one.connection.reset();
    }

    Client& client_;
    StatsFormat format_;
    bool no_trunc_;
    std::vector<Watched> watched_;
};

}  // namespace

int stats_command(const Command& command, Client& client, Arguments arguments) {
    CommandLine line(command);
    bool all = false, once = false, no_trunc = false;
    std::string format_text;
    line.app.add_flag("-a,--all", all, "Show all containers (default shows just running)");
    line.app.add_flag("--no-stream", once, "Disable streaming stats and only pull the first result");
    line.app.add_flag("--no-trunc", no_trunc, "Do not truncate output");
    line.app.add_option("--format", format_text, "table, json, or a template: \"table {{.Name}}\\t{{.CPUPerc}}\"");
    if (const int code = line.parse(std::move(arguments), 0, 1 << 20); code >= 0) return code;
    auto format = StatsFormat::parse(format_text);
    if (!format) return report_usage(command, format.error().message());
    Board board(client, std::move(*format), no_trunc);
    const bool listed = line.words.empty();
    for (const std::string& word : line.words)
        if (const auto watching = board.watch(word); !watching) return report(watching.error());
    while (true) {
        if (listed)
            if (const auto followed = board.follow_list(all); !followed) return report(followed.error());
        const auto until = once ? Clock::now() + std::chrono::hours(1) : Clock::now() + redraw_pause;
        if (const auto received = board.receive(until, once); !received) return report(received.error());
        const std::string text = (once ? "" : "\033[2J\033[H") + board.text();
        if (const auto written = write_out(1, text); !written) return report(written.error());
        if (once || (!listed && board.ended())) return 0;
    }
}

}  // namespace dockerc
