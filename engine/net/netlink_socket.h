// A netlink socket that waits for its answers: for the net worker only, the loop never calls it. A request that takes
// the kernel's RTNL lock blocks its caller for as long as others hold that lock.
#pragma once

#include <functional>

#include "engine/net/netlink_message.h"
#include "engine/reactor/result.h"
#include "engine/reactor/unique_fd.h"

namespace engine::net {

class NetlinkSocket {
public:
    // In the network namespace of the calling process at this time. protocol: NETLINK_ROUTE, NETLINK_NETFILTER. `port`:
    // what events name as who asked; 0: the kernel picks one.
    static Result<NetlinkSocket> open(int protocol, std::uint32_t port = 0);

    // Sends all messages at once and waits until each is acknowledged (all must ask for it with NLM_F_ACK). The first
    // error is returned with the kernel's own words where it has some; `failed_at` gets the number of that message.
    Result<void> request(const MessageWriter& messages, std::uint32_t* failed_at = nullptr);
    // An nfnetlink transaction: the kernel has done all of it, or told its errors, when the send returns.
    Result<void> batch(const std::string& bytes);
    // A dump, or one object: each answering message is handed on. An interrupted dump is asked for again.
    Result<void> query(const MessageWriter& message, const std::function<void(const Message&)>& each);

private:
    explicit NetlinkSocket(UniqueFd fd) : fd_(std::move(fd)) {}
    Result<void> send(std::string_view bytes);
    Result<std::string_view> receive();

    UniqueFd fd_;
    std::string buffer_;
};

// The error of a refused request: "Operation not supported" and what the kernel added.
Error netlink_error(const Acknowledgement& refusal);

}  // namespace engine::net
