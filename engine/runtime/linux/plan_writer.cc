#include "engine/runtime/linux/plan_writer.h"

#include "engine/reactor/check.h"

namespace engine::runtime {

PlanWriter::PlanWriter(uint64_t clone_flags, uint32_t flags) {
    header_.magic = kPlanMagic;
    header_.version = kPlanVersion;
    header_.clone_flags = clone_flags;
    header_.flags = flags;
    plan_.reserve(32 * 1024);
    plan_.append(sizeof header_, '\0');
}

void PlanWriter::add(PlanOp code, std::initializer_list<uint64_t> numbers,
                     std::initializer_list<std::string_view> strings, uint16_t flags) {
    begin(code, flags);
    for (uint64_t value : numbers) number(value);
    for (std::string_view text : strings) string(text);
    end();
}

void PlanWriter::begin(PlanOp code, uint16_t flags) {
    CHECK(open_ == 0);
    open_ = plan_.size();
    PlanOpHeader op{static_cast<uint16_t>(code), flags, 0};
    plan_.append(reinterpret_cast<const char*>(&op), sizeof op);
}

void PlanWriter::number(uint64_t value) { plan_.append(reinterpret_cast<const char*>(&value), sizeof value); }

void PlanWriter::string(std::string_view text) {
    plan_.append(text);
    plan_.push_back('\0');
}

void PlanWriter::bytes(std::string_view data) { plan_.append(data); }

void PlanWriter::end() {
    CHECK(open_ != 0);
    uint32_t length = static_cast<uint32_t>(plan_.size() - open_ - sizeof(PlanOpHeader));
    plan_.replace(open_ + offsetof(PlanOpHeader, length), sizeof length, reinterpret_cast<const char*>(&length),
                  sizeof length);
    plan_.resize(plan_padded(plan_.size()), '\0');
    open_ = 0;
    ++header_.op_count;
}

std::string PlanWriter::finish() && {
    CHECK(open_ == 0);
    header_.size = static_cast<uint32_t>(plan_.size());
    plan_.replace(0, sizeof header_, reinterpret_cast<const char*>(&header_), sizeof header_);
    return std::move(plan_);
}

}  // namespace engine::runtime
