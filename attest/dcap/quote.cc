#include "attest/dcap/quote.h"

#include <algorithm>
#include <optional>
#include <string>

namespace coffer::attest::dcap {

namespace {

constexpr std::uint16_t kQeReportCertification = 6;

std::uint16_t u16(ByteView bytes) {
  return static_cast<std::uint16_t>(std::to_integer<unsigned>(bytes[0]) | std::to_integer<unsigned>(bytes[1]) << 8U);
}
std::uint32_t u32(ByteView bytes) { return u16(bytes) | static_cast<std::uint32_t>(u16(bytes.subspan(2))) << 16U; }

bool all_zero(ByteView bytes) {
  return std::ranges::all_of(bytes, [](std::byte byte) { return byte == std::byte{0}; });
}

// Takes fields off the front; the first that does not fit makes it fail for good, with the name of that field.
class Fields {
 public:
  Fields(ByteView bytes, std::size_t base) : bytes_(bytes), base_(base) {}

  ByteView take(std::size_t size, std::string_view name) {
    if (!failed_.empty()) return {};
    if (size > bytes_.size() - at_) {
      failed_ = "the " + std::string(name) + " is cut off: " + std::to_string(size) + " bytes at byte " +
                std::to_string(base_ + at_) + ", and " + std::to_string(bytes_.size() - at_) + " are there";
      return {};
    }
    const ByteView taken = bytes_.subspan(at_, size);
    at_ += size;
    return taken;
  }
  std::uint16_t take_u16(std::string_view name) {
    const ByteView taken = take(2, name);
    return taken.empty() ? std::uint16_t{0} : u16(taken);
  }
  std::uint32_t take_u32(std::string_view name) {
    const ByteView taken = take(4, name);
    return taken.empty() ? 0 : u32(taken);
  }
  [[nodiscard]] bool failed() const { return !failed_.empty(); }
  [[nodiscard]] const std::string& failure() const { return failed_; }
  [[nodiscard]] std::size_t position() const { return base_ + at_; }
  [[nodiscard]] ByteView rest() const { return bytes_.subspan(at_); }

 private:
  ByteView bytes_;
  std::size_t base_;
  std::size_t at_ = 0;
  std::string failed_;
};

std::unexpected<Error> malformed(const std::string& why) { return input_error("quote: " + why); }

TdReport parse_td_report(ByteView body) {
  Fields fields(body, 0);
  TdReport td;
  td.tee_tcb_svn = fields.take(16, "TEE_TCB_SVN");
  td.mrseam = fields.take(48, "MRSEAM");
  td.mrsignerseam = fields.take(48, "MRSIGNERSEAM");
  td.seam_attributes = fields.take(8, "SEAMATTRIBUTES");
  td.td_attributes = fields.take(8, "TDATTRIBUTES");
  td.xfam = fields.take(8, "XFAM");
  td.mrtd = fields.take(48, "MRTD");
  td.mrconfigid = fields.take(48, "MRCONFIGID");
  td.mrowner = fields.take(48, "MROWNER");
  td.mrownerconfig = fields.take(48, "MROWNERCONFIG");
  for (ByteView& rtmr : td.rtmr) rtmr = fields.take(48, "RTMR");
  td.report_data = fields.take(64, "REPORTDATA");
  if (body.size() >= kTdReport15Size) {
    td.tee_tcb_svn2 = fields.take(16, "TEE_TCB_SVN_2");
    td.mr_service_td = fields.take(48, "MRSERVICETD");
    td.extension = fields.rest();
  }
  return td;
}

// The body's type and size: written in version 5, implied by the TEE before.
Result<std::size_t> read_body_type(Fields& fields, Quote& quote) {
  if (quote.version < 5) {
    quote.body_type = quote.tee == kTeeTdx ? BodyType::kTd10 : BodyType::kSgx;
    return quote.tee == kTeeTdx ? kTdReport10Size : kSgxReportSize;
  }
  const std::uint16_t type = fields.take_u16("body's type");
  const std::uint32_t size = fields.take_u32("body's size");
  if (fields.failed()) return malformed(fields.failure());
  if (type < 1 || type > 4) {
    return malformed("bodies of type " + std::to_string(type) +
                     " are not known; 1 to 4 are (SGX, TD 1.0, TD 1.5, TD 1.5 extended)");
  }
  quote.body_type = static_cast<BodyType>(type);
  if ((quote.body_type == BodyType::kSgx) != (quote.tee == kTeeSgx)) {
    return malformed("a body of type " + std::to_string(type) + " is not of the TEE that the header names");
  }
  constexpr std::array kSizes{kSgxReportSize, kTdReport10Size, kTdReport15Size, kTdReport15ExtendedSize};
  const std::size_t wanted = kSizes.at(type - 1U);
  if (size != wanted) {
    return malformed("a body of type " + std::to_string(type) + " has " + std::to_string(wanted) + " bytes, not " +
                     std::to_string(size));
  }
  return wanted;
}

// QE report, its signature, QE authentication data and certification data: they follow each other in all versions.
void read_qe(Fields& fields, Quote& quote) {
  const ByteView report = fields.take(kSgxReportSize, "QE report");
  quote.qe_report_signature = fields.take(64, "QE report's signature");
  quote.qe_authentication_data =
      fields.take(fields.take_u16("size of the QE authentication data"), "QE authentication data");
  quote.certification_type = fields.take_u16("type of the certification data");
  quote.certification_data = fields.take(fields.take_u32("size of the certification data"), "certification data");
  if (!fields.failed()) quote.qe_report = parse_sgx_report(report);
}

Result<void> read_signature_data(ByteView data, std::size_t base, Quote& quote) {
  Fields fields(data, base);
  quote.signature = fields.take(64, "signature");
  quote.attestation_key = fields.take(64, "attestation key");
  if (quote.version == 3) {
    read_qe(fields, quote);
  } else {
    const std::uint16_t type = fields.take_u16("type of the certification data");
    const ByteView nested = fields.take(fields.take_u32("size of the certification data"), "certification data");
    if (fields.failed()) return malformed(fields.failure());
    if (type != kQeReportCertification) {
      return malformed("certification data of type " + std::to_string(type) +
                       " in a quote of version 4 or 5, which have type 6 (the QE report)");
    }
    Fields inner(nested, fields.position() - nested.size());
    read_qe(inner, quote);
    if (inner.failed()) return malformed(inner.failure());
    if (!inner.rest().empty()) {
      return malformed("something follows the QE's certification data at byte " + std::to_string(inner.position()));
    }
  }
  if (fields.failed()) return malformed(fields.failure());
  if (quote.certification_type < 1 || quote.certification_type > 5) {
    return malformed("certification data of type " + std::to_string(quote.certification_type) + " (" +
                     std::string(certification_name(quote.certification_type)) + ") where 1 to 5 are possible");
  }
  if (!all_zero(fields.rest())) {
    return malformed("something follows the certification data at byte " + std::to_string(fields.position()));
  }
  return {};
}

}  // namespace

ByteView intel_vendor_id() {
  static constexpr std::array<std::uint8_t, 16> kId{0x93, 0x9a, 0x72, 0x33, 0xf7, 0x9c, 0x4c, 0xa9,
                                                    0x94, 0x0a, 0x0d, 0xb3, 0x95, 0x7f, 0x06, 0x07};
  return std::as_bytes(std::span(kId));
}

std::string_view certification_name(std::uint16_t type) {
  constexpr std::array<std::string_view, 8> kNames{"nothing that is known",
                                                   "a PPID in the clear",
                                                   "a PPID encrypted with RSA-2048",
                                                   "a PPID encrypted with RSA-3072",
                                                   "a PCK certificate without its chain",
                                                   "a PCK certificate chain",
                                                   "a QE report with its certification data",
                                                   "a platform manifest"};
  return type < kNames.size() ? kNames.at(type) : kNames.front();
}

SgxReport parse_sgx_report(ByteView body) {
  return {.whole = body,
          .cpusvn = body.first(16),
          .miscselect = u32(body.subspan(16, 4)),
          .attributes = body.subspan(48, 16),
          .mrenclave = body.subspan(64, 32),
          .mrsigner = body.subspan(128, 32),
          .isv_prod_id = u16(body.subspan(256, 2)),
          .isv_svn = u16(body.subspan(258, 2)),
          .report_data = body.subspan(320, 64)};
}

namespace {

// Up to the signature data; leaves the fields before its size.
Result<Quote> read_signed_part(ByteView bytes, Fields& fields) {
  Quote quote;
  quote.version = fields.take_u16("version");
  quote.attestation_key_type = fields.take_u16("type of the attestation key");
  quote.tee = fields.take_u32("type of the TEE");
  (void)fields.take(4, "header");  // version 3: SVNs of QE and PCE, for people; reserved later
  quote.vendor_id = fields.take(16, "QE vendor id");
  quote.user_data = fields.take(20, "user data");
  if (fields.failed()) return malformed(fields.failure());
  if (quote.version < 3 || quote.version > 5) {
    return malformed("version " + std::to_string(quote.version) + " is not known; 3, 4 and 5 are");
  }
  if (quote.attestation_key_type != kEcdsaP256) {
    return malformed("attestation keys of type " + std::to_string(quote.attestation_key_type) +
                     " are not known; 2 is (ECDSA P-256)");
  }
  if (quote.tee != kTeeSgx && (quote.tee != kTeeTdx || quote.version == 3)) {
    return malformed("the TEE of type " + std::to_string(quote.tee) + " is not one of a quote of version " +
                     std::to_string(quote.version));
  }
  const Result<std::size_t> size = read_body_type(fields, quote);
  if (!size) return std::unexpected(size.error());
  const ByteView body = fields.take(*size, "body");
  if (fields.failed()) return malformed(fields.failure());
  if (quote.tee == kTeeSgx) {
    quote.sgx = parse_sgx_report(body);
  } else {
    quote.td = parse_td_report(body);
  }
  quote.signed_part = bytes.first(fields.position());
  return quote;
}

}  // namespace

Result<std::size_t> quote_size(ByteView bytes) {
  Fields fields(bytes, 0);
  if (const auto quote = read_signed_part(bytes, fields); !quote) return std::unexpected(quote.error());
  (void)fields.take(fields.take_u32("size of the signature data"), "signature data");
  if (fields.failed()) return malformed(fields.failure());
  return fields.position();
}

Result<Quote> parse_quote(ByteView bytes) {
  Fields fields(bytes, 0);
  Result<Quote> quote = read_signed_part(bytes, fields);
  if (!quote) return quote;
  const std::uint32_t length = fields.take_u32("size of the signature data");
  const std::size_t base = fields.position();
  const ByteView data = fields.take(length, "signature data");
  if (fields.failed()) return malformed(fields.failure());
  if (!all_zero(fields.rest())) {
    return malformed("something other than padding follows it at byte " + std::to_string(fields.position()));
  }
  if (auto read = read_signature_data(data, base, *quote); !read) return std::unexpected(read.error());
  return quote;
}

Tee tee_of(const Quote& quote) { return quote.tee == kTeeTdx ? Tee::kTdx : Tee::kSgx; }

namespace {

void add_sgx(const SgxReport& report, Claims& claims) {
  claims.set_hex("cpusvn", report.cpusvn);
  claims.set("miscselect", report.miscselect);
  claims.set_hex("attributes", report.attributes);
  claims.set("debug", report.debug());
  claims.set_hex("mrenclave", report.mrenclave);
  claims.set_hex("mrsigner", report.mrsigner);
  claims.set("isv_prod_id", int{report.isv_prod_id});
  claims.set("isv_svn", int{report.isv_svn});
  claims.set_hex("report_data", report.report_data);
}

void add_td(const TdReport& td, Claims& claims) {
  claims.set_hex("tee_tcb_svn", td.tee_tcb_svn);
  claims.set_hex("mrseam", td.mrseam);
  claims.set_hex("mrsignerseam", td.mrsignerseam);
  claims.set_hex("seam_attributes", td.seam_attributes);
  claims.set_hex("td_attributes", td.td_attributes);
  claims.set("debug", td.debug());
  claims.set("sept_ve_disable", td.sept_ve_disable());
  claims.set_hex("xfam", td.xfam);
  claims.set_hex("mrtd", td.mrtd);
  claims.set_hex("mrconfigid", td.mrconfigid);
  claims.set_hex("mrowner", td.mrowner);
  claims.set_hex("mrownerconfig", td.mrownerconfig);
  ClaimValue::List rtmrs;
  for (const ByteView rtmr : td.rtmr) {
    Claims one;
    one.set_hex("rtmr", rtmr);
    rtmrs.push_back(*one.find("rtmr"));
  }
  claims.set("rtmr", std::move(rtmrs));
  claims.set_hex("report_data", td.report_data);
}

}  // namespace

Claims claims_of(const Quote& quote) {
  Claims claims;
  claims.set("quote_version", int{quote.version});
  claims.set("tee", name_of(tee_of(quote)));
  if (quote.tee == kTeeSgx) {
    add_sgx(quote.sgx, claims);
  } else {
    add_td(quote.td, claims);
  }
  if (quote.version >= 5) claims.set("body_type", static_cast<int>(quote.body_type));
  if (!quote.td.tee_tcb_svn2.empty()) {
    claims.set_hex("tee_tcb_svn2", quote.td.tee_tcb_svn2);
    claims.set_hex("mr_service_td", quote.td.mr_service_td);
  }
  if (!quote.td.extension.empty()) claims.set_hex("td_extension", quote.td.extension);
  return claims;
}

}  // namespace coffer::attest::dcap
