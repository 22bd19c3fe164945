// gzip through ISA-L: the same input always makes the same bytes. Blocking.
#pragma once

#include <memory>
#include <vector>

#include "engine/storage/tar_split.h"

struct isal_zstream;

namespace engine::storage {

class GzipSink : public ArchiveSink {
public:
    explicit GzipSink(int fd);  // borrowed
    ~GzipSink() override;
    Result<void> write(std::string_view bytes) override;
    Result<void> finish();

private:
    Result<void> deflate(std::string_view bytes, bool end);

    ArchiveFdSink sink_;
    std::unique_ptr<isal_zstream> stream_;
    std::vector<unsigned char> level_buffer_;
    std::vector<unsigned char> out_;
};

}  // namespace engine::storage
