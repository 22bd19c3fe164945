#include "engine/storage/database.h"

#include <sqlite3.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <variant>

#include "engine/reactor/try.h"
#include "engine/storage/limits.h"

namespace engine::storage {

struct Database::Bound {
    Bound(int64_t v) : value(v) {}                               // NOLINT(google-explicit-constructor)
    Bound(std::string_view v) : value(v) {}                      // NOLINT(google-explicit-constructor)
    Bound(const std::string& v) : value(std::string_view(v)) {}  // NOLINT(google-explicit-constructor)
    std::variant<int64_t, std::string_view> value;
};

namespace {

// As many as the reserve has steps, and one more after a checkpoint.
constexpr int tries_on_a_full_disk_max =
    static_cast<int>(limits::database_reserve_bytes / limits::database_reserve_step_bytes) + 1;

constexpr char schema[] = R"sql(
CREATE TABLE IF NOT EXISTS meta(key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS layers(number INTEGER PRIMARY KEY, chain_id TEXT NOT NULL UNIQUE, diff_id TEXT NOT NULL,
                                  parent INTEGER NOT NULL, size INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS images(id TEXT PRIMARY KEY, config BLOB NOT NULL, top_layer INTEGER NOT NULL,
                                  loaded_at INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS tags(reference TEXT PRIMARY KEY, image_id TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS tag_times(image_id TEXT PRIMARY KEY, at INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS ghosts(image_id TEXT PRIMARY KEY, top_layer INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS layer_archives(number INTEGER PRIMARY KEY, blob TEXT NOT NULL, blob_size INTEGER NOT NULL,
                                           tar_bytes INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS pushed_blobs(diff_id TEXT PRIMARY KEY, digest TEXT NOT NULL,
                                        size INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS blob_sources(digest TEXT NOT NULL, repository TEXT NOT NULL, at INTEGER NOT NULL,
                                        PRIMARY KEY(digest, repository)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS manifests(image_id TEXT PRIMARY KEY, digest TEXT NOT NULL, media_type TEXT NOT NULL,
                                     body BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS networks(id TEXT PRIMARY KEY, json TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS parents(image_id TEXT PRIMARY KEY, parent_id TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS containers(id TEXT PRIMARY KEY, name TEXT NOT NULL UNIQUE, json TEXT NOT NULL,
                                      state TEXT NOT NULL);
)sql";

std::string column_text(sqlite3_stmt* statement, int column) {
    const void* bytes = sqlite3_column_blob(statement, column);
    const int size = sqlite3_column_bytes(statement, column);
    return bytes == nullptr ? std::string() : std::string(static_cast<const char*>(bytes), static_cast<size_t>(size));
}

bool is_corruption(int code) {
    return (code & 0xff) == SQLITE_CORRUPT || (code & 0xff) == SQLITE_NOTADB;
}

Error corrupt(const std::string& path) {
    const std::string aside = path + ".corrupt-" + std::to_string(::time(nullptr));
    const bool moved = ::rename(path.c_str(), aside.c_str()) == 0;
    for (const char* suffix : {"-wal", "-shm"}) ::rename((path + suffix).c_str(), (aside + suffix).c_str());
    return Error(ErrorKind::internal, "the state database " + path + " is corrupt; " +
                                          (moved ? "it was kept as " + aside + " and the next start begins empty"
                                                 : std::string("it could not be moved aside")));
}

}  // namespace

Error Database::failure(std::string_view what) const {
    const int code = sqlite3_extended_errcode(handle_);
    const bool full = (code & 0xff) == SQLITE_FULL;
    return Error(full ? ErrorKind::exhausted : ErrorKind::internal,
                 "state database: " + std::string(what) + ": " + sqlite3_errmsg(handle_), full ? ENOSPC : 0);
}

Result<std::unique_ptr<Database>> Database::open(const std::string& path) {
    sqlite3* handle = nullptr;
    const int opened = sqlite3_open_v2(path.c_str(), &handle,
                                       SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX, nullptr);
    std::unique_ptr<Database> db(new Database(handle));
    if (opened != SQLITE_OK) return fail(db->failure("open " + path));
    sqlite3_extended_result_codes(handle, 1);
    sqlite3_busy_timeout(handle, 0);
    const auto set_up = [&]() -> Result<void> {
        // Exclusive before WAL: then its index lives in memory, and a full disk can be read from.
        TRY_VOID(db->execute("PRAGMA locking_mode=EXCLUSIVE"));
        TRY_VOID(db->execute("PRAGMA journal_mode=WAL"));
        TRY_VOID(db->execute("PRAGMA synchronous=OFF"));
        TRY_VOID(db->execute("PRAGMA wal_autocheckpoint=4000"));
        return db->execute(schema);
    };
    auto ready = set_up();
    std::optional<std::string> version;
    if (ready) {
        auto read = db->meta("schema_version");
        if (read) {
            version = std::move(*read);
        } else {
            ready = tl::unexpected<Error>(std::move(read).error());
        }
    }
    if (!ready) {
        if (!is_corruption(sqlite3_errcode(handle))) return fail(std::move(ready).error());
        db.reset();
        return fail(corrupt(path));
    }
    db->reserve_ = std::make_unique<ReserveFile>(path + ".reserve", limits::database_reserve_bytes,
                                                 limits::database_reserve_step_bytes);
    if (!version) {
        TRY_VOID(db->set_meta("schema_version", std::to_string(schema_version)));
    } else if (std::strtol(version->c_str(), nullptr, 10) > schema_version) {
        return fail(ErrorKind::invalid, "the state database " + path + " has schema version " + *version +
                                            ", this engine knows up to " + std::to_string(schema_version) +
                                            ": it was written by a newer dockercd");
    }
    ::chmod(path.c_str(), 0600);
    return db;
}

Database::~Database() {
    for (auto& [sql, statement] : statements_) sqlite3_finalize(statement);
    sqlite3_close(handle_);
}

Result<void> Database::execute(const char* sql) {
    if (sqlite3_exec(handle_, sql, nullptr, nullptr, nullptr) != SQLITE_OK) return fail(failure("set up"));
    return {};
}

Result<sqlite3_stmt*> Database::prepared(const char* sql) {
    auto& statement = statements_[sql];
    if (statement == nullptr &&
        sqlite3_prepare_v3(handle_, sql, -1, SQLITE_PREPARE_PERSISTENT, &statement, nullptr) != SQLITE_OK)
        return fail(failure(sql));
    sqlite3_reset(statement);
    return statement;
}

Result<void> Database::run(const char* sql, std::initializer_list<Bound> values) {
    auto done = step(sql, values);
    // Inside a transaction SQLite has rolled back what came before: only its owner can begin anew.
    for (int tries = 0; tries < tries_on_a_full_disk_max && !done; ++tries) {
        if (done.error().error_number() != ENOSPC || !make_room() || depth_ > 0) break;
        done = step(sql, values);
    }
    if (done && depth_ == 0) reserve_->refill();
    return done;
}

// The reserve first: the checkpoint that lets the log begin at its start again needs room itself where the database
// grows by it.
bool Database::make_room() {
    if (reserve_->give_up_step()) return true;
    int frames = 0;
    int copied = 0;
    const int done = sqlite3_wal_checkpoint_v2(handle_, nullptr, SQLITE_CHECKPOINT_RESTART, &frames, &copied);
    return done == SQLITE_OK && copied > 0;
}

Result<void> Database::step(const char* sql, std::initializer_list<Bound> values) {
    TRY(sqlite3_stmt * statement, prepared(sql));
    int at = 1;
    for (const auto& bound : values) {
        if (const auto* number = std::get_if<int64_t>(&bound.value)) {
            sqlite3_bind_int64(statement, at++, *number);
        } else {
            const auto text = std::get<std::string_view>(bound.value);
            sqlite3_bind_text64(statement, at++, text.data() ? text.data() : "", text.size(), SQLITE_STATIC,
                                SQLITE_UTF8);
        }
    }
    const int done = sqlite3_step(statement);
    if (done == SQLITE_DONE || done == SQLITE_ROW) {
        sqlite3_reset(statement);
        sqlite3_clear_bindings(statement);
        return {};
    }
    auto error = failure(sql);
    sqlite3_reset(statement);
    sqlite3_clear_bindings(statement);
    return fail(std::move(error));
}

Result<void> Database::begin() {
    if (depth_ == 0) {
        TRY_VOID(run("BEGIN IMMEDIATE", {}));
    }
    depth_++;
    return {};
}

Result<void> Database::commit() {
    CHECK(depth_ > 0);
    if (depth_ > 1) {
        depth_--;
        return {};
    }
    auto done = run("COMMIT", {});
    if (!done) {
        rollback();
        return done;
    }
    depth_ = 0;
    return {};
}

void Database::rollback() {
    if (depth_ == 0) return;
    depth_ = 0;
    ignore_result(run("ROLLBACK", {}), "SQLite may have rolled back by itself");
}

Result<int64_t> Database::next_layer_number() {
    TRY(const auto last, meta("last_layer"));
    const int64_t next = (last ? std::strtoll(last->c_str(), nullptr, 10) : 0) + 1;
    TRY_VOID(set_meta("last_layer", std::to_string(next)));
    return next;
}

Result<void> Database::put_layer(const LayerRow& row) {
    TRY_VOID(run("INSERT OR REPLACE INTO layers VALUES(?,?,?,?,?)",
                 {row.number, row.chain_id, row.diff_id, row.parent, row.size}));
    return run("INSERT OR REPLACE INTO layer_archives VALUES(?,?,?,?)",
               {row.number, row.blob_digest, row.blob_size, row.tar_bytes});
}
Result<void> Database::delete_layer(int64_t number) {
    TRY_VOID(run("DELETE FROM layer_archives WHERE number=?", {number}));
    return run("DELETE FROM layers WHERE number=?", {number});
}

Result<void> Database::put_manifest(const ManifestRow& row) {
    return run("INSERT OR REPLACE INTO manifests VALUES(?,?,?,?)",
               {row.image_id, row.digest, row.media_type, row.body});
}
Result<std::optional<ManifestRow>> Database::manifest(std::string_view image_id) {
    TRY(sqlite3_stmt * row, prepared("SELECT digest,media_type,body FROM manifests WHERE image_id=?"));
    sqlite3_bind_text64(row, 1, image_id.data(), image_id.size(), SQLITE_TRANSIENT, SQLITE_UTF8);
    const int step = sqlite3_step(row);
    std::optional<ManifestRow> out;
    if (step == SQLITE_ROW)
        out = ManifestRow{std::string(image_id), column_text(row, 0), column_text(row, 1), column_text(row, 2)};
    if (step != SQLITE_ROW && step != SQLITE_DONE) return fail(failure("read a manifest"));
    sqlite3_reset(row);
    return out;
}

Result<void> Database::put_pushed_blob(std::string_view diff_id, const BlobRow& blob) {
    return run("INSERT OR REPLACE INTO pushed_blobs VALUES(?,?,?)", {diff_id, blob.digest, blob.size});
}
Result<std::optional<BlobRow>> Database::pushed_blob(std::string_view diff_id) {
    TRY(sqlite3_stmt * row, prepared("SELECT digest,size FROM pushed_blobs WHERE diff_id=?"));
    sqlite3_bind_text64(row, 1, diff_id.data(), diff_id.size(), SQLITE_TRANSIENT, SQLITE_UTF8);
    const int step = sqlite3_step(row);
    std::optional<BlobRow> out;
    if (step == SQLITE_ROW) out = BlobRow{column_text(row, 0), sqlite3_column_int64(row, 1)};
    if (step != SQLITE_ROW && step != SQLITE_DONE) return fail(failure("read a pushed blob"));
    sqlite3_reset(row);
    return out;
}

Result<void> Database::put_blob_source(std::string_view digest, std::string_view repository, int64_t at) {
    return run("INSERT OR REPLACE INTO blob_sources VALUES(?,?,?)", {digest, repository, at});
}
Result<std::vector<std::string>> Database::blob_sources(std::string_view digest) {
    TRY(sqlite3_stmt * row, prepared("SELECT repository FROM blob_sources WHERE digest=? ORDER BY at DESC LIMIT 16"));
    sqlite3_bind_text64(row, 1, digest.data(), digest.size(), SQLITE_TRANSIENT, SQLITE_UTF8);
    std::vector<std::string> out;
    int step = 0;
    while ((step = sqlite3_step(row)) == SQLITE_ROW) out.push_back(column_text(row, 0));
    if (step != SQLITE_DONE) return fail(failure("read a blob's repositories"));
    sqlite3_reset(row);
    return out;
}

Result<void> Database::forget_blobs_unused() {
    TRY_VOID(run("DELETE FROM pushed_blobs WHERE diff_id NOT IN (SELECT diff_id FROM layers)", {}));
    return run(
        "DELETE FROM blob_sources WHERE digest NOT IN "
        "(SELECT blob FROM layer_archives UNION SELECT digest FROM pushed_blobs)",
        {});
}

Result<void> Database::put_image(const ImageRow& row) {
    return run("INSERT OR REPLACE INTO images VALUES(?,?,?,?)", {row.id, row.config, row.top_layer, row.loaded_at});
}
Result<void> Database::delete_image(std::string_view id) {
    TRY_VOID(run("DELETE FROM manifests WHERE image_id=?", {id}));
    return run("DELETE FROM images WHERE id=?", {id});
}

Result<void> Database::put_tag(const TagRow& row) {
    return run("INSERT OR REPLACE INTO tags VALUES(?,?)", {row.reference, row.image_id});
}
Result<void> Database::delete_tag(std::string_view reference) {
    return run("DELETE FROM tags WHERE reference=?", {reference});
}

Result<void> Database::put_container(const ContainerRow& row) {
    return run(
        "INSERT INTO containers VALUES(?,?,?,?) ON CONFLICT(id) DO UPDATE SET name=excluded.name,"
        "json=excluded.json,state=excluded.state",
        {row.id, row.name, row.json, row.state});
}
Result<void> Database::set_container_state(std::string_view id, std::string_view state) {
    return run("UPDATE containers SET state=? WHERE id=?", {state, id});
}
Result<void> Database::set_container_name(std::string_view id, std::string_view name) {
    return run("UPDATE containers SET name=? WHERE id=?", {name, id});
}
Result<void> Database::delete_container(std::string_view id) {
    return run("DELETE FROM containers WHERE id=?", {id});
}

Result<void> Database::put_network(const NetworkRow& row) {
    return run("INSERT INTO networks VALUES(?,?) ON CONFLICT(id) DO UPDATE SET json=excluded.json",
               {row.id, row.json});
}
Result<void> Database::delete_network(std::string_view id) {
    return run("DELETE FROM networks WHERE id=?", {id});
}

Result<void> Database::set_meta(std::string_view key, std::string_view value) {
    return run("INSERT OR REPLACE INTO meta VALUES(?,?)", {key, value});
}

Result<std::optional<std::string>> Database::meta(std::string_view key) {
    TRY(sqlite3_stmt * row, prepared("SELECT value FROM meta WHERE key=?"));
    sqlite3_bind_text64(row, 1, key.data(), key.size(), SQLITE_TRANSIENT, SQLITE_UTF8);
    const int step = sqlite3_step(row);
    std::optional<std::string> out;
    if (step == SQLITE_ROW) {
        out = column_text(row, 0);
    } else if (step != SQLITE_DONE) {
        return fail(failure("read meta"));
    }
    sqlite3_reset(row);
    return out;
}

// Every row of a statement without parameters.
#define EACH_ROW(sql, row_type, ...)                                                       \
    TRY(sqlite3_stmt* row, prepared(sql));                                                 \
    std::vector<row_type> out;                                                             \
    int step = 0;                                                                          \
    while ((step = sqlite3_step(row)) == SQLITE_ROW) out.push_back(row_type{__VA_ARGS__}); \
    if (step != SQLITE_DONE) return fail(failure(sql));                                    \
    sqlite3_reset(row);                                                                    \
    return out

Result<void> Database::put_ghost(std::string_view image_id, int64_t top_layer) {
    return run("INSERT OR REPLACE INTO ghosts VALUES(?,?)", {image_id, top_layer});
}
Result<void> Database::delete_ghost(std::string_view image_id) {
    return run("DELETE FROM ghosts WHERE image_id=?", {image_id});
}
Result<std::vector<GhostRow>> Database::ghosts() {
    EACH_ROW("SELECT image_id,top_layer FROM ghosts", GhostRow, column_text(row, 0), sqlite3_column_int64(row, 1));
}

Result<void> Database::put_parent(std::string_view image_id, std::string_view parent_id) {
    return run("INSERT OR REPLACE INTO parents VALUES(?,?)", {image_id, parent_id});
}
Result<void> Database::delete_parent(std::string_view image_id) {
    return run("DELETE FROM parents WHERE image_id=?", {image_id});
}
Result<std::vector<ParentRow>> Database::parents() {
    EACH_ROW("SELECT image_id,parent_id FROM parents", ParentRow, column_text(row, 0), column_text(row, 1));
}

Result<void> Database::put_tag_time(std::string_view image_id, int64_t at) {
    return run("INSERT OR REPLACE INTO tag_times VALUES(?,?)", {image_id, at});
}
Result<void> Database::delete_tag_time(std::string_view image_id) {
    return run("DELETE FROM tag_times WHERE image_id=?", {image_id});
}
Result<std::vector<TagTimeRow>> Database::tag_times() {
    EACH_ROW("SELECT image_id,at FROM tag_times", TagTimeRow, column_text(row, 0), sqlite3_column_int64(row, 1));
}
Result<std::vector<std::string>> Database::container_ids() {
    EACH_ROW("SELECT id FROM containers", std::string, column_text(row, 0));
}

Result<std::vector<LayerRow>> Database::layers() {
    EACH_ROW(
        "SELECT number,chain_id,diff_id,parent,size,blob,blob_size,tar_bytes FROM layers "
        "LEFT JOIN layer_archives USING(number) ORDER BY number",
        LayerRow, sqlite3_column_int64(row, 0), column_text(row, 1), column_text(row, 2), sqlite3_column_int64(row, 3),
        sqlite3_column_int64(row, 4), column_text(row, 5), sqlite3_column_int64(row, 6),
        sqlite3_column_int64(row, 7));
}
Result<std::vector<ImageRow>> Database::images() {
    EACH_ROW("SELECT id,config,top_layer,loaded_at FROM images", ImageRow, column_text(row, 0), column_text(row, 1),
             sqlite3_column_int64(row, 2), sqlite3_column_int64(row, 3));
}
Result<std::vector<TagRow>> Database::tags() {
    EACH_ROW("SELECT reference,image_id FROM tags", TagRow, column_text(row, 0), column_text(row, 1));
}
Result<std::vector<ContainerRow>> Database::containers() {
    EACH_ROW("SELECT id,name,json,state FROM containers ORDER BY rowid", ContainerRow, column_text(row, 0),
             column_text(row, 1), column_text(row, 2), column_text(row, 3));
}
Result<std::vector<NetworkRow>> Database::networks() {
    EACH_ROW("SELECT id,json FROM networks ORDER BY rowid", NetworkRow, column_text(row, 0), column_text(row, 1));
}
#undef EACH_ROW

}  // namespace engine::storage
