#include "engine/runtime/linux/launch_child_stdio.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <linux/openat2.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "engine/runtime/linux/keeper_protocol.h"

#ifndef DEVPTS_SUPER_MAGIC
#define DEVPTS_SUPER_MAGIC 0x1cd1
#endif

namespace engine::runtime {
namespace {

int send_master(int status_fd, int master) {
    LaunchFailure made{kTerminalMade, 0, 0, 0};
    iovec part{&made, sizeof made};
    alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {};
    msghdr message{};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    message.msg_control = control;
    message.msg_controllen = sizeof control;
    cmsghdr* header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof(int));
    memcpy(CMSG_DATA(header), &master, sizeof master);
    return sendmsg(status_fd, &message, MSG_NOSIGNAL) >= 0 ? 0 : errno;
}

// The directory belongs to the container, so it may hold anything: only a devpts' own multiplexer will do.
int open_multiplexer() {
    open_how how{};
    how.flags = O_RDWR | O_NOCTTY | O_CLOEXEC;
    how.resolve = RESOLVE_NO_SYMLINKS;
    int fd = static_cast<int>(syscall(SYS_openat2, AT_FDCWD, "/dev/pts/ptmx", &how, sizeof how));
    if (fd < 0) return -1;
    struct statfs kind {};
    struct stat st {};
    if (fstatfs(fd, &kind) == 0 && kind.f_type == DEVPTS_SUPER_MAGIC && fstat(fd, &st) == 0 &&
        st.st_rdev == makedev(5, 2)) {
        return fd;
    }
    close(fd);
    errno = ENXIO;
    return -1;
}

}  // namespace

int make_terminal(unsigned rows, unsigned columns, int status_fd) {
    int master = open_multiplexer();
    if (master < 0) return errno;
    int unlocked = 0;
    if (ioctl(master, TIOCSPTLCK, &unlocked) != 0) return errno;
    // By the master, not by a name that the container could have replaced.
    int slave = ioctl(master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
    if (slave < 0) return errno;
    if (rows != 0 || columns != 0) {
        winsize size{static_cast<unsigned short>(rows), static_cast<unsigned short>(columns), 0, 0};
        if (ioctl(master, TIOCSWINSZ, &size) != 0) return errno;
    }
    for (int fd = 0; fd < 3; ++fd) {
        if (dup2(slave, fd) < 0) return errno;
    }
    if (ioctl(0, TIOCSCTTY, 0) != 0) return errno;
    int error = send_master(status_fd, master);
    close(master);
    close(slave);
    return error;
}

int localize_null() {
    int null = -1;
    for (int fd = 0; fd < 3; ++fd) {
        struct stat st {};
        if (fstat(fd, &st) != 0 || !S_ISCHR(st.st_mode) || st.st_rdev != makedev(1, 3)) continue;
        if (null < 0) null = open("/dev/null", O_RDWR | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
        if (null < 0) return errno;
        if (fstat(null, &st) != 0 || !S_ISCHR(st.st_mode) || st.st_rdev != makedev(1, 3)) return ENODEV;
        if (dup2(null, fd) < 0) return errno;
    }
    if (null >= 0) close(null);
    return 0;
}

}  // namespace engine::runtime
