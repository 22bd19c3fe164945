// Errors as values. An Error is a kind (what the caller decides on; api maps it to an HTTP status), an errno (0 when
// no system call was involved) and a sentence that grows while it climbs: each layer may put what it was doing in
// front.
#pragma once

#include <cerrno>
#include <cstring>
#include <memory>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

#include "engine/reactor/check.h"
#define TL_ASSERT(condition) CHECK(condition)
#include <tl/expected.hpp>

namespace engine {

enum class ErrorKind : unsigned char {
    invalid,         // the request can never succeed as written: 400
    unauthorized,    // 401
    forbidden,       // 403
    not_found,       // 404
    conflict,        // 409
    not_modified,    // already in the wanted state: 304, no body
    too_large,       // a named limit on the request was passed: 413
    exhausted,       // a resource ran out (ENOSPC, EMFILE, ...): 500
    canceled,        // the asker went away or a scope is stopping
    timed_out,       // a deadline passed
    unavailable,     // 503
    not_implemented, // 501
    kernel,          // a system call failed: 500
    internal,        // 500
};

class [[nodiscard]] Error {
public:
    Error(ErrorKind kind, std::string message, int error_number = 0)
        : message_(std::make_unique<std::string>(std::move(message))), errno_(error_number), kind_(kind) {}
    Error(Error&&) noexcept = default;
    Error& operator=(Error&&) noexcept = default;
    Error(const Error&) = delete;  // move-only, so that it is answered once; copy() is the word for a broadcast
    Error& operator=(const Error&) = delete;

    ErrorKind kind() const { return kind_; }
    int error_number() const { return errno_; }
    const std::string& message() const { return *message_; }
    Error copy() const { return Error(kind_, *message_, errno_); }

    // "context: message"
    Error&& with_context(std::string_view context) && {
        message_->insert(0, ": ");
        message_->insert(0, context);
        return std::move(*this);
    }
    Error&& with_kind(ErrorKind kind) && {
        kind_ = kind;
        return std::move(*this);
    }

private:
    std::unique_ptr<std::string> message_;
    int errno_;
    ErrorKind kind_;
};
static_assert(std::is_nothrow_move_constructible_v<Error>);

template <class T>
using Result = tl::expected<T, Error>;

inline tl::unexpected<Error> fail(ErrorKind kind, std::string message) {
    return tl::unexpected<Error>(Error(kind, std::move(message)));
}
inline tl::unexpected<Error> fail(Error&& error) { return tl::unexpected<Error>(std::move(error)); }

// "what: No such file or directory". Kind from the errno where the errno says it, else kernel.
inline Error errno_error(int error_number, std::string_view what) {
    ErrorKind kind = ErrorKind::kernel;
    if (error_number == ECANCELED) kind = ErrorKind::canceled;
    if (error_number == ENOSPC || error_number == EMFILE || error_number == ENFILE || error_number == ENOMEM ||
        error_number == EDQUOT)
        kind = ErrorKind::exhausted;
    std::string message(what);
    message += ": ";
    message += std::strerror(error_number);
    return Error(kind, std::move(message), error_number);
}
inline tl::unexpected<Error> fail_errno(int error_number, std::string_view what) {
    return tl::unexpected<Error>(errno_error(error_number, what));
}

// A failure we choose to survive: the reason is for the reader.
template <class T>
void ignore_result(T&&, const char* /*reason*/) {}

}  // namespace engine
