// Room on the file system kept back for the moment when there is none: on a disk that others have filled to the last
// block, what frees it (the end of a container, a removal) has to be written down first. Best effort: a reserve that
// cannot be had is tried for again. Nothing here waits for the disk.
#pragma once

#include <cstdint>
#include <string>

#include "engine/reactor/unique_fd.h"

namespace engine::storage {

class ReserveFile {
public:
    ReserveFile(const std::string& path, int64_t bytes, int64_t step_bytes);

    bool give_up_step();  // false: nothing is left to give
    void refill();        // what is missing, where the disk has it; cheap when nothing is
    int64_t bytes() const { return held_; }

private:
    UniqueFd fd_;
    int64_t wanted_;
    int64_t step_;
    int64_t held_ = 0;
    int64_t next_try_ = 0;  // seconds of CLOCK_MONOTONIC
};

}  // namespace engine::storage
