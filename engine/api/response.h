// The answer to one request: whole, streamed in chunks, or the connection itself (hijack).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "engine/reactor/byte_stream.h"
#include "engine/reactor/result.h"

namespace engine::api {

class Connection;

// A connection that speaks HTTP no more. Reading ends when the client shuts its side down.
class RawStream : public ByteSource, public ByteSink {
public:
    explicit RawStream(Connection* connection) : connection_(connection) {}
    Task<std::size_t> read(std::span<std::byte> buffer) override;
    Task<void> write(std::span<const std::byte> bytes) override;
    std::size_t try_write(std::span<const std::byte> head, std::span<const std::byte> body) override;
    void abandon() override;
    void end_reading() override;
    // No more bytes to the client; it may go on sending.
    void close_write();

private:
    Connection* connection_;
};

class Response : public ByteSink {
public:
    explicit Response(Connection* connection) : connection_(connection) {}

    // Before the first of the verbs below.
    void add_header(std::string_view name, std::string_view value);

    // One of: a whole answer in one send ...
    Task<void> send(int status, std::string_view content_type, std::string_view body);
    Task<void> send_json(int status, std::string body) ;
    Task<void> send_empty(int status);
    Task<void> send_error(const Error& error);
    // ... a stream of chunks: the head leaves at once, finish() is called by the connection ...
    Task<void> begin(int status, std::string_view content_type);
    Task<void> write(std::span<const std::byte> bytes) override;
    // ... a stream whose length is known: exactly so many bytes are written ...
    Task<void> begin_sized(int status, std::string_view content_type, std::uint64_t length);
    // ... or the connection: 101 to a client that asked for `Upgrade`, the old 200 otherwise. Owned by the response.
    Task<RawStream*> hijack(std::string_view content_type);
    // The same with a head of the caller's own, status line to empty line.
    Task<RawStream*> hijack_with(std::string head);

    Task<void> finish();
    bool started() const { return mode_ != Mode::unsent; }
    bool hijacked() const { return mode_ == Mode::raw; }

private:
    enum class Mode : unsigned char { unsent, whole, sized, chunked, until_close, raw };
    std::string head(int status, std::string_view content_type);

    Connection* connection_;
    RawStream raw_{connection_};
    std::string extra_headers_;
    Mode mode_ = Mode::unsent;
};

}  // namespace engine::api
