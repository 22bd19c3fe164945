// What the floors of a container's life and of an exec share.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <vector>

namespace floor_bench {

[[noreturn]] void die(const char* what);
void must(bool ok, const char* what);
std::int64_t now_ns();
bool write_file(const std::string& path, const char* text);
void drop_capabilities();

// One mounted cgroup hierarchy and the directory of our own in it.
struct Hierarchy {
    std::string controllers;  // v1: mount data for the container's own view; empty: v2
    std::string name;         // directory name under /sys/fs/cgroup in the container
    std::string parent;       // .../docker-floor-<pid>
};

struct Floor {
    std::string base;  // holds lower/, root/ and one directory per life
    std::vector<Hierarchy> hierarchies;
    std::string bridge;  // that the containers have an endpoint on; "": none

    void set_up(const char* busybox);
    void tear_down() const;
    std::int64_t live(int number) const;

    // A container that stays, and one process joined to it: returns the nanoseconds from its clone to its end.
    pid_t start_idle(int number) const;
    std::int64_t exec(pid_t idle, int idle_pidfd, int group) const;

private:
    std::string make_life(int number) const;
    pid_t clone_container(const std::string& life, const std::string& group, const char* applet,
                          const char* argument) const;
    [[noreturn]] void child(const std::string& life, const std::string& group, const char* applet,
                            const char* argument) const;
    [[noreturn]] void exec_child(int idle_pidfd, const std::string& group) const;
    void mount_inside(const std::string& life) const;
};

}  // namespace floor_bench
