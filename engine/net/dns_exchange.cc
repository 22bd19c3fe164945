#include "engine/net/dns_exchange.h"

#include <poll.h>
#include <sys/random.h>
#include <sys/socket.h>

#include "engine/net/dns_message.h"
#include "engine/reactor/io.h"
#include "engine/reactor/try.h"

namespace engine::net {

std::uint16_t random_number() {
    std::uint16_t out = 0;
    CHECK(getrandom(&out, sizeof out, 0) == sizeof out);
    return out;
}

Task<std::string> exchange(Exchange question, reactor::StopToken stop) {
    const int fd = question.fd;
    const std::string asking = std::string("asking ") + question.whom;
    std::string buffer(dns::message_bytes_max, '\0');
    for (int attempt = 0; attempt < question.attempts; ++attempt) {
        const std::string& query = question.query;
        if (::send(fd, query.data(), query.size(), MSG_DONTWAIT | MSG_NOSIGNAL) < 0 && errno != EAGAIN)
            co_return fail_errno(errno, asking);
        reactor::Deadline patience(question.patience, stop);
        while (true) {
            auto events = co_await io::poll(fd, POLLIN, patience.token());
            if (stop.stop_requested()) co_return fail(ErrorKind::canceled, "another was faster");
            if (!events) break;
            const ssize_t got = ::recv(fd, buffer.data(), buffer.size(), MSG_DONTWAIT);
            // An ICMP error: nobody listens there.
            if (got < 0 && errno != EAGAIN) co_return fail_errno(errno, asking);
            if (got < 0) continue;
            std::string bytes = buffer.substr(0, static_cast<std::size_t>(got));
            if (question.ours(bytes)) co_return bytes;
        }
    }
    co_return fail(ErrorKind::timed_out, std::string(question.whom) + " does not answer");
}

}  // namespace engine::net
