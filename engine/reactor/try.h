// TRY leaves an ordinary function with the error; CO_TRY leaves a coroutine. One per statement, never nested: the
// coroutine dialect of docs/design.md. A reader sees from the word whether the statement may suspend.
//
//     TRY(auto n, parse(text));                  CO_TRY(auto n, co_await io::read(fd, span));
//     TRY_VOID(check(name));                     CO_TRY_VOID(co_await io::close(fd));
#pragma once

#include "engine/reactor/result.h"

#define ENGINE_JOIN_(a, b) a##b
#define ENGINE_JOIN(a, b) ENGINE_JOIN_(a, b)
#define ENGINE_UNIQUE(prefix) ENGINE_JOIN(prefix, __LINE__)

#define ENGINE_TRY_IMPL(tmp, leave, decl, ...)                                     \
    auto tmp = __VA_ARGS__;                                                        \
    if (!tmp) [[unlikely]]                                                         \
        leave ::tl::unexpected<::engine::Error>(std::move(tmp).error());           \
    decl = std::move(*tmp)
#define ENGINE_TRY_VOID_IMPL(tmp, leave, ...)                                      \
    auto tmp = __VA_ARGS__;                                                        \
    if (!tmp) [[unlikely]]                                                         \
        leave ::tl::unexpected<::engine::Error>(std::move(tmp).error())

#define TRY(decl, ...) ENGINE_TRY_IMPL(ENGINE_UNIQUE(try_), return, decl, __VA_ARGS__)
#define CO_TRY(decl, ...) ENGINE_TRY_IMPL(ENGINE_UNIQUE(try_), co_return, decl, __VA_ARGS__)
#define TRY_VOID(...) ENGINE_TRY_VOID_IMPL(ENGINE_UNIQUE(try_), return, __VA_ARGS__)
#define CO_TRY_VOID(...) ENGINE_TRY_VOID_IMPL(ENGINE_UNIQUE(try_), co_return, __VA_ARGS__)
