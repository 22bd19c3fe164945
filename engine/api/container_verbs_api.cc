#include "engine/api/container_verbs_api.h"

#include <optional>

#include "engine/api/parameters.h"
#include "engine/api/services.h"
#include "engine/reactor/try.h"
#include "engine/runtime/container_service.h"

namespace engine::api {

Task<void> restart_container(Services& services, Request& request, Response& response) {
    const std::string_view reference = request.captures[0];
    const std::string_view signal = request.version >= ApiVersion{1, 42} ? request.parameter("signal") : "";
    std::optional<long> timeout;
    if (!request.parameter("t").empty()) {
        CO_TRY(timeout, integer_parameter(request, "t", 0));
    }
    CO_TRY_VOID(co_await services.containers->restart(reference, signal, timeout));
    auto done = co_await response.send_empty(204);
    co_return done;
}

Task<void> pause_container(Services& services, Request& request, Response& response) {
    const std::string_view reference = request.captures[0];
    CO_TRY_VOID(co_await services.containers->pause(reference));
    auto done = co_await response.send_empty(204);
    co_return done;
}

Task<void> unpause_container(Services& services, Request& request, Response& response) {
    const std::string_view reference = request.captures[0];
    CO_TRY_VOID(co_await services.containers->unpause(reference));
    auto done = co_await response.send_empty(204);
    co_return done;
}

Task<void> rename_container(Services& services, Request& request, Response& response) {
    const std::string_view reference = request.captures[0];
    const std::string_view name = request.parameter("name");
    CO_TRY_VOID(co_await services.containers->rename(reference, name));
    auto done = co_await response.send_empty(204);
    co_return done;
}

}  // namespace engine::api
