#include "engine/runtime/names_generator.h"

#include <algorithm>
#include <string>

namespace engine::runtime {

Result<void> check_container_name(std::string_view name) {
    std::string_view bare = name;
    if (bare.starts_with('/')) bare.remove_prefix(1);
    auto letter = [](char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9'); };
    auto rest = [letter](char c) { return letter(c) || c == '_' || c == '.' || c == '-'; };
    if (bare.size() >= 2 && letter(bare[0]) && std::all_of(bare.begin(), bare.end(), rest)) return {};
    return fail(ErrorKind::invalid, std::string("Invalid container name (")
                                        .append(name)
                                        .append("), only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed"));
}

}  // namespace engine::runtime
