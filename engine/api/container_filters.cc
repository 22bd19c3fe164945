#include "engine/api/container_filters.h"

#include <algorithm>
#include <charconv>
#include <set>

#include "engine/api/go_pattern.h"
#include "engine/api/time_parameter.h"
#include "engine/reactor/try.h"
#include "engine/runtime/container_network.h"
#include "engine/runtime/container_view.h"

namespace engine::api {
namespace {

using runtime::Container;
using ContainerPointer = std::shared_ptr<Container>;

// dockerd matches names by regular expression. No pattern matches everything.
class Patterns {
public:
    Patterns() = default;
    explicit Patterns(const std::vector<std::string>& values) {
        for (const std::string& value : values) values_.emplace_back(value);
    }
    bool match(const std::string& text) const {
        return values_.empty() ||
               std::any_of(values_.begin(), values_.end(), [&](const GoPattern& p) { return p.matches(text); });
    }

private:
    std::vector<GoPattern> values_;
};

tl::unexpected<Error> invalid_filter(std::string_view name, std::string_view value) {
    return fail(ErrorKind::invalid, "invalid filter '" + std::string(name) + "=" + std::string(value) + "'");
}

Result<std::set<int>> exit_codes(const Filters& filters) {
    std::set<int> out;
    for (const std::string& text : filter_values(filters, "exited")) {
        int code = 0;
        const auto parsed = std::from_chars(text.data(), text.data() + text.size(), code);
        if (parsed.ec != std::errc{} || parsed.ptr != text.data() + text.size())
            return fail(ErrorKind::invalid, "invalid filter 'exited=" + text + "': strconv.Atoi: parsing \"" + text +
                                                "\": invalid syntax");
        out.insert(code);
    }
    return out;
}

// There are no tasks without swarm: asking for them lists nothing.
Result<bool> tasks_only(const Filters& filters) {
    if (!filters.contains("is-task")) return false;
    const auto& values = filter_values(filters, "is-task");
    const auto has = [&](const char* a, const char* b) {
        return std::any_of(values.begin(), values.end(), [&](const std::string& v) { return v == a || v == b; });
    };
    const bool yes = has("1", "true");
    const bool no = has("0", "false");
    if (yes != no) return yes;
    if (values.empty()) return fail(ErrorKind::invalid, "invalid filter 'is-task'");
    std::string list;
    for (const std::string& value : values) list.append(list.empty() ? "" : " ").append(value);
    return fail(ErrorKind::invalid, "invalid filter 'is-task=[" + list + "]'");
}

// "80", "80/udp", "8000-8010/tcp" against "80/tcp".
class PortFilter {
public:
    static Result<PortFilter> of(const Filters& filters, const std::string& name) {
        PortFilter out;
        for (const std::string& text : filter_values(filters, name)) {
            if (text.find(':') != std::string::npos)
                return fail(ErrorKind::invalid, "filter for '" + name + "' should not contain ':': " + text);
            Range range;
            const std::size_t slash = text.find('/');
            if (slash != std::string::npos) range.protocol = text.substr(slash + 1);
            const std::string ports = text.substr(0, slash);
            const std::size_t dash = ports.find('-');
            const auto refuse = [&](const std::string& why) {
                return fail(ErrorKind::invalid, "error while looking up for " + name + " " + text + ": " + why);
            };
            if (ports.empty()) return refuse("empty string specified for ports");
            range.first = number(ports.substr(0, dash));
            range.last = dash == std::string::npos ? range.first : number(ports.substr(dash + 1));
            if (range.first < 0 || range.last < 0) {
                const std::string bad = range.first < 0 ? ports.substr(0, dash) : ports.substr(dash + 1);
                return refuse("strconv.ParseUint: parsing \"" + bad + "\": " +
                              (bad.find_first_not_of("0123456789") == std::string::npos && !bad.empty()
                                   ? "value out of range"
                                   : "invalid syntax"));
            }
            if (range.last < range.first) return refuse("invalid range specified for port: " + ports);
            out.ranges_.push_back(range);
        }
        return out;
    }
    bool match(const std::vector<std::string>& ports) const {
        return ranges_.empty() || std::any_of(ports.begin(), ports.end(), [&](const std::string& port) {
            const std::size_t slash = port.find('/');
            const int value = number(port.substr(0, slash));
            const std::string protocol = slash == std::string::npos ? "tcp" : port.substr(slash + 1);
            return std::any_of(ranges_.begin(), ranges_.end(), [&](const Range& range) {
                return range.protocol == protocol && value >= range.first && value <= range.last;
            });
        });
    }

private:
    struct Range {
        std::string protocol = "tcp";
        int first = -1, last = -1;
    };
    static int number(const std::string& text) {
        int value = -1;
        const auto parsed = std::from_chars(text.data(), text.data() + text.size(), value);
        return parsed.ec == std::errc{} && parsed.ptr == text.data() + text.size() && value <= 65535 ? value : -1;
    }
    std::vector<Range> ranges_;
};

bool mounts_volume(const Container& container, const std::string& wanted) {
    const auto mounts = runtime::mounts_of(container.spec);
    return std::any_of(mounts.begin(), mounts.end(), [&](const runtime::MountSpec& mount) {
        return mount.target == wanted || (!mount.source.empty() && mount.source == wanted);
    });
}

template <class Match>
bool any_of(const std::vector<std::string>& values, Match&& match) {
    return values.empty() || std::any_of(values.begin(), values.end(), match);
}

// The query, understood.
// By name or id, asked for or joined.
bool in_network(const Container& c, const std::string& value) {
    const runtime::ContainerNetwork& network = *c.network;
    if (network.endpoints.empty() && value == runtime::network_name(c.spec)) return true;
    for (const runtime::EndpointSettings& endpoint : network.endpoints)
        if (endpoint.network == value) return true;
    if (!network.sandbox) return false;
    return std::any_of(network.sandbox->endpoints.begin(), network.sandbox->endpoints.end(),
                       [&](const auto& endpoint) { return endpoint->network_id.starts_with(value); });
}

class Selection {
public:
    static Result<Selection> of(const ContainerQuery& query, const storage::ImageStore& images,
                                const runtime::ContainerService& containers) {
        Selection out(query);
        const Filters& filters = query.filters;
        TRY_VOID(
            check_filters(filters, {"ancestor", "before", "exited", "expose", "health", "id", "is-task", "isolation",
                                    "label", "name", "network", "publish", "since", "status", "volume"}));
        out.names_ = Patterns(filter_values(filters, "name"));
        TRY(out.exit_codes_, exit_codes(filters));
        TRY(out.expose_, PortFilter::of(filters, "expose"));
        TRY(out.publish_, PortFilter::of(filters, "publish"));
        for (const std::string& value : filter_values(filters, "status")) {
            if (!runtime::is_status_word(value)) return invalid_filter("status", value);
            out.all_ = true;
        }
        for (const std::string& value : filter_values(filters, "health")) {
            if (value != "none" && value != "starting" && value != "healthy" && value != "unhealthy")
                return fail(ErrorKind::invalid, "unrecognized filter value for health: " + value);
        }
        TRY(out.tasks_only_, tasks_only(filters));
        // An id is meant by its beginning, and only when that is one container's.
        for (const std::string& value : filter_values(filters, "id"))
            if (auto container = containers.find_by_id(value)) out.ids_.insert((*container)->id);
        for (const std::string& value : filter_values(filters, "ancestor"))
            if (auto image = images.find(value)) out.image_ids_.insert(image->id);
        for (const std::string& value : filter_values(filters, "before")) {
            TRY(auto container, containers.find(value));
            out.before_ = std::move(container);
        }
        for (const std::string& value : filter_values(filters, "since")) {
            TRY(auto container, containers.find(value));
            out.since_ = std::move(container);
        }
        return out;
    }

    bool takes(const Container& c) const {
        if (!c.active() && !all_ && limit_ <= 0) return false;
        if (before_ && !older(c, *before_)) return false;
        if (since_ && !older(*since_, c)) return false;
        return takes_identity(c) && takes_state(c) && takes_surroundings(c);
    }

    static bool older(const Container& a, const Container& b) {
        return a.created_at != b.created_at ? a.created_at < b.created_at : a.id < b.id;
    }

private:
    explicit Selection(const ContainerQuery& query) : filters_(query.filters), all_(query.all), limit_(query.limit) {}

    bool takes_identity(const Container& c) const {
        if (tasks_only_ || (!filter_values(filters_, "id").empty() && !ids_.contains(c.id))) return false;
        if (!names_.match(c.name) && !names_.match("/" + c.name)) return false;
        const auto& labels = filter_values(filters_, "label");
        if (!std::all_of(labels.begin(), labels.end(),
                         [&](const auto& label) { return has_label(c.spec.labels, label); }))
            return false;
        return filter_values(filters_, "ancestor").empty() || image_ids_.contains(c.image_id);
    }
    bool takes_state(const Container& c) const {
        if (!exit_codes_.empty() &&
            (c.active() || c.state.started_at == 0 || !exit_codes_.contains(c.state.exit_code)))
            return false;
        const auto word = runtime::status_word(c.state.status);
        if (!any_of(filter_values(filters_, "status"), [&](const std::string& value) { return value == word; }))
            return false;
        return any_of(filter_values(filters_, "health"), [](const std::string& value) { return value == "none"; });
    }
    bool takes_surroundings(const Container& c) const {
        if (!any_of(filter_values(filters_, "volume"),
                    [&](const std::string& value) { return mounts_volume(c, value); }))
            return false;
        if (!any_of(filter_values(filters_, "network"),
                    [&](const std::string& value) { return in_network(c, value); }))
            return false;
        std::vector<std::string> published;
        if (const net::Sandbox* sandbox = c.network->sandbox.get())
            for (const net::BoundPort& port : sandbox->ports)
                published.push_back(std::to_string(port.published.host_port) + "/" +
                                    std::string(net::protocol_word(port.published.protocol)));
        return expose_.match(c.spec.exposed_ports) && publish_.match(published);
    }

    const Filters& filters_;
    bool all_;
    long limit_;
    bool tasks_only_ = false;
    std::set<std::string> ids_;
    Patterns names_;
    std::set<int> exit_codes_;
    PortFilter expose_, publish_;
    std::set<std::string> image_ids_;
    ContainerPointer before_, since_;
};

}  // namespace

Result<PruneSelection> PruneSelection::of(Filters filters, Nanoseconds now) {
    TRY_VOID(check_filters(filters, {"label", "label!", "until"}));
    PruneSelection out;
    out.filters_ = std::move(filters);
    const auto& until = filter_values(out.filters_, "until");
    if (until.size() > 1) return fail(ErrorKind::invalid, "more than one until filter specified");
    if (until.size() == 1) {
        TRY(const auto time, parse_time(until[0], now));
        out.until_ = time.value_or(0);
    }
    return out;
}

bool PruneSelection::takes(const runtime::Container& c) const {
    if (c.active() || (until_ != 0 && c.created_at > until_)) return false;
    const auto all_of = [&](const char* name) {
        const auto& values = filter_values(filters_, name);
        return std::all_of(values.begin(), values.end(),
                           [&](const std::string& label) { return has_label(c.spec.labels, label); });
    };
    return all_of("label") && (filter_values(filters_, "label!").empty() || !all_of("label!"));
}

Result<std::vector<ContainerPointer>> list_containers_by(const runtime::ContainerService& containers,
                                                         const storage::ImageStore& images, ContainerQuery query) {
    TRY(const Selection selection, Selection::of(query, images, containers));
    std::vector<ContainerPointer> out;
    for (const auto& [id, container] : containers.all())
        if (selection.takes(*container)) out.push_back(container);
    std::sort(out.begin(), out.end(), [](const auto& a, const auto& b) { return Selection::older(*b, *a); });
    if (query.limit > 0 && out.size() > static_cast<std::size_t>(query.limit))
        out.resize(static_cast<std::size_t>(query.limit));
    return out;
}

}  // namespace engine::api
