#include "engine/api/absent_api.h"

namespace engine::api {

Task<void> get_plugins(Services&, Request&, Response& response) { return response.send_json(200, "[]"); }

Task<void> no_such_plugin(Services&, Request& request, Response&) {
    co_return fail(ErrorKind::not_found, "plugin \"" + request.captures[0] + "\" not found");
}

Task<void> no_plugins(Services&, Request&, Response&) {
    co_return fail(ErrorKind::not_implemented, "this engine has no plugins");
}

// There are no volumes yet: the list is true.
Task<void> get_volumes(Services&, Request&, Response& response) {
    return response.send_json(200, R"({"Volumes":[],"Warnings":null})");
}

Task<void> not_a_manager(Services&, Request&, Response&) {
    co_return fail(
        ErrorKind::unavailable,
        "This node is not a swarm manager. Use \"docker swarm init\" or \"docker swarm join\" to connect this "
        "node to swarm and try again.");
}

Task<void> not_in_a_swarm(Services&, Request&, Response&) {
    co_return fail(ErrorKind::unavailable, "This node is not part of a swarm");
}

Task<void> no_swarm_mode(Services&, Request&, Response&) {
    co_return fail(ErrorKind::not_implemented, "this engine has no swarm mode");
}

Task<void> not_experimental(Services&, Request&, Response&) {
    co_return fail(ErrorKind::not_implemented,
                   "This experimental feature is disabled by default. Start the Docker daemon in experimental mode in "
                   "order to enable it.");
}

}  // namespace engine::api
