// What AMD writes into the certificates of keys that sign reports: VCEKs, of one chip, and VLEKs, of a cloud's key
// service (Versioned Chip Endorsement Key Certificate and KDS Interface Specification, 3.1 and 3.2).
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>

#include "attest/snp/product.h"
#include "attest/x509/certificate.h"
#include "base/bytes.h"
#include "base/result.h"

namespace coffer::attest::snp {

struct Vek {
  bool of_cloud = false;     // a VLEK
  std::string product_name;  // "Milan-B0"
  std::optional<Product> product;
  TcbVersion tcb;
  ByteView chip_id;   // of a VCEK: 64 bytes, 8 on Turin; points into the certificate
  std::string cloud;  // of a VLEK: the CSP's identifier
};

// kInput where an extension that must be there is missing or not of its form.
[[nodiscard]] Result<Vek> read_vek(const x509::Certificate& certificate);

}  // namespace coffer::attest::snp
