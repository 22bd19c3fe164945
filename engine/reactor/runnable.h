// Something that runs once from the top of the loop. Links live in the object: queueing allocates nothing.
#pragma once

namespace engine::reactor {

struct Runnable {
    void (*run)(Runnable*) = nullptr;
    Runnable* ready_next = nullptr;
    bool queued = false;
};

// Puts it at the end of this thread's ready queue. It must stay alive until it has run; queueing twice is a bug.
void make_ready(Runnable* item);

}  // namespace engine::reactor
