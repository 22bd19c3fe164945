// /etc/passwd and /etc/group as found in a container: foreign bytes, read in bounds, without allocating. Used by the
// keeper's child after the pivot. Semantics of "user[:group]" are those of Docker: a name is looked up first, a number
// needs no entry, supplementary groups come from /etc/group when no group was named.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

namespace engine::runtime {

struct Text {
    const char* data = "";
    size_t size = 0;
};

inline bool same_text(Text a, Text b) { return a.size == b.size && memcmp(a.data, b.data, a.size) == 0; }

// Takes what stands before the first `separator` off the front of `rest`; all of it when there is none.
inline Text take_field(Text& rest, char separator) {
    const void* found = rest.size == 0 ? nullptr : memchr(rest.data, separator, rest.size);
    if (found == nullptr) {
        Text field = rest;
        rest = Text{rest.data + rest.size, 0};
        return field;
    }
    size_t length = static_cast<size_t>(static_cast<const char*>(found) - rest.data);
    Text field{rest.data, length};
    rest = Text{rest.data + length + 1, rest.size - length - 1};
    return field;
}

enum class IdParse { number, not_a_number, out_of_range };

// Ids are 0 .. 2^31-1, as Docker takes them.
inline IdParse parse_id(Text text, uint32_t& id) {
    if (text.size == 0) return IdParse::not_a_number;
    uint64_t value = 0;
    for (size_t i = 0; i < text.size; ++i) {
        char c = text.data[i];
        if (c < '0' || c > '9') return IdParse::not_a_number;
        if (value <= UINT32_MAX) value = value * 10 + static_cast<uint64_t>(c - '0');
    }
    if (value > INT32_MAX) return IdParse::out_of_range;
    id = static_cast<uint32_t>(value);
    return IdParse::number;
}

constexpr size_t kMaxGroups = 1024;

struct ResolvedUser {
    uint32_t uid = 0;
    uint32_t gid = 0;
    Text home;  // points into the passwd text; empty when there is no entry
    uint32_t groups[kMaxGroups];
    size_t group_count = 0;

    void add_group(uint32_t id) {
        for (size_t i = 0; i < group_count; ++i)
            if (groups[i] == id) return;
        if (group_count < kMaxGroups) groups[group_count++] = id;
    }
};

enum class UserOutcome { ok, user_not_found, group_not_found, out_of_range };

inline UserOutcome resolve_user(const char* spec, Text passwd, Text group, ResolvedUser& out) {
    Text rest{spec, strlen(spec)};
    bool group_named = memchr(spec, ':', rest.size) != nullptr;
    Text user = take_field(rest, ':');
    Text wanted_group = rest;
    if (wanted_group.size == 0) group_named = false;
    if (user.size == 0) user = Text{"0", 1};

    uint32_t wanted_uid = 0;
    IdParse user_kind = parse_id(user, wanted_uid);
    bool found = false;
    Text name;
    while (passwd.size != 0 && !found) {
        Text line = take_field(passwd, '\n');
        Text entry_name = take_field(line, ':');
        take_field(line, ':');
        Text uid_text = take_field(line, ':');
        Text gid_text = take_field(line, ':');
        take_field(line, ':');
        Text home = take_field(line, ':');
        uint32_t uid = 0, gid = 0;
        if (entry_name.size == 0 || parse_id(uid_text, uid) != IdParse::number) continue;
        if (!same_text(entry_name, user) && !(user_kind == IdParse::number && uid == wanted_uid)) continue;
        if (parse_id(gid_text, gid) != IdParse::number) continue;
        found = true;
        name = entry_name;
        out.uid = uid;
        out.gid = gid;
        out.home = home;
    }
    if (!found) {
        if (user_kind == IdParse::out_of_range) return UserOutcome::out_of_range;
        if (user_kind != IdParse::number) return UserOutcome::user_not_found;
        out.uid = wanted_uid;
        out.gid = 0;
    }

    uint32_t wanted_gid = 0;
    IdParse group_kind = group_named ? parse_id(wanted_group, wanted_gid) : IdParse::not_a_number;
    bool group_found = false;
    size_t extra_count = 0;
    uint32_t extra[kMaxGroups];
    while (group.size != 0 && !group_found) {
        Text line = take_field(group, '\n');
        Text entry_name = take_field(line, ':');
        take_field(line, ':');
        Text gid_text = take_field(line, ':');
        uint32_t gid = 0;
        if (entry_name.size == 0 || parse_id(gid_text, gid) != IdParse::number) continue;
        if (group_named) {
            if (same_text(entry_name, wanted_group) || (group_kind == IdParse::number && gid == wanted_gid)) {
                out.gid = gid;
                group_found = true;
            }
            continue;
        }
        while (found && line.size != 0) {
            if (!same_text(take_field(line, ','), name)) continue;
            if (extra_count < kMaxGroups) extra[extra_count++] = gid;
            break;
        }
    }
    if (group_named && !group_found) {
        if (group_kind == IdParse::out_of_range) return UserOutcome::out_of_range;
        if (group_kind != IdParse::number) return UserOutcome::group_not_found;
        out.gid = wanted_gid;
    }
    out.add_group(out.gid);
    for (size_t i = 0; i < extra_count; ++i) out.add_group(extra[i]);
    return UserOutcome::ok;
}

}  // namespace engine::runtime
