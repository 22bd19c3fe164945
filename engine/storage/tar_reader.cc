#include "engine/storage/tar_reader.h"

#include <algorithm>
#include <charconv>
#include <cstring>
#include <optional>

#include "engine/reactor/try.h"
#include "engine/storage/limits.h"

namespace engine::storage {
namespace {


tl::unexpected<Error> bad_header(const char* why) {
    return fail(ErrorKind::invalid, std::string("archive/tar: invalid tar header: ") + why);
}
tl::unexpected<Error> cut_short() {
    return fail(ErrorKind::invalid, "unexpected EOF");
}

std::string_view field_text(const char* field, size_t size) {
    return {field, strnlen(field, size)};
}

// Octal, or base-256 when the top bit of the first byte is set (negative when the next one is too).
std::optional<int64_t> field_number(const char* field, size_t size) {
    const auto* bytes = reinterpret_cast<const unsigned char*>(field);
    if (bytes[0] & 0x80) {
        const bool negative = (bytes[0] & 0x40) != 0;
        uint64_t value = negative ? ~uint64_t{0} : 0;
        for (size_t i = 0; i < size; i++) {
            const unsigned byte = i > 0 ? bytes[i] : (negative ? (bytes[0] | 0x80u) : (bytes[0] & 0x3fu));
            const uint64_t top = value >> 55;
            if (top != (negative ? 0x1ffu : 0u)) return std::nullopt;
            value = (value << 8) | byte;
        }
        return static_cast<int64_t>(value);
    }
    size_t i = 0;
    while (i < size && (field[i] == ' ' || field[i] == '\0')) i++;
    int64_t value = 0;
    for (; i < size && field[i] != ' ' && field[i] != '\0'; i++) {
        if (field[i] < '0' || field[i] > '7' || value >> 59) return std::nullopt;
        value = value * 8 + (field[i] - '0');
    }
    return value;
}

bool checksum_fits(const char* block) {
    const auto stored = field_number(block + 148, 8);
    if (!stored) return false;
    int64_t plain = 0;
    int64_t with_sign = 0;
    for (size_t i = 0; i < block_bytes; i++) {
        const char c = i >= 148 && i < 156 ? ' ' : block[i];
        plain += static_cast<unsigned char>(c);
        with_sign += static_cast<signed char>(c);
    }
    return *stored == plain || *stored == with_sign;
}

bool all_zero(const char* block) {
    return block[0] == 0 && std::memcmp(block, block + 1, block_bytes - 1) == 0;
}

template <class T>
bool decimal(std::string_view text, T& out) {
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out);
    return error == std::errc() && end == text.data() + text.size() && !text.empty();
}

bool parse_time(std::string_view text, int64_t& seconds, uint32_t& nanoseconds) {
    const size_t dot = text.find('.');
    if (!decimal(text.substr(0, dot), seconds)) return false;
    nanoseconds = 0;
    if (dot == std::string_view::npos) return true;
    uint32_t scale = 100'000'000;
    for (char c : text.substr(dot + 1)) {
        if (c < '0' || c > '9') return false;
        nanoseconds += static_cast<uint32_t>(c - '0') * scale;
        scale /= 10;
    }
    if (text.starts_with('-') && nanoseconds > 0) {
        if (seconds == INT64_MIN) return false;
        seconds -= 1;
        nanoseconds = 1'000'000'000 - nanoseconds;
    }
    return true;
}

// Extents must be in order, not overlap, stay in the file and hold exactly the stored bytes.
bool extents_fit(const TarEntry& entry) {
    uint64_t at = 0;
    uint64_t stored = 0;
    for (const auto& extent : entry.extents) {
        if (extent.offset < at || extent.offset > entry.size || extent.length > entry.size - extent.offset)
            return false;
        at = extent.offset + extent.length;
        stored += extent.length;
    }
    return stored == entry.stored;
}

}  // namespace

bool looks_like_tar(std::string_view block) {
    return block.size() >= block_bytes && (all_zero(block.data()) || checksum_fits(block.data()));
}

struct TarReader::Pax {
    std::optional<std::string> path, link, sparse_name;
    std::optional<uint64_t> size, uid, gid, real_size;
    std::optional<std::pair<int64_t, uint32_t>> mtime;
    std::vector<std::pair<std::string, std::string>> xattrs;
    std::vector<SparseExtent> extents;
    bool sparse = false;
    bool sparse_1_0 = false;
};

TarReader::TarReader(BlockingSource& source, TarTap* tap)
    : source_(source), tap_(tap), buffer_(limits::tar_buffer_bytes) {}

void TarReader::pass(size_t size) {
    if (tap_ != nullptr) tap_->raw({buffer_.data() + begin_, size});
    begin_ += size;
}

Result<bool> TarReader::fill(size_t wanted) {
    if (end_ - begin_ >= wanted) return true;
    if (begin_ > 0) {
        std::memmove(buffer_.data(), buffer_.data() + begin_, end_ - begin_);
        end_ -= begin_;
        begin_ = 0;
    }
    while (end_ < wanted) {
        TRY(const size_t got, source_.read({buffer_.data() + end_, buffer_.size() - end_}));
        if (got == 0) return false;
        end_ += got;
    }
    return true;
}

Result<std::string_view> TarReader::chunk() {
    if (left_ == 0) return std::string_view();
    if (begin_ == end_) {
        TRY(const bool more, fill(1));
        if (!more) return cut_short();
    }
    const size_t size = static_cast<size_t>(std::min<uint64_t>(left_, end_ - begin_));
    const std::string_view view(buffer_.data() + begin_, size);
    begin_ += size;
    left_ -= size;
    return view;
}

Result<std::string_view> TarReader::raw_chunk() {
    TRY(const auto view, chunk());
    if (tap_ != nullptr && !view.empty()) tap_->raw(view);
    return view;
}

Result<void> TarReader::skip_rest() {
    left_ += padding_;
    padding_ = 0;
    while (left_ > 0) {
        TRY(const auto skipped, raw_chunk());
        static_cast<void>(skipped);
    }
    return {};
}

Result<void> TarReader::drain() {
    ended_ = true;
    pass(end_ - begin_);
    while (true) {
        begin_ = end_ = 0;
        TRY(const size_t got, source_.read({buffer_.data(), buffer_.size()}));
        if (got == 0) return {};
        end_ = got;
        pass(got);
    }
}

Result<std::string> TarReader::long_text(uint64_t size) {
    if (size > limits::tar_pax_bytes_max) return bad_header("extended header is too long");
    std::string out;
    left_ = size;
    padding_ = (block_bytes - size % block_bytes) % block_bytes;
    while (left_ > 0) {
        TRY(const auto part, raw_chunk());
        out += part;
    }
    TRY_VOID(skip_rest());
    return out;
}

Result<void> TarReader::parse_pax(std::string_view records, Pax& pax) {
    std::optional<uint64_t> sparse_offset;
    while (!records.empty()) {
        const size_t space = records.find(' ');
        size_t length = 0;
        if (space == std::string_view::npos || !decimal(records.substr(0, space), length) || length > records.size() ||
            length < space + 3 || records[length - 1] != '\n')
            return bad_header("malformed pax record");
        const auto record = records.substr(space + 1, length - space - 2);
        records.remove_prefix(length);
        const size_t equals = record.find('=');
        if (equals == std::string_view::npos || equals == 0) return bad_header("malformed pax record");
        const auto key = record.substr(0, equals);
        const auto value = record.substr(equals + 1);
        const auto number = [&](std::optional<uint64_t>& out) {
            uint64_t parsed = 0;
            const bool fits = decimal(value, parsed);
            if (fits) out = parsed;
            return fits;
        };
        bool good = true;
        const bool is_text = key == "path" || key == "linkpath" || key == "GNU.sparse.name";
        if (is_text && value.find('\0') != std::string_view::npos) return bad_header("NUL in a name");
        if (key == "path") {
            pax.path = value;
        } else if (key == "linkpath") {
            pax.link = value;
        } else if (key == "size") {
            good = number(pax.size);
        } else if (key == "uid") {
            good = number(pax.uid);
        } else if (key == "gid") {
            good = number(pax.gid);
        } else if (key == "mtime") {
            int64_t seconds = 0;
            uint32_t nanoseconds = 0;
            good = parse_time(value, seconds, nanoseconds);
            pax.mtime = {seconds, nanoseconds};
        } else if (key.starts_with("SCHILY.xattr.")) {
            if (pax.xattrs.size() >= limits::xattrs_per_file_max || value.size() > limits::xattr_value_bytes_max)
                return bad_header("too many extended attributes");
            pax.xattrs.emplace_back(key.substr(13), value);
        } else if (key == "GNU.sparse.major") {
            pax.sparse = true;
            pax.sparse_1_0 = value == "1";
        } else if (key == "GNU.sparse.name") {
            pax.sparse_name = value;
        } else if (key == "GNU.sparse.size" || key == "GNU.sparse.realsize") {
            pax.sparse = true;
            good = number(pax.real_size);
        } else if (key == "GNU.sparse.offset") {
            good = number(sparse_offset);
        } else if (key == "GNU.sparse.numbytes") {
            std::optional<uint64_t> length_of;
            good = number(length_of) && sparse_offset && pax.extents.size() < limits::tar_sparse_extents_max;
            if (good) pax.extents.push_back({*sparse_offset, *length_of});
        } else if (key == "GNU.sparse.map") {
            auto rest = value;
            while (good && !rest.empty()) {
                const size_t comma = rest.find(',');
                const size_t second = comma == std::string_view::npos ? comma : rest.find(',', comma + 1);
                SparseExtent extent{};
                good = comma != std::string_view::npos && decimal(rest.substr(0, comma), extent.offset) &&
                       decimal(rest.substr(comma + 1, second == std::string_view::npos ? second : second - comma - 1),
                               extent.length) &&
                       pax.extents.size() < limits::tar_sparse_extents_max;
                if (good) pax.extents.push_back(extent);
                rest = second == std::string_view::npos ? std::string_view() : rest.substr(second + 1);
            }
        }
        if (!good) return bad_header("malformed pax value");
    }
    return {};
}

Result<void> TarReader::old_sparse_map(const char* block, TarEntry& entry) {
    const auto take = [&](const char* at, size_t count) {
        for (size_t i = 0; i < count; i++, at += 24) {
            if (at[0] == '\0') return true;
            const auto offset = field_number(at, 12);
            const auto length = field_number(at + 12, 12);
            if (!offset || !length || *offset < 0 || *length < 0) return false;
            if (entry.extents.size() >= limits::tar_sparse_extents_max) return false;
            entry.extents.push_back({static_cast<uint64_t>(*offset), static_cast<uint64_t>(*length)});
        }
        return true;
    };
    const auto real_size = field_number(block + 483, 12);
    if (!real_size || *real_size < 0) return bad_header("sparse size");
    entry.sparse = true;
    entry.size = static_cast<uint64_t>(*real_size);
    bool good = take(block + 386, 4);
    bool more = block[482] != 0;
    while (good && more) {
        TRY(const bool there, fill(block_bytes));
        if (!there) return cut_short();
        const char* extension = buffer_.data() + begin_;
        good = take(extension, 21);
        more = extension[504] != 0;
        pass(block_bytes);
    }
    if (!good) return bad_header("sparse map");
    return {};
}

Result<void> TarReader::sparse_map_1_0(TarEntry& entry) {
    std::string line;
    std::string_view view;
    uint64_t used = 0;
    std::vector<uint64_t> numbers;
    uint64_t wanted = 1;
    while (numbers.size() < wanted) {
        if (view.empty()) {
            // One block at a time: the map ends on a block's edge and the file's bytes begin there.
            if (left_ < block_bytes) return bad_header("sparse map");
            TRY(const bool there, fill(block_bytes));
            if (!there) return cut_short();
            view = {buffer_.data() + begin_, block_bytes};
            pass(block_bytes);
            left_ -= block_bytes;
            used += block_bytes;
        }
        const char c = view.front();
        view.remove_prefix(1);
        if (c != '\n') {
            line += c;
            if (line.size() > 20) return bad_header("sparse map");
            continue;
        }
        uint64_t value = 0;
        if (!decimal(line, value)) return bad_header("sparse map");
        line.clear();
        if (numbers.empty()) {
            if (value > limits::tar_sparse_extents_max) return bad_header("sparse map is too long");
            wanted = 1 + 2 * value;
        }
        numbers.push_back(value);
    }
    for (size_t i = 1; i < numbers.size(); i += 2) entry.extents.push_back({numbers[i], numbers[i + 1]});
    entry.stored -= used;
    return {};
}

Result<bool> TarReader::next(TarEntry& entry) {
    if (ended_) return false;
    TRY_VOID(skip_rest());
    Pax pax;
    std::optional<std::string> long_name;
    std::optional<std::string> long_link;
    char block[block_bytes];
    for (bool extended = false;; extended = true) {
        TRY(const bool there, fill(block_bytes));
        if (!there) {
            if (begin_ != end_ || extended) return cut_short();
            ended_ = true;
            return false;
        }
        std::memcpy(block, buffer_.data() + begin_, block_bytes);
        pass(block_bytes);
        if (all_zero(block)) {
            if (extended) return bad_header("end of archive after an extended header");
            ended_ = true;
            return false;
        }
        if (!checksum_fits(block)) return bad_header("checksum");
        const auto size = field_number(block + 124, 12);
        const char type = block[156];
        if (type == 'x' || type == 'g' || type == 'L' || type == 'K') {
            if (!size || *size < 0) return bad_header("size");
            TRY(std::string text, long_text(static_cast<uint64_t>(*size)));
            if (type == 'x') {
                TRY_VOID(parse_pax(text, pax));
            }
            if (type == 'L') long_name = text.substr(0, text.find('\0'));
            if (type == 'K') long_link = text.substr(0, text.find('\0'));
            continue;
        }
        break;
    }

    entry = TarEntry();
    const bool ustar = std::memcmp(block + 257, "ustar\0", 6) == 0;
    const auto mode = field_number(block + 100, 8);
    const auto uid = field_number(block + 108, 8);
    const auto gid = field_number(block + 116, 8);
    const auto size = field_number(block + 124, 12);
    const auto mtime = field_number(block + 136, 12);
    const auto device_major = field_number(block + 329, 8);
    const auto device_minor = field_number(block + 337, 8);
    if (!mode || !mtime) return bad_header("number");
    if ((!uid && !pax.uid) || (!gid && !pax.gid) || (!size && !pax.size)) return bad_header("number");
    entry.path = field_text(block, 100);
    if (ustar && block[345] != '\0') entry.path = std::string(field_text(block + 345, 155)) + "/" + entry.path;
    entry.link = field_text(block + 157, 100);
    if (long_name) entry.path = std::move(*long_name);
    if (long_link) entry.link = std::move(*long_link);
    if (pax.path) entry.path = std::move(*pax.path);
    if (pax.sparse_name) entry.path = std::move(*pax.sparse_name);
    if (pax.link) entry.link = std::move(*pax.link);
    if (entry.path.empty()) return bad_header("empty name");
    if (entry.path.size() >= limits::tar_path_bytes_max || entry.link.size() >= limits::tar_path_bytes_max)
        return bad_header("name is too long");
    entry.mode = static_cast<uint32_t>(*mode & 07777);
    if (!pax.uid && *uid < 0) return bad_header("uid");
    if (!pax.gid && *gid < 0) return bad_header("gid");
    entry.uid = pax.uid ? *pax.uid : static_cast<uint64_t>(*uid);
    entry.gid = pax.gid ? *pax.gid : static_cast<uint64_t>(*gid);
    if (entry.uid >= UINT32_MAX || entry.gid >= UINT32_MAX) return bad_header("owner");
    entry.mtime_seconds = pax.mtime ? pax.mtime->first : *mtime;
    entry.mtime_nanoseconds = pax.mtime ? pax.mtime->second : 0;
    entry.xattrs = std::move(pax.xattrs);
    if (!pax.size && *size < 0) return bad_header("size");
    entry.stored = pax.size ? *pax.size : static_cast<uint64_t>(*size);
    if (entry.stored > limits::tar_entry_bytes_max) return bad_header("size is too large");

    switch (block[156]) {
        case '\0':
            entry.type = entry.path.ends_with('/') ? TarType::directory : TarType::file;
            break;
        case '0':
        case '7':
        case 'S':
            entry.type = TarType::file;
            break;
        case '1':
            entry.type = TarType::hard_link;
            break;
        case '2':
            entry.type = TarType::symlink;
            break;
        case '3':
            entry.type = TarType::char_device;
            break;
        case '4':
            entry.type = TarType::block_device;
            break;
        case '5':
            entry.type = TarType::directory;
            break;
        case '6':
            entry.type = TarType::fifo;
            break;
        default:
            entry.type = TarType::other;
            break;
    }
    if (entry.type == TarType::char_device || entry.type == TarType::block_device) {
        if (!device_major || !device_minor || *device_major < 0 || *device_minor < 0 || *device_major > UINT32_MAX ||
            *device_minor > UINT32_MAX)
            return bad_header("device number");
        entry.device_major = static_cast<uint32_t>(*device_major);
        entry.device_minor = static_cast<uint32_t>(*device_minor);
    }
    if (entry.type != TarType::file && entry.type != TarType::other) entry.stored = 0;
    left_ = entry.stored;
    padding_ = (block_bytes - entry.stored % block_bytes) % block_bytes;
    entry.size = entry.stored;
    if (entry.type == TarType::file && block[156] == 'S') {
        TRY_VOID(old_sparse_map(block, entry));
    } else if (entry.type == TarType::file && pax.sparse) {
        if (!pax.real_size) return bad_header("sparse size");
        entry.sparse = true;
        entry.size = *pax.real_size;
        entry.extents = std::move(pax.extents);
        if (pax.sparse_1_0) {
            TRY_VOID(sparse_map_1_0(entry));
        }
    }
    if (entry.size > limits::tar_entry_bytes_max) return bad_header("size is too large");
    if (entry.sparse && !extents_fit(entry)) return bad_header("sparse map");
    return true;
}

}  // namespace engine::storage
