// The closed set of requests that the loop can make of the kernel, and the intrusive object that waits for one.
#pragma once

#include <cstdint>

#include "engine/reactor/runnable.h"

namespace engine::reactor {

enum class OpCode : std::uint8_t {
    nop,
    read,
    write,
    recv,
    send,
    recvmsg,
    sendmsg,
    accept,
    accept_multishot,
    recv_provided,
    recv_multishot,
    connect,
    poll,
    splice,
    openat,
    close,
    fsync,
    mkdirat,
    unlinkat,
    renameat,
    fallocate,
    shutdown,
};

// What is asked, in the kernel's own terms (io_uring_enter(2)); the backend turns it into a submission entry.
struct Request {
    OpCode code = OpCode::nop;
    int fd = -1;
    const void* address = nullptr;
    std::uint64_t address2 = 0;   // second path, or offset of splice's input
    std::uint64_t offset = 0;     // ~0 = the file's own position
    std::uint32_t length = 0;
    std::uint32_t flags = 0;
    int fd2 = -1;                 // splice input, renameat's new directory
};

constexpr std::uint64_t current_position = ~std::uint64_t{0};

// Lives in whoever waits, and stays where it is while in flight: the kernel holds its address.
class Operation {
public:
    Operation() = default;
    Operation(const Operation&) = delete;
    Operation& operator=(const Operation&) = delete;
    ~Operation();  // checks that the kernel has let go of it

    Request request;
    // Called from the loop's reaping; must not resume a coroutine, only make it ready. `more`: a multishot goes on.
    void (*on_complete)(Operation*, int result, std::uint32_t flags, bool more) = nullptr;
    bool in_flight = false;
};

}  // namespace engine::reactor
