#include "engine/runtime/event_journal.h"

#include <fcntl.h>
#include <simdjson.h>
#include <sys/stat.h>
#include <unistd.h>

#include "engine/reactor/log.h"
#include "engine/reactor/try.h"

namespace engine::runtime {
namespace {

constexpr std::int64_t file_bytes_max = 512 * 1024;          // of each of the two files
constexpr std::size_t pending_bytes_max = std::size_t{1} << 20;
constexpr Nanoseconds gather_pause = 2 * millisecond;

std::string contents(const std::string& path) {
    std::string out;
    const UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
    struct stat facts {};
    if (!fd || fstat(fd.get(), &facts) != 0) return out;
    // A file that grew past its bound is none of ours; its end is as good as all of it.
    constexpr std::int64_t read_max = 4 * file_bytes_max;
    const std::int64_t from = facts.st_size > read_max ? facts.st_size - read_max : 0;
    out.resize(static_cast<std::size_t>(facts.st_size - from));
    const ssize_t got = pread(fd.get(), out.data(), out.size(), from);
    out.resize(got < 0 ? 0 : static_cast<std::size_t>(got));
    return out;
}

}  // namespace

bool parse_event(std::string_view line, EventMessage& message) {
    static thread_local simdjson::dom::parser parser;
    simdjson::dom::element root;
    simdjson::dom::object attributes;
    std::string_view type, action, id;
    if (parser.parse(line.data(), line.size()).get(root) != simdjson::SUCCESS ||
        root["Type"].get(type) != simdjson::SUCCESS || root["Action"].get(action) != simdjson::SUCCESS ||
        root["Actor"]["ID"].get(id) != simdjson::SUCCESS ||
        root["Actor"]["Attributes"].get(attributes) != simdjson::SUCCESS ||
        root["timeNano"].get(message.time) != simdjson::SUCCESS)
        return false;
    message.type = std::string(type);
    message.action = std::string(action);
    message.actor_id = std::string(id);
    message.attributes.clear();
    for (const auto field : attributes) {
        std::string_view text;
        if (field.value.get(text) != simdjson::SUCCESS) return false;
        message.attributes[std::string(field.key)] = std::string(text);
    }
    return true;
}

std::vector<EventMessage> EventJournal::open(std::size_t count_max) {
    std::string text = contents(path_ + ".1");
    text += contents(path_);
    std::vector<EventMessage> found;
    // From the end: no more is parsed than is kept.
    for (std::size_t end = text.size(); end > 0 && found.size() < count_max;) {
        const std::size_t newline = end < 2 ? std::string::npos : text.rfind('\n', end - 2);
        const std::size_t begin = newline == std::string::npos ? 0 : newline + 1;
        EventMessage message;
        const std::string_view line = std::string_view(text).substr(begin, end - begin);
        if (line.ends_with('\n') && parse_event(line, message)) found.push_back(std::move(message));
        end = begin;
    }
    fd_.reset(::open(path_.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600));
    struct stat facts {};
    if (!fd_ || fstat(fd_.get(), &facts) != 0) {
        lost(errno_error(errno, path_));
    } else {
        size_ = facts.st_size;
        // What an engine was killed in the middle of becomes a line of its own, and a broken one.
        if (!text.empty() && !text.ends_with('\n')) pending_.assign(1, '\n');
    }
    return {std::make_move_iterator(found.rbegin()), std::make_move_iterator(found.rend())};
}

void EventJournal::append(std::string_view line) {
    if (!fd_) return;
    if (pending_.size() + line.size() > pending_bytes_max) return lost(Error(ErrorKind::exhausted, "it is too slow"));
    pending_ += line;
    if (writing_) return;
    writing_ = true;
    scope_.spawn("write", write_pending());
}

void EventJournal::lost(const Error& error) {
    if (lost_++ == 0) log_warn("the journal of events: " + error.message() + ": events are not kept for now");
}

Result<void> EventJournal::rotate() {
    if (::rename(path_.c_str(), (path_ + ".1").c_str()) != 0) return fail_errno(errno, path_);
    UniqueFd next(::open(path_.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600));
    if (!next) return fail_errno(errno, path_);
    fd_ = std::move(next);
    size_ = 0;
    return {};
}

Task<void> EventJournal::write_pending() {
    std::string batch;
    while (!pending_.empty()) {
        // What comes close together, as the events of one exec or one short life, is one write.
        CO_TRY_VOID(co_await reactor::sleep_for(gather_pause));
        batch.clear();
        batch.swap(pending_);
        if (size_ >= file_bytes_max) {
            if (auto rotated = rotate(); !rotated) lost(rotated.error());
        }
        const auto bytes = io::bytes_of(batch);
        auto written = co_await io::write_all(fd_.get(), bytes);
        size_ += static_cast<std::int64_t>(batch.size());
        if (!written) {
            lost(written.error());
        } else if (lost_ > 0) {
            log_warn("the journal of events goes on");
            lost_ = 0;
        }
    }
    writing_ = false;
    co_return Result<void>{};
}

Task<void> EventJournal::close() {
    auto done = co_await scope_.join();
    co_return done;
}

}  // namespace engine::runtime
