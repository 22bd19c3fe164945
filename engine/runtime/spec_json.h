// Create bodies and the stored form of a spec. Unknown fields are ignored; a wrong type is dockerd's 400.
#pragma once

#include <map>
#include <string>
#include <string_view>

#include "engine/reactor/result.h"
#include "engine/runtime/container_spec.h"

namespace engine::runtime {

// A body of POST /containers/create, not yet merged with the image.
Result<ContainerSpec> parse_create_body(std::string_view body);

// A body of POST /containers/{}/update: the fields of HostConfig that it may name.
Result<ContainerSpec> parse_update_body(std::string_view body);

// Fields of HostConfig by name, each a JSON value, in the text that is stored and shown.
using HostConfigFields = std::map<std::string, std::string>;
void set_host_config(ContainerSpec& spec, const HostConfigFields& fields);

// Fills what the body left open from the image's `config` object (JSON; "" or "null" for none), by Docker's rules:
// Cmd is the image's only when the body gives neither Cmd nor Entrypoint; variables and labels of the body win.
Result<void> merge_image_config(ContainerSpec& spec, std::string_view image_config);

// Text for the database, and back. parse_spec(spec_text(s)) gives s again.
std::string spec_text(const ContainerSpec& spec);
Result<ContainerSpec> parse_spec(std::string_view text);

// Puts spec.log, completed with the engine's defaults, into the HostConfig that is kept.
void store_log_config(ContainerSpec& spec);

// HostConfig with every field inspect shows, defaults filled in.
std::string complete_host_config(const ContainerSpec& spec);
// Config with every field inspect shows; `hostname` stands in when the spec gives none.
std::string complete_config(const ContainerSpec& spec, std::string_view hostname);

}  // namespace engine::runtime
