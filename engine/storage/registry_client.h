// One conversation with a registry: endpoints tried in order, challenges answered, transfers retried. Blocking; used in
// dockercd-registry only.
#pragma once

#include <functional>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "engine/storage/registry_http.h"

namespace engine::storage {

// A registry's error: {"errors":[{"code":..,"message":..}]}.
struct RegistryError {
    std::string code;     // MANIFEST_UNKNOWN
    std::string message;  // manifest unknown
    // "manifest unknown: manifest unknown"
    std::string text() const;
};
std::optional<RegistryError> parse_registry_error(std::string_view body);

class RegistryClient {
public:
    // job and certificates outlive it. tell_retry is told the seconds before another attempt.
    RegistryClient(const RegistryJob& job, const Certificates& certificates, std::function<void(long)> tell_retry);

    // "/v2/..." under the endpoint. Retries what may pass, authenticates when asked. Any status but 401, 429 and 5xx is
    // an answer for the caller. actions: of this repository ("pull", "pull,push"), "" for none.
    Result<HttpAnswer> call(HttpCall call, const std::string& path, const std::string& actions);
    // A verb over the endpoints until one answers it.
    template <class T>
    Result<T> each_endpoint(const std::function<Result<T>()>& verb) {
        std::optional<Result<T>> last;
        for (const RegistryEndpoint& endpoint : endpoints_) {
            use(endpoint);
            last.emplace(verb());
            if (*last || (!endpoint.mirror && !http_.failed_to_connect())) break;
        }
        if (!last) return fail(ErrorKind::unavailable, "no endpoint for " + job_.domain);
        return std::move(*last);
    }
    // Other repositories whose blobs are to be mounted: in the token's scope from now on.
    void add_pull_scope(const std::string& repository);
    // What the caller makes of an answer that is not what it hoped for: dockerd's words for the image asked for.
    Error refusal(const HttpAnswer& answer, const std::string& method) const;

    const std::string& endpoint() const { return endpoint_.url; }
    const std::string& token() const { return token_; }
    const std::string& identity_token() const { return new_identity_token_; }

private:
    void use(const RegistryEndpoint& endpoint);
    Result<void> authenticate(const std::string& header, const std::string& url, const std::string& actions);
    Result<void> fetch_token(const std::map<std::string, std::string>& parameters, const std::string& actions);
    bool wait_for_another(const HttpAnswer* answer, int attempt);

    const RegistryJob& job_;
    std::function<void(long)> tell_retry_;
    HttpClient http_;
    std::vector<RegistryEndpoint> endpoints_;
    RegistryEndpoint endpoint_;
    std::set<std::string> pull_scopes_;
    std::string token_;
    std::string token_actions_;
    std::string new_identity_token_;
    bool basic_ = false;
};

}  // namespace engine::storage
