#include <time.h>

#include <cstdio>
#include <map>

#include "engine/reactor/try.h"
#include "tools/dockerc/commands/commands.h"
#include "tools/dockerc/session.h"
#include "tools/dockerc/text.h"

namespace dockerc {
namespace {

// Local time with all nine digits of the fraction and the offset, as docker prints it.
std::string stamp(std::int64_t nanoseconds) {
    const time_t seconds = nanoseconds / 1'000'000'000;
    tm parts{};
    localtime_r(&seconds, &parts);
    char text[80];
    char zone[16];
    const std::size_t size = strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &parts);
    strftime(zone, sizeof zone, "%z", &parts);
    std::string out(text, size);
    std::snprintf(text, sizeof text, ".%09lld", static_cast<long long>(nanoseconds % 1'000'000'000));
    out += text;
    const std::string offset = zone;
    return out + (offset == "+0000" ? "Z" : offset.substr(0, 3) + ":" + offset.substr(3));
}

std::string pretty(JsonValue event) {
    std::string out = stamp(json_number(event, "timeNano")) + " " + json_text(event, "Type") + " " +
                      json_text(event, "Action");
    JsonValue actor;
    if (!json_member(event, "Actor", actor)) return out + "\n";
    out += " " + json_text(actor, "ID");
    std::map<std::string, std::string> sorted;
    simdjson::dom::object attributes;
    if (actor["Attributes"].get(attributes) == simdjson::SUCCESS)
        for (const auto field : attributes)
            if (std::string_view value; field.value.get(value) == simdjson::SUCCESS)
                sorted[std::string(field.key)] = std::string(value);
    std::string words;
    for (const auto& [name, value] : sorted) words += (words.empty() ? "" : ", ") + name + "=" + value;
    return out + (words.empty() ? "\n" : " (" + words + ")\n");
}

}  // namespace

int events_command(const Command& command, Client& client, Arguments arguments) {
    CommandLine line(command);
    std::string since, until, format;
    std::vector<std::string> filters;
    line.app.add_option("--since", since, "Show all events created since timestamp");
    line.app.add_option("--until", until, "Stream events until this timestamp");
    line.list("-f,--filter", filters, "Filter output based on conditions provided");
    line.app.add_option("--format", format, "json, or \"{{json .}}\": one JSON object a line");
    if (const int code = line.parse(std::move(arguments), 0, 0); code >= 0) return code;
    if (!format.empty() && format != "json" && format != "{{json .}}")
        return report_usage(command, "format \"" + format + "\" is not known: json, or \"{{json .}}\"");
    const auto filter = filters_json(filters);
    if (!filter) return report_usage(command, filter.error().message());
    const std::int64_t now = ::time(nullptr);
    Query query;
    query.add("since", api_time(since, now)).add("until", api_time(until, now)).add("filters", *filter);
    JsonDocument document;
    std::string partial;
    const BodySink sink = [&](std::string_view bytes) -> Result<void> {
        partial += bytes;
        std::string out;
        std::size_t begin = 0;
        for (std::size_t end = 0; (end = partial.find('\n', begin)) != std::string::npos; begin = end + 1) {
            const std::string text = partial.substr(begin, end - begin + 1);
            if (!format.empty()) {
                out += text;
            } else if (document.parse(text)) {
                out += pretty(document.root());
            } else {
                return engine::fail(engine::ErrorKind::internal, "unexpected answer to events: " + text);
            }
        }
        partial.erase(0, begin);
        return write_out(1, out);
    };
    const auto done = client.stream("GET", "/events" + query.text(), sink);
    return done ? 0 : report(done.error());
}

}  // namespace dockerc
