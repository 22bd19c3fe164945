#include "engine/storage/tar_writer.h"

#include <sys/sendfile.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstring>

#include "engine/reactor/try.h"
#include "engine/storage/limits.h"

namespace engine::storage {
namespace {

constexpr size_t name_bytes = 100;
constexpr size_t prefix_bytes = 155;
constexpr size_t gathered_bytes_max = 128 << 10;
constexpr size_t sendfile_bytes_min = 64 << 10;
constexpr uint64_t octal_7 = 07777777;      // what seven octal digits hold
constexpr uint64_t octal_11 = 077777777777;

uint64_t rounded(uint64_t size) { return (size + block_bytes - 1) / block_bytes * block_bytes; }

char type_of(TarType type) {
    switch (type) {
        case TarType::hard_link:
            return '1';
        case TarType::symlink:
            return '2';
        case TarType::char_device:
            return '3';
        case TarType::block_device:
            return '4';
        case TarType::directory:
            return '5';
        case TarType::fifo:
            return '6';
        default:
            return '0';
    }
}

// "length key=value\n", where the length counts itself.
void add_record(std::string& out, std::string_view key, std::string_view value) {
    const size_t rest = key.size() + value.size() + 3;
    size_t length = rest + 1;
    while (std::to_string(length).size() + rest != length) length = std::to_string(length).size() + rest;
    out += std::to_string(length);
    out += ' ';
    out += key;
    out += '=';
    out += value;
    out += '\n';
}

std::string time_text(int64_t seconds, uint32_t nanoseconds) {
    const bool negative = seconds < 0;
    if (negative && nanoseconds > 0) {  // -1.25 is (-2, 750000000)
        seconds += 1;
        nanoseconds = 1'000'000'000 - nanoseconds;
    }
    char text[40];
    std::snprintf(text, sizeof text, "%s%lld.%09u", negative && seconds == 0 ? "-" : "",
                  static_cast<long long>(seconds), nanoseconds);
    std::string out = text;
    while (out.back() == '0') out.pop_back();
    if (out.back() == '.') out.pop_back();
    return out;
}

// Where ustar's two name fields meet: a slash that leaves at most 100 bytes behind it and 155 before it.
bool split_name(std::string_view path, std::string_view& prefix, std::string_view& name) {
    prefix = {};
    name = path;
    if (path.size() <= name_bytes) return true;
    if (path.size() > prefix_bytes + 1 + name_bytes) return false;
    const size_t slash = path.find('/', path.size() - name_bytes - 1);
    if (slash == std::string_view::npos || slash == 0 || slash > prefix_bytes || slash + 1 == path.size()) return false;
    prefix = path.substr(0, slash);
    name = path.substr(slash + 1);
    return true;
}

struct Block {
    char bytes[block_bytes] = {};
    void text(size_t at, size_t room, std::string_view value) {
        value.copy(bytes + at, room);  // an empty one has no address to give to memcpy
    }
    void octal(size_t at, int digits, uint64_t value) {
        char text[24];
        std::snprintf(text, sizeof text, "%0*llo", digits, static_cast<unsigned long long>(value));
        std::memcpy(bytes + at, text, static_cast<size_t>(digits));
    }
    void seal(char type) {
        bytes[156] = type;
        std::memcpy(bytes + 257, "ustar\00000", 8);
        std::memset(bytes + 148, ' ', 8);
        unsigned sum = 0;
        for (const char c : bytes) sum += static_cast<unsigned char>(c);
        octal(148, 6, sum);
        bytes[154] = '\0';
    }
    std::string_view view() const { return {bytes, sizeof bytes}; }
};

std::string base_of(std::string_view path) {
    while (path.size() > 1 && path.ends_with('/')) path.remove_suffix(1);
    return std::string(path.substr(path.rfind('/') + 1));
}

// The extended header's own entry.
Result<void> write_pax(TarSink& sink, std::string_view path, const std::string& records) {
    Block block;
    const std::string name = "PaxHeaders.0/" + base_of(path);
    block.text(0, name_bytes, name);
    block.octal(100, 7, 0644);
    block.octal(108, 7, 0);
    block.octal(116, 7, 0);
    block.octal(124, 11, records.size());
    block.octal(136, 11, 0);
    block.seal('x');
    TRY_VOID(sink.write(block.view()));
    TRY_VOID(sink.write(records));
    return sink.write(std::string(rounded(records.size()) - records.size(), '\0'));
}

std::string sparse_map(const std::vector<SparseExtent>& extents) {
    std::string map = std::to_string(extents.size()) + "\n";
    for (const auto& extent : extents)
        map += std::to_string(extent.offset) + "\n" + std::to_string(extent.length) + "\n";
    map.resize(rounded(map.size()));
    return map;
}

}  // namespace

Result<void> TarSink::copy(const std::string& path, int fd, uint64_t offset, uint64_t size) {
    buffer_.resize(limits::tar_buffer_bytes);
    while (size > 0) {
        const size_t wanted = static_cast<size_t>(std::min<uint64_t>(size, buffer_.size()));
        const ssize_t got = ::pread(fd, buffer_.data(), wanted, static_cast<off_t>(offset));
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) return fail_errno(errno, "read " + path);
        size_t have = static_cast<size_t>(got);
        if (have == 0) {
            have = wanted;
            std::memset(buffer_.data(), 0, wanted);
        }
        TRY_VOID(write({buffer_.data(), have}));
        offset += have;
        size -= have;
    }
    return {};
}

Result<void> HashingSink::write(std::string_view bytes) {
    hash_.update(bytes.data(), bytes.size());
    bytes_ += bytes.size();
    return next_ != nullptr ? next_->write(bytes) : Result<void>();
}

Result<void> FdSink::put(std::string_view bytes) {
    while (!bytes.empty()) {
        const ssize_t put = ::write(fd_, bytes.data(), bytes.size());
        if (put < 0 && errno == EINTR) continue;
        if (put < 0) return fail_errno(errno, "write the archive");
        bytes.remove_prefix(static_cast<size_t>(put));
    }
    return {};
}

Result<void> FdSink::flush() {
    auto done = put(gathered_);
    gathered_.clear();
    return done;
}

Result<void> FdSink::write(std::string_view bytes) {
    if (gathered_.size() + bytes.size() > gathered_bytes_max) {
        TRY_VOID(flush());
        if (bytes.size() > gathered_bytes_max / 2) return put(bytes);
    }
    gathered_ += bytes;
    return {};
}

Result<void> FdSink::copy(const std::string& path, int fd, uint64_t offset, uint64_t size) {
    if (size < sendfile_bytes_min || !sendfile_) return TarSink::copy(path, fd, offset, size);
    TRY_VOID(flush());
    off_t at = static_cast<off_t>(offset);
    while (size > 0) {
        const ssize_t sent = ::sendfile(fd_, fd, &at, static_cast<size_t>(std::min<uint64_t>(size, 1 << 30)));
        if (sent < 0 && errno == EINTR) continue;
        if (sent < 0 && errno != EINVAL && errno != ENOSYS) return fail_errno(errno, "write the archive");
        if (sent <= 0) {  // the file has become shorter, or this file or descriptor does not take it
            sendfile_ = sent == 0;
            return TarSink::copy(path, fd, static_cast<uint64_t>(at), size);
        }
        size -= static_cast<uint64_t>(sent);
    }
    return {};
}

Result<void> TarWriter::header(const TarEntry& entry, uint64_t stored) {
    CHECK(left_ == 0);
    std::string records;
    std::string_view prefix;
    std::string_view name;
    std::string path = entry.path;
    if (entry.sparse) {
        add_record(records, "GNU.sparse.major", "1");
        add_record(records, "GNU.sparse.minor", "0");
        add_record(records, "GNU.sparse.name", entry.path);
        add_record(records, "GNU.sparse.realsize", std::to_string(entry.size));
        path = "GNUSparseFile.0/" + base_of(entry.path);
        path.resize(std::min(path.size(), name_bytes));
    }
    if (!split_name(path, prefix, name)) {
        add_record(records, "path", path);
        name = std::string_view(path).substr(0, name_bytes);
    }
    const bool linked = entry.type == TarType::hard_link || entry.type == TarType::symlink;
    if (linked && entry.link.size() > name_bytes) add_record(records, "linkpath", entry.link);
    if (stored > octal_11) add_record(records, "size", std::to_string(stored));
    if (entry.uid > octal_7) add_record(records, "uid", std::to_string(entry.uid));
    if (entry.gid > octal_7) add_record(records, "gid", std::to_string(entry.gid));
    const bool plain_time = entry.mtime_nanoseconds == 0 && entry.mtime_seconds >= 0 &&
                            static_cast<uint64_t>(entry.mtime_seconds) <= octal_11;
    if (!plain_time) add_record(records, "mtime", time_text(entry.mtime_seconds, entry.mtime_nanoseconds));
    for (const auto& [key, value] : entry.xattrs)
        if (key.find('=') == std::string::npos) add_record(records, "SCHILY.xattr." + key, value);
    if (!records.empty()) {
        TRY_VOID(write_pax(sink_, entry.path, records));
    }
    Block block;
    block.text(0, name_bytes, name);
    block.octal(100, 7, entry.mode & 07777);
    block.octal(108, 7, entry.uid > octal_7 ? 0 : entry.uid);
    block.octal(116, 7, entry.gid > octal_7 ? 0 : entry.gid);
    block.octal(124, 11, stored > octal_11 ? 0 : stored);
    const bool early = entry.mtime_seconds < 0 || static_cast<uint64_t>(entry.mtime_seconds) > octal_11;
    block.octal(136, 11, early ? 0 : static_cast<uint64_t>(entry.mtime_seconds));
    if (linked) block.text(157, name_bytes, entry.link);
    if (entry.type == TarType::char_device || entry.type == TarType::block_device) {
        block.octal(329, 7, entry.device_major);
        block.octal(337, 7, entry.device_minor);
    }
    block.text(345, prefix_bytes, prefix);
    block.seal(type_of(entry.type));
    left_ = stored_ = stored;
    return sink_.write(block.view());
}

Result<void> TarWriter::pad(uint64_t stored) {
    const uint64_t padding = rounded(stored) - stored;
    return padding == 0 ? Result<void>() : sink_.write(std::string(padding, '\0'));
}

Result<void> TarWriter::begin(const TarEntry& entry) {
    return header(entry, entry.type == TarType::file ? entry.size : 0);
}

Result<void> TarWriter::data(std::string_view bytes) {
    CHECK(bytes.size() <= left_);
    if (bytes.empty()) return {};
    left_ -= bytes.size();
    TRY_VOID(sink_.write(bytes));
    return left_ == 0 ? pad(stored_) : Result<void>();
}

Result<void> TarWriter::file(TarEntry entry, int fd) {
    entry.sparse = !entry.extents.empty();
    if (!entry.sparse) {
        TRY_VOID(header(entry, entry.size));
        left_ = 0;
        TRY_VOID(sink_.copy(entry.path, fd, 0, entry.size));
        return pad(entry.size);
    }
    const std::string map = sparse_map(entry.extents);
    uint64_t stored = map.size();
    for (const auto& extent : entry.extents) stored += extent.length;
    TRY_VOID(header(entry, stored));
    left_ = 0;
    TRY_VOID(sink_.write(map));
    for (const auto& extent : entry.extents) {
        TRY_VOID(sink_.copy(entry.path, fd, extent.offset, extent.length));
    }
    return pad(stored);
}

Result<void> TarWriter::text(const std::string& path, std::string_view bytes, int64_t mtime_seconds) {
    TarEntry entry;
    entry.path = path;
    entry.mode = 0644;
    entry.size = bytes.size();
    entry.mtime_seconds = mtime_seconds;
    TRY_VOID(begin(entry));
    return data(bytes);
}

Result<void> TarWriter::finish() {
    CHECK(left_ == 0);
    return sink_.write(std::string(2 * block_bytes, '\0'));
}

std::vector<SparseExtent> extents_of(int fd, uint64_t size, uint64_t allocated) {
    std::vector<SparseExtent> out;
    if (allocated + limits::tar_hole_bytes_min > size) return out;
    uint64_t holes = 0;
    uint64_t at = 0;
    while (at < size) {
        const off_t data = ::lseek(fd, static_cast<off_t>(at), SEEK_DATA);
        if (data < 0 && errno != ENXIO) return {};
        const uint64_t begin = data < 0 ? size : std::min(static_cast<uint64_t>(data), size);
        holes += begin - at;
        if (begin == size) break;
        const off_t hole = ::lseek(fd, data, SEEK_HOLE);
        const uint64_t end = hole < 0 ? size : std::min(static_cast<uint64_t>(hole), size);
        if (out.size() + 1 >= limits::tar_sparse_extents_max || end <= begin) return {};
        out.push_back({begin, end - begin});
        at = end;
    }
    if (holes < limits::tar_hole_bytes_min) return {};
    if (out.empty() || out.back().offset + out.back().length < size) out.push_back({size, 0});
    return out;
}

}  // namespace engine::storage
