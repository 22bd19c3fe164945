#include "tools/dockerc/archive_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdio>

#include "engine/reactor/try.h"
#include "tools/dockerc/command.h"
#include "tools/dockerc/session.h"

namespace dockerc {
namespace {

Result<void> receive_into(Client& client, const std::string& path, int fd) {
    return client.stream("GET", path, [fd](std::string_view bytes) { return write_out(fd, bytes); });
}

// Beside its place first: what is cut off must not look like an archive.
Result<void> receive_file(Client& client, const std::string& path, const std::string& file) {
    struct stat there {};
    if (::stat(file.c_str(), &there) == 0 && !S_ISREG(there.st_mode)) {  // /dev/null, a pipe
        const UniqueFd fd(::open(file.c_str(), O_WRONLY | O_CLOEXEC));
        if (!fd) return engine::fail_errno(errno, "open " + file);
        return receive_into(client, path, fd.get());
    }
    std::string half = file + ".tmp-XXXXXX";
    const UniqueFd fd(::mkostemp(half.data(), O_CLOEXEC));
    if (!fd) return engine::fail_errno(errno, "open " + file);
    auto done = receive_into(client, path, fd.get());
    if (done && (::fchmod(fd.get(), 0600) != 0 || ::rename(half.c_str(), file.c_str()) != 0))
        done = engine::fail_errno(errno, "rename " + half);
    if (!done) ::unlink(half.c_str());
    return done;
}

}  // namespace

int receive_archive(Client& client, const std::string& path, const std::string& file, const char* verb) {
    if (file.empty() && ::isatty(STDOUT_FILENO) == 1) {
        std::fprintf(stderr,
                     "cowardly refusing to %s to a terminal. Use the -o flag or redirect\n", verb);
        return 1;
    }
    const auto done = file.empty() ? receive_into(client, path, STDOUT_FILENO) : receive_file(client, path, file);
    return done ? 0 : report(done.error());
}

}  // namespace dockerc
