// The launch plan: a flat list of operations, complete before the clone, that the keeper's child replays in order
// inside its own namespaces. Operations are shaped like system calls and know nothing of Docker. Shared by the engine
// (which writes it) and the keeper (which reads it); pure.
//
//   PlanHeader, then op_count times PlanOpHeader + payload, each operation 8-aligned.
//   payload: the operation's u64 numbers, then its NUL-terminated strings (or bytes), as listed beside each code.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

namespace engine::runtime {

constexpr uint32_t kPlanMagic = 0x4e4c5044;  // "DPLN"
constexpr uint32_t kPlanVersion = 1;

struct PlanHeader {
    uint32_t magic;
    uint32_t version;
    uint32_t size;  // of the whole plan
    uint32_t op_count;
    uint64_t clone_flags;  // for clone3, beside CLONE_PIDFD: CLONE_NEWPID, CLONE_NEWNS
    uint32_t flags;        // PlanFlag
    uint32_t reserved;
};
static_assert(sizeof(PlanHeader) == 32);

enum PlanFlag : uint32_t {
    kPlanTty = 1,  // kFdChildStdin is a pty slave: it becomes 0, 1 and 2 and the controlling terminal
};

struct PlanOpHeader {
    uint16_t code;
    uint16_t flags;
    uint32_t length;  // of the payload, without padding
};
static_assert(sizeof(PlanOpHeader) == 8);

enum class PlanOp : uint16_t {
    // code            numbers            strings
    write_file = 1,  //                   path, data
    make_dir,        // mode              path
    cgroup_enter,    //                   path of a v2 cgroup: CLONE_INTO_CGROUP; done by the keeper
    unshare,         // flags
    setns_path,      // nstype            path
    setns_fd,        // nstype            the descriptor that came as kFdNetns
    propagation,     // MS_* flags        path
    overlay,  // n lowers          directory to be in, target, upper ("" read-only), work, lower 1 (topmost) .. lower n
    root_bind,      // MS_* extra        source directory, target: the source becomes a mount at target
    bind_open,      // slot, attr_set, propagation, recursive   source: detached copy of a tree, kept in the slot
    bind_attach,    // slot, kind        target: the slot's tree becomes a mount in the new root
    pivot,          //                   path of the new root: becomes /, the old tree is detached
    mount_fs,       // MS_* flags, mode  type, source, target, options
    make_node,      // mode, dev         path
    symlink,        //                   target, path
    mask,           //                   path: /dev/null over a file, empty read-only tmpfs over a directory
    readonly_path,  //                   path: bound on itself read-only
    remount,        // attr_set          path: mount_setattr on what is there
    hostname,       //                   name
    domainname,     //                   name
    rlimit,         // resource, soft, hard
    terminal_open,  // slot              the terminal's node (of descriptor 0), for a later bind_attach on /dev/console
    terminal,       //                   descriptor 0 becomes the controlling terminal (with kPlanTty)
    loopback,       //                   lo up
    umask,          // mask
    directory,      // mode              path: chdir, made if missing
    user,      // n groups, groups  "name|uid[:group|gid]": resolved here, applied by `become`; sets HOME if missing
    bounding,  // capability mask to keep
    become,    //                   setgroups, setgid, setuid of `user`; capabilities are kept for the next operations
    capabilities,  // permitted and effective, inheritable, ambient masks
    no_new_privs,  //
    seccomp,       // flags             bytes: struct sock_filter[]
    exec,          // n args, n env     args.., env..; PATH searched as the shell does
    // Since keeper version 2, for EXEC only:
    join,  // CLONE_NEW* flags     all these namespaces of the container's first process at once
    pty,   // rows, columns        a terminal of the container's own devpts becomes 0, 1, 2; its master is sent away
    write_lines,    // n                path, lines: one write each
    device_filter,  // size             bytes: struct bpf_insn[], then the path of a v2 cgroup; done by the keeper
    last_,
};

// Flags of an operation.
constexpr uint16_t kOpInKeeper = 1u << 0;  // done by the keeper before the clone (v2 cgroup creation)
constexpr uint16_t kOpIgnoreErrors = 1u << 1;  // a failure is a fact of this kernel, not of the launch
constexpr uint16_t kOpParents = 1u << 2;  // make_dir, mount_fs: parents too
constexpr uint16_t kOpNoSymlinks = 1u << 3;  // mount_fs: a symlink on the way is an error (/proc, /sys, /dev)
constexpr uint16_t kOpMakeTarget = 1u << 4;  // mount_fs, bind_attach: create the mount point
constexpr uint16_t kOpExistOk = 1u << 5;  // make_dir, make_node, symlink: existing is fine
constexpr uint16_t kOpMustExist = 1u << 6;  // directory: a missing one is an error, not made

constexpr uint64_t kBindDirectory = 0, kBindFile = 1, kBindAsSource = 2;
constexpr uint32_t kBindSlots = 512;

// A cursor over one operation's payload. Every read is in bounds; after a failed one ok() is false.
class PlanReader {
public:
    PlanReader(const char* data, size_t length) : at_(data), end_(data + length) {}

    uint64_t number() {
        uint64_t value = 0;
        if (end_ - at_ < static_cast<ptrdiff_t>(sizeof value)) return failed(), value;
        memcpy(&value, at_, sizeof value);
        at_ += sizeof value;
        return value;
    }
    const char* string() {
        const void* nul = memchr(at_, 0, static_cast<size_t>(end_ - at_));
        if (nul == nullptr) return failed(), "";
        const char* start = at_;
        at_ = static_cast<const char*>(nul) + 1;
        return start;
    }
    const char* rest() const { return at_; }
    size_t remaining() const { return static_cast<size_t>(end_ - at_); }
    // nullptr when there are not so many.
    const char* take(size_t length) {
        if (static_cast<size_t>(end_ - at_) < length) return failed(), nullptr;
        at_ += length;
        return at_ - length;
    }
    bool ok() const { return ok_; }

private:
    void failed() { ok_ = false, at_ = end_; }

    const char* at_;
    const char* end_;
    bool ok_ = true;
};

struct PlanStep {
    PlanOp code;
    uint16_t flags;
    const char* payload;
    uint32_t length;
};

inline size_t plan_padded(size_t length) { return (length + 7) & ~size_t{7}; }

// Header and frame of every operation are sound; payloads are checked when they are read.
inline bool plan_valid(const char* plan, size_t size) {
    PlanHeader header;
    if (size < sizeof header) return false;
    memcpy(&header, plan, sizeof header);
    if (header.magic != kPlanMagic || header.version != kPlanVersion || header.size != size) return false;
    size_t at = sizeof header;
    for (uint32_t i = 0; i < header.op_count; ++i) {
        PlanOpHeader op;
        if (size - at < sizeof op) return false;
        memcpy(&op, plan + at, sizeof op);
        at += sizeof op;
        if (op.code == 0 || op.code >= static_cast<uint16_t>(PlanOp::last_)) return false;
        if (size - at < op.length || size - at < plan_padded(op.length)) return false;
        at += plan_padded(op.length);
    }
    return at == size;
}

// The operation at offset `at` of a valid plan; moves `at` behind it.
inline PlanStep plan_next(const char* plan, size_t& at) {
    PlanOpHeader op;
    memcpy(&op, plan + at, sizeof op);
    PlanStep step{static_cast<PlanOp>(op.code), op.flags, plan + at + sizeof op, op.length};
    at += sizeof op + plan_padded(op.length);
    return step;
}

}  // namespace engine::runtime
