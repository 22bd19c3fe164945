#include "engine/storage/transfer.h"

namespace engine::storage {

size_t TransferProgress::add_layer(std::string id) {
    Layer layer;
    layer.bar.id = std::move(id);
    layer.bar.of_layer = layer.bar.bar = true;
    layers_.push_back(std::move(layer));
    return layers_.size() - 1;
}

void TransferProgress::layer_is(size_t layer, std::string_view status) {
    layers_[layer].version = 0;  // a bar that was not shown is overtaken
    events_.push_back({layers_[layer].bar.id, std::string(status), true, false, 0, 0, {}});
}

void TransferProgress::layer_at(size_t layer, std::string_view status, int64_t current, int64_t total) {
    Layer& one = layers_[layer];
    one.bar.status = status;
    one.bar.current = current;
    one.bar.total = total;
    one.version = ++version_;
}

std::vector<TransferEvent> TransferProgress::take(Cursor& cursor) const {
    std::vector<TransferEvent> out(events_.begin() + static_cast<std::ptrdiff_t>(cursor.event), events_.end());
    cursor.event = events_.size();
    for (const Layer& layer : layers_)
        if (layer.version > cursor.version) out.push_back(layer.bar);
    cursor.version = version_;
    return out;
}

}  // namespace engine::storage
