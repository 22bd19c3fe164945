// What a container of `docker run --rm --net none IMAGE true` costs the kernel, with no engine around it: each life
// makes the directories, cgroups, namespaces, mounts and the execve of such a container, waits for it and removes them
// again. With --bridge: with an endpoint on that bridge. With --exec: what a process joined to such a container costs.
#include <dirent.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <net/if.h>
#include <sched.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <new>
#include <string>
#include <vector>

#include "bench/floor.h"
#include "bench/floor_network.h"

namespace floor_bench {

constexpr int kMaxLives = 1'000'000;
constexpr int kMaxProcs = 256;
constexpr unsigned long kQuiet = MS_NOSUID | MS_NODEV | MS_NOEXEC;

[[noreturn]] void die(const char* what) {
    fprintf(stderr, "floor: %s: %s\n", what, strerror(errno));
    _exit(1);
}

void must(bool ok, const char* what) {
    if (!ok) die(what);
}

int64_t now_ns() {
    timespec t{};
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1'000'000'000LL + t.tv_nsec;
}

namespace {

bool write_file(const std::string& path, const char* text, int flags) {
    int fd = open(path.c_str(), flags, 0644);
    if (fd < 0) return false;
    auto length = static_cast<ssize_t>(strlen(text));
    bool ok = write(fd, text, static_cast<size_t>(length)) == length;
    close(fd);
    return ok;
}

}  // namespace

bool write_file(const std::string& path, const char* text) {
    return write_file(path, text, O_WRONLY | O_CLOEXEC);
}

namespace {

std::string read_file(const std::string& path) {
    std::string text;
    int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
    if (fd < 0) return text;
    char buffer[4096];
    ssize_t n = 0;
    while ((n = read(fd, buffer, sizeof buffer)) > 0) text.append(buffer, static_cast<size_t>(n));
    close(fd);
    return text;
}

// Removes NAME under the directory PARENT; a missing one is fine.
void remove_tree(int parent, const char* name) {
    if (unlinkat(parent, name, AT_REMOVEDIR) == 0 || errno == ENOENT) return;
    if (errno == ENOTDIR) {
        unlinkat(parent, name, 0);
        return;
    }
    int fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0) return;
    DIR* dir = fdopendir(fd);
    if (!dir) die("fdopendir");
    while (dirent* entry = readdir(dir)) {
        if (!strcmp(entry->d_name, ".") || !strcmp(entry->d_name, "..")) continue;
        if (entry->d_type == DT_DIR) {
            remove_tree(fd, entry->d_name);
        } else {
            unlinkat(fd, entry->d_name, 0);
        }
    }
    closedir(dir);
    unlinkat(parent, name, AT_REMOVEDIR);
}

std::vector<Hierarchy> find_hierarchies(const std::string& own) {
    std::vector<Hierarchy> v1;
    std::vector<Hierarchy> v2;
    FILE* mounts = fopen("/proc/self/mounts", "re");
    if (!mounts) die("/proc/self/mounts");
    char line[4096], where[1024], type[64], options[1024];
    while (fgets(line, sizeof line, mounts)) {
        if (sscanf(line, "%*s %1023s %63s %1023s", where, type, options) != 3) continue;
        std::string path = where;
        std::string name = path.substr(path.rfind('/') + 1);
        if (!strcmp(type, "cgroup2")) {
            v2.push_back({"", "", path + "/" + own});
        } else if (!strcmp(type, "cgroup") && !strstr(options, "name=")) {
            std::string controllers;
            for (char *save = nullptr, *word = strtok_r(options, ",", &save); word;
                 word = strtok_r(nullptr, ",", &save)) {
                bool flag = !strcmp(word, "rw") || !strcmp(word, "ro") || !strcmp(word, "relatime") ||
                            !strncmp(word, "no", 2) || !strcmp(word, "clone_children") || !strcmp(word, "xattr");
                if (flag) continue;
                if (!controllers.empty()) controllers += ",";
                controllers += word;
            }
            v1.push_back({controllers, name, path + "/" + own});
        }
    }
    fclose(mounts);
    auto& used = v1.empty() ? v2 : v1;
    if (used.size() > 1 && v1.empty()) used.resize(1);
    return used;
}

constexpr const char* kMasked[] = {"/proc/asound",
                                   "/proc/acpi",
                                   "/proc/kcore",
                                   "/proc/keys",
                                   "/proc/latency_stats",
                                   "/proc/timer_list",
                                   "/proc/timer_stats",
                                   "/proc/sched_debug",
                                   "/proc/scsi",
                                   "/sys/firmware",
                                   "/sys/devices/virtual/powercap"};
constexpr const char* kReadOnly[] = {"/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"};

}  // namespace

void Floor::set_up(const char* busybox) {
    must(mkdir(base.c_str(), 0700) == 0, base.c_str());
    for (const char* dir : {"root", "lower", "lower/bin", "lower/dev", "lower/proc", "lower/sys", "lower/etc"})
        must(mkdir((base + "/" + dir).c_str(), 0755) == 0, dir);
    std::string program = read_file(busybox);
    if (program.empty()) die(busybox);
    std::string target = base + "/lower/bin/true";
    int fd = open(target.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0755);
    must(fd >= 0 && write(fd, program.data(), program.size()) == static_cast<ssize_t>(program.size()), "copy busybox");
    close(fd);
    for (const char* file : {"hosts", "hostname", "resolv.conf"})
        must(write_file(base + "/lower/etc/" + file, "", O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC), file);
    for (const auto& h : hierarchies) {
        must(mkdir(h.parent.c_str(), 0755) == 0, h.parent.c_str());
        if (h.controllers.find("cpuset") == std::string::npos) continue;
        std::string above = h.parent.substr(0, h.parent.rfind('/'));
        for (const char* file : {"/cpuset.cpus", "/cpuset.mems"})
            must(write_file(h.parent + file, read_file(above + file).c_str()), file);
        must(write_file(h.parent + "/cgroup.clone_children", "1"), "cgroup.clone_children");
    }
}

namespace {

void remove_group(const std::string& path) {
    for (int i = 0; i < 200 && rmdir(path.c_str()) != 0 && errno == EBUSY; ++i) usleep(500);
}

}  // namespace

void Floor::tear_down() const {
    for (const auto& h : hierarchies) {
        if (DIR* dir = opendir(h.parent.c_str())) {
            while (dirent* entry = readdir(dir)) {
                if (entry->d_type == DT_DIR && entry->d_name[0] != '.') remove_group(h.parent + "/" + entry->d_name);
            }
            closedir(dir);
        }
        remove_group(h.parent);
    }
    remove_tree(AT_FDCWD, base.c_str());
}

namespace {

void mount_at(const char* source, const char* target, const char* type, unsigned long flags, const char* data) {
    must(mount(source, target, type, flags, data) == 0, target);
}

}  // namespace

void Floor::mount_inside(const std::string& life) const {
    mount_at("proc", "proc", "proc", kQuiet, nullptr);
    mount_at("tmpfs", "dev", "tmpfs", MS_NOSUID | MS_STRICTATIME, "mode=755,size=65536k");
    for (const char* dir : {"dev/pts", "dev/mqueue", "dev/shm"}) must(mkdir(dir, 0755) == 0, dir);
    mount_at("devpts", "dev/pts", "devpts", MS_NOSUID | MS_NOEXEC, "newinstance,ptmxmode=0666,mode=0620,gid=5");
    mount_at("sysfs", "sys", "sysfs", kQuiet | MS_RDONLY, nullptr);
    if (hierarchies.size() == 1 && hierarchies[0].controllers.empty()) {
        mount_at("cgroup", "sys/fs/cgroup", "cgroup2", kQuiet | MS_RDONLY, nullptr);
    } else {
        mount_at("tmpfs", "sys/fs/cgroup", "tmpfs", kQuiet, "mode=755");
        for (const auto& h : hierarchies) {
            std::string target = "sys/fs/cgroup/" + h.name;
            must(mkdir(target.c_str(), 0755) == 0, target.c_str());
            mount_at("cgroup", target.c_str(), "cgroup", kQuiet | MS_RDONLY, h.controllers.c_str());
        }
        mount_at(nullptr, "sys/fs/cgroup", nullptr, MS_REMOUNT | MS_BIND | kQuiet | MS_RDONLY, nullptr);
    }
    mount_at("mqueue", "dev/mqueue", "mqueue", kQuiet, nullptr);
    mount_at("shm", "dev/shm", "tmpfs", kQuiet, "mode=1777,size=67108864");
    for (const char* file : {"hosts", "hostname", "resolv.conf"})
        mount_at((life + "/" + file).c_str(), (std::string("etc/") + file).c_str(), nullptr, MS_BIND, nullptr);
    struct Node {
        const char* path;
        unsigned major, minor;
    };
    for (auto [path, major_number, minor_number] :
         {Node{"dev/null", 1, 3}, Node{"dev/zero", 1, 5}, Node{"dev/full", 1, 7}, Node{"dev/random", 1, 8},
          Node{"dev/urandom", 1, 9}, Node{"dev/tty", 5, 0}})
        must(mknod(path, S_IFCHR | 0666, makedev(major_number, minor_number)) == 0, path);
    struct Link {
        const char *to, *path;
    };
    for (auto [to, path] : {Link{"pts/ptmx", "dev/ptmx"}, Link{"/proc/self/fd", "dev/fd"},
                            Link{"/proc/self/fd/0", "dev/stdin"}, Link{"/proc/self/fd/1", "dev/stdout"},
                            Link{"/proc/self/fd/2", "dev/stderr"}, Link{"/proc/kcore", "dev/core"}})
        must(symlink(to, path) == 0, path);
}

namespace {

void mask_paths() {
    for (const char* path : kReadOnly) {
        if (mount(path, path, nullptr, MS_BIND | MS_REC, nullptr) != 0 && errno == ENOENT) continue;
        mount_at(nullptr, path, nullptr, MS_REMOUNT | MS_BIND | MS_RDONLY | kQuiet, nullptr);
    }
    for (const char* path : kMasked) {
        if (mount("/dev/null", path, nullptr, MS_BIND, nullptr) == 0 || errno == ENOENT) continue;
        must(errno == ENOTDIR, path);
        mount_at("tmpfs", path, "tmpfs", MS_RDONLY, nullptr);
    }
}

}  // namespace

void drop_capabilities() {
    constexpr uint64_t kDocker = 0xa80425fb;  // Docker's default set of fourteen
    for (unsigned cap = 0; cap <= 63; ++cap) {
        if (kDocker >> cap & 1) continue;
        if (prctl(PR_CAPBSET_DROP, cap, 0, 0, 0) != 0) break;  // past the last one this kernel has
    }
    must(setgroups(0, nullptr) == 0, "setgroups");
    must(setresgid(0, 0, 0) == 0 && setresuid(0, 0, 0) == 0, "setresuid");
    __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
    __user_cap_data_struct data[2]{};
    data[0].effective = data[0].permitted = static_cast<uint32_t>(kDocker);
    must(syscall(SYS_capset, &header, data) == 0, "capset");
}

[[noreturn]] void Floor::child(const std::string& life, const std::string& group, const char* applet,
                               const char* argument) const {
    for (const auto& h : hierarchies) must(write_file(h.parent + "/" + group + "/cgroup.procs", "0"), h.parent.c_str());
    must(unshare(CLONE_NEWCGROUP) == 0, "unshare");
    setsid();
    int lo = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    ifreq request{};
    strcpy(request.ifr_name, "lo");
    request.ifr_flags = IFF_UP;
    must(lo >= 0 && ioctl(lo, SIOCSIFFLAGS, &request) == 0, "lo");
    close(lo);
    mount_at(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr);
    std::string root = base + "/root";
    std::string options = "lowerdir=" + base + "/lower,upperdir=" + life + "/upper,workdir=" + life + "/work";
    mount_at("overlay", root.c_str(), "overlay", 0, options.c_str());
    must(chdir(root.c_str()) == 0, "chdir");
    umask(0);
    mount_inside(life);
    umask(022);
    must(syscall(SYS_pivot_root, ".", ".") == 0, "pivot_root");
    must(umount2(".", MNT_DETACH) == 0, "umount2");
    must(chdir("/") == 0, "chdir");
    must(sethostname("floor", 5) == 0, "sethostname");
    mask_paths();
    drop_capabilities();
    char path[] = "PATH=/bin";
    char* argv[] = {const_cast<char*>(applet), const_cast<char*>(argument), nullptr};  // busybox looks at its name
    char* envp[] = {path, nullptr};
    execve("/bin/true", argv, envp);
    die("execve");
}

std::string Floor::make_life(int number) const {
    std::string group = std::to_string(number);
    std::string life = base + "/" + group;
    must(mkdir(life.c_str(), 0700) == 0, "mkdir life");
    must(mkdir((life + "/upper").c_str(), 0755) == 0 && mkdir((life + "/work").c_str(), 0755) == 0,
         "mkdir upper, work");
    constexpr int kNew = O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC;
    must(write_file(life + "/hosts", "127.0.0.1\tlocalhost\n", kNew), "hosts");
    must(write_file(life + "/hostname", "floor\n", kNew), "hostname");
    must(write_file(life + "/resolv.conf", "nameserver 127.0.0.1\n", kNew), "resolv.conf");
    for (const auto& h : hierarchies) must(mkdir((h.parent + "/" + group).c_str(), 0755) == 0, h.parent.c_str());
    return life;
}

pid_t Floor::clone_container(const std::string& life, const std::string& group, const char* applet,
                             const char* argument) const {
    constexpr unsigned long kNamespaces = CLONE_NEWPID | CLONE_NEWNS | CLONE_NEWUTS | CLONE_NEWIPC;
    int network = bridge.empty() ? -1 : make_endpoint(bridge, atoi(group.c_str()));
    unsigned long own = network < 0 ? kNamespaces | CLONE_NEWNET : kNamespaces;
    long pid = syscall(SYS_clone, own | SIGCHLD, nullptr, nullptr, nullptr, nullptr);
    if (pid == 0) {
        if (network >= 0) must(setns(network, CLONE_NEWNET) == 0, "setns");
        child(life, group, applet, argument);
    }
    must(pid > 0, "clone");
    if (network >= 0) close(network);
    return static_cast<pid_t>(pid);
}

int64_t Floor::live(int number) const {
    int64_t begin = now_ns();
    std::string group = std::to_string(number);
    std::string life = make_life(number);
    pid_t pid = clone_container(life, group, "true", nullptr);
    int status = 0;
    must(waitpid(pid, &status, 0) == pid && status == 0, "container failed");
    for (const auto& h : hierarchies) remove_group(h.parent + "/" + group);
    remove_tree(AT_FDCWD, life.c_str());
    return now_ns() - begin;
}

pid_t Floor::start_idle(int number) const {
    return clone_container(make_life(number), std::to_string(number), "sleep", "1000000");
}

namespace {

double milliseconds(int64_t ns) {
    return static_cast<double>(ns) / 1e6;
}

// The container that execs join is ready when it has its program.
void await_program(pid_t pid) {
    for (int i = 0; i < 10'000; ++i) {
        if (read_file("/proc/" + std::to_string(pid) + "/cmdline").starts_with("sleep")) return;
        usleep(500);
    }
    die("the container did not start");
}

int run(int argc, char** argv) {
    int lives = 500;
    int procs = 1;
    bool json = false;
    bool exec = false;
    const char* busybox = "/bin/busybox";
    const char* scratch = "/var/tmp";
    const char* bridge = "";
    for (int i = 1; i < argc; ++i) {
        std::string word = argv[i];
        if (word == "--json") {
            json = true;
        } else if (word == "--exec") {
            exec = true;
        } else if (word == "--lives" && i + 1 < argc) {
            lives = atoi(argv[++i]);
        } else if (word == "--procs" && i + 1 < argc) {
            procs = atoi(argv[++i]);
        } else if (word == "--busybox" && i + 1 < argc) {
            busybox = argv[++i];
        } else if (word == "--scratch" && i + 1 < argc) {
            scratch = argv[++i];
        } else if (word == "--bridge" && i + 1 < argc) {
            bridge = argv[++i];
        } else {
            fprintf(stderr, "usage: floor [--exec] [--lives N] [--procs P] [--busybox FILE] [--scratch DIR] "
                            "[--bridge NAME] [--json]\n");
            return 2;
        }
    }
    if (lives < 1 || lives > kMaxLives || procs < 1 || procs > kMaxProcs) {
        fprintf(stderr, "floor: --lives 1..%d, --procs 1..%d\n", kMaxLives, kMaxProcs);
        return 2;
    }
    std::string own = "docker-floor-" + std::to_string(getpid());
    Floor floor{std::string(scratch) + "/" + own, find_hierarchies(own), bridge};
    for (int ignored : {SIGINT, SIGTERM, SIGHUP})
        signal(ignored, SIG_IGN);  // a run is short; it must leave nothing behind

    // The rest happens in a child so that whatever fails there, this process still removes what was made.
    size_t shared_bytes = sizeof(std::atomic<int>) * 16 + sizeof(int64_t) * static_cast<size_t>(lives);
    void* shared = mmap(nullptr, shared_bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (shared == MAP_FAILED) die("mmap");
    auto* next = new (shared) std::atomic<int>(0);
    auto* spent = reinterpret_cast<int64_t*>(static_cast<char*>(shared) + sizeof(std::atomic<int>) * 16);
    pid_t setter = fork();
    if (setter == 0) {
        floor.set_up(busybox);
        floor.live(lives);  // once to warm up, not counted
        _exit(0);
    }
    int status = 0;
    waitpid(setter, &status, 0);
    bool failed = setter < 0 || status != 0;
    pid_t idle = -1;
    int idle_pidfd = -1;
    if (!failed && exec) {
        idle = floor.start_idle(lives + 1);
        await_program(idle);
        idle_pidfd = static_cast<int>(syscall(SYS_pidfd_open, idle, 0));
        failed = idle_pidfd < 0;
    }
    int64_t begin = now_ns();
    if (!failed) {
        for (int p = 0; p < procs; ++p) {
            if (fork() != 0) continue;
            for (int n = next->fetch_add(1); n < lives; n = next->fetch_add(1))
                spent[n] = exec ? floor.exec(idle, idle_pidfd, lives + 1) : floor.live(n);
            _exit(0);
        }
        for (int p = 0; p < procs; ++p) failed = wait(&status) < 0 || status != 0 || failed;
    }
    int64_t wall = now_ns() - begin;
    if (idle > 0) {
        kill(idle, SIGKILL);
        waitpid(idle, nullptr, 0);
    }
    floor.tear_down();
    if (failed) return 1;

    std::sort(spent, spent + lives);
    auto at = [&](int percent) { return milliseconds(spent[(lives * percent + 99) / 100 - 1]); };
    double rate = lives / (static_cast<double>(wall) / 1e9);
    size_t groups = floor.hierarchies.size();
    if (json) {
        printf("{\"%s\":%d,\"procs\":%d,\"cgroups\":%zu,\"p50_ms\":%.3f,\"p99_ms\":%.3f,\"per_second\":%.1f}\n",
               exec ? "execs" : "lives", lives, procs, groups, at(50), at(99), rate);
    } else {
        printf("floor: %d %s, %d at once, %zu cgroups each: p50 %.3f ms, p99 %.3f ms, %.1f per second\n", lives,
               exec ? "execs" : "lives", procs, groups, at(50), at(99), rate);
    }
    return 0;
}

}  // namespace
}  // namespace floor_bench

int main(int argc, char** argv) { return floor_bench::run(argc, argv); }
