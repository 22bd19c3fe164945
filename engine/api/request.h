// One HTTP request as the handlers see it.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "engine/api/api_version.h"
#include "engine/reactor/byte_stream.h"
#include "engine/reactor/stop_token.h"

namespace engine::api {

struct Request {
    std::string method;
    std::string target;                                       // as sent
    std::string path;                                         // without version and query, still percent-encoded
    std::vector<std::pair<std::string, std::string>> query;   // decoded
    std::vector<std::pair<std::string, std::string>> headers; // names in lower case
    std::vector<std::string> captures;                        // the pattern's {names}, decoded
    ApiVersion version = api_version_newest;
    bool keep_alive = true;
    bool http_1_0 = false;
    bool upgrade_tcp = false;                                 // `Upgrade: tcp` was asked for
    bool expects_continue = false;
    ByteSource* body = nullptr;                               // lives as long as the request

    reactor::StopToken stop;                                  // the server stops, or a watched client has gone

    // "" when absent. The first of several.
    std::string_view header(std::string_view lower_case_name) const;
    std::string_view parameter(std::string_view name) const;
    bool has_parameter(std::string_view name) const;
    // As dockerd reads booleans: absent, "", "0", "no", "false", "none" are false.
    bool flag(std::string_view name, bool otherwise = false) const;
    void clear();
};

// Percent-decoding; `plus_is_space` in queries. Broken escapes are an error.
Result<std::string> url_decode(std::string_view text, bool plus_is_space);
// Splits target into path and decoded query.
Result<void> parse_target(Request& request);

}  // namespace engine::api
