// What is asked of a registry without a transfer: distribution inspect, search, login.
#include <simdjson.h>

#include "engine/reactor/try.h"
#include "engine/storage/registry_answers.h"
#include "engine/storage/registry_process.h"
#include "engine/storage/registry_service.h"

namespace engine::storage {
namespace {

using simdjson::dom::array;
using simdjson::dom::element;

Result<std::vector<SearchResult>> parse_search_answer(std::string_view answer) {
    simdjson::dom::parser parser;
    element root;
    array results;
    if (parser.parse(answer.data(), answer.size()).get(root) != simdjson::SUCCESS ||
        root["results"].get(results) != simdjson::SUCCESS)
        return fail(ErrorKind::internal, "the answer of dockercd-registry is malformed");
    std::vector<SearchResult> out;
    for (element item : results) {
        SearchResult one;
        std::string_view text;
        if (item["name"].get(text) == simdjson::SUCCESS) one.name = text;
        if (item["description"].get(text) == simdjson::SUCCESS) one.description = text;
        if (item["star_count"].get(one.stars) != simdjson::SUCCESS) one.stars = 0;
        if (item["is_official"].get(one.official) != simdjson::SUCCESS) one.official = false;
        if (item["is_automated"].get(one.automated) != simdjson::SUCCESS) one.automated = false;
        out.push_back(std::move(one));
    }
    return out;
}

// "https://index.docker.io/v1/" -> docker.io; "localhost:5000", "https://host:5000/v2/" -> host[:port].
std::string domain_of_server(std::string_view address) {
    if (const size_t scheme = address.find("://"); scheme != std::string_view::npos) address.remove_prefix(scheme + 3);
    address = address.substr(0, address.find('/'));
    if (address.empty() || address == "index.docker.io" || address == "registry-1.docker.io") return "docker.io";
    return std::string(address);
}

}  // namespace

Task<std::string> RegistryService::inspect(Reference reference, Credentials credentials, reactor::StopToken stop) {
    const RegistryJob job = job_for(reference, credentials);
    CO_TRY(const std::string answer,
           co_await run_registry(options_.helper_path, "inspect", job, UniqueFd(), UniqueFd(), nullptr, stop));
    co_return parse_text_answer(answer, "answer");
}

// "term" is looked for on Docker Hub, "host/term" on that host.
Task<std::vector<SearchResult>> RegistryService::search(SearchRequest request, reactor::StopToken stop) {
    RegistryJob job;
    job.settings = options_.settings;
    job.credentials = request.credentials;
    job.domain = "docker.io";
    job.term = request.term;
    job.limit = request.limit;
    const size_t slash = request.term.find('/');
    const std::string head = request.term.substr(0, slash);
    if (slash != std::string::npos && (head.find_first_of(".:") != std::string::npos || head == "localhost")) {
        job.domain = head == "index.docker.io" ? "docker.io" : head;
        job.term = request.term.substr(slash + 1);
    }
    if (job.domain == "docker.io" && job.term.starts_with("library/")) job.term = job.term.substr(8);
    job.familiar_name = job.familiar = job.term;
    CO_TRY(const std::string answer,
           co_await run_registry(options_.helper_path, "search", job, UniqueFd(), UniqueFd(), nullptr, stop));
    co_return parse_search_answer(answer);
}

Task<std::string> RegistryService::login(Credentials credentials, reactor::StopToken stop) {
    RegistryJob job;
    job.settings = options_.settings;
    job.settings.mirrors.clear();
    job.domain = domain_of_server(credentials.server_address);
    job.credentials = std::move(credentials);
    job.familiar_name = job.familiar = job.domain;
    CO_TRY(const std::string answer,
           co_await run_registry(options_.helper_path, "login", job, UniqueFd(), UniqueFd(), nullptr, stop));
    co_return parse_text_answer(answer, "identity_token");
}

}  // namespace engine::storage
