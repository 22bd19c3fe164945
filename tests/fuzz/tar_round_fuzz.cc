// Whatever entry the reader takes, the writer writes so that the reader reads the same entry again.
#include <algorithm>
#include <cstring>

#include "engine/storage/tar_writer.h"

namespace {

using engine::storage::TarEntry;
using engine::storage::TarReader;
using engine::storage::TarType;
using engine::storage::TarWriter;

class Bytes : public engine::storage::BlockingSource {
public:
    explicit Bytes(std::string_view text) : text_(text) {}
    engine::Result<size_t> read(std::span<char> into) override {
        const size_t size = std::min(into.size(), text_.size());
        if (size > 0) std::memcpy(into.data(), text_.data(), size);
        text_.remove_prefix(size);
        return size;
    }

private:
    std::string_view text_;
};

class Text : public engine::storage::TarSink {
public:
    engine::Result<void> write(std::string_view bytes) override {
        text += bytes;
        return {};
    }
    std::string text;
};

std::string contents(TarReader& tar, bool& whole) {
    std::string out;
    while (true) {
        const auto part = tar.chunk();
        whole = part.has_value();
        if (!part || part->empty()) return out;
        out += *part;
    }
}

void check_same(const TarEntry& entry, std::string_view data) {
    Text sink;
    TarWriter writer(sink);
    CHECK(writer.begin(entry).has_value());
    CHECK(writer.data(data).has_value());
    CHECK(writer.finish().has_value());
    CHECK(sink.text.size() % 512 == 0);
    Bytes source(sink.text);
    TarReader tar(source);
    TarEntry again;
    const auto there = tar.next(again);
    CHECK(there.has_value() && *there);
    bool whole = false;
    CHECK(contents(tar, whole) == data && whole);
    CHECK(again.path == entry.path && again.type == entry.type && again.mode == entry.mode);
    CHECK(again.uid == entry.uid && again.gid == entry.gid);
    CHECK(again.mtime_seconds == entry.mtime_seconds && again.mtime_nanoseconds == entry.mtime_nanoseconds);
    if (entry.type == TarType::symlink || entry.type == TarType::hard_link) CHECK(again.link == entry.link);
    if (entry.type == TarType::char_device) CHECK(again.device_major == entry.device_major);
    TarEntry none;
    const auto more = tar.next(none);
    CHECK(more.has_value() && !*more);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    Bytes source({reinterpret_cast<const char*>(data), size});
    TarReader tar(source);
    TarEntry entry;
    while (true) {
        const auto more = tar.next(entry);
        if (!more || !*more) return 0;
        bool whole = false;
        std::string text = contents(tar, whole);
        if (!whole) return 0;
        // What the file system cannot hold is never written.
        if (entry.type == TarType::other || entry.device_major > 07777777 || entry.device_minor > 07777777) continue;
        if (entry.path.find('\0') != std::string::npos || entry.link.find('\0') != std::string::npos) continue;
        if (entry.type != TarType::file) text.clear();
        entry.sparse = false;
        entry.extents.clear();
        entry.size = text.size();
        std::erase_if(entry.xattrs, [](const auto& one) { return one.first.find('=') != std::string::npos; });
        check_same(entry, text);
    }
}
