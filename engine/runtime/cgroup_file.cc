#include "engine/runtime/cgroup_file.h"

#include <fcntl.h>

#include "engine/reactor/io.h"
#include "engine/reactor/try.h"

namespace engine::runtime {

Task<void> write_cgroup_file(std::string path, std::string text) {
    auto fd = co_await io::openat(AT_FDCWD, path.c_str(), O_WRONLY, 0);
    if (!fd) co_return fail_errno(fd.error().error_number(), path);
    const auto bytes = io::bytes_of(text);
    const reactor::StopToken never;
    auto written = co_await io::write(fd->get(), bytes, never, 0);
    if (!written)
        co_return fail_errno(written.error().error_number(), "failed to write \"" + text + "\" to " + path);
    if (*written != text.size()) co_return fail(ErrorKind::kernel, "writing " + path + " was cut short");
    co_return Result<void>{};
}

}  // namespace engine::runtime
