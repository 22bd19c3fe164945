// The options of run and create, and the create body they make.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "tools/dockerc/command.h"
#include "tools/dockerc/network_options.h"

namespace dockerc {

struct ContainerOptions {
    bool interactive = false, tty = false, detach = false, remove = false, read_only = false, privileged = false;
    bool sig_proxy = true;
    std::string name, user, workdir, hostname, memory, cpus, cpu_shares, network, cidfile, shm_size, stop_signal;
    std::string detach_keys, log_driver, memory_swap, pids_limit, restart, memory_reservation, cpuset_cpus, cpuset_mems;
    bool init = false, oom_kill_disable = false;
    std::optional<std::int64_t> cpu_period, cpu_quota, blkio_weight, memory_swappiness;
    NetworkOptions networking;
    std::optional<std::string> entrypoint;
    std::optional<std::int64_t> stop_timeout;
    std::vector<std::string> env, env_files, volumes, mounts, labels, cap_add, cap_drop, security_opts, tmpfs, ulimits;
    std::vector<std::string> log_opts, attach;
    std::string image;
    std::vector<std::string> command;
};

// Of --env-file's files, then --env's entries: "NAME=value", or "NAME" alone where ours has no such variable.
Result<std::vector<std::string>> environment(const std::vector<std::string>& files,
                                             const std::vector<std::string>& entries);
// "on-failure:3" as the API's RestartPolicy.
Result<std::string> restart_policy_json(const std::string& text);

void add_container_options(CommandLine& line, ContainerOptions& options, bool run);
Result<std::string> create_body(const ContainerOptions& options);

// Makes the container (pulls the image when the engine lacks it), prints warnings, writes the cidfile. The id.
Result<std::string> create_container(Client& client, const ContainerOptions& options);

}  // namespace dockerc
