#include "engine/runtime/log_stream.h"

#include <simdjson.h>
#include <sys/stat.h>

#include <algorithm>
#include <filesystem>
#include <map>

#include "engine/reactor/log.h"
#include "engine/reactor/try.h"
#include "engine/runtime/go_time.h"
#include "engine/runtime/local_log_format.h"
#include "engine/runtime/log_compress.h"

namespace engine::runtime {
namespace {

constexpr std::size_t read_bytes = 128 * 1024;  // what one turn of the loop decodes
constexpr std::size_t tail_read_bytes = 64 * 1024;
constexpr Nanoseconds file_time_slack = second;  // a file's time comes from a coarser clock than a record's

void append_escaped(std::string& out, std::string_view text) {
    constexpr char hex[] = "0123456789ABCDEF";
    for (const char c : text) {
        const auto byte = static_cast<unsigned char>(c);
        if ((byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') || (byte >= '0' && byte <= '9') || c == '-' ||
            c == '_' || c == '.' || c == '~') {
            out += c;
        } else if (c == ' ') {
            out += '+';
        } else {
            out += '%';
            out += hex[byte >> 4];
            out += hex[byte & 15];
        }
    }
}

std::int64_t size_of(int fd) {
    struct stat facts {};
    return fstat(fd, &facts) == 0 ? facts.st_size : 0;
}

}  // namespace

std::string log_details(std::string_view attributes) {
    std::map<std::string, std::string> sorted;
    simdjson::dom::parser parser;
    simdjson::dom::object object;
    if (!attributes.empty() && parser.parse(attributes.data(), attributes.size()).get(object) == simdjson::SUCCESS)
        for (const auto field : object)
            if (std::string_view text; field.value.get(text) == simdjson::SUCCESS)
                sorted[std::string(field.key)] = text;
    std::string out;
    for (const auto& [name, value] : sorted) {
        if (!out.empty()) out += ',';
        append_escaped(out, name);
        out += '=';
        append_escaped(out, value);
    }
    return out += ' ';
}

LogStreamer::LogStreamer(LogPlace place, std::shared_ptr<ContainerLog> live, LogQuery query, ByteSink* sink)
    : place_(std::move(place)), live_(std::move(live)), query_(query), sink_(sink), decoder_(place_.format->decoder()) {
    // Opened at once: a rotation comes before or after, never in between.
    for (LogPart& part : open_log_parts(place_.path, place_.settings.files_max)) {
        Part mine;
        static_cast<LogPart&>(mine) = std::move(part);
        parts_.push_back(std::move(mine));
    }
    if (live_) generation_ = live_->file().generation();
}

void LogStreamer::take(const LogEntry& entry) {
    if (skip_ > 0) {
        --skip_;
        return;
    }
    const bool wanted = entry.stream == LogStream::stderr_ ? query_.stderr_ : query_.stdout_;
    if (!wanted || past_until_) return;
    if (query_.since != 0 || query_.until != 0) {
        const Nanoseconds time = entry.time_ns();
        if (time < query_.since) return;
        past_until_ = query_.until != 0 && time > query_.until;
        if (past_until_) return;
    }
    std::size_t size = entry.text.size() + (entry.newline ? 1 : 0);
    if (query_.timestamps) {
        if (const std::int64_t time = entry.time_ns(); time != stamp_of_) {
            stamp_of_ = time;
            stamp_ = rfc3339_nano_fixed(time) + " ";
        }
        size += stamp_.size();
    }
    if (query_.details) {
        if (details_.empty() || entry.attributes != details_of_) {
            details_of_ = entry.attributes;
            details_ = log_details(details_of_);
        }
        size += details_.size();
    }
    if (query_.framed) {
        const auto header = frame_header(entry.stream, static_cast<std::uint32_t>(size));
        out_.append(header.data(), header.size());
    }
    if (query_.timestamps) out_ += stamp_;
    if (query_.details) out_ += details_;
    out_ += entry.text;
    if (entry.newline) out_ += '\n';
}

// Of the file being written only what has been written as a whole: a write that fails is taken back.
std::size_t LogStreamer::readable(const Part& part) const {
    const bool written_now =
        live_ && live_->running() && &part == &parts_.back() && generation_ == live_->file().generation();
    if (!written_now) return read_bytes;
    const std::int64_t left = live_->file().size() - part.offset;
    return static_cast<std::size_t>(std::clamp<std::int64_t>(left, 0, read_bytes));
}

// All of the log is read, and what it will get next has not been written yet.
bool LogStreamer::caught_up() const {
    return !live_ || !live_->running() ||
           (generation_ == live_->file().generation() && !parts_.empty() &&
            parts_.back().offset >= live_->file().size());
}

// From part->offset to the end of the file as it is now; the offset tells how far that is.
Task<void> LogStreamer::copy(Part* part, reactor::StopToken stop) {
    if (part->compressed) {
        CO_TRY_VOID(co_await unzip(part, stop));
    }
    skip_ = std::exchange(part->skip, 0);
    const auto memory = std::make_unique_for_overwrite<std::byte[]>(read_bytes);
    const std::span<std::byte> room(memory.get(), read_bytes);
    while (!past_until_ && part->fd) {
        const auto at = static_cast<std::uint64_t>(part->offset);
        const auto some = room.first(readable(*part));
        if (some.empty()) break;
        CO_TRY(const std::size_t got, co_await io::read(part->fd.get(), some, stop, at));
        if (got == 0) break;
        part->offset += static_cast<std::int64_t>(got);
        std::string_view block(reinterpret_cast<const char*>(memory.get()), got);
        LogEntry entry;
        while (decoder_->next(block, entry)) take(entry);
        if (out_.empty()) continue;
        const auto bytes = io::bytes_of(out_);
        CO_TRY_VOID(co_await sink_->write(bytes));
        out_.clear();
    }
    co_return Result<void>{};
}

// What cannot be unpacked (at all, or from some point on) is missing; the rest is shown.
Task<void> LogStreamer::unzip(Part* part, reactor::StopToken stop) {
    part->compressed = false;
    std::string directory = std::filesystem::path(place_.path).parent_path();
    std::string worker = place_.worker;
    auto plain = co_await gunzip_file(std::move(worker), part->fd.get(), std::move(directory), stop);
    if (stop.stop_requested()) co_return fail(stop.reason(), "stopped");
    if (!plain) log_warn("container " + place_.container_id + ": " + plain.error().message());
    if (!plain || !plain->whole) ++files_broken_;
    part->fd.reset();
    if (plain) part->fd = std::move(plain->fd);
    co_return Result<void>{};
}

// Where the last records begin: file by file, from the newest.
Task<void> LogStreamer::find_tail(reactor::StopToken stop) {
    if (query_.tail < 0) co_return Result<void>{};
    auto left = static_cast<std::uint64_t>(query_.tail);
    for (std::size_t i = parts_.size(); i-- > 0;) {
        Part* part = &parts_[i];
        if (left == 0) {
            // The newest stays for those who follow it, from its end on.
            if (i + 1 < parts_.size()) {
                parts_.erase(parts_.begin(), parts_.begin() + static_cast<std::ptrdiff_t>(i) + 1);
                break;
            }
            part->offset = size_of(part->fd.get());
            continue;
        }
        if (part->compressed) {
            CO_TRY_VOID(co_await unzip(part, stop));
        }
        if (!part->fd) continue;
        if (place_.format->is_lines()) {
            CO_TRY_VOID(co_await find_tail_lines(part, &left, stop));
        } else {
            CO_TRY_VOID(co_await find_tail_blocks(part, &left, stop));
        }
    }
    co_return Result<void>{};
}

// Newlines end records: they are counted backwards.
Task<void> LogStreamer::find_tail_lines(Part* part, std::uint64_t* left, reactor::StopToken stop) {
    std::string block(tail_read_bytes, '\0');
    const std::int64_t size = size_of(part->fd.get());
    for (std::int64_t end = size; end > 0;) {
        const std::int64_t begin = std::max<std::int64_t>(0, end - static_cast<std::int64_t>(tail_read_bytes));
        const auto buffer = std::as_writable_bytes(std::span(block.data(), static_cast<std::size_t>(end - begin)));
        const auto at = static_cast<std::uint64_t>(begin);
        CO_TRY(const std::size_t got, co_await io::read(part->fd.get(), buffer, stop, at));
        if (got == 0) break;
        const std::string_view text(block.data(), got);
        std::size_t cut = text.size();
        if (end == size && text.ends_with('\n')) --cut;  // it ends the last record, and begins none
        while (true) {
            const std::size_t newline = cut == 0 ? std::string_view::npos : text.rfind('\n', cut - 1);
            if (newline == std::string_view::npos) break;
            cut = newline;
            if (--*left > 0) continue;
            part->offset = begin + static_cast<std::int64_t>(newline) + 1;
            co_return Result<void>{};
        }
        end = begin;
    }
    if (size > 0) --*left;  // the file's first record has no newline in front of it
    co_return Result<void>{};
}

// Blocks are counted from the front, by their heads.
Task<void> LogStreamer::find_tail_blocks(Part* part, std::uint64_t* left, reactor::StopToken stop) {
    struct Seen {
        std::int64_t offset;
        std::uint32_t lines;
    };
    std::deque<Seen> last;    // as many as hold what is looked for
    std::uint64_t lines = 0;  // in them
    std::int64_t offset = 0;  // of the next one
    LocalLogDecoder decoder;
    const auto memory = std::make_unique_for_overwrite<std::byte[]>(read_bytes);
    const std::span<std::byte> room(memory.get(), read_bytes);
    for (std::uint64_t at = 0; true;) {
        CO_TRY(const std::size_t got, co_await io::read(part->fd.get(), room, stop, at));
        if (got == 0) break;
        at += got;
        std::string_view block(reinterpret_cast<const char*>(memory.get()), got);
        std::uint64_t bytes = 0;
        while (const std::uint32_t count = decoder.next_block(block, bytes)) {
            last.push_back({offset, count});
            offset += static_cast<std::int64_t>(bytes);
            lines += count;
            while (lines - last.front().lines >= *left) {
                lines -= last.front().lines;
                last.pop_front();
            }
        }
    }
    if (!last.empty()) part->offset = last.front().offset;
    part->skip = lines > *left ? lines - *left : 0;
    *left -= std::min(lines, *left);
    co_return Result<void>{};
}

// The file that followed the one just read to its end; false when that is still the newest.
Task<bool> LogStreamer::next_part(reactor::StopToken stop) {
    const LogFile& file = live_->file();
    while (generation_ < file.generation()) {
        std::uint64_t next = generation_ + 1;
        if (next < file.oldest()) {
            files_missed_ += file.oldest() - next;
            next = file.oldest();
        }
        generation_ = next;
        Part part;
        static_cast<LogPart&>(part) = open_log_part(place_.path, file.number_of(next));
        if (!part.fd) {
            ++files_missed_;
            continue;
        }
        decoder_->end_of_file();
        parts_.clear();
        parts_.push_back(std::move(part));
        if (parts_.back().compressed) {
            CO_TRY_VOID(co_await unzip(&parts_.back(), stop));
        }
        co_return true;
    }
    co_return false;
}

Task<void> LogStreamer::follow(reactor::StopToken stop) {
    while (!past_until_) {
        const bool ended = !live_->running();
        const std::uint64_t generation = live_->file().generation();
        if (!parts_.empty()) {
            CO_TRY_VOID(co_await copy(&parts_.back(), stop));
        }
        if (live_->file().generation() != generation_) {
            // It was read to its end before or after the rotation: once more, then on to the next.
            if (generation == generation_) continue;
            CO_TRY(const bool more, co_await next_part(stop));
            if (more) continue;
        }
        if (ended) break;
        if (!live_->running()) continue;
        if (query_.until != 0 && realtime_ns() > query_.until) break;
        reactor::Deadline deadline(query_.until == 0 ? INT64_MAX / 2 : query_.until - realtime_ns(), stop);
        auto changed = co_await live_->changed().wait(deadline.token());
        if (!changed && stop.stop_requested()) co_return changed;
    }
    co_return Result<void>{};
}

Task<void> LogStreamer::run_up_to_now(reactor::StopToken stop) {
    CO_TRY_VOID(co_await run(stop));
    while (!caught_up()) {
        if (!parts_.empty()) {
            CO_TRY_VOID(co_await copy(&parts_.back(), stop));
        }
        if (live_->file().generation() == generation_) continue;
        CO_TRY(const bool more, co_await next_part(stop));
        if (!more) break;
    }
    co_return Result<void>{};
}

void LogStreamer::report() const {
    std::string what;
    if (decoder_->skipped() > 0)
        what += ", " + std::to_string(decoder_->skipped()) + " broken records were passed over";
    if (files_broken_ > 0) what += ", " + std::to_string(files_broken_) + " compressed files are broken";
    if (files_missed_ > 0)
        what += ", " + std::to_string(files_missed_) + " files were deleted before a client had read them";
    if (!what.empty()) log_warn("reading the log of container " + place_.container_id + what);
}

Task<void> LogStreamer::run(reactor::StopToken stop) {
    CO_TRY_VOID(co_await find_tail(stop));
    Result<void> done;
    for (std::size_t i = 0; i < parts_.size() && !past_until_ && done; ++i) {
        Part* part = &parts_[i];
        const bool too_old = query_.since != 0 && part->number > 0 && part->changed + file_time_slack < query_.since;
        if (!too_old) done = co_await copy(part, stop);
        if (i + 1 < parts_.size()) decoder_->end_of_file();
    }
    const bool follows = done && query_.follow && live_;
    if (follows) done = co_await follow(stop);
    report();
    co_return done;
}

}  // namespace engine::runtime
