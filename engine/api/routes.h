// The table of every endpoint that is served.
#pragma once

#include <span>

#include "engine/api/router.h"

namespace engine::api {

std::span<const Route> routes();

}  // namespace engine::api
