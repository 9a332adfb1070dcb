#include "compat/sgxsdk/tools/dump.h"

#include <fmt/format.h>

#include <span>

#include "sgx/sigstruct.h"

namespace coffer::sgxsdk {
namespace {

void add_bytes(std::string& text, std::string_view label, std::span<const std::uint8_t> bytes) {
  constexpr std::size_t kPerLine = 16;
  text += fmt::format("{}:\n", label);
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    text += fmt::format("0x{:02x}{}", bytes[i], (i + 1) % kPerLine == 0 || i + 1 == bytes.size() ? "\n" : " ");
  }
}

}  // namespace

std::string dump_text(const sgx::Sigstruct& s) {
  std::string text = "-----------------------------SIGSTRUCT-------------------------------\n";
  add_bytes(text, "metadata->enclave_css.header.header", s.header);
  text += fmt::format("metadata->enclave_css.header.module_vendor: {:#x}\n", s.vendor);
  text += fmt::format("metadata->enclave_css.header.date: {:#x}\n", s.date);
  add_bytes(text, "metadata->enclave_css.header.header2", s.header2);
  text += fmt::format("metadata->enclave_css.header.hw_version: {:#x}\n", s.software_defined);
  add_bytes(text, "metadata->enclave_css.key.modulus", s.modulus);
  text += fmt::format("metadata->enclave_css.key.exponent: {:#x}\n", s.exponent);
  add_bytes(text, "metadata->enclave_css.key.signature", s.signature);
  text += fmt::format("metadata->enclave_css.body.misc_select: {:#x}\n", s.misc_select);
  text += fmt::format("metadata->enclave_css.body.misc_mask: {:#x}\n", s.misc_mask);
  text += fmt::format("metadata->enclave_css.body.attributes.flags: {:#x}\n", s.attributes.flags);
  text += fmt::format("metadata->enclave_css.body.attributes.xfrm: {:#x}\n", s.attributes.xfrm);
  text += fmt::format("metadata->enclave_css.body.attribute_mask.flags: {:#x}\n", s.attribute_mask.flags);
  text += fmt::format("metadata->enclave_css.body.attribute_mask.xfrm: {:#x}\n", s.attribute_mask.xfrm);
  add_bytes(text, "metadata->enclave_css.body.enclave_hash.m", s.enclave_hash.bytes);
  add_bytes(text, "metadata->enclave_css.body.isvext_prod_id", s.isv_ext_prod_id);
  add_bytes(text, "metadata->enclave_css.body.isv_family_id", s.isv_family_id);
  text += fmt::format("metadata->enclave_css.body.isv_prod_id: {:#x}\n", s.isv_prod_id);
  text += fmt::format("metadata->enclave_css.body.isv_svn: {:#x}\n", s.isv_svn);
  add_bytes(text, "metadata->enclave_css.buffer.q1", s.q1);
  add_bytes(text, "metadata->enclave_css.buffer.q2", s.q2);
  add_bytes(text, "mrsigner->value", sgx::mrsigner_of(s).bytes);
  return text;
}

}  // namespace coffer::sgxsdk
