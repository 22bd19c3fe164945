#include "engine/storage/registry_challenge.h"

#include <algorithm>

#include "engine/reactor/try.h"
#include "engine/storage/limits.h"

namespace engine::storage {
namespace {

bool is_token_char(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           std::string_view("!#$%&'*+-.^_`|~").find(c) != std::string_view::npos;
}

char lower(char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

class Cursor {
public:
    explicit Cursor(std::string_view text) : text_(text) {}
    bool at_end() const { return text_.empty(); }
    char front() const { return text_.empty() ? '\0' : text_.front(); }
    void skip_space() { text_.remove_prefix(std::min(text_.find_first_not_of(" \t"), text_.size())); }
    void skip_commas() { text_.remove_prefix(std::min(text_.find_first_not_of(" \t,"), text_.size())); }
    bool take(char c) {
        if (front() != c) return false;
        text_.remove_prefix(1);
        return true;
    }
    std::string token() {
        std::string out;
        while (!text_.empty() && is_token_char(text_.front())) {
            out += text_.front();
            text_.remove_prefix(1);
        }
        return out;
    }
    // After the opening quote.
    Result<std::string> quoted() {
        std::string out;
        while (!text_.empty()) {
            const char c = text_.front();
            text_.remove_prefix(1);
            if (c == '"') return out;
            if (c == '\\' && !text_.empty()) {
                out += text_.front();
                text_.remove_prefix(1);
            } else {
                out += c;
            }
        }
        return fail(ErrorKind::invalid, "malformed WWW-Authenticate header: a quote is not closed");
    }
    // token68: credentials of schemes we do not speak.
    void skip_token68() { text_.remove_prefix(std::min(text_.find_first_of(" \t,"), text_.size())); }
    std::string_view rest() const { return text_; }

private:
    std::string_view text_;
};

std::string lowered(std::string text) {
    std::transform(text.begin(), text.end(), text.begin(), lower);
    return text;
}

}  // namespace

Result<std::vector<AuthChallenge>> parse_challenges(std::string_view header) {
    std::vector<AuthChallenge> out;
    size_t parameters = 0;
    Cursor at(header);
    at.skip_commas();
    while (!at.at_end()) {
        const std::string scheme = at.token();
        if (scheme.empty()) return fail(ErrorKind::invalid, "malformed WWW-Authenticate header");
        out.push_back({lowered(scheme), {}});
        at.skip_space();
        // Parameters until something that is no parameter: the next scheme, or the end.
        while (!at.at_end()) {
            Cursor ahead = at;
            const std::string name = ahead.token();
            ahead.skip_space();
            if (name.empty() || !ahead.take('=')) {
                if (name.empty() && at.front() != ',')
                    return fail(ErrorKind::invalid, "malformed WWW-Authenticate header");
                break;
            }
            ahead.skip_space();
            if (ahead.at_end() || ahead.front() == '=' || ahead.front() == ',') {  // padding of a token68
                at.skip_token68();
                at.skip_commas();
                break;
            }
            std::string value;
            if (ahead.take('"')) {
                TRY(value, ahead.quoted());
            } else {
                value = ahead.token();
                if (value.empty()) return fail(ErrorKind::invalid, "malformed WWW-Authenticate header");
            }
            if (++parameters > limits::challenge_parameters_max)
                return fail(ErrorKind::too_large, "malformed WWW-Authenticate header: too many parameters");
            out.back().parameters.emplace(lowered(name), std::move(value));
            at = ahead;
            at.skip_space();
            if (!at.at_end() && at.front() != ',') return fail(ErrorKind::invalid, "malformed WWW-Authenticate header");
            at.skip_commas();
        }
        at.skip_commas();
    }
    return out;
}

}  // namespace engine::storage
