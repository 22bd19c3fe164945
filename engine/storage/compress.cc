#include "engine/storage/compress.h"

#include <isa-l/igzip_lib.h>

#include "engine/reactor/try.h"

namespace engine::storage {
namespace {

constexpr uint32_t level = 2;  // about what gzip -3 makes, at several times its speed
constexpr size_t out_bytes = 256 << 10;

}  // namespace

GzipSink::GzipSink(int fd)
    : sink_(fd), stream_(std::make_unique<isal_zstream>()), level_buffer_(ISAL_DEF_LVL2_LARGE), out_(out_bytes) {
    isal_deflate_init(stream_.get());
    stream_->level = level;
    stream_->level_buf = level_buffer_.data();
    stream_->level_buf_size = static_cast<uint32_t>(level_buffer_.size());
    stream_->gzip_flag = IGZIP_GZIP;  // no name and no time in its header
    stream_->flush = NO_FLUSH;
}

GzipSink::~GzipSink() = default;

Result<void> GzipSink::deflate(std::string_view bytes, bool end) {
    stream_->next_in = reinterpret_cast<uint8_t*>(const_cast<char*>(bytes.data()));
    stream_->avail_in = static_cast<uint32_t>(bytes.size());
    stream_->end_of_stream = end ? 1 : 0;
    while (true) {
        stream_->next_out = out_.data();
        stream_->avail_out = static_cast<uint32_t>(out_.size());
        if (isal_deflate(stream_.get()) != COMP_OK) return fail(ErrorKind::internal, "gzip: compression failed");
        const size_t made = out_.size() - stream_->avail_out;
        TRY_VOID(sink_.write({reinterpret_cast<const char*>(out_.data()), made}));
        if (end ? stream_->internal_state.state == ZSTATE_END : stream_->avail_in == 0 && stream_->avail_out > 0)
            return {};
    }
}

Result<void> GzipSink::write(std::string_view bytes) {
    return bytes.empty() ? Result<void>() : deflate(bytes, false);
}

Result<void> GzipSink::finish() {
    return deflate({}, true);
}

}  // namespace engine::storage
