// Which containers `GET /containers/json` lists: all, limit and filters, in dockerd's meaning.
#pragma once

#include <memory>
#include <vector>

#include "engine/api/filters.h"
#include "engine/runtime/container_service.h"

namespace engine::api {

struct ContainerQuery {
    bool all = false;
    long limit = 0;  // 0: none
    Filters filters;
};

// Newest first.
Result<std::vector<std::shared_ptr<runtime::Container>>> list_containers_by(const runtime::ContainerService& containers,
                                                                            const storage::ImageStore& images,
                                                                            ContainerQuery query);

// What POST /containers/prune removes.
class PruneSelection {
public:
    static Result<PruneSelection> of(Filters filters, Nanoseconds now);
    bool takes(const runtime::Container& container) const;

private:
    Filters filters_;
    Nanoseconds until_ = 0;   // 0: no bound
};

}  // namespace engine::api
