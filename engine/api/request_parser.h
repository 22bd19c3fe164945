// HTTP/1.1 requests out of bytes, by llhttp. A pull parser over buffers that the connection feeds: it stops after the
// headers, after each piece of body and after the message, so that one request is handled at a time and a body is read
// only as fast as its reader wants.
#pragma once

#include <llhttp.h>

#include <span>
#include <string_view>

#include "engine/api/request.h"

namespace engine::api {

enum class ParseStep : unsigned char {
    need_input,   // everything given was consumed
    headers,      // the request's head is complete
    body,         // body() is a piece of the body
    message_end,  // the request is complete
    raw,          // the client switches protocols: what is left is not HTTP
    bad,          // not HTTP: error_status() and error_text()
};

class RequestParser {
public:
    explicit RequestParser(Request* request);
    RequestParser(const RequestParser&) = delete;
    RequestParser& operator=(const RequestParser&) = delete;

    // Parses from the start of `input`; `consumed` says how much of it is done with. Call again with the rest.
    ParseStep step(std::string_view input, std::size_t& consumed);
    std::string_view body() const { return body_; }
    int error_status() const { return error_status_; }
    std::string_view error_text() const { return error_text_; }
    // True exactly when bytes of a request have come and its head is not complete.
    bool in_head() const { return head_bytes_ > 0; }

private:
    static int on_message_begin(llhttp_t* parser);
    static int on_method(llhttp_t* parser, const char* at, std::size_t length);
    static int on_url(llhttp_t* parser, const char* at, std::size_t length);
    static int on_header_field(llhttp_t* parser, const char* at, std::size_t length);
    static int on_header_field_complete(llhttp_t* parser);
    static int on_header_value(llhttp_t* parser, const char* at, std::size_t length);
    static int on_headers_complete(llhttp_t* parser);
    static int on_body(llhttp_t* parser, const char* at, std::size_t length);
    static int on_message_complete(llhttp_t* parser);
    static RequestParser& self(llhttp_t* parser) { return *static_cast<RequestParser*>(parser->data); }
    static const llhttp_settings_t& settings();
    int refuse(int status, const char* text);
    void head_complete();

    llhttp_t parser_{};
    Request* request_;
    std::string_view body_;
    std::size_t head_bytes_ = 0;
    ParseStep paused_at_ = ParseStep::need_input;
    int error_status_ = 0;
    const char* error_text_ = "";
    bool field_done_ = false;   // true exactly when the last header's name is complete
};

}  // namespace engine::api
