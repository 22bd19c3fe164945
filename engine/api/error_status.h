// The one switch from kinds of error to HTTP status.
#pragma once

#include <string>
#include <string_view>

#include "engine/reactor/result.h"

namespace engine::api {

int status_of(ErrorKind kind);
std::string_view reason_phrase(int status);
std::string error_body(std::string_view message);   // {"message":"..."} and a newline, as dockerd sends it

}  // namespace engine::api
