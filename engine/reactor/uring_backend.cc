#include "engine/reactor/uring_backend.h"

#include <liburing.h>
#include <sys/mman.h>
#include <sys/utsname.h>

#include <cstdio>
#include <fstream>

#include "engine/reactor/limits.h"

namespace engine::reactor {

struct UringBackend::State {
    io_uring ring{};
    RingFeatures features;
    io_uring_buf_ring* buffer_ring = nullptr;
    std::byte* buffers = nullptr;

    ~State() {
        if (buffer_ring) {
            io_uring_unregister_buf_ring(&ring, 0);
            munmap(buffer_ring, receive_buffers * sizeof(io_uring_buf));
            munmap(buffers, receive_buffers * receive_buffer_bytes);
        }
        io_uring_queue_exit(&ring);
    }
};

namespace {

constexpr unsigned cancel_user_data = 0;

bool kernel_at_least(int major, int minor) {
    utsname name{};
    int have_major = 0;
    int have_minor = 0;
    if (uname(&name) != 0 || std::sscanf(name.release, "%d.%d", &have_major, &have_minor) != 2) return false;
    return have_major > major || (have_major == major && have_minor >= minor);
}

Error ring_error(int error_number) {
    int disabled = 0;
    std::ifstream("/proc/sys/kernel/io_uring_disabled") >> disabled;
    if (disabled != 0)
        return Error(ErrorKind::kernel,
                     "io_uring is disabled on this host (sysctl kernel.io_uring_disabled=" + std::to_string(disabled) +
                         "): set it to 0 with `sysctl -w kernel.io_uring_disabled=0`",
                     error_number);
    if (error_number == ENOSYS || error_number == EPERM)
        return Error(ErrorKind::kernel,
                     "io_uring is not available (" + std::string(std::strerror(error_number)) +
                         "): the kernel is built without it or a seccomp filter forbids it",
                     error_number);
    return errno_error(error_number, "io_uring_setup");
}

void prepare(io_uring_sqe* sqe, const Request& r) {
    void* address = const_cast<void*>(r.address);
    const int flags = static_cast<int>(r.flags);
    const auto* path = static_cast<const char*>(r.address);
    switch (r.code) {
        case OpCode::nop: io_uring_prep_nop(sqe); break;
        case OpCode::read: io_uring_prep_read(sqe, r.fd, address, r.length, r.offset); break;
        case OpCode::write: io_uring_prep_write(sqe, r.fd, address, r.length, r.offset); break;
        case OpCode::recv: io_uring_prep_recv(sqe, r.fd, address, r.length, flags); break;
        case OpCode::send: io_uring_prep_send(sqe, r.fd, address, r.length, flags); break;
        case OpCode::recvmsg: io_uring_prep_recvmsg(sqe, r.fd, static_cast<msghdr*>(address), r.flags); break;
        case OpCode::sendmsg: io_uring_prep_sendmsg(sqe, r.fd, static_cast<msghdr*>(address), r.flags); break;
        case OpCode::accept: io_uring_prep_accept(sqe, r.fd, nullptr, nullptr, flags); break;
        case OpCode::accept_multishot: io_uring_prep_multishot_accept(sqe, r.fd, nullptr, nullptr, flags); break;
        case OpCode::recv_provided:
            io_uring_prep_recv(sqe, r.fd, nullptr, receive_buffer_bytes, flags);
            sqe->flags |= IOSQE_BUFFER_SELECT;
            sqe->buf_group = 0;
            break;
        case OpCode::recv_multishot:
            io_uring_prep_recv_multishot(sqe, r.fd, nullptr, 0, flags);
            sqe->flags |= IOSQE_BUFFER_SELECT;
            sqe->buf_group = 0;
            break;
        case OpCode::connect:
            io_uring_prep_connect(sqe, r.fd, static_cast<const sockaddr*>(r.address), r.length);
            break;
        case OpCode::poll: io_uring_prep_poll_add(sqe, r.fd, r.flags); break;
        case OpCode::splice:
            io_uring_prep_splice(sqe, r.fd2, static_cast<std::int64_t>(r.address2), r.fd,
                                 static_cast<std::int64_t>(r.offset), r.length, r.flags);
            break;
        case OpCode::openat:
            if (r.address2 != 0) {
                io_uring_prep_openat2(sqe, r.fd, path, reinterpret_cast<open_how*>(r.address2));
            } else {
                io_uring_prep_openat(sqe, r.fd, path, flags, r.length);
            }
            break;
        case OpCode::close: io_uring_prep_close(sqe, r.fd); break;
        case OpCode::fsync: io_uring_prep_fsync(sqe, r.fd, r.flags); break;
        case OpCode::mkdirat: io_uring_prep_mkdirat(sqe, r.fd, path, r.length); break;
        case OpCode::unlinkat: io_uring_prep_unlinkat(sqe, r.fd, path, flags); break;
        case OpCode::renameat:
            io_uring_prep_renameat(sqe, r.fd, path, r.fd2, reinterpret_cast<const char*>(r.address2), r.flags);
            break;
        case OpCode::fallocate:
            io_uring_prep_fallocate(sqe, r.fd, flags, static_cast<off_t>(r.offset), static_cast<off_t>(r.address2));
            break;
        case OpCode::shutdown: io_uring_prep_shutdown(sqe, r.fd, flags); break;
    }
}

bool make_buffer_ring(io_uring* ring, io_uring_buf_ring** out_ring, std::byte** out_buffers) {
    void* memory = mmap(nullptr, receive_buffers * sizeof(io_uring_buf), PROT_READ | PROT_WRITE,
                        MAP_ANONYMOUS | MAP_PRIVATE, -1, 0);
    if (memory == MAP_FAILED) return false;
    void* buffers = mmap(nullptr, receive_buffers * receive_buffer_bytes, PROT_READ | PROT_WRITE,
                         MAP_ANONYMOUS | MAP_PRIVATE, -1, 0);
    io_uring_buf_reg registration{};
    registration.ring_addr = reinterpret_cast<std::uint64_t>(memory);
    registration.ring_entries = receive_buffers;
    if (buffers == MAP_FAILED || io_uring_register_buf_ring(ring, &registration, 0) != 0) {
        munmap(memory, receive_buffers * sizeof(io_uring_buf));
        if (buffers != MAP_FAILED) munmap(buffers, receive_buffers * receive_buffer_bytes);
        return false;
    }
    auto* buffer_ring = static_cast<io_uring_buf_ring*>(memory);
    io_uring_buf_ring_init(buffer_ring);
    auto* bytes = static_cast<std::byte*>(buffers);
    for (std::size_t i = 0; i < receive_buffers; ++i)
        io_uring_buf_ring_add(buffer_ring, bytes + i * receive_buffer_bytes, receive_buffer_bytes,
                              static_cast<std::uint16_t>(i), static_cast<int>(receive_buffers - 1),
                              static_cast<int>(i));
    io_uring_buf_ring_advance(buffer_ring, static_cast<int>(receive_buffers));
    *out_ring = buffer_ring;
    *out_buffers = bytes;
    return true;
}

}  // namespace

Operation::~Operation() { CHECK(!in_flight); }

UringBackend::UringBackend(std::unique_ptr<State> state) : state_(std::move(state)) {}
UringBackend::~UringBackend() = default;

Result<std::unique_ptr<UringBackend>> UringBackend::create(unsigned entries, bool plain) {
    if (!kernel_at_least(5, 15))
        return fail(ErrorKind::kernel, "this kernel is older than 5.15, the oldest that dockercd runs on");
    auto state = std::make_unique<State>();
    // Newest first; each line drops what an older kernel refuses with EINVAL (6.1, 5.19, 5.18, 5.15).
    const unsigned attempts[] = {
        IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_SUBMIT_ALL,
        IORING_SETUP_COOP_TASKRUN | IORING_SETUP_TASKRUN_FLAG | IORING_SETUP_SUBMIT_ALL,
        IORING_SETUP_SUBMIT_ALL,
        0,
    };
    int error = -EINVAL;
    for (unsigned flags : attempts) {
        if (plain && flags != 0) continue;
        io_uring_params params{};
        params.flags = flags | IORING_SETUP_CQSIZE | IORING_SETUP_CLAMP;
        params.cq_entries = entries * 8;
        error = io_uring_queue_init_params(entries, &state->ring, &params);
        if (error == 0) {
            state->features.defer_taskrun = (flags & IORING_SETUP_DEFER_TASKRUN) != 0;
            break;
        }
        if (error != -EINVAL) break;
    }
    if (error != 0) return fail(ring_error(-error));
    io_uring_ring_dontfork(&state->ring);
    if (!plain) {
        state->features.accept_multishot = kernel_at_least(5, 19);
        state->features.buffer_ring = make_buffer_ring(&state->ring, &state->buffer_ring, &state->buffers);
        state->features.receive_multishot = state->features.buffer_ring && kernel_at_least(6, 0);
    }
    return std::unique_ptr<UringBackend>(new UringBackend(std::move(state)));
}

void UringBackend::submit(Operation* operation) {
    CHECK(!operation->in_flight);
    io_uring_sqe* sqe = io_uring_get_sqe(&state_->ring);
    if (!sqe) {
        io_uring_submit(&state_->ring);
        sqe = io_uring_get_sqe(&state_->ring);
        CHECK(sqe != nullptr);
    }
    prepare(sqe, operation->request);
    io_uring_sqe_set_data(sqe, operation);
    operation->in_flight = true;
}

void UringBackend::cancel(Operation* operation) {
    CHECK(operation->in_flight);
    io_uring_sqe* sqe = io_uring_get_sqe(&state_->ring);
    if (!sqe) {
        io_uring_submit(&state_->ring);
        sqe = io_uring_get_sqe(&state_->ring);
        CHECK(sqe != nullptr);
    }
    io_uring_prep_cancel(sqe, operation, 0);
    io_uring_sqe_set_data64(sqe, cancel_user_data);
}

unsigned UringBackend::turn(Nanoseconds timeout) {
    io_uring* ring = &state_->ring;
    io_uring_cqe* cqe = nullptr;
    if (timeout == 0) {
        io_uring_submit_and_get_events(ring);
    } else if (timeout < 0) {
        io_uring_submit_and_wait(ring, 1);
    } else {
        __kernel_timespec span{.tv_sec = timeout / second, .tv_nsec = timeout % second};
        io_uring_submit_and_wait_timeout(ring, &cqe, 1, &span, nullptr);
    }
    unsigned reaped = 0;
    unsigned head = 0;
    io_uring_for_each_cqe(ring, head, cqe) {
        ++reaped;
        auto* operation = static_cast<Operation*>(io_uring_cqe_get_data(cqe));
        if (!operation) continue;  // the answer to a cancel: its operation answers for itself
        const bool more = (cqe->flags & IORING_CQE_F_MORE) != 0;
        if (!more) operation->in_flight = false;
        operation->on_complete(operation, cqe->res, cqe->flags, more);
    }
    io_uring_cq_advance(ring, reaped);
    return reaped;
}

const RingFeatures& UringBackend::features() const { return state_->features; }

std::span<std::byte> UringBackend::buffer(std::uint16_t id, std::size_t length) {
    CHECK(id < receive_buffers && length <= receive_buffer_bytes);
    return {state_->buffers + id * receive_buffer_bytes, length};
}

std::uint16_t UringBackend::buffer_id(std::uint32_t completion_flags) {
    return static_cast<std::uint16_t>(completion_flags >> IORING_CQE_BUFFER_SHIFT);
}

void UringBackend::give_back(std::uint16_t id) {
    CHECK(id < receive_buffers);
    io_uring_buf_ring_add(state_->buffer_ring, state_->buffers + id * receive_buffer_bytes, receive_buffer_bytes, id,
                          static_cast<int>(receive_buffers - 1), 0);
    io_uring_buf_ring_advance(state_->buffer_ring, 1);
}

}  // namespace engine::reactor
