#include "engine/network_rows.h"

#include "engine/reactor/log.h"
#include "engine/reactor/try.h"

namespace engine {
namespace {

std::string cursor_key(const std::string& key) { return "address_cursor:" + key; }

}  // namespace

Result<void> NetworkRows::put(const std::string& id, const std::string& text) { return db_.put_network({id, text}); }
Result<void> NetworkRows::remove(const std::string& id) { return db_.delete_network(id); }

Result<std::vector<std::string>> NetworkRows::all() {
    TRY(const auto rows, db_.networks());
    std::vector<std::string> out;
    for (const storage::NetworkRow& row : rows) out.push_back(row.json);
    return out;
}

// Without it an address may be given out again sooner, no more.
void NetworkRows::put_cursor(const std::string& key, std::uint64_t cursor) {
    if (auto put = db_.set_meta(cursor_key(key), std::to_string(cursor)); !put)
        log_warn("recording the last address: " + put.error().message());
}

std::uint64_t NetworkRows::cursor(const std::string& key) {
    const auto text = db_.meta(cursor_key(key));
    return text && *text ? std::strtoull((*text)->c_str(), nullptr, 10) : 0;
}

}  // namespace engine
