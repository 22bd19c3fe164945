// What happened: published by whoever did it, kept for a while, heard by whoever listens (GET /events). Words,
// attributes and matching are dockerd's.
#pragma once

#include <deque>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "engine/reactor/event.h"
#include "engine/reactor/intrusive_list.h"
#include "engine/reactor/units.h"

namespace engine::runtime {

using EventAttributes = std::map<std::string, std::string>;

class EventJournal;

struct EventMessage {
    std::string type;    // "container", "image"
    std::string action;  // "die"
    std::string actor_id;
    EventAttributes attributes;
    Nanoseconds time = 0;  // CLOCK_REALTIME
    std::string text;      // event_text(), made once for all who listen
};

// One line of the stream, with its newline.
std::string event_text(const EventMessage& message);

// The `filters` parameter: values of one name are alternatives (of `label`: all must match), names are all needed.
class EventFilter {
public:
    using Values = std::map<std::string, std::vector<std::string>>;
    EventFilter() = default;
    explicit EventFilter(Values values) : values_(std::move(values)) {}
    bool matches(const EventMessage& message) const;

private:
    bool exact(std::string_view name, std::string_view text) const;
    bool fuzzy(std::string_view name, std::string_view text) const;  // a value may be a prefix, too
    bool matches_action(const EventMessage& message) const;
    bool matches_image(const EventMessage& message) const;
    bool matches_labels(const EventMessage& message) const;

    Values values_;
};

class Events {
public:
    // What `since` can reach, over restarts too: so many messages, of so many bytes.
    static constexpr std::size_t history_max = 1024;
    static constexpr std::size_t history_bytes_max = std::size_t{1} << 20;
    static constexpr std::size_t waiting_max = 4096;  // messages that one listener may be behind, then it is dropped

    // Lives in the listening task.
    class Listener : public reactor::ListNode {
    public:
        Listener(Events* events, EventFilter filter) : filter_(std::move(filter)) {
            events->listeners_.push_back(this);
        }
        // The next message; waits for it. An error when the token stops or too many wait to be taken.
        Task<std::shared_ptr<const EventMessage>> take(reactor::StopToken stop);
        // Another one that is there already; none when there is none.
        std::shared_ptr<const EventMessage> take_now();

    private:
        friend class Events;
        EventFilter filter_;
        std::deque<std::shared_ptr<const EventMessage>> waiting_;
        reactor::Event changed_;
        bool dropped_ = false;
    };

    // Takes over what the journal has from before, and writes everything to it from now on. It outlives this object.
    void keep_in(EventJournal* journal);
    void publish(std::string_view type, std::string_view action, std::string_view actor_id, EventAttributes attributes);
    // Those still known, oldest first; 0: no bound.
    std::vector<std::shared_ptr<const EventMessage>> history(Nanoseconds since, Nanoseconds until,
                                                             const EventFilter& filter) const;
    std::size_t listeners();

private:
    void remember(std::shared_ptr<const EventMessage> message);

    std::deque<std::shared_ptr<const EventMessage>> history_;
    std::size_t history_bytes_ = 0;
    EventJournal* journal_ = nullptr;
    reactor::IntrusiveList<Listener> listeners_;
};

}  // namespace engine::runtime
