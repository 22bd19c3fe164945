// What the log options add to each record. Names and rules are dockerd's.
#include <regex.h>
#include <unistd.h>

#include <map>
#include <memory>

#include "engine/reactor/json_writer.h"
#include "engine/reactor/try.h"
#include "engine/runtime/log_options.h"

namespace engine::runtime {
namespace {

using Attributes = std::map<std::string, std::string>;

constexpr std::size_t short_id_digits = 12;

class Pattern {
public:
    static Result<Pattern> compile(const std::string& text) {
        auto regex = std::unique_ptr<regex_t, Free>(new regex_t{});
        const int error = regcomp(regex.get(), text.c_str(), REG_EXTENDED | REG_NOSUB);
        if (error == 0) return Pattern(std::move(regex));
        char why[128];
        regerror(error, regex.get(), why, sizeof why);
        delete regex.release();
        return fail(ErrorKind::invalid, "error parsing regexp: " + std::string(why) + ": `" + text + "`");
    }
    bool matches(const std::string& text) const { return regexec(regex_.get(), text.c_str(), 0, nullptr, 0) == 0; }

private:
    struct Free {
        void operator()(regex_t* regex) const {
            regfree(regex);
            delete regex;
        }
    };
    explicit Pattern(std::unique_ptr<regex_t, Free> regex) : regex_(std::move(regex)) {}
    std::unique_ptr<regex_t, Free> regex_;
};

const std::string* option(const ContainerSpec& spec, const char* name) {
    const auto at = spec.log.options.find(name);
    return at == spec.log.options.end() || at->second.empty() ? nullptr : &at->second;
}

// Those of `all` that the option NAME lists or the option NAME-regex matches.
Result<void> choose(const ContainerSpec& spec, const char* list, const char* regex, const Attributes& all,
                    Attributes& out) {
    if (const std::string* names = option(spec, list)) {
        for (std::string_view left = *names; !left.empty();) {
            const std::string name(left.substr(0, left.find(',')));
            left.remove_prefix(std::min(left.size(), name.size() + 1));
            if (const auto found = all.find(name); found != all.end()) out[name] = found->second;
        }
    }
    if (const std::string* text = option(spec, regex)) {
        TRY(const auto pattern, Pattern::compile(*text));
        for (const auto& [name, value] : all)
            if (pattern.matches(name)) out[name] = value;
    }
    return {};
}

std::string digits_of(std::string_view id) {
    return std::string(id.substr(id.starts_with("sha256:") ? 7 : 0).substr(0, short_id_digits));
}

std::string command_of(const ContainerSpec& spec) {
    std::string out;
    for (const auto* words : {&spec.entrypoint, &spec.cmd})
        for (const std::string& word : *words) out += (out.empty() ? "" : " ") + word;
    return out;
}

Result<std::string> tag_word(std::string_view name, const ContainerSpec& spec, const LogIdentity& who) {
    if (name == ".ID") return digits_of(who.container_id);
    if (name == ".FullID" || name == ".ContainerID") return who.container_id;
    if (name == ".Name") return who.container_name;
    if (name == ".ContainerName") return "/" + who.container_name;
    if (name == ".ImageID") return digits_of(who.image_id);
    if (name == ".ImageFullID" || name == ".ContainerImageID") return who.image_id;
    if (name == ".ImageName" || name == ".ContainerImageName") return spec.image;
    if (name == ".DaemonName") return std::string("docker");
    if (name == ".Command") return command_of(spec);
    if (name == ".Hostname") {
        char host[256] = {};
        gethostname(host, sizeof host - 1);
        return std::string(host);
    }
    return fail(ErrorKind::invalid, "template: log-tag: can't evaluate field " +
                                        std::string(name.substr(std::min<std::size_t>(1, name.size()))) +
                                        " in type logger.Info");
}

// A Go template of fields only: "{{.ImageName}}/{{.Name}}".
Result<std::string> expand_tag(std::string_view text, const ContainerSpec& spec, const LogIdentity& who) {
    std::string out;
    while (true) {
        const std::size_t open = text.find("{{");
        out += text.substr(0, open);
        if (open == std::string_view::npos) return out;
        const std::size_t close = text.find("}}", open);
        if (close == std::string_view::npos) return fail(ErrorKind::invalid, "template: log-tag:1: unclosed action");
        std::string_view name = text.substr(open + 2, close - open - 2);
        while (name.starts_with(' ')) name.remove_prefix(1);
        while (name.ends_with(' ')) name.remove_suffix(1);
        TRY(const std::string word, tag_word(name, spec, who));
        out += word;
        text.remove_prefix(close + 2);
    }
}

}  // namespace

Result<std::string> log_attributes(const ContainerSpec& spec, const LogIdentity& identity) {
    if (spec.log.options.empty()) return std::string();
    Attributes environment;
    for (const std::string& entry : spec.env) {
        const std::size_t equals = entry.find('=');
        if (equals != std::string::npos) environment[entry.substr(0, equals)] = entry.substr(equals + 1);
    }
    Attributes chosen;
    TRY_VOID(choose(spec, "labels", "labels-regex", spec.labels, chosen));
    TRY_VOID(choose(spec, "env", "env-regex", environment, chosen));
    if (const std::string* tag = option(spec, "tag")) {
        TRY(const std::string text, expand_tag(*tag, spec, identity));
        if (!text.empty()) chosen["tag"] = text;
    }
    if (chosen.empty()) return std::string();
    json::Writer w;
    w.value(chosen);
    return w.take();
}

}  // namespace engine::runtime
