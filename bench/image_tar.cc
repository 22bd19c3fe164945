#include "bench/image_tar.h"

#include <array>
#include <bit>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iterator>
#include <random>

namespace bench {
namespace {

constexpr std::size_t kBlock = 512;

// SHA-256 (FIPS 180-4); the image format names a layer by it.
class Sha256 {
public:
    static std::string hex(std::string_view data) {
        Sha256 state;
        std::string tail(data.substr(data.size() / 64 * 64));
        for (std::size_t at = 0; at + 64 <= data.size(); at += 64) state.block(data.data() + at);
        tail += '\x80';
        while (tail.size() % 64 != 56) tail += '\0';
        std::uint64_t bits = std::uint64_t{data.size()} * 8;
        for (int shift = 56; shift >= 0; shift -= 8) tail += static_cast<char>(bits >> shift & 0xff);
        for (std::size_t at = 0; at < tail.size(); at += 64) state.block(tail.data() + at);
        std::string text;
        for (std::uint32_t word : state.h_) {
            char eight[9];
            snprintf(eight, sizeof eight, "%08x", word);
            text += eight;
        }
        return text;
    }

private:
    void block(const char* bytes) {
        static constexpr std::array<std::uint32_t, 64> k{
            0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
            0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
            0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
            0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
            0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
            0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
            0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
            0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2};
        std::array<std::uint32_t, 64> w;
        for (std::size_t i = 0; i < 16; ++i) {
            std::uint32_t word = 0;
            std::memcpy(&word, bytes + i * 4, 4);
            w[i] = __builtin_bswap32(word);
        }
        for (std::size_t i = 16; i < 64; ++i) {
            std::uint32_t s0 = std::rotr(w[i - 15], 7) ^ std::rotr(w[i - 15], 18) ^ w[i - 15] >> 3;
            std::uint32_t s1 = std::rotr(w[i - 2], 17) ^ std::rotr(w[i - 2], 19) ^ w[i - 2] >> 10;
            w[i] = w[i - 16] + s0 + w[i - 7] + s1;
        }
        auto [a, b, c, d, e, f, g, h] = h_;
        for (std::size_t i = 0; i < 64; ++i) {
            std::uint32_t s1 = std::rotr(e, 6) ^ std::rotr(e, 11) ^ std::rotr(e, 25);
            std::uint32_t t1 = h + s1 + ((e & f) ^ (~e & g)) + k[i] + w[i];
            std::uint32_t s0 = std::rotr(a, 2) ^ std::rotr(a, 13) ^ std::rotr(a, 22);
            std::uint32_t t2 = s0 + ((a & b) ^ (a & c) ^ (b & c));
            h = g;
            g = f;
            f = e;
            e = d + t1;
            d = c;
            c = b;
            b = a;
            a = t1 + t2;
        }
        std::array<std::uint32_t, 8> add{a, b, c, d, e, f, g, h};
        for (std::size_t i = 0; i < 8; ++i) h_[i] += add[i];
    }

    std::array<std::uint32_t, 8> h_{0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                                    0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
};

}  // namespace

void TarWriter::header(std::string_view path, char type, unsigned mode, std::size_t size) {
    char block[kBlock]{};
    path.copy(block, 99);
    snprintf(block + 100, 8, "%07o", mode);
    snprintf(block + 108, 8, "%07o", 0U);
    snprintf(block + 116, 8, "%07o", 0U);
    snprintf(block + 124, 12, "%011zo", size);
    snprintf(block + 136, 12, "%011o", 1'700'000'000U);
    std::memset(block + 148, ' ', 8);
    block[156] = type;
    std::memcpy(block + 257, "ustar\00000", 8);
    unsigned sum = 0;
    for (char c : block) sum += static_cast<unsigned char>(c);
    snprintf(block + 148, 8, "%06o", sum & 0777777U);
    bytes_.append(block, kBlock);
}

void TarWriter::directory(std::string_view path) {
    header(path, '5', 0755, 0);
}

void TarWriter::file(std::string_view path, std::string_view content, unsigned mode) {
    header(path, '0', mode, content.size());
    bytes_.append(content);
    bytes_.append((kBlock - content.size() % kBlock) % kBlock, '\0');
}

std::string TarWriter::finish() {
    bytes_.append(2 * kBlock, '\0');
    return std::move(bytes_);
}

std::string read_file(const std::string& path) {
    std::ifstream in(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
}

std::string busybox_layer(const std::string& busybox, std::size_t lines_bytes) {
    std::string program = read_file(busybox);
    if (program.empty()) {
        fprintf(stderr, "startstop: cannot read %s (Debian package busybox-static)\n", busybox.c_str());
        exit(1);
    }
    TarWriter tar;
    tar.directory("bin/");
    for (const char* applet : {"bin/true", "bin/sleep", "bin/cat"}) tar.file(applet, program, 0755);
    for (const char* dir : {"dev/", "etc/", "proc/", "sys/", "tmp/"}) tar.directory(dir);
    if (lines_bytes > 0) {
        std::string lines;
        lines.reserve(lines_bytes);
        for (unsigned number = 0; lines.size() + 79 <= lines_bytes; ++number) {
            char start[16];
            snprintf(start, sizeof start, "%09u ", number % 1'000'000'000U);
            lines += start;
            for (unsigned i = 0; i < 68; ++i) lines += static_cast<char>('a' + (number + i) % 26);
            lines += '\n';
        }
        tar.file("lines", lines, 0644);
    }
    return tar.finish();
}

std::string small_files_layer(int files, std::size_t total_bytes, unsigned seed) {
    TarWriter tar;
    std::mt19937_64 random(seed);
    std::string content(total_bytes / static_cast<std::size_t>(files), '\0');
    tar.directory("data/");
    for (int n = 0; n < files; ++n) {
        char path[64];
        if (n % 100 == 0) {
            snprintf(path, sizeof path, "data/%04d/", n / 100);
            tar.directory(path);
        }
        for (std::size_t i = 0; i + 8 <= content.size(); i += 8) {
            std::uint64_t word = random();
            std::memcpy(content.data() + i, &word, 8);
        }
        snprintf(path, sizeof path, "data/%04d/file-%05d", n / 100, n);
        tar.file(path, content, 0644);
    }
    return tar.finish();
}

std::string docker_archive(const std::string& name, const std::vector<std::string>& layers) {
    TarWriter tar;
    std::string diff_ids;
    std::string history;
    std::string paths;
    for (const std::string& layer : layers) {
        const std::string digest = Sha256::hex(layer);
        const std::string comma = diff_ids.empty() ? "" : ",";
        diff_ids += comma + "\"sha256:" + digest + "\"";
        history += comma + R"({"created":"2023-11-14T22:13:20Z","created_by":"bench"})";
        paths += comma + "\"" + digest + "/layer.tar\"";
        tar.directory(digest + "/");
        tar.file(digest + "/layer.tar", layer, 0644);
    }
    const std::string config =
        R"({"architecture":"amd64","os":"linux","created":"2023-11-14T22:13:20Z","config":{"Env":["PATH=/bin"],)"
        R"("Cmd":["true"]},"history":[)" +
        history + R"(],"rootfs":{"type":"layers","diff_ids":[)" + diff_ids + "]}}";
    const std::string config_name = Sha256::hex(config) + ".json";
    tar.file(config_name, config, 0644);
    tar.file("manifest.json",
             "[{\"Config\":\"" + config_name + "\",\"RepoTags\":[\"" + name + "\"],\"Layers\":[" + paths + "]}]\n",
             0644);
    return tar.finish();
}

}  // namespace bench
