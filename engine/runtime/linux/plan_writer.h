// Builds the bytes of a launch plan, operation by operation.
#pragma once

#include <initializer_list>
#include <string>
#include <string_view>

#include "engine/runtime/linux/plan.h"

namespace engine::runtime {

class PlanWriter {
public:
    explicit PlanWriter(uint64_t clone_flags, uint32_t flags = 0);

    // Strings must not contain NUL: see contains_nul().
    void add(PlanOp code, std::initializer_list<uint64_t> numbers, std::initializer_list<std::string_view> strings,
             uint16_t flags = 0);

    // For operations with lists.
    void begin(PlanOp code, uint16_t flags = 0);
    void number(uint64_t value);
    void string(std::string_view text);
    void bytes(std::string_view data);
    void end();

    std::string finish() &&;  // with the header filled in

private:
    std::string plan_;
    PlanHeader header_{};
    size_t open_ = 0;  // offset of the operation that begin() opened
};

}  // namespace engine::runtime
