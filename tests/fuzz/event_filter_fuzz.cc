// The filters parameter of GET /events, and lines of the journal of events, on any bytes.
#include <string>
#include <string_view>

#include "engine/api/filters.h"
#include "engine/api/time_parameter.h"
#include "engine/runtime/event.h"
#include "engine/runtime/event_journal.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    engine::runtime::EventMessage message;
    message.type = "container";
    message.action = "exec_start: sh";
    message.actor_id = "0123456789abcdef";
    message.attributes = {{"image", "busybox:1"}, {"name", "web"}, {"tier", "front"}};
    auto filters = engine::api::parse_filters(text);
    if (filters) engine::ignore_result(engine::runtime::EventFilter(std::move(*filters)).matches(message), "either");
    engine::ignore_result(engine::api::parse_time(text, 1), "either");
    engine::runtime::EventMessage read;
    if (engine::runtime::parse_event(text, read)) {
        // What was read is written so that it is read again.
        engine::runtime::EventMessage again;
        CHECK(engine::runtime::parse_event(engine::runtime::event_text(read), again));
        CHECK(again.attributes == read.attributes && again.time == read.time);
    }
    return 0;
}
