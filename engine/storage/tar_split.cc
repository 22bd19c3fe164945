#include "engine/storage/tar_split.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <zstd.h>

#include <algorithm>
#include <optional>

#include "engine/reactor/try.h"
#include "engine/storage/decompress.h"
#include "engine/storage/limits.h"
#include "engine/storage/tree.h"

namespace engine::storage {
namespace {

constexpr size_t raw_bytes = 64 << 10;  // of one 'B' record
constexpr int split_level = 1;

void append_number(std::string& out, uint64_t value) {
    for (; value >= 0x80; value >>= 7) out += static_cast<char>(value | 0x80);
    out += static_cast<char>(value);
}

void append_text(std::string& out, std::string_view text) {
    append_number(out, text.size());
    out += text;
}

tl::unexpected<Error> damaged() {
    return fail(ErrorKind::internal, "the record of the layer's archive is damaged");
}

// Our own file: how much it grows is no sign of malice.
class OwnFile : public BlockingSource {
public:
    explicit OwnFile(int fd) : source_(fd) {}
    Result<size_t> read(std::span<char> into) override { return source_.read(into); }

private:
    FdSource source_;
};

// Records out of the decompressed stream.
class SplitReader {
public:
    explicit SplitReader(BlockingSource& source) : source_(source), buffer_(raw_bytes) {}

    // The next record's letter; 0 at the end.
    Result<char> next() {
        TRY(const bool more, fill());
        if (!more) return '\0';
        return buffer_[begin_++];
    }
    Result<uint64_t> number() {
        uint64_t value = 0;
        for (unsigned shift = 0; shift < 64; shift += 7) {
            TRY(const bool more, fill());
            if (!more) return damaged();
            const auto byte = static_cast<unsigned char>(buffer_[begin_++]);
            value |= uint64_t{byte & 0x7fu} << shift;
            if (byte < 0x80) return value;
        }
        return damaged();
    }
    Result<std::string> text() {
        TRY(const uint64_t size, number());
        if (size > limits::tar_path_bytes_max) return damaged();
        std::string out;
        while (out.size() < size) {
            TRY(const auto part, bytes(size - out.size()));
            out += part;
        }
        return out;
    }
    // At most `size` bytes, at least one; valid until the next call.
    Result<std::string_view> bytes(uint64_t size) {
        TRY(const bool more, fill());
        if (!more) return damaged();
        const size_t part = static_cast<size_t>(std::min<uint64_t>(size, end_ - begin_));
        const std::string_view view(buffer_.data() + begin_, part);
        begin_ += part;
        return view;
    }

private:
    Result<bool> fill() {
        if (begin_ < end_) return true;
        begin_ = end_ = 0;
        TRY(end_, source_.read({buffer_.data(), buffer_.size()}));
        return end_ > 0;
    }
    BlockingSource& source_;
    std::vector<char> buffer_;
    size_t begin_ = 0;
    size_t end_ = 0;
};

struct Replaced {
    uint64_t at;  // number of the record that tells it
    std::string path;
    uint64_t number;
};

UniqueFd open_in(int root, const std::string& path, uint64_t flags) {
    open_how how{};
    how.flags = flags | O_CLOEXEC;
    how.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS;
    return UniqueFd(static_cast<int>(::syscall(SYS_openat2, root, path.c_str(), &how, sizeof how)));
}

class Assembler {
public:
    Assembler(int folder, ArchiveSink& sink) : folder_(folder), sink_(sink), buffer_(limits::tar_buffer_bytes) {}
    Result<void> run() {
        TRY_VOID(each_record(true));
        return each_record(false);
    }

private:
    Result<void> each_record(bool replacements_only);
    Result<void> file(const std::string& path, uint64_t offset, uint64_t length, uint64_t at);
    std::string place_of(const std::string& path, uint64_t at) const;

    int folder_;
    ArchiveSink& sink_;
    std::vector<char> buffer_;
    std::vector<Replaced> replaced_;
    std::string open_path_;
    UniqueFd open_;
};

Result<void> Assembler::each_record(bool replacements_only) {
    const UniqueFd fd(::openat(folder_, "split", O_RDONLY | O_NOFOLLOW | O_CLOEXEC));
    if (!fd && errno == ENOENT) return fail(ErrorKind::not_found, "the layer's archive was not recorded");
    if (!fd) return fail_errno(errno, "open the record of a layer's archive");
    OwnFile own(fd.get());
    TRY(const auto plain, decompressing(own));
    SplitReader reader(*plain);
    for (uint64_t at = 0;; at++) {
        TRY(const char kind, reader.next());
        if (kind == '\0') return {};
        if (kind == 'B') {
            TRY(uint64_t left, reader.number());
            while (left > 0) {
                TRY(const auto part, reader.bytes(left));
                left -= part.size();
                if (replacements_only) continue;
                TRY_VOID(sink_.write(part));
            }
        } else if (kind == 'F') {
            TRY(const std::string path, reader.text());
            TRY(const uint64_t offset, reader.number());
            TRY(const uint64_t length, reader.number());
            if (replacements_only) continue;
            TRY_VOID(file(path, offset, length, at));
        } else if (kind == 'R') {
            TRY(std::string path, reader.text());
            TRY(const uint64_t number, reader.number());
            if (replacements_only) replaced_.push_back({at, std::move(path), number});
        } else {
            return damaged();
        }
    }
}

// The first replacement after the file was written is where it went.
std::string Assembler::place_of(const std::string& path, uint64_t at) const {
    for (const Replaced& one : replaced_) {
        if (one.at < at) continue;
        const bool below = path.size() > one.path.size() && path.starts_with(one.path) && path[one.path.size()] == '/';
        if (path != one.path && !below) continue;
        return "replaced/" + std::to_string(one.number) + path.substr(one.path.size());
    }
    return "fs/" + path;
}

Result<void> Assembler::file(const std::string& path, uint64_t offset, uint64_t length, uint64_t at) {
    const std::string place = place_of(path, at);
    if (open_path_ != place || !open_) {
        // Symbolic links in the name mean what they meant when the archive was unpacked: the tree is the root.
        const size_t slash = place.find('/');
        const UniqueFd top(::openat(folder_, place.substr(0, slash).c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
        open_ = open_in(place.starts_with("fs/") ? top.get() : folder_,
                        place.starts_with("fs/") ? place.substr(slash + 1) : place, O_RDONLY | O_NOFOLLOW);
        if (!open_) return fail_errno(errno, "open " + path + " of a layer");
        open_path_ = place;
    }
    while (length > 0) {
        const size_t wanted = static_cast<size_t>(std::min<uint64_t>(length, buffer_.size()));
        const ssize_t got = ::pread(open_.get(), buffer_.data(), wanted, static_cast<off_t>(offset));
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) return fail_errno(errno, "read " + path + " of a layer");
        if (got == 0) return fail(ErrorKind::internal, path + " of a layer is shorter than it was");
        TRY_VOID(sink_.write({buffer_.data(), static_cast<size_t>(got)}));
        offset += static_cast<uint64_t>(got);
        length -= static_cast<uint64_t>(got);
    }
    return {};
}

Result<void> link_file(int from, int into, const char* name) {
    if (::linkat(from, name, into, name, 0) == 0 || errno == ENOENT) return {};
    return fail_errno(errno, std::string("keep a layer's ") + name);
}

}  // namespace

Result<void> ArchiveFdSink::write(std::string_view bytes) {
    while (!bytes.empty()) {
        const ssize_t put = ::write(fd_, bytes.data(), bytes.size());
        if (put < 0 && errno == EINTR) continue;
        if (put < 0) return fail_errno(errno, "write");
        bytes.remove_prefix(static_cast<size_t>(put));
    }
    return {};
}

TarSplitWriter::TarSplitWriter(int folder, UniqueFd fd)
    : folder_(folder), fd_(std::move(fd)), context_(ZSTD_createCCtx()), out_(ZSTD_CStreamOutSize()) {
    CHECK(context_ != nullptr);
    ZSTD_CCtx_setParameter(static_cast<ZSTD_CCtx*>(context_), ZSTD_c_compressionLevel, split_level);
}

TarSplitWriter::~TarSplitWriter() {
    ZSTD_freeCCtx(static_cast<ZSTD_CCtx*>(context_));
}

Result<std::unique_ptr<TarSplitWriter>> TarSplitWriter::create(int folder) {
    UniqueFd fd(::openat(folder, "split", O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
    if (!fd) return fail_errno(errno, "create the record of a layer's archive");
    return std::unique_ptr<TarSplitWriter>(new TarSplitWriter(folder, std::move(fd)));
}

void TarSplitWriter::compress(std::string_view bytes, bool end) {
    if (!failed_) return;
    ZSTD_inBuffer in{bytes.data(), bytes.size(), 0};
    ArchiveFdSink sink(fd_.get());
    while (true) {
        ZSTD_outBuffer out{out_.data(), out_.size(), 0};
        const size_t left =
            ZSTD_compressStream2(static_cast<ZSTD_CCtx*>(context_), &out, &in, end ? ZSTD_e_end : ZSTD_e_continue);
        if (ZSTD_isError(left)) {
            failed_ = fail(ErrorKind::internal, std::string("zstd: ") + ZSTD_getErrorName(left));
            return;
        }
        if (auto put = sink.write({out_.data(), out.pos}); !put) {
            failed_ = std::move(put);
            return;
        }
        if (end ? left == 0 : in.pos == in.size) return;
    }
}

void TarSplitWriter::flush_raw() {
    if (raw_.empty()) return;
    std::string head = "B";
    append_number(head, raw_.size());
    compress(head, false);
    compress(raw_, false);
    raw_.clear();
}

void TarSplitWriter::put(std::string_view record) {
    flush_raw();
    compress(record, false);
}

void TarSplitWriter::raw(std::string_view bytes) {
    while (!bytes.empty()) {
        const size_t part = std::min(bytes.size(), raw_bytes - raw_.size());
        raw_ += bytes.substr(0, part);
        bytes.remove_prefix(part);
        if (raw_.size() == raw_bytes) flush_raw();
    }
}

void TarSplitWriter::file(std::string_view path, uint64_t offset, uint64_t length) {
    if (length == 0) return;
    std::string record = "F";
    append_text(record, path);
    append_number(record, offset);
    append_number(record, length);
    put(record);
}

Result<void> TarSplitWriter::replace(std::string_view path, int parent, const char* name) {
    const std::string number = std::to_string(replaced_);
    if (replaced_ == 0 && ::mkdirat(folder_, "replaced", 0700) != 0)
        return fail_errno(errno, "keep what an archive replaces");
    const UniqueFd home(::openat(folder_, "replaced", O_PATH | O_DIRECTORY | O_CLOEXEC));
    if (!home || ::renameat(parent, name, home.get(), number.c_str()) != 0)
        return fail_errno(errno, "keep what an archive replaces");
    std::string record = "R";
    append_text(record, path);
    append_number(record, replaced_++);
    put(record);
    return {};
}

Result<void> TarSplitWriter::finish() {
    flush_raw();
    compress({}, true);
    return std::move(failed_);
}

Result<void> write_layer_tar(int folder, ArchiveSink& sink) {
    const UniqueFd blob(::openat(folder, "blob", O_RDONLY | O_NOFOLLOW | O_CLOEXEC));
    if (!blob) return Assembler(folder, sink).run();
    OwnFile own(blob.get());
    TRY(const auto plain, decompressing(own));
    std::vector<char> buffer(limits::tar_buffer_bytes);
    while (true) {
        TRY(const size_t got, plain->read({buffer.data(), buffer.size()}));
        if (got == 0) return {};
        TRY_VOID(sink.write({buffer.data(), got}));
    }
}

Result<void> share_layer_record(int from, int into) {
    TRY_VOID(link_file(from, into, "blob"));
    TRY_VOID(link_file(from, into, "split"));
    const UniqueFd replaced(::openat(from, "replaced", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!replaced) return {};
    if (::mkdirat(into, "replaced", 0700) != 0) return fail_errno(errno, "keep a layer's replaced files");
    const UniqueFd copy(::openat(into, "replaced", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!copy) return fail_errno(errno, "keep a layer's replaced files");
    return apply_layer(replaced.get(), copy.get(), true);
}

}  // namespace engine::storage
