// Any bytes as a launch plan and as a child's report of a failure: the keeper must refuse what it cannot walk through.
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>

#include "engine/reactor/check.h"
#include "engine/runtime/linux/launch_plan.h"
#include "engine/runtime/linux/plan.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace engine::runtime;
    LaunchFailure failure{};
    if (size < sizeof failure) return 0;
    std::memcpy(&failure, data, sizeof failure);
    const std::string plan(reinterpret_cast<const char*>(data) + sizeof failure, size - sizeof failure);
    failure.op_index %= 64;
    engine::ignore_result(describe_failure(plan, failure), "any sentence is fine");
    if (!plan_valid(plan.data(), plan.size())) return 0;
    PlanHeader header;
    std::memcpy(&header, plan.data(), sizeof header);
    std::size_t at = sizeof header;
    for (std::uint32_t i = 0; i < header.op_count; ++i) {
        const PlanStep step = plan_next(plan.data(), at);
        CHECK(at <= plan.size());
        PlanReader in(step.payload, step.length);
        for (int field = 0; field < 16 && in.ok(); ++field) {
            if (field % 3 == 0) {
                in.number();
            } else {
                CHECK(std::strlen(in.string()) <= step.length);
            }
        }
    }
    return 0;
}
