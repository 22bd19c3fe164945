// A regular expression as clients write them for dockerd (Go's), matched with the C library's. Pure.
#pragma once

#include <regex.h>

#include <memory>
#include <string>
#include <string_view>

namespace engine::api {

class GoPattern {
public:
    // One that Go would refuse, or that would cost too much, matches only its own text: dockerd goes on, too.
    explicit GoPattern(std::string text);
    // `text` is the pattern's own text, or the pattern is found somewhere in it.
    bool matches(const std::string& text) const;

private:
    struct Free {
        void operator()(regex_t* r) const {
            regfree(r);
            delete r;
        }
    };
    std::string text_;
    std::unique_ptr<regex_t, Free> compiled_;
};

}  // namespace engine::api
