// Netlink answers and the calls between engine and net worker.
#include <cstddef>
#include <cstdint>
#include <string>

#include "engine/net/link_messages.h"
#include "engine/net/net_call.h"
#include "engine/net/network_text.h"
#include "engine/net/rules_watch.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace engine::net;
    const std::string bytes(reinterpret_cast<const char*>(data), size);
    MessageReader reader(bytes);
    while (const auto message = reader.next()) {
        acknowledgement(*message);
        link_facts(*message);
        address_facts(*message);
        route_facts(*message);
    }
    tells_removal(bytes, "dockercd", 7);
    AttachPlan plan;
    if (unpack(bytes, plan) && pack(plan).size() > bytes.size() * 2) __builtin_trap();
    Survey survey;
    unpack(bytes, survey);
    parse_network(bytes);
    parse_sandbox(bytes);
    return 0;
}
