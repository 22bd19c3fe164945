// One question of a name server, by datagrams on a socket that is connected to it.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "engine/reactor/stop_token.h"
#include "engine/reactor/task.h"
#include "engine/reactor/units.h"

namespace engine::net {

std::uint16_t random_number();   // a query's id: not to be guessed

struct Exchange {
    int fd = -1;                                  // borrowed; does not block
    std::string query;
    std::function<bool(std::string_view)> ours;   // is this the answer to it? What is not is left aside
    const char* whom = "";                        // "a name server", for errors
    int attempts = 1;                             // how often it is sent
    Nanoseconds patience = 0;                     // of each
};
// The answer's bytes. timed_out: none came; kernel: nobody listens there; canceled: `stop`.
Task<std::string> exchange(Exchange question, reactor::StopToken stop);

}  // namespace engine::net
