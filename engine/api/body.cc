#include "engine/api/body.h"

#include "engine/api/limits.h"
#include "engine/reactor/try.h"

namespace engine::api {

Task<std::string> read_whole_body(Request& request) {
    std::string body;
    std::byte piece[4096];
    const std::span<std::byte> buffer(piece);
    while (true) {
        CO_TRY(auto got, co_await request.body->read(buffer));
        if (got == 0) co_return body;
        if (body.size() + got > json_body_bytes_max)
            co_return fail(ErrorKind::too_large, "the request's body is larger than " +
                                                     std::to_string(json_body_bytes_max) + " bytes");
        body.append(reinterpret_cast<const char*>(piece), got);
    }
}

Task<void> hear_out(ByteSource* body) {
    std::vector<std::byte> buffer(body_buffer_bytes);
    const std::span<std::byte> room(buffer);
    while (true) {
        CO_TRY(const auto got, co_await body->read(room));
        if (got == 0) co_return Result<void>{};
    }
}

}  // namespace engine::api
