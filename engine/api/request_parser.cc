#include "engine/api/request_parser.h"

#include <algorithm>

#include "engine/api/limits.h"

namespace engine::api {
namespace {

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; }

bool contains_token(std::string_view value, std::string_view token) {
    std::string folded(value);
    std::transform(folded.begin(), folded.end(), folded.begin(), lower);
    return folded.find(token) != std::string::npos;
}

}  // namespace

const llhttp_settings_t& RequestParser::settings() {
    static const llhttp_settings_t table = [] {
        llhttp_settings_t s;
        llhttp_settings_init(&s);
        s.on_message_begin = on_message_begin;
        s.on_method = on_method;
        s.on_url = on_url;
        s.on_header_field = on_header_field;
        s.on_header_field_complete = on_header_field_complete;
        s.on_header_value = on_header_value;
        s.on_headers_complete = on_headers_complete;
        s.on_body = on_body;
        s.on_message_complete = on_message_complete;
        return s;
    }();
    return table;
}

RequestParser::RequestParser(Request* request) : request_(request) {
    llhttp_init(&parser_, HTTP_REQUEST, &settings());
    parser_.data = this;
}

ParseStep RequestParser::step(std::string_view input, std::size_t& consumed) {
    consumed = 0;
    if (error_status_ != 0) return ParseStep::bad;
    const llhttp_errno_t error = llhttp_execute(&parser_, input.data(), input.size());
    if (error == HPE_OK) {
        consumed = input.size();
        return ParseStep::need_input;
    }
    if (error == HPE_PAUSED || error == HPE_PAUSED_UPGRADE) {
        consumed = static_cast<std::size_t>(llhttp_get_error_pos(&parser_) - input.data());
        if (error == HPE_PAUSED_UPGRADE) {
            llhttp_resume_after_upgrade(&parser_);
            return ParseStep::raw;
        }
        llhttp_resume(&parser_);
        return paused_at_;
    }
    if (error_status_ == 0) refuse(400, "Bad Request");
    return ParseStep::bad;
}

int RequestParser::refuse(int status, const char* text) {
    error_status_ = status;
    error_text_ = text;
    return HPE_USER;
}

int RequestParser::on_message_begin(llhttp_t* parser) {
    self(parser).request_->clear();
    self(parser).head_bytes_ = 0;
    return 0;
}

int RequestParser::on_method(llhttp_t* parser, const char* at, std::size_t length) {
    self(parser).head_bytes_ += length;
    self(parser).request_->method.append(at, length);
    return 0;
}

int RequestParser::on_url(llhttp_t* parser, const char* at, std::size_t length) {
    RequestParser& p = self(parser);
    p.head_bytes_ += length;
    if (p.head_bytes_ > header_bytes_max) return p.refuse(431, "Request Header Fields Too Large");
    p.request_->target.append(at, length);
    return 0;
}

int RequestParser::on_header_field(llhttp_t* parser, const char* at, std::size_t length) {
    RequestParser& p = self(parser);
    auto& headers = p.request_->headers;
    p.head_bytes_ += length;
    if (p.head_bytes_ > header_bytes_max) return p.refuse(431, "Request Header Fields Too Large");
    if (headers.empty() || p.field_done_) {
        if (headers.size() == headers_max) return p.refuse(431, "Request Header Fields Too Large");
        headers.emplace_back();
        p.field_done_ = false;
    }
    for (std::size_t i = 0; i < length; ++i) headers.back().first += lower(at[i]);
    return 0;
}

int RequestParser::on_header_field_complete(llhttp_t* parser) {
    self(parser).field_done_ = true;
    return 0;
}

int RequestParser::on_header_value(llhttp_t* parser, const char* at, std::size_t length) {
    RequestParser& p = self(parser);
    p.head_bytes_ += length + 4;
    if (p.head_bytes_ > header_bytes_max) return p.refuse(431, "Request Header Fields Too Large");
    p.request_->headers.back().second.append(at, length);
    return 0;
}

void RequestParser::head_complete() {
    Request& r = *request_;
    r.http_1_0 = parser_.http_major == 1 && parser_.http_minor == 0;
    r.keep_alive = llhttp_should_keep_alive(&parser_) != 0;
    r.upgrade_tcp = contains_token(r.header("connection"), "upgrade") && !r.header("upgrade").empty();
    r.expects_continue = contains_token(r.header("expect"), "100-continue");
    head_bytes_ = 0;
    field_done_ = false;
    paused_at_ = ParseStep::headers;
}

int RequestParser::on_headers_complete(llhttp_t* parser) {
    self(parser).head_complete();
    return HPE_PAUSED;
}

int RequestParser::on_body(llhttp_t* parser, const char* at, std::size_t length) {
    // Resumed in mid-body without input, llhttp reports an empty piece: pausing there again would never end.
    if (length == 0) return 0;
    self(parser).body_ = {at, length};
    self(parser).paused_at_ = ParseStep::body;
    return HPE_PAUSED;
}

int RequestParser::on_message_complete(llhttp_t* parser) {
    self(parser).paused_at_ = ParseStep::message_end;
    return HPE_PAUSED;
}

}  // namespace engine::api
