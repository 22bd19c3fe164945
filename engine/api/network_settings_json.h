// NetworkSettings of a container, for inspect and the list.
#pragma once

#include "engine/api/services.h"
#include "engine/reactor/json_writer.h"

namespace engine::runtime {
struct Container;
}

namespace engine::api {

void write_network_settings(json::Writer& w, const Services& services, const runtime::Container& container);
// {"Networks": ...} of the list.
void write_networks(json::Writer& w, const Services& services, const runtime::Container& container);
// [{"IP", "PrivatePort", "PublicPort", "Type"}] of the list.
void write_port_list(json::Writer& w, const runtime::Container& container);

}  // namespace engine::api
