#include "engine/storage/decompress.h"

#include <isa-l/igzip_lib.h>
#include <unistd.h>
#include <zstd.h>

#include <cstring>

#include "engine/reactor/try.h"
#include "engine/storage/limits.h"

namespace engine::storage {
namespace {

tl::unexpected<Error> cut_short() {
    return fail(ErrorKind::invalid, "unexpected EOF");
}

// A few bytes that become more than a disk holds are refused. Archives in archives are measured by the outermost's
// bytes.
Result<void> check_growth(uint64_t made, const BlockingSource& source) {
    if (made <= limits::decompressed_bytes_free || made / limits::decompression_ratio_max <= source.received())
        return {};
    return fail(ErrorKind::too_large, "the archive grows to more than " +
                                          std::to_string(limits::decompression_ratio_max) +
                                          " times its size (decompression_ratio_max)");
}

class Gunzip : public BlockingSource {
public:
    explicit Gunzip(std::unique_ptr<BlockingSource> source) : source_(std::move(source)), input_(128 << 10) { begin(); }
    Result<size_t> read(std::span<char> into) override {
        state_.next_out = reinterpret_cast<uint8_t*>(into.data());
        state_.avail_out = static_cast<uint32_t>(std::min<size_t>(into.size(), 1 << 30));
        const uint32_t room = state_.avail_out;
        while (state_.avail_out == room) {
            if (state_.avail_in == 0) {
                TRY(const size_t got, source_->read({input_.data(), input_.size()}));
                if (got == 0) {
                    if (fresh_) return size_t{0};
                    // Inflate may still hold output back.
                    if (!at_end_) {
                        at_end_ = true;
                    } else {
                        return cut_short();
                    }
                }
                state_.next_in = reinterpret_cast<uint8_t*>(input_.data());
                state_.avail_in = static_cast<uint32_t>(got);
            }
            if (fresh_ && members_ > 0 && *state_.next_in == 0) {  // zero padding after the last member
                state_.next_in++;
                state_.avail_in--;
                continue;
            }
            fresh_ = false;
            if (isal_inflate(&state_) != ISAL_DECOMP_OK) return fail(ErrorKind::invalid, "gzip: invalid data");
            if (state_.block_state == ISAL_BLOCK_FINISH) {
                const uint32_t made = room - state_.avail_out;
                uint8_t* next_in = state_.next_in;
                const uint32_t avail_in = state_.avail_in;
                begin();
                members_++;
                state_.next_in = next_in;
                state_.avail_in = avail_in;
                if (made > 0) return size_t{made};
                state_.next_out = reinterpret_cast<uint8_t*>(into.data());
                state_.avail_out = room;
            }
        }
        made_ += room - state_.avail_out;
        TRY_VOID(check_growth(made_, *source_));
        return size_t{room - state_.avail_out};
    }
    uint64_t received() const override { return source_->received(); }

private:
    void begin() {
        isal_inflate_init(&state_);
        state_.crc_flag = ISAL_GZIP;
        state_.avail_in = 0;
        fresh_ = true;
    }
    std::unique_ptr<BlockingSource> source_;
    std::vector<char> input_;
    inflate_state state_;
    uint64_t made_ = 0;
    unsigned members_ = 0;
    bool fresh_ = true;  // between members
    bool at_end_ = false;
};

class Unzstd : public BlockingSource {
public:
    explicit Unzstd(std::unique_ptr<BlockingSource> source)
        : source_(std::move(source)), input_(ZSTD_DStreamInSize()), context_(ZSTD_createDCtx()) {
        CHECK(context_ != nullptr);
        ZSTD_DCtx_setParameter(context_, ZSTD_d_windowLogMax, static_cast<int>(limits::zstd_window_log_max));
    }
    ~Unzstd() override { ZSTD_freeDCtx(context_); }
    Unzstd(const Unzstd&) = delete;
    Unzstd& operator=(const Unzstd&) = delete;
    Result<size_t> read(std::span<char> into) override {
        ZSTD_outBuffer out{into.data(), into.size(), 0};
        while (out.pos == 0) {
            if (in_.pos == in_.size && !more_output_) {
                TRY(const size_t got, source_->read({input_.data(), input_.size()}));
                if (got == 0) {
                    if (pending_ == 0) return size_t{0};
                    return cut_short();
                }
                in_ = {input_.data(), got, 0};
            }
            pending_ = ZSTD_decompressStream(context_, &out, &in_);
            if (ZSTD_isError(pending_))
                return fail(ErrorKind::invalid, std::string("zstd: ") + ZSTD_getErrorName(pending_));
            more_output_ = out.pos == out.size;
        }
        made_ += out.pos;
        TRY_VOID(check_growth(made_, *source_));
        return out.pos;
    }
    uint64_t received() const override { return source_->received(); }

private:
    std::unique_ptr<BlockingSource> source_;
    std::vector<char> input_;
    ZSTD_DCtx* context_;
    ZSTD_inBuffer in_{nullptr, 0, 0};
    uint64_t made_ = 0;
    size_t pending_ = 0;
    bool more_output_ = false;
};

}  // namespace

Compression sniff_compression(std::string_view first) {
    if (first.starts_with("\x1f\x8b\x08")) return Compression::gzip;
    if (first.starts_with("\x28\xb5\x2f\xfd")) return Compression::zstd;
    if (first.starts_with("BZh")) return Compression::bzip2;
    if (first.starts_with("\xfd"
                          "7zXZ"))
        return Compression::xz;
    if (first.size() >= 4 && (first[0] & 0xf0) == 0x50 && first.substr(1, 3) == "\x2a\x4d\x18")
        return Compression::zstd;
    return Compression::none;
}

Result<std::unique_ptr<BlockingSource>> decompressing(BlockingSource& source) {
    std::string first(5, '\0');
    size_t have = 0;
    while (have < first.size()) {
        TRY(const size_t got, source.read({first.data() + have, first.size() - have}));
        if (got == 0) break;
        have += got;
    }
    first.resize(have);
    const auto kind = sniff_compression(first);
    if (kind == Compression::bzip2 || kind == Compression::xz)
        return fail(ErrorKind::invalid, std::string(kind == Compression::xz ? "xz" : "bzip2") +
                                            " compression is not supported: use gzip, zstd or none");
    std::unique_ptr<BlockingSource> whole = std::make_unique<PrefixedSource>(source, std::move(first));
    if (kind == Compression::gzip) return std::make_unique<Gunzip>(std::move(whole));
    if (kind == Compression::zstd) return std::make_unique<Unzstd>(std::move(whole));
    return whole;
}

Result<size_t> PrefixedSource::read(std::span<char> into) {
    if (at_ == prefix_.size()) return rest_.read(into);
    const size_t size = std::min(into.size(), prefix_.size() - at_);
    std::memcpy(into.data(), prefix_.data() + at_, size);
    at_ += size;
    return size;
}

Result<size_t> FdSource::read(std::span<char> into) {
    while (true) {
        const ssize_t got = ::read(fd_, into.data(), into.size());
        if (got >= 0) {
            received_ += static_cast<uint64_t>(got);
            return static_cast<size_t>(got);
        }
        if (errno != EINTR) return fail_errno(errno, "read archive");
    }
}

}  // namespace engine::storage
