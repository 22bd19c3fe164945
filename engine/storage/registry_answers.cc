#include "engine/storage/registry_answers.h"

#include <simdjson.h>

#include "engine/reactor/try.h"
#include "engine/storage/digest.h"

namespace engine::storage {
namespace {

using simdjson::dom::array;
using simdjson::dom::element;

tl::unexpected<Error> malformed() {
    return fail(ErrorKind::internal, "the answer of dockercd-registry is malformed");
}

Result<element> parse(simdjson::dom::parser& parser, std::string_view text) {
    element out;
    if (parser.parse(text.data(), text.size()).get(out) != simdjson::SUCCESS) return malformed();
    return out;
}

Result<std::string> needed_text(element value, std::string_view key) {
    std::string_view out;
    if (value[key].get(out) != simdjson::SUCCESS) return malformed();
    return std::string(out);
}

Result<std::vector<std::string>> needed_texts(element value, std::string_view key) {
    array items;
    if (value[key].get(items) != simdjson::SUCCESS) return malformed();
    std::vector<std::string> out;
    for (element item : items) {
        std::string_view text;
        if (item.get(text) != simdjson::SUCCESS) return malformed();
        out.emplace_back(text);
    }
    return out;
}

}  // namespace

Result<ResolvedImage> parse_resolve_answer(std::string_view answer) {
    simdjson::dom::parser parser;
    TRY(const element root, parse(parser, answer));
    ResolvedImage out;
    TRY(out.endpoint, needed_text(root, "endpoint"));
    TRY(out.token, needed_text(root, "token"));
    TRY(out.manifest, needed_text(root, "manifest"));
    TRY(out.media_type, needed_text(root, "media_type"));
    TRY(out.digest, needed_text(root, "digest"));
    TRY(out.listed_digest, needed_text(root, "listed_digest"));
    TRY(out.config, needed_text(root, "config"));
    TRY(out.diff_ids, needed_texts(root, "diff_ids"));
    array layers;
    if (root["layers"].get(layers) != simdjson::SUCCESS) return malformed();
    for (element item : layers) {
        Descriptor one;
        TRY(one.media_type, needed_text(item, "media_type"));
        TRY(one.digest, needed_text(item, "digest"));
        if (item["size"].get(one.size) != simdjson::SUCCESS || !is_digest(one.digest)) return malformed();
        out.layers.push_back(std::move(one));
    }
    for (const std::string& id : out.diff_ids)
        if (!is_digest(id)) return malformed();
    if (out.diff_ids.size() != out.layers.size() || !is_digest(out.digest) || !is_digest(out.listed_digest))
        return malformed();
    return out;
}

Result<std::vector<std::string>> parse_tags_answer(std::string_view answer) {
    simdjson::dom::parser parser;
    TRY(const element root, parse(parser, answer));
    return needed_texts(root, "tags");
}

Result<CheckedBlobs> parse_check_answer(std::string_view answer) {
    simdjson::dom::parser parser;
    TRY(const element root, parse(parser, answer));
    CheckedBlobs out;
    TRY(out.endpoint, needed_text(root, "endpoint"));
    TRY(out.token, needed_text(root, "token"));
    TRY(out.states, needed_texts(root, "states"));
    return out;
}

Result<Descriptor> parse_upload_answer(std::string_view answer) {
    simdjson::dom::parser parser;
    TRY(const element root, parse(parser, answer));
    Descriptor out;
    TRY(out.digest, needed_text(root, "digest"));
    if (root["size"].get(out.size) != simdjson::SUCCESS || !is_digest(out.digest)) return malformed();
    return out;
}

Result<std::string> parse_text_answer(std::string_view answer, std::string_view key) {
    simdjson::dom::parser parser;
    TRY(const element root, parse(parser, answer));
    return needed_text(root, key);
}

}  // namespace engine::storage
