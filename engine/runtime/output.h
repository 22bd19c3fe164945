// What a container prints: read once, written to its log, handed to everyone attached.
//
// A reader per stream waits on the ring for its pipe (or pty) and borrows memory only while bytes are there. Attached
// clients have a bounded buffer each; a full one holds the reader back, and a client that has taken nothing for too
// long is dropped.
#pragma once

#include <memory>
#include <string>

#include "engine/reactor/byte_stream.h"
#include "engine/reactor/event.h"
#include "engine/reactor/intrusive_list.h"
#include "engine/reactor/io.h"
#include "engine/runtime/json_log_writer.h"
#include "engine/runtime/log_file.h"

namespace engine::runtime {

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

    std::string waiting_;          // not yet taken by copy_to
    reactor::Event changed_;       // bytes came, or the end
    reactor::Event drained_;       // copy_to took what was there
    bool wants_stdout_;
    bool wants_stderr_;
    bool framed_;
    bool ended_ = false;
    bool dropped_ = false;
};

class Output {
public:
    // `log`: none when nothing is kept.
    Output(std::shared_ptr<LogFile> log, bool tty) : log_(std::move(log)), tty_(tty) {}
    // Reads one stream to its end. One task per stream.
    Task<void> pump(UniqueFd source, LogStream stream, reactor::StopToken stop);
    void attach(Attachment* attachment) {
        if (ended_) {
            attachment->ended_ = true;
        } else {
            attachments_.push_back(attachment);
        }
    }
    // All streams have ended: attached clients get the rest and are let go.
    void end();
    // Set when every reader has come to the end of its stream.
    reactor::Event& drained() { return drained_; }
    bool tty() const { return tty_; }
    const std::shared_ptr<LogFile>& log() const { return log_; }

private:
    Task<void> deliver(LogStream stream, std::string_view bytes);
    Task<void> hold_back(Attachment* attachment);
    Task<void> write_log();

    std::shared_ptr<LogFile> log_;
    reactor::Event drained_;
    reactor::Lane log_lane_;
    JsonLogEncoder encoder_;
    std::string encoded_;
    reactor::IntrusiveList<Attachment> attachments_;
    bool tty_;
    bool ended_ = false;
};

}  // namespace engine::runtime
