#include "engine/runtime/output.h"

#include <fcntl.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <utility>

#include "engine/reactor/io.h"
#include "engine/reactor/log.h"
#include "engine/reactor/try.h"
#include "engine/runtime/container_log.h"
#include "engine/runtime/limits.h"

namespace engine::runtime {
namespace {

constexpr std::size_t read_bytes = 128 * 1024;            // at once
constexpr std::size_t send_bytes = 64 * 1024;             // a client that takes so much in the time below is alive
constexpr Nanoseconds stalled_client_max = 30 * second;   // with a full buffer; then it is dropped
constexpr int pipe_bytes_usual = 64 * 1024;
constexpr int pipe_bytes_busy = 256 * 1024;               // of a pipe that was found full

// Nobody keeps bytes in it over a wait.
std::span<std::byte> shared_memory() {
    static const auto memory = std::make_unique_for_overwrite<std::byte[]>(read_bytes);
    return {memory.get(), read_bytes};
}

}  // namespace

// Straight to the socket when nothing waits in front.
void Attachment::append(LogStream stream, std::string_view bytes) {
    std::array<char, 8> header{};
    std::string_view head;
    if (framed_) {
        header = frame_header(stream, static_cast<std::uint32_t>(bytes.size()));
        head = {header.data(), header.size()};
    }
    std::size_t sent = 0;
    if (sink_ && behind() == 0) sent = sink_->try_write(io::bytes_of(head), io::bytes_of(bytes));
    if (sent == head.size() + bytes.size()) return;
    waiting_.append(head.substr(std::min(sent, head.size())));
    waiting_.append(bytes.substr(sent - std::min(sent, head.size())));
    changed_.notify_all();
}

Task<void> Attachment::send_out() {
    while (sent_ < out_.size()) {
        const auto piece = io::bytes_of(std::string_view(out_).substr(sent_, send_bytes));
        CO_TRY_VOID(co_await sink_->write(piece));
        sent_ += piece.size();
        drained_.notify_all();
    }
    out_.clear();
    sent_ = 0;
    co_return Result<void>{};
}

Task<void> Attachment::copy_to(ByteSink* sink, reactor::StopToken stop) {
    sink_ = sink;
    Result<void> done;
    while (done && !(waiting_.empty() && ended_)) {
        if (waiting_.empty()) {
            done = co_await changed_.wait(stop);
            continue;
        }
        out_.swap(waiting_);
        done = co_await send_out();
    }
    sink_ = nullptr;
    unlink();
    drained_.notify_all();
    if (dropped_) co_return fail(ErrorKind::timed_out, "the attached client reads too slowly: dropped");
    co_return done;
}

void Attachment::drop(const std::string& of) {
    log_warn("a client attached to " + of + " took nothing for " + std::to_string(stalled_client_max / second) +
             " s while " + std::to_string(behind()) + " bytes waited for it: dropped");
    unlink();
    dropped_ = true;
    if (sink_) sink_->abandon();
    end();
}

Output::Output(std::shared_ptr<ContainerLog> log, bool tty) : log_(std::move(log)), tty_(tty) {}
Output::~Output() = default;

void Output::attach(Attachment* attachment) {
    if (ended_) {
        attachment->end();
    } else {
        attachments_.push_back(attachment);
    }
}

void Output::attach_behind_log(Attachment* attachment) {
    if (log_)
        log_->unlogged([attachment](LogStream stream, std::string_view bytes) {
            if (attachment->wants(stream)) attachment->append(stream, bytes);
        });
    attach(attachment);
}

void Output::deliver(LogStream stream, std::string_view bytes) {
    for (Attachment* a = attachments_.front(); a; a = attachments_.next(a))
        if (a->wants(stream)) a->append(stream, bytes);
}

// One read, of what is there: the descriptor does not block. How much that is, is asked first, because the journal
// must know before the bytes are taken out of the pipe.
Output::Took Output::read_some(int source, LogStream stream) {
    std::span<std::byte> space = shared_memory();
    bool dropping = false;
    if (log_) {
        space = log_->space(stream);
        if (space.empty() && log_->blocking()) return Took::no_room;
        dropping = space.empty();
        if (dropping) space = shared_memory();
    }
    int present = 0;
    if (ioctl(source, FIONREAD, &present) != 0) present = 1;
    const bool journaled = log_ && !dropping && present > 0;
    space = space.first(std::min(space.size(), static_cast<std::size_t>(std::max(present, 1))));
    if (journaled) log_->reading(stream, space.size());
    const ssize_t got = ::read(source, space.data(), space.size());
    const int error = errno;
    const std::size_t bytes = got > 0 ? static_cast<std::size_t>(got) : 0;
    if (bytes > 0) deliver(stream, {reinterpret_cast<const char*>(space.data()), bytes});
    const std::string_view data(reinterpret_cast<const char*>(space.data()), bytes);
    if (log_ && !dropping) {
        const WholeLines::Kept kept = log_->keep(stream, data);
        if (kept.from > 0) std::memmove(space.data(), space.data() + kept.from, kept.bytes);
        log_->took(stream, kept.bytes, realtime_ns());
    }
    if (dropping && bytes > 0) log_->dropped(stream, data);
    if (got > 0) {
        if (present >= pipe_bytes_usual && present < pipe_bytes_busy) fcntl(source, F_SETPIPE_SZ, pipe_bytes_busy);
        return Took::some;
    }
    // A pty whose last holder is gone says EIO where a pipe says end of file.
    return got < 0 && (error == EAGAIN || error == EINTR) ? Took::nothing : Took::end;
}

Task<void> Output::pump(UniqueFd source, LogStream stream, reactor::StopToken stop) {
    // Our end alone: the process has an open file of its own.
    fcntl(source.get(), F_SETFL, fcntl(source.get(), F_GETFL) | O_NONBLOCK);
    while (true) {
        // Stopped: what has not been read waits in the pipe for the next engine, the rest in the journal.
        auto readable = co_await io::poll(source.get(), POLLIN, stop);
        if (!readable) break;
        if (slowest()) {
            auto drained = co_await hold_back(stop);
            if (!drained) break;
        }
        const Took took = read_some(source.get(), stream);
        if (took == Took::end) break;
        if (took != Took::no_room) continue;
        auto room = co_await log_->room(stop);
        if (!room) break;
    }
    co_return Result<void>{};
}

Attachment* Output::slowest() {
    Attachment* slow = attachments_.front();
    while (slow && slow->behind() < kAttachmentBytes) slow = attachments_.next(slow);
    return slow;
}

bool Output::attached(const Attachment* attachment) {
    Attachment* a = attachments_.front();
    while (a && a != attachment) a = attachments_.next(a);
    return a != nullptr;
}

// Until nobody is too far behind. After each wait the list may have changed.
Task<void> Output::hold_back(reactor::StopToken stop) {
    while (Attachment* slow = slowest()) {
        reactor::Deadline deadline(stalled_client_max, stop);
        auto drained = co_await slow->drained_.wait(deadline.token());
        if (drained) continue;
        if (stop.stop_requested()) co_return drained;
        if (attached(slow)) slow->drop(log_ ? "container " + log_->place().container_id : std::string("an exec"));
    }
    co_return Result<void>{};
}

void Output::end() {
    ended_ = true;
    while (Attachment* attachment = attachments_.pop_front()) attachment->end();
}

}  // namespace engine::runtime
