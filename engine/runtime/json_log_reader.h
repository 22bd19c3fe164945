// json-file lines back to entries. Fed with blocks of any size; a broken line is skipped.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "engine/runtime/log_format.h"

namespace engine::runtime {

class JsonLogDecoder final : public LogDecoder {
public:
    bool next(std::string_view& block, LogEntry& entry) override;
    void end_of_file() override;

private:
    bool next_own(std::string_view& block, LogEntry& entry);
    bool next_line(std::string_view& block, std::string_view& line);
    bool parse(std::string_view line, LogEntry& entry);

    std::string partial_;                        // the beginning of a record whose end has not come
    std::string text_, stream_, time_, name_;    // of the entry, where they had to be unescaped
    bool partial_used_ = false;
    bool oversized_ = false;
};

// RFC3339 with up to nine digits of fraction, "Z" or an offset; false when it is not that.
bool parse_rfc3339(std::string_view text, std::int64_t& ns);

}  // namespace engine::runtime
