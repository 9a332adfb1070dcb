#include <gmock/gmock.h>

#include <cerrno>
#include <cstring>
#include <map>
#include <string>
#include <vector>

#include "compat/sgxsdk/include/sgx_error.h"
#include "compat/sgxsdk/include/sgx_tprotected_fs.h"
#include "enclave/sdk/testing/fake_platform.h"

namespace {

// The application: files in memory, and errors on request.
std::map<std::string, std::string> files, unfinished;
int failing = 0;          // every request answers this
bool call_fails = false;  // the OCALL itself
bool shortens = false;    // it claims sizes that are not

using coffer::sdk::testing::become;
using coffer::sdk::testing::identity;

}  // namespace

extern "C" {
sgx_status_t coffer_protected_size(std::int32_t* result, const char* name, std::uint64_t* size) {
  const auto found = files.find(name);
  *result = failing != 0 ? failing : found == files.end() ? ENOENT : 0;
  if (*result == 0) *size = shortens ? 100 : found->second.size();
  return call_fails ? SGX_ERROR_UNEXPECTED : SGX_SUCCESS;
}
sgx_status_t coffer_protected_read(std::int32_t* result, const char* name, std::uint64_t offset, std::uint8_t* bytes,
                                   std::uint64_t size) {
  *result = failing;
  std::memcpy(bytes, files.at(name).data() + offset, size);
  return SGX_SUCCESS;
}
sgx_status_t coffer_protected_write(std::int32_t* result, const char* name, std::uint64_t offset,
                                    const std::uint8_t* bytes, std::uint64_t size) {
  *result = failing;
  if (offset == 0) unfinished[name].clear();
  EXPECT_EQ(unfinished[name].size(), offset);
  unfinished[name].append(reinterpret_cast<const char*>(bytes), size);
  return SGX_SUCCESS;
}
sgx_status_t coffer_protected_replace(std::int32_t* result, const char* name) {
  *result = failing;
  if (failing == 0) files[name] = unfinished[name];
  return SGX_SUCCESS;
}
sgx_status_t coffer_protected_remove(std::int32_t* result, const char* name) {
  *result = failing != 0 ? failing : files.erase(name) == 0 ? ENOENT : 0;
  return SGX_SUCCESS;
}
}

namespace {

class ProtectedFiles : public ::testing::Test {
 protected:
  void SetUp() override {
    become(identity());
    files.clear();
    failing = 0;
    call_fails = shortens = false;
  }
  void TearDown() override { failing = 0; }

  static void write(const std::string& name, const std::string& text, const sgx_key_128bit_t* key = nullptr) {
    SGX_FILE* file = sgx_fopen(name.c_str(), "w", key);
    ASSERT_NE(file, nullptr) << errno;
    ASSERT_EQ(sgx_fwrite(text.data(), 1, text.size(), file), text.size());
    ASSERT_EQ(sgx_fclose(file), 0);
  }
  static std::string read(const std::string& name, const sgx_key_128bit_t* key = nullptr) {
    SGX_FILE* file = sgx_fopen(name.c_str(), "rb", key);
    if (file == nullptr) return "error " + std::to_string(errno);
    std::string text(1 << 20, '\0');
    text.resize(sgx_fread(text.data(), 1, text.size(), file));
    EXPECT_EQ(sgx_feof(file), 1);
    EXPECT_EQ(sgx_fclose(file), 0);
    return text;
  }
  static std::string error(int number) { return "error " + std::to_string(number); }
};

TEST_F(ProtectedFiles, KeepWhatWasWrittenAndHideIt) {
  const std::string text = "what nobody outside may read";
  write("folder/note", text);
  EXPECT_EQ(read("folder/note"), text);
  EXPECT_EQ(files["folder/note"].find("nobody"), std::string::npos);
  const std::string before = files["folder/note"];
  write("folder/note", text);
  EXPECT_NE(files["folder/note"], before) << "no two writings are under one key";
}

TEST_F(ProtectedFiles, LargerThanOnePiece) {
  std::string text(700 * 1024 + 3, 'x');
  for (std::size_t i = 0; i < text.size(); ++i) text[i] = static_cast<char>(i * 31);
  write("large", text);
  EXPECT_EQ(read("large"), text);
}

TEST_F(ProtectedFiles, NotEvenOneBitChanges) {
  write("note", "text");
  const std::string whole = files["note"];
  for (std::size_t i = 0; i < whole.size(); ++i) {
    files["note"] = whole;
    files["note"][i] = static_cast<char>(files["note"][i] ^ 1);
    EXPECT_THAT(read("note"), ::testing::StartsWith("error ")) << "byte " << i;
  }
  files["note"] = whole.substr(0, whole.size() - 1);
  EXPECT_EQ(read("note"), error(SGX_ERROR_MAC_MISMATCH));
  files["note"] = whole.substr(0, 20);
  EXPECT_EQ(read("note"), error(SGX_ERROR_FILE_NOT_SGX_FILE));
  files["other"] = whole;
  EXPECT_EQ(read("other"), error(SGX_ERROR_FILE_NAME_MISMATCH));
  files["folder/note"] = whole;
  EXPECT_EQ(read("folder/note"), "text") << "folders may be renamed";
}

TEST_F(ProtectedFiles, OnlyTheSignersEnclavesOpenThem) {
  write("note", "text");
  become(identity(9, 2, 4));
  EXPECT_EQ(read("note"), "text");
  become(identity(1, 7));
  EXPECT_EQ(read("note"), error(SGX_ERROR_MAC_MISMATCH));
  become(identity(), 1);
  EXPECT_EQ(read("note"), error(SGX_ERROR_MAC_MISMATCH));
}

TEST_F(ProtectedFiles, OnesOwnKey) {
  const sgx_key_128bit_t key = {1, 2, 3}, other = {1, 2, 4};
  write("note", "text", &key);
  EXPECT_EQ(read("note", &key), "text");
  EXPECT_EQ(read("note", &other), error(SGX_ERROR_MAC_MISMATCH));
  EXPECT_EQ(read("note"), error(SGX_ERROR_MAC_MISMATCH));
}

TEST_F(ProtectedFiles, KeysAreHandedOver) {
  write("note", "text");
  sgx_key_128bit_t key;
  ASSERT_EQ(sgx_fexport_auto_key("note", &key), 0);
  become(identity(1, 7));  // somebody else's enclave
  EXPECT_EQ(read("note", &key), "text");
  EXPECT_EQ(sgx_fexport_auto_key("note", &key), 1);
  ASSERT_EQ(sgx_fimport_auto_key("note", &key), 0);
  EXPECT_EQ(read("note"), "text");
  become(identity());
  EXPECT_EQ(read("note"), error(SGX_ERROR_MAC_MISMATCH)) << "it is the other's now";
}

TEST_F(ProtectedFiles, PositionsAndModes) {
  write("note", "0123456789");
  SGX_FILE* file = sgx_fopen_auto_key("note", "r+");
  ASSERT_NE(file, nullptr);
  EXPECT_EQ(sgx_fseek(file, -3, SEEK_END), 0);
  EXPECT_EQ(sgx_ftell(file), 7);
  char read_back[4];
  EXPECT_EQ(sgx_fread(read_back, 2, 2, file), 1u) << "whole elements";
  EXPECT_EQ(sgx_feof(file), 1);
  EXPECT_EQ(sgx_fseek(file, 1, SEEK_SET), 0);
  EXPECT_EQ(sgx_feof(file), 0);
  EXPECT_EQ(sgx_fwrite("ab", 1, 2, file), 2u);
  EXPECT_EQ(sgx_fseek(file, 11, SEEK_SET), -1);
  EXPECT_EQ(sgx_fseek(file, INT64_MIN, SEEK_END), -1);
  EXPECT_EQ(sgx_fseek(file, INT64_MAX, SEEK_CUR), -1);
  EXPECT_EQ(sgx_ferror(file), EINVAL);
  sgx_clearerr(file);
  EXPECT_EQ(sgx_ferror(file), 0);
  EXPECT_EQ(sgx_fflush(file), 0);
  EXPECT_EQ(sgx_fclose(file), 0);
  EXPECT_EQ(read("note"), "0ab3456789");
  file = sgx_fopen_auto_key("note", "a");
  ASSERT_NE(file, nullptr);
  EXPECT_EQ(sgx_fwrite("!", 1, 1, file), 1u);
  EXPECT_EQ(sgx_fread(read_back, 1, 1, file), 0u) << "opened for writing only";
  EXPECT_EQ(sgx_fclose(file), 0);
  EXPECT_EQ(read("note"), "0ab3456789!");
  EXPECT_EQ(sgx_fopen_auto_key("note", "x"), nullptr);
  EXPECT_EQ(sgx_fwrite("a", SIZE_MAX, 2, nullptr), 0u);
  EXPECT_EQ(sgx_fclose(sgx_fopen_auto_key("empty", "w")), 0);
  EXPECT_EQ(read("empty"), "");
  EXPECT_EQ(read("absent"), error(ENOENT));
  EXPECT_EQ(sgx_remove("empty"), 0);
  EXPECT_EQ(sgx_remove("empty"), 1);
}

TEST_F(ProtectedFiles, WhatTheApplicationCannotDoIsSaid) {
  write("note", "text");
  SGX_FILE* file = sgx_fopen_auto_key("note", "w");
  ASSERT_NE(file, nullptr);
  ASSERT_EQ(sgx_fwrite("new", 1, 3, file), 3u);
  failing = ENOSPC;
  EXPECT_EQ(sgx_fflush(file), 1);
  EXPECT_EQ(sgx_ferror(file), ENOSPC);
  EXPECT_EQ(sgx_fclose(file), 1);
  failing = 0;
  EXPECT_EQ(read("note"), "text") << "the old version stays whole";
  failing = 100000;  // no errno
  EXPECT_EQ(read("note"), error(EIO));
  failing = 0;
  call_fails = true;
  EXPECT_EQ(read("note"), error(EIO));
  call_fails = false;
  shortens = true;
  EXPECT_EQ(read("note"), error(SGX_ERROR_FILE_NOT_SGX_FILE));
}

}  // namespace
