// Sealing: secrets that only this enclave, or its signer's enclaves, can open, on this platform. Link Coffer::enclave.
//
// A sealed blob is AES-256-GCM under a key that EGETKEY derives for the enclave (docs/design/sealing.md has the
// format). It can be stored anywhere: whoever changes a bit, cuts it, or opens it in another enclave or on another
// platform is refused. What it does not tell is whether it is the newest: a monotonic counter
// (<coffer/monotonic_counter.h>) does.
//
// Functions may be called from any thread; a Sealer from many at once.
#pragma once

#include <coffer/enclave.h>
#include <coffer/outcome.h>
#include <coffer/secret_bytes.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <vector>

namespace coffer {

// Who can unseal. DEBUG always counts: what a debug enclave sealed no production enclave opens, nor the reverse.
struct SealTo {
  // kMrEnclave: this very program. kMrSigner: every program of this signer with this product id.
  SealPolicy policy = SealPolicy::kMrEnclave;

  // For images with key separation (KSS: a family or extended product id in coffer.toml); kInvalid in others.
  bool any_product = false;            // do not tie it to the product id
  bool same_family = false;            // tie it to the family id
  bool same_extended_product = false;  // ... to the extended product id
  bool same_configuration = false;     // ... to CONFIGID

  // The lowest security version that can unseal; absent: this enclave's own. Enclaves with a higher one can always
  // unseal; one with a lower one gets kDowngrade. Not above one's own (kInvalid). config_svn goes with
  // same_configuration; without it, it is 0 where absent.
  std::optional<std::uint16_t> svn, config_svn;
};

// Data that is authenticated with the secret and not encrypted.
struct SealedAlong {
  std::span<const std::byte> readable;  // stands in the blob, for everybody to read
  std::span<const std::byte> bound;     // stands nowhere: whoever unseals has to give the same bytes again
};

// The key is fresh for each blob. Empty secrets are fine.
//
//   const auto blob = coffer::seal(std::as_bytes(std::span(password)));
//   if (blob) write_file("password.sealed", *blob);
[[nodiscard]] Outcome<std::vector<std::byte>> seal(std::span<const std::byte> secret, const SealTo& to = {},
                                                   const SealedAlong& along = {});

struct Unsealed {
  SecretBytes secret;
  std::vector<std::byte> readable;  // authenticated
};
// kMalformed: no blob. kRefused: changed, bound to other data, or not for this enclave or platform. kDowngrade: for
// a higher security version.
//
//   const auto opened = coffer::unseal(read_file("password.sealed"));
//   if (!opened) return fail(coffer::describe(opened.error()));
//   log_in(opened->secret.text());
[[nodiscard]] Outcome<Unsealed> unseal(std::span<const std::byte> blob, std::span<const std::byte> bound = {});

// What a blob or stream says about itself. Nothing of it is authenticated before unsealing succeeds.
struct SealedInfo {
  bool stream = false;
  SealTo to;  // with svn and config_svn set
  std::array<std::byte, 16> cpu_svn{};
  std::array<std::byte, 32> key_id{};
  std::span<const std::byte> readable;  // into the bytes that were given
  std::uint64_t secret_size = 0;        // bytes; of a stream: of one block
};
// Of a stream, its start is enough: kSealedStreamHeader bytes and the readable data.
[[nodiscard]] Outcome<SealedInfo> inspect_sealed(std::span<const std::byte> blob);

// Seals and unseals under one key of EGETKEY, held for as long as the object lives and wiped at its end. Each blob
// still has an AES key of its own. Worth it for many small blobs, since EGETKEY is the dear part of sealing; the price
// is that whoever reads this enclave's memory meanwhile, through a mistake of its program, can read all of the Sealer's
// blobs.
//
//   auto sealer = coffer::Sealer::create({.policy = coffer::SealPolicy::kMrSigner});
//   for (const Row& row : rows) store(*sealer->seal(row.bytes()));
class Sealer {
 public:
  [[nodiscard]] static Outcome<Sealer> create(const SealTo& to = {});
  Sealer(Sealer&&) noexcept;
  Sealer& operator=(Sealer&&) noexcept;
  ~Sealer();

  [[nodiscard]] Outcome<std::vector<std::byte>> seal(std::span<const std::byte> secret,
                                                     const SealedAlong& along = {}) const;
  // Any blob that unseal() opens; this Sealer's own without EGETKEY.
  [[nodiscard]] Outcome<Unsealed> unseal(std::span<const std::byte> blob, std::span<const std::byte> bound = {}) const;

 private:
  struct State;
  explicit Sealer(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

// --- Streams: any size in constant memory, in blocks of 64 KiB, each authenticated in its place; an end that is
// missing is noticed.

inline constexpr std::size_t kSealedStreamHeader = 112;

// Fills the span as far as there is data and returns how many bytes it has; fewer than it could hold only at the end.
using StreamSource = std::function<Outcome<std::size_t>(std::span<std::byte>)>;
// Takes all of the span, or says why not.
using StreamSink = std::function<Outcome<void>(std::span<const std::byte>)>;

//   coffer::seal_stream(read_from(in), write_to(out), {.policy = coffer::SealPolicy::kMrSigner});
[[nodiscard]] Outcome<void> seal_stream(const StreamSource& source, const StreamSink& sink, const SealTo& to = {},
                                        const SealedAlong& along = {});

// The readable data. `sink` gets each block once it is authenticated, but whether it was all is known only at the end:
// on an error, throw away what it got.
[[nodiscard]] Outcome<std::vector<std::byte>> unseal_stream(const StreamSource& source, const StreamSink& sink,
                                                            std::span<const std::byte> bound = {});

}  // namespace coffer
