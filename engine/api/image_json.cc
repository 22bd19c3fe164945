#include "engine/api/image_json.h"

#include <simdjson.h>

#include "engine/reactor/try.h"
#include "engine/runtime/go_time.h"
#include "engine/runtime/json_log_reader.h"

namespace engine::api {
namespace {

using simdjson::dom::element;

constexpr ApiVersion config_without_container_fields{1, 50};
constexpr ApiVersion no_container_config{1, 45};
constexpr ApiVersion no_virtual_size{1, 44};
constexpr ApiVersion empty_lists{1, 43};

// The image's JSON for as long as this lives; an empty object when it is not JSON.
class ImageDocument {
public:
    explicit ImageDocument(std::string_view json) {
        if (parser_.parse(json.data(), json.size()).get(root_) == simdjson::SUCCESS) return;
        CHECK(parser_.parse(std::string_view("{}")).get(root_) == simdjson::SUCCESS);
    }
    element root() const { return root_; }

private:
    simdjson::dom::parser parser_;
    element root_;
};

std::string text_of(element value, std::string_view key) {
    std::string_view out;
    return value[key].get(out) == simdjson::SUCCESS ? std::string(out) : std::string();
}

Nanoseconds time_of(element value, std::string_view key) {
    std::int64_t ns = 0;
    return runtime::parse_rfc3339(text_of(value, key), ns) ? ns : 0;
}

enum class Kind : unsigned char { text, flag, list, object };

struct ConfigField {
    std::string_view name;
    Kind kind;
    std::string_view otherwise;  // "": left out when absent
    bool of_container;           // not an image's: shown to clients before 1.50
};

// In dockerd's order.
constexpr ConfigField config_fields[] = {
    {"Hostname", Kind::text, "\"\"", true},      {"Domainname", Kind::text, "\"\"", true},
    {"User", Kind::text, "\"\"", false},         {"AttachStdin", Kind::flag, "false", true},
    {"AttachStdout", Kind::flag, "false", true}, {"AttachStderr", Kind::flag, "false", true},
    {"ExposedPorts", Kind::object, "", false},   {"Tty", Kind::flag, "false", true},
    {"OpenStdin", Kind::flag, "false", true},    {"StdinOnce", Kind::flag, "false", true},
    {"Env", Kind::list, "null", false},          {"Cmd", Kind::list, "null", false},
    {"Healthcheck", Kind::object, "", false},    {"ArgsEscaped", Kind::flag, "", false},
    {"Image", Kind::text, "\"\"", true},         {"Volumes", Kind::object, "null", false},
    {"WorkingDir", Kind::text, "\"\"", false},   {"Entrypoint", Kind::list, "null", false},
    {"OnBuild", Kind::list, "null", false},      {"Labels", Kind::object, "null", false},
    {"StopSignal", Kind::text, "", false},       {"Shell", Kind::list, "", false},
};

bool is_kind(element value, Kind kind) {
    switch (kind) {
        case Kind::text:
            return value.is_string();
        case Kind::flag:
            return value.is_bool();
        case Kind::list:
            return value.is_array();
        case Kind::object:
            return value.is_object();
    }
    return false;
}

void write_config(json::Writer& w, element root, std::string_view key, bool of_container) {
    element config;
    const bool present = root[key].get(config) == simdjson::SUCCESS && config.is_object();
    w.begin_object();
    for (const ConfigField& field : config_fields) {
        if (field.of_container && !of_container) continue;
        element value;
        if (present && config[field.name].get(value) == simdjson::SUCCESS && is_kind(value, field.kind)) {
            w.field_raw(field.name, simdjson::minify(value));
        } else if (!field.otherwise.empty()) {
            w.field_raw(field.name, field.otherwise);
        }
    }
    w.end_object();
}

// Where the layers' files are, as dockerd's overlay2 tells it. Nothing is mounted for an image: no MergedDir.
void write_graph_driver(json::Writer& w, const SystemFacts& facts, const storage::Image& image) {
    w.key("GraphDriver").begin_object().key("Data");
    const auto folder = [&](const storage::ChainLink& link) {
        return facts.data_root + "/layers/" + std::to_string(link.number) + "/fs";
    };
    if (facts.storage_driver != "overlay2" || image.chain.empty()) {
        w.null();
    } else {
        std::string lower;
        for (std::size_t i = image.chain.size() - 1; i-- > 0;)
            lower += (lower.empty() ? "" : ":") + folder(image.chain[i]);
        w.begin_object();
        if (!lower.empty()) w.field("LowerDir", lower);
        w.field("UpperDir", folder(image.chain.back())).end_object();
    }
    w.field("Name", facts.storage_driver).end_object();
}

std::string comment_of(element root) {
    std::string comment = text_of(root, "comment");
    simdjson::dom::array history;
    if (!comment.empty() || root["history"].get(history) != simdjson::SUCCESS) return comment;
    for (element item : history) comment = text_of(item, "comment");
    return comment;
}

}  // namespace

ImageFacts image_facts(const storage::Image& image) {
    const ImageDocument document(image.config);
    ImageFacts facts;
    facts.created = time_of(document.root(), "created");
    simdjson::dom::object labels;
    if (document.root()["config"]["Labels"].get(labels) != simdjson::SUCCESS) return facts;
    for (auto [key, value] : labels) {
        std::string_view text;
        if (value.get(text) == simdjson::SUCCESS) facts.labels.emplace(key, text);
    }
    return facts;
}

std::string image_inspect(const SystemFacts& facts, const storage::Image& image, ApiVersion version) {
    const ImageDocument document(image.config);
    const element root = document.root();
    json::Writer w;
    w.begin_object().field("Id", image.id).field("RepoTags", image.tags).field("RepoDigests", image.digests);
    w.field("Parent", image.parent).field("Comment", comment_of(root));
    const Nanoseconds created = time_of(root, "created");
    if (created != 0 || version < no_virtual_size) w.field("Created", runtime::rfc3339_nano(created));
    if (version < no_container_config) {
        w.field("Container", text_of(root, "container")).key("ContainerConfig");
        write_config(w, root, "container_config", true);
    }
    w.field("DockerVersion", text_of(root, "docker_version")).field("Author", text_of(root, "author")).key("Config");
    write_config(w, root, "config", version < config_without_container_fields);
    w.field("Architecture", text_of(root, "architecture"));
    if (const std::string variant = text_of(root, "variant"); !variant.empty()) w.field("Variant", variant);
    w.field("Os", text_of(root, "os"));
    if (const std::string os_version = text_of(root, "os.version"); !os_version.empty())
        w.field("OsVersion", os_version);
    w.field("Size", image.size);
    if (version < no_virtual_size) w.field("VirtualSize", image.size);
    write_graph_driver(w, facts, image);
    w.key("RootFS").begin_object().field("Type", "layers");
    if (!image.diff_ids.empty()) w.field("Layers", image.diff_ids);
    w.end_object();
    w.key("Metadata").begin_object().field("LastTagTime", runtime::rfc3339_nano(image.tagged_at)).end_object();
    w.end_object();
    return w.take();
}

Result<std::string> image_history(const storage::Image& image, const std::vector<storage::Image>& ancestors) {
    const ImageDocument document(image.config);
    simdjson::dom::array history;
    std::vector<std::string> items;  // oldest first
    std::size_t layer = 0;
    std::vector<element> steps;
    if (document.root()["history"].get(history) == simdjson::SUCCESS) steps.assign(history.begin(), history.end());
    for (std::size_t i = 0; i < steps.size(); ++i) {
        const element item = steps[i];
        bool empty = false;
        if (item["empty_layer"].get(empty) != simdjson::SUCCESS) empty = false;
        if (!empty && layer >= image.layer_sizes.size())
            return fail(ErrorKind::internal, "too many non-empty layers in History section");
        json::Writer w;
        w.begin_object().field("Comment", text_of(item, "comment"));
        const Nanoseconds created = time_of(item, "created");
        w.field("Created", created / second).field("CreatedBy", text_of(item, "created_by"));
        const std::size_t age = steps.size() - 1 - i;  // 0: the image's own
        const storage::Image* made = age == 0 ? &image : age <= ancestors.size() ? &ancestors[age - 1] : nullptr;
        w.field("Id", made != nullptr ? made->id : "<missing>");
        w.field("Size", empty ? 0 : image.layer_sizes[layer]).key("Tags");
        if (made != nullptr && !made->tags.empty()) {
            w.value(made->tags);
        } else {
            w.null();
        }
        w.end_object();
        if (!empty) ++layer;
        items.push_back(w.take());
    }
    json::Writer w;
    w.begin_array();
    for (auto item = items.rbegin(); item != items.rend(); ++item) w.raw(*item);
    w.end_array();
    return w.take();
}

void write_image_summary(json::Writer& w, const ImageSummary& summary, ApiVersion version) {
    const storage::Image& image = summary.image;
    const bool none = version < empty_lists && image.tags.empty() && image.digests.empty();
    w.begin_object();
    w.field("Containers", summary.containers);
    w.field("Created", summary.created).field("Id", image.id).key("Labels");
    const ImageFacts facts = image_facts(image);
    if (facts.labels.empty()) {
        w.null();
    } else {
        w.value(facts.labels);
    }
    w.field("ParentId", image.parent);
    w.field("RepoDigests", none ? std::vector<std::string>{"<none>@<none>"} : image.digests);
    w.field("RepoTags", none ? std::vector<std::string>{"<none>:<none>"} : image.tags);
    w.field("SharedSize", summary.shared_size).field("Size", image.size);
    if (version < no_virtual_size) w.field("VirtualSize", image.size);
    w.end_object();
}

}  // namespace engine::api
