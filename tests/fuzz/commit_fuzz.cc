// What a commit is made of: a client's body, an instruction, the container's own words, a foreign image's JSON. The
// four lie in the input with zero bytes between. Whatever they say, the new image's JSON is one.
#include <simdjson.h>

#include <cstddef>
#include <cstdint>
#include <string>

#include "engine/reactor/check.h"
#include "engine/storage/child_config.h"
#include "engine/storage/config_changes.h"

namespace {

std::string next_part(std::string_view& input) {
    const auto zero = input.find('\0');
    const std::string out(input.substr(0, zero));
    input = zero == std::string_view::npos ? std::string_view() : input.substr(zero + 1);
    return out;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    std::string_view input(reinterpret_cast<const char*>(data), size);
    const std::string body = next_part(input);
    const std::string instructions[] = {next_part(input)};
    const std::string own = next_part(input);
    const std::string parent = next_part(input);
    auto config = engine::storage::committed_config(body, instructions, own);
    if (!config) return 0;
    engine::storage::ChildConfig child;
    child.container_config = "{}";
    child.config = *config;
    child.created_by = engine::storage::command_text(own);
    child.created = "2023-11-14T22:13:20Z";
    child.diff_id = "sha256:" + std::string(64, 'a');
    const auto made = engine::storage::child_config(parent, child);
    if (!made) return 0;
    simdjson::dom::parser parser;
    simdjson::dom::element root;
    CHECK(parser.parse(made->data(), made->size()).get(root) == simdjson::SUCCESS);
    simdjson::dom::array layers;
    CHECK(root["rootfs"]["diff_ids"].get(layers) == simdjson::SUCCESS && layers.size() > 0);
    std::string_view last;
    for (const auto layer : layers) CHECK(layer.get(last) == simdjson::SUCCESS || layers.size() > 1);
    CHECK(last == child.diff_id);
    simdjson::dom::element own_config;
    CHECK(root["config"].get(own_config) == simdjson::SUCCESS && own_config.is_object());
    return 0;
}
