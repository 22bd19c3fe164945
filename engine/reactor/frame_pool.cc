#include "engine/reactor/frame_pool.h"

#include <array>
#include <cstdlib>

#include "engine/reactor/check.h"

namespace engine::reactor {
namespace {

constexpr std::size_t class_bytes = 64;
constexpr std::size_t classes = 64;       // frames up to 4 KiB are pooled
constexpr std::size_t cached_max = 256;   // per class: beyond it memory goes back

struct FreeFrame {
    FreeFrame* next;
};
struct SizeClass {
    FreeFrame* head = nullptr;
    std::size_t cached = 0;
};

std::array<SizeClass, classes> pool;
std::size_t live = 0;

}  // namespace

void* frame_allocate(std::size_t bytes) {
    ++live;
    const std::size_t index = (bytes - 1) / class_bytes;
    if (index < classes && pool[index].head) {
        FreeFrame* frame = pool[index].head;
        pool[index].head = frame->next;
        --pool[index].cached;
        return frame;
    }
    void* memory = std::malloc(index < classes ? (index + 1) * class_bytes : bytes);
    CHECK(memory != nullptr);
    return memory;
}

void frame_release(void* frame, std::size_t bytes) {
    --live;
    const std::size_t index = (bytes - 1) / class_bytes;
    if (index >= classes || pool[index].cached >= cached_max) {
        std::free(frame);
        return;
    }
    auto* node = static_cast<FreeFrame*>(frame);
    node->next = pool[index].head;
    pool[index].head = node;
    ++pool[index].cached;
}

std::size_t frames_live() { return live; }

void frame_pool_trim() {
    for (SizeClass& entry : pool) {
        while (FreeFrame* frame = entry.head) {
            entry.head = frame->next;
            std::free(frame);
        }
        entry.cached = 0;
    }
}

}  // namespace engine::reactor
