#include "engine/storage/dockerfile_words.h"

#include <algorithm>

#include "engine/reactor/try.h"

namespace engine::storage {
namespace {

bool is_space(char c) {
    return c == ' ' || (c >= '\t' && c <= '\r');
}
bool starts_name(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}
bool in_name(char c) {
    return starts_name(c) || (c >= '0' && c <= '9');
}

const std::string* value_of(const Environment& environment, std::string_view name) {
    for (const auto& pair : environment)
        if (pair.size() > name.size() && pair[name.size()] == '=' && pair.starts_with(name)) return &pair;
    return nullptr;
}

class Expander {
public:
    Expander(std::string_view text, const Environment& environment) : text_(text), environment_(environment) {}
    Result<void> run(std::string& out) {
        while (at_ < text_.size()) {
            const char c = text_[at_];
            if (c == '\'') {
                TRY_VOID(single_quoted(out));
            } else if (c == '"') {
                TRY_VOID(double_quoted(out));
            } else if (c == '$') {
                TRY_VOID(dollar(out));
            } else if (c == '\\') {
                if (++at_ < text_.size()) out += text_[at_++];
            } else {
                out += c;
                at_++;
            }
        }
        return {};
    }

private:
    Result<void> single_quoted(std::string& out) {
        const size_t end = text_.find('\'', at_ + 1);
        if (end == std::string_view::npos)
            return fail(ErrorKind::invalid, "unexpected end of statement while looking for matching single-quote");
        out += text_.substr(at_ + 1, end - at_ - 1);
        at_ = end + 1;
        return {};
    }
    Result<void> double_quoted(std::string& out) {
        for (at_++; at_ < text_.size();) {
            const char c = text_[at_];
            if (c == '"') {
                at_++;
                return {};
            }
            if (c == '$') {
                TRY_VOID(dollar(out));
                continue;
            }
            const char next = at_ + 1 < text_.size() ? text_[at_ + 1] : '\0';
            if (c == '\\' && (next == '"' || next == '$' || next == '\\')) at_++;
            out += text_[at_++];
        }
        return fail(ErrorKind::invalid, "unexpected end of statement while looking for matching double-quote");
    }
    Result<void> dollar(std::string& out) {
        at_++;
        if (at_ < text_.size() && text_[at_] == '{') return braces(out);
        const size_t begin = at_;
        while (at_ < text_.size() && in_name(text_[at_]) && (at_ > begin || starts_name(text_[at_]))) at_++;
        if (at_ == begin) {
            out += '$';
            return {};
        }
        if (const auto* pair = value_of(environment_, text_.substr(begin, at_ - begin)))
            out += pair->substr(at_ - begin + 1);
        return {};
    }
    Result<void> braces(std::string& out) {
        size_t end = at_ + 1;
        for (int depth = 1; end < text_.size(); end++) {
            if (text_[end] == '{') depth++;
            if (text_[end] == '}' && --depth == 0) break;
        }
        if (end == text_.size()) return fail(ErrorKind::invalid, "syntax error: missing '}'");
        const auto inside = text_.substr(at_ + 1, end - at_ - 1);
        at_ = end + 1;
        size_t size = 0;
        while (size < inside.size() && in_name(inside[size])) size++;
        if (size == 0 || !starts_name(inside[0])) return fail(ErrorKind::invalid, "syntax error: bad substitution");
        const auto name = inside.substr(0, size);
        auto rest = inside.substr(size);
        const auto* pair = value_of(environment_, name);
        const std::string value = pair ? pair->substr(size + 1) : "";
        const bool colon = rest.starts_with(':');
        if (colon) rest.remove_prefix(1);
        const bool there = pair != nullptr && !(colon && value.empty());
        const char kind = rest.empty() ? '\0' : rest.front();
        if (rest.empty() && !colon) {
            out += value;
            return {};
        }
        if ((kind != '-' && kind != '+' && kind != '?') || depth_++ >= 8)
            return fail(ErrorKind::invalid, "unsupported modifier in substitution");
        std::string word;
        Expander inner(rest.substr(1), environment_);
        inner.depth_ = depth_;
        TRY_VOID(inner.run(word));
        depth_--;
        if (kind == '?' && !there)
            return fail(ErrorKind::invalid, std::string(name) + ": " + (word.empty() ? "not set" : word));
        if (kind == '+') {
            out += there ? word : "";
        } else {
            out += there || kind == '?' ? value : word;
        }
        return {};
    }

    std::string_view text_;
    const Environment& environment_;
    size_t at_ = 0;
    int depth_ = 0;
};

}  // namespace

std::string_view trimmed(std::string_view text) {
    while (!text.empty() && is_space(text.front())) text.remove_prefix(1);
    while (!text.empty() && is_space(text.back())) text.remove_suffix(1);
    return text;
}

std::vector<std::string> dockerfile_lines(std::string_view text) {
    std::vector<std::string> out;
    std::string line;
    bool joined = false;
    while (!text.empty()) {
        const size_t end = text.find('\n');
        auto part = trimmed(text.substr(0, end));
        text = end == std::string_view::npos ? std::string_view() : text.substr(end + 1);
        if (part.starts_with('#') || (part.empty() && joined)) continue;
        joined = part.ends_with('\\');
        if (joined) part.remove_suffix(1);
        line += part;
        if (joined && !text.empty()) continue;
        if (!trimmed(line).empty()) out.emplace_back(trimmed(line));
        line.clear();
        joined = false;
    }
    if (!trimmed(line).empty()) out.emplace_back(trimmed(line));
    return out;
}

std::vector<std::string> quoted_words(std::string_view text) {
    std::vector<std::string> out;
    std::string word;
    char quote = '\0';
    for (size_t i = 0; i < text.size(); i++) {
        const char c = text[i];
        if (quote == '\0' && is_space(c)) {
            if (!word.empty()) out.push_back(std::move(word));
            word.clear();
            continue;
        }
        word += c;
        if (c == '\\' && quote != '\'' && i + 1 < text.size()) {
            word += text[++i];
        } else if (quote == '\0' && (c == '"' || c == '\'')) {
            quote = c;
        } else if (c == quote) {
            quote = '\0';
        }
    }
    if (!word.empty()) out.push_back(std::move(word));
    return out;
}

Result<std::string> expand_word(std::string_view word, const Environment& environment) {
    std::string out;
    TRY_VOID(Expander(word, environment).run(out));
    return out;
}

Result<std::vector<std::string>> expand_words(std::string_view text, const Environment& environment) {
    std::vector<std::string> out;
    for (const auto& word : quoted_words(text)) {
        TRY(std::string expanded, expand_word(word, environment));
        if (word.find_first_of("\"'") != std::string::npos) {
            out.push_back(std::move(expanded));
            continue;
        }
        for (auto& part : quoted_words(expanded)) out.push_back(std::move(part));
    }
    return out;
}

Result<std::vector<std::pair<std::string, std::string>>> key_values(std::string_view text,
                                                                    std::string_view instruction) {
    std::vector<std::pair<std::string, std::string>> out;
    const auto words = quoted_words(text);
    if (words.empty()) return fail(ErrorKind::invalid, std::string(instruction) + " requires at least one argument");
    if (words[0].find('=') == std::string::npos) {
        const auto rest = trimmed(trimmed(text).substr(words[0].size()));
        if (rest.empty()) return fail(ErrorKind::invalid, std::string(instruction) + " must have two arguments");
        out.emplace_back(words[0], rest);
        return out;
    }
    for (const auto& word : words) {
        const size_t equals = word.find('=');
        if (equals == std::string::npos)
            return fail(ErrorKind::invalid,
                        "Syntax error - can't find = in \"" + word + "\". Must be of the form: name=value");
        if (equals == 0) return fail(ErrorKind::invalid, std::string(instruction) + " names can not be blank");
        out.emplace_back(word.substr(0, equals), word.substr(equals + 1));
    }
    return out;
}

}  // namespace engine::storage
