// SHA-256 through OpenSSL, streaming, and the text form "sha256:<64 hex>".
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

namespace engine::storage {

class Sha256 {
public:
    Sha256();
    Sha256(Sha256&&) noexcept = default;
    Sha256& operator=(Sha256&&) noexcept = default;

    void update(const void* data, size_t size);
    // "sha256:<hex>"; the object is ready for another stream afterwards.
    std::string finish();

private:
    struct Free {
        void operator()(void* context) const;
    };
    std::unique_ptr<void, Free> context_;
};

std::string sha256_of(std::string_view bytes);  // "sha256:<hex>"
std::string to_hex(std::span<const uint8_t> bytes);
bool is_hex(std::string_view text);     // lower case, not empty
bool is_digest(std::string_view text);  // "sha256:" and 64 lower-case hex digits

}  // namespace engine::storage
