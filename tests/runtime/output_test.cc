// Everyone attached to an output gets all of it, at his own pace; one who takes nothing stops nobody for ever.
#include "engine/runtime/output.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include "engine/reactor/io.h"
#include "engine/reactor/loop.h"
#include "engine/reactor/scope.h"
#include "engine/reactor/try.h"
#include "engine/runtime/limits.h"

namespace engine::runtime {
namespace {

class Collector : public ByteSink {
public:
    explicit Collector(Nanoseconds pause = 0) : pause_(pause) {}
    Task<void> write(std::span<const std::byte> bytes) override {
        if (pause_ > 0) {
            CO_TRY_VOID(co_await reactor::sleep_for(pause_));
        }
        text.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
        co_return Result<void>{};
    }
    std::string text;

private:
    Nanoseconds pause_;
};

// Takes what it is offered at once, up to a limit: a socket with some room.
class Eager : public Collector {
public:
    std::size_t try_write(std::span<const std::byte> head, std::span<const std::byte> body) override {
        std::string all(reinterpret_cast<const char*>(head.data()), head.size());
        all.append(reinterpret_cast<const char*>(body.data()), body.size());
        const std::size_t taken = std::min<std::size_t>(all.size(), 5);
        text += all.substr(0, taken);
        return taken;
    }
};

Task<void> produce(int fd, std::string text) {
    const UniqueFd writer(fd);
    const auto bytes = io::bytes_of(text);
    auto written = co_await io::write_all(writer.get(), bytes);
    co_return written;
}

Task<void> copy(Output* output, Attachment* attachment, ByteSink* sink) {
    output->attach(attachment);
    const reactor::StopToken never;
    auto copied = co_await attachment->copy_to(sink, never);
    co_return copied;
}

// One pipe into `output`, read by all `sinks`.
Task<void> whole(Output* output, std::string text, std::vector<ByteSink*> sinks, bool framed) {
    int ends[2];
    if (pipe(ends) != 0) co_return fail_errno(errno, "pipe");
    std::vector<std::unique_ptr<Attachment>> attachments;
    reactor::Scope scope("test");
    for (ByteSink* sink : sinks) {
        attachments.push_back(std::make_unique<Attachment>(true, true, framed));
        scope.spawn("client", copy(output, attachments.back().get(), sink));
    }
    scope.spawn("process", produce(ends[1], std::move(text)));
    UniqueFd source(ends[0]);
    const reactor::StopToken never;
    CO_TRY_VOID(co_await output->pump(std::move(source), LogStream::stdout_, never));
    output->end();
    CO_TRY_VOID(co_await scope.join());
    co_return Result<void>{};
}

std::string many_bytes() {
    std::string text;
    for (int i = 0; i < 600'000; ++i) text += std::to_string(i) + "\n";
    return text;
}

TEST(Output, ASlowClientLosesNothing) {
    auto loop = reactor::Loop::create({});
    ASSERT_TRUE(loop);
    Output output(nullptr, true);
    Collector quick, slow(2 * millisecond);
    const std::string text = many_bytes();
    ASSERT_GT(text.size(), 2 * kAttachmentBytes);
    ASSERT_TRUE((*loop)->run(whole(&output, text, {&quick, &slow}, false)));
    EXPECT_TRUE(quick.text == text);
    EXPECT_TRUE(slow.text == text);
}

TEST(Output, BytesTakenAtOnceAndBytesThatWaitKeepTheirOrder) {
    auto loop = reactor::Loop::create({});
    ASSERT_TRUE(loop);
    Output output(nullptr, false);
    Eager client;
    ASSERT_TRUE((*loop)->run(whole(&output, "hello\n", {&client}, true)));
    EXPECT_EQ(client.text, std::string("\1\0\0\0\0\0\0\6", 8) + "hello\n");
}

}  // namespace
}  // namespace engine::runtime
