// Named limits of the runtime.
#pragma once

#include <cstddef>
#include <cstdint>

namespace engine::runtime {

constexpr std::size_t kCreateBodyBytes = std::size_t{4} << 20;
constexpr std::size_t kLogLineBytes = 16 * 1024;               // longer lines are split, as dockerd does
constexpr std::size_t kLogRecordBytes = std::size_t{1} << 20;  // a longer record in a log file is broken
constexpr std::int64_t kMemoryMinimum = std::int64_t{6} << 20;
constexpr std::int64_t kShmSizeDefault = std::int64_t{64} << 20;
constexpr std::size_t kExecsOfContainerMax = 10'000;  // that run or were never started; more: refused
constexpr std::size_t kExecsEndedMax = 4096;          // kept for those who ask how they ended; then the oldest goes
constexpr std::size_t kPsOutputBytes = std::size_t{8} << 20;     // of the host's ps, for top
constexpr std::size_t kCgroupListBytes = std::size_t{4} << 20;   // of one cgroup.procs: half a million processes
constexpr std::size_t kStatsFileBytes = std::size_t{1} << 20;     // of one file that is read for stats
constexpr int kLogFilesMax = 1000;                              // of one container
constexpr std::int64_t kLogBufferBytesDefault = 1 << 20;        // mode=non-blocking: what may wait to be written
constexpr std::int64_t kLogBufferBytesMax = std::int64_t{64} << 20;
constexpr std::size_t kLogBatchBytes = 512 * 1024;             // of records in one write
constexpr std::size_t kOutputBytes = 256 * 1024;               // of a stream, read and not yet in the log
constexpr std::size_t kAttachmentBytes = std::size_t{1} << 20;  // waiting for one client before its container waits
constexpr std::size_t kDevicesOfDirectoryMax = 1024;           // below one directory given as a device

}  // namespace engine::runtime
