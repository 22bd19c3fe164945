// Networks in the state database: net and storage do not know each other, the composition root knows both.
#pragma once

#include "engine/net/networks.h"
#include "engine/storage/database.h"

namespace engine {

class NetworkRows : public net::NetworkStore {
public:
    explicit NetworkRows(storage::Database& db) : db_(db) {}
    Result<void> put(const std::string& id, const std::string& text) override;
    Result<void> remove(const std::string& id) override;
    Result<std::vector<std::string>> all() override;
    void put_cursor(const std::string& key, std::uint64_t cursor) override;
    std::uint64_t cursor(const std::string& key) override;

private:
    storage::Database& db_;
};

}  // namespace engine
