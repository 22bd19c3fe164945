#include "engine/runtime/signal_number.h"

#include <charconv>
#include <csignal>
#include <cstring>
#include <string>
#include <utility>

namespace engine::runtime {
namespace {

// "+3" behind RTMIN, "-2" behind RTMAX; 0 when it is neither.
int real_time_signal(std::string_view name) {
    if (name == "RTMIN") return SIGRTMIN;
    if (name == "RTMAX") return SIGRTMAX;
    const bool from_below = name.starts_with("RTMIN+");
    if (!from_below && !name.starts_with("RTMAX-")) return 0;
    int offset = 0;
    const auto parsed = std::from_chars(name.data() + 6, name.data() + name.size(), offset);
    if (parsed.ec != std::errc{} || parsed.ptr != name.data() + name.size() || offset < 1) return 0;
    const int number = from_below ? SIGRTMIN + offset : SIGRTMAX - offset;
    return number >= SIGRTMIN && number <= SIGRTMAX ? number : 0;
}

}  // namespace

Result<int> signal_number(std::string_view text) {
    if (text.empty()) return SIGKILL;
    int number = 0;
    const auto parsed = std::from_chars(text.data(), text.data() + text.size(), number);
    if (parsed.ec == std::errc{} && parsed.ptr == text.data() + text.size()) {
        if (number > 0 && number <= SIGRTMAX) return number;
        if (number != 0)
            return fail(ErrorKind::invalid, "the linux daemon does not support signal " + std::to_string(number));
        return fail(ErrorKind::invalid, "invalid signal: " + std::string(text));
    }
    std::string name(text);
    for (char& c : name) c = c >= 'a' && c <= 'z' ? static_cast<char>(c - 32) : c;
    if (name.starts_with("SIG")) name.erase(0, 3);
    for (int i = 1; i < SIGRTMIN; ++i)
        if (const char* known = sigabbrev_np(i); known && name == known) return i;
    for (const auto& [alias, meant] : {std::pair("IOT", SIGABRT), std::pair("CLD", SIGCHLD), std::pair("POLL", SIGIO)})
        if (name == alias) return meant;
    if (const int real_time = real_time_signal(name)) return real_time;
    return fail(ErrorKind::invalid, "invalid signal: " + std::string(text));
}

}  // namespace engine::runtime
