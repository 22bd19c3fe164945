#include "engine/runtime/container_log.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>

#include "engine/reactor/log.h"
#include "engine/reactor/try.h"
#include "engine/runtime/limits.h"
#include "engine/runtime/log_compress.h"

namespace engine::runtime {
namespace {

constexpr Nanoseconds notice_pause = 10 * second;
constexpr std::size_t batch_bytes_kept = 16 * 1024;   // of the buffer, between batches

std::size_t journal_bytes(const LogSettings& settings) {
    if (settings.blocking) return kOutputBytes;
    constexpr std::size_t page = 4096;
    constexpr std::int64_t least = 2 * kLogLineBytes;   // a line without end must fit
    const auto wanted = static_cast<std::size_t>(std::max(settings.buffer_bytes_max, least));
    return (wanted + page - 1) / page * page;
}

}  // namespace

ContainerLog::ContainerLog(LogPlace place, reactor::Scope* scope)
    : place_(std::move(place)), file_(*place_.format, place_.settings, place_.path), scope_(scope) {}

Result<void> ContainerLog::begin(std::string attributes) {
    encoder_ = place_.format->encoder(std::move(attributes));
    TRY(journal_, OutputJournal::open(place_.journal, journal_bytes(place_.settings)));
    TRY_VOID(finish_write());
    if (!file_.is_open()) {
        TRY_VOID(file_.open());
    }
    running_ = true;
    ending_ = false;
    if (place_.settings.compress)
        for (int number = place_.settings.files_max - 1; number > 0; --number)
            if (access(file_.name(number).c_str(), F_OK) == 0)
                compress_later(file_.generation() - static_cast<std::uint64_t>(number));
    return {};
}

// A write that another engine had announced: it is in the file as a whole, or it is taken back and made again.
Result<void> ContainerLog::finish_write() {
    const OutputJournal::Unfinished left = journal_->unfinished();
    if (!left.there) return {};
    const UniqueFd fd(::open(place_.path.c_str(), O_RDWR | O_CLOEXEC | O_NOFOLLOW));
    struct stat facts {};
    const bool same = fd && fstat(fd.get(), &facts) == 0 && facts.st_ino == left.write.inode;
    if (same && facts.st_size < left.write.size_after) {
        if (facts.st_size > left.write.size_before && ftruncate(fd.get(), left.write.size_before) != 0)
            return fail_errno(errno, "cutting a torn record off " + place_.path);
        journal_->forget_write();
    } else {
        journal_->wrote();
    }
    return {};
}

void ContainerLog::took(LogStream stream, std::size_t bytes, std::int64_t now_ns) {
    journal_->took(stream, bytes, now_ns);
    if (bytes > 0) work_.notify_all();
}

WholeLines::Kept ContainerLog::keep(LogStream stream, std::string_view data) {
    if (blocking()) return {0, data.size()};
    const bool behind = !journal_->roomy(stream, data.size());
    const WholeLines::Kept kept = whole_lines_[stream == LogStream::stderr_ ? 1 : 0].keep(data, behind);
    if (kept.bytes < data.size()) count_dropped(data.size() - kept.bytes);
    return kept;
}

void ContainerLog::dropped(LogStream stream, std::string_view data) {
    whole_lines_[stream == LogStream::stderr_ ? 1 : 0].drop(data);
    count_dropped(data.size());
}

void ContainerLog::count_dropped(std::size_t bytes) {
    bytes_dropped_ += bytes;
    if (may_tell()) tell_dropped();
}

// Not with every line that is lost: the engine's log is not to be flooded either.
bool ContainerLog::may_tell() {
    const std::int64_t now = monotonic_ns();
    if (told_at_ != 0 && now - told_at_ < notice_pause) return false;
    told_at_ = now;
    return true;
}

void ContainerLog::tell_dropped() {
    if (bytes_dropped_ == 0) return;
    log_warn("container " + place_.container_id + ": its log is behind: " + std::to_string(bytes_dropped_) +
             " bytes of output were not logged");
    bytes_dropped_ = 0;
}

Task<void> ContainerLog::room(reactor::StopToken stop) { auto woken = co_await room_.wait(stop); co_return woken; }

bool ContainerLog::something_to_write() const {
    return journal_->has_chunks() || (ending_ && !journal_->empty());
}

Task<void> ContainerLog::write_records(reactor::StopToken stop) {
    while (true) {
        if (something_to_write()) {
            CO_TRY_VOID(co_await write_batch());
            room_.notify_all();
            continue;
        }
        if (ending_) break;
        auto woken = co_await work_.wait(stop);
        if (woken) continue;
        // The next engine goes on with what the journal has; one that dies with us is emptied first.
        if (journal_->kept()) co_return woken;
        ending_ = true;
    }
    running_ = false;
    tell_dropped();
    journal_->remove();
    journal_.reset();
    file_.close();
    changed_.notify_all();
    co_return Result<void>{};
}

void ContainerLog::end_of_run() {
    ending_ = true;
    work_.notify_all();
}

void ContainerLog::close() {
    running_ = false;
    if (journal_) journal_->remove();
    journal_.reset();
    file_.close();
    changed_.notify_all();
}

Task<void> ContainerLog::write_batch() {
    if (file_.full()) {
        if (auto rotated = file_.rotate(); !rotated) {
            lost(rotated.error());
        } else {
            compress_later(file_.generation() - 1);
        }
    }
    std::size_t bytes_max = kLogBatchBytes;
    const LogSettings& settings = place_.settings;
    if (settings.file_bytes_max > file_.size())
        bytes_max = std::min(bytes_max, static_cast<std::size_t>(settings.file_bytes_max - file_.size()));
    const OutputJournal::Marks after = encode(bytes_max);
    if (batch_.empty()) {
        journal_->writing({}, after);
        journal_->wrote();
        co_return Result<void>{};
    }
    journal_->writing({file_.inode(), file_.size(), file_.size() + static_cast<std::int64_t>(batch_.size())}, after);
    const std::string_view records = batch_;
    auto written = co_await file_.append(records);
    journal_->wrote();
    written ? found_again() : lost(written.error());
    batch_.clear();
    if (batch_.capacity() > batch_bytes_kept && !journal_->has_chunks()) std::string().swap(batch_);
    changed_.notify_all();
    co_return Result<void>{};
}

// A log that cannot be written (a full disk) does not hold its container up: what does not fit is lost, and counted.
void ContainerLog::lost(const Error& error) {
    records_lost_ += batch_records_;
    if (!may_tell()) return;
    log_warn("writing " + place_.path + ": " + error.message() + ": output is not logged for now, " +
             std::to_string(records_lost_) + " records were lost");
    records_lost_ = 0;
    failing_ = true;
}

void ContainerLog::found_again() {
    if (records_lost_ == 0 && !failing_) return;
    log_warn("writing " + place_.path + ": it goes on, " + std::to_string(records_lost_) +
             " more records were lost");
    records_lost_ = 0;
    failing_ = false;
}

void ContainerLog::record(unsigned stream, std::string_view text, bool newline, std::int64_t time_ns) {
    encoder_->line(OutputJournal::stream_of(stream), text, newline, time_ns, batch_);
    ++batch_records_;
}

// Lines of `data`, which stands right behind marks.scanned, into the batch; how much of it was looked at. A line that
// is too long is split where dockerd splits it, and its pieces have one time.
std::size_t ContainerLog::encode_bytes(unsigned stream, std::string_view data, std::int64_t time_ns,
                                       std::size_t bytes_max, OutputJournal::Marks& marks) {
    std::uint64_t& begin = marks.begin[stream];
    std::uint64_t& scanned = marks.scanned[stream];
    std::int64_t& split_time = split_time_[stream];
    std::size_t at = 0;
    while (at < data.size() && batch_.size() < bytes_max) {
        const std::size_t room = kLogLineBytes - (scanned - begin);
        const std::size_t reach = std::min(room, data.size() - at);
        const void* found = std::memchr(data.data() + at, '\n', reach);
        if (!found && reach < room) {
            scanned += reach;
            at += reach;
            break;
        }
        const std::size_t size =
            found ? static_cast<std::size_t>(static_cast<const char*>(found) - (data.data() + at)) : reach;
        if (!found && split_time == 0) split_time = time_ns;
        record(stream, journal_->bytes(stream, begin, scanned + size), found != nullptr,
               split_time != 0 ? split_time : time_ns);
        if (found) split_time = 0;
        scanned += size + (found ? 1 : 0);
        at += size + (found ? 1 : 0);
        begin = scanned;
    }
    return at;
}

OutputJournal::Marks ContainerLog::encode(std::size_t bytes_max) {
    batch_records_ = 0;
    OutputJournal::Marks marks = journal_->marks();
    while (marks.head != journal_->tail() && batch_.size() < bytes_max) {
        const OutputJournal::Chunk& chunk = journal_->chunk(marks.head);
        const std::uint64_t from = marks.scanned[chunk.stream];
        const std::string_view data = journal_->bytes(chunk.stream, from, from + chunk.bytes - marks.head_used);
        marks.head_used +=
            static_cast<std::uint32_t>(encode_bytes(chunk.stream, data, chunk.time_ns, bytes_max, marks));
        if (marks.head_used < chunk.bytes) break;
        ++marks.head;
        marks.head_used = 0;
    }
    if (ending_ && marks.head == journal_->tail()) encode_rest(marks);
    encoder_->end_batch(batch_);
    return marks;
}

// Lines that will never have an end.
void ContainerLog::encode_rest(OutputJournal::Marks& marks) {
    for (unsigned stream = 0; stream < 2; ++stream) {
        if (marks.begin[stream] == marks.scanned[stream]) continue;
        record(stream, journal_->bytes(stream, marks.begin[stream], marks.scanned[stream]), false, realtime_ns());
        marks.begin[stream] = marks.scanned[stream];
    }
}

void ContainerLog::compress_later(std::uint64_t generation) {
    if (!place_.settings.compress) return;
    to_compress_.push_back(generation);
    if (compressing_) return;
    compressing_ = true;
    scope_->spawn("compress log", compress(shared_from_this()));
}

// One at a time. Rotation may go on meanwhile: a file is named by its generation, its number is looked up at the end.
Task<void> ContainerLog::compress(std::shared_ptr<ContainerLog> self) {
    while (!to_compress_.empty() && !scope_->token().stop_requested()) {
        const std::uint64_t generation = to_compress_.front();
        to_compress_.pop_front();
        auto done = co_await compress_one(generation);
        if (!done && !scope_->token().stop_requested())
            log_warn("container " + self->place_.container_id + ": " + done.error().message() + ": left as it is");
    }
    compressing_ = false;
    co_return Result<void>{};
}

Task<void> ContainerLog::compress_one(std::uint64_t generation) {
    int number = file_.number_of(generation);
    if (number == 0) co_return Result<void>{};
    const UniqueFd from(::open(file_.name(number).c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
    if (!from) co_return fail_errno(errno, file_.name(number));
    const std::string half_made = place_.path + ".compressing";
    const UniqueFd to(::open(half_made.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0640));
    if (!to) co_return fail_errno(errno, half_made);
    auto done = co_await gzip_file(place_.worker, from.get(), to.get(), scope_->token());
    number = file_.number_of(generation);
    if (!done || number == 0) {
        ::unlink(half_made.c_str());
        co_return done;
    }
    // A reader that asks since when a file was written last sees the same of both.
    struct stat facts {};
    if (fstat(from.get(), &facts) == 0) {
        const timespec times[2] = {facts.st_atim, facts.st_mtim};
        futimens(to.get(), times);
    }
    if (::rename(half_made.c_str(), file_.name(number, true).c_str()) != 0) co_return fail_errno(errno, half_made);
    ::unlink(file_.name(number).c_str());
    co_return Result<void>{};
}

}  // namespace engine::runtime
