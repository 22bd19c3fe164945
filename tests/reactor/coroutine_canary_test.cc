// What the compiler does with temporaries in the statement of an await. The shapes that docs/design.md allows must
// construct and destroy alike; of the forbidden ones it is written down whether this compiler still gets them wrong
// (g++ 12 destroys aggregate temporaries and capturing lambdas twice), so that a later one may be allowed.
#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "engine/reactor/io.h"
#include "engine/reactor/loop.h"
#include "engine/reactor/try.h"

namespace engine::reactor {
namespace {

// Counts what lives; owns nothing, so that a second destruction does no harm here.
struct Counted {
    Counted() { ++alive; }
    Counted(const Counted&) { ++alive; }
    Counted(Counted&&) noexcept { ++alive; }
    Counted& operator=(const Counted&) = default;
    Counted& operator=(Counted&&) noexcept = default;
    ~Counted() { --alive; }
    static inline int alive = 0;
};

struct Aggregate {
    Counted first;
    Counted second;
};

Task<int> by_value(Counted) {
    CO_TRY_VOID(co_await sleep_for(1));
    co_return 1;
}
Task<int> by_reference(const Counted&) {
    CO_TRY_VOID(co_await sleep_for(1));
    co_return 2;
}
Task<int> by_aggregate(Aggregate) {
    CO_TRY_VOID(co_await sleep_for(1));
    co_return 3;
}
Task<std::unique_ptr<Counted>> makes() {
    CO_TRY_VOID(co_await sleep_for(1));
    co_return std::make_unique<Counted>();
}
Task<int> fails(Counted) {
    CO_TRY_VOID(co_await sleep_for(1));
    co_return fail(ErrorKind::invalid, "as asked");
}
template <class Callable>
Task<int> calls(Callable callable) {
    CO_TRY_VOID(co_await sleep_for(1));
    co_return callable();
}

// Runs the shape and gives back how many objects it left alive (negative: destroyed too often).
int imbalance(Task<void> shape) {
    Counted::alive = 0;
    auto loop = Loop::create({});
    EXPECT_TRUE(loop);
    EXPECT_TRUE((*loop)->run(std::move(shape)));
    return Counted::alive;
}

Task<void> alone() {
    Counted object;
    auto result = co_await by_reference(object);
    co_return result ? Result<void>() : Result<void>(fail(ErrorKind::internal, "no"));
}
Task<void> moved() {
    Counted object;
    auto result = co_await by_value(std::move(object));
    CO_TRY_VOID(std::move(result));
    co_return Result<void>{};
}
Task<void> copied() {
    Counted object;
    CO_TRY(const int value, co_await by_value(object));
    EXPECT_EQ(value, 1);
    co_return Result<void>{};
}
Task<void> moved_only_result() {
    CO_TRY(const auto made, co_await makes());
    EXPECT_EQ(Counted::alive, 1);
    co_return made ? Result<void>() : Result<void>(fail(ErrorKind::internal, "no"));
}
Task<void> failing() {
    Counted object;
    auto result = co_await fails(object);
    EXPECT_FALSE(result);
    co_return Result<void>{};
}
Task<void> propagating_inner() {
    Counted object;
    CO_TRY(const int value, co_await fails(std::move(object)));
    co_return fail(ErrorKind::internal, std::to_string(value));
}
Task<void> propagating() {
    auto result = co_await propagating_inner();
    EXPECT_EQ(result.error().message(), "as asked");
    co_return Result<void>{};
}
Task<void> in_a_loop() {
    for (int i = 0; i < 5; ++i) {
        Counted object;
        CO_TRY(const int value, co_await by_value(std::move(object)));
        EXPECT_EQ(value, 1);
    }
    co_return Result<void>{};
}

TEST(CoroutineCanary, AllowedShapesConstructAndDestroyAlike) {
    EXPECT_EQ(imbalance(alone()), 0);
    EXPECT_EQ(imbalance(moved()), 0);
    EXPECT_EQ(imbalance(copied()), 0);
    EXPECT_EQ(imbalance(moved_only_result()), 0);
    EXPECT_EQ(imbalance(failing()), 0);
    EXPECT_EQ(imbalance(propagating()), 0);
    EXPECT_EQ(imbalance(in_a_loop()), 0);
}

Task<void> temporary_object() {
    auto result = co_await by_value(Counted());
    CO_TRY_VOID(std::move(result));
    co_return Result<void>{};
}
Task<void> temporary_aggregate() {
    auto result = co_await by_aggregate(Aggregate{Counted(), Counted()});
    CO_TRY_VOID(std::move(result));
    co_return Result<void>{};
}
Task<void> capturing_lambda() {
    Counted object;
    auto result = co_await calls([object] { return Counted::alive; });
    CO_TRY_VOID(std::move(result));
    co_return Result<void>{};
}
Task<void> in_a_condition() {
    if (auto result = co_await by_value(Counted()); !result) co_return fail(ErrorKind::internal, "no");
    co_return Result<void>{};
}

// Never fails: it says what the dialect still has to forbid.
TEST(CoroutineCanary, ForbiddenShapesOnThisCompiler) {
    const std::pair<const char*, Task<void> (*)()> shapes[] = {{"a temporary object", temporary_object},
                                                               {"a temporary aggregate", temporary_aggregate},
                                                               {"a capturing lambda", capturing_lambda},
                                                               {"an await in a condition", in_a_condition}};
    for (const auto& [name, shape] : shapes) {
        const int left = imbalance(shape());
        RecordProperty(name, left);
        std::printf("%s: %s (%+d)\n", name, left == 0 ? "right" : "WRONG", left);
    }
}

}  // namespace
}  // namespace engine::reactor
