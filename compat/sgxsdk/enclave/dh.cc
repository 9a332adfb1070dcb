// <sgx_dh.h>: Diffie-Hellman between two enclaves, bound to reports.
//
// g_ab is the x coordinate, little-endian. KDK = CMAC(0, g_ab); a key with a name is CMAC(KDK, 01 name 00 80 00): SMK
// authenticates messages, AEK is the session's. Message 2 carries a report over SHA-256(g_a g_b) and the number of this
// derivation, message 3 one over SHA-256(g_b g_a).
#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <string_view>
#include <vector>

#include "base/secret.h"
#include "compat/sgxsdk/include/sgx_dh.h"
#include "compat/sgxsdk/include/sgx_trts.h"
#include "compat/sgxsdk/include/sgx_utils.h"

namespace coffer::sgxsdk {
namespace {

constexpr std::uint16_t kDerivation = 1;
constexpr std::uint32_t kMostAdditional = 1u << 20;

enum class Step : std::uint32_t { kReset = 0x5e55, kWaitMessage1, kWaitMessage2, kWaitMessage3, kActive, kFailed };

// What sgx_dh_session_t holds.
struct Session {
  sgx_dh_session_role_t role;
  Step step;
  sgx_ec256_public_t own, peer;
  sgx_ec256_private_t secret;  // the responder's, until message 2
  sgx_key_128bit_t message_key, session_key;
};
static_assert(sizeof(Session) <= SGX_DH_SESSION_DATA_SIZE);

template <class T>
bool inside(const T* object) {
  return object != nullptr && sgx_is_within_enclave(object, sizeof(T)) != 0;
}

// A copy of the session that goes back when the step is done: wiped and marked as failed, unless it succeeded.
class OpenSession {
 public:
  explicit OpenSession(sgx_dh_session_t* place) : place_(place) { std::memcpy(&session_, place, sizeof(session_)); }
  ~OpenSession() {
    if (!kept_) {
      wipe(&session_, sizeof(session_));
      session_.step = Step::kFailed;
    }
    std::memcpy(place_, &session_, sizeof(session_));
    wipe(&session_, sizeof(session_));
  }
  OpenSession(const OpenSession&) = delete;
  OpenSession& operator=(const OpenSession&) = delete;
  Session* operator->() { return &session_; }
  sgx_status_t keep(Step next) {
    session_.step = next;
    kept_ = true;
    return SGX_SUCCESS;
  }

 private:
  sgx_dh_session_t* place_;
  Session session_;
  bool kept_ = false;
};

sgx_status_t derive(const sgx_key_128bit_t& from, std::string_view name, sgx_key_128bit_t& key) {
  std::array<std::uint8_t, 16> text{1};
  std::ranges::copy(name, text.begin() + 1);
  text[name.size() + 2] = 0x80;
  return sgx_rijndael128_cmac_msg(&from, text.data(), static_cast<std::uint32_t>(name.size() + 4), &key);
}

sgx_status_t agree(const sgx_ec256_private_t& secret, Session& session) {
  sgx_ec256_dh_shared_t shared{};
  sgx_key_128bit_t root{};
  constexpr sgx_key_128bit_t kZero = {};
  sgx_ecc_state_handle_t curve = nullptr;
  sgx_status_t status = sgx_ecc256_open_context(&curve);
  if (status == SGX_SUCCESS) status = sgx_ecc256_compute_shared_dhkey(&secret, &session.peer, &shared, curve);
  if (status == SGX_SUCCESS) status = sgx_rijndael128_cmac_msg(&kZero, shared.s, sizeof(shared.s), &root);
  if (status == SGX_SUCCESS) status = derive(root, "SMK", session.message_key);
  if (status == SGX_SUCCESS) status = derive(root, "AEK", session.session_key);
  wipe(&shared, sizeof(shared));
  wipe(&root, sizeof(root));
  return status;
}

sgx_status_t bind(const sgx_ec256_public_t& first, const sgx_ec256_public_t& second, std::uint16_t derivation,
                  sgx_report_data_t& data) {
  std::array<std::uint8_t, 2 * sizeof(sgx_ec256_public_t)> both;
  std::memcpy(both.data(), &first, sizeof(first));
  std::memcpy(both.data() + sizeof(first), &second, sizeof(second));
  sgx_sha256_hash_t hash;
  const sgx_status_t status = sgx_sha256_msg(both.data(), both.size(), &hash);
  data = {};
  std::memcpy(data.d, hash, sizeof(hash));
  std::memcpy(data.d + sizeof(hash), &derivation, sizeof(derivation));
  return status;
}

bool same(const void* a, const void* b, std::size_t size) {
  return equal_in_constant_time({static_cast<const std::byte*>(a), size}, {static_cast<const std::byte*>(b), size});
}

// SGX_SUCCESS where the MAC is the message's.
sgx_status_t check_mac(const sgx_key_128bit_t& key, const void* message, std::uint32_t size, const std::uint8_t* mac) {
  sgx_cmac_128bit_tag_t expected;
  const sgx_status_t status =
      sgx_rijndael128_cmac_msg(&key, static_cast<const std::uint8_t*>(message), size, &expected);
  if (status != SGX_SUCCESS) return status;
  return same(expected, mac, sizeof(expected)) ? SGX_SUCCESS : SGX_ERROR_MAC_MISMATCH;
}

// SGX_SUCCESS where an enclave of this platform made the report for this one, over `data`.
sgx_status_t check_report(const sgx_report_t& report, const sgx_report_data_t& data) {
  if (!same(report.body.report_data.d, data.d, sizeof(data.d))) return SGX_ERROR_MAC_MISMATCH;
  return sgx_verify_report(&report);
}

void identify(const sgx_report_body_t& body, sgx_dh_session_enclave_identity_t& identity) {
  identity = {};
  identity.cpu_svn = body.cpu_svn;
  identity.misc_select = body.misc_select;
  identity.attributes = body.attributes;
  identity.mr_enclave = body.mr_enclave;
  identity.mr_signer = body.mr_signer;
  identity.isv_prod_id = body.isv_prod_id;
  identity.isv_svn = body.isv_svn;
}

// Whom a report is from, as a target for one back.
sgx_target_info_t target_of(const sgx_report_body_t& body) {
  sgx_target_info_t target{};
  target.mr_enclave = body.mr_enclave;
  target.attributes = body.attributes;
  target.misc_select = body.misc_select;
  std::memcpy(target.config_id, body.config_id, sizeof(target.config_id));
  target.config_svn = body.config_svn;
  return target;
}

sgx_status_t new_pair(sgx_ec256_private_t& secret, sgx_ec256_public_t& own) {
  sgx_ecc_state_handle_t curve = nullptr;
  const sgx_status_t status = sgx_ecc256_open_context(&curve);
  return status == SGX_SUCCESS ? sgx_ecc256_create_key_pair(&secret, &own, curve) : status;
}

// The initiator's first step, with a session that is open already.
sgx_status_t answer_message1(const sgx_dh_msg1_t& message1, sgx_dh_msg2_t& message2, Session& session) {
  sgx_ec256_private_t secret{};
  session.peer = message1.g_a;
  sgx_status_t status = new_pair(secret, session.own);
  if (status == SGX_SUCCESS) status = agree(secret, session);
  wipe(&secret, sizeof(secret));
  sgx_report_data_t data;
  if (status == SGX_SUCCESS) status = bind(session.peer, session.own, kDerivation, data);
  sgx_dh_msg2_t made{};
  made.g_b = session.own;
  sgx_report_t report{};  // aligned, as the processor wants it; the message is packed
  const sgx_target_info_t target = message1.target;
  if (status == SGX_SUCCESS) status = sgx_create_report(&target, &data, &report);
  made.report = report;
  sgx_cmac_128bit_tag_t mac;
  if (status == SGX_SUCCESS) {
    status = sgx_rijndael128_cmac_msg(&session.message_key, reinterpret_cast<const std::uint8_t*>(&report),
                                      sizeof(report), &mac);
  }
  if (status != SGX_SUCCESS) return status;
  std::memcpy(made.cmac, mac, sizeof(mac));
  message2 = made;
  return SGX_SUCCESS;
}

// Message 3's MAC covers its body and what the caller put behind it.
sgx_status_t authenticated_body(const sgx_dh_msg3_t* message3, std::vector<std::uint8_t>& body) {
  const std::uint32_t additional = message3->msg3_body.additional_prop_length;
  if (additional > kMostAdditional || sgx_is_within_enclave(message3, sizeof(*message3) + additional) == 0) {
    return SGX_ERROR_INVALID_PARAMETER;
  }
  const auto* begin = reinterpret_cast<const std::uint8_t*>(&message3->msg3_body);
  body.assign(begin, begin + sizeof(message3->msg3_body) + additional);
  return SGX_SUCCESS;
}

sgx_status_t answer_message2(const sgx_dh_msg2_t& message2, sgx_dh_msg3_t* message3, Session& session,
                             sgx_dh_session_enclave_identity_t& identity) {
  session.peer = message2.g_b;
  sgx_status_t status = agree(session.secret, session);
  wipe(&session.secret, sizeof(session.secret));
  if (status != SGX_SUCCESS) return status;
  const sgx_report_t theirs = message2.report;
  status = check_mac(session.message_key, &theirs, sizeof(theirs), message2.cmac);
  if (status != SGX_SUCCESS) return status;
  std::uint16_t derivation = 0;
  std::memcpy(&derivation, theirs.body.report_data.d + sizeof(sgx_sha256_hash_t), sizeof(derivation));
  if (derivation != kDerivation) return SGX_ERROR_KDF_MISMATCH;
  sgx_report_data_t data;
  status = bind(session.own, session.peer, kDerivation, data);
  if (status == SGX_SUCCESS) status = check_report(theirs, data);
  if (status == SGX_SUCCESS) status = bind(session.peer, session.own, 0, data);
  const sgx_target_info_t target = target_of(theirs.body);
  sgx_report_t report{};
  if (status == SGX_SUCCESS) status = sgx_create_report(&target, &data, &report);
  if (status != SGX_SUCCESS) return status;
  message3->msg3_body.report = report;
  std::vector<std::uint8_t> body;
  status = authenticated_body(message3, body);
  sgx_cmac_128bit_tag_t mac;
  if (status == SGX_SUCCESS) {
    status = sgx_rijndael128_cmac_msg(&session.message_key, body.data(), static_cast<std::uint32_t>(body.size()), &mac);
  }
  if (status != SGX_SUCCESS) return status;
  std::memcpy(message3->cmac, mac, sizeof(mac));
  identify(theirs.body, identity);
  return SGX_SUCCESS;
}

sgx_status_t initiate(const sgx_dh_msg1_t* msg1, sgx_dh_msg2_t* msg2, sgx_dh_session_t* dh_session) {
  if (!inside(dh_session)) return SGX_ERROR_INVALID_PARAMETER;
  OpenSession session(dh_session);
  if (!inside(msg1) || !inside(msg2) || session->role != SGX_DH_SESSION_INITIATOR) return SGX_ERROR_INVALID_PARAMETER;
  if (session->step != Step::kWaitMessage1) return SGX_ERROR_INVALID_STATE;
  const sgx_status_t status = answer_message1(*msg1, *msg2, *session.operator->());
  return status == SGX_SUCCESS ? session.keep(Step::kWaitMessage3) : status;
}

sgx_status_t conclude(const sgx_dh_msg3_t* msg3, sgx_dh_session_t* dh_session, sgx_key_128bit_t* aek,
                      sgx_dh_session_enclave_identity_t* identity) {
  if (!inside(dh_session)) return SGX_ERROR_INVALID_PARAMETER;
  OpenSession session(dh_session);
  if (!inside(msg3) || !inside(aek) || !inside(identity) || session->role != SGX_DH_SESSION_INITIATOR) {
    return SGX_ERROR_INVALID_PARAMETER;
  }
  if (session->step != Step::kWaitMessage3) return SGX_ERROR_INVALID_STATE;
  std::vector<std::uint8_t> body;
  sgx_status_t status = authenticated_body(msg3, body);
  if (status == SGX_SUCCESS) {
    status = check_mac(session->message_key, body.data(), static_cast<std::uint32_t>(body.size()), msg3->cmac);
  }
  sgx_report_data_t data;
  if (status == SGX_SUCCESS) status = bind(session->own, session->peer, 0, data);
  const sgx_report_t theirs = msg3->msg3_body.report;
  if (status == SGX_SUCCESS) status = check_report(theirs, data);
  if (status != SGX_SUCCESS) return status;
  identify(theirs.body, *identity);
  std::memcpy(*aek, session->session_key, sizeof(*aek));
  wipe(session->session_key, sizeof(session->session_key));
  return session.keep(Step::kActive);
}

}  // namespace
}  // namespace coffer::sgxsdk

using namespace coffer::sgxsdk;

extern "C" {

sgx_status_t sgx_dh_init_session(sgx_dh_session_role_t role, sgx_dh_session_t* session) {
  if (!inside(session) || (role != SGX_DH_SESSION_INITIATOR && role != SGX_DH_SESSION_RESPONDER)) {
    return SGX_ERROR_INVALID_PARAMETER;
  }
  Session fresh{};
  fresh.role = role;
  fresh.step = role == SGX_DH_SESSION_INITIATOR ? Step::kWaitMessage1 : Step::kReset;
  std::memset(session, 0, sizeof(*session));
  std::memcpy(session, &fresh, sizeof(fresh));
  return SGX_SUCCESS;
}

sgx_status_t sgx_dh_responder_gen_msg1(sgx_dh_msg1_t* msg1, sgx_dh_session_t* dh_session) {
  if (!inside(dh_session)) return SGX_ERROR_INVALID_PARAMETER;
  OpenSession session(dh_session);
  if (!inside(msg1) || session->role != SGX_DH_SESSION_RESPONDER) return SGX_ERROR_INVALID_PARAMETER;
  if (session->step != Step::kReset) return SGX_ERROR_INVALID_STATE;
  sgx_target_info_t target{};
  sgx_status_t status = sgx_self_target(&target);
  if (status == SGX_SUCCESS) status = new_pair(session->secret, session->own);
  if (status != SGX_SUCCESS) return status;
  *msg1 = {.g_a = session->own, .target = target};
  return session.keep(Step::kWaitMessage2);
}

sgx_status_t sgx_dh_responder_proc_msg2(const sgx_dh_msg2_t* msg2, sgx_dh_msg3_t* msg3, sgx_dh_session_t* dh_session,
                                        sgx_key_128bit_t* aek, sgx_dh_session_enclave_identity_t* identity) {
  if (!inside(dh_session)) return SGX_ERROR_INVALID_PARAMETER;
  OpenSession session(dh_session);
  if (!inside(msg2) || !inside(msg3) || !inside(aek) || !inside(identity) ||
      session->role != SGX_DH_SESSION_RESPONDER) {
    return SGX_ERROR_INVALID_PARAMETER;
  }
  if (session->step != Step::kWaitMessage2) return SGX_ERROR_INVALID_STATE;
  const sgx_status_t status = answer_message2(*msg2, msg3, *session.operator->(), *identity);
  if (status != SGX_SUCCESS) return status;
  std::memcpy(*aek, session->session_key, sizeof(*aek));
  coffer::wipe(session->session_key, sizeof(session->session_key));
  return session.keep(Step::kActive);
}

sgx_status_t sgx_LAv1_initiator_proc_msg1(const sgx_dh_msg1_t* msg1, sgx_dh_msg2_t* msg2,
                                          sgx_dh_session_t* dh_session) {
  return initiate(msg1, msg2, dh_session);
}
sgx_status_t sgx_LAv2_initiator_proc_msg1(const sgx_dh_msg1_t* msg1, sgx_dh_msg2_t* msg2,
                                          sgx_dh_session_t* dh_session) {
  return initiate(msg1, msg2, dh_session);
}
sgx_status_t sgx_LAv1_initiator_proc_msg3(const sgx_dh_msg3_t* msg3, sgx_dh_session_t* dh_session,
                                          sgx_key_128bit_t* aek, sgx_dh_session_enclave_identity_t* identity) {
  return conclude(msg3, dh_session, aek, identity);
}
sgx_status_t sgx_LAv2_initiator_proc_msg3(const sgx_dh_msg3_t* msg3, sgx_dh_session_t* dh_session,
                                          sgx_key_128bit_t* aek, sgx_dh_session_enclave_identity_t* identity) {
  return conclude(msg3, dh_session, aek, identity);
}

}  // extern "C"
