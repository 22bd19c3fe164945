// The verbs on execs, and who they are: from creation until minutes after the end. The processes are the keeper's.
//
// An exec that runs outlives the engine: the keeper holds its streams, its end and a note of what it is, and the next
// engine takes it over. One that was never started is known to this engine only.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "engine/reactor/byte_stream.h"
#include "engine/reactor/scope.h"
#include "engine/runtime/exec.h"

namespace engine::runtime {

class Attachment;
class ContainerService;
class KeeperClient;
struct KeeperHolding;
struct KeeperExit;

// A client that shares the exec's streams. Without one the exec is detached.
struct ExecClient {
    ByteSource* input = nullptr;
    std::function<void()> end_input;  // who reads `input` gets its end
    ByteSink* output = nullptr;
    bool framed = false;  // else stdout alone, raw
    reactor::StopToken stop;
};

// Our ends of a started exec's output.
struct ExecStreams {
    UniqueFd out, err;
};

class ExecService {
public:
    // Takes over what the keeper holds. Both outlive the service.
    ExecService(ContainerService& containers, KeeperClient& keeper);

    // The new exec's id. The body is the create request's JSON.
    Task<std::string> create(std::string_view container_reference, std::string_view body, bool console_sizes,
                             reactor::StopToken stop);
    // By its whole id.
    Result<std::shared_ptr<Exec>> find(std::string_view id) const;
    // Also: its container runs and is not paused, in dockerd's order and words.
    Result<std::shared_ptr<Exec>> find_active(std::string_view id) const;
    // Without a client it returns when the process runs, with one when the client has seen the end, has left, or has
    // typed the detach keys. The exec goes on without a client.
    Task<void> start(std::shared_ptr<Exec> exec, std::optional<TerminalSize> size, ExecClient client);
    Task<void> resize(std::shared_ptr<Exec> exec, TerminalSize size, reactor::StopToken stop);

    Task<void> close();  // execs go on

private:
    void adopt(KeeperHolding& holding);
    Task<ExecStreams> start_process(std::shared_ptr<Exec> exec, const ExecClient& client);
    Task<std::string> make_plan(std::shared_ptr<Exec> exec);
    Task<void> share(std::shared_ptr<Exec> exec, const ExecClient& client, Attachment* attachment);
    Task<void> copy_input(std::shared_ptr<Exec> exec, ByteSource* input, reactor::StopSource* leaving,
                          bool* detached);
    Task<void> pump_all(std::shared_ptr<Exec> exec, UniqueFd out, UniqueFd err);
    Task<void> supervise(std::shared_ptr<Exec> exec);
    void keeper_exit(const KeeperExit& exit);
    void keeper_lost();
    void container_ended(Container& container);
    void set_ended(const std::shared_ptr<Exec>& exec, int exit_code);
    void keep(const std::shared_ptr<Exec>& ended);
    void release(Exec& exec);
    void drop(const std::string& id);
    void container_removed(Container& container);
    Task<void> collect();
    void publish(const Exec& exec, std::string_view action, int exit_code = -1);
    void publish_start(const Exec& exec);

    reactor::Scope scope_{"execs"};  // outlives the execs, whose tokens follow it
    ContainerService& containers_;
    KeeperClient& keeper_;
    std::map<std::string, std::shared_ptr<Exec>, std::less<>> execs_;
    std::deque<std::shared_ptr<Exec>> ended_;  // oldest end first
    bool collecting_ = false;
};

}  // namespace engine::runtime
