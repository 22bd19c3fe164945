#include "engine/net/dns_message.h"

#include <algorithm>
#include <charconv>
#include <cstring>

namespace engine::net {
namespace {

constexpr std::uint16_t response_bit = 0x8000, truncated_bit = 0x0200, recursion_desired_bit = 0x0100,
                        recursion_available_bit = 0x0080;
constexpr std::uint16_t type_soa = 6;
constexpr unsigned pointers_max = 32;   // of one compressed name

// Reads in bounds; after a failed read ok() is false.
class Reader {
public:
    explicit Reader(std::string_view bytes, std::size_t at = 0) : bytes_(bytes), at_(at) {}

    std::uint16_t u16() {
        if (bytes_.size() - at_ < 2) return refuse(), 0;
        const auto out = static_cast<std::uint16_t>(byte(at_) << 8 | byte(at_ + 1));
        at_ += 2;
        return out;
    }
    std::uint32_t u32() {
        const std::uint32_t high = u16();
        return high << 16 | u16();
    }
    void skip(std::size_t bytes) {
        if (bytes_.size() - at_ < bytes) return refuse();
        at_ += bytes;
    }
    // Labels in lower case; follows compression.
    std::string name() {
        std::string out;
        std::size_t at = at_;
        bool jumped = false;
        for (unsigned jumps = 0; jumps <= pointers_max;) {
            if (at >= bytes_.size()) return refuse(), std::string();
            const unsigned length = byte(at);
            if ((length & 0xc0) == 0xc0) {
                if (at + 1 >= bytes_.size()) return refuse(), std::string();
                const std::size_t to = (length & 0x3f) << 8 | byte(at + 1);
                compressed_ = true;
                if (!jumped) at_ = at + 2;
                jumped = true;
                at = to;
                ++jumps;
                continue;
            }
            if (length > 63) return refuse(), std::string();
            if (length == 0) {
                if (!jumped) at_ = at + 1;
                return out;
            }
            if (at + 1 + length > bytes_.size() || out.size() + length + 1 > dns::name_bytes_max)
                return refuse(), std::string();
            if (!out.empty()) out += '.';
            for (const char c : bytes_.substr(at + 1, length))
                out += c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
            at += 1 + length;
        }
        return refuse(), std::string();
    }
    std::size_t at() const { return at_; }
    bool ok() const { return ok_; }
    bool compressed() const { return compressed_; }   // a name read so far points elsewhere

private:
    unsigned byte(std::size_t at) const { return static_cast<unsigned char>(bytes_[at]); }
    void refuse() {
        ok_ = false;
        at_ = bytes_.size();
    }
    std::string_view bytes_;
    std::size_t at_;
    bool ok_ = true;
    bool compressed_ = false;
};

void put16(std::string& out, unsigned value) {
    out += static_cast<char>(value >> 8);
    out += static_cast<char>(value);
}
void put32(std::string& out, std::uint32_t value) {
    put16(out, value >> 16);
    put16(out, value & 0xffff);
}

struct Header {
    std::uint16_t id, flags, questions, answers, authorities, additional;
};
Header read_header(Reader& reader) {
    Header out{};
    for (std::uint16_t* field : {&out.id, &out.flags, &out.questions, &out.answers, &out.authorities, &out.additional})
        *field = reader.u16();
    return out;
}

// The OPT record of a query tells how long an answer may be.
void read_additional(Reader& reader, unsigned records, DnsQuery& out) {
    for (unsigned i = 0; i < records && reader.ok(); ++i) {
        const std::string owner = reader.name();
        const std::uint16_t type = reader.u16();
        const std::uint16_t klass = reader.u16();
        reader.u32();
        reader.skip(reader.u16());
        if (!reader.ok() || type != dns::type_opt || !owner.empty()) continue;
        out.edns = true;
        out.size_max = std::clamp<std::size_t>(klass, dns::udp_bytes, 4096);
    }
}

std::string wire_name(const std::string& name) {
    std::string out;
    std::string_view rest = name;
    while (!rest.empty()) {
        const std::size_t dot = std::min(rest.find('.'), rest.size());
        const std::string_view label = rest.substr(0, std::min<std::size_t>(dot, 63));
        out += static_cast<char>(label.size());
        out += label;
        rest.remove_prefix(std::min(dot + 1, rest.size()));
    }
    out += '\0';
    return out;
}

}  // namespace

std::optional<DnsQuery> parse_query(std::string_view bytes, unsigned& fault) {
    fault = dns::no_error;
    if (bytes.size() < dns::header_bytes) return std::nullopt;
    Reader reader(bytes);
    const Header header = read_header(reader);
    if (header.flags & response_bit) return std::nullopt;
    DnsQuery out;
    out.id = header.id;
    out.opcode = (header.flags >> 11) & 15;
    out.recursion_desired = header.flags & recursion_desired_bit;
    if (out.opcode != 0) {
        fault = dns::not_implemented;
        return out;
    }
    if (header.questions != 1) {
        fault = dns::format_error;
        return out;
    }
    out.name = reader.name();
    out.type = reader.u16();
    out.klass = reader.u16();
    out.question_end = reader.at();
    // The question goes into the answer as it is: there, what it points to would be something else.
    if (!reader.ok() || reader.compressed()) {
        fault = dns::format_error;
        return out;
    }
    if (header.answers == 0 && header.authorities == 0) read_additional(reader, header.additional, out);
    return out;
}

DnsRecord address_record(const Address& address) {
    return {address.is_v6() ? dns::type_aaaa : dns::type_a,
            std::string(reinterpret_cast<const char*>(address.bytes()), address.size())};
}

DnsRecord name_record(const std::string& name) { return {dns::type_ptr, wire_name(name)}; }

std::string build_query(std::uint16_t id, const std::string& name, std::uint16_t type) {
    std::string out;
    put16(out, id);
    for (const unsigned number : {0u, 1u, 0u, 0u, 0u}) put16(out, number);   // flags, one question
    out += name_record(name).data;
    put16(out, type);
    put16(out, dns::class_in);
    return out;
}

std::string build_answer(std::string_view query_bytes, const DnsQuery& query, unsigned code,
                         const std::vector<DnsRecord>& records, std::uint32_t ttl, std::size_t size_max) {
    std::string body(query_bytes.substr(dns::header_bytes, query.question_end - dns::header_bytes));
    constexpr unsigned question_name = 0xc000 | dns::header_bytes;
    std::string edns;
    if (query.edns) {
        edns += '\0';
        put16(edns, dns::type_opt);
        put16(edns, dns::edns_bytes);
        put32(edns, 0);
        put16(edns, 0);
    }
    unsigned count = 0;
    bool truncated = false;
    for (const DnsRecord& record : records) {
        std::string one;
        put16(one, question_name);
        put16(one, record.type);
        put16(one, dns::class_in);
        put32(one, ttl);
        put16(one, static_cast<unsigned>(record.data.size()));
        one += record.data;
        if (dns::header_bytes + body.size() + one.size() + edns.size() > size_max) {
            truncated = true;
            break;
        }
        body += one;
        ++count;
    }
    std::string out;
    put16(out, query.id);
    put16(out, response_bit | recursion_available_bit | (truncated ? truncated_bit : 0u) |
                   (query.recursion_desired ? recursion_desired_bit : 0u) | code);
    put16(out, 1);
    put16(out, count);
    put16(out, 0);
    put16(out, query.edns ? 1 : 0);
    return out + body + edns;
}

std::string build_failure(std::string_view query_bytes, unsigned code) {
    std::string out(query_bytes.substr(0, dns::header_bytes));
    const unsigned opcode = static_cast<unsigned char>(out[2]) & 0x78u;
    out[2] = static_cast<char>(0x80u | opcode);
    out[3] = static_cast<char>(code);
    std::fill(out.begin() + 4, out.end(), '\0');
    return out;
}

std::optional<Address> reverse_address(std::string_view name) {
    constexpr std::string_view v4_tail = ".in-addr.arpa", v6_tail = ".ip6.arpa";
    std::vector<std::string_view> labels;
    const bool v6 = name.ends_with(v6_tail);
    if (!v6 && !name.ends_with(v4_tail)) return std::nullopt;
    name.remove_suffix(v6 ? v6_tail.size() : v4_tail.size());
    while (true) {
        const std::size_t dot = name.find('.');
        labels.push_back(name.substr(0, dot));
        if (dot == std::string_view::npos) break;
        name.remove_prefix(dot + 1);
    }
    std::reverse(labels.begin(), labels.end());
    std::uint8_t bytes[16] = {};
    if (labels.size() != (v6 ? 32u : 4u)) return std::nullopt;
    for (std::size_t i = 0; i < labels.size(); ++i) {
        unsigned value = 0;
        const auto parsed =
            std::from_chars(labels[i].data(), labels[i].data() + labels[i].size(), value, v6 ? 16 : 10);
        if (parsed.ec != std::errc{} || parsed.ptr != labels[i].data() + labels[i].size() || value > (v6 ? 15u : 255u))
            return std::nullopt;
        if (v6) {
            bytes[i / 2] = static_cast<std::uint8_t>(unsigned{bytes[i / 2]} << 4 | value);
        } else {
            bytes[i] = static_cast<std::uint8_t>(value);
        }
    }
    return Address::from_bytes(bytes, v6);
}

std::optional<DnsResponse> parse_response(std::string_view bytes) {
    if (bytes.size() < dns::header_bytes) return std::nullopt;
    Reader reader(bytes);
    const Header header = read_header(reader);
    if (!(header.flags & response_bit) || header.questions != 1) return std::nullopt;
    DnsResponse out;
    out.id = header.id;
    out.code = header.flags & 15;
    out.truncated = header.flags & truncated_bit;
    out.name = reader.name();
    out.type = reader.u16();
    reader.u16();
    const unsigned records = header.answers + header.authorities + header.additional;
    std::uint32_t answer_min = UINT32_MAX;
    std::uint32_t denial = 0;
    for (unsigned i = 0; i < records && reader.ok(); ++i) {
        reader.name();
        const std::uint16_t type = reader.u16();
        reader.u16();
        const std::size_t ttl_at = reader.at();
        const std::uint32_t ttl = reader.u32();
        const std::uint16_t length = reader.u16();
        reader.skip(length);
        if (!reader.ok()) break;
        if (type == dns::type_opt) continue;
        out.ttl_offsets.push_back(ttl_at);
        if (i < header.answers) answer_min = std::min(answer_min, ttl);
        if (i >= header.answers && type == type_soa) denial = ttl;
    }
    if (!reader.ok()) return std::nullopt;
    out.ttl_min = header.answers > 0 && answer_min != UINT32_MAX ? answer_min : denial;
    return out;
}

std::vector<Address> addresses_in(std::string_view bytes, const DnsResponse& facts, std::uint16_t type) {
    std::vector<Address> out;
    const bool v6 = type == dns::type_aaaa;
    const std::size_t size = v6 ? 16 : 4;
    for (const std::size_t ttl_at : facts.ttl_offsets) {
        // A record is its name, type, class, TTL, length, data; parse_response() has seen that it is whole.
        const std::uint16_t kind = Reader(bytes, ttl_at - 4).u16();
        const std::uint16_t length = Reader(bytes, ttl_at + 4).u16();
        if (kind == type && length == size) out.push_back(Address::from_bytes(bytes.data() + ttl_at + 6, v6));
    }
    return out;
}

void set_id(std::string& bytes, std::uint16_t id) {
    bytes[0] = static_cast<char>(id >> 8);
    bytes[1] = static_cast<char>(id);
}

void age(std::string& bytes, const DnsResponse& facts, std::uint32_t seconds) {
    for (const std::size_t at : facts.ttl_offsets) {
        const std::uint32_t ttl = Reader(bytes, at).u32();
        std::string now;
        put32(now, ttl > seconds ? ttl - seconds : 0);
        bytes.replace(at, 4, now);
    }
}

}  // namespace engine::net
