#include "engine/reactor/scope.h"

#include "engine/reactor/log.h"
#include "engine/reactor/loop.h"
#include "engine/reactor/task_path.h"

namespace engine::reactor {

Scope::Scope(const char* name, StopToken parent) : name_(name), stop_(parent) {
    Loop::current().scopes().push_back(this);
}

Scope::~Scope() { CHECK(size_ == 0); }

void Scope::spawn(const char* task_name, Task<void> task) {
    auto* member = new Member(std::move(task));
    member->scope = this;
    member->name = task_name;
    member->run = reap;
    members_.push_back(member);
    ++size_;
    member->task.start(member);
}

void Scope::reap(Runnable* item) {
    auto* member = static_cast<Member*>(item);
    Scope* scope = member->scope;
    auto result = member->task.take();
    if (!result && log_level() == LogLevel::debug) {
        std::string line(member->name);
        line += " ended: ";
        line += result.error().message();
        log_debug(line);
    }
    delete member;
    if (--scope->size_ == 0) scope->idle_.notify_all();
}

Task<void> Scope::join() {
    while (size_ > 0) {
        auto waited = co_await idle_.wait();
        ignore_result(waited, "no stop token: it ends only by being notified");
    }
    co_return Result<void>{};
}

void Scope::print_tree(std::string& out, int depth) {
    out.append(static_cast<std::size_t>(depth) * 2, ' ');
    out += name_;
    out += '\n';
    for (Member* member = members_.front(); member; member = members_.next(member)) {
        out.append(static_cast<std::size_t>(depth + 1) * 2, ' ');
        out += member->name;
        const PromiseBase* promise = member->task.promise();
        while (promise) {
            out += " > ";
            out += promise->name;
            if (!promise->child && promise->waiting_for) {
                out += " [";
                out += promise->waiting_for;
                out += ']';
            }
            promise = promise->child;
        }
        out += '\n';
    }
}

// The path down to `item`, when this scope's tasks lead to it.
std::string Scope::path_to(const Runnable* item) {
    for (Member* member = members_.front(); member; member = members_.next(member)) {
        std::string path = std::string(name_) + ": " + member->name;
        if (static_cast<const Runnable*>(member) == item) return path;
        for (const PromiseBase* promise = member->task.promise(); promise; promise = promise->child) {
            path += " > ";
            path += promise->name;
            if (static_cast<const Runnable*>(promise) == item) return path;
        }
    }
    return {};
}

// A coroutine that has just ended is still its waiter's child: the waiter has not run yet.
std::string task_path(const Runnable* item) {
    auto& scopes = Loop::current().scopes();
    for (Scope* scope = scopes.front(); scope; scope = scopes.next(scope))
        if (std::string path = scope->path_to(item); !path.empty()) return path;
    return {};
}

std::string task_tree() {
    std::string out;
    auto& scopes = Loop::current().scopes();
    for (Scope* scope = scopes.front(); scope; scope = scopes.next(scope)) scope->print_tree(out, 0);
    return out;
}

}  // namespace engine::reactor
