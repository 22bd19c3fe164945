// DNS messages (RFC 1035, EDNS: RFC 6891): read without trust, answers written. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/net/address.h"

namespace engine::net {

namespace dns {
inline constexpr std::uint16_t type_a = 1, type_ptr = 12, type_aaaa = 28, type_opt = 41;
inline constexpr std::uint16_t class_in = 1;
inline constexpr unsigned no_error = 0, format_error = 1, server_failure = 2, name_error = 3, not_implemented = 4,
                          refused = 5;
inline constexpr std::uint16_t port = 53;
inline constexpr std::size_t header_bytes = 12;
inline constexpr std::size_t udp_bytes = 512;            // without EDNS
inline constexpr std::uint16_t edns_bytes = 1232;        // what we offer
inline constexpr std::size_t name_bytes_max = 255;
inline constexpr std::size_t message_bytes_max = 65535;
}  // namespace dns

struct DnsQuery {
    std::uint16_t id = 0;
    unsigned opcode = 0;
    bool recursion_desired = false;
    std::string name;            // in lower case, labels joined by dots, without the last dot
    std::uint16_t type = 0;
    std::uint16_t klass = 0;
    std::size_t question_end = 0;
    bool edns = false;
    std::size_t size_max = dns::udp_bytes;   // of the answer over UDP
};
// One question. Nothing: too broken to answer. `fault`: an answer with this code is due, the id is known.
std::optional<DnsQuery> parse_query(std::string_view bytes, unsigned& fault);

// One question, recursion not asked for.
std::string build_query(std::uint16_t id, const std::string& name, std::uint16_t type);

struct DnsRecord {
    std::uint16_t type = 0;
    std::string data;
};
DnsRecord address_record(const Address& address);
DnsRecord name_record(const std::string& name);   // PTR

// The question again and the records, each for the question's name. Too long for `size_max`: truncated, TC set.
std::string build_answer(std::string_view query_bytes, const DnsQuery& query, unsigned code,
                         const std::vector<DnsRecord>& records, std::uint32_t ttl, std::size_t size_max);
// When not even the question could be read.
std::string build_failure(std::string_view query_bytes, unsigned code);

// "2.0.17.172.in-addr.arpa" and the nibbles of ip6.arpa.
std::optional<Address> reverse_address(std::string_view name);

struct DnsResponse {
    std::uint16_t id = 0;
    unsigned code = 0;
    bool truncated = false;
    std::string name;
    std::uint16_t type = 0;
    std::uint32_t ttl_min = 0;               // of its answers; of none: of the SOA that denies, 0 without
    std::vector<std::size_t> ttl_offsets;
};
std::optional<DnsResponse> parse_response(std::string_view bytes);
// Of its answers, those of a type: A or AAAA.
std::vector<Address> addresses_in(std::string_view bytes, const DnsResponse& facts, std::uint16_t type);
void set_id(std::string& bytes, std::uint16_t id);
// All TTLs lowered by the time it lay in a cache.
void age(std::string& bytes, const DnsResponse& facts, std::uint32_t seconds);

}  // namespace engine::net
