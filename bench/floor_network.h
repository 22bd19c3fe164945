// What a network endpoint costs the kernel: a namespace, a veth between it and a bridge, an address, a default route.
#pragma once

#include <string>

namespace floor_bench {

// The namespace's descriptor. `number` gives the address in 10.250.0.0/16, which the bridge's host needs no part in.
int make_endpoint(const std::string& bridge, int number);

}  // namespace floor_bench
