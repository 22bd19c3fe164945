#include "engine/storage/layer_record.h"

#include <fcntl.h>
#include <sys/stat.h>

#include "engine/reactor/try.h"

namespace engine::storage {

Result<void> RecordingSink::write(std::string_view bytes) {
    if (!in_file_) split_.raw(bytes);
    hash_.update(bytes.data(), bytes.size());
    bytes_ += bytes.size();
    return {};
}

Result<void> RecordingSink::copy(const std::string& path, int fd, uint64_t offset, uint64_t size) {
    split_.file(path, offset, size);
    in_file_ = true;
    auto done = TarSink::copy(path, fd, offset, size);
    in_file_ = false;
    return done;
}

bool has_record(int folder) {
    struct stat there {};
    return ::fstatat(folder, "blob", &there, AT_SYMLINK_NOFOLLOW) == 0 ||
           ::fstatat(folder, "split", &there, AT_SYMLINK_NOFOLLOW) == 0;
}

}  // namespace engine::storage
