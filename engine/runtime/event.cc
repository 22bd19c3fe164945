#include "engine/runtime/event.h"

#include <algorithm>

#include "engine/reactor/json_writer.h"
#include "engine/reactor/log.h"
#include "engine/reactor/try.h"
#include "engine/runtime/event_journal.h"
#include "engine/storage/reference.h"

namespace engine::runtime {
namespace {

std::string_view attribute(const EventMessage& message, const char* name) {
    const auto at = message.attributes.find(name);
    return at == message.attributes.end() ? std::string_view() : std::string_view(at->second);
}

std::string without_tag(std::string_view image) {
    const auto parsed = storage::parse_reference(image);
    return parsed ? parsed->familiar_name() : std::string(image);
}

}  // namespace

std::string event_text(const EventMessage& message) {
    json::Writer w;
    w.begin_object();
    // Older clients read these three; they exist for containers and images only.
    if (message.type == "container" || message.type == "image")
        w.field("status", message.action).field("id", message.actor_id);
    if (message.type == "container" && !attribute(message, "image").empty())
        w.field("from", attribute(message, "image"));
    w.field("Type", message.type).field("Action", message.action);
    w.key("Actor").begin_object().field("ID", message.actor_id).field("Attributes", message.attributes).end_object();
    w.field("scope", "local").field("time", message.time / second).field("timeNano", message.time).end_object();
    return w.take() + "\n";
}

bool EventFilter::exact(std::string_view name, std::string_view text) const {
    const auto at = values_.find(std::string(name));
    if (at == values_.end() || at->second.empty()) return true;
    return std::find(at->second.begin(), at->second.end(), text) != at->second.end();
}

bool EventFilter::fuzzy(std::string_view name, std::string_view text) const {
    if (exact(name, text)) return true;
    const auto& values = values_.find(std::string(name))->second;
    return std::any_of(values.begin(), values.end(), [&](const std::string& value) { return text.starts_with(value); });
}

// "exec_start: sh" and "health_status: healthy" are asked for by what stands before the colon.
bool EventFilter::matches_action(const EventMessage& message) const {
    const auto at = values_.find("event");
    if (at == values_.end()) return true;
    const bool open_ended = std::any_of(at->second.begin(), at->second.end(), [](const std::string& value) {
        return value == "health_status" || value == "exec_create" || value == "exec_start";
    });
    return open_ended ? fuzzy("event", message.action) : exact("event", message.action);
}

// A container's events belong to its image, too.
bool EventFilter::matches_image(const EventMessage& message) const {
    if (!values_.contains("image")) return true;
    const std::string_view name = attribute(message, message.type == "image" ? "name" : "image");
    return exact("image", message.actor_id) || exact("image", name) || exact("image", without_tag(message.actor_id)) ||
           exact("image", without_tag(name));
}

bool EventFilter::matches_labels(const EventMessage& message) const {
    const auto at = values_.find("label");
    if (at == values_.end()) return true;
    for (const std::string& wanted : at->second) {
        const std::size_t equals = wanted.find('=');
        const auto found = message.attributes.find(wanted.substr(0, equals));
        if (found == message.attributes.end()) return false;
        if (equals != std::string::npos && found->second != wanted.substr(equals + 1)) return false;
    }
    return true;
}

bool EventFilter::matches(const EventMessage& message) const {
    if (values_.empty()) return true;
    if (!matches_action(message) || !exact("type", message.type) || !exact("scope", "local")) return false;
    for (const char* type :
         {"daemon", "container", "plugin", "volume", "network", "node", "service", "secret", "config"})
        if (!fuzzy(type, message.actor_id) && !fuzzy(type, attribute(message, "name"))) return false;
    return matches_image(message) && matches_labels(message);
}

void Events::remember(std::shared_ptr<const EventMessage> message) {
    history_bytes_ += message->text.size();
    history_.push_back(std::move(message));
    while (history_.size() > history_max || history_bytes_ > history_bytes_max) {
        history_bytes_ -= history_.front()->text.size();
        history_.pop_front();
    }
}

void Events::keep_in(EventJournal* journal) {
    for (EventMessage& known : journal->open(history_max)) {
        auto message = std::make_shared<EventMessage>(std::move(known));
        message->text = event_text(*message);
        remember(std::move(message));
    }
    journal_ = journal;
}

void Events::publish(std::string_view type, std::string_view action, std::string_view actor_id,
                     EventAttributes attributes) {
    auto message = std::make_shared<EventMessage>();
    message->type = std::string(type);
    message->action = std::string(action);
    message->actor_id = std::string(actor_id);
    message->attributes = std::move(attributes);
    message->time = realtime_ns();
    message->text = event_text(*message);
    if (journal_) journal_->append(message->text);
    remember(message);
    for (Listener* listener = listeners_.front(); listener; listener = listeners_.next(listener)) {
        if (listener->dropped_ || !listener->filter_.matches(*message)) continue;
        if (listener->waiting_.size() == waiting_max) {
            log_warn("a listener to events has " + std::to_string(waiting_max) + " of them to take: dropped");
            listener->waiting_.clear();
            listener->dropped_ = true;
        } else {
            listener->waiting_.push_back(message);
        }
        listener->changed_.notify_all();
    }
}

Task<std::shared_ptr<const EventMessage>> Events::Listener::take(reactor::StopToken stop) {
    while (waiting_.empty()) {
        if (dropped_) co_return fail(ErrorKind::timed_out, "the listener reads too slowly: dropped");
        CO_TRY_VOID(co_await changed_.wait(stop));
    }
    auto message = std::move(waiting_.front());
    waiting_.pop_front();
    co_return message;
}

std::shared_ptr<const EventMessage> Events::Listener::take_now() {
    if (waiting_.empty()) return nullptr;
    auto message = std::move(waiting_.front());
    waiting_.pop_front();
    return message;
}

std::vector<std::shared_ptr<const EventMessage>> Events::history(Nanoseconds since, Nanoseconds until,
                                                                 const EventFilter& filter) const {
    std::vector<std::shared_ptr<const EventMessage>> out;
    for (const auto& message : history_)
        if (message->time >= since && (until == 0 || message->time <= until) && filter.matches(*message))
            out.push_back(message);
    return out;
}

std::size_t Events::listeners() {
    std::size_t count = 0;
    for (Listener* listener = listeners_.front(); listener; listener = listeners_.next(listener)) ++count;
    return count;
}

}  // namespace engine::runtime
