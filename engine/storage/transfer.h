// A pull or a push as its clients see it. What happened is kept as state, not as a queue: a client that is slow, or
// came late to a pull that runs already, costs nothing and misses nothing but numbers that were overtaken.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/reactor/event.h"
#include "engine/reactor/stop_token.h"

namespace engine::storage {

// One line of the client's progress stream.
struct TransferEvent {
    std::string id;         // of a layer or tag; may be empty
    std::string status;     // "Pulling fs layer"; empty when there is only aux
    bool of_layer = false;  // has progressDetail
    bool bar = false;       // current of total
    int64_t current = 0;
    int64_t total = 0;
    std::string aux;  // JSON
};

class TransferProgress {
public:
    struct Cursor {
        size_t event = 0;
        uint64_t version = 0;
    };
    void say(std::string id, std::string status) {
        events_.push_back({std::move(id), std::move(status), false, false, 0, 0, {}});
    }
    void say_aux(std::string json) { events_.push_back({{}, {}, false, false, 0, 0, std::move(json)}); }
    // A layer's line: its place in the list of layers.
    size_t add_layer(std::string id);
    void layer_is(size_t layer, std::string_view status);
    void layer_at(size_t layer, std::string_view status, int64_t current, int64_t total);
    // What the cursor has not seen; it moves on.
    std::vector<TransferEvent> take(Cursor& cursor) const;
    bool has_more(const Cursor& cursor) const { return cursor.event < events_.size() || cursor.version < version_; }

private:
    struct Layer {
        TransferEvent bar;
        uint64_t version = 0;
    };
    std::vector<TransferEvent> events_;
    std::vector<Layer> layers_;
    uint64_t version_ = 0;
};

struct Transfer {
    explicit Transfer(reactor::StopToken engine) : stop(engine) {}
    std::string key;  // of a pull: those with the same key are one
    TransferProgress progress;
    bool finished = false;
    std::optional<Error> error;
    int listeners = 0;
    reactor::StopSource stop;
};

}  // namespace engine::storage
