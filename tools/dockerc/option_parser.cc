#include "tools/dockerc/option_parser.h"

#include <CLI/CLI.hpp>

#include <algorithm>

namespace dockerc {

struct OptionParser::State {
    CLI::App app;
};

OptionParser::OptionParser(const std::string& name, const std::string& description)
    : state_(std::make_unique<State>()) {
    state_->app.name(name);
    state_->app.description(description);
    state_->app.set_help_flag("--help", "Print usage");
    state_->app.formatter(std::make_shared<CLI::Formatter>());
}

OptionParser::~OptionParser() = default;

void OptionParser::add_flag(const std::string& names, bool& value, const std::string& help) {
    state_->app.add_flag(names, value, help);
}

void OptionParser::add_option(const std::string& names, std::string& value, const std::string& help) {
    state_->app.add_option(names, value, help);
}

void OptionParser::add_option(const std::string& names, std::optional<std::string>& value, const std::string& help) {
    state_->app.add_option(names, value, help);
}

void OptionParser::add_option(const std::string& names, int& value, const std::string& help) {
    state_->app.add_option(names, value, help);
}

void OptionParser::add_option(const std::string& names, std::int64_t& value, const std::string& help) {
    state_->app.add_option(names, value, help);
}

void OptionParser::add_option(const std::string& names, std::optional<std::int64_t>& value, const std::string& help) {
    state_->app.add_option(names, value, help);
}

void OptionParser::add_option(const std::string& names, double& value, const std::string& help) {
    state_->app.add_option(names, value, help);
}

void OptionParser::add_choice(const std::string& names, std::string& value, std::vector<std::string> allowed,
                              const std::string& help) {
    state_->app.add_option(names, value, help)->check(CLI::IsMember(std::move(allowed)));
}

void OptionParser::add_list(const std::string& names, std::vector<std::string>& values, const std::string& help) {
    state_->app.add_option(names, values, help)->allow_extra_args(false);
}

OptionParser::Parsed OptionParser::parse(std::vector<std::string> arguments, bool stop_at_first) {
    CLI::App& app = state_->app;
    if (stop_at_first) {
        app.prefix_command();
    } else {
        app.allow_extras();
    }
    std::reverse(arguments.begin(), arguments.end());
    try {
        app.parse(std::move(arguments));
    } catch (const CLI::CallForHelp&) {
        return {Outcome::help, app.help(), {}};
    } catch (const CLI::ParseError& error) {
        return {Outcome::failed, error.what(), {}};
    }
    return {Outcome::parsed, "", app.remaining()};
}

}  // namespace dockerc
