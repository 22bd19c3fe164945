#include "engine/runtime/linux/cgroup.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdlib>

#include "engine/reactor/try.h"
#include "engine/reactor/unique_fd.h"

namespace engine::runtime {
namespace {

std::vector<std::string_view> split(std::string_view text, char separator) {
    std::vector<std::string_view> out;
    while (!text.empty()) {
        size_t end = std::min(text.find(separator), text.size());
        if (end != 0) out.push_back(text.substr(0, end));
        text.remove_prefix(std::min(end + 1, text.size()));
    }
    return out;
}

constexpr std::string_view kControllers[] = {"cpu",  "cpuacct", "cpuset",   "memory",     "devices", "freezer", "blkio",
                                             "pids", "net_cls", "net_prio", "perf_event", "hugetlb", "rdma",    "misc"};

Result<std::string> read_text(const std::string& path) {
    UniqueFd fd(open(path.c_str(), O_RDONLY | O_CLOEXEC));
    if (!fd) return fail_errno(errno, path);
    std::string out;
    char buffer[16384];
    while (true) {
        ssize_t got = read(fd.get(), buffer, sizeof buffer);
        if (got < 0) return fail_errno(errno, path);
        if (got == 0) return out;
        out.append(buffer, static_cast<size_t>(got));
    }
}

Result<void> write_text(const std::string& path, std::string_view text) {
    UniqueFd fd(open(path.c_str(), O_WRONLY | O_CLOEXEC));
    if (!fd) return fail_errno(errno, path);
    if (write(fd.get(), text.data(), text.size()) < 0) return fail_errno(errno, path);
    return {};
}

bool contains(const std::vector<std::string>& list, std::string_view word) {
    return std::find(list.begin(), list.end(), word) != list.end();
}

std::string limit_text(int64_t value) { return value < 0 ? "max" : std::to_string(value); }

// The documented conversion of shares (2..262144) to a weight (1..10000).
int64_t weight_of(int64_t shares) { return 1 + (std::clamp<int64_t>(shares, 2, 262144) - 2) * 9999 / 262142; }

// The conversion of a v1 blkio weight (10..1000) to a v2 one (1..10000), as runc's.
int64_t io_weight_of(int64_t weight) { return 1 + (weight - 10) * 9999 / 990; }

class Writes {
public:
    explicit Writes(LaunchCgroup& group) : group_(group) {}
    void add(std::string_view file, std::string value, bool optional = false) {
        group_.writes.push_back({group_.directory + "/" + std::string(file), std::move(value), optional});
    }
    // 0: not set.
    void add(std::string_view file, int64_t value, bool optional = false) {
        if (value != 0) add(file, std::to_string(value), optional);
    }

private:
    LaunchCgroup& group_;
};

void add_v1_memory(Writes& out, const CgroupLimits& l) {
    out.add("memory.limit_in_bytes", l.memory);
    const int64_t both = l.memory_swap == 0 && l.memory > 0 ? l.memory * 2 : l.memory_swap;
    out.add("memory.memsw.limit_in_bytes", both, l.memory_swap <= 0);
    out.add("memory.soft_limit_in_bytes", l.memory_reservation);
    if (l.memory_swappiness >= 0) out.add("memory.swappiness", std::to_string(l.memory_swappiness));
    if (l.oom_kill_disable) out.add("memory.oom_control", 1);
}

void add_v1(LaunchCgroup& group, const CgroupHierarchy& h, const CgroupLimits& l) {
    Writes out(group);
    if (contains(h.controllers, "memory")) add_v1_memory(out, l);
    if (contains(h.controllers, "cpu")) {
        out.add("cpu.shares", l.cpu_shares);
        out.add("cpu.cfs_period_us", l.cpu_period);
        out.add("cpu.cfs_quota_us", l.cpu_quota);
    }
    if (contains(h.controllers, "devices") && !l.every_device) group.device_lines = device_rule_lines(l.devices);
    if (contains(h.controllers, "pids") && l.pids != 0) out.add("pids.max", limit_text(l.pids));
    if (contains(h.controllers, "cpuset")) {
        if (!l.cpuset_cpus.empty()) out.add("cpuset.cpus", l.cpuset_cpus);
        if (!l.cpuset_mems.empty()) out.add("cpuset.mems", l.cpuset_mems);
    }
    if (contains(h.controllers, "blkio") && l.blkio_weight != 0) {
        // One of them, by the scheduler that the kernel has; who asks for a weight was told when it has neither.
        out.add("blkio.weight", l.blkio_weight, true);
        out.add("blkio.bfq.weight", l.blkio_weight, true);
    }
}

void add_v2(LaunchCgroup& group, const CgroupLimits& l) {
    Writes out(group);
    if (l.memory != 0) out.add("memory.max", limit_text(l.memory));
    if (l.memory_swap < 0) {
        out.add("memory.swap.max", "max", true);
    } else if (l.memory > 0) {
        int64_t swap = l.memory_swap == 0 ? l.memory : l.memory_swap - l.memory;
        out.add("memory.swap.max", std::to_string(std::max<int64_t>(swap, 0)), l.memory_swap == 0);
    }
    out.add("memory.low", l.memory_reservation);
    if (l.cpu_shares != 0) out.add("cpu.weight", std::to_string(weight_of(l.cpu_shares)));
    if (l.cpu_quota != 0 || l.cpu_period != 0) {
        int64_t period = l.cpu_period == 0 ? 100000 : l.cpu_period;
        const std::string quota = l.cpu_quota > 0 ? std::to_string(l.cpu_quota) : std::string("max");
        out.add("cpu.max", quota + " " + std::to_string(period));
    }
    if (l.pids != 0) out.add("pids.max", limit_text(l.pids));
    if (!l.cpuset_cpus.empty()) out.add("cpuset.cpus", l.cpuset_cpus);
    if (!l.cpuset_mems.empty()) out.add("cpuset.mems", l.cpuset_mems);
    if (l.blkio_weight != 0) {
        out.add("io.bfq.weight", "default " + std::to_string(l.blkio_weight), true);
        out.add("io.weight", "default " + std::to_string(io_weight_of(l.blkio_weight)), true);
    }
}

std::string directory_of(const CgroupHierarchy& h, std::string_view parent) {
    while (parent.starts_with('/')) parent.remove_prefix(1);
    return h.mount_point + "/" + std::string(parent);
}

Result<void> make_directories(const std::string& base, const std::string& path) {
    for (size_t at = base.size() + 1; at <= path.size(); ++at) {
        if (at != path.size() && path[at] != '/') continue;
        std::string part = path.substr(0, at);
        if (mkdir(part.c_str(), 0755) != 0 && errno != EEXIST) return fail_errno(errno, "mkdir " + part);
    }
    return {};
}

Result<void> fill_cpuset(const CgroupHierarchy& h, const std::string& directory) {
    for (const char* file : {"/cpuset.cpus", "/cpuset.mems"}) {
        TRY(std::string own, read_text(directory + file));
        if (own.size() > 1) continue;
        TRY(std::string all, read_text(h.mount_point + file));
        TRY_VOID(write_text(directory + file, all));
    }
    return write_text(directory + "/cgroup.clone_children", "1");
}

}  // namespace

bool CgroupHost::has(std::string_view controller) const {
    return std::any_of(hierarchies.begin(), hierarchies.end(),
                       [&](const CgroupHierarchy& h) { return contains(h.controllers, controller); });
}

CgroupHost parse_cgroup_mounts(std::string_view mountinfo) {
    CgroupHost host;
    CgroupHierarchy unified;
    for (std::string_view line : split(mountinfo, '\n')) {
        size_t dash = line.find(" - ");
        if (dash == std::string_view::npos) continue;
        auto before = split(line.substr(0, dash), ' ');
        auto after = split(line.substr(dash + 3), ' ');
        if (before.size() < 5 || after.empty()) continue;
        CgroupHierarchy h;
        h.mount_point = before[4];
        h.mount_name = h.mount_point.substr(h.mount_point.rfind('/') + 1);
        if (after[0] == "cgroup2") {
            if (unified.mount_point.empty()) unified = std::move(h);
            continue;
        }
        if (after[0] != "cgroup" || after.size() < 3) continue;
        bool seen = std::any_of(host.hierarchies.begin(), host.hierarchies.end(),
                                [&](const CgroupHierarchy& other) { return other.mount_name == h.mount_name; });
        if (seen) continue;
        for (std::string_view word : split(after[2], ',')) {
            bool named = word.starts_with("name=");
            if (!named && std::find(std::begin(kControllers), std::end(kControllers), word) == std::end(kControllers))
                continue;
            if (!named) h.controllers.emplace_back(word);
            if (!h.options.empty()) h.options += ',';
            h.options += named && h.controllers.empty() ? "none," + std::string(word) : std::string(word);
        }
        if (!h.options.empty()) host.hierarchies.push_back(std::move(h));
    }
    if (host.hierarchies.empty() && !unified.mount_point.empty()) {
        host.v2 = true;
        unified.mount_name.clear();
        host.hierarchies.push_back(std::move(unified));
    }
    return host;
}

Result<CgroupHost> detect_cgroups() {
    TRY(std::string text, read_text("/proc/self/mountinfo"));
    CgroupHost host = parse_cgroup_mounts(text);
    if (host.v2) {
        TRY(std::string list, read_text(host.hierarchies[0].mount_point + "/cgroup.controllers"));
        while (!list.empty() && list.back() == '\n') list.pop_back();
        for (std::string_view word : split(list, ' ')) host.hierarchies[0].controllers.emplace_back(word);
    }
    host.device_rules = host.v2 ? device_programs_work() : host.has("devices");
    return host;
}

Result<void> prepare_cgroup_parent(const CgroupHost& host, std::string_view parent) {
    for (const auto& h : host.hierarchies) {
        std::string directory = directory_of(h, parent);
        TRY_VOID(make_directories(h.mount_point, directory));
        if (contains(h.controllers, "cpuset") && !host.v2) {
            TRY_VOID(fill_cpuset(h, directory));
        }
        if (!host.v2) continue;
        for (const auto& controller : h.controllers) {
            std::string word = "+" + controller;
            ignore_result(write_text(h.mount_point + "/cgroup.subtree_control", word), "another owner may forbid it");
            ignore_result(write_text(directory + "/cgroup.subtree_control", word),
                          "a limit that needs it will fail by name");
        }
    }
    return {};
}

std::vector<LaunchCgroup> container_cgroups(const CgroupHost& host, std::string_view parent, std::string_view id,
                                            const CgroupLimits& limits) {
    std::vector<LaunchCgroup> out;
    for (const auto& h : host.hierarchies) {
        LaunchCgroup group;
        group.directory = directory_of(h, parent) + "/" + std::string(id);
        group.mount_name = h.mount_name;
        group.options = h.options;
        if (host.v2) {
            add_v2(group, limits);
            if (host.device_rules && !limits.every_device) group.device_program = device_program(limits.devices);
        } else {
            add_v1(group, h, limits);
        }
        out.push_back(std::move(group));
    }
    return out;
}

std::vector<LaunchCgroupWrite> limit_changes(const std::vector<LaunchCgroup>& from,
                                             const std::vector<LaunchCgroup>& to) {
    const auto find = [](const std::vector<LaunchCgroup>& in, const std::string& path) -> const LaunchCgroupWrite* {
        for (const auto& group : in)
            for (const auto& write : group.writes)
                if (write.path == path) return &write;
        return nullptr;
    };
    std::vector<LaunchCgroupWrite> out;
    for (const auto& group : to)
        for (const auto& write : group.writes)
            if (const auto* now = find(from, write.path); now == nullptr || now->value != write.value)
                out.push_back(write);
    // A limit that is taken away has a word for that.
    for (const auto& group : from) {
        for (const auto& write : group.writes) {
            if (find(to, write.path) != nullptr) continue;
            const std::string_view file = std::string_view(write.path).substr(write.path.rfind('/') + 1);
            const auto unset = [&](const char* value) { out.push_back({write.path, value, write.optional}); };
            if (file == "pids.max" || file == "memory.max" || file == "memory.swap.max") unset("max");
            if (file == "memory.limit_in_bytes" || file == "memory.memsw.limit_in_bytes" ||
                file == "memory.soft_limit_in_bytes" || file == "cpu.cfs_quota_us")
                unset("-1");
            if (file == "memory.low") unset("0");
            if (file == "cpu.max") unset("max 100000");
            if (file == "cpu.cfs_period_us") unset("100000");
            if (file == "cpu.shares") unset("1024");
            if (file == "cpu.weight") unset("100");
        }
    }
    return out;
}

std::vector<std::string> container_cgroup_directories(const CgroupHost& host, std::string_view parent,
                                                      std::string_view id) {
    std::vector<std::string> out;
    for (const auto& h : host.hierarchies) out.push_back(directory_of(h, parent) + "/" + std::string(id));
    return out;
}

void kill_cgroup(const std::string& directory) {
    if (write_text(directory + "/cgroup.kill", "1")) return;  // v2, from 5.14 on
    auto text = read_text(directory + "/cgroup.procs");
    if (!text) return;
    for (std::string_view line : split(*text, '\n'))
        if (const long pid = std::strtol(std::string(line).c_str(), nullptr, 10); pid > 1)
            ::kill(static_cast<pid_t>(pid), SIGKILL);
}

int64_t oom_kills(const CgroupHost& host, std::string_view parent, std::string_view id) {
    for (const auto& h : host.hierarchies) {
        if (!contains(h.controllers, "memory")) continue;
        const char* file = host.v2 ? "/memory.events" : "/memory.oom_control";
        auto text = read_text(directory_of(h, parent) + "/" + std::string(id) + file);
        if (!text) return 0;
        for (std::string_view line : split(*text, '\n'))
            if (line.starts_with("oom_kill ")) return std::strtoll(line.data() + 9, nullptr, 10);
    }
    return 0;
}

}  // namespace engine::runtime
