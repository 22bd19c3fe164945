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

Result<std::string> text_of(element value, std::string_view key) {
    std::string_view out;
    if (value[key].get(out) != simdjson::SUCCESS) return malformed();
    return std::string(out);
}

Result<std::vector<std::string>> texts_of(element value, std::string_view key) {
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
    TRY(out.endpoint, text_of(root, "endpoint"));
    TRY(out.token, text_of(root, "token"));
    TRY(out.manifest, text_of(root, "manifest"));
    TRY(out.media_type, text_of(root, "media_type"));
    TRY(out.digest, text_of(root, "digest"));
    TRY(out.listed_digest, text_of(root, "listed_digest"));
    TRY(out.config, text_of(root, "config"));
    TRY(out.diff_ids, texts_of(root, "diff_ids"));
    array layers;
    if (root["layers"].get(layers) != simdjson::SUCCESS) return malformed();
    for (element item : layers) {
        Descriptor one;
        TRY(one.media_type, text_of(item, "media_type"));
        TRY(one.digest, text_of(item, "digest"));
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
    return texts_of(root, "tags");
}

Result<CheckedBlobs> parse_check_answer(std::string_view answer) {
    simdjson::dom::parser parser;
    TRY(const element root, parse(parser, answer));
    CheckedBlobs out;
    TRY(out.endpoint, text_of(root, "endpoint"));
    TRY(out.token, text_of(root, "token"));
    TRY(out.states, texts_of(root, "states"));
    return out;
}

Result<Descriptor> parse_upload_answer(std::string_view answer) {
    simdjson::dom::parser parser;
    TRY(const element root, parse(parser, answer));
    Descriptor out;
    TRY(out.digest, text_of(root, "digest"));
    if (root["size"].get(out.size) != simdjson::SUCCESS || !is_digest(out.digest)) return malformed();
    return out;
}

Result<std::string> parse_text_answer(std::string_view answer, std::string_view key) {
    simdjson::dom::parser parser;
    TRY(const element root, parse(parser, answer));
    return text_of(root, key);
}

}  // namespace engine::storage
