#include "engine/storage/digest.h"

#include <openssl/evp.h>

#include <algorithm>

#include "engine/reactor/check.h"

namespace engine::storage {

void Sha256::Free::operator()(void* context) const {
    EVP_MD_CTX_free(static_cast<EVP_MD_CTX*>(context));
}

Sha256::Sha256() : context_(EVP_MD_CTX_new()) {
    CHECK(context_ != nullptr);
    CHECK(EVP_DigestInit_ex(static_cast<EVP_MD_CTX*>(context_.get()), EVP_sha256(), nullptr) == 1);
}

void Sha256::update(const void* data, size_t size) {
    CHECK(EVP_DigestUpdate(static_cast<EVP_MD_CTX*>(context_.get()), data, size) == 1);
}

std::string Sha256::finish() {
    std::array<uint8_t, 32> out{};
    auto* context = static_cast<EVP_MD_CTX*>(context_.get());
    CHECK(EVP_DigestFinal_ex(context, out.data(), nullptr) == 1);
    CHECK(EVP_DigestInit_ex(context, EVP_sha256(), nullptr) == 1);
    return "sha256:" + to_hex(out);
}

std::string sha256_of(std::string_view bytes) {
    Sha256 hash;
    hash.update(bytes.data(), bytes.size());
    return hash.finish();
}

std::string to_hex(std::span<const uint8_t> bytes) {
    static constexpr char digits[] = "0123456789abcdef";
    std::string out;
    out.reserve(bytes.size() * 2);
    for (uint8_t byte : bytes) {
        out += digits[byte >> 4];
        out += digits[byte & 15];
    }
    return out;
}

bool is_hex(std::string_view text) {
    return !text.empty() && std::all_of(text.begin(), text.end(),
                                        [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); });
}

bool is_digest(std::string_view text) {
    return text.starts_with("sha256:") && text.size() == 71 && is_hex(text.substr(7));
}

}  // namespace engine::storage
