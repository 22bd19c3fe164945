#include "engine/reactor/timer_heap.h"

#include "engine/reactor/check.h"

namespace engine::reactor {

void TimerHeap::put(std::size_t place, Timer* timer) {
    heap_[place] = timer;
    timer->place = place;
}

void TimerHeap::add(Timer* timer) {
    CHECK(!timer->armed());
    heap_.push_back(timer);
    timer->place = heap_.size() - 1;
    sift_up(timer->place);
}

void TimerHeap::remove(Timer* timer) {
    CHECK(timer->armed() && heap_[timer->place] == timer);
    const std::size_t place = timer->place;
    Timer* last = heap_.back();
    heap_.pop_back();
    timer->place = Timer::unset;
    if (last == timer) return;
    put(place, last);
    sift_up(place);
    sift_down(last->place);
}

void TimerHeap::sift_up(std::size_t place) {
    Timer* timer = heap_[place];
    while (place > 0) {
        const std::size_t parent = (place - 1) / 2;
        if (heap_[parent]->when <= timer->when) break;
        put(place, heap_[parent]);
        place = parent;
    }
    put(place, timer);
}

void TimerHeap::sift_down(std::size_t place) {
    Timer* timer = heap_[place];
    while (true) {
        std::size_t child = place * 2 + 1;
        if (child >= heap_.size()) break;
        if (child + 1 < heap_.size() && heap_[child + 1]->when < heap_[child]->when) ++child;
        if (timer->when <= heap_[child]->when) break;
        put(place, heap_[child]);
        place = child;
    }
    put(place, timer);
}

}  // namespace engine::reactor
