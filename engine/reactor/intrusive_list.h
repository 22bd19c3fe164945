// A doubly linked list whose links live in the members. A node is in at most one list, and leaves it when destroyed.
#pragma once

#include "engine/reactor/check.h"

namespace engine::reactor {

struct ListNode {
    ListNode* prev = nullptr;
    ListNode* next = nullptr;

    ListNode() = default;
    ListNode(const ListNode&) = delete;
    ListNode& operator=(const ListNode&) = delete;
    ~ListNode() { unlink(); }

    bool linked() const { return next != nullptr; }
    void unlink() {
        if (!linked()) return;
        prev->next = next;
        next->prev = prev;
        prev = next = nullptr;
    }
};

template <class T>  // T derives from ListNode
class IntrusiveList {
public:
    IntrusiveList() { head_.prev = head_.next = &head_; }
    ~IntrusiveList() {
        CHECK(empty());
        head_.prev = head_.next = nullptr;
    }
    IntrusiveList(const IntrusiveList&) = delete;
    IntrusiveList& operator=(const IntrusiveList&) = delete;

    bool empty() const { return head_.next == &head_; }
    T* front() { return empty() ? nullptr : static_cast<T*>(head_.next); }
    T* next(T* item) { return item->next == &head_ ? nullptr : static_cast<T*>(item->next); }
    void push_back(T* item) {
        ListNode* node = item;
        CHECK(!node->linked());
        node->prev = head_.prev;
        node->next = &head_;
        head_.prev->next = node;
        head_.prev = node;
    }
    T* pop_front() {
        T* item = front();
        if (item) item->unlink();
        return item;
    }

private:
    ListNode head_;
};

}  // namespace engine::reactor
