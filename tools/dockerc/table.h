// A table as docker prints it: columns padded to their widest cell and three spaces; the last column as it is.
#pragma once

#include <string>
#include <vector>

namespace dockerc {

class Table {
public:
    explicit Table(std::vector<std::string> header) { rows_.push_back(std::move(header)); }
    void add(std::vector<std::string> row) { rows_.push_back(std::move(row)); }
    std::string text() const;

private:
    std::vector<std::vector<std::string>> rows_;
};

}  // namespace dockerc
