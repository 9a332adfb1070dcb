// How one function's arguments become two blocks of bytes and come back: the statements that all dialects share. What
// they are in is the emitters' business: where blocks come from, how a call is made, what a failure is called.
//
// The generated statements use the helpers of support_text.h, and these names:
//   edl_args      the argument structure: of the caller its own, in a bridge a pointer to it
//   edl_answer    the answer's: of the caller its own copy, in a bridge a pointer to the output block
//   edl_in, edl_out        edl_block of the input and the output
//   edl_bad       the caller's mistakes before there are blocks
//   edl_in_size, edl_out_size
//   edl_p_NAME    in a bridge: where the buffer of the parameter NAME is
#pragma once

#include <string>
#include <vector>

#include "edl/ast.h"
#include "edl/options.h"
#include "edl/text.h"

namespace coffer::edl {

// Whether the statements run inside, where what goes out must not say more than it should.
enum class Side : std::uint8_t { kOutside, kInside };

// A declaration as C writes it: "const int* name", "int name[2][3]".
[[nodiscard]] std::string declared(const Declaration& declaration);
[[nodiscard]] std::string declared(const Type& type, const std::string& name);

class Marshal {
 public:
  Marshal(const Interface& interface, const Function& function, Side side, Dialect dialect)
      : interface_(interface), function_(function), side_(side), dialect_(dialect) {}

  // The members of the argument structure: result, arguments, errno. Programs written for Open Enclave look at some.
  void members(Text& text) const;
  [[nodiscard]] std::string result_member() const;
  [[nodiscard]] std::string errno_member() const;

  // --- the caller. In this order, with the call between write() and read().
  void fill(Text& text) const;   // edl_args and both sizes
  void write(Text& text) const;  // edl_args and the buffers to edl_in
  void read(Text& text) const;   // buffers from edl_out, which stands behind the answer's structure

  // --- the bridge. What it was sent: inside its own, outside the enclave can change it meanwhile, so the argument
  // structure is copied, once, and the function runs with that.
  void received(Text& text, const std::string& type) const;  // declares edl_args
  void take_arguments(Text& text) const;                     // from edl_in
  void locate(Text& text) const;                             // from edl_in, edl_out to edl_p_NAME, all checked
  void clean(Text& text) const;         // after the function: nothing of this side in the output block
  void clean_result(Text& text) const;  // at last: in the answer's structure
  // What the function is called with, in order.
  [[nodiscard]] std::vector<std::string> arguments() const;
  [[nodiscard]] std::string argument(const Declaration& parameter) const;
  // A value that came from the other side, as its type allows it: of a bool, which is one byte, anything but 0 is true.
  [[nodiscard]] static std::string as_own(const Type& type, const std::string& value);

  // --- Open Enclave's: structures that the function filled, with memory of its own.
  [[nodiscard]] bool deep_out() const;
  void pack_deep_out(Text& text) const;    // bridge: edl_deep, edl_deep_size; frees the function's memory
  void unpack_deep_out(Text& text) const;  // caller: from the block edl_deep to new memory

  [[nodiscard]] bool marshalled(const Declaration& parameter) const;
  // Passed as an address that the other side can use or not.
  [[nodiscard]] bool bare_pointer(const Declaration& parameter) const;

  // The type of what a pointer points to, or of an array's element; without const.
  [[nodiscard]] std::string element(const Declaration& declaration) const;
  // Bytes of a buffer; names are looked up behind `prefix`. Adds up mistakes in `bad`.
  [[nodiscard]] std::string bytes(const Declaration& declaration, const std::string& prefix,
                                  const std::string& bad) const;

 private:
  [[nodiscard]] const UserType* deep(const Declaration& declaration) const;
  [[nodiscard]] bool known_string(const Declaration& parameter) const;
  [[nodiscard]] std::string size_of(const Declaration& parameter, const std::string& arguments,
                                    const std::string& bad) const;
  void fill_string(Text& text, const Declaration& parameter) const;
  [[nodiscard]] std::string bare_type(const Declaration& parameter) const;
  [[nodiscard]] bool may_have_padding(const Declaration& declaration) const;
  // A statement that zeroes the padding of what `pointer` points to.
  [[nodiscard]] std::string cleared(const Type& type, const std::string& pointer) const;

  // Inside: what came from outside as the compiler may see it, bools above all. One value, a buffer.
  void settle_value(Text& text, const Type& type, const std::string& where) const;
  void settle(Text& text, const Declaration& pointer, const std::string& where, const std::string& bytes) const;

  void measure_deep(Text& text, const Declaration& pointer, const std::string& where, const std::string& bytes,
                    const std::string& total, const std::string& bad, int depth) const;
  void write_structs(Text& text, const Declaration& pointer, const std::string& where, const std::string& bytes,
                     const std::string& block, int depth, bool structs) const;
  void locate_deep(Text& text, const Declaration& pointer, const std::string& where, const std::string& bytes,
                   const std::string& block, int depth) const;
  void copy_deep(Text& text, const Declaration& pointer, const std::string& from, const std::string& to,
                 const std::string& bytes, int depth) const;
  void clean_deep(Text& text, const Declaration& pointer, const std::string& from, const std::string& to,
                  const std::string& bytes, int depth) const;
  void read_deep(Text& text, const Declaration& pointer, const std::string& where, const std::string& bytes,
                 int depth) const;
  void clone_deep(Text& text, const Declaration& pointer, const std::string& where, const std::string& bytes,
                  int depth) const;
  void free_deep(Text& text, const Declaration& pointer, const std::string& where, const std::string& bytes,
                 int depth) const;

  const Interface& interface_;
  const Function& function_;
  Side side_;
  Dialect dialect_;
};

}  // namespace coffer::edl
