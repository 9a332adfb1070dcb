// What passes between a service's host and its enclave, as data. Little-endian, as everything on this machine is.
//
// ECALLs carry the bytes of connections inwards and back; OCALLs fetch and store blobs. Nothing here is believed by the
// enclave: connections are numbers that the host gives, and whatever it says with them is a claim.
#pragma once

#include <cstddef>
#include <cstdint>

namespace coffer::service {

// ECALLs. The status is 0, or one of the refusals below.
enum class Order : std::uint64_t {
  kConfigure =
      1,         // in: JSON (docs/design/service.md); out: JSON, what clients need (certificates, a development token)
  kDeliver = 2,  // in: DeliverHeader and bytes; out: DeliverAnswer and bytes
  kDisconnect = 3,  // in: DeliverHeader; the other side has gone
  kTick = 4,        // out: TickAnswer, connections to be closed, and log lines
  kDrain = 5,       // no new request is accepted; those that run are finished
};

// OCALLs.
enum class HostRequest : std::uint64_t {
  kBlobGet = 1,    // in: name; out: the blob. Status: its size, which may be larger than the room; kNoBlob
  kBlobApply = 2,  // in: a batch (blob_batch.h): all of it or nothing, on the disk when it returns. Status 0
  kFile = 3,       // in: name of a file of the configured folder ("index": the names of all); out: its bytes
};

inline constexpr std::int64_t kNotConfigured = -1, kRefused = -2, kNoRoom = -3, kFailed = -4;
inline constexpr std::int64_t kNoBlob = -2;

struct DeliverHeader {
  std::uint64_t connection = 0;  // never used again after kDisconnect or kClose
  std::uint32_t flags = 0;       // kNew, kEnd
  std::uint32_t reserved = 0;
  // The other side's address, for limits and logs: the host's word. IPv4 as ::ffff:a.b.c.d.
  std::uint8_t peer[16] = {};
};
inline constexpr std::uint32_t kNew = 1;  // the first delivery of this connection
inline constexpr std::uint32_t kEnd = 2;  // the other side has sent all it will

struct DeliverAnswer {
  std::uint32_t flags = 0;  // kClose, kMore
  std::uint32_t size = 0;   // bytes that follow
};
inline constexpr std::uint32_t kClose = 1;  // close the connection once the bytes are sent
inline constexpr std::uint32_t kMore = 2;   // there is more: deliver again, without bytes, once these are sent

struct TickAnswer {
  std::uint32_t closing = 0;    // numbers of 64 bits that follow
  std::uint32_t log_bytes = 0;  // of text after those: whole lines
  std::uint32_t open = 0;       // connections that the enclave holds
  std::uint32_t busy = 0;       // of these, with a request that is not finished
};

// Bytes of one delivery, either way, at most. The enclave takes no more at once; the host gives no more room.
inline constexpr std::size_t kMostBytes = std::size_t{64} << 10;

}  // namespace coffer::service
