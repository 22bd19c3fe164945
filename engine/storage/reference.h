// Image references as people type them: [domain/]path[:tag][@digest]. Pure.
#pragma once

#include <string>
#include <string_view>

#include "engine/reactor/result.h"

namespace engine::storage {

struct Reference {
    std::string domain;  // "docker.io"
    std::string path;    // "library/busybox"
    std::string tag;     // empty: none given
    std::string digest;  // empty or "sha256:<hex>"

    std::string name() const;           // docker.io/library/busybox
    std::string familiar_name() const;  // busybox
    std::string text() const;           // docker.io/library/busybox:latest
    std::string familiar() const;       // busybox:latest, busybox@sha256:...
};

// Parses and normalises; errors are worded as dockerd's. No tag is made up: with_default_tag does that.
Result<Reference> parse_reference(std::string_view text);
// ":latest" where neither tag nor digest was given.
Reference with_default_tag(Reference reference);
bool is_tag(std::string_view text);

}  // namespace engine::storage
