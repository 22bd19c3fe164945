// Where save and export put what the engine sends.
#pragma once

#include <string>

#include "tools/dockerc/client.h"

namespace dockerc {

// Into the file, whole or not at all; "" is stdout, unless that is a terminal. The exit code.
int receive_archive(Client& client, const std::string& path, const std::string& file, const char* verb);

}  // namespace dockerc
