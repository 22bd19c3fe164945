#include "bench/processes.h"

#include <dirent.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <sstream>

namespace bench {
namespace {

struct Process {
    pid_t pid = 0;
    pid_t parent = 0;
    std::string name;
    long ticks = 0;
};

std::string proc_file(pid_t pid, const char* file) {
    std::ifstream in("/proc/" + std::to_string(pid) + "/" + file);
    return {std::istreambuf_iterator<char>(in), {}};
}

bool read_process(pid_t pid, Process& process) {
    std::string stat = proc_file(pid, "stat");
    std::size_t open = stat.find('(');
    std::size_t close = stat.rfind(')');
    if (open == std::string::npos || close == std::string::npos) return false;
    process.pid = pid;
    process.name = stat.substr(open + 1, close - open - 1);
    std::istringstream rest(stat.substr(close + 2));
    std::string word;
    for (int field = 3; field <= 15 && rest >> word; ++field) {
        if (field == 4) process.parent = atoi(word.c_str());
        if (field == 14 || field == 15) process.ticks += atol(word.c_str());
    }
    return true;
}

std::vector<Process> all_processes() {
    std::vector<Process> all;
    DIR* dir = opendir("/proc");
    if (!dir) return all;
    while (dirent* entry = readdir(dir)) {
        Process process;
        if (isdigit(static_cast<unsigned char>(entry->d_name[0])) && read_process(atoi(entry->d_name), process))
            all.push_back(process);
    }
    closedir(dir);
    return all;
}

std::string pid_namespace(pid_t pid) {
    char text[64];
    ssize_t n = readlink(("/proc/" + std::to_string(pid) + "/ns/pid").c_str(), text, sizeof text);
    return n > 0 ? std::string(text, static_cast<std::size_t>(n)) : std::string();
}

bool is_helper(const Process& process) {
    return process.name.starts_with("containerd-shim") || process.name == "conmon" || process.name == "dockercd-keeper";
}

bool has(const std::vector<pid_t>& pids, pid_t pid) {
    return std::find(pids.begin(), pids.end(), pid) != pids.end();
}

}  // namespace

std::vector<pid_t> detached_helpers() {
    std::vector<pid_t> found;
    for (const Process& process : all_processes()) {
        if (is_helper(process)) found.push_back(process.pid);
    }
    return found;
}

std::vector<pid_t> engine_processes(const std::vector<pid_t>& roots, const std::vector<pid_t>& known_before) {
    std::vector<pid_t> found = roots;
    std::vector<Process> all = all_processes();
    std::string ours = pid_namespace(getpid());
    for (bool grew = true; grew;) {
        grew = false;
        for (const Process& process : all) {
            bool of_engine = has(found, process.parent) || (is_helper(process) && !has(known_before, process.pid));
            if (!of_engine || has(found, process.pid) || pid_namespace(process.pid) != ours) continue;
            found.push_back(process.pid);
            grew = true;
        }
    }
    return found;
}

double pss_kib(const std::vector<pid_t>& pids) {
    double sum = 0;
    for (pid_t pid : pids) {
        std::string text = proc_file(pid, "smaps_rollup");
        std::size_t at = text.find("\nPss:");
        if (at != std::string::npos) sum += atof(text.c_str() + at + 5);
    }
    return sum;
}

long cpu_ticks(const std::vector<pid_t>& pids) {
    long sum = 0;
    Process process;
    for (pid_t pid : pids) {
        process.ticks = 0;
        if (read_process(pid, process)) sum += process.ticks;
    }
    return sum;
}

pid_t listener_pid(const std::string& socket_path) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    socket_path.copy(address.sun_path, sizeof address.sun_path - 1);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ucred peer{};
    socklen_t length = sizeof peer;
    bool known = fd >= 0 && connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0 &&
                 getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &length) == 0;
    if (fd >= 0) close(fd);
    return known ? peer.pid : 0;
}

}  // namespace bench
