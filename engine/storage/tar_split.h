// What makes a layer's exact archive again. The tree alone does not say in which order its files came, how their
// headers were written or what padded them: while an archive is unpacked, every byte of it that is not a file's is kept
// in `split`, and for a file's bytes where in the tree they are. Blocking; used in confined workers.
//
// A layer's folder (DATA/layers/<n>, or one in a worker's folder):
//   fs/          the tree
//   blob         the archive as it came, when it came compressed; then there is no split
//   split        zstd of records: 'B' length bytes | 'F' path offset length | 'R' path number (numbers as LEB128,
//                texts with their length before them)
//   replaced/<n> what a later entry of the same archive replaced (told by 'R')
#pragma once

#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "engine/reactor/unique_fd.h"
#include "engine/storage/tar_reader.h"

namespace engine::storage {

class ArchiveSink {
public:
    virtual ~ArchiveSink() = default;
    virtual Result<void> write(std::string_view bytes) = 0;
};

// A borrowed descriptor; EINTR is retried.
class ArchiveFdSink : public ArchiveSink {
public:
    explicit ArchiveFdSink(int fd) : fd_(fd) {}
    Result<void> write(std::string_view bytes) override;

private:
    int fd_;
};

class TarSplitWriter : public TarTap {
public:
    // folder: the layer's, borrowed.
    static Result<std::unique_ptr<TarSplitWriter>> create(int folder);
    ~TarSplitWriter() override;
    TarSplitWriter(const TarSplitWriter&) = delete;
    TarSplitWriter& operator=(const TarSplitWriter&) = delete;

    void raw(std::string_view bytes) override;
    // Bytes of the archive that lie in the tree's file.
    void file(std::string_view path, uint64_t offset, uint64_t length);
    // What has the path is moved to replaced/<number> instead of being removed. parent and name: where it is.
    Result<void> replace(std::string_view path, int parent, const char* name);
    // The first failure of any of the above is told here.
    Result<void> finish();

private:
    TarSplitWriter(int folder, UniqueFd fd);
    void put(std::string_view record);
    void flush_raw();
    void compress(std::string_view bytes, bool end);

    int folder_;
    UniqueFd fd_;
    void* context_;  // ZSTD_CCtx
    std::vector<char> out_;
    std::string raw_;
    Result<void> failed_;
    uint64_t replaced_ = 0;
};

// The exact uncompressed archive of a layer: out of its blob or its split. folder: the layer's, borrowed.
// not_found: it has neither.
Result<void> write_layer_tar(int folder, ArchiveSink& sink);
// Hard links of blob, split and replaced files into another layer's folder whose tree is a copy of this one's.
Result<void> share_layer_record(int from, int into);

}  // namespace engine::storage
