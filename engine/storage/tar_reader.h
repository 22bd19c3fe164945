// A pull parser for tar streams: ustar, pax, GNU long names, sparse (old GNU, pax 0.0, 0.1, 1.0), base-256 numbers.
// Blocking: used in worker processes. It only parses; what a name may touch is decided by whoever creates files.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "engine/reactor/result.h"

namespace engine::storage {

inline constexpr size_t block_bytes = 512;  // of a tar archive

// Bytes that arrive in order. read: at least one byte, or 0 at the end.
class BlockingSource {
public:
    virtual ~BlockingSource() = default;
    virtual Result<size_t> read(std::span<char> into) = 0;
    // Bytes the client has sent for all that was read so far; what decompressors measure themselves by.
    virtual uint64_t received() const { return UINT64_MAX; }
};

enum class TarType : unsigned char { file, hard_link, symlink, char_device, block_device, directory, fifo, other };

struct SparseExtent {
    uint64_t offset;
    uint64_t length;
};

struct TarEntry {
    std::string path;  // as written, never empty
    std::string link;  // hard_link, symlink
    TarType type = TarType::file;
    uint32_t mode = 0;  // permission bits with setuid, setgid, sticky
    uint64_t uid = 0;
    uint64_t gid = 0;
    uint64_t size = 0;    // of the file once unpacked
    uint64_t stored = 0;  // bytes of it in the archive; less than size when sparse
    int64_t mtime_seconds = 0;
    uint32_t mtime_nanoseconds = 0;
    uint32_t device_major = 0;
    uint32_t device_minor = 0;
    bool sparse = false;
    std::vector<SparseExtent> extents;                        // sparse: where the stored bytes go, in order
    std::vector<std::pair<std::string, std::string>> xattrs;  // name, value
};

// Sees every byte of an archive that chunk() does not hand out: headers, padding, the end.
class TarTap {
public:
    virtual ~TarTap() = default;
    virtual void raw(std::string_view bytes) = 0;
};

class TarReader {
public:
    explicit TarReader(BlockingSource& source, TarTap* tap = nullptr);  // both outlive the reader

    // The next entry; what was unread of the last one is skipped. False at the end of the archive.
    Result<bool> next(TarEntry& entry);
    // Next stored bytes of the current entry, a view valid until the next call; empty at its end.
    Result<std::string_view> chunk();
    uint64_t received() const { return source_.received(); }
    // Reads the source to its end (padding after the archive counts for a digest).
    Result<void> drain();

private:
    struct Pax;
    Result<bool> fill(size_t wanted);  // false: the source ended before
    void pass(size_t size);            // consumed and told to the tap
    Result<std::string_view> raw_chunk();
    Result<std::string> long_text(uint64_t size);
    Result<void> parse_pax(std::string_view records, Pax& pax);
    Result<void> old_sparse_map(const char* block, TarEntry& entry);
    Result<void> sparse_map_1_0(TarEntry& entry);
    Result<void> skip_rest();

    BlockingSource& source_;
    TarTap* tap_;
    std::vector<char> buffer_;
    size_t begin_ = 0;
    size_t end_ = 0;
    uint64_t left_ = 0;     // stored bytes of the current entry not yet handed out
    uint64_t padding_ = 0;  // to the next 512
    bool ended_ = false;
};

// True when the block is a tar header by its checksum, or all zero.
bool looks_like_tar(std::string_view block);

}  // namespace engine::storage
