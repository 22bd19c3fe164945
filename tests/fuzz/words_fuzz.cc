// Small texts that clients write: times, sizes, signals, names, detach keys, filters.
#include <cstddef>
#include <cstdint>
#include <string>

#include "engine/api/filters.h"
#include "engine/api/time_parameter.h"
#include "engine/reactor/check.h"
#include "engine/runtime/json_log_reader.h"
#include "engine/runtime/names_generator.h"
#include "engine/runtime/signal_number.h"
#include "engine/runtime/spec_check.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string text(reinterpret_cast<const char*>(data), size);
    engine::ignore_result(engine::api::parse_time(text, 1'700'000'000'000'000'000), "any answer is fine");
    engine::ignore_result(engine::api::parse_filters(text), "any answer is fine");
    CHECK(engine::runtime::parse_ram_size(text) >= -1);
    const auto signal = engine::runtime::signal_number(text);
    CHECK(!signal || (*signal >= 0 && *signal <= 64));
    engine::ignore_result(engine::runtime::check_container_name(text), "any answer is fine");
    std::int64_t ns = 0;
    engine::ignore_result(engine::runtime::parse_rfc3339(text, ns), "any answer is fine");
    return 0;
}
