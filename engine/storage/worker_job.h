// One worker process as the engine sees it: fed, heard, its output passed on. Whatever way the job ends, the process is
// killed and reaped with it.
#pragma once

#include <string>
#include <vector>

#include "engine/reactor/byte_stream.h"
#include "engine/reactor/child_process.h"

namespace engine::storage {

class WorkerJob {
public:
    struct Start {
        std::string worker_path;             // the dockercd binary
        std::vector<std::string> arguments;  // verb first
        int input_fd = -1;                   // becomes descriptor 0; -1: what is fed. These three are borrowed
        int output_fd = -1;                  // becomes descriptor 1
        int process_fd = -1;                 // becomes view_process_fd
        bool output = false;                 // it writes an archive, for stream_to
    };
    static Result<WorkerJob> start(const Start& how);

    // These end the process when they fail.
    // All of body, or as much as the worker wants.
    Task<void> feed(ByteSource* body, reactor::StopToken stop);
    Task<void> feed_text(std::string text, reactor::StopToken stop);
    void end_input() { input_.reset(); }
    // What it answers: one JSON record, which may be an error.
    Task<std::string> record(reactor::StopToken stop);
    // The archive to its end, which is the worker's: an error when it did not get that far.
    Task<void> stream_to(ByteSink* sink, reactor::StopToken stop);
    // A job without an archive: waits for the end.
    Task<void> finish();

private:
    explicit WorkerJob(reactor::ChildProcess child) : child_(std::move(child)) {}
    Task<void> pass_on(ByteSource* body, reactor::StopToken stop);
    Task<std::string> read_record(reactor::StopToken stop);
    Task<void> read_results(bool one_record, reactor::StopToken stop);
    Task<void> copy_output(ByteSink* sink, reactor::StopToken stop);
    Task<void> give_up();

    reactor::ChildProcess child_;
    UniqueFd input_, result_, output_;
    std::string verb_;
    std::string said_;
};

}  // namespace engine::storage
