#include "engine/runtime/container_name.h"

#include <charconv>
#include <iterator>

namespace engine::runtime {
namespace {

constexpr std::string_view qualities[] = {
    "able",   "amber",  "ample",  "bold",   "brave",  "brief",  "bright", "brisk",  "calm",   "candid", "clear",
    "clever", "cosy",   "crisp",  "daring", "deft",   "eager",  "early",  "exact",  "fair",   "firm",   "fleet",
    "fond",   "frank",  "fresh",  "gentle", "glad",   "golden", "grand",  "happy",  "hardy",  "honest", "humble",
    "jolly",  "just",   "keen",   "kind",   "lively", "loyal",  "lucid",  "merry",  "mild",   "modest", "neat",
    "nimble", "noble",  "patient", "placid", "plain", "polite", "prompt", "proud",  "quick",  "quiet",  "ready",
    "robust", "silent", "sincere", "smart", "steady", "sturdy", "subtle", "swift",  "tender", "tidy",   "vivid",
    "warm",   "wise",   "witty",  "zesty"};
constexpr std::string_view things[] = {
    "acorn",  "anchor", "anvil",  "arrow",  "badger", "barley", "beacon", "birch",  "bridge", "brook",  "canyon",
    "cedar",  "cliff",  "clover", "comet",  "copper", "coral",  "crane",  "delta",  "dune",   "eagle",  "ember",
    "falcon", "fern",   "finch",  "fjord",  "forge",  "garnet", "glacier", "grove", "harbor", "hazel",  "heron",
    "island", "ivy",    "jasper", "juniper", "lagoon", "lantern", "larch", "ledger", "linden", "maple", "marble",
    "meadow", "moss",   "oak",    "orchard", "otter", "pebble", "pine",   "plover", "quarry", "quartz", "raven",
    "reef",   "ridge",  "river",  "saddle", "sail",   "slate",  "sparrow", "spruce", "summit", "thistle", "tide",
    "timber", "valley", "willow", "wren"};

}  // namespace

std::string generate_container_name(std::string_view id) {
    unsigned long number = 0;
    std::from_chars(id.data(), id.data() + (id.size() < 15 ? id.size() : 15), number, 16);
    std::string name(qualities[number % std::size(qualities)]);
    name += '_';
    name += things[number / std::size(qualities) % std::size(things)];
    return name;
}

}  // namespace engine::runtime
