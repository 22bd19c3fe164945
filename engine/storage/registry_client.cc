#include "engine/storage/registry_client.h"

#include <simdjson.h>
#include <time.h>

#include <algorithm>
#include <charconv>

#include "engine/reactor/try.h"
#include "engine/storage/json_text.h"
#include "engine/storage/limits.h"
#include "engine/storage/registry_challenge.h"

namespace engine::storage {
namespace {

using simdjson::dom::element;

// This process has nothing else to do.
void pause_for(double seconds) {
    timespec left{};
    left.tv_sec = static_cast<time_t>(seconds);
    left.tv_nsec = static_cast<long>((seconds - static_cast<double>(left.tv_sec)) * 1e9);
    while (::clock_nanosleep(CLOCK_MONOTONIC, 0, &left, &left) == EINTR) {
    }
}

constexpr std::string_view client_id = "docker";

}  // namespace

std::string RegistryError::text() const {
    std::string words = code;
    std::transform(words.begin(), words.end(), words.begin(),
                   [](unsigned char c) { return c == '_' ? ' ' : static_cast<char>(std::tolower(c)); });
    return words + ": " + message;
}

std::optional<RegistryError> parse_registry_error(std::string_view body) {
    simdjson::dom::parser parser;
    element root;
    if (parser.parse(body.data(), body.size()).get(root) != simdjson::SUCCESS) return std::nullopt;
    element first;
    if (root["errors"].at(0).get(first) == simdjson::SUCCESS) {
        RegistryError out{text_of(first, "code"), text_of(first, "message")};
        if (!out.code.empty()) return out;
    }
    // Token servers answer with {"details": "..."}.
    const std::string details = text_of(root, "details");
    if (!details.empty()) return RegistryError{"UNAUTHORIZED", details};
    return std::nullopt;
}

RegistryClient::RegistryClient(const RegistryJob& job, const Certificates& certificates,
                               std::function<void(long)> tell_retry)
    : job_(job), tell_retry_(std::move(tell_retry)), http_(job.settings, certificates) {
    endpoints_ = endpoints_of(job.settings, job.domain);
    if (!job.endpoint.empty())
        std::erase_if(endpoints_, [&](const RegistryEndpoint& one) { return one.url != job.endpoint; });
    token_ = job.token;
}

void RegistryClient::use(const RegistryEndpoint& endpoint) {
    if (endpoint_.url != endpoint.url && !endpoint_.url.empty()) token_.clear();
    if (token_.empty() && !endpoint.mirror) token_ = job_.credentials.registry_token;
    endpoint_ = endpoint;
    basic_ = false;
    http_.set_endpoint(endpoint);
}

void RegistryClient::add_pull_scope(const std::string& repository) {
    if (pull_scopes_.insert(repository).second && job_.credentials.registry_token.empty()) token_.clear();
}

bool RegistryClient::wait_for_another(const HttpAnswer* answer, int attempt) {
    if (attempt + 1 >= limits::registry_attempts_max) return false;
    double seconds = 0.25 * static_cast<double>(1u << attempt);
    if (answer != nullptr) {
        const std::string asked = answer->header("retry-after");
        long whole = 0;
        const auto parsed = std::from_chars(asked.data(), asked.data() + asked.size(), whole);
        if (parsed.ec == std::errc() && !asked.empty()) {
            if (whole > limits::registry_retry_after_max_s) return false;
            seconds = static_cast<double>(std::max(whole, 0L));
        }
    }
    tell_retry_(static_cast<long>(seconds + 0.999));
    pause_for(seconds);
    return true;
}

Result<void> RegistryClient::fetch_token(const std::map<std::string, std::string>& parameters,
                                         const std::string& actions) {
    const auto parameter = [&](const char* name) {
        const auto at = parameters.find(name);
        return at == parameters.end() ? std::string() : at->second;
    };
    const std::string realm = parameter("realm");
    if (!realm.starts_with("https://") && !realm.starts_with("http://"))
        return fail(ErrorKind::invalid, "the registry's token server \"" + realm + "\" is not a URL");
    const Credentials& who = job_.credentials;
    // A mirror is told nothing of who one is at Docker Hub.
    const bool known = !endpoint_.mirror && (!who.username.empty() || !who.identity_token.empty());
    if (known && endpoint_.url.starts_with("https:") && !realm.starts_with("https:"))
        return fail(ErrorKind::forbidden, "the registry's token server " + realm +
                                              " is not reached by https: credentials are not sent there");
    std::vector<std::string> scopes;
    if (!actions.empty() && !job_.repository.empty()) scopes.push_back("repository:" + job_.repository + ":" + actions);
    if (actions.empty() && !parameter("scope").empty()) scopes.push_back(parameter("scope"));
    for (const std::string& repository : pull_scopes_) scopes.push_back("repository:" + repository + ":pull");
    HttpCall call;
    call.authorization_origin = origin_of(realm);
    call.url = realm;
    if (known && !who.identity_token.empty()) {
        call.method = "POST";
        call.headers = {"Content-Type: application/x-www-form-urlencoded"};
        std::string joined;
        for (const std::string& scope : scopes) joined += (joined.empty() ? "" : " ") + scope;
        call.body = "grant_type=refresh_token&refresh_token=" + url_escape(who.identity_token) +
                    "&service=" + url_escape(parameter("service")) + "&client_id=" + std::string(client_id) +
                    "&scope=" + url_escape(joined);
    } else {
        std::string query = "service=" + url_escape(parameter("service"));
        if (known)
            query = "account=" + url_escape(who.username) + "&client_id=" + std::string(client_id) +
                    "&offline_token=true&" + query;
        for (const std::string& scope : scopes) query += "&scope=" + url_escape(scope);
        call.url += (realm.find('?') == std::string::npos ? "?" : "&") + query;
        if (known) call.authorization = "Basic " + base64_encode(who.username + ":" + who.password);
    }
    HttpAnswer answer;
    for (int attempt = 0;; attempt++) {
        auto got = http_.perform(call);
        const bool passing =
            got ? got->status == 429 || got->status >= 500 : got.error().kind() == ErrorKind::unavailable;
        if (passing && wait_for_another(got ? &*got : nullptr, attempt)) continue;
        if (!got) return fail(std::move(got).error());
        answer = std::move(*got);
        break;
    }
    if (answer.status < 200 || answer.status >= 300) {
        const auto said = parse_registry_error(answer.body);
        if (answer.status == 401)
            return fail(ErrorKind::unauthorized,
                        said ? said->text() : std::string("unauthorized: incorrect username or password"));
        return fail(ErrorKind::unavailable, "fetching a token from " + realm + ": " +
                                                (said ? said->text() : "status " + std::to_string(answer.status)));
    }
    simdjson::dom::parser parser;
    element root;
    if (parser.parse(answer.body.data(), answer.body.size()).get(root) != simdjson::SUCCESS)
        return fail(ErrorKind::invalid, "the token server " + realm + " did not answer with JSON");
    token_ = text_of(root, "token");
    if (token_.empty()) token_ = text_of(root, "access_token");
    if (token_.empty())
        return fail(ErrorKind::unauthorized, "authorization server did not include a token in the response");
    if (token_.find_first_of("\r\n") != std::string::npos)
        return fail(ErrorKind::invalid, "the token server " + realm + " answered with a malformed token");
    if (const std::string refresh = text_of(root, "refresh_token"); !refresh.empty()) new_identity_token_ = refresh;
    token_actions_ = actions;
    return {};
}

Result<void> RegistryClient::authenticate(const std::string& header, const std::string& url,
                                          const std::string& actions) {
    TRY(const auto challenges, parse_challenges(header));
    for (const AuthChallenge& challenge : challenges)
        if (challenge.scheme == "bearer") return fetch_token(challenge.parameters, actions);
    for (const AuthChallenge& challenge : challenges) {
        if (challenge.scheme != "basic") continue;
        if (job_.credentials.username.empty() || endpoint_.mirror)
            return fail(ErrorKind::unauthorized, "Head \"" + url + "\": no basic auth credentials");
        basic_ = true;
        return {};
    }
    return fail(ErrorKind::unauthorized, "unauthorized: authentication required");
}

Result<HttpAnswer> RegistryClient::call(HttpCall call, const std::string& path, const std::string& actions) {
    call.url = path.starts_with("http") ? path : endpoint_.url + path;
    int authenticated = 0;
    for (int attempt = 0;; attempt++) {
        call.authorization.clear();
        if (!token_.empty()) call.authorization = "Bearer " + token_;
        if (basic_)
            call.authorization = "Basic " + base64_encode(job_.credentials.username + ":" + job_.credentials.password);
        auto answer = http_.perform(call);
        if (!answer) {
            // A connection that cannot be made will not be made a moment later: dockerd says so at once.
            const bool again = answer.error().kind() == ErrorKind::unavailable && !http_.failed_to_connect() &&
                               !call.upload && !call.sink;
            if (again && wait_for_another(nullptr, attempt)) continue;
            return answer;
        }
        if (answer->status == 401) {
            // Once with what we have, once more because a token may have grown too old; then it is a no.
            if (authenticated++ >= 1 || !job_.credentials.registry_token.empty()) return answer;
            const std::string header = answer->header("www-authenticate");
            if (header.empty()) return answer;
            token_.clear();
            TRY_VOID(authenticate(header, call.url, actions));
            if (call.upload) return fail(ErrorKind::unavailable, "the registry asked for credentials anew");
            attempt--;
            continue;
        }
        const bool passing = answer->status == 429 || answer->status == 500 || answer->status == 502 ||
                             answer->status == 503 || answer->status == 504;
        if (passing && !call.upload && wait_for_another(&*answer, attempt)) continue;
        return answer;
    }
}

Error RegistryClient::refusal(const HttpAnswer& answer, const std::string& method) const {
    const auto said = parse_registry_error(answer.body);
    const std::string verb = method.substr(0, 1) + (method.size() > 1 ? method.substr(1) : "");
    if (!said) {
        if (answer.status == 401) return Error(ErrorKind::internal, "unauthorized: authentication required");
        if (answer.status == 404 && job_.digest.empty())
            return Error(ErrorKind::not_found,
                         "manifest for " + job_.familiar + " not found: manifest unknown: manifest unknown");
        if (answer.status == 429)
            return Error(ErrorKind::unavailable, "toomanyrequests: " + verb + " \"" + answer.url + "\": status 429");
        std::string body = answer.body.substr(0, 64);
        std::replace_if(
            body.begin(), body.end(), [](unsigned char c) { return c < 32; }, ' ');
        const std::string type = answer.header("content-type");
        return Error(ErrorKind::internal, "error parsing HTTP " + std::to_string(answer.status) + " response body of " +
                                              answer.url + " (" + type + "): it is no registry's error: \"" + body +
                                              "\"");
    }
    if (said->code == "DENIED")
        return Error(ErrorKind::not_found, (job_.body.empty() && job_.blobs.empty()
                                                ? "pull access denied for " + job_.familiar_name +
                                                      ", repository does not exist or may require 'docker login': "
                                                : std::string()) +
                                               said->text());
    if (said->code == "MANIFEST_UNKNOWN")
        return Error(ErrorKind::not_found, "manifest for " + job_.familiar + " not found: " + said->text());
    if (said->code == "NAME_UNKNOWN")
        return Error(ErrorKind::not_found, "repository " + job_.familiar_name + " not found: " + said->text());
    return Error(ErrorKind::internal, said->text());
}

}  // namespace engine::storage
