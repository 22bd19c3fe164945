// Which log driver a container has and how it was asked to behave: the options checked, in dockerd's words.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "engine/reactor/result.h"
#include "engine/runtime/container_spec.h"

namespace engine::runtime {

enum class LogDriverKind : unsigned char { json_file, local, none };

struct LogSettings {
    LogDriverKind kind = LogDriverKind::json_file;
    std::int64_t file_bytes_max = 0;    // before the next record makes a new file; 0: never
    int files_max = 1;
    bool compress = false;              // files that are no longer written
    bool blocking = true;               // a log that falls behind holds the container back, else lines are dropped
    std::int64_t buffer_bytes_max = 0;  // waiting to be written, when not blocking
};

// The drivers there are, sorted: what GET /info lists.
std::vector<std::string> log_driver_names();
Result<LogSettings> log_settings(const LogConfig& config);
// The engine's own driver and options where a container names none.
void add_log_defaults(LogConfig& config, const LogConfig& defaults);

// What `labels`, `labels-regex`, `env`, `env-regex` and `tag` add to each record: a JSON object, "" when nothing.
struct LogIdentity {
    std::string container_id;
    std::string container_name;  // without slash
    std::string image_id;
};
Result<std::string> log_attributes(const ContainerSpec& spec, const LogIdentity& identity);

}  // namespace engine::runtime
