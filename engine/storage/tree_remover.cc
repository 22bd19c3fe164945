#include "engine/storage/tree_remover.h"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <utility>

#include "engine/reactor/io.h"
#include "engine/reactor/pipe.h"
#include "engine/reactor/try.h"
#include "engine/storage/tree.h"
#include "engine/storage/worker.h"

namespace engine::storage {

Result<void> TreeRemover::start() {
    TRY(Pipe orders, make_pipe());
    TRY(Pipe answers, make_pipe());
    const reactor::FdMapping mappings[] = {{orders.read_end.get(), 0}, {answers.write_end.get(), worker_result_fd}};
    TRY(auto child, reactor::ChildProcess::spawn({program_, "worker", "remove"}, {}, mappings));
    child_.emplace(std::move(child));
    orders_ = std::move(orders.write_end);
    answers_ = std::move(answers.read_end);
    return {};
}

Task<std::string> TreeRemover::ask(std::string order, reactor::StopToken stop) {
    const auto bytes = io::bytes_of(order);
    CO_TRY_VOID(co_await io::write_all(orders_.get(), bytes, stop));
    std::string text;
    std::array<std::byte, 512> room{};
    while (true) {
        const std::span<std::byte> buffer(room);
        CO_TRY(const std::size_t got, co_await io::read(answers_.get(), buffer, stop));
        if (got == 0) co_return fail(ErrorKind::internal, "the process that deletes trees has ended");
        text.append(reinterpret_cast<const char*>(room.data()), got);
        if (text.back() == '\0') break;
    }
    text.pop_back();
    co_return text;
}

Task<void> TreeRemover::remove(std::vector<std::string> trees, reactor::StopToken stop) {
    if (!child_) {
        CO_TRY_VOID(start());
    }
    std::string order;
    for (const auto& tree : trees) order.append(tree).push_back('\0');
    order.push_back('\0');
    auto said = co_await ask(std::move(order), stop);
    if (!said) {
        auto ended = co_await rest();
        ignore_result(ended, "what went wrong before is told");
        co_return tl::unexpected<Error>(std::move(said).error());
    }
    if (!said->empty()) co_return fail(ErrorKind::internal, *said);
    co_return Result<void>{};
}

Task<void> TreeRemover::rest() {
    orders_.reset();
    answers_.reset();
    if (!child_) co_return Result<void>{};
    child_->kill(SIGKILL);
    auto ended = co_await child_->wait();
    child_.reset();
    if (!ended) co_return tl::unexpected<Error>(std::move(ended).error());
    co_return Result<void>{};
}

namespace {

bool put_all(int fd, std::string_view text) {
    while (!text.empty()) {
        const ssize_t put = ::write(fd, text.data(), text.size());
        if (put < 0 && errno == EINTR) continue;
        if (put < 0) return false;
        text.remove_prefix(static_cast<std::size_t>(put));
    }
    return true;
}

}  // namespace

int serve_removals(int answers) {
    std::string orders;
    std::string first_error;
    std::array<char, 16 << 10> room{};
    while (true) {
        const ssize_t got = ::read(0, room.data(), room.size());
        if (got < 0 && errno == EINTR) continue;
        if (got <= 0) return got < 0 ? 1 : 0;
        orders.append(room.data(), static_cast<std::size_t>(got));
        for (std::size_t end = 0; (end = orders.find('\0')) != std::string::npos; orders.erase(0, end + 1)) {
            if (end != 0) {
                auto removed = remove_tree_at(AT_FDCWD, orders.c_str());  // one that resists does not keep the others
                if (!removed && first_error.empty()) first_error = removed.error().message();
                continue;
            }
            first_error.push_back('\0');
            if (!put_all(answers, first_error)) return 3;
            first_error.clear();
        }
    }
}

}  // namespace engine::storage
