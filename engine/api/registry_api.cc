#include "engine/api/registry_api.h"

#include <algorithm>
#include <charconv>

#include "engine/api/body.h"
#include "engine/api/filters.h"
#include "engine/api/human_size.h"
#include "engine/api/services.h"
#include "engine/reactor/io.h"
#include "engine/reactor/json_writer.h"
#include "engine/reactor/try.h"
#include "engine/storage/reference.h"
#include "engine/storage/registry_service.h"

namespace engine::api {
namespace {

constexpr ApiVersion platform_asked{1, 32};
constexpr int64_t search_limit_max = 100;

// "[=====>     ]  1.5MB/3MB", as terminals 110 columns wide or more show it.
std::string bar_text(int64_t current, int64_t total) {
    const std::string now = human_size(static_cast<double>(current));
    if (total <= 0) return now;
    const auto filled =
        static_cast<std::size_t>(std::min<double>(50, static_cast<double>(current) / static_cast<double>(total) * 50));
    std::string out = "[" + std::string(filled, '=') + ">" + std::string(50 - filled, ' ') + "] ";
    if (now.size() < 8) out.append(8 - now.size(), ' ');
    return out + now + "/" + human_size(static_cast<double>(total));
}

std::string line_of(const storage::TransferEvent& event) {
    json::Writer w;
    w.begin_object();
    if (!event.status.empty()) w.field("status", event.status);
    if (event.of_layer || !event.aux.empty()) {
        w.key("progressDetail").begin_object();
        if (event.bar) w.field("current", event.current).field("total", event.total);
        w.end_object();
        if (event.bar) w.field("progress", bar_text(event.current, event.total));
    }
    if (!event.aux.empty()) w.field_raw("aux", event.aux);
    if (!event.id.empty()) w.field("id", event.id);
    return w.end_object().take() + "\r\n";
}

std::string error_line(const Error& error) {
    json::Writer w;
    w.begin_object().key("errorDetail").begin_object().field("message", error.message()).end_object();
    return w.field("error", error.message()).end_object().take() + "\r\n";
}

// Those of one registry, or the right ones of several.
storage::Credentials credentials_of(const Request& request, const std::string& domain) {
    if (const auto one = request.header("x-registry-auth"); !one.empty()) return storage::parse_registry_auth(one);
    return storage::parse_registry_config(request.header("x-registry-config"), domain);
}

// Until the transfer is over or the client is gone. What fails before the first line is the answer's status.
Task<void> stream_transfer(storage::RegistryService* registry, storage::Transfer* transfer, Request* request,
                           Response* response) {
    storage::TransferProgress::Cursor cursor;
    while (true) {
        std::string lines;
        for (const storage::TransferEvent& event : transfer->progress.take(cursor)) lines += line_of(event);
        const bool over = transfer->finished && !transfer->progress.has_more(cursor);
        if (over && transfer->error) {
            if (lines.empty() && !response->started()) co_return fail(transfer->error->copy());
            lines += error_line(*transfer->error);
        }
        if (!lines.empty()) {
            if (!response->started()) {
                CO_TRY_VOID(co_await response->begin(200, "application/json"));
            }
            const auto bytes = io::bytes_of(lines);
            CO_TRY_VOID(co_await response->write(bytes));
        }
        if (over) co_return Result<void>{};
        CO_TRY_VOID(co_await registry->more(*transfer, cursor, request->stop));
    }
}

Task<void> answer_transfer(Services& services, std::shared_ptr<storage::Transfer> transfer, Request* request,
                           Response* response) {
    auto done = co_await stream_transfer(services.registry, transfer.get(), request, response);
    services.registry->leave(*transfer);
    co_return done;
}

Result<storage::PullRequest> pull_request_of(const Request& request) {
    storage::PullRequest out;
    TRY(out.reference, storage::parse_reference(request.parameter("fromImage")));
    const std::string tag(request.parameter("tag"));
    if (tag.starts_with("sha256:")) {
        TRY(out.reference, storage::parse_reference(out.reference.name() + "@" + tag));
    } else if (!tag.empty()) {
        if (!storage::is_tag(tag)) return fail(ErrorKind::invalid, "invalid tag format");
        out.reference.tag = tag;
        out.reference.digest.clear();
    }
    if (!out.reference.digest.empty()) out.reference.tag.clear();
    out.all_tags = out.reference.tag.empty() && out.reference.digest.empty();
    if (request.version >= platform_asked && !request.parameter("platform").empty()) {
        TRY(const auto platform, storage::parse_platform(request.parameter("platform")));
        if (platform.os != "linux")
            return fail(ErrorKind::invalid, "operating system is not supported: " + platform.os);
        out.platform = platform.text();
    }
    out.credentials = credentials_of(request, out.reference.domain);
    return out;
}

struct SearchFilters {
    std::optional<bool> official, automated;
    int64_t stars = 0;
};

Result<SearchFilters> search_filters_of(const Request& request) {
    TRY(const Filters filters, parse_filters(request.parameter("filters")));
    SearchFilters out;
    for (const auto& [name, values] : filters) {
        if (name != "stars" && name != "is-official" && name != "is-automated")
            return fail(ErrorKind::invalid, "invalid filter '" + name + "'");
        for (const std::string& value : values) {
            const auto bad = [&value, &name = name] {  // clang 14 captures no structured binding
                return fail(ErrorKind::invalid, "invalid filter '" + name + "=[" + value + "]'");
            };
            if (name == "stars") {
                int64_t stars = 0;
                const auto parsed = std::from_chars(value.data(), value.data() + value.size(), stars);
                if (parsed.ec != std::errc() || parsed.ptr != value.data() + value.size()) return bad();
                out.stars = std::max(out.stars, stars);
                continue;
            }
            const bool yes = value == "true" || value == "1";
            if (!yes && value != "false" && value != "0") return bad();
            (name == "is-official" ? out.official : out.automated) = yes;
        }
    }
    return out;
}

}  // namespace

std::string registry_config(const storage::RegistrySettings& settings) {
    std::vector<std::string> mirrors, networks = {"::1/128", "127.0.0.0/8"}, hosts;
    for (const std::string& mirror : settings.mirrors) mirrors.push_back(mirror + "/");
    for (const std::string& one : settings.insecure)
        (one.find('/') == std::string::npos ? hosts : networks).push_back(one);
    json::Writer w;
    w.begin_object().field("InsecureRegistryCIDRs", networks).key("IndexConfigs").begin_object();
    w.key("docker.io").begin_object().field("Name", "docker.io").field("Mirrors", mirrors);
    w.field("Secure", true).field("Official", true).end_object();
    for (const std::string& host : hosts) {
        w.key(host).begin_object().field("Name", host).field("Mirrors", std::vector<std::string>());
        w.field("Secure", false).field("Official", false).end_object();
    }
    return w.end_object().field("Mirrors", mirrors).end_object().take();
}

Task<void> pull_image(Services& services, Request& request, Response& response) {
    CO_TRY(auto pull, pull_request_of(request));
    auto transfer = services.registry->pull(std::move(pull));
    auto done = co_await answer_transfer(services, std::move(transfer), &request, &response);
    co_return done;
}

Task<void> push_image(Services& services, Request& request, Response& response) {
    CO_TRY(auto reference, storage::parse_reference(request.captures[0]));
    if (!reference.digest.empty()) co_return fail(ErrorKind::invalid, "cannot push a digest reference");
    const std::string tag(request.parameter("tag"));
    if (!tag.empty()) {
        if (!storage::is_tag(tag)) co_return fail(ErrorKind::invalid, "invalid tag format");
        reference.tag = tag;
    }
    storage::PushRequest push;
    push.reference = std::move(reference);
    push.credentials = credentials_of(request, push.reference.domain);
    auto transfer = services.registry->push(std::move(push));
    auto done = co_await answer_transfer(services, std::move(transfer), &request, &response);
    co_return done;
}

Task<void> check_login(Services& services, Request& request, Response& response) {
    CO_TRY(const std::string body, co_await read_whole_body(request));
    auto credentials = storage::parse_auth_config(body);
    if (!credentials) co_return fail(ErrorKind::invalid, "invalid JSON: the body is no auth configuration");
    storage::Credentials who = std::move(*credentials);
    CO_TRY(const std::string token, co_await services.registry->login(std::move(who), request.stop));
    json::Writer w;
    w.begin_object().field("Status", "Login Succeeded");
    w.field("IdentityToken", token).end_object();
    std::string answer = w.take();
    auto sent = co_await response.send_json(200, std::move(answer));
    co_return sent;
}

Task<void> inspect_distribution(Services& services, Request& request, Response& response) {
    CO_TRY(auto reference, storage::parse_reference(request.captures[0]));
    reference = storage::with_default_tag(std::move(reference));
    storage::Credentials who = credentials_of(request, reference.domain);
    CO_TRY(std::string answer, co_await services.registry->inspect(std::move(reference), std::move(who), request.stop));
    auto sent = co_await response.send_json(200, std::move(answer));
    co_return sent;
}

Task<void> search_images(Services& services, Request& request, Response& response) {
    storage::SearchRequest search;
    search.term = request.parameter("term");
    search.credentials = storage::parse_registry_auth(request.header("x-registry-auth"));
    if (search.term.empty()) co_return fail(ErrorKind::invalid, "search term is empty");
    if (const auto limit = request.parameter("limit"); !limit.empty()) {
        const auto parsed = std::from_chars(limit.data(), limit.data() + limit.size(), search.limit);
        if (parsed.ec != std::errc() || parsed.ptr != limit.data() + limit.size())
            co_return fail(ErrorKind::invalid, "invalid limit \"" + std::string(limit) + "\"");
        if (search.limit == 0) search.limit = 25;
        if (search.limit < 1 || search.limit > search_limit_max)
            co_return fail(ErrorKind::invalid, "limit " + std::string(limit) + " is outside the range of [1, 100]");
    }
    CO_TRY(const SearchFilters filters, search_filters_of(request));
    CO_TRY(const auto found, co_await services.registry->search(std::move(search), request.stop));
    json::Writer w;
    w.begin_array();
    for (const storage::SearchResult& one : found) {
        if (one.stars < filters.stars || (filters.official && *filters.official != one.official) ||
            (filters.automated && *filters.automated != one.automated))
            continue;
        w.begin_object().field("star_count", one.stars).field("is_official", one.official).field("name", one.name);
        w.field("is_automated", one.automated).field("description", one.description).end_object();
    }
    w.end_array();
    std::string answer = w.take();
    auto sent = co_await response.send_json(200, std::move(answer));
    co_return sent;
}

}  // namespace engine::api
