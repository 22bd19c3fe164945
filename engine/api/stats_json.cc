#include "engine/api/stats_json.h"

#include <algorithm>

#include "engine/api/host_facts.h"
#include "engine/reactor/json_writer.h"
#include "engine/runtime/container.h"
#include "engine/runtime/go_time.h"

namespace engine::api {
namespace {

using runtime::CgroupStats;
using runtime::InterfaceCounts;
using runtime::IoCount;
using runtime::StatsSample;

constexpr ApiVersion networks_since{1, 21};   // before: one object, all interfaces added up

// Go's `omitempty`.
void field_unless_zero(json::Writer& w, std::string_view name, std::uint64_t value) {
    if (value != 0) w.field(name, value);
}

void write_cpu(json::Writer& w, std::string_view name, const StatsSample& sample) {
    const CgroupStats::Cpu& cpu = sample.groups.cpu;
    w.key(name).begin_object().key("cpu_usage").begin_object().field("total_usage", cpu.total);
    if (!cpu.each.empty()) {
        w.key("percpu_usage").begin_array();
        for (const std::uint64_t one : cpu.each) w.number(one);
        w.end_array();
    }
    w.field("usage_in_kernelmode", cpu.kernel).field("usage_in_usermode", cpu.user).end_object();
    field_unless_zero(w, "system_cpu_usage", sample.host.total);
    field_unless_zero(w, "online_cpus", sample.host.online);
    w.key("throttling_data").begin_object().field("periods", cpu.periods);
    w.field("throttled_periods", cpu.throttled_periods).field("throttled_time", cpu.throttled_time);
    w.end_object().end_object();
}

void write_memory(json::Writer& w, const CgroupStats::Memory& memory) {
    w.key("memory_stats").begin_object();
    field_unless_zero(w, "usage", memory.usage);
    field_unless_zero(w, "max_usage", memory.usage_most);
    if (!memory.counts.empty()) {
        w.key("stats").begin_object();
        for (const auto& [name, value] : memory.counts) w.field(name, value);
        w.end_object();
    }
    field_unless_zero(w, "failcnt", memory.failures);
    // No limit is the machine's.
    field_unless_zero(w, "limit", std::min(memory.limit, static_cast<std::uint64_t>(memory_total())));
    w.end_object();
}

void write_io_counts(json::Writer& w, std::string_view name, const std::vector<IoCount>& counts, bool known) {
    w.key(name);
    if (!known) {
        w.null();
        return;
    }
    w.begin_array();
    for (const IoCount& one : counts) {
        w.begin_object().field("major", one.major).field("minor", one.minor);
        w.field("op", one.operation).field("value", one.value).end_object();
    }
    w.end_array();
}

// Version 1 knows all eight lists, filled or not; of version 2 there are the bytes alone.
void write_io(json::Writer& w, const StatsSample& sample) {
    const bool v1 = sample.running && !sample.groups.v2;
    w.key("blkio_stats").begin_object();
    write_io_counts(w, "io_service_bytes_recursive", sample.groups.io_bytes, v1 || !sample.groups.io_bytes.empty());
    write_io_counts(w, "io_serviced_recursive", sample.groups.io_operations, v1);
    for (const char* name : {"io_queue_recursive", "io_service_time_recursive", "io_wait_time_recursive",
                             "io_merged_recursive", "io_time_recursive", "sectors_recursive"})
        write_io_counts(w, name, {}, v1);
    w.end_object();
}

void write_interface(json::Writer& w, const InterfaceCounts& one) {
    w.begin_object().field("rx_bytes", one.rx_bytes).field("rx_packets", one.rx_packets);
    w.field("rx_errors", one.rx_errors).field("rx_dropped", one.rx_dropped);
    w.field("tx_bytes", one.tx_bytes).field("tx_packets", one.tx_packets);
    w.field("tx_errors", one.tx_errors).field("tx_dropped", one.tx_dropped).end_object();
}

void write_networks(json::Writer& w, const std::vector<InterfaceCounts>& interfaces, ApiVersion version) {
    if (version >= networks_since) {
        if (interfaces.empty()) return;
        w.key("networks").begin_object();
        for (const InterfaceCounts& one : interfaces) {
            w.key(one.name);
            write_interface(w, one);
        }
        w.end_object();
        return;
    }
    InterfaceCounts sum;
    for (const InterfaceCounts& one : interfaces) {
        sum.rx_bytes += one.rx_bytes, sum.rx_packets += one.rx_packets;
        sum.rx_errors += one.rx_errors, sum.rx_dropped += one.rx_dropped;
        sum.tx_bytes += one.tx_bytes, sum.tx_packets += one.tx_packets;
        sum.tx_errors += one.tx_errors, sum.tx_dropped += one.tx_dropped;
    }
    w.key("network");
    write_interface(w, sum);
}

}  // namespace

std::string stats_json(const runtime::Container& container, const StatsSample& sample, const StatsSample* before,
                       ApiVersion version) {
    static const StatsSample none;
    const StatsSample& previous = before != nullptr ? *before : none;
    json::Writer w;
    w.begin_object().field("name", "/" + container.name).field("id", container.id);
    w.field("read", runtime::rfc3339_nano(sample.read)).field("preread", runtime::rfc3339_nano(previous.read));
    w.key("pids_stats").begin_object();
    field_unless_zero(w, "current", sample.groups.pids);
    field_unless_zero(w, "limit", sample.groups.pids_limit);
    w.end_object();
    write_io(w, sample);
    // Of Windows; always there.
    w.field("num_procs", 0).key("storage_stats").begin_object().end_object();
    write_cpu(w, "cpu_stats", sample);
    write_cpu(w, "precpu_stats", previous);
    write_memory(w, sample.groups.memory);
    write_networks(w, sample.interfaces, version);
    return w.end_object().take() + "\n";
}

}  // namespace engine::api
