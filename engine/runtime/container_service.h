// The verbs on containers. The only writer of the containers table and of DATA/containers/<id>.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "engine/reactor/scope.h"
#include "engine/reactor/unique_fd.h"
#include "engine/runtime/container.h"
#include "engine/runtime/event.h"
#include "engine/runtime/keeper_client.h"
#include "engine/runtime/linux/cgroup_support.h"
#include "engine/runtime/log_stream.h"
#include "engine/runtime/seccomp_compiler.h"
#include "engine/storage/database.h"
#include "engine/storage/image_store.h"

namespace engine::net {
class Networks;
struct Endpoint;
struct HostsEntry;
struct PlugRequest;
struct ResolverConfig;
struct Sandbox;
}  // namespace engine::net

namespace engine::runtime {

struct EndpointSettings;
struct LaunchContext;
struct SeccompWish;

// What an API version decides of a create.
struct CreateRules {
    bool auto_remove = true;   // heeded; before API 1.25 the client removed
};
struct Created {
    std::string id;
    std::vector<std::string> warnings;
};

struct WaitAnswer {
    int exit_code = 0;
    std::string error;   // why there is no better code: the start failed, or it went without a run
};

enum class WaitCondition : unsigned char { not_running, next_exit, removed };

struct AttachRequest {
    bool logs = false;         // what has been logged so far, first
    bool stream = false;
    bool stdin_ = false;
    bool stdout_ = false;
    bool stderr_ = false;
    bool framed = false;       // with 8-byte headers
    std::string detach_keys;   // bytes, as of parse_detach_keys()
};

struct ProcessTable;   // ps_output.h

// What of an update body is heeded, by the API's version.
struct UpdateRules {
    bool pids_limit = true;       // from 1.40 on
    bool kernel_memory = false;   // before 1.42
};

constexpr int exit_code_start_failed = 128;   // before the process could say why
constexpr int exit_code_unknown = 255;   // what Docker shows when nobody saw the end

// Where a container's own files are.
struct ContainerPaths {
    std::string hosts, hostname, resolv_conf;
    std::string log;  // "" when nothing is logged to a file
};

class ContainerService {
public:
    struct Options {
        std::string data_root;
        std::string exec_root;
        std::string cgroup_parent;
        std::string worker_path;  // the dockercd binary
        std::string init_path;    // the dockercd-init binary
        LogConfig log_defaults;   // of containers that name no driver
    };
    // db, images, keeper and events outlive the service.
    static Result<std::unique_ptr<ContainerService>> open(Options options, storage::Database& db,
                                                          storage::ImageStore& images, KeeperClient& keeper,
                                                          net::Networks& networks, Events& events);

    // `name` may be empty: one is made. The body is the create request's JSON.
    Task<Created> create(std::string_view name, std::string_view body, CreateRules rules = {});
    Task<void> start(std::string_view reference);
    // signal: a name or number; "" means KILL.
    Task<void> kill(std::string_view reference, std::string_view signal);
    // timeout in seconds: none: the container's own, else 10; negative: no end.
    Task<void> stop(std::string_view reference, std::string_view signal, std::optional<long> timeout);
    // The same stop, then a start; a container that does not run is only started.
    Task<void> restart(std::string_view reference, std::string_view signal, std::optional<long> timeout);
    Task<void> pause(std::string_view reference);
    Task<void> unpause(std::string_view reference);
    Task<void> rename(std::string_view reference, std::string_view new_name);
    // The host's ps with these arguments ("" means -ef), of the container's processes only.
    Task<ProcessTable> top(std::string_view reference, std::string_view arguments, reactor::StopToken stop);
    // `body`: the request's JSON, of resources and restart policy. Warnings.
    Task<std::vector<std::string>> update(std::string_view reference, std::string_view body, UpdateRules rules);
    Task<WaitAnswer> wait(std::shared_ptr<Container> container, WaitCondition condition, reactor::StopToken stop);
    Task<void> remove(std::string_view reference, bool force);
    // dockerd attaches to no paused container.
    Result<void> check_attach(std::string_view reference, const Container& container) const;
    // Raw or framed bytes both ways until output ends, the client leaves or types the detach keys.
    Task<void> attach(std::shared_ptr<Container> container, AttachRequest request, ByteSource* input, ByteSink* output,
                      reactor::StopToken stop);
    // Not implemented, in dockerd's words, when nothing is kept.
    Result<void> check_logs(const Container& container) const;
    // The log, by `query`.
    Task<void> logs(std::shared_ptr<Container> container, LogQuery query, ByteSink* sink, reactor::StopToken stop);
    Result<void> resize(std::string_view reference, unsigned short rows, unsigned short columns);

    // The networks of a container, running or not.
    Task<void> connect(std::string_view reference, std::string network, EndpointSettings settings);
    Task<void> disconnect(std::string_view reference, std::string network, bool force);
    // An interface of its own for a running container, and away with it. The name inside.
    Task<std::string> plug(std::string_view reference, net::PlugRequest request);
    Task<void> unplug(std::string_view reference, std::string name);
    Task<void> remove_link(std::string_view reference);
    std::vector<std::string> link_names(const Container& target) const;       // "/web/db": what others call it
    std::vector<std::string> links_shown(const Container& container) const;   // "/db:/web/db"
    // Of containers taken over: they go on in their networks.
    std::vector<std::shared_ptr<net::Sandbox>> sandboxes() const;
    Task<void> restore_networks();

    // By full name, full id, or a prefix of the id that only one has.
    Result<std::shared_ptr<Container>> find(std::string_view reference) const;
    Result<std::shared_ptr<Container>> find_by_id(std::string_view prefix) const;
    const std::map<std::string, std::shared_ptr<Container>, std::less<>>& all() const { return containers_; }
    bool device_rules() const { return cgroups_.device_rules; }
    ContainerPaths paths_of(const Container& container) const;
    storage::UsersOf image_users() const;
    // For those who keep something of a container's run. Called after the end is recorded, and when the row is gone.
    void on_run_ended(std::function<void(Container&)> listener) { run_ended_ = std::move(listener); }
    void on_removed(std::function<void(Container&)> listener) { removed_ = std::move(listener); }
    // An event of the container, with its labels, image and name.
    void publish(const Container& container, std::string_view action, EventAttributes attributes = {});
    // What a further process of a container needs.
    Task<SeccompCompiler::Filter> seccomp_filter(const SeccompWish& wish);
    std::vector<std::string> cgroup_directories(const Container& container) const;
    const CgroupHost& cgroup_host() const { return cgroups_; }
    // Once, after open(), which knows the containers and what each is: their output is read again, in pieces that
    // leave the loop to others. Nobody may ask anything of a container meanwhile but what it is.
    Task<void> take_over(reactor::StopToken stop);
    // Once, when everything a start needs is there: what should run by its restart policy is started.
    void begin();
    void stop_waiting() { scope_.request_stop(); }   // those who wait for a container are answered
    Task<void> close();   // containers go on

private:
    ContainerService(Options options, storage::Database& db, storage::ImageStore& images, KeeperClient& keeper,
                     net::Networks& networks, Events& events);
    Result<void> recover();
    void recover_one(const storage::ContainerRow& row, std::map<std::string, KeeperHolding>& holdings);
    void hold_again(Container& container, KeeperHolding& holding);
    void adopt(std::shared_ptr<Container> container, KeeperHolding& holding);
    void keeper_exit(const KeeperExit& exit);
    Task<void> compile_default_filter();
    void keeper_lost();
    Task<void> end_orphan(std::shared_ptr<Container> container);
    void sweep_cgroups(const std::shared_ptr<Container>& container);
    void restore_files(Container& container);

    Task<void> start_process(std::shared_ptr<Container> container);
    Task<void> record_running(std::shared_ptr<Container> container);
    Task<void> supervise(std::shared_ptr<Container> container);
    Task<void> pump_all(std::shared_ptr<Output> output, UniqueFd out, UniqueFd err);
    void release(const std::shared_ptr<Container>& container);
    Task<void> let_go(std::shared_ptr<Container> container, bool cgroups);
    void let_go_of(const std::string& id);
    Task<void> remove_cgroup(const std::string& directory);
    void remove_soon(const std::shared_ptr<Container>& container);
    Task<void> remove_now(std::shared_ptr<Container> container);
    Task<void> start_found(std::shared_ptr<Container> container);
    Task<void> kill_found(std::string_view reference, std::string_view signal);
    Task<void> stop_found(std::shared_ptr<Container> container, std::string_view signal, std::optional<long> timeout);
    Task<void> restart_found(std::shared_ptr<Container> container, std::string_view signal,
                             std::optional<long> timeout);
    Task<void> start_locked(std::shared_ptr<Container> container);
    Task<void> restart_later(std::shared_ptr<Container> container, Nanoseconds pause);
    void cancel_restart(const std::shared_ptr<Container>& container);
    void decide_what_follows(const std::shared_ptr<Container>& container);
    Task<void> finish_stop(std::shared_ptr<Container> container);
    Task<void> start_after_end(std::shared_ptr<Container> container);
    Task<void> start_at_begin(std::shared_ptr<Container> container);
    Result<void> send_signal(Container& container, int number);
    Task<void> deliver(std::shared_ptr<Container> container, int number);
    Task<void> check_paused(std::shared_ptr<Container> container);
    Task<void> thaw_found(std::shared_ptr<Container> container);
    Task<void> update_found(std::shared_ptr<Container> container, const ContainerSpec& wanted);
    Result<void> check_free_name(std::string_view name) const;
    Task<void> copy_input(std::shared_ptr<Container> container, ByteSource* input, std::string keys,
                          reactor::StopSource* leaving);
    Task<void> attach_streams(std::shared_ptr<Container> container, Attachment* attachment, AttachRequest request,
                              ByteSource* input, ByteSink* output, reactor::StopToken stop);
    Task<bool> run_ended(std::shared_ptr<Container> container, reactor::StopToken stop);
    bool ended_by_oom(const Container& container) const;
    Result<void> save_new(const Container& container);
    Result<void> try_save_state(const Container& container);
    void save_state(const Container& container);
    LogPlace log_place(const Container& container) const;
    Result<std::shared_ptr<ContainerLog>> begin_log(Container& container);   // none when nothing is kept
    void finish_logs();
    Task<void> finish_log(std::shared_ptr<Container> container);

    // network_sequence.cc
    struct NetworkReady {
        UniqueFd netns;                    // none: the host's, or one of its own that the child makes
        bool host = false;
        std::string files_of;              // directory whose hosts, hostname and resolv.conf are used; "": its own
        std::string hostname, domainname;  // of a shared namespace; "": its own
    };
    Result<void> read_network(Container& container);
    Task<NetworkReady> prepare_network(std::shared_ptr<Container> container);
    LaunchContext launch_context(const Container& container, const NetworkReady& network) const;
    void release_network(const Container& container);
    Result<std::shared_ptr<Container>> network_peer(const Container& container) const;
    Task<void> connect_running(std::shared_ptr<Container> container, EndpointSettings settings);
    Result<void> save_networks(Container& container);
    void rename_in_networks(const Container& container, const std::string& old_name);
    void publish_network(const Container& container, const net::Endpoint& endpoint, std::string_view action);
    net::ResolverConfig resolver_of(const Container& container) const;
    std::vector<std::string> upstreams_of(const Container& container) const;
    std::string resolver_file(const Container& container) const;
    std::string hosts_file(const Container& container) const;
    Result<void> write_network_files(const Container& container);
    Task<void> update_ports(std::shared_ptr<Container> container);   // update_sequence.cc

    // container_links.cc
    Result<std::shared_ptr<Container>> link_target(const std::string& reference) const;
    Result<void> resolve_links(Container& container);
    void register_links(const Container& container);
    void forget_links(const Container& container);
    std::vector<std::shared_ptr<Container>> linkers_of(const Container& target) const;
    std::shared_ptr<Container> find_by_link(std::string_view name) const;
    const net::Endpoint* on_default_bridge(const Container& container) const;
    Result<void> check_links(const Container& container) const;
    std::vector<net::HostsEntry> link_hosts(const Container& container) const;
    void set_link_variables(Container& container) const;
    void tell_linkers(const Container& target) const;
    void change_host(const Container& container, const net::HostsEntry& entry) const;
    bool is_linked(const Container& container) const;
    Task<void> open_links();

    std::string directory_of(const Container& container) const {
        return options_.data_root + "/containers/" + container.id;
    }

    Options options_;
    storage::Database& db_;
    storage::ImageStore& images_;
    KeeperClient& keeper_;
    net::Networks& networks_;
    Events& events_;
    CgroupHost cgroups_;
    CgroupSupport cgroup_support_;
    SeccompCompiler seccomp_;
    std::map<std::string, std::shared_ptr<Container>, std::less<>> containers_;
    std::map<std::string, std::string, std::less<>> ids_by_name_;
    std::map<std::string, std::set<std::string>> linked_by_;   // id -> those that have a link to it
    std::function<void(Container&)> run_ended_;
    std::function<void(Container&)> removed_;
    struct Adoption {
        std::shared_ptr<Container> container;
        KeeperHolding holding;
    };
    std::vector<Adoption> to_adopt_;                     // by take_over()
    std::vector<std::shared_ptr<Container>> to_start_;   // by begin()
    reactor::Scope scope_{"containers"};
};

}  // namespace engine::runtime
