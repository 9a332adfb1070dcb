// The untrusted side of Coffer: load an enclave image, run it, call into it, destroy it.
//
// Thread-safety: an Enclave may be used from any thread; call() from many at once, up to the enclave's threads.
// Nothing here is trusted by the enclave, and nothing that the enclave keeps secret passes through here unencrypted.
#pragma once

#include <coffer/result.h>

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

struct coffer_edge_ocall_table;  // <coffer/edge.h>

namespace coffer {

enum class RungKind {
  kInline,   // the software processor in this process; DEBUG images only; protects nothing
  kProcess,  // the software processor in a process of its own, the cell
  kSgx,      // SGX hardware, through Linux's /dev/sgx_enclave and its vDSO
};

// What a launch takes whose caller leaves the rung open, as those of SDKs do: kInline for debugging, else kProcess; the
// environment variable COFFER_RUNG (inline, process, sgx) goes before. An error where that says something else.
[[nodiscard]] Result<RungKind> rung_for_launch(bool debug);

struct Mount {
  std::filesystem::path host;                    // a directory of the host
  std::string enclave;                           // where it appears inside; must be declared in the image's coffer.toml
  std::optional<std::array<std::byte, 32>> key;  // encrypted mounts with key_policy "given"
};

struct LoadOptions {
  RungKind rung = RungKind::kProcess;
  // Bytes of protected memory that the enclave uses at once; what it has beyond that is paged out, encrypted. 0: room
  // for everything. Not for kSgx, where the operating system shares the machine's out.
  std::uint64_t epc_size = 0;
  // CONFIGID and CONFIGSVN: what the enclave is told of its configuration. Not measured, but in its reports, and in the
  // keys of what it seals to its configuration. For images with key separation (KSS) only.
  std::array<std::byte, 64> config_id{};
  std::uint16_t config_svn = 0;
  // Launch as DEBUG an image that leaves this to the launch (images of sgx_sign and oesign do); one that is DEBUG
  // already is so in any case. Refused for images that do not.
  bool debug = false;
  // Patch ENCLU and system-call sites; without, CPUID traps as well (software rungs; the measurement does not change).
  bool fast_paths = true;
  // Bytes for calls and shared memory; taken from the machine as they are used.
  std::uint64_t shared_memory = std::uint64_t{32} << 20;
};

// What of the image's network this host permits. Patterns as in coffer.toml: "tcp:127.0.0.1:8080".
struct NetworkLimits {
  std::vector<std::string> bind, connect;
};

// A report (SGX REPORT) that the enclave kernel makes for another enclave, mostly one that makes quotes of reports.
struct AttestationRequest {
  std::array<std::byte, 512> target{};  // TARGETINFO
  // With data: a report on them, and the program is not run. kRefused where the image does not leave its report data to
  // the host (coffer.toml: report_data). Without: the program is run, and at its exit there is a report on the SHA-256
  // of what it wrote to standard output (docs/attestation/quotes.md).
  std::optional<std::array<std::byte, 64>> data{};  // NOLINT(readability-redundant-member-init)
};

struct RunOptions {
  std::vector<std::string> arguments;    // argv[1..]; argv[0] is the image's name
  std::vector<std::string> environment;  // "NAME=value"; only what the image allows gets in
  std::vector<Mount> mounts;
  std::optional<NetworkLimits> network;                             // nothing: all that the image declares
  int standard_input = 0, standard_output = 1, standard_error = 2;  // descriptors of this process, not closed
  std::string name;                                                 // in `coffer ps`; empty: the image's program name
  std::string id;         // twelve hexadecimal digits, unlike any other; empty: random ones
  bool listed = true;     // in `coffer ps`, with a socket that answers for this process's enclaves
  bool detached = false;  // its output is kept: `coffer logs`
  std::optional<AttestationRequest> attestation{};  // NOLINT(readability-redundant-member-init)
};

struct ExitStatus {
  int code = 0;        // exit status of the program
  int signal = 0;      // or the signal it died of
  std::string detail;  // for signals: where (enclave-relative address), for people
  std::string report;  // for faults: the crash report that was written, a path; empty where none could be
  // With RunOptions::attestation: the REPORT, 432 bytes; empty where there is none: the program died of a signal, or
  // wrote to the last.
  std::vector<std::byte> attestation{};  // NOLINT(readability-redundant-member-init)
  bool attestation_refused = false;      // the image does not leave its report data to the host
};

// The result of call(): what the function wrote, and its status.
struct CallResult {
  std::int64_t status = 0;
  std::size_t written = 0;  // bytes of `output` that are valid
};

// Workers that look for calls in shared memory, so that neither side has to be entered or left. A worker that finds
// nothing for a while sleeps until calls are frequent again; calls that find no worker go the usual way.
struct Switchless {
  static constexpr std::uint32_t kAutomatic = ~std::uint32_t{0};  // as many as there are CPUs to spare, at most 4
  std::uint32_t host_workers = kAutomatic;                        // threads of this process, for OCALLs
  std::uint32_t enclave_workers = kAutomatic;                     // for ECALLs; each takes a thread of the enclave too
  std::uint32_t looks = 20000;                                    // without a call, after which a worker sleeps
};

// An OCALL: what the enclave asks of its host. Both spans stand in memory that the enclave can change at any time: what
// is checked is to be copied first.
struct HostCall {
  std::uint64_t index = 0;
  std::span<const std::byte> input;
  std::span<std::byte> output;
};
// Gives the status and how much of `output` was written. What it throws comes out of the call() that it is made in,
// once that is over; the enclave gets status -125 (ECANCELED).
using HostCallHandler = std::function<CallResult(const HostCall&)>;

class Enclave {
 public:
  // Builds the enclave: measures, checks the signature, starts the cell. Refused: signature or measurement wrong.
  [[nodiscard]] static Result<Enclave> load(const std::filesystem::path& image, const LoadOptions& options = {});

  Enclave(Enclave&&) noexcept;
  Enclave& operator=(Enclave&&) noexcept;
  ~Enclave();  // destroys the enclave: kills the cell, waits for its threads

  // Runs the program's main() to its end on the calling thread. Once per enclave.
  [[nodiscard]] Result<ExitStatus> run(const RunOptions& options);

  // Starts the program on a thread of its own and returns; wait() gives what run() would. Used for programs that serve
  // calls (coffer::serve inside).
  [[nodiscard]] Result<void> start(const RunOptions& options);
  [[nodiscard]] Result<ExitStatus> wait();

  // Until a thread inside waits for a call. kLost: the program ended before, and how.
  [[nodiscard]] Result<void> wait_until_serving();
  // How the program ended, once it has, by itself or by a fault: nothing while it runs, and after destroy().
  [[nodiscard]] std::optional<ExitStatus> exit_status() const;

  // Who answers the enclave's OCALLs: on the thread that made the ECALL, or on one of the enclave's own where the
  // program inside makes them from a thread that it started. Before start(); without, OCALLs get status -38 (ENOSYS).
  void serve_host_calls(HostCallHandler handler);

  // An ECALL: runs function `index` of the served table inside, on any thread of the enclave that waits for calls
  // (waiting for one to become free). Input is copied in, output copied out, both through shared memory; spans that
  // stand in shared memory are used in place, and must not overlap. In a HostCallHandler it is a nested call, which the
  // enclave's thread that waits for the handler serves.
  [[nodiscard]] Result<CallResult> call(std::uint64_t index, std::span<const std::byte> input,
                                        std::span<std::byte> output);

  // Once the enclave serves calls, once. For programs that serve by coffer::calls::serve().
  [[nodiscard]] Result<void> use_switchless(const Switchless& workers);
  // call(), by a worker where one looks.
  [[nodiscard]] Result<CallResult> call_switchless(std::uint64_t index, std::span<const std::byte> input,
                                                   std::span<std::byte> output);

  // Memory that the enclave reaches too, aligned to 16; nullptr where there is none left. On kInline it is malloc()'s,
  // and the enclave reaches all memory of the process.
  [[nodiscard]] void* allocate_shared(std::size_t size);
  void release_shared(void* memory);
  [[nodiscard]] bool is_shared(const void* memory, std::size_t size) const;

  // Raises a signal in the program: SIGHUP, SIGINT, SIGQUIT, SIGUSR1, SIGUSR2, SIGTERM, SIGCONT or SIGWINCH, which are
  // all that the enclave lets a host raise. False where the program does not run, or has not asked for signals yet (by
  // a handler, by ignoring or blocking one of these): what becomes of the signal is the caller's affair then.
  [[nodiscard]] bool raise(int signal);

  // Spin this long for an answer before sleeping; 0 sleeps at once. Applies to both sides of the boundary.
  void set_spin(std::chrono::nanoseconds spin);

  // One line for each protection that this machine lacks, empty where all are in force.
  [[nodiscard]] std::vector<std::string> missing_protections() const;

  // Once started: what `coffer ps` calls it. An error says why it is not listed.
  [[nodiscard]] Result<std::string> id() const;

  // Once started, and after its end too: one JSON object with what `coffer ps --json` shows of it, its counters among
  // that. After the end what only the cell knew (`epc`) is 0.
  [[nodiscard]] Result<std::string> status() const;

  // Of generated code: the functions that its OCALLs go to from now on. `table` must stay.
  void use_edge(const coffer_edge_ocall_table& table);

  // Ends the enclave at once from any thread; run(), wait() and call() return ErrorKind::kLost.
  void destroy();

 private:
  struct State;
  explicit Enclave(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace coffer
