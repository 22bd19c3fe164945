// Blobs on their way to a registry. Blocking; in dockercd-registry only.
#pragma once

#include <string>

#include "engine/storage/registry_client.h"
#include "engine/storage/registry_job.h"

namespace engine::storage {

// Descriptor 0 becomes a blob of the job's repository: a file that is `job.digest`, or a stream whose digest is not
// known yet. The record that says its digest and size.
Result<std::string> upload(RegistryClient& client, const RegistryJob& job);
// One that fits in memory, unless the repository has it.
Result<void> put_small_blob(RegistryClient& client, const RegistryJob& job, const std::string& bytes);

}  // namespace engine::storage
