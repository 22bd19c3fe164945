#include "engine/storage/config_changes.h"

#include <simdjson.h>

#include <algorithm>
#include <charconv>
#include <csignal>
#include <map>
#include <optional>
#include <set>

#include "engine/reactor/json_writer.h"
#include "engine/reactor/try.h"
#include "engine/reactor/units.h"
#include "engine/storage/dockerfile_words.h"

namespace engine::storage {
namespace {

tl::unexpected<Error> bad(std::string text) {
    return fail(ErrorKind::invalid, std::move(text));
}

std::string lower(std::string_view text) {
    std::string out(text);
    std::transform(out.begin(), out.end(), out.begin(), [](char c) { return c >= 'A' && c <= 'Z' ? char(c + 32) : c; });
    return out;
}
std::string upper(std::string_view text) {
    std::string out(text);
    std::transform(out.begin(), out.end(), out.begin(), [](char c) { return c >= 'a' && c <= 'z' ? char(c - 32) : c; });
    return out;
}

using Words = std::vector<std::string>;

struct Health {
    Words test;
    int64_t interval = 0, timeout = 0, start_period = 0, start_interval = 0;
    int64_t retries = 0;
};

class ImageConfig {
public:
    Result<void> apply(std::string_view line);
    Result<void> read(std::string_view json);
    // What is not said here is as it is there.
    void merge(const ImageConfig& other);
    std::string text() const;

private:
    Result<void> environment(std::string_view rest);
    Result<void> labels(std::string_view rest);
    Result<void> expose(std::string_view rest);
    Result<void> volumes(std::string_view rest);
    Result<void> workdir(std::string_view rest);
    Result<void> stop_signal(std::string_view rest);
    Result<void> on_build(std::string_view rest);
    Result<void> healthcheck(std::string_view rest);

    std::string user_, working_dir_, stop_signal_;
    std::string hostname_, domainname_, image_;
    bool attach_stdin_ = false, attach_stdout_ = false, attach_stderr_ = false;
    bool tty_ = false, open_stdin_ = false, stdin_once_ = false, args_escaped_ = false;
    Words shell_;
    Environment env_;
    std::optional<Words> cmd_, entrypoint_;
    Words on_build_;
    std::map<std::string, std::string> labels_;
    std::set<std::string> ports_, volumes_;
    std::optional<Health> health_;
};

// The exec form `["a", "b"]`; none when the text is not such a list at all.
Result<std::optional<Words>> json_words(std::string_view rest) {
    if (!rest.starts_with('[')) return std::optional<Words>();
    simdjson::dom::parser parser;
    simdjson::dom::array list;
    if (parser.parse(rest.data(), rest.size()).get(list) != simdjson::SUCCESS) return std::optional<Words>();
    Words out;
    for (const auto item : list) {
        std::string_view text;
        if (item.get(text) != simdjson::SUCCESS)
            return bad("when using JSON array syntax, arrays must be comprised of strings only.");
        out.emplace_back(text);
    }
    return std::optional<Words>(std::move(out));
}

Result<Words> command(std::string_view rest) {
    TRY(auto exec, json_words(rest));
    if (exec) return std::move(*exec);
    Words out = {"/bin/sh", "-c"};
    if (!rest.empty()) out.emplace_back(rest);
    return out;
}

Result<void> ImageConfig::environment(std::string_view rest) {
    TRY(const auto pairs, key_values(rest, "ENV"));
    const Environment before = env_;  // one instruction does not see its own variables
    for (const auto& [written_name, written_value] : pairs) {
        TRY(const std::string name, expand_word(written_name, before));
        TRY(const std::string value, expand_word(written_value, before));
        if (name.empty()) return bad("ENV names can not be blank");
        const auto known = std::find_if(env_.begin(), env_.end(), [&](const auto& pair) {
            return pair.starts_with(name) && pair.size() > name.size() && pair[name.size()] == '=';
        });
        const std::string pair = name + "=" + value;
        if (known == env_.end()) {
            env_.push_back(pair);
        } else {
            *known = pair;
        }
    }
    return {};
}

Result<void> ImageConfig::labels(std::string_view rest) {
    TRY(const auto pairs, key_values(rest, "LABEL"));
    for (const auto& [written_name, written_value] : pairs) {
        TRY(const std::string name, expand_word(written_name, env_));
        TRY(labels_[name], expand_word(written_value, env_));
        if (name.empty()) return bad("LABEL names can not be blank");
    }
    return {};
}

// [[address:]host:]port[-port][/protocol]: the host's side says nothing in an image.
Result<void> ImageConfig::expose(std::string_view rest) {
    TRY(const auto words, expand_words(rest, env_));
    if (words.empty()) return bad("EXPOSE requires at least one argument");
    for (const auto& word : words) {
        const size_t slash = word.find('/');
        const std::string protocol = slash == std::string::npos ? "tcp" : lower(word.substr(slash + 1));
        std::string range = word.substr(0, slash);
        if (const size_t colon = range.rfind(':'); colon != std::string::npos) range = range.substr(colon + 1);
        if (protocol != "tcp" && protocol != "udp" && protocol != "sctp") return bad("invalid proto: " + protocol);
        unsigned first = 0;
        unsigned last = 0;
        const char* end = range.data() + range.size();
        auto parsed = std::from_chars(range.data(), end, first);
        last = first;
        bool good = parsed.ec == std::errc();
        if (good && parsed.ptr != end && *parsed.ptr == '-') {
            parsed = std::from_chars(parsed.ptr + 1, end, last);
            good = parsed.ec == std::errc();
        }
        if (!good || parsed.ptr != end || first > last || last > 65535 || last == 0)
            return bad("invalid containerPort: " + range);
        for (unsigned port = first; port <= last; port++) ports_.insert(std::to_string(port) + "/" + protocol);
    }
    return {};
}

Result<void> ImageConfig::volumes(std::string_view rest) {
    if (rest.empty()) return bad("VOLUME requires at least one argument");
    TRY(auto exec, json_words(rest));
    Words words;
    if (exec) {
        for (const auto& word : *exec) {
            TRY(std::string expanded, expand_word(word, env_));
            words.push_back(std::move(expanded));
        }
    } else {
        TRY(words, expand_words(rest, env_));
    }
    for (const auto& word : words) {
        if (trimmed(word).empty()) return bad("VOLUME specified can not be an empty string");
        volumes_.emplace(trimmed(word));
    }
    return {};
}

Result<void> ImageConfig::workdir(std::string_view rest) {
    if (rest.empty()) return bad("WORKDIR requires exactly one argument");
    TRY(const std::string path, expand_word(rest, env_));
    std::string whole = path;
    if (!path.starts_with('/')) whole.insert(0, working_dir_ + "/");
    Words parts;
    std::string_view left = whole;
    while (!left.empty()) {
        const size_t slash = left.find('/');
        const auto part = left.substr(0, slash);
        left = slash == std::string_view::npos ? std::string_view() : left.substr(slash + 1);
        if (part == ".." && !parts.empty()) parts.pop_back();
        if (!part.empty() && part != "." && part != "..") parts.emplace_back(part);
    }
    working_dir_.clear();
    for (const auto& part : parts) working_dir_ += "/" + part;
    if (working_dir_.empty()) working_dir_ = "/";
    return {};
}

Result<void> ImageConfig::stop_signal(std::string_view rest) {
    if (quoted_words(rest).size() != 1) return bad("STOPSIGNAL requires exactly one argument");
    TRY(const std::string name, expand_word(rest, env_));
    int number = 0;
    const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), number);
    bool known = error == std::errc() && end == name.data() + name.size() && number > 0 && number <= SIGRTMAX;
    std::string plain = upper(name);
    if (plain.starts_with("SIG")) plain = plain.substr(3);
    for (int signal = 1; signal < 32 && !known; signal++) {
        const char* text = ::sigabbrev_np(signal);
        known = text != nullptr && plain == text;
    }
    if (!known && (plain.starts_with("RTMIN") || plain.starts_with("RTMAX")))
        known = plain.size() == 5 || plain[5] == '+' || plain[5] == '-';
    if (!known) return bad("invalid signal: " + name);
    stop_signal_ = name;
    return {};
}

Result<void> ImageConfig::on_build(std::string_view rest) {
    const auto words = quoted_words(rest);
    if (words.empty()) return bad("ONBUILD requires at least one argument");
    const std::string trigger = upper(words[0]);
    if (trigger == "ONBUILD") return bad("Chaining ONBUILD via `ONBUILD ONBUILD` isn't allowed");
    if (trigger == "MAINTAINER" || trigger == "FROM") return bad(trigger + " isn't allowed as an ONBUILD trigger");
    on_build_.emplace_back(rest);
    return {};
}

Result<void> ImageConfig::healthcheck(std::string_view rest) {
    Health health;
    while (rest.starts_with("--")) {
        const size_t space = std::min(rest.find_first_of(" \t"), rest.size());
        const auto flag = rest.substr(2, space - 2);
        rest = trimmed(rest.substr(space));
        const size_t equals = flag.find('=');
        if (equals == std::string_view::npos) return bad("Missing a value on flag: " + std::string(flag));
        const auto name = flag.substr(0, equals);
        const std::string value(flag.substr(equals + 1));
        if (name == "retries") {
            const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), health.retries);
            if (error != std::errc() || end != value.data() + value.size())
                return bad("strconv.ParseInt: parsing \"" + value + "\": invalid syntax");
            if (health.retries < 0) return bad("--retries cannot be negative (" + value + ")");
            continue;
        }
        int64_t* field = name == "interval"         ? &health.interval
                         : name == "timeout"        ? &health.timeout
                         : name == "start-period"   ? &health.start_period
                         : name == "start-interval" ? &health.start_interval
                                                    : nullptr;
        if (field == nullptr) return bad("unknown flag: --" + std::string(name));
        const auto duration = parse_duration(value);
        if (!duration) return bad("time: invalid duration \"" + value + "\"");
        if (*duration != 0 && *duration < millisecond)
            return bad("Interval \"" + std::string(name) + "\" cannot be less than 1ms");
        *field = *duration;
    }
    const size_t space = std::min(rest.find_first_of(" \t["), rest.size());
    const std::string type = upper(rest.substr(0, space));
    rest = trimmed(rest.substr(space));
    if (type.empty()) return bad("HEALTHCHECK requires at least one argument");
    if (type == "NONE") {
        if (!rest.empty()) return bad("HEALTHCHECK NONE takes no arguments");
        health = Health();
        health.test = {"NONE"};
    } else if (type == "CMD") {
        TRY(auto exec, json_words(rest));
        if (rest.empty() || (exec && exec->empty())) return bad("Missing command after HEALTHCHECK CMD");
        health.test = {exec ? "CMD" : "CMD-SHELL"};
        if (exec) {
            health.test.insert(health.test.end(), exec->begin(), exec->end());
        } else {
            health.test.emplace_back(rest);
        }
    } else {
        return bad("Unknown type \"" + type + "\" in HEALTHCHECK (try CMD)");
    }
    health_ = std::move(health);
    return {};
}

Result<void> ImageConfig::apply(std::string_view line) {
    const size_t space = std::min(line.find_first_of(" \t\v\f\r"), line.size());
    const std::string name = lower(line.substr(0, space));
    const auto rest = trimmed(line.substr(space));
    if (name == "cmd") {
        TRY(cmd_, command(rest));
        return {};
    }
    if (name == "entrypoint") {
        TRY(auto words, command(rest));
        entrypoint_ = std::move(words);
        if (entrypoint_->empty()) entrypoint_.reset();
        return {};
    }
    if (name == "env") return environment(rest);
    if (name == "expose") return expose(rest);
    if (name == "label") return labels(rest);
    if (name == "volume") return volumes(rest);
    if (name == "workdir") return workdir(rest);
    if (name == "stopsignal") return stop_signal(rest);
    if (name == "onbuild") return on_build(rest);
    if (name == "healthcheck") return healthcheck(rest);
    if (name == "user") {
        if (quoted_words(rest).size() != 1) return bad("USER requires exactly one argument");
        TRY(user_, expand_word(rest, env_));
        return {};
    }
    return bad(name + " is not a valid change command");
}

void write_set(json::Writer& w, const char* name, const std::set<std::string>& values, bool always) {
    if (values.empty() && !always) return;
    if (values.empty()) {
        w.field_null(name);
        return;
    }
    w.key(name).begin_object();
    for (const auto& value : values) w.key(value).begin_object().end_object();
    w.end_object();
}

void write_words(json::Writer& w, const char* name, const Words& words) {
    if (words.empty()) {
        w.field_null(name);
    } else {
        w.field(name, words);
    }
}

using simdjson::dom::element;

void take(element root, const char* key, std::string& out) {
    std::string_view text;
    if (root[key].get(text) == simdjson::SUCCESS) out = text;
}
void take(element root, const char* key, bool& out) {
    bool flag = false;
    if (root[key].get(flag) == simdjson::SUCCESS) out = flag;
}
void take(element root, const char* key, int64_t& out) {
    int64_t number = 0;
    if (root[key].get(number) == simdjson::SUCCESS) out = number;
}
// A list of words, or the one word that old clients send.
bool take(element root, const char* key, Words& out) {
    simdjson::dom::array list;
    std::string_view one;
    if (root[key].get(one) == simdjson::SUCCESS) {
        out = {std::string(one)};
        return true;
    }
    if (root[key].get(list) != simdjson::SUCCESS) return false;
    out.clear();
    for (const element item : list) {
        std::string_view text;
        if (item.get(text) == simdjson::SUCCESS) out.emplace_back(text);
    }
    return true;
}
void take(element root, const char* key, std::optional<Words>& out) {
    Words words;
    if (take(root, key, words)) out = std::move(words);
}
void take(element root, const char* key, std::set<std::string>& out) {
    simdjson::dom::object members;
    if (root[key].get(members) != simdjson::SUCCESS) return;
    for (const auto member : members) out.emplace(member.key);
}

Result<void> ImageConfig::read(std::string_view json) {
    simdjson::dom::parser parser;
    element root;
    if (json.empty()) return {};
    if (parser.parse(json.data(), json.size()).get(root) != simdjson::SUCCESS)
        return bad("invalid JSON: the configuration cannot be parsed");
    if (root.is_null()) return {};
    if (!root.is_object()) return bad("invalid JSON: the configuration is not an object");
    take(root, "Hostname", hostname_);
    take(root, "Domainname", domainname_);
    take(root, "User", user_);
    take(root, "Image", image_);
    take(root, "WorkingDir", working_dir_);
    take(root, "StopSignal", stop_signal_);
    take(root, "AttachStdin", attach_stdin_);
    take(root, "AttachStdout", attach_stdout_);
    take(root, "AttachStderr", attach_stderr_);
    take(root, "Tty", tty_);
    take(root, "OpenStdin", open_stdin_);
    take(root, "StdinOnce", stdin_once_);
    take(root, "ArgsEscaped", args_escaped_);
    take(root, "Env", env_);
    take(root, "Cmd", cmd_);
    take(root, "Entrypoint", entrypoint_);
    take(root, "OnBuild", on_build_);
    take(root, "Shell", shell_);
    take(root, "ExposedPorts", ports_);
    take(root, "Volumes", volumes_);
    simdjson::dom::object labels;
    if (root["Labels"].get(labels) == simdjson::SUCCESS)
        for (const auto label : labels) {
            std::string_view value;
            if (label.value.get(value) == simdjson::SUCCESS) labels_[std::string(label.key)] = value;
        }
    element check;
    if (root["Healthcheck"].get(check) == simdjson::SUCCESS && check.is_object()) {
        Health health;
        take(check, "Test", health.test);
        take(check, "Interval", health.interval);
        take(check, "Timeout", health.timeout);
        take(check, "StartPeriod", health.start_period);
        take(check, "StartInterval", health.start_interval);
        take(check, "Retries", health.retries);
        health_ = std::move(health);
    }
    return {};
}

// The rules are dockerd's.
void ImageConfig::merge(const ImageConfig& other) {
    if (user_.empty()) user_ = other.user_;
    ports_.insert(other.ports_.begin(), other.ports_.end());
    for (const auto& theirs : other.env_) {
        const auto name = theirs.substr(0, theirs.find('='));
        const bool known = std::any_of(env_.begin(), env_.end(),
                                       [&](const auto& ours) { return ours.substr(0, ours.find('=')) == name; });
        if (!known) env_.push_back(theirs);
    }
    labels_.insert(other.labels_.begin(), other.labels_.end());
    if (!entrypoint_ || entrypoint_->empty()) {
        if (!cmd_ || cmd_->empty()) {
            cmd_ = other.cmd_;
            args_escaped_ = other.args_escaped_;
        }
        if (!entrypoint_) entrypoint_ = other.entrypoint_;
    }
    if (!health_) health_ = other.health_;
    if (health_ && other.health_) {
        if (health_->test.empty()) health_->test = other.health_->test;
        for (auto field : {&Health::interval, &Health::timeout, &Health::start_period, &Health::start_interval,
                           &Health::retries})
            if ((*health_).*field == 0) (*health_).*field = (*other.health_).*field;
    }
    if (working_dir_.empty()) working_dir_ = other.working_dir_;
    volumes_.insert(other.volumes_.begin(), other.volumes_.end());
    if (stop_signal_.empty()) stop_signal_ = other.stop_signal_;
}

// dockerd's container.Config, with its fields in its order.
std::string ImageConfig::text() const {
    json::Writer w;
    w.begin_object().field("Hostname", hostname_).field("Domainname", domainname_).field("User", user_);
    w.field("AttachStdin", attach_stdin_).field("AttachStdout", attach_stdout_).field("AttachStderr", attach_stderr_);
    write_set(w, "ExposedPorts", ports_, false);
    w.field("Tty", tty_).field("OpenStdin", open_stdin_).field("StdinOnce", stdin_once_);
    write_words(w, "Env", env_);
    if (cmd_) {
        w.field("Cmd", *cmd_);
    } else {
        w.field_null("Cmd");
    }
    if (health_) {
        w.key("Healthcheck").begin_object().field("Test", health_->test);
        if (health_->interval != 0) w.field("Interval", health_->interval);
        if (health_->timeout != 0) w.field("Timeout", health_->timeout);
        if (health_->start_period != 0) w.field("StartPeriod", health_->start_period);
        if (health_->start_interval != 0) w.field("StartInterval", health_->start_interval);
        if (health_->retries != 0) w.field("Retries", health_->retries);
        w.end_object();
    }
    if (args_escaped_) w.field("ArgsEscaped", true);
    w.field("Image", image_);
    write_set(w, "Volumes", volumes_, true);
    w.field("WorkingDir", working_dir_);
    if (entrypoint_) {
        w.field("Entrypoint", *entrypoint_);
    } else {
        w.field_null("Entrypoint");
    }
    write_words(w, "OnBuild", on_build_);
    if (labels_.empty()) {
        w.field_null("Labels");
    } else {
        w.field("Labels", labels_);
    }
    if (!stop_signal_.empty()) w.field("StopSignal", stop_signal_);
    if (!shell_.empty()) w.field("Shell", shell_);
    w.end_object();
    return w.take();
}

Result<void> apply_all(std::span<const std::string> changes, ImageConfig& config) {
    std::string all;
    for (const auto& change : changes) all += change + "\n";
    for (const auto& line : dockerfile_lines(all)) {
        TRY_VOID(config.apply(line));
    }
    return {};
}

}  // namespace

std::optional<int64_t> parse_duration(std::string_view text) {
    static constexpr std::pair<std::string_view, double> units[] = {{"ns", 1},  {"us", 1e3}, {"ms", 1e6},
                                                                    {"s", 1e9}, {"m", 6e10}, {"h", 3.6e12}};
    double total = 0;
    if (text == "0") return 0;
    if (text.empty()) return std::nullopt;
    while (!text.empty()) {
        double number = 0;
        const auto [end, error] =
            std::from_chars(text.data(), text.data() + text.size(), number, std::chars_format::fixed);
        if (error != std::errc() || number < 0) return std::nullopt;
        text.remove_prefix(static_cast<size_t>(end - text.data()));
        const size_t size = std::min(text.find_first_of("0123456789."), text.size());
        const auto unit = std::find_if(std::begin(units), std::end(units),
                                       [&](const auto& one) { return one.first == text.substr(0, size); });
        if (unit == std::end(units)) return std::nullopt;
        total += number * unit->second;
        text.remove_prefix(size);
    }
    return total < 9e18 ? std::optional<int64_t>(static_cast<int64_t>(total)) : std::nullopt;
}

Result<std::string> config_of_changes(std::span<const std::string> changes) {
    ImageConfig config;
    TRY_VOID(apply_all(changes, config));
    return config.text();
}

Result<std::string> committed_config(std::string_view config, std::span<const std::string> changes,
                                     std::string_view container_config) {
    ImageConfig own;
    ImageConfig of_container;
    TRY_VOID(own.read(config));
    TRY_VOID(of_container.read(container_config));
    TRY_VOID(apply_all(changes, own));
    own.merge(of_container);
    return own.text();
}

}  // namespace engine::storage
