#include "engine/storage/child_config.h"

#include <simdjson.h>

#include "engine/reactor/json_writer.h"
#include "engine/reactor/try.h"
#include "engine/storage/json_text.h"

namespace engine::storage {
namespace {

using simdjson::dom::array;
using simdjson::dom::element;

void copy_list(json::Writer& w, element root, const char* key) {
    array list;
    if (root[key].get(list) != simdjson::SUCCESS) return;
    for (const element item : list) w.raw(simdjson::minify(item));
}

void write_history(json::Writer& w, const ChildConfig& child) {
    w.begin_object().field("created", child.created);
    if (!child.author.empty()) w.field("author", child.author);
    if (!child.created_by.empty()) w.field("created_by", child.created_by);
    if (!child.comment.empty()) w.field("comment", child.comment);
    if (child.diff_id.empty()) w.field("empty_layer", true);
    w.end_object();
}

}  // namespace

Result<std::string> child_config(std::string_view parent, const ChildConfig& child) {
    simdjson::dom::parser parser;
    element root;
    if (parent.empty()) parent = "{}";
    if (parser.parse(parent.data(), parent.size()).get(root) != simdjson::SUCCESS || !root.is_object())
        return fail(ErrorKind::internal, "the parent image's configuration is not JSON");
    json::Writer w;
    w.begin_object();
    const std::string architecture = text_of(root, "architecture");
    w.field("architecture", architecture.empty() ? std::string("amd64") : architecture);
    if (!child.author.empty()) w.field("author", child.author);
    w.field_raw("config", child.config).field("container", child.container_id);
    w.field_raw("container_config", child.container_config).field("created", child.created);
    w.key("history").begin_array();
    copy_list(w, root, "history");
    write_history(w, child);
    w.end_array();
    const std::string os = text_of(root, "os");
    w.field("os", os.empty() ? std::string("linux") : os);
    element features;
    if (root["os.features"].get(features) == simdjson::SUCCESS) w.field_raw("os.features", simdjson::minify(features));
    if (const std::string version = text_of(root, "os.version"); !version.empty()) w.field("os.version", version);
    w.key("rootfs").begin_object().key("diff_ids").begin_array();
    element rootfs;
    if (root["rootfs"].get(rootfs) == simdjson::SUCCESS) copy_list(w, rootfs, "diff_ids");
    if (!child.diff_id.empty()) w.string(child.diff_id);
    w.end_array().field("type", "layers").end_object();
    if (const std::string variant = text_of(root, "variant"); !variant.empty()) w.field("variant", variant);
    return w.end_object().take();
}

std::string command_text(std::string_view config) {
    simdjson::dom::parser parser;
    element root;
    array words;
    std::string out;
    if (parser.parse(config.data(), config.size()).get(root) != simdjson::SUCCESS ||
        root["Cmd"].get(words) != simdjson::SUCCESS)
        return out;
    for (const element word : words) {
        std::string_view text;
        if (word.get(text) == simdjson::SUCCESS) out += (out.empty() ? "" : " ") + std::string(text);
    }
    return out;
}

}  // namespace engine::storage
