#include "engine/storage/reserve_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>

namespace engine::storage {
namespace {

constexpr int64_t pause_between_tries = 1;  // seconds

int64_t seconds_now() {
    timespec now{};
    ::clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
    return now.tv_sec;
}

}  // namespace

ReserveFile::ReserveFile(const std::string& path, int64_t bytes, int64_t step_bytes)
    : fd_(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600)), wanted_(bytes), step_(step_bytes) {
    struct stat found {};
    if (fd_ && ::fstat(fd_.get(), &found) == 0) held_ = std::min<int64_t>(found.st_size, bytes);
    refill();
}

bool ReserveFile::give_up_step() {
    if (held_ == 0) return false;
    const int64_t rest = std::max<int64_t>(held_ - step_, 0);
    if (::ftruncate(fd_.get(), rest) != 0) return false;
    held_ = rest;
    next_try_ = seconds_now() + pause_between_tries;
    return true;
}

void ReserveFile::refill() {
    if (held_ == wanted_ || !fd_ || seconds_now() < next_try_) return;
    next_try_ = seconds_now() + pause_between_tries;
    while (held_ < wanted_ && ::fallocate(fd_.get(), 0, held_, std::min(step_, wanted_ - held_)) == 0)
        held_ += std::min(step_, wanted_ - held_);
}

}  // namespace engine::storage
