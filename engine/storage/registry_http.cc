#include "engine/storage/registry_http.h"

#include <curl/curl.h>

#include <algorithm>
#include <cstring>

#include "engine/reactor/try.h"
#include "engine/storage/limits.h"

namespace engine::storage {

struct HttpClient::Transfer {
    const HttpCall* call = nullptr;
    CURL* curl = nullptr;
    HttpAnswer answer;
    Result<void> stopped;  // why we cut it ourselves
    size_t header_bytes = 0;
    bool began = false;  // an answer's first line came

    static size_t on_header(char* data, size_t, size_t size, void* self);
    static size_t on_body(char* data, size_t, size_t size, void* self);
    static size_t on_upload(char* data, size_t, size_t size, void* self);
};

size_t HttpClient::Transfer::on_header(char* data, size_t, size_t size, void* self) {
    auto& transfer = *static_cast<Transfer*>(self);
    std::string_view line(data, size);
    transfer.began = true;
    transfer.header_bytes += size;
    if (transfer.header_bytes > limits::registry_header_bytes_max) {
        transfer.stopped = fail(ErrorKind::too_large, "the answer's header is too long (registry_header_bytes_max)");
        return 0;
    }
    if (line.starts_with("HTTP/")) {  // another answer: what came before was an interim one
        transfer.answer.headers.clear();
        return size;
    }
    const size_t colon = line.find(':');
    if (colon == std::string_view::npos) return size;
    std::string name(line.substr(0, colon));
    std::transform(name.begin(), name.end(), name.begin(),
                   [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    std::string_view value = line.substr(colon + 1);
    while (!value.empty() && std::isspace(static_cast<unsigned char>(value.front()))) value.remove_prefix(1);
    while (!value.empty() && std::isspace(static_cast<unsigned char>(value.back()))) value.remove_suffix(1);
    std::string& kept = transfer.answer.headers[name];
    if (!kept.empty()) kept += ", ";
    kept += value;
    return size;
}

size_t HttpClient::Transfer::on_body(char* data, size_t, size_t size, void* self) {
    auto& transfer = *static_cast<Transfer*>(self);
    long status = 0;
    curl_easy_getinfo(transfer.curl, CURLINFO_RESPONSE_CODE, &status);
    if (transfer.call->sink && status >= 200 && status < 300)
        return transfer.call->sink(status, transfer.answer.headers, {data, size}) ? size : 0;
    const size_t max = transfer.call->body_max > 0 ? transfer.call->body_max : limits::registry_answer_bytes_max;
    if (transfer.answer.body.size() + size > max) {
        if (status >= 400) return size;  // an error's page: its beginning says enough
        transfer.stopped = fail(ErrorKind::too_large, "the answer has more than " + std::to_string(max) + " bytes");
        return 0;
    }
    transfer.answer.body.append(data, size);
    return size;
}

size_t HttpClient::Transfer::on_upload(char* data, size_t, size_t size, void* self) {
    auto& transfer = *static_cast<Transfer*>(self);
    auto got = transfer.call->upload({data, size});
    if (got) return *got;
    transfer.stopped = fail(std::move(got).error());
    return CURL_READFUNC_ABORT;
}

HttpClient::HttpClient(const RegistrySettings& settings, const Certificates& certificates)
    : settings_(settings), certificates_(certificates) {
    curl_global_init(CURL_GLOBAL_ALL);
    curl_ = curl_easy_init();
    CHECK(curl_ != nullptr);
}

HttpClient::~HttpClient() {
    curl_easy_cleanup(static_cast<CURL*>(curl_));
}

void HttpClient::set_endpoint(const RegistryEndpoint& endpoint) {
    endpoint_ = endpoint;
}

namespace {

// Go's rule: this host is never asked for through a proxy.
bool is_local(const std::string& url) {
    const std::string origin = origin_of(url);
    const size_t begin = origin.find("://") + 3;
    const std::string_view host = std::string_view(origin).substr(begin);
    return host.starts_with("localhost:") || host.starts_with("127.") || host.starts_with("[::1]");
}

curl_blob blob_of(const std::string& bytes) {
    return {const_cast<char*>(bytes.data()), bytes.size(), CURL_BLOB_NOCOPY};
}

}  // namespace

Error HttpClient::failure(const HttpCall& call, const std::string& url, int code, const Transfer& transfer) {
    std::string method = call.method;
    for (size_t i = 1; i < method.size(); i++) method[i] = static_cast<char>(std::tolower(method[i]));
    const std::string what = method + " \"" + url + "\": ";
    const std::string host = RegistryEndpoint{url, true, false}.host();
    failed_to_connect_ = !transfer.began;
    switch (code) {
        case CURLE_COULDNT_RESOLVE_HOST:
            return Error(ErrorKind::unavailable,
                         what + "dial tcp: lookup " + host.substr(0, host.rfind(':')) + ": no such host");
        case CURLE_COULDNT_RESOLVE_PROXY:
            return Error(ErrorKind::unavailable, what + "proxyconnect tcp: no such host");
        case CURLE_COULDNT_CONNECT: {
            long number = 0;
            curl_easy_getinfo(static_cast<CURL*>(curl_), CURLINFO_OS_ERRNO, &number);
            std::string why = number != 0 ? std::strerror(static_cast<int>(number)) : "connection failed";
            why[0] = static_cast<char>(std::tolower(why[0]));
            return Error(ErrorKind::unavailable, what + "dial tcp " + host + ": connect: " + why,
                         static_cast<int>(number));
        }
        case CURLE_SSL_CONNECT_ERROR:
            return Error(ErrorKind::unavailable,
                         what + "http: server gave HTTP response to HTTPS client, or TLS failed");
        case CURLE_PEER_FAILED_VERIFICATION:
        case CURLE_SSL_CACERT_BADFILE:
            return Error(ErrorKind::unavailable, what + "tls: failed to verify certificate: x509: " +
                                                     curl_easy_strerror(static_cast<CURLcode>(code)));
        case CURLE_OPERATION_TIMEDOUT:
            return Error(ErrorKind::unavailable, what + "net/http: request canceled: no bytes came in time");
        case CURLE_PARTIAL_FILE:
        case CURLE_GOT_NOTHING:
            return Error(ErrorKind::unavailable, what + "unexpected EOF");
        case CURLE_RECV_ERROR:
        case CURLE_SEND_ERROR:
            return Error(ErrorKind::unavailable, what + "connection reset by peer");
        default:
            return Error(ErrorKind::unavailable, what + curl_easy_strerror(static_cast<CURLcode>(code)));
    }
}

Result<HttpAnswer> HttpClient::once(const HttpCall& call, const std::string& url) {
    const std::string origin = origin_of(url);
    const std::string endpoint_origin = origin_of(endpoint_.url);
    auto* curl = static_cast<CURL*>(curl_);
    curl_easy_reset(curl);
    Transfer transfer;
    transfer.call = &call;
    transfer.curl = curl;
    curl_easy_setopt(curl, CURLOPT_URL, url.c_str());
    curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl, CURLOPT_USERAGENT, settings_.user_agent.c_str());
    curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT, limits::registry_connect_s);
    curl_easy_setopt(curl, CURLOPT_LOW_SPEED_LIMIT, 1L);
    curl_easy_setopt(curl, CURLOPT_LOW_SPEED_TIME, limits::registry_stall_s);
    curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, Transfer::on_header);
    curl_easy_setopt(curl, CURLOPT_HEADERDATA, &transfer);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, Transfer::on_body);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, &transfer);
    curl_easy_setopt(curl, CURLOPT_BUFFERSIZE, 256L << 10);
    curl_easy_setopt(curl, CURLOPT_UPLOAD_BUFFERSIZE, 256L << 10);
    // One stream at a time: what HTTP/2 adds is windows to wait for.
    curl_easy_setopt(curl, CURLOPT_HTTP_VERSION, CURL_HTTP_VERSION_1_1);
    if (is_local(url)) {
        curl_easy_setopt(curl, CURLOPT_PROXY, "");
    } else {
        const std::string& proxy = url.starts_with("https:") ? settings_.https_proxy : settings_.http_proxy;
        curl_easy_setopt(curl, CURLOPT_PROXY, proxy.c_str());
        curl_easy_setopt(curl, CURLOPT_NOPROXY, settings_.no_proxy.c_str());
    }
    if (!endpoint_.verify) {
        curl_easy_setopt(curl, CURLOPT_SSL_VERIFYPEER, 0L);
        curl_easy_setopt(curl, CURLOPT_SSL_VERIFYHOST, 0L);
    }
    curl_blob authorities = blob_of(certificates_.authorities);
    if (!certificates_.authorities.empty()) curl_easy_setopt(curl, CURLOPT_CAINFO_BLOB, &authorities);
    curl_blob certificate = blob_of(certificates_.certificate);
    curl_blob key = blob_of(certificates_.key);
    if (origin == endpoint_origin && !certificates_.certificate.empty()) {
        curl_easy_setopt(curl, CURLOPT_SSLCERT_BLOB, &certificate);
        curl_easy_setopt(curl, CURLOPT_SSLKEY_BLOB, &key);
    }
    curl_slist* headers = curl_slist_append(nullptr, "Expect:");
    for (const std::string& header : call.headers) headers = curl_slist_append(headers, header.c_str());
    if (!call.authorization.empty() &&
        origin == (call.authorization_origin.empty() ? endpoint_origin : call.authorization_origin))
        headers = curl_slist_append(headers, ("Authorization: " + call.authorization).c_str());
    if (call.method == "HEAD") {
        curl_easy_setopt(curl, CURLOPT_NOBODY, 1L);
    } else if (call.upload) {
        curl_easy_setopt(curl, CURLOPT_UPLOAD, 1L);
        curl_easy_setopt(curl, CURLOPT_READFUNCTION, Transfer::on_upload);
        curl_easy_setopt(curl, CURLOPT_READDATA, &transfer);
        curl_easy_setopt(curl, CURLOPT_INFILESIZE_LARGE, static_cast<curl_off_t>(call.upload_size));
        curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, call.method.c_str());
    } else if (call.method != "GET") {
        curl_easy_setopt(curl, CURLOPT_POSTFIELDS, call.body.c_str());
        curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(call.body.size()));
        curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, call.method.c_str());
    }
    curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
    const CURLcode code = curl_easy_perform(curl);
    curl_slist_free_all(headers);
    failed_to_connect_ = false;
    if (!transfer.stopped) return fail(std::move(transfer.stopped).error());
    if (code != CURLE_OK && !(code == CURLE_WRITE_ERROR && call.sink)) return fail(failure(call, url, code, transfer));
    curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &transfer.answer.status);
    transfer.answer.url = url;
    char* next = nullptr;
    if (transfer.answer.status >= 300 && transfer.answer.status < 400 &&
        curl_easy_getinfo(curl, CURLINFO_REDIRECT_URL, &next) == CURLE_OK && next != nullptr)
        transfer.answer.headers["location"] = next;
    return std::move(transfer.answer);
}

Result<HttpAnswer> HttpClient::perform(const HttpCall& call) {
    std::string url = call.url;
    for (int hops = 0; hops <= limits::registry_redirects_max; hops++) {
        TRY(auto answer, once(call, url));
        const std::string next = answer.header("location");
        const bool redirect = answer.status == 301 || answer.status == 302 || answer.status == 303 ||
                              answer.status == 307 || answer.status == 308;
        if (!redirect || next.empty() || (call.method != "GET" && call.method != "HEAD")) return answer;
        url = next;
    }
    return fail(ErrorKind::invalid, "Get \"" + call.url + "\": stopped after " +
                                        std::to_string(limits::registry_redirects_max) + " redirects");
}

std::string url_escape(std::string_view text) {
    static constexpr char digits[] = "0123456789ABCDEF";
    std::string out;
    for (char c : text) {
        if (std::isalnum(static_cast<unsigned char>(c)) || c == '-' || c == '.' || c == '_' || c == '~') {
            out += c;
        } else {
            out += '%';
            out += digits[static_cast<unsigned char>(c) >> 4];
            out += digits[static_cast<unsigned char>(c) & 15];
        }
    }
    return out;
}

}  // namespace engine::storage
