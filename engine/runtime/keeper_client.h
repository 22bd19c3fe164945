// The engine's side of the keeper: starts it or finds the one that is there, asks it for starts, hears of exits.
//
// One connection at a time; when the keeper dies, the next start makes another. Requests are sent at once
// (SOCK_SEQPACKET, the keeper reads promptly); answers come through one receiving task, in the order of the requests.
#pragma once

#include <deque>
#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "engine/reactor/event.h"
#include "engine/reactor/io.h"
#include "engine/reactor/scope.h"
#include "engine/runtime/linux/keeper_protocol.h"

namespace engine::runtime {

// The child's ends are borrowed for the call, the parent's ends too: the keeper gets duplicates.
struct KeeperStart {
    std::string_view id;      // 64 hexadecimal digits
    std::string_view plan;
    int child_stdin = -1;     // pty slave when the plan says so
    int child_stdout = -1;
    int child_stderr = -1;
    int status = -1;          // write end of the status pipe
    int held_stdin = -1;      // our write end, or the pty master
    int held_stdout = -1;     // our read ends
    int held_stderr = -1;
    int netns = -1;
};

// A process joined to the running container `container`.
struct KeeperExec {
    std::string_view id;
    std::string_view container;
    std::string_view plan;
    int child_stdin = -1;     // -1: /dev/null
    int child_stdout = -1;
    int child_stderr = -1;
    int status = -1;          // a socket when the plan makes a terminal
    int held_stdin = -1;
    int held_stdout = -1;
    int held_stderr = -1;
    int note = -1;            // a file for the next engine
};

struct KeeperStarted {
    int pid = 0;
    UniqueFd pidfd;
};

// A container or an exec that the keeper holds, as told after a restart of the engine.
struct KeeperHolding {
    std::string id;
    bool exec = false;
    int pid = 0;
    bool running = false;
    int wait_status = 0;
    Nanoseconds started_at = 0;   // CLOCK_REALTIME
    Nanoseconds exited_at = 0;
    UniqueFd pidfd, held_stdin, held_stdout, held_stderr, note;
};

struct KeeperExit {
    std::string id;
    int wait_status = 0;
    Nanoseconds exited_at = 0;
};

class KeeperClient {
public:
    // Connects to the keeper of `exec_root`, starting `binary` when none listens. Returns after HELLO and LIST. A
    // keeper of another engine's time may run: it is refused when its protocol is not known here.
    static Task<std::unique_ptr<KeeperClient>> open(std::string binary, std::string exec_root);
    ~KeeperClient();

    std::vector<KeeperHolding> take_holdings() { return std::move(holdings_); }  // containers
    std::vector<KeeperHolding> take_execs() { return std::move(held_execs_); }
    // Called for each exit, from the receiving task; must not suspend.
    // Those that came before are told at once.
    void on_exit(std::function<void(KeeperExit)> handler) { exits_.listen(std::move(handler)); }
    void on_exec_exit(std::function<void(KeeperExit)> handler) { exec_exits_.listen(std::move(handler)); }
    // No keeper listened: what was running has lost its parent.
    bool fresh() const { return fresh_; }
    // Called each time the connection is lost: the keeper died.
    void on_lost(std::function<void()> handler) { lost_handlers_.push_back(std::move(handler)); }

    Task<KeeperStarted> start(KeeperStart request);
    // A container that has ended: conflict. A keeper of an older engine: not implemented.
    Task<KeeperStarted> exec(KeeperExec request);
    void hold_terminal(std::string_view id, int master);
    void forget(std::string_view id);
    void close_stdin(std::string_view id);
    void goodbye();
    // Ends the receiving task; containers and keeper stay.
    Task<void> close();

private:
    struct Pending;
    struct Packet;
    // Exits that came right behind the list wait until there is a handler.
    struct Exits {
        std::function<void(KeeperExit)> handler;
        std::vector<KeeperExit> early;
        void listen(std::function<void(KeeperExit)> next) {
            handler = std::move(next);
            for (KeeperExit& exit : std::exchange(early, {})) handler(std::move(exit));
        }
        void tell(KeeperExit exit) {
            if (handler) {
                handler(std::move(exit));
            } else {
                early.push_back(std::move(exit));
            }
        }
    };
    KeeperClient(std::string binary, std::string exec_root);
    Task<UniqueFd> connect_or_spawn();
    Task<void> connect();
    Task<void> reconnect();
    Task<void> receive_loop();
    Result<void> receive_one();
    void send_simple(KeeperMessage type, std::string_view id);
    Task<KeeperStarted> send_start(Packet packet, std::string_view target, std::string_view plan);
    void dispatch(const KeeperReply& reply, std::vector<UniqueFd>& fds);

    std::string binary_;
    std::string exec_root_;
    UniqueFd socket_;
    std::deque<Pending*> pending_;          // starts awaiting their answer, oldest first
    std::vector<KeeperHolding> holdings_;
    std::vector<KeeperHolding> held_execs_;
    Exits exits_;
    Exits exec_exits_;
    std::vector<std::function<void()>> lost_handlers_;
    reactor::Event listed_;
    reactor::Scope scope_;
    reactor::Lane connecting_;
    std::uint32_t peer_version_ = 0;
    bool fresh_ = false;
    bool lost_ = false;
};

}  // namespace engine::runtime
