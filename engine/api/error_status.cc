#include "engine/api/error_status.h"

#include "engine/reactor/json_writer.h"

namespace engine::api {

int status_of(ErrorKind kind) {
    switch (kind) {
        case ErrorKind::invalid: return 400;
        case ErrorKind::unauthorized: return 401;
        case ErrorKind::forbidden: return 403;
        case ErrorKind::not_found: return 404;
        case ErrorKind::conflict: return 409;
        case ErrorKind::not_modified: return 304;
        case ErrorKind::too_large: return 413;
        case ErrorKind::not_implemented: return 501;
        case ErrorKind::unavailable: return 503;
        case ErrorKind::exhausted:
        case ErrorKind::canceled:
        case ErrorKind::timed_out:
        case ErrorKind::kernel:
        case ErrorKind::internal: return 500;
    }
    UNREACHABLE("a kind of error without status");
}

std::string_view reason_phrase(int status) {
    switch (status) {
        case 100: return "Continue";
        case 101: return "UPGRADED";
        case 200: return "OK";
        case 201: return "Created";
        case 204: return "No Content";
        case 304: return "Not Modified";
        case 400: return "Bad Request";
        case 401: return "Unauthorized";
        case 403: return "Forbidden";
        case 404: return "Not Found";
        case 405: return "Method Not Allowed";
        case 408: return "Request Timeout";
        case 409: return "Conflict";
        case 413: return "Request Entity Too Large";
        case 417: return "Expectation Failed";
        case 431: return "Request Header Fields Too Large";
        case 500: return "Internal Server Error";
        case 501: return "Not Implemented";
        case 503: return "Service Unavailable";
        default: return "Unknown";
    }
}

std::string error_body(std::string_view message) {
    json::Writer writer;
    writer.begin_object().field("message", message).end_object();
    return writer.take() + "\n";
}

}  // namespace engine::api
