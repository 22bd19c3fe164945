#include "engine/api/image_filters.h"

#include <fnmatch.h>

#include <algorithm>
#include <optional>

#include "engine/api/time_parameter.h"
#include "engine/reactor/try.h"

namespace engine::api {
namespace {

Result<std::optional<bool>> dangling_wanted(const Filters& filters) {
    const auto& values = filter_values(filters, "dangling");
    if (values.empty()) return std::optional<bool>();
    if (values.size() == 1 && (values[0] == "true" || values[0] == "1")) return std::optional<bool>(true);
    if (values.size() == 1 && (values[0] == "false" || values[0] == "0")) return std::optional<bool>(false);
    std::string all;
    for (const auto& value : values) all += (all.empty() ? "" : " ") + value;
    return fail(ErrorKind::invalid, "invalid filter 'dangling=[" + all + "]'");
}

// path.Match of Go: `*` stops at a slash. The whole familiar name or the name without tag.
bool matches(const std::string& pattern, const std::string& familiar) {
    const std::size_t at = familiar.find('@');
    const std::size_t slash = familiar.rfind('/', at);
    const std::size_t colon = at != std::string::npos ? at : familiar.find(':', slash == std::string::npos ? 0 : slash);
    return ::fnmatch(pattern.c_str(), familiar.c_str(), FNM_PATHNAME) == 0 ||
           ::fnmatch(pattern.c_str(), familiar.substr(0, colon).c_str(), FNM_PATHNAME) == 0;
}

void keep_matching(std::vector<std::string>& references, const std::vector<std::string>& patterns) {
    std::erase_if(references, [&](const std::string& reference) {
        return std::none_of(patterns.begin(), patterns.end(),
                            [&](const std::string& pattern) { return matches(pattern, reference); });
    });
}

struct Window {
    Nanoseconds after = INT64_MIN;  // exclusive
    Nanoseconds before = INT64_MAX;
};

Result<Window> window_of(const storage::ImageStore& store, const Filters& filters) {
    Window window;
    for (const auto& name : filter_values(filters, "before")) {
        TRY(const auto image, store.find(name));
        window.before = std::min(window.before, image_facts(image).created);
    }
    for (const auto& name : filter_values(filters, "since")) {
        TRY(const auto image, store.find(name));
        window.after = std::max(window.after, image_facts(image).created);
    }
    for (const auto& text : filter_values(filters, "until")) {
        TRY(const auto until, parse_time(text, realtime_ns()));
        if (until) window.before = std::min(window.before, *until);
    }
    return window;
}

}  // namespace

Result<std::vector<ImageSummary>> list_images_by(const storage::ImageStore& store, const Filters& filters, bool all) {
    TRY_VOID(check_filters(filters, {"dangling", "label", "label!", "before", "since", "reference", "until"}));
    TRY(const auto dangling, dangling_wanted(filters));
    TRY(const auto window, window_of(store, filters));
    const auto& patterns = filter_values(filters, "reference");
    for (const auto& pattern : patterns)
        if (pattern.ends_with('\\') ||
            (pattern.find('[') != std::string::npos && pattern.find(']') == std::string::npos))
            return fail(ErrorKind::invalid, "syntax error in pattern");
    const auto& labels = filter_values(filters, "label");
    const auto& not_labels = filter_values(filters, "label!");
    std::vector<ImageSummary> out;
    for (storage::Image& image : store.list()) {
        const ImageFacts facts = image_facts(image);
        if (facts.created <= window.after && window.after != INT64_MIN) continue;
        if (facts.created >= window.before) continue;
        const auto labelled = [&](const std::string& label) { return has_label(facts.labels, label); };
        if (!std::all_of(labels.begin(), labels.end(), labelled)) continue;
        if (std::any_of(not_labels.begin(), not_labels.end(), labelled)) continue;
        if (dangling && *dangling != image.tags.empty()) continue;
        if (image.tags.empty() && image.digests.empty() && (!all || dangling) && store.has_children(image.id)) continue;
        if (!patterns.empty()) {
            keep_matching(image.tags, patterns);
            keep_matching(image.digests, patterns);
            if (image.tags.empty() && image.digests.empty()) continue;
        }
        ImageSummary summary;
        summary.image = std::move(image);
        summary.created = facts.created / second;
        out.push_back(std::move(summary));
    }
    std::stable_sort(out.begin(), out.end(), [](const auto& a, const auto& b) { return a.created > b.created; });
    return out;
}

Result<PruneFilter> prune_filter(const Filters& filters) {
    TRY_VOID(check_filters(filters, {"dangling", "label", "label!", "until"}));
    TRY(const auto dangling, dangling_wanted(filters));
    const auto& until = filter_values(filters, "until");
    if (until.size() > 1) return fail(ErrorKind::invalid, "more than one until filter specified");
    std::optional<Nanoseconds> before;
    if (!until.empty()) {
        TRY(before, parse_time(until[0], realtime_ns()));
    }
    PruneFilter out;
    out.tagged_too = dangling && !*dangling;
    out.matches = [before, labels = filter_values(filters, "label"),
                   not_labels = filter_values(filters, "label!")](const storage::Image& image) {
        const ImageFacts facts = image_facts(image);
        const auto labelled = [&](const std::string& label) { return has_label(facts.labels, label); };
        if (before && (facts.created == 0 || facts.created > *before)) return false;
        if (!std::all_of(labels.begin(), labels.end(), labelled)) return false;
        return not_labels.empty() || !std::all_of(not_labels.begin(), not_labels.end(), labelled);
    };
    return out;
}

}  // namespace engine::api
