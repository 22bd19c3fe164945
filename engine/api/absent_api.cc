#include "engine/api/absent_api.h"

namespace engine::api {

Task<void> get_plugins(Services&, Request&, Response& response) { return response.send_json(200, "[]"); }

// There are no volumes yet: the list is true.
Task<void> get_volumes(Services&, Request&, Response& response) {
    return response.send_json(200, R"({"Volumes":[],"Warnings":null})");
}

Task<void> no_swarm(Services&, Request&, Response&) {
    co_return fail(
        ErrorKind::unavailable,
        "This node is not a swarm manager. Use \"docker swarm init\" or \"docker swarm join\" to connect this "
        "node to swarm and try again.");
}

}  // namespace engine::api
