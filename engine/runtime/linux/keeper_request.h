// A packet of the engine taken apart, in bounds. Pure, so that it can be fed anything.
#pragma once

#include <cstring>

#include "engine/runtime/linux/keeper_protocol.h"

namespace engine::runtime {

struct DecodedRequest {
    KeeperRequest request{};
    const char* container = nullptr;  // EXEC: kContainerIdLength bytes
    const char* plan = nullptr;       // START and EXEC, when the plan came in the packet
    size_t plan_size = 0;
    bool sound = false;  // else only `request` can be used, for an answer
};

// False when not even the request is whole.
inline bool decode_request(const char* packet, size_t length, DecodedRequest& out) {
    if (length < sizeof out.request) return false;
    memcpy(&out.request, packet, sizeof out.request);
    packet += sizeof out.request;
    length -= sizeof out.request;
    out.sound = true;
    if (out.request.type != KeeperMessage::start && out.request.type != KeeperMessage::exec) return true;
    if (out.request.type == KeeperMessage::exec) {
        if (length < sizeof(KeeperExecTarget)) return out.sound = false, true;
        out.container = packet;
        packet += sizeof(KeeperExecTarget);
        length -= sizeof(KeeperExecTarget);
    }
    if ((out.request.fds & kFdPlan) != 0) return true;
    if (length < out.request.plan_length) return out.sound = false, true;
    out.plan = packet;
    out.plan_size = out.request.plan_length;
    return true;
}

}  // namespace engine::runtime
