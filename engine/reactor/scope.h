// A scope owns tasks that run beside their creator. It must be joined before it dies; stopping it asks all of its
// tasks.
#pragma once

#include <memory>
#include <string>

#include "engine/reactor/event.h"
#include "engine/reactor/intrusive_list.h"
#include "engine/reactor/stop_token.h"
#include "engine/reactor/task.h"

namespace engine::reactor {

class Scope : public ListNode {
public:
    // `name` must be a literal or outlive the scope. The scope stops when the parent's token does.
    explicit Scope(const char* name, StopToken parent = {});
    ~Scope();

    // Starts the task now, up to its first wait. Its error, if any, is logged at debug level with the task's name: a
    // task that must answer someone does so itself.
    void spawn(const char* task_name, Task<void> task);
    void request_stop(ErrorKind reason = ErrorKind::canceled) { stop_.request_stop(reason); }
    StopToken token() { return stop_.token(); }
    // Waits until every task has ended; new ones may be spawned until then.
    Task<void> join();
    std::size_t size() const { return size_; }

    void print_tree(std::string& out, int depth);
    std::string path_to(const Runnable* item);

private:
    struct Member : ListNode, Runnable {
        explicit Member(Task<void> t) : task(std::move(t)) {}
        Task<void> task;
        Scope* scope = nullptr;
        const char* name = "";
    };
    static void reap(Runnable* item);

    const char* name_;
    StopSource stop_;
    IntrusiveList<Member> members_;
    Event idle_;
    std::size_t size_ = 0;
};

// Every root scope with its tasks and what each waits for, one line a task. SIGUSR1 prints it.
std::string task_tree();

}  // namespace engine::reactor
