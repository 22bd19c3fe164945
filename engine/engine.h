// The composition root: the only place that knows everyone. Builds the services, serves, takes them down in reverse.
#pragma once

#include <memory>

#include "engine/api/services.h"
#include "engine/network_rows.h"
#include "engine/options.h"
#include "engine/runtime/event.h"
#include "engine/runtime/event_journal.h"
#include "engine/reactor/loop.h"
#include "engine/reactor/unique_fd.h"
#include "engine/runtime/container_files.h"
#include "engine/runtime/container_service.h"
#include "engine/runtime/exec_service.h"
#include "engine/runtime/stats_service.h"
#include "engine/storage/storage_backend.h"

namespace engine {

class Engine {
public:
    // Refuses, with a sentence, what would fail later: no root, a data root in use, directories that cannot be made.
    static Result<std::unique_ptr<Engine>> create(Options options);
    ~Engine();

    // Serves until SIGTERM or SIGINT. Containers go on without us.
    Task<void> run();

private:
    explicit Engine(Options options);
    Result<void> prepare_directories();
    Result<void> gather_facts();
    Task<void> open_services();
    Task<void> close_services();
    Task<void> serve();
    api::ObjectCounts count() const;
    Task<void> handle_signals(reactor::StopSource* stop);
    Task<void> take_over(reactor::StopSource* stop, Result<void>* outcome);

    Options options_;
    UniqueFd data_lock_;  // flock on DATA/engine.lock, held for life
    UniqueFd exec_lock_;  // and on RUN/engine.lock
    UniqueFd signals_;
    std::unique_ptr<runtime::EventJournal> event_journal_;
    runtime::Events events_;
    // In the order of their making: each uses those above it.
    std::unique_ptr<storage::Database> db_;
    std::unique_ptr<storage::StorageBackend> backend_;
    std::unique_ptr<storage::ImageStore> images_;
    std::unique_ptr<storage::RegistryService> registry_;
    std::unique_ptr<NetworkRows> network_rows_;
    std::unique_ptr<net::Networks> networks_;
    std::unique_ptr<runtime::KeeperClient> keeper_;
    std::unique_ptr<runtime::ContainerService> containers_;
    std::unique_ptr<runtime::ExecService> execs_;
    std::unique_ptr<runtime::StatsService> stats_;
    std::unique_ptr<runtime::ContainerFiles> files_;
    api::Services services_;
    reactor::Event taken_over_;   // the containers that ran before us are ours
};

}  // namespace engine
