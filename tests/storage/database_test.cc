#include "engine/storage/database.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>

namespace engine::storage {
namespace {

TEST(Database, KeepsRowsRefusesNewerAndSetsCorruptAside) {
    char name[] = "/tmp/db-test-XXXXXX";
    ASSERT_NE(::mkdtemp(name), nullptr);
    const std::string path = std::string(name) + "/state.db";
    {
        auto db = Database::open(path);
        ASSERT_TRUE(db) << db.error().message();
        ASSERT_TRUE((*db)->put_container({"id", "name", "{}", "created"}));
        ASSERT_TRUE((*db)->set_container_state("id", "running"));
        ASSERT_TRUE((*db)->begin());
        ASSERT_TRUE((*db)->put_tag({"a:1", "x"}));
        (*db)->rollback();
        EXPECT_EQ(*(*db)->next_layer_number(), 1);
        EXPECT_EQ(*(*db)->next_layer_number(), 2);
    }
    {
        auto db = Database::open(path);
        ASSERT_TRUE(db);
        EXPECT_EQ((*db)->containers()->at(0).state, "running");
        EXPECT_TRUE((*db)->tags()->empty());
        ASSERT_TRUE((*db)->set_meta("schema_version", "99"));
    }
    const auto newer = Database::open(path);
    ASSERT_FALSE(newer);
    EXPECT_NE(newer.error().message().find("newer dockercd"), std::string::npos);
    std::ofstream(path) << std::string(8192, 'x');
    const auto corrupt = Database::open(path);
    ASSERT_FALSE(corrupt);
    EXPECT_NE(corrupt.error().message().find("kept as"), std::string::npos) << corrupt.error().message();
    EXPECT_TRUE(Database::open(path));
    ASSERT_EQ(std::system(("rm -rf " + std::string(name)).c_str()), 0);
}

}  // namespace
}  // namespace engine::storage
