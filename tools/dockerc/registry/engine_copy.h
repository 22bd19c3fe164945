// `dockerc registry copy`: what a registry that serves an engine's images runs beside itself. It is not for people.
//   copy --root ROOT names              the images that can be served, "REPOSITORY TAG" each on a line
//   copy --root ROOT bring REPOSITORY TAG   the store at ROOT then has the image as the engine has it
// An image of a registry ("host:5000/app") is served under its path ("app"), unless a local one has that name;
// "library/busybox" is "busybox", so that the registry can be given to --registry-mirror.
#pragma once

#include <string>
#include <vector>

namespace dockerc {

class Client;

inline constexpr const char* copy_command = "copy";
inline constexpr int copy_not_found = 3;  // the exit code when the engine has no such image

int copy_from_engine(Client& client, const std::string& root, const std::vector<std::string>& words);

}  // namespace dockerc
