#include "engine/storage/registry_endpoint.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <fcntl.h>
#include <netdb.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <cstring>

#include "engine/reactor/try.h"
#include "engine/reactor/unique_fd.h"
#include "engine/storage/limits.h"

namespace engine::storage {
namespace {

struct Address {
    unsigned char bytes[16];
    size_t size = 0;  // 4, 16, or 0 when it is no address
};

Address parse_address(std::string_view text) {
    Address out{};
    const std::string whole(text);
    if (::inet_pton(AF_INET, whole.c_str(), out.bytes) == 1)
        out.size = 4;
    else if (::inet_pton(AF_INET6, whole.c_str(), out.bytes) == 1)
        out.size = 16;
    return out;
}

bool in_network(const Address& address, std::string_view cidr) {
    const size_t slash = cidr.find('/');
    if (slash == std::string_view::npos || address.size == 0) return false;
    const Address network = parse_address(cidr.substr(0, slash));
    size_t bits = 0;
    const auto text = cidr.substr(slash + 1);
    const auto parsed = std::from_chars(text.data(), text.data() + text.size(), bits);
    if (parsed.ec != std::errc() || parsed.ptr != text.data() + text.size()) return false;
    if (network.size != address.size || bits > address.size * 8) return false;
    for (size_t bit = 0; bit < bits; bit++) {
        const unsigned mask = 0x80u >> bit % 8;
        if ((network.bytes[bit / 8] & mask) != (address.bytes[bit / 8] & mask)) return false;
    }
    return true;
}

std::string host_without_port(std::string_view domain) {
    if (domain.starts_with('[')) return std::string(domain.substr(1, domain.find(']') - 1));
    return std::string(domain.substr(0, domain.find(':')));
}

std::vector<Address> addresses_of(const std::string& host) {
    std::vector<Address> out;
    if (const Address itself = parse_address(host); itself.size > 0) return {itself};
    addrinfo hints{};
    hints.ai_socktype = SOCK_STREAM;
    addrinfo* list = nullptr;
    if (::getaddrinfo(host.c_str(), nullptr, &hints, &list) != 0) return out;
    for (const addrinfo* one = list; one != nullptr; one = one->ai_next) {
        Address address{};
        if (one->ai_family == AF_INET) {
            address.size = 4;
            std::memcpy(address.bytes, &reinterpret_cast<const sockaddr_in*>(one->ai_addr)->sin_addr, 4);
        } else if (one->ai_family == AF_INET6) {
            address.size = 16;
            std::memcpy(address.bytes, &reinterpret_cast<const sockaddr_in6*>(one->ai_addr)->sin6_addr, 16);
        }
        out.push_back(address);
    }
    ::freeaddrinfo(list);
    return out;
}

Result<std::string> read_small_file(const std::string& path) {
    const UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    if (!fd) return fail_errno(errno, "open " + path);
    std::string out;
    char buffer[8192];
    while (true) {
        const ssize_t got = ::read(fd.get(), buffer, sizeof buffer);
        if (got < 0) return fail_errno(errno, "read " + path);
        if (got == 0) return out;
        out.append(buffer, static_cast<size_t>(got));
        if (out.size() > limits::registry_answer_bytes_max)
            return fail(ErrorKind::too_large, path + " is larger than a certificate can be");
    }
}

}  // namespace

std::string RegistryEndpoint::host() const {
    const size_t begin = url.find("://") + 3;
    return url.substr(begin, url.find('/', begin) - begin);
}

bool address_in_network(std::string_view address, std::string_view cidr) {
    return in_network(parse_address(address), cidr);
}

bool is_insecure(const std::vector<std::string>& insecure, std::string_view domain) {
    for (const std::string& one : insecure)
        if (one.find('/') == std::string::npos && one == domain) return true;
    for (const Address& address : addresses_of(host_without_port(domain))) {
        if (in_network(address, "127.0.0.0/8") || in_network(address, "::1/128")) return true;
        for (const std::string& one : insecure)
            if (in_network(address, one)) return true;
    }
    return false;
}

std::vector<RegistryEndpoint> endpoints_of(const RegistrySettings& settings, std::string_view domain) {
    std::vector<RegistryEndpoint> out;
    if (domain == "docker.io") {
        for (std::string mirror : settings.mirrors) {
            while (mirror.ends_with('/')) mirror.pop_back();
            RegistryEndpoint one{mirror, true, true};
            if (mirror.starts_with("https://")) one.verify = !is_insecure(settings.insecure, one.host());
            out.push_back(std::move(one));
        }
        out.push_back({"https://registry-1.docker.io", true, false});
        return out;
    }
    const bool trusted_less = is_insecure(settings.insecure, domain);
    out.push_back({"https://" + std::string(domain), !trusted_less, false});
    if (trusted_less) out.push_back({"http://" + std::string(domain), false, false});
    return out;
}

Result<Certificates> read_certificates(const std::string& folder, std::string_view domain) {
    Certificates out;
    const std::string home = folder + "/" + std::string(domain);
    DIR* dir = ::opendir(home.c_str());
    if (dir == nullptr) return out;
    std::vector<std::string> names;
    while (const dirent* item = ::readdir(dir)) names.emplace_back(item->d_name);
    ::closedir(dir);
    std::sort(names.begin(), names.end());
    const auto has = [&](const std::string& name) {
        return std::find(names.begin(), names.end(), name) != names.end();
    };
    for (const std::string& name : names) {
        if (name.ends_with(".crt")) {
            TRY(const std::string pem, read_small_file(home + "/" + name));
            out.authorities += pem + "\n";
        } else if (name.ends_with(".cert")) {
            const std::string key = name.substr(0, name.size() - 5) + ".key";
            if (!has(key))
                return fail(ErrorKind::invalid, "missing key " + key + " for client certificate " + name +
                                                    ". CA certificates must use the extension .crt");
            TRY(out.certificate, read_small_file(home + "/" + name));
            TRY(out.key, read_small_file(home + "/" + key));
        } else if (name.ends_with(".key") && !has(name.substr(0, name.size() - 4) + ".cert")) {
            return fail(ErrorKind::invalid,
                        "missing client certificate " + name.substr(0, name.size() - 4) + ".cert for key " + name);
        }
    }
    return out;
}

std::string origin_of(std::string_view url) {
    const size_t scheme_end = url.find("://");
    if (scheme_end == std::string_view::npos) return "";
    std::string scheme(url.substr(0, scheme_end));
    std::string_view rest = url.substr(scheme_end + 3);
    rest = rest.substr(0, rest.find_first_of("/?#"));
    if (const size_t at = rest.rfind('@'); at != std::string_view::npos) rest = rest.substr(at + 1);
    std::string host(rest);
    for (std::string* text : {&scheme, &host})
        std::transform(text->begin(), text->end(), text->begin(),
                       [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    const size_t colon = host.rfind(':');
    const bool has_port = colon != std::string::npos && host.find(']', colon) == std::string::npos;
    return scheme + "://" + host + (has_port ? "" : scheme == "https" ? ":443" : ":80");
}

}  // namespace engine::storage
