// What a registry asks for when it answers 401: the WWW-Authenticate header (RFC 9110, 11.6.1). Pure.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "engine/reactor/result.h"

namespace engine::storage {

struct AuthChallenge {
    std::string scheme;                             // lower case: "bearer", "basic"
    std::map<std::string, std::string> parameters;  // names in lower case
};

// One header may hold several challenges. Something that cannot be read is an error; past limits.h
// challenge_parameters_max parameters too.
Result<std::vector<AuthChallenge>> parse_challenges(std::string_view header);

}  // namespace engine::storage
