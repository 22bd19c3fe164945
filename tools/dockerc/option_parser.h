// The options of one command, by CLI11, whose headers take seconds to compile: they are seen by one file only.
// `names` is CLI11's form, "-a,--all". The values given here live as long as the parser.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace dockerc {

class OptionParser {
public:
    OptionParser(const std::string& name, const std::string& description);
    ~OptionParser();

    // "--name" or "--name=false".
    void add_flag(const std::string& names, bool& value, const std::string& help);
    void add_option(const std::string& names, std::string& value, const std::string& help);
    void add_option(const std::string& names, std::optional<std::string>& value, const std::string& help);
    void add_option(const std::string& names, int& value, const std::string& help);
    void add_option(const std::string& names, std::int64_t& value, const std::string& help);
    void add_option(const std::string& names, std::optional<std::int64_t>& value, const std::string& help);
    void add_option(const std::string& names, double& value, const std::string& help);
    // One of `allowed`.
    void add_choice(const std::string& names, std::string& value, std::vector<std::string> allowed,
                    const std::string& help);
    // One value each time it is given.
    void add_list(const std::string& names, std::vector<std::string>& values, const std::string& help);

    enum class Outcome : unsigned char { parsed, help, failed };
    struct Parsed {
        Outcome outcome = Outcome::parsed;
        std::string text;                 // the help, or what is wrong
        std::vector<std::string> words;   // what is no option, in order; unknown options among them
    };
    // With `stop_at_first` everything from the first word on is left alone.
    Parsed parse(std::vector<std::string> arguments, bool stop_at_first);

private:
    struct State;
    std::unique_ptr<State> state_;
};

}  // namespace dockerc
