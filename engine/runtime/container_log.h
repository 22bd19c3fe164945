// The log of one container: what it prints goes through the journal, becomes records of its driver's format and is
// written in batches. Lives from the first start to the removal; runs of the container follow one another in it.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <span>
#include <string>

#include "engine/reactor/event.h"
#include "engine/reactor/scope.h"
#include "engine/runtime/log_file.h"
#include "engine/runtime/output_journal.h"
#include "engine/runtime/whole_lines.h"

namespace engine::runtime {

// Where a log is and how it looks: all that a reader needs.
struct LogPlace {
    const LogFormat* format = nullptr;  // none: nothing is kept
    LogSettings settings;
    std::string path;
    std::string journal;                // output that is not yet in it
    std::string container_id;
    std::string worker;                 // the dockercd binary
};

class ContainerLog : public std::enable_shared_from_this<ContainerLog> {
public:
    // `scope` outlives the log: compression runs in it.
    ContainerLog(LogPlace place, reactor::Scope* scope);

    // A run begins (or is taken over): what an engine before this one has read and not logged comes first.
    // `attributes`: what every record carries, a JSON object or "".
    Result<void> begin(std::string attributes);
    // Where the next read goes. Empty: the log is behind; a blocking one is waited for with room(), another drops.
    std::span<std::byte> space(LogStream stream) { return journal_->space(stream); }
    void reading(LogStream stream, std::size_t bytes) { journal_->reading(stream, bytes); }
    void took(LogStream stream, std::size_t bytes, std::int64_t now_ns);
    // What to keep of `data`, just read into space(): all of it, or whole lines when the log may drop and is behind.
    WholeLines::Kept keep(LogStream stream, std::string_view data);
    void dropped(LogStream stream, std::string_view data);   // there was no space
    // What has been read and is not in the file, in the order in which it came.
    template <class Take>
    void unlogged(Take&& take) const {
        if (journal_) journal_->each(take);
    }
    bool blocking() const { return place_.settings.blocking; }
    Task<void> room(reactor::StopToken stop);
    // One task per run: writes what comes, until end_of_run() and all is written, or `stop`.
    Task<void> write_records(reactor::StopToken stop);
    // Every stream has come to its end: half lines become records, followers are let go.
    void end_of_run();
    void close();   // the container is gone, or will not run for now

    const LogPlace& place() const { return place_; }
    const LogFile& file() const { return file_; }
    // Notified after each write, each rotation, and when the run has ended.
    reactor::Event& changed() { return changed_; }
    bool running() const { return running_; }

private:
    Result<void> finish_write();
    bool something_to_write() const;
    Task<void> write_batch();
    OutputJournal::Marks encode(std::size_t bytes_max);
    std::size_t encode_bytes(unsigned stream, std::string_view data, std::int64_t time_ns, std::size_t bytes_max,
                             OutputJournal::Marks& marks);
    void encode_rest(OutputJournal::Marks& marks);
    void record(unsigned stream, std::string_view text, bool newline, std::int64_t time_ns);
    void lost(const Error& error);
    void found_again();
    bool may_tell();
    void tell_dropped();
    void count_dropped(std::size_t bytes);
    void compress_later(std::uint64_t generation);
    Task<void> compress(std::shared_ptr<ContainerLog> self);
    Task<void> compress_one(std::uint64_t generation);

    LogPlace place_;
    LogFile file_;
    std::unique_ptr<LogEncoder> encoder_;
    std::unique_ptr<OutputJournal> journal_;   // while it runs
    reactor::Scope* scope_;
    reactor::Event work_;
    reactor::Event room_;
    reactor::Event changed_;
    std::string batch_;
    std::uint64_t batch_records_ = 0;
    std::int64_t split_time_[2] = {};          // of the first piece of a line that is too long
    std::uint64_t records_lost_ = 0;
    WholeLines whole_lines_[2];
    std::uint64_t bytes_dropped_ = 0;          // and not yet told
    std::int64_t told_at_ = 0;
    std::deque<std::uint64_t> to_compress_;
    bool compressing_ = false;
    bool failing_ = false;                     // the last write failed, and that was told
    bool running_ = false;
    bool ending_ = false;
};

}  // namespace engine::runtime
