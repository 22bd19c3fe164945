// Any bytes as an exec request's body, as the note of an exec, as a packet to the keeper and as the plan in it.
#include <cstddef>
#include <cstdint>
#include <string>

#include "engine/reactor/check.h"
#include "engine/runtime/exec_body.h"
#include "engine/runtime/linux/exec_plan.h"
#include "engine/runtime/linux/keeper_request.h"
#include "engine/runtime/linux/plan.h"

namespace {

using namespace engine::runtime;

// Every step's payload as the child reads it: numbers first, then strings to the end.
void read_plan(const char* plan, std::size_t size) {
    if (!plan_valid(plan, size)) return;
    for (std::size_t at = sizeof(PlanHeader); at < size;) {
        const PlanStep step = plan_next(plan, at);
        CHECK(at <= size && step.payload + step.length <= plan + size);
        PlanReader in(step.payload, step.length);
        in.number();
        while (in.ok()) CHECK(in.string() != nullptr);
    }
    for (std::uint32_t step = 0; step < 20; ++step)
        CHECK(describe_exec_failure({plan, size}, {step % 5, step, static_cast<std::int32_t>(step), 0}).exit_code > 0);
}

void decode(const char* packet, std::size_t size) {
    DecodedRequest in;
    if (!decode_request(packet, size, in) || !in.sound) return;
    if (in.container != nullptr) CHECK(in.container + kContainerIdLength <= packet + size);
    if (in.plan == nullptr) return;
    CHECK(in.plan + in.plan_size <= packet + size);
    const std::string aligned(in.plan, in.plan_size);  // where the keeper has it
    read_plan(aligned.data(), aligned.size());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string text(reinterpret_cast<const char*>(data), size);
    if (auto spec = parse_exec_create(text)) {
        CHECK(!spec->cmd.empty());
        const auto note = parse_exec_note(exec_note_text("id", *spec));
        CHECK(note.has_value() && note->spec.cmd == spec->cmd && note->spec.detach_keys == spec->detach_keys);
    }
    (void)parse_exec_start(text).has_value();
    (void)parse_exec_note(text).has_value();
    read_plan(text.data(), text.size());
    decode(text.data(), text.size());
    return 0;
}
