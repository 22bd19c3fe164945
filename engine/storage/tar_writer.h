// Writes tar streams: plain ustar where everything fits, a pax header where it does not (long names, sub-second times,
// big numbers, extended attributes, sparse files as GNU.sparse 1.0). The same entries give the same bytes. Blocking.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "engine/storage/digest.h"
#include "engine/storage/tar_reader.h"
#include "engine/storage/tar_split.h"

namespace engine::storage {

// Where an archive's bytes go, in order.
class TarSink : public ArchiveSink {
public:
    // That part of a file, which is called `path` in the archive. One that has become shorter is filled up with zeros:
    // its header is written already.
    virtual Result<void> copy(const std::string& path, int fd, uint64_t offset, uint64_t size);

private:
    std::vector<char> buffer_;
};

// Counts only; files are not read.
class CountingSink : public TarSink {
public:
    Result<void> write(std::string_view bytes) override {
        bytes_ += bytes.size();
        return {};
    }
    Result<void> copy(const std::string&, int, uint64_t, uint64_t size) override {
        bytes_ += size;
        return {};
    }
    uint64_t bytes() const { return bytes_; }

private:
    uint64_t bytes_ = 0;
};

// Counts and hashes what passes; without a next sink nothing is kept.
class HashingSink : public TarSink {
public:
    explicit HashingSink(TarSink* next = nullptr) : next_(next) {}
    Result<void> write(std::string_view bytes) override;
    uint64_t bytes() const { return bytes_; }
    std::string finish() { return hash_.finish(); }

private:
    TarSink* next_;
    Sha256 hash_;
    uint64_t bytes_ = 0;
};

// A descriptor, borrowed. Small writes are gathered, files go by sendfile where the descriptor takes it.
class FdSink : public TarSink {
public:
    explicit FdSink(int fd) : fd_(fd) {}
    Result<void> write(std::string_view bytes) override;
    Result<void> copy(const std::string& path, int fd, uint64_t offset, uint64_t size) override;
    Result<void> flush();

private:
    Result<void> put(std::string_view bytes);

    int fd_;
    bool sendfile_ = true;
    std::string gathered_;
};

class TarWriter {
public:
    explicit TarWriter(TarSink& sink) : sink_(sink) {}
    // A file's entry is followed by exactly `size` bytes of data().
    Result<void> begin(const TarEntry& entry);
    Result<void> data(std::string_view bytes);
    // A regular file with its contents; its holes stay holes when they are worth it.
    Result<void> file(TarEntry entry, int fd);
    // Begin and data of a small file.
    Result<void> text(const std::string& path, std::string_view bytes, int64_t mtime_seconds = 0);
    Result<void> finish();

private:
    Result<void> header(const TarEntry& entry, uint64_t stored);
    Result<void> pad(uint64_t stored);

    TarSink& sink_;
    uint64_t left_ = 0;  // of the current entry
    uint64_t stored_ = 0;
};

// The parts of a file that hold data, and a last empty one at its end when a hole is there; empty when there is no
// hole that is worth telling.
std::vector<SparseExtent> extents_of(int fd, uint64_t size, uint64_t allocated);

}  // namespace engine::storage
