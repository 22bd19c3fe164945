// Base64 (RFC 4648): written with the standard alphabet and padding, read with either alphabet, padded or not.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace dockerc {

inline constexpr std::string_view base64_alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

inline std::string base64_encode(std::string_view bytes) {
    std::string out;
    for (std::size_t i = 0; i < bytes.size(); i += 3) {
        const std::size_t have = bytes.size() - i < 3 ? bytes.size() - i : 3;
        std::uint32_t three = 0;
        for (std::size_t k = 0; k < 3; k++)
            three = three << 8 | (k < have ? static_cast<unsigned char>(bytes[i + k]) : 0u);
        for (std::size_t k = 0; k < 4; k++) out += k <= have ? base64_alphabet[three >> (18 - 6 * k) & 63] : '=';
    }
    return out;
}

// What is no base64 ends it.
inline std::string base64_decode(std::string_view text) {
    std::string out;
    std::uint32_t bits = 0;
    unsigned have = 0;
    for (char c : text) {
        if (c == '-') c = '+';
        if (c == '_') c = '/';
        const std::size_t value = base64_alphabet.find(c);
        if (value == std::string_view::npos) break;
        bits = bits << 6 | static_cast<std::uint32_t>(value);
        if ((have += 6) < 8) continue;
        have -= 8;
        out += static_cast<char>(bits >> have & 0xff);
    }
    return out;
}

}  // namespace dockerc
