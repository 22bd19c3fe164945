// What goes through on its way to being a layer of ours: hashed, and recorded so that the same archive can be made
// again (tar_split.h).
#pragma once

#include "engine/storage/tar_split.h"
#include "engine/storage/tar_writer.h"

namespace engine::storage {

// Nothing is kept but the digest and the record.
class RecordingSink : public TarSink {
public:
    explicit RecordingSink(TarSplitWriter& split) : split_(split) {}
    Result<void> write(std::string_view bytes) override;
    Result<void> copy(const std::string& path, int fd, uint64_t offset, uint64_t size) override;
    uint64_t bytes() const { return bytes_; }
    std::string finish() { return hash_.finish(); }

private:
    TarSplitWriter& split_;
    Sha256 hash_;
    uint64_t bytes_ = 0;
    bool in_file_ = false;  // the bytes are the tree's
};

// folder: a layer's, borrowed. Does it hold what its archive is made of?
bool has_record(int folder);

}  // namespace engine::storage
