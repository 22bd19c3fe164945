// What a process prints: read once, put into its log (a container's), handed to everyone attached.
//
// A reader per stream waits on the ring for its pipe (or pty); it reads into the log's journal, or into memory that all
// readers of the loop share. An attached client gets bytes at once when its socket takes them, and through a bounded
// buffer of its own when it does not. A client that is behind by the whole buffer holds the reader back, so that one
// which is only slow loses nothing; one that takes nothing at all for a time is dropped, so that the process, its log
// and the other clients go on.
#pragma once

#include <memory>
#include <string>

#include "engine/reactor/byte_stream.h"
#include "engine/reactor/event.h"
#include "engine/reactor/intrusive_list.h"
#include "engine/reactor/unique_fd.h"
#include "engine/reactor/units.h"
#include "engine/runtime/multiplexed_frame.h"

namespace engine::runtime {

class ContainerLog;

// One attached client's view of the output. Lives in the attaching task.
class Attachment : public reactor::ListNode {
public:
    Attachment(bool wants_stdout, bool wants_stderr, bool framed)
        : wants_stdout_(wants_stdout), wants_stderr_(wants_stderr), framed_(framed) {}
    // A reader that is held back for us goes on.
    ~Attachment() { drained_.notify_all(); }
    // Copies what comes to `sink` until the output ends, the client fails or `stop` fires.
    Task<void> copy_to(ByteSink* sink, reactor::StopToken stop);
    // Nothing more will come; copy_to ends when it has passed on what there is.
    void end() {
        ended_ = true;
        changed_.notify_all();
    }

private:
    friend class Output;
    bool wants(LogStream stream) const { return stream == LogStream::stderr_ ? wants_stderr_ : wants_stdout_; }
    void append(LogStream stream, std::string_view bytes);
    std::size_t behind() const { return waiting_.size() + out_.size() - sent_; }
    void drop(const std::string& of);
    Task<void> send_out();

    ByteSink* sink_ = nullptr;     // while copy_to runs
    std::string waiting_;          // not yet taken by copy_to
    std::string out_;              // being sent, of which
    std::size_t sent_ = 0;         // the client has taken so many bytes
    reactor::Event changed_;       // bytes came, or the end
    reactor::Event drained_;       // the client took some
    bool wants_stdout_;
    bool wants_stderr_;
    bool framed_;
    bool ended_ = false;
    bool dropped_ = false;
};

class Output {
public:
    // `log`: none when nothing is kept.
    Output(std::shared_ptr<ContainerLog> log, bool tty);
    ~Output();
    // Reads one stream to its end. One task per stream.
    Task<void> pump(UniqueFd source, LogStream stream, reactor::StopToken stop);
    void attach(Attachment* attachment);
    // The same, with what has been read and is not in the log yet: for one who has read the log up to now.
    void attach_behind_log(Attachment* attachment);
    // All streams have ended: attached clients get the rest and are let go.
    void end();
    // Set when every reader has come to the end of its stream.
    reactor::Event& drained() { return drained_; }
    bool tty() const { return tty_; }
    const std::shared_ptr<ContainerLog>& log() const { return log_; }

private:
    enum class Took : unsigned char { some, nothing, no_room, end };
    Took read_some(int source, LogStream stream);
    void deliver(LogStream stream, std::string_view bytes);
    Attachment* slowest();
    Task<void> hold_back(reactor::StopToken stop);
    bool attached(const Attachment* attachment);

    std::shared_ptr<ContainerLog> log_;
    reactor::Event drained_;
    reactor::IntrusiveList<Attachment> attachments_;
    bool tty_;
    bool ended_ = false;
};

}  // namespace engine::runtime
