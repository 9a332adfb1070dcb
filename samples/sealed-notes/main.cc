// Keeps notes that only this signer's enclaves on this platform can read, in one file that the host stores and can do
// anything to: a sealed blob in a plain mount. An old copy put back is noticed, by a monotonic counter.
//
//   sealed-notes FILE add TEXT     adds a line, making the file where there is none
//   sealed-notes FILE list
#include <coffer/monotonic_counter.h>
#include <coffer/sealing.h>

#include <cstdio>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <iterator>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace {

constexpr std::string_view kLabel = "sealed-notes 1";

// What is sealed: the counter's id, the number of this version, and the notes behind it.
struct Front {
  std::uint64_t counter = 0, number = 0;
};
struct Notes {
  Front front;
  std::string text;
};

template <class T>
T must(coffer::Outcome<T> outcome, const std::string& what) {
  if (!outcome) throw std::runtime_error(what + ": " + std::string(coffer::describe(outcome.error())));
  return *std::move(outcome);
}

std::span<const std::byte> bytes_of(std::string_view text) { return std::as_bytes(std::span(text)); }

void write_notes(const std::string& path, const Notes& notes) {
  coffer::SecretBytes secret(sizeof(Front) + notes.text.size());
  std::memcpy(secret.bytes().data(), &notes.front, sizeof(Front));
  std::memcpy(secret.bytes().data() + sizeof(Front), notes.text.data(), notes.text.size());
  const auto blob = must(
      coffer::seal(secret.bytes(), {.policy = coffer::SealPolicy::kMrSigner}, {.readable = bytes_of(kLabel)}), path);
  const std::string temporary = path + ".new";
  std::ofstream file(temporary, std::ios::binary | std::ios::trunc);
  file.write(reinterpret_cast<const char*>(blob.data()), static_cast<std::streamsize>(blob.size()));
  file.close();
  if (!file) throw std::runtime_error(temporary + ": cannot be written");
  std::filesystem::rename(temporary, path);
}

Notes read_notes(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  const std::string content((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
  const coffer::Unsealed opened = must(coffer::unseal(bytes_of(content)), path);
  const std::string_view label(reinterpret_cast<const char*>(opened.readable.data()), opened.readable.size());
  if (label != kLabel || opened.secret.size() < sizeof(Front)) throw std::runtime_error(path + ": holds no notes");
  Notes notes;
  std::memcpy(&notes.front, opened.secret.bytes().data(), sizeof(Front));
  notes.text = opened.secret.text().substr(sizeof(Front));

  const coffer::MonotonicCounter counter(notes.front.counter);
  const std::uint64_t now = must(counter.read(), "the counter of " + path);
  if (notes.front.number == now + 1) {
    (void)must(counter.increment(), path);  // stored, and stopped before it was counted
  } else if (notes.front.number != now) {
    throw std::runtime_error(path + ": an old version has been put back (" + std::to_string(notes.front.number) +
                             " instead of " + std::to_string(now) + ")");
  }
  return notes;
}

void add(const std::string& path, std::string_view text) {
  Notes notes;
  if (std::filesystem::exists(path)) {
    notes = read_notes(path);
  } else {
    notes.front.counter = must(coffer::MonotonicCounter::create(coffer::CounterOwner::kSigner), "a counter").id();
  }
  ++notes.front.number;
  notes.text.append(text).append("\n");
  write_notes(path, notes);  // first this, then the count: a crash in between leaves one more than was counted
  (void)must(coffer::MonotonicCounter(notes.front.counter).increment(), path);
}

}  // namespace

int main(int argc, char** argv) {
  const std::vector<std::string> arguments(argv + 1, argv + argc);
  try {
    if (arguments.size() == 3 && arguments[1] == "add") {
      add(arguments[0], arguments[2]);
    } else if (arguments.size() == 2 && arguments[1] == "list") {
      std::cout << read_notes(arguments[0]).text << std::flush;
    } else {
      std::cerr << "usage: sealed-notes FILE add TEXT | sealed-notes FILE list\n";
      return 2;
    }
    return 0;
  } catch (const std::exception& error) {
    std::cerr << "sealed-notes: " << error.what() << '\n';
    return 1;
  }
}
