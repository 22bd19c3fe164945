#include "engine/runtime/exec_body.h"

#include <simdjson.h>

#include "engine/reactor/json_writer.h"
#include "engine/reactor/try.h"
#include "engine/runtime/detach_keys.h"
#include "engine/runtime/linux/process_plan.h"

namespace engine::runtime {
namespace {

using simdjson::dom::element;
using simdjson::dom::element_type;
using simdjson::dom::object;

std::string_view type_word(element value) {
    switch (value.type()) {
        case element_type::ARRAY: return "array";
        case element_type::OBJECT: return "object";
        case element_type::STRING: return "string";
        case element_type::BOOL: return "bool";
        default: return "number";
    }
}

// Fields of one JSON object, with dockerd's words for one of the wrong type. `type_name` is that of its Go structure.
class Fields {
public:
    Fields(object fields, std::string_view type_name) : fields_(fields), type_name_(type_name) {}

    Result<void> read(std::string_view name, bool& out) const {
        element value{};
        if (!find(name, value) || value.get(out) == simdjson::SUCCESS) return {};
        return wrong(value, name, "bool");
    }
    Result<void> read(std::string_view name, std::string& out) const {
        element value{};
        std::string_view text;
        if (!find(name, value)) return {};
        if (value.get(text) != simdjson::SUCCESS) return wrong(value, name, "string");
        out = std::string(text);
        return {};
    }
    Result<void> read(std::string_view name, std::vector<std::string>& out) const {
        element value{};
        simdjson::dom::array list;
        if (!find(name, value)) return {};
        if (value.get(list) != simdjson::SUCCESS) return wrong(value, name, "[]string");
        for (element item : list) {
            std::string_view text;
            if (!item.is_null() && item.get(text) != simdjson::SUCCESS) return wrong(item, name, "string");
            out.emplace_back(text);
        }
        return {};
    }
    // Go takes what is there of a [2]uint and ignores the rest.
    Result<void> read(std::string_view name, std::optional<TerminalSize>& out) const {
        element value{};
        simdjson::dom::array list;
        if (!find(name, value)) return {};
        if (value.get(list) != simdjson::SUCCESS) return wrong(value, name, "[2]uint");
        TerminalSize size;
        unsigned* const parts[] = {&size.rows, &size.columns};
        std::size_t index = 0;
        for (element item : list) {
            if (index == std::size(parts)) break;
            std::uint64_t number = 0;
            if (!item.is_null() && item.get(number) != simdjson::SUCCESS) return wrong(item, name, "uint");
            *parts[index++] = static_cast<unsigned>(number);
        }
        out = size;
        return {};
    }

private:
    bool find(std::string_view name, element& value) const {
        // Go takes a field's name in any case, and clients do write "detachKeys".
        return fields_.at_key_case_insensitive(name).get(value) == simdjson::SUCCESS && !value.is_null();
    }
    tl::unexpected<Error> wrong(element value, std::string_view field, std::string_view type) const {
        std::string message = "invalid JSON: json: cannot unmarshal ";
        message.append(type_word(value));
        if (value.is_number() && type == "uint") message.append(" ").append(simdjson::minify(value));
        message.append(" into Go struct field ").append(type_name_).append(".").append(field);
        message.append(" of type ").append(type);
        return fail(ErrorKind::invalid, std::move(message));
    }

    object fields_;
    std::string_view type_name_;
};

// An empty body is an empty object, as at dockerd.
Result<object> parse_object(simdjson::dom::parser& parser, std::string_view body, std::string_view type_name) {
    element root{};
    object out;
    if (body.empty()) body = "{}";
    const auto parsed = parser.parse(body.data(), body.size()).get(root);
    if (parsed == simdjson::EMPTY)
        return fail(ErrorKind::invalid, "invalid JSON: got EOF while reading request body");
    if (parsed != simdjson::SUCCESS)
        return fail(ErrorKind::invalid, std::string("invalid JSON: ") + simdjson::error_message(parsed));
    if (root.is_null()) return parse_object(parser, "{}", type_name);
    if (root.get(out) != simdjson::SUCCESS)
        return fail(ErrorKind::invalid, "invalid JSON: json: cannot unmarshal " + std::string(type_word(root)) +
                                            " into Go value of type container." + std::string(type_name));
    return out;
}

Result<void> read_spec(const Fields& fields, ExecSpec& spec) {
    TRY_VOID(fields.read("Cmd", spec.cmd));
    TRY_VOID(fields.read("Env", spec.env));
    TRY_VOID(fields.read("User", spec.user));
    TRY_VOID(fields.read("WorkingDir", spec.working_dir));
    TRY_VOID(fields.read("AttachStdin", spec.attach_stdin));
    TRY_VOID(fields.read("AttachStdout", spec.attach_stdout));
    TRY_VOID(fields.read("AttachStderr", spec.attach_stderr));
    TRY_VOID(fields.read("Tty", spec.tty));
    TRY_VOID(fields.read("Privileged", spec.privileged));
    return fields.read("ConsoleSize", spec.console_size);
}

}  // namespace

Result<ExecSpec> parse_exec_create(std::string_view body) {
    simdjson::dom::parser parser;
    TRY(const object root, parse_object(parser, body, "ExecOptions"));
    const Fields fields(root, "ExecOptions");
    ExecSpec spec;
    TRY_VOID(read_spec(fields, spec));
    if (spec.cmd.empty()) return fail(ErrorKind::invalid, "No exec command specified");
    std::string keys;
    TRY_VOID(fields.read("DetachKeys", keys));
    if (!keys.empty()) {
        auto parsed = parse_detach_keys(keys);
        if (!parsed) return fail(ErrorKind::invalid, "Invalid escape keys (" + keys + ") provided");
        spec.detach_keys = std::move(*parsed);
    }
    for (const std::string& text : spec.cmd) {
        TRY_VOID(check_text(text, "command"));
    }
    for (const std::string& text : spec.env) {
        TRY_VOID(check_text(text, "environment variable"));
    }
    TRY_VOID(check_text(spec.user, "user"));
    TRY_VOID(check_text(spec.working_dir, "working directory"));
    return spec;
}

Result<ExecStart> parse_exec_start(std::string_view body) {
    simdjson::dom::parser parser;
    TRY(const object root, parse_object(parser, body, "ExecStartOptions"));
    const Fields fields(root, "ExecStartOptions");
    ExecStart start;
    TRY_VOID(fields.read("Detach", start.detach));
    TRY_VOID(fields.read("Tty", start.tty));
    TRY_VOID(fields.read("ConsoleSize", start.console_size));
    return start;
}

// What inspect shows and what an attached client or a resize needs; the process has the rest.
std::string exec_note_text(std::string_view container, const ExecSpec& spec) {
    json::Writer w;
    w.begin_object().field("Container", container).field("Cmd", spec.cmd).field("User", spec.user);
    w.field("WorkingDir", spec.working_dir).field("Keys", spec.detach_keys).field("Tty", spec.tty);
    w.field("AttachStdin", spec.attach_stdin).field("AttachStdout", spec.attach_stdout);
    w.field("AttachStderr", spec.attach_stderr).field("Privileged", spec.privileged);
    return w.end_object().take();
}

Result<ExecNote> parse_exec_note(std::string_view text) {
    simdjson::dom::parser parser;
    TRY(const object root, parse_object(parser, text, "ExecNote"));
    const Fields fields(root, "ExecNote");
    ExecNote note;
    TRY_VOID(fields.read("Container", note.container));
    TRY_VOID(read_spec(fields, note.spec));
    TRY_VOID(fields.read("Keys", note.spec.detach_keys));
    if (note.container.empty() || note.spec.cmd.empty()) return fail(ErrorKind::invalid, "the note is incomplete");
    return note;
}

}  // namespace engine::runtime
