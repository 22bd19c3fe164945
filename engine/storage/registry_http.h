// HTTP to a registry through libcurl. Blocking; used in dockercd-registry only. Redirects are followed here and not by
// libcurl, so that what may follow to another host is decided in one place.
#pragma once

#include <functional>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "engine/storage/registry_endpoint.h"

namespace engine::storage {

struct HttpCall {
    std::string method = "GET";
    std::string url;
    std::vector<std::string> headers;  // "Name: value"
    std::string authorization;         // sent to authorization_origin alone
    std::string authorization_origin;  // "": the endpoint's
    std::string body;
    // Instead of body: fills the span, 0 at the end. size < 0: not known, sent in chunks.
    std::function<Result<size_t>(std::span<char>)> upload;
    int64_t upload_size = -1;
    // Of a 2xx answer; the rest goes to HttpAnswer::body. status: of the answer. False cuts the transfer.
    std::function<bool(long status, const std::map<std::string, std::string>& headers, std::string_view bytes)> sink;
    size_t body_max = 0;  // of HttpAnswer::body; 0: limits.h registry_answer_bytes_max
};

struct HttpAnswer {
    long status = 0;
    std::map<std::string, std::string> headers;  // names in lower case; of one name several: joined by ", "
    std::string body;
    std::string url;  // where it came from, after redirects
    std::string header(std::string_view name) const {
        const auto at = headers.find(std::string(name));
        return at == headers.end() ? std::string() : at->second;
    }
};

class HttpClient {
public:
    HttpClient(const RegistrySettings& settings, const Certificates& certificates);
    ~HttpClient();
    HttpClient(const HttpClient&) = delete;
    HttpClient& operator=(const HttpClient&) = delete;

    // Its `verify` holds for where it redirects too; a client's certificate is for its own origin alone.
    void set_endpoint(const RegistryEndpoint& endpoint);
    // One request and its redirects. An answer of any status is a value; an Error is a transfer that failed: kind
    // unavailable when another attempt may succeed, too_large and invalid when not.
    Result<HttpAnswer> perform(const HttpCall& call);
    // True exactly when the last failure came before any answer: no connection, no TLS.
    bool failed_to_connect() const { return failed_to_connect_; }

private:
    struct Transfer;
    Result<HttpAnswer> once(const HttpCall& call, const std::string& url);
    Error failure(const HttpCall& call, const std::string& url, int code, const Transfer& transfer);

    const RegistrySettings& settings_;
    const Certificates& certificates_;
    RegistryEndpoint endpoint_;
    void* curl_;
    bool failed_to_connect_ = false;
};

std::string url_escape(std::string_view text);  // for a query's value

}  // namespace engine::storage
