// The networks of this engine: made, removed, joined and left. Runs on the loop; what may block is the net worker's.
#pragma once

#include <functional>

#include "engine/net/firewall.h"
#include "engine/net/name_server.h"
#include "engine/net/net_worker_client.h"
#include "engine/net/network.h"
#include "engine/net/options.h"
#include "engine/net/peer_names.h"

namespace engine::net {

// Where networks are kept. Called on the loop.
class NetworkStore {
public:
    virtual ~NetworkStore() = default;
    virtual Result<void> put(const std::string& id, const std::string& text) = 0;
    virtual Result<void> remove(const std::string& id) = 0;
    virtual Result<std::vector<std::string>> all() = 0;
    // The address handed out last, so that a restart does not hand it out again at once.
    virtual void put_cursor(const std::string& key, std::uint64_t cursor) = 0;
    virtual std::uint64_t cursor(const std::string& key) = 0;
};

class Networks {
public:
    // The store outlives it. Reads the rows; nothing in the kernel is touched before start().
    static Result<std::unique_ptr<Networks>> open(Options options, NetworkStore& store);
    ~Networks();

    // Makes or finds every bridge and the rules. `in_use` tells the sandboxes of containers that go on running.
    Task<void> start(std::vector<std::shared_ptr<Sandbox>> in_use);
    Task<void> close(bool idle);   // idle: nothing runs: the rules go too

    Result<std::shared_ptr<Network>> find(std::string_view reference) const;   // full id, name, prefix of the id
    std::vector<std::shared_ptr<Network>> all() const;                         // as made
    Task<std::shared_ptr<Network>> create(NetworkSpec spec);
    Task<std::shared_ptr<Network>> remove(std::string reference);
    // What would keep a network from being removed: names of its endpoints.
    static std::vector<std::string> users_of(const Network& network);

    // Everything a container needs before it runs, in a new namespace; on failure nothing is left. The namespace is the
    // caller's to hand to the container.
    struct Joined {
        std::shared_ptr<Sandbox> sandbox;
        UniqueFd netns;
    };
    struct JoinRequest {
        std::string container_id, container_name, hostname;
        std::vector<EndpointRequest> endpoints;    // the first is eth0
        std::vector<PortRequest> ports;
        std::vector<std::string> resolver;         // upstream servers of the embedded one; empty: there is none
    };
    Task<Joined> join(JoinRequest request);
    // Synchronous for who calls; the kernel is told behind. The container's processes are gone: so is its namespace,
    // unless `shared` with another container.
    void leave(const std::shared_ptr<Sandbox>& sandbox, bool shared);
    Task<std::shared_ptr<Endpoint>> connect(std::shared_ptr<Sandbox> sandbox, EndpointRequest request, int netns,
                                            std::vector<std::string> resolver);
    Task<void> disconnect(std::shared_ptr<Sandbox> sandbox, std::string network_id, int netns);

    // Other published ports for a running container: what is asked as before stays as it is. On failure all does.
    Task<void> set_ports(std::shared_ptr<Sandbox> sandbox, std::vector<PortRequest> requests);

    // Into the namespace, and out of it again. The name inside.
    Task<std::string> plug(PlugRequest request, int netns);
    Task<void> unplug(std::string name, int netns);

    // A sandbox that a container of an earlier engine still lives in: its addresses and ports are taken again.
    Result<void> restore(const std::shared_ptr<Sandbox>& sandbox);
    Task<void> serve_names_again(std::shared_ptr<Sandbox> sandbox, UniqueFd netns);

    const Options& options() const { return options_; }
    bool default_bridge() const { return !options_.disabled(); }
    std::string host_gateway() const;              // what --add-host host-gateway means
    Task<std::vector<std::string>> warnings();     // for info: of now
    // On the default bridge with --icc=false: these ways between containers are open, no others.
    Task<void> set_flows(std::vector<AllowedFlow> flows);
    bool default_bridge_is_closed() const { return default_bridge() && !options_.icc && options_.iptables; }

private:
    Networks(Options options, NetworkStore& store);
    Result<void> load();
    Result<void> add_predefined(const std::string& name, const std::string& driver);
    Task<void> resolve(std::shared_ptr<Network> network);
    Result<void> resolve_subnets(Network& network, const Survey& survey);
    // stacked_networks.cc
    Result<void> resolve_stacked(Network& network, const Survey& survey) const;
    Result<void> resolve_parent(Network& network, const Survey& survey) const;
    std::vector<std::string> links_of(Network& network);
    // overlay_names.cc
    Task<PeerNames::Found> ask_peers(std::shared_ptr<Sandbox> sandbox, std::string name, std::uint16_t type);
    PeerNames::Found addresses_for_peer(const Address& peer, const std::string& name) const;
    void serve_peers();
    // overlay_networks.cc
    Result<void> resolve_overlay(Network& network, const Survey& survey) const;
    Result<void> resolve_default_bridge(Network& network, const Survey& survey);
    void resolve_options(Network& network) const;
    Task<void> make_links(std::shared_ptr<Network> network);
    Task<void> remove_links(std::vector<std::string> links);
    Task<bool> make_bridge(std::shared_ptr<Network> network);   // true: it was there
    Task<void> make_plug_base(const PlugRequest& request);
    Task<void> apply_table();
    Task<void> watch_rules(UniqueFd events);
    Task<void> sweep_links();
    Task<void> move_ports(std::shared_ptr<Sandbox> sandbox);
    Task<void> change_ports(std::vector<PublishedPort> ports, bool add);
    Task<void> change_flows(std::vector<AllowedFlow> flows, bool add);
    FirewallState firewall_state() const;
    std::vector<Prefix> taken_subnets() const;
    Result<void> check_spec(const NetworkSpec& spec) const;
    Result<void> save(const Network& network);

    Result<std::shared_ptr<Endpoint>> make_endpoint(Network& network, const EndpointRequest& request, Sandbox& sandbox);
    std::optional<std::vector<Address>> addresses_of(const Sandbox& sandbox, const std::string& name) const;
    std::optional<std::string> name_of(const Sandbox& sandbox, const Address& address) const;
    void serve_names(const std::shared_ptr<Sandbox>& sandbox, UniqueFd udp, UniqueFd tcp);
    void drop_endpoint(const std::shared_ptr<Endpoint>& endpoint);
    EndpointPlan plan_of(const Endpoint& endpoint, const Sandbox& sandbox, const Settings& settings) const;
    // `spare`: ports that are held already and may be taken over.
    Result<void> hold_ports(Sandbox& sandbox, std::vector<BoundPort>& spare);
    std::vector<PortRequest> as_before(const Sandbox& sandbox, std::vector<PortRequest> requests) const;
    void give_back(Sandbox& sandbox, const std::vector<PublishedPort>& before, std::vector<BoundPort>& spare);
    void forget_ports(Sandbox& sandbox);
    Result<void> hold_one(Sandbox& sandbox, const Endpoint& gateway, const PortRequest& request,
                          std::vector<BoundPort>& spare);
    Result<BoundPort> take_port(const Address& host, const PortRequest& request, const Endpoint& to,
                                std::vector<BoundPort>& spare);
    bool port_taken(const Address& host, Protocol protocol, std::uint16_t port) const;

    Options options_;
    NetworkStore& store_;
    NetWorkerClient worker_;
    NameServer names_;
    PeerNames peer_names_;
    std::map<Address, std::shared_ptr<void>> peer_servers_;   // by the host's address
    std::map<std::string, std::shared_ptr<Network>> networks_;   // by id
    std::vector<std::string> order_;                             // ids as made
    std::vector<PublishedPort> ports_;
    std::vector<AllowedFlow> flows_;
    reactor::Event started_;           // start() is done: containers may join
    reactor::Lane making_;             // one network is made or removed at a time
    reactor::Scope scope_{"networks"};
    std::uint16_t next_port_ = 0;
    bool watching_ = false;            // watch_rules() is there
    std::string firewall_fault_;       // why there are no rules; "": there are
    std::vector<std::string> warnings_;
};

}  // namespace engine::net
