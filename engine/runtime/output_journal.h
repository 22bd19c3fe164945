// What has been read from a container's stdout and stderr and is not yet in its log. It lives in a file that is mapped,
// so an engine that is killed loses none of it: the next one maps the file and goes on.
//
// Each stream has a ring of memory (mapped twice in a row, so that any piece of it is one span). The bytes of a stream
// from `begin` to `scanned` are the beginning of a line whose end has not come; behind them follow the chunks, in the
// order in which they were read. A chunk is one read. Positions only grow; they start again from 0 when all is logged.
//
// Killed at any instant: a read is announced before it is made (reading), a write of the log likewise (writing), and
// what was announced is either undone or carried out by the next engine, by looking at the memory or the log file.
#pragma once

#include <sys/types.h>

#include <array>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "engine/reactor/result.h"
#include "engine/runtime/multiplexed_frame.h"

namespace engine::runtime {

class OutputJournal {
public:
    static constexpr std::size_t chunks_max = 128;

    struct Chunk {
        std::uint32_t stream;  // 0: stdout, 1: stderr
        std::uint32_t bytes;
        std::int64_t time_ns;
    };
    // How far everything is logged.
    struct Marks {
        std::uint64_t begin[2] = {};
        std::uint64_t scanned[2] = {};
        std::uint64_t head = 0;       // chunks before this one are done with
        std::uint32_t head_used = 0;  // bytes of that chunk which are
    };
    // A write to the log that was announced: where the file ended and will end.
    struct LogWrite {
        ino_t inode = 0;
        std::int64_t size_before = 0;
        std::int64_t size_after = 0;
    };

    // Maps what is at `path`, or makes it. Where that cannot be (no space), memory that dies with this process; `bytes`
    // is one stream's.
    static Result<std::unique_ptr<OutputJournal>> open(const std::string& path, std::size_t bytes);
    ~OutputJournal();
    OutputJournal(const OutputJournal&) = delete;
    OutputJournal& operator=(const OutputJournal&) = delete;

    // Outlives the process.
    bool kept() const { return kept_; }
    // Takes the file away; what is mapped stays until the end of this object.
    void remove();

    // Where the next read of the stream may put its bytes; empty when it is full.
    std::span<std::byte> space(LogStream stream);
    // After `bytes` more a line of any length still fits, and so do some more reads.
    bool roomy(LogStream stream, std::size_t bytes) const;
    // At most this many will be read; then took(), with what came.
    void reading(LogStream stream, std::size_t bytes);
    void took(LogStream stream, std::size_t bytes, std::int64_t time_ns);

    const Marks& marks() const;
    std::uint64_t tail() const;
    const Chunk& chunk(std::uint64_t number) const;
    std::string_view bytes(unsigned stream, std::uint64_t from, std::uint64_t to) const;
    bool empty() const;                              // no byte waits, not even of a line without end
    bool has_chunks() const { return marks().head != tail(); }
    static LogStream stream_of(unsigned index) { return index == 1 ? LogStream::stderr_ : LogStream::stdout_; }

    // Everything that waits, in the order in which it came, half lines first.
    template <class Take>
    void each(Take&& take) const {
        std::uint64_t at[2] = {};
        for (unsigned i = 0; i < 2; ++i) {
            at[i] = marks().scanned[i];
            if (at[i] > marks().begin[i]) take(stream_of(i), bytes(i, marks().begin[i], at[i]));
        }
        for (std::uint64_t n = marks().head; n < tail(); ++n) {
            const Chunk& c = chunk(n);
            const std::uint64_t from = at[c.stream];
            at[c.stream] += c.bytes - (n == marks().head ? marks().head_used : 0);
            take(stream_of(c.stream), bytes(c.stream, from, at[c.stream]));
        }
    }

    void writing(const LogWrite& write, const Marks& after);
    // The write is done, or given up: the marks are now those announced.
    void wrote();
    // What an engine that died left undone: announced by it, for the file it had open.
    struct Unfinished {
        bool there = false;
        LogWrite write;
    };
    Unfinished unfinished() const;
    // It did not happen after all.
    void forget_write();

private:
    struct Shared;
    OutputJournal(Shared* shared, std::size_t bytes) : shared_(shared), ring_bytes_(bytes) {}
    void recover();
    void map(unsigned stream);
    void recount();
    void settle();
    void grow(unsigned stream);
    void shrink(unsigned stream);
    std::byte* at(unsigned stream, std::uint64_t position) const {
        return rings_[stream] + position % ring_bytes_;
    }

    Shared* shared_;
    std::size_t ring_bytes_;
    std::string path_;
    std::array<std::byte*, 2> rings_{};        // of a stream that something is read of
    std::array<std::uint64_t, 2> end_{};       // of what has been read
    std::array<std::size_t, 2> present_{};     // of a ring's memory, from its beginning: touching more might fail
    std::array<bool, 2> filled_{};             // the last read took all it was offered
    bool kept_ = false;
};

}  // namespace engine::runtime
