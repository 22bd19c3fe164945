// One packet between engine and net worker: a fixed header, a body, descriptors. A body too long for a packet travels
// in a memfd, which is then the first descriptor. SOCK_SEQPACKET; blocking where the socket is.
#pragma once

#include <string>
#include <vector>

#include "engine/reactor/result.h"
#include "engine/reactor/unique_fd.h"

namespace engine::net {

struct CallPacket {
    std::string body;
    std::vector<UniqueFd> fds;
    bool in_memfd = false;
};

constexpr int packet_fds_max = 4;

Result<void> move_to_memfd(CallPacket& packet);     // where it is too long
Result<void> read_from_memfd(CallPacket& packet);
Result<void> send_packet(int socket, const void* header, std::size_t header_bytes, const CallPacket& packet);
Result<CallPacket> receive_packet(int socket, void* header, std::size_t header_bytes);

}  // namespace engine::net
