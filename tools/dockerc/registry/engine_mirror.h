// The images of an engine behind the distribution protocol. What a client asks for is copied into the content store by
// a process of its own (engine_copy.h), because it talks to the engine by blocking calls; one at a time.
#pragma once

#include <string>
#include <vector>

#include "engine/reactor/event.h"
#include "engine/reactor/stop_token.h"
#include "engine/reactor/task.h"

namespace engine::registry {

class EngineMirror {
public:
    // `engine`: where it listens, as DOCKER_HOST says it; `root`: the store's.
    EngineMirror(std::string engine, std::string root) : engine_(std::move(engine)), root_(std::move(root)) {}
    // The store has the image as the engine has it now. not_found: the engine has no such image.
    Task<void> bring(std::string repository, std::string tag, reactor::StopToken stop);
    struct Name {
        std::string repository, tag;
        auto operator<=>(const Name&) const = default;
    };
    Task<std::vector<Name>> names(reactor::StopToken stop);  // sorted

private:
    Task<std::string> run(std::vector<std::string> words, reactor::StopToken stop);

    std::string engine_, root_;
    reactor::Lane copying_;
};

}  // namespace engine::registry
