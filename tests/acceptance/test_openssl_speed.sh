# What `openssl speed` does, with Debian's libcrypto.a linked statically: loops that an alarm ends, over the algorithms
# that servers use. The results are the same inside and outside; the speeds are printed.
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
[[ -f /usr/lib/x86_64-linux-gnu/libcrypto.a ]] || skip 'libssl-dev is not installed'
compile program -l:libcrypto.a -pthread <<'SOURCE'
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>
#include <signal.h>
#include <sys/time.h>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>
namespace {
volatile sig_atomic_t run = 0;
void stop(int) { run = 0; }
// Rounds a second until the alarm, as openssl speed counts.
template <class Work>
void speed(const char* name, Work work) {
  const itimerval soon{{0, 0}, {0, 150'000}};
  long rounds = 0;
  run = 1;
  const auto begin = std::chrono::steady_clock::now();
  setitimer(ITIMER_REAL, &soon, nullptr);
  for (; run != 0; ++rounds) work();
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - begin;
  std::fprintf(stderr, "%s %.0f\n", name, static_cast<double>(rounds) / took.count());
  if (rounds == 0) std::exit(3);
}
using Bytes = std::vector<unsigned char>;
void print(const char* name, const Bytes& bytes) {
  std::printf("%s ", name);
  for (unsigned char b : bytes) std::printf("%02x", b);
  std::puts("");
}
const Bytes input(16384, 0x5a);
Bytes digest(const char* name) {
  Bytes out(EVP_MAX_MD_SIZE);
  unsigned size = 0;
  EVP_Digest(input.data(), input.size(), out.data(), &size, EVP_get_digestbyname(name), nullptr);
  out.resize(size);
  return out;
}
Bytes tag(const char* name) {
  EVP_CIPHER_CTX* context = EVP_CIPHER_CTX_new();
  const Bytes key(32, 1), iv(16, 2);
  Bytes out(input.size() + 16), result(16);
  int size = 0;
  EVP_EncryptInit_ex(context, EVP_get_cipherbyname(name), nullptr, key.data(), iv.data());
  EVP_EncryptUpdate(context, out.data(), &size, input.data(), static_cast<int>(input.size()));
  EVP_EncryptFinal_ex(context, out.data() + size, &size);
  if (EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_GET_TAG, 16, result.data()) != 1) {
    result.assign(out.begin() + static_cast<long>(input.size()) - 16, out.begin() + static_cast<long>(input.size()));
  }
  EVP_CIPHER_CTX_free(context);
  return result;
}
bool sign_and_verify(EVP_PKEY* key, const EVP_MD* hash) {
  EVP_MD_CTX* context = EVP_MD_CTX_new();
  std::size_t size = 1024;
  Bytes signature(size);
  bool good = EVP_DigestSignInit(context, nullptr, hash, nullptr, key) == 1 &&
              EVP_DigestSign(context, signature.data(), &size, input.data(), 64) == 1;
  EVP_MD_CTX_reset(context);
  good = good && EVP_DigestVerifyInit(context, nullptr, hash, nullptr, key) == 1 &&
         EVP_DigestVerify(context, signature.data(), size, input.data(), 64) == 1;
  EVP_MD_CTX_free(context);
  return good;
}
Bytes exchange() {
  const Bytes one(32, 7), two(32, 9);
  EVP_PKEY* mine = EVP_PKEY_new_raw_private_key(EVP_PKEY_X25519, nullptr, one.data(), 32);
  EVP_PKEY* theirs = EVP_PKEY_new_raw_private_key(EVP_PKEY_X25519, nullptr, two.data(), 32);
  EVP_PKEY_CTX* context = EVP_PKEY_CTX_new(mine, nullptr);
  Bytes secret(32);
  std::size_t size = 32;
  EVP_PKEY_derive_init(context);
  EVP_PKEY_derive_set_peer(context, theirs);
  EVP_PKEY_derive(context, secret.data(), &size);
  EVP_PKEY_CTX_free(context);
  EVP_PKEY_free(mine);
  EVP_PKEY_free(theirs);
  return secret;
}
}  // namespace
int main() {
  struct sigaction action{};
  action.sa_handler = stop;
  action.sa_flags = SA_RESTART;
  sigaction(SIGALRM, &action, nullptr);
  for (const char* name : {"sha256", "sha512", "sha3-256", "blake2b512", "md5"}) {
    print(name, digest(name));
    speed(name, [=] { digest(name); });
  }
  for (const char* name : {"aes-256-gcm", "aes-128-ctr", "chacha20-poly1305", "aes-256-cbc"}) {
    print(name, tag(name));
    speed(name, [=] { tag(name); });
  }
  print("x25519", exchange());
  speed("x25519", [] { exchange(); });
  EVP_PKEY* rsa = EVP_RSA_gen(2048);
  EVP_PKEY* ec = EVP_EC_gen("P-256");
  const Bytes seed(32, 3);
  EVP_PKEY* ed = EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, nullptr, seed.data(), 32);
  std::printf("rsa %d ecdsa %d ed25519 %d\n", sign_and_verify(rsa, EVP_sha256()), sign_and_verify(ec, EVP_sha256()),
              sign_and_verify(ed, nullptr));
  speed("rsa2048", [=] { sign_and_verify(rsa, EVP_sha256()); });
  speed("ecdsa", [=] { sign_and_verify(ec, EVP_sha256()); });
  speed("ed25519", [=] { sign_and_verify(ed, nullptr); });
}
SOURCE
sign program
./program >outside.txt 2>outside.speed
"$COFFER" run --quiet --counters counters.json program.enclave >inside.txt 2>inside.speed || fail "$(cat inside.speed)"
cmp outside.txt inside.txt
grep -qx 'rsa 1 ecdsa 1 ed25519 1' inside.txt || fail "$(cat inside.txt)"
(($(wc -l <inside.speed) == 13)) || fail "$(cat inside.speed)"
echo 'algorithm, rounds a second outside and inside:'
join <(sort outside.speed) <(sort inside.speed)
expect_past_the_trap counters.json
