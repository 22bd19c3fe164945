#include "engine/runtime/output_journal.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstring>

#include "engine/reactor/log.h"
#include "engine/reactor/try.h"
#include "engine/reactor/unique_fd.h"
#include "engine/reactor/units.h"
#include "engine/runtime/limits.h"

namespace engine::runtime {

struct OutputJournal::Shared {
    static constexpr std::uint64_t magic_value =
        0x31'6c'61'6e'72'75'6f'6a;  // "journal1"; another layout, another digit
    std::uint64_t magic;
    std::uint64_t ring_bytes;
    Marks marks;
    std::uint64_t tail;  // chunks read so far
    struct {
        std::uint64_t tail;
        std::uint32_t stream;
        std::uint32_t bytes;
        std::uint32_t announced;
    } reading;
    struct {
        LogWrite log;
        Marks after;
        std::uint32_t announced;
    } writing;
    Chunk chunks[chunks_max];
};

namespace {

constexpr std::size_t page = 4096;
constexpr std::size_t space_wanted = 512;  // less than this at the end of the first page: the whole ring
constexpr std::size_t read_bytes_max = 128 * 1024;
constexpr std::size_t chunks_spare = 32;   // of chunks_max, for the ends of lines that have begun
constexpr std::uint64_t move_from = 2048;  // a waiting half line is moved to the front from here on
// What no read brings, as good as certainly: eight bytes that stand where a read's last bytes will be.
constexpr unsigned char sentinel[8] = {0xd3, 0x1c, 0xfa, 0x80, 0x5b, 0xc6, 0x97, 0xee};

// The process may die between any two stores; the compiler keeps their order, the processor's is its own affair.
void in_order() {
    std::atomic_signal_fence(std::memory_order_seq_cst);
}

// The same memory twice in a row. An old size of 0 makes mremap map shared pages a second time, without a descriptor.
std::byte* map_twice(std::byte* once, std::size_t bytes) {
    void* area = mmap(nullptr, 2 * bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    CHECK(area != MAP_FAILED);
    auto* ring = static_cast<std::byte*>(area);
    for (std::byte* half : {ring, ring + bytes})
        CHECK(mremap(once, 0, bytes, MREMAP_MAYMOVE | MREMAP_FIXED, half) == half);
    return ring;
}

// True when the pages are there: a later touch cannot fail.
bool make_present(std::byte* from, std::size_t bytes) {
    return madvise(from, bytes, MADV_POPULATE_WRITE) == 0;
}

}  // namespace

Result<std::unique_ptr<OutputJournal>> OutputJournal::open(const std::string& path, std::size_t bytes) {
    static_assert(sizeof(Shared) <= page);
    CHECK(bytes % page == 0);
    const off_t whole = static_cast<off_t>(page + 2 * bytes);
    UniqueFd fd(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
    const auto map_whole = [&fd, bytes] {
        return mmap(nullptr, page + 2 * bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd.get(), 0);
    };
    void* header = MAP_FAILED;
    bool kept = fd && ftruncate(fd.get(), whole) == 0;
    if (kept) {
        header = map_whole();
        kept = header != MAP_FAILED && make_present(static_cast<std::byte*>(header), page);
    }
    if (!kept) {
        log_warn(path + ": " + std::strerror(errno) + ": output that is not yet logged would be lost with the engine");
        if (header != MAP_FAILED) munmap(header, page + 2 * bytes);
        ::unlink(path.c_str());
        fd.reset(memfd_create("output", MFD_CLOEXEC));
        if (!fd || ftruncate(fd.get(), whole) != 0) return fail_errno(errno, "memory for a container's output");
        header = map_whole();
        if (header == MAP_FAILED) return fail_errno(errno, "memory for a container's output");
    }
    std::unique_ptr<OutputJournal> journal(new OutputJournal(static_cast<Shared*>(header), bytes));
    journal->path_ = path;
    journal->kept_ = kept;
    journal->recover();
    return journal;
}

OutputJournal::~OutputJournal() {
    for (std::byte* ring : rings_)
        if (ring) munmap(ring, 2 * ring_bytes_);
    munmap(shared_, page + 2 * ring_bytes_);
}

// A stream that nothing is read of costs no ring: most containers are silent on one of the two.
void OutputJournal::map(unsigned stream) {
    if (rings_[stream] != nullptr) return;
    rings_[stream] = map_twice(reinterpret_cast<std::byte*>(shared_) + page + stream * ring_bytes_, ring_bytes_);
}

void OutputJournal::remove() {
    if (kept_) ::unlink(path_.c_str());
    kept_ = false;
}

const OutputJournal::Marks& OutputJournal::marks() const {
    return shared_->marks;
}
std::uint64_t OutputJournal::tail() const {
    return shared_->tail;
}
const OutputJournal::Chunk& OutputJournal::chunk(std::uint64_t number) const {
    return shared_->chunks[number % chunks_max];
}
std::string_view OutputJournal::bytes(unsigned stream, std::uint64_t from, std::uint64_t to) const {
    return {reinterpret_cast<const char*>(at(stream, from)), to - from};
}
bool OutputJournal::empty() const {
    return marks().begin[0] == end_[0] && marks().begin[1] == end_[1];
}

// What an engine left: either it makes sense, or it is none of ours.
void OutputJournal::recover() {
    Shared& s = *shared_;
    const Marks& m = s.marks;
    bool sound = s.magic == Shared::magic_value && s.ring_bytes == ring_bytes_ && m.head <= s.tail &&
                 s.tail - m.head <= chunks_max;
    if (sound && s.writing.announced == 2) {
        s.marks = s.writing.after;
        s.writing.announced = 0;
    }
    std::uint64_t waiting[2] = {};
    for (unsigned i = 0; i < 2 && sound; ++i) {
        sound = m.begin[i] <= m.scanned[i] && m.scanned[i] - m.begin[i] <= ring_bytes_;
        waiting[i] = m.scanned[i] - m.begin[i];
    }
    for (std::uint64_t n = m.head; sound && n < s.tail; ++n) {
        const Chunk& c = chunk(n);
        sound = c.stream < 2 && c.bytes <= ring_bytes_ && (n != m.head || m.head_used < c.bytes);
        if (sound) waiting[c.stream] += c.bytes - (n == m.head ? m.head_used : 0);
    }
    sound = sound && waiting[0] <= ring_bytes_ && waiting[1] <= ring_bytes_;
    if (!sound) {
        if (s.magic != 0) log_warn(path_ + ": not an output journal of this engine: begun anew");
        s = Shared{};
        s.ring_bytes = ring_bytes_;
        in_order();
        s.magic = Shared::magic_value;
    }
    recount();
    const auto& r = s.reading;
    const bool cut_off = r.announced != 0 && r.tail == s.tail && r.stream < 2 && r.bytes > 0 &&
                         end_[r.stream] - m.begin[r.stream] + r.bytes <= ring_bytes_ && s.tail - m.head < chunks_max;
    for (unsigned i = 0; i < 2; ++i)
        if (end_[i] > 0) map(i);
    if (cut_off) {
        map(r.stream);
        const std::size_t marked = std::min<std::size_t>(r.bytes, sizeof sentinel);
        const std::byte* last = at(r.stream, end_[r.stream] + r.bytes - marked);
        if (std::memcmp(last, sentinel, marked) != 0)
            took(r.stream == 1 ? LogStream::stderr_ : LogStream::stdout_, r.bytes, realtime_ns());
    }
    s.reading.announced = 0;
    for (unsigned i = 0; i < 2; ++i)
        if (end_[i] > 0) grow(i);
}

void OutputJournal::recount() {
    const Marks& m = marks();
    for (unsigned i = 0; i < 2; ++i) end_[i] = m.scanned[i];
    for (std::uint64_t n = m.head; n < tail(); ++n)
        end_[chunk(n).stream] += chunk(n).bytes - (n == m.head ? m.head_used : 0);
}

// The whole ring instead of its first page. Where there is no space for it, memory that does not outlive us.
void OutputJournal::grow(unsigned stream) {
    present_[stream] = ring_bytes_;
    if (make_present(rings_[stream], ring_bytes_)) return;
    log_warn(path_ + ": " + std::strerror(errno) + ": output that is not yet logged would be lost with the engine");
    kept_ = false;
    const UniqueFd fd(memfd_create("output", MFD_CLOEXEC));
    CHECK(fd && ftruncate(fd.get(), static_cast<off_t>(ring_bytes_)) == 0);
    void* once = mmap(nullptr, ring_bytes_, PROT_READ | PROT_WRITE, MAP_SHARED, fd.get(), 0);
    CHECK(once != MAP_FAILED);
    std::byte* const ring = map_twice(static_cast<std::byte*>(once), ring_bytes_);
    munmap(once, ring_bytes_);
    const std::uint64_t begin = marks().begin[stream] % ring_bytes_;
    std::memcpy(ring + begin, rings_[stream] + begin, end_[stream] - marks().begin[stream]);
    munmap(rings_[stream], 2 * ring_bytes_);
    rings_[stream] = ring;
}

void OutputJournal::shrink(unsigned stream) {
    if (madvise(rings_[stream] + page, ring_bytes_ - page, MADV_REMOVE) == 0) present_[stream] = page;
}

std::span<std::byte> OutputJournal::space(LogStream which) {
    const unsigned i = which == LogStream::stderr_ ? 1 : 0;
    if (tail() - marks().head >= chunks_max) return {};
    if (present_[i] == 0) {
        map(i);
        present_[i] = page;
        if (!make_present(rings_[i], page)) grow(i);
    }
    const bool small = present_[i] < ring_bytes_;
    if (small && (filled_[i] || present_[i] - end_[i] < space_wanted)) grow(i);
    std::size_t room = ring_bytes_ - (end_[i] - marks().begin[i]);
    if (present_[i] < ring_bytes_) room = present_[i] - std::min<std::size_t>(present_[i], end_[i]);
    return {at(i, end_[i]), std::min(room, read_bytes_max)};
}

bool OutputJournal::roomy(LogStream which, std::size_t bytes) const {
    const unsigned i = which == LogStream::stderr_ ? 1 : 0;
    const std::size_t used = end_[i] - marks().begin[i] + bytes;
    return used + kLogLineBytes <= ring_bytes_ && tail() - marks().head + chunks_spare <= chunks_max;
}

void OutputJournal::reading(LogStream which, std::size_t bytes) {
    const unsigned i = which == LogStream::stderr_ ? 1 : 0;
    const std::size_t marked = std::min(bytes, sizeof sentinel);
    std::memcpy(at(i, end_[i] + bytes - marked), sentinel, marked);
    auto& r = shared_->reading;
    r.tail = shared_->tail;
    r.stream = i;
    r.bytes = static_cast<std::uint32_t>(bytes);
    in_order();
    r.announced = 1;
    in_order();
}

void OutputJournal::took(LogStream which, std::size_t bytes, std::int64_t time_ns) {
    const unsigned i = which == LogStream::stderr_ ? 1 : 0;
    Shared& s = *shared_;
    in_order();
    if (bytes > 0) {
        s.chunks[s.tail % chunks_max] = {i, static_cast<std::uint32_t>(bytes), time_ns};
        in_order();
        ++s.tail;
        end_[i] += bytes;
    }
    filled_[i] = bytes >= page;
    in_order();
    s.reading.announced = 0;
}

void OutputJournal::writing(const LogWrite& write, const Marks& after) {
    auto& w = shared_->writing;
    w.log = write;
    w.after = after;
    in_order();
    w.announced = write.inode == 0 ? 2 : 1;
    in_order();
}

void OutputJournal::wrote() {
    in_order();
    shared_->marks = shared_->writing.after;
    in_order();
    shared_->writing.announced = 0;
    settle();
}

OutputJournal::Unfinished OutputJournal::unfinished() const {
    return {shared_->writing.announced == 1, shared_->writing.log};
}

void OutputJournal::forget_write() {
    shared_->writing.announced = 0;
}

// With nothing but a half line left, positions start again at the front, so that a container which says little needs
// one page and not the whole ring, in time.
void OutputJournal::settle() {
    if (has_chunks()) return;
    Marks after = marks();
    bool moved = false;
    for (unsigned i = 0; i < 2; ++i) {
        const std::uint64_t waiting = after.scanned[i] - after.begin[i];
        const std::uint64_t place = after.begin[i] % ring_bytes_;
        if (after.begin[i] == 0) continue;
        if (waiting > 0 && (after.scanned[i] < move_from || place < waiting || place + waiting > ring_bytes_)) continue;
        if (waiting > 0) std::memcpy(rings_[i], at(i, after.begin[i]), waiting);
        after.begin[i] = 0;
        after.scanned[i] = waiting;
        moved = true;
    }
    if (!moved) return;
    writing({}, after);
    shared_->marks = after;
    in_order();
    shared_->writing.announced = 0;
    for (unsigned i = 0; i < 2; ++i) {
        end_[i] = after.scanned[i];
        if (present_[i] == ring_bytes_ && end_[i] < page && !filled_[i]) shrink(i);
    }
}

}  // namespace engine::runtime
