// DNS messages from containers and from upstream servers.
#include <cstddef>
#include <cstdint>
#include <string>

#include "engine/net/dns_message.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace engine::net;
    const std::string bytes(reinterpret_cast<const char*>(data), size);
    unsigned fault = 0;
    if (const auto query = parse_query(bytes, fault)) {
        if (fault != dns::no_error) {
            build_failure(bytes, fault);
        } else {
            const auto answer = build_answer(bytes, *query, dns::no_error,
                                             {address_record(Address::v4(1)), name_record(query->name)}, 60,
                                             query->size_max);
            if (!parse_response(answer)) __builtin_trap();   // what we write we can read
        }
        reverse_address(query->name);
    }
    if (const auto facts = parse_response(bytes)) {
        std::string copy = bytes;
        set_id(copy, 7);
        age(copy, *facts, 1);
        if (copy.size() != bytes.size()) __builtin_trap();
    }
    return 0;
}
