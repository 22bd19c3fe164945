// Instructions as docker's clients send them, and what becomes of the configuration.
#include "engine/storage/config_changes.h"

#include <gtest/gtest.h>

#include "engine/storage/dockerfile_words.h"

namespace engine::storage {
namespace {

std::string made(std::vector<std::string> changes) {
    auto config = config_of_changes(changes);
    return config ? *config : "error: " + config.error().message();
}

void expect_part(const std::string& change, const std::string& part) {
    const std::string config = made({change});
    EXPECT_NE(config.find(part), std::string::npos) << change << " made " << config;
}

void expect_error(const std::string& change, const std::string& words) {
    EXPECT_EQ(made({change}), "error: " + words);
}

TEST(ConfigChanges, NothingMakesTheEmptyConfig) {
    EXPECT_EQ(
        made({}),
        R"({"Hostname":"","Domainname":"","User":"","AttachStdin":false,"AttachStdout":false,"AttachStderr":false,)"
        R"("Tty":false,"OpenStdin":false,"StdinOnce":false,"Env":null,"Cmd":null,"Image":"","Volumes":null,)"
        R"("WorkingDir":"","Entrypoint":null,"OnBuild":null,"Labels":null})");
}

TEST(ConfigChanges, EveryInstruction) {
    expect_part(R"(CMD ["echo", "hi"])", R"("Cmd":["echo","hi"])");
    expect_part("cmd echo hi", R"("Cmd":["/bin/sh","-c","echo hi"])");
    expect_part(R"(ENTRYPOINT ["/a b"])", R"("Entrypoint":["/a b"])");
    expect_part("ENTRYPOINT []", R"("Entrypoint":null)");
    expect_part("EXPOSE 80 53/udp 8000-8002",
                R"("ExposedPorts":{"53/udp":{},"80/tcp":{},"8000/tcp":{},"8001/tcp":{},)");
    expect_part(R"(LABEL a=1 "b c"="d e" f='g h')", R"("Labels":{"a":"1","b c":"d e","f":"g h"})");
    expect_part("LABEL old form of it", R"("Labels":{"old":"form of it"})");
    expect_part("USER 1000:100", R"("User":"1000:100")");
    expect_part("VOLUME /a /b", R"("Volumes":{"/a":{},"/b":{}})");
    expect_part(R"(VOLUME ["/a b"])", R"("Volumes":{"/a b":{}})");
    expect_part("WORKDIR a/../b/./c", R"("WorkingDir":"/b/c")");
    expect_part("ONBUILD RUN make", R"("OnBuild":["RUN make"])");
    expect_part("STOPSIGNAL SIGINT", R"("StopSignal":"SIGINT")");
    expect_part("HEALTHCHECK --interval=1m30s --retries=3 CMD curl x",
                R"("Healthcheck":{"Test":["CMD-SHELL","curl x"],"Interval":90000000000,"Retries":3})");
    expect_part("HEALTHCHECK NONE", R"("Healthcheck":{"Test":["NONE"]})");
}

TEST(ConfigChanges, VariablesAndQuotes) {
    EXPECT_NE(made({"ENV a=1 b=$a", "ENV c=${a}x d=\"q $a\" e='q $a' f=a\\ b", "ENV a=2"})
                  .find(R"("Env":["a=2","b=","c=1x","d=q 1","e=q $a","f=a b"])"),
              std::string::npos);
    EXPECT_NE(made({"ENV p=/srv", "WORKDIR $p", "WORKDIR ${none:-sub}"}).find(R"("WorkingDir":"/srv/sub")"),
              std::string::npos);
    EXPECT_NE(made({"# words\nENV a=1 \\\n  b=2\n\nUSER x"}).find(R"("Env":["a=1","b=2"])"), std::string::npos);
    EXPECT_EQ(*expand_word("${a:+yes}${b:+no}${b-never}$$", {"a=1"}), "yesnever$$");
}

TEST(ConfigChanges, RefusesInDockerdsWords) {
    expect_error("RUN true", "run is not a valid change command");
    expect_error("FROM x", "from is not a valid change command");
    expect_error("nonsense", "nonsense is not a valid change command");
    expect_error("ENV a", "ENV must have two arguments");
    expect_error("ENV a=1 b", "Syntax error - can't find = in \"b\". Must be of the form: name=value");
    expect_error("ENV =1", "ENV names can not be blank");
    expect_error("EXPOSE 70000", "invalid containerPort: 70000");
    expect_error("EXPOSE 80/icmp", "invalid proto: icmp");
    expect_error("CMD [1]", "when using JSON array syntax, arrays must be comprised of strings only.");
    expect_error("ONBUILD ONBUILD RUN x", "Chaining ONBUILD via `ONBUILD ONBUILD` isn't allowed");
    expect_error("ONBUILD from x", "FROM isn't allowed as an ONBUILD trigger");
    expect_error("HEALTHCHECK CMD", "Missing command after HEALTHCHECK CMD");
    expect_error("HEALTHCHECK foo", "Unknown type \"FOO\" in HEALTHCHECK (try CMD)");
    expect_error("STOPSIGNAL SIGNOPE", "invalid signal: SIGNOPE");
    expect_error("USER", "USER requires exactly one argument");
    expect_error("ENV a=\"b", "unexpected end of statement while looking for matching double-quote");
}

TEST(ConfigChanges, Durations) {
    EXPECT_EQ(parse_duration("1.5h"), 5'400'000'000'000);
    EXPECT_EQ(parse_duration("1m30s"), 90'000'000'000);
    EXPECT_FALSE(parse_duration("5"));
    EXPECT_FALSE(parse_duration("s"));
}

}  // namespace
}  // namespace engine::storage
