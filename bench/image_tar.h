// Images made in memory, in the form `docker save` writes and POST /images/load reads.
#pragma once
#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace bench {

class TarWriter {
public:
    void directory(std::string_view path);
    void file(std::string_view path, std::string_view content, unsigned mode);
    std::string finish();

private:
    void header(std::string_view path, char type, unsigned mode, std::size_t size);
    std::string bytes_;
};

std::string read_file(const std::string& path);
// busybox with its applets `true`, `sleep` and `cat`; lines_bytes > 0 adds /lines, that many bytes of 79-byte lines.
std::string busybox_layer(const std::string& busybox, std::size_t lines_bytes);
std::string small_files_layer(int files, std::size_t total_bytes, unsigned seed);
// A docker-save archive of one image NAME ("repository:tag") with the layers, lowest first.
std::string docker_archive(const std::string& name, const std::vector<std::string>& layers);

}  // namespace bench
