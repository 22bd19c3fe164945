// Timers ordered by instant: a binary heap of pointers; each timer knows its place, so cancelling costs O(log n).
#pragma once

#include <cstddef>
#include <vector>

#include "engine/reactor/units.h"

namespace engine::reactor {

struct Timer {
    Nanoseconds when = 0;              // monotonic
    void (*fire)(Timer*) = nullptr;    // from the top of the loop; must not resume a coroutine, only make it ready
    std::size_t place = unset;

    static constexpr std::size_t unset = ~std::size_t{0};
    bool armed() const { return place != unset; }
};

class TimerHeap {
public:
    void add(Timer* timer);
    void remove(Timer* timer);
    Timer* earliest() const { return heap_.empty() ? nullptr : heap_.front(); }
    std::size_t size() const { return heap_.size(); }

private:
    void put(std::size_t place, Timer* timer);
    void sift_up(std::size_t place);
    void sift_down(std::size_t place);
    std::vector<Timer*> heap_;
};

}  // namespace engine::reactor
