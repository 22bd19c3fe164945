#include "engine/api/filters.h"

#include <simdjson.h>

#include <algorithm>

namespace engine::api {

namespace {

using simdjson::dom::element;

bool read_values(const element& value, std::vector<std::string>& out) {
    simdjson::dom::array list;
    if (value.get(list) == simdjson::SUCCESS) {
        for (element item : list) {
            std::string_view text;
            if (item.get(text) != simdjson::SUCCESS) return false;
            out.emplace_back(text);
        }
        return true;
    }
    simdjson::dom::object set;
    if (value.get(set) != simdjson::SUCCESS) return false;
    for (auto item : set) {
        bool wanted = false;
        if (item.value.get(wanted) != simdjson::SUCCESS) return false;
        if (wanted) out.emplace_back(item.key);
    }
    return true;
}

}  // namespace

Result<Filters> parse_filters(std::string_view json) {
    Filters filters;
    if (json.empty()) return filters;
    simdjson::dom::parser parser;
    element root;
    simdjson::dom::object object;
    if (parser.parse(json.data(), json.size()).get(root) != simdjson::SUCCESS)
        return fail(ErrorKind::invalid, "invalid filter");
    if (root.is_null()) return filters;
    if (root.get(object) != simdjson::SUCCESS) return fail(ErrorKind::invalid, "invalid filter");
    for (auto field : object)
        if (!read_values(field.value, filters[std::string(field.key)]))
            return fail(ErrorKind::invalid, "invalid filter");
    return filters;
}

Result<void> check_filters(const Filters& filters, std::initializer_list<std::string_view> accepted) {
    for (const auto& [name, values] : filters)
        if (std::find(accepted.begin(), accepted.end(), name) == accepted.end())
            return fail(ErrorKind::invalid, "invalid filter '" + name + "'");
    return {};
}

const std::vector<std::string>& filter_values(const Filters& filters, std::string_view name) {
    static const std::vector<std::string> none;
    const auto at = filters.find(std::string(name));
    return at == filters.end() ? none : at->second;
}

bool has_label(const std::map<std::string, std::string>& labels, const std::string& wanted) {
    const std::size_t equals = wanted.find('=');
    const auto at = labels.find(wanted.substr(0, equals));
    return at != labels.end() && (equals == std::string::npos || at->second == wanted.substr(equals + 1));
}

}  // namespace engine::api
