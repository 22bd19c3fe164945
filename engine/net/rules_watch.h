// What the kernel tells of changes to nftables rules: somebody who flushes them takes ours along.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string_view>

#include "engine/reactor/result.h"
#include "engine/reactor/unique_fd.h"

namespace engine::net {

// The port from which the worker of this engine changes rules: above all process ids, which are the usual ports.
constexpr std::uint32_t rules_port(pid_t engine) { return 0x40000000u | static_cast<std::uint32_t>(engine); }

// Hears of no change that came from the port `own`. Does not block.
Result<UniqueFd> open_rules_events(std::uint32_t own);

// True when one of the messages tells that something of the table was removed from another port than `own`.
bool tells_removal(std::string_view messages, std::string_view table, std::uint32_t own);

}  // namespace engine::net
