#include "engine/runtime/log_options.h"

#include <algorithm>
#include <charconv>
#include <initializer_list>

#include "engine/reactor/try.h"
#include "engine/runtime/limits.h"
#include "engine/runtime/spec_check.h"

namespace engine::runtime {
namespace {

constexpr std::int64_t local_file_bytes_default = 20'000'000;
constexpr int local_files_default = 5;

tl::unexpected<Error> bad(std::string message) { return fail(ErrorKind::invalid, std::move(message)); }

// Sizes of files count in thousands, as dockerd's do: "10k" is 10,000 bytes. Negative: no size.
std::int64_t parse_human_size(std::string_view text) {
    double number = 0;
    const auto parsed = std::from_chars(text.data(), text.data() + text.size(), number);
    if (parsed.ec != std::errc{}) return -1;
    std::string unit(parsed.ptr, text.data() + text.size());
    for (char& c : unit) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
    if (unit.starts_with(' ')) unit.erase(0, 1);
    if (unit.ends_with("ib")) unit.erase(unit.size() - 2);
    if (unit.ends_with("b")) unit.erase(unit.size() - 1);
    const std::size_t power = unit.empty() ? 0 : std::string_view("kmgtp").find(unit) + 1;
    if (unit.size() > 1 || (!unit.empty() && power == 0)) return -1;
    for (std::size_t i = 0; i < power; ++i) number *= 1000;
    return number >= 0 && number < 9e18 ? static_cast<std::int64_t>(number) : -1;
}

Result<int> parse_count(std::string_view text) {
    int value = 0;
    const auto parsed = std::from_chars(text.data(), text.data() + text.size(), value);
    if (parsed.ec != std::errc{} || parsed.ptr != text.data() + text.size())
        return bad("strconv.Atoi: parsing \"" + std::string(text) + "\": invalid syntax");
    return value;
}

Result<bool> parse_bool(const std::string& text) {
    for (const char* yes : {"1", "t", "T", "true", "TRUE", "True"})
        if (text == yes) return true;
    for (const char* no : {"0", "f", "F", "false", "FALSE", "False"})
        if (text == no) return false;
    return bad("strconv.ParseBool: parsing \"" + text + "\": invalid syntax");
}

const std::string* option(const LogConfig& config, const char* name) {
    const auto at = config.options.find(name);
    return at == config.options.end() ? nullptr : &at->second;
}

Result<void> check_mode(const LogConfig& config, LogSettings& settings) {
    const std::string* mode = option(config, "mode");
    if (mode && !mode->empty() && *mode != "blocking" && *mode != "non-blocking")
        return bad("logger: logging mode not supported: " + *mode);
    settings.blocking = !mode || *mode != "non-blocking";
    settings.buffer_bytes_max = kLogBufferBytesDefault;
    const std::string* size = option(config, "max-buffer-size");
    if (!size) return {};
    if (settings.blocking) return bad("logger: max-buffer-size option is only supported with 'mode=non-blocking'");
    const std::int64_t bytes = parse_ram_size(*size);
    if (bytes < 0) return bad("error parsing option max-buffer-size: invalid size: '" + *size + "'");
    settings.buffer_bytes_max = std::min(bytes, kLogBufferBytesMax);
    return {};
}

Result<void> check_names(const LogConfig& config, std::string_view rest) {
    static constexpr std::string_view known[] = {"compress",        "env",      "env-regex", "labels", "labels-regex",
                                                 "max-buffer-size", "max-file", "max-size",  "mode",   "tag"};
    for (const auto& [name, value] : config.options)
        if (!std::binary_search(std::begin(known), std::end(known), name))
            return bad("unknown log opt '" + name + "' for " + std::string(rest));
    return {};
}

Result<void> read_json_file(const LogConfig& config, LogSettings& settings) {
    TRY_VOID(check_names(config, "json-file log driver"));
    if (const std::string* text = option(config, "max-size")) {
        settings.file_bytes_max = parse_human_size(*text);
        if (settings.file_bytes_max < 0 && !text->starts_with('-')) return bad("invalid size: '" + *text + "'");
        if (settings.file_bytes_max <= 0) return bad("max-size must be a positive number");
    }
    if (const std::string* text = option(config, "max-file")) {
        TRY(settings.files_max, parse_count(*text));
        if (settings.files_max < 1) return bad("max-file cannot be less than 1");
    }
    if (const std::string* text = option(config, "compress")) {
        TRY(settings.compress, parse_bool(*text));
        if (settings.compress && (settings.files_max == 1 || settings.file_bytes_max == 0))
            return bad("compress cannot be true when max-file is less than 2 or max-size is not set");
    }
    return {};
}

Result<void> read_local(const LogConfig& config, LogSettings& settings) {
    TRY_VOID(check_names(config, "log driver local"));
    settings.file_bytes_max = local_file_bytes_default;
    settings.files_max = local_files_default;
    settings.compress = true;
    if (const std::string* text = option(config, "max-size")) {
        settings.file_bytes_max = parse_human_size(*text);
        if (settings.file_bytes_max < 0)
            return bad(text->starts_with('-') ? "max-size must not be negative"
                                              : "invalid value for max-size: " + *text + ": invalid size: '" + *text +
                                                    "'");
    }
    if (const std::string* text = option(config, "max-file")) {
        auto files = parse_count(*text);
        if (!files)
            return fail(std::move(files.error()).with_context("invalid value for max-file: " + *text));
        if (*files < 0) return bad("max-file must not be negative");
        settings.files_max = *files;
    }
    if (const std::string* text = option(config, "compress")) {
        auto compress = parse_bool(*text);
        if (!compress) return fail(std::move(compress.error()).with_context("invalid boolean value for compress"));
        settings.compress = *compress;
    }
    if (settings.compress && settings.files_max <= 1)
        return bad("compression cannot be enabled when max file count is 1");
    settings.files_max = std::max(settings.files_max, 1);
    return {};
}

}  // namespace

std::vector<std::string> log_driver_names() { return {"json-file", "local", "none"}; }

Result<LogSettings> log_settings(const LogConfig& config) {
    LogSettings settings;
    // dockerd looks at no option of a log that is not kept.
    if (config.type == "none") {
        settings.kind = LogDriverKind::none;
        return settings;
    }
    TRY_VOID(check_mode(config, settings));
    if (config.type.empty() || config.type == "json-file") {
        TRY_VOID(read_json_file(config, settings));
    } else if (config.type == "local") {
        settings.kind = LogDriverKind::local;
        TRY_VOID(read_local(config, settings));
    } else {
        return bad("logger: no log driver named '" + config.type + "' is registered");
    }
    settings.files_max = std::min(settings.files_max, kLogFilesMax);
    return settings;
}

void add_log_defaults(LogConfig& config, const LogConfig& defaults) {
    if (config.type.empty()) config.type = defaults.type;
    if (config.type != defaults.type) return;
    for (const auto& [name, value] : defaults.options) config.options.try_emplace(name, value);
}

}  // namespace engine::runtime
