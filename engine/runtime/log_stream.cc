#include "engine/runtime/log_stream.h"

#include <sys/stat.h>

#include <algorithm>

#include "engine/reactor/try.h"
#include "engine/runtime/go_time.h"

namespace engine::runtime {
namespace {

constexpr std::size_t read_bytes = 128 * 1024;       // what one turn of the loop decodes
constexpr std::size_t tail_read_bytes = 64 * 1024;

}  // namespace

LogStreamer::LogStreamer(std::string path, LogLimits limits, std::shared_ptr<LogFile> live, LogQuery query,
                         ByteSink* sink)
    : path_(std::move(path)), limits_(limits), live_(std::move(live)), query_(std::move(query)), sink_(sink) {
    // Opened at once: a rotation comes before or after, never in between.
    for (UniqueFd& fd : open_log_files(path_, limits_.files_max)) files_.push_back(std::move(fd));
    if (live_) rotations_seen_ = live_->rotations();
}

void LogStreamer::take(const LogEntry& entry) {
    const bool wanted = entry.stream == LogStream::stderr_ ? query_.stderr_ : query_.stdout_;
    if (!wanted || past_until_) return;
    if (query_.since != 0 || query_.until != 0) {
        const Nanoseconds time = entry.time_ns();
        if (time < query_.since) return;
        past_until_ = query_.until != 0 && time > query_.until;
        if (past_until_) return;
    }
    std::string stamp;
    if (query_.timestamps) stamp = rfc3339_nano_fixed(entry.time_ns()) + " ";
    const std::size_t size = stamp.size() + query_.details.size() + entry.log.size();
    if (query_.framed) {
        const auto header = frame_header(entry.stream, static_cast<std::uint32_t>(size));
        out_.append(header.data(), header.size());
    }
    out_.append(stamp).append(query_.details).append(entry.log);
}

// From `offset` to the end of the file as it is now; offset_ tells how far that is.
Task<void> LogStreamer::copy_file(int fd, std::int64_t offset, reactor::StopToken stop) {
    offset_ = offset;
    const auto memory = std::make_unique_for_overwrite<std::byte[]>(read_bytes);
    const std::span<std::byte> room(memory.get(), read_bytes);
    while (!past_until_) {
        const auto at = static_cast<std::uint64_t>(offset_);
        CO_TRY(const std::size_t got, co_await io::read(fd, room, stop, at));
        if (got == 0) break;
        offset_ += static_cast<std::int64_t>(got);
        const std::string_view block(reinterpret_cast<const char*>(memory.get()), got);
        decoder_.feed(block, [this](const LogEntry& entry) { take(entry); });
        if (out_.empty()) continue;
        const auto bytes = io::bytes_of(out_);
        CO_TRY_VOID(co_await sink_->write(bytes));
        out_.clear();
    }
    co_return Result<void>{};
}

// Where the last records begin: read backwards, file by file.
Task<LogStreamer::Position> LogStreamer::tail_position(reactor::StopToken stop) {
    Position position;
    if (query_.tail < 0 || files_.empty()) co_return position;
    auto left = static_cast<std::uint64_t>(query_.tail);
    std::string block(tail_read_bytes, '\0');
    for (position.file = files_.size(); position.file-- > 0;) {
        struct stat facts {};
        const int fd = files_[position.file].get();
        if (fstat(fd, &facts) != 0) co_return fail_errno(errno, path_);
        std::int64_t end = facts.st_size;
        position.offset = end;
        while (end > 0 && left > 0) {
            const std::int64_t begin = std::max<std::int64_t>(0, end - static_cast<std::int64_t>(tail_read_bytes));
            const auto buffer = std::as_writable_bytes(std::span(block.data(), static_cast<std::size_t>(end - begin)));
            const auto at = static_cast<std::uint64_t>(begin);
            CO_TRY(const std::size_t got, co_await io::read(fd, buffer, stop, at));
            if (got == 0) break;
            std::string_view text(block.data(), got);
            // Newlines end records: the one that ends this block was counted with the block behind it.
            const bool last = end == facts.st_size;
            std::size_t cut = text.size();
            if (last && text.ends_with('\n')) --cut;
            while (left > 0) {
                const std::size_t newline = cut == 0 ? std::string_view::npos : text.rfind('\n', cut - 1);
                if (newline == std::string_view::npos) break;
                cut = newline;
                --left;
            }
            if (left == 0) {
                position.offset = begin + static_cast<std::int64_t>(cut) + 1;
                co_return position;
            }
            end = begin;
            position.offset = begin;
        }
        if (left == 0) co_return position;
        if (facts.st_size > 0) --left;  // the file's first record has no newline in front of it
        if (left == 0) co_return position;
    }
    position.file = 0;
    position.offset = 0;
    co_return position;
}

// The file that followed the one just read to its end; false when that is still the newest.
bool LogStreamer::open_next() {
    if (!live_ || live_->rotations() == rotations_seen_) return false;
    const std::uint64_t behind = live_->rotations() - rotations_seen_;
    std::vector<UniqueFd> present = open_log_files(path_, limits_.files_max);
    // Those that were written since; more may have been deleted already.
    const std::size_t wanted = std::min<std::size_t>(present.size(), behind);
    files_.clear();
    for (std::size_t i = present.size() - wanted; i < present.size(); ++i) files_.push_back(std::move(present[i]));
    rotations_seen_ = live_->rotations();
    return !files_.empty();
}

Task<void> LogStreamer::follow(reactor::StopToken stop) {
    while (!past_until_) {
        const bool ended = live_->ended();
        const std::uint64_t rotations = live_->rotations();
        if (!files_.empty()) {
            CO_TRY_VOID(co_await copy_file(files_.back().get(), offset_, stop));
        }
        if (live_->rotations() != rotations_seen_) {
            // It was read to its end before or after the rotation: once more, then on to the next.
            if (rotations == rotations_seen_) continue;
            if (!open_next()) co_return Result<void>{};
            for (std::size_t i = 0; i + 1 < files_.size(); ++i) {
                CO_TRY_VOID(co_await copy_file(files_[i].get(), 0, stop));
            }
            offset_ = 0;
            continue;
        }
        if (ended) break;
        if (live_->ended()) continue;
        if (query_.until != 0 && realtime_ns() > query_.until) break;
        reactor::Deadline deadline(query_.until == 0 ? INT64_MAX / 2 : query_.until - realtime_ns(), stop);
        auto changed = co_await live_->changed().wait(deadline.token());
        if (!changed && stop.stop_requested()) co_return changed;
    }
    co_return Result<void>{};
}

Task<void> LogStreamer::run(reactor::StopToken stop) {
    CO_TRY(const Position start, co_await tail_position(stop));
    for (std::size_t i = start.file; i < files_.size() && !past_until_; ++i) {
        const std::int64_t offset = i == start.file ? start.offset : 0;
        CO_TRY_VOID(co_await copy_file(files_[i].get(), offset, stop));
    }
    if (!query_.follow || !live_) co_return Result<void>{};
    CO_TRY_VOID(co_await follow(stop));
    co_return Result<void>{};
}

}  // namespace engine::runtime
