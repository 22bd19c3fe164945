#include "engine/runtime/output.h"

#include "engine/reactor/log.h"
#include "engine/reactor/try.h"

namespace engine::runtime {
namespace {

constexpr std::size_t read_bytes = 128 * 1024;            // borrowed by a reader while bytes are there
constexpr std::size_t attachment_bytes_max = 1024 * 1024; // waiting for one client before the reader holds back
constexpr Nanoseconds stalled_client_max = 60 * second;   // then the client is dropped

}  // namespace

void Attachment::append(LogStream stream, std::string_view bytes) {
    if (framed_) {
        const auto header = frame_header(stream, static_cast<std::uint32_t>(bytes.size()));
        waiting_.append(header.data(), header.size());
    }
    waiting_.append(bytes);
    changed_.notify_all();
}

Task<void> Attachment::copy_to(ByteSink* sink, reactor::StopToken stop) {
    std::string out;
    while (true) {
        if (dropped_) co_return fail(ErrorKind::timed_out, "the attached client reads too slowly: dropped");
        if (waiting_.empty() && ended_) co_return Result<void>{};
        if (waiting_.empty()) {
            CO_TRY_VOID(co_await changed_.wait(stop));
            continue;
        }
        out.clear();
        out.swap(waiting_);
        drained_.notify_all();
        const auto bytes = io::bytes_of(out);
        auto written = co_await sink->write(bytes);
        if (!written) {
            unlink();
            co_return fail(std::move(written.error()));
        }
    }
}

Task<void> Output::pump(UniqueFd source, LogStream stream, reactor::StopToken stop) {
    while (true) {
        // Stopped: what has been read of a line is written, the rest of it waits in the pipe for the next engine.
        auto readable = co_await io::poll(source.get(), POLLIN, stop);
        if (!readable) break;
        const auto buffer = std::make_unique<std::byte[]>(read_bytes);
        const std::span<std::byte> space(buffer.get(), read_bytes);
        auto got = co_await io::read(source.get(), space);
        // A pty whose last holder is gone says EIO where a pipe says end of file.
        if (!got || *got == 0) break;
        const std::string_view bytes(reinterpret_cast<const char*>(buffer.get()), *got);
        CO_TRY_VOID(co_await deliver(stream, bytes));
    }
    CO_TRY(auto held, co_await log_lane_.enter());
    encoder_.finish(stream, realtime_ns(), encoded_);
    auto done = co_await write_log();
    co_return done;
}

Task<void> Output::deliver(LogStream stream, std::string_view bytes) {
    for (Attachment* a = attachments_.front(); a; a = attachments_.next(a))
        if (a->wants(stream)) a->append(stream, bytes);
    if (log_) {
        CO_TRY(auto held, co_await log_lane_.enter());
        encoder_.append(stream, bytes, realtime_ns(), encoded_);
        CO_TRY_VOID(co_await write_log());
    }
    // After each wait the list may have changed: begin again until nobody is too far behind.
    while (true) {
        Attachment* slow = attachments_.front();
        while (slow && slow->waiting_.size() < attachment_bytes_max) slow = attachments_.next(slow);
        if (!slow) co_return Result<void>{};
        CO_TRY_VOID(co_await hold_back(slow));
    }
}

Task<void> Output::hold_back(Attachment* attachment) {
    reactor::Deadline deadline(stalled_client_max);
    auto drained = co_await attachment->drained_.wait(deadline.token());
    if (drained) co_return Result<void>{};
    log_warn("an attached client took nothing for " + std::to_string(stalled_client_max / second) + " s: dropped");
    attachment->unlink();
    attachment->dropped_ = true;
    attachment->changed_.notify_all();
    co_return Result<void>{};
}

// With the lane held.
Task<void> Output::write_log() {
    if (encoded_.empty() || !log_) co_return Result<void>{};
    const std::string_view records = encoded_;
    CO_TRY_VOID(co_await log_->write(records));
    encoded_.clear();
    co_return Result<void>{};
}

void Output::end() {
    ended_ = true;
    if (log_) log_->end();
    while (Attachment* attachment = attachments_.pop_front()) attachment->end();
}

}  // namespace engine::runtime
