// Any bytes as a create body and as an image's config: parsed, merged, checked, stored and read back.
#include <cstddef>
#include <cstdint>
#include <string>

#include "engine/reactor/check.h"
#include "engine/runtime/spec_check.h"
#include "engine/runtime/spec_json.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace engine::runtime;
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    // Up to the first NUL it is the body, behind it the image's config.
    const std::size_t split = text.find('\0');
    const std::string_view image = split == std::string_view::npos ? std::string_view() : text.substr(split + 1);
    auto spec = parse_create_body(text.substr(0, split));
    if (!spec) return 0;
    engine::ignore_result(merge_image_config(*spec, image), "any answer is fine");
    engine::ignore_result(check_spec(*spec), "any answer is fine");
    engine::ignore_result(spec_warnings(*spec), "any answer is fine");
    engine::ignore_result(complete_config(*spec, "host"), "any answer is fine");
    engine::ignore_result(complete_host_config(*spec), "any answer is fine");
    const std::string stored = spec_text(*spec);
    auto again = parse_spec(stored);
    CHECK(again.has_value());
    CHECK(spec_text(*again) == stored);
    return 0;
}
