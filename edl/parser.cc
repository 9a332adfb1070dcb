#include "edl/parser.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <utility>

namespace coffer::edl {
namespace {

struct AttributeName {
  std::string_view name;
  AttributeKind kind;
};
constexpr std::array<AttributeName, 10> kAttributeNames{{
    {"in", AttributeKind::kIn},
    {"out", AttributeKind::kOut},
    {"size", AttributeKind::kSize},
    {"count", AttributeKind::kCount},
    {"string", AttributeKind::kString},
    {"wstring", AttributeKind::kWideString},
    {"isptr", AttributeKind::kIsPointer},
    {"isary", AttributeKind::kIsArray},
    {"readonly", AttributeKind::kReadOnly},
    {"user_check", AttributeKind::kUserCheck},
}};

struct BaseName {
  std::string_view name;
  Base base;
};
constexpr std::array<BaseName, 14> kBaseNames{{
    {"void", Base::kVoid},
    {"bool", Base::kBool},
    {"float", Base::kFloat},
    {"double", Base::kDouble},
    {"int8_t", Base::kInt8},
    {"int16_t", Base::kInt16},
    {"int32_t", Base::kInt32},
    {"int64_t", Base::kInt64},
    {"uint8_t", Base::kUint8},
    {"uint16_t", Base::kUint16},
    {"uint32_t", Base::kUint32},
    {"uint64_t", Base::kUint64},
    {"wchar_t", Base::kWideChar},
    {"size_t", Base::kSize},
}};

constexpr std::array<std::string_view, 4> kCallingConventions{"cdecl", "stdcall", "fastcall", "dllimport"};

// More than any interface has; keeps a hostile file from making the compiler work for ever.
constexpr std::size_t kMaximumItems = 10'000;

class Parser {
 public:
  Parser(const std::shared_ptr<const SourceFile>& file, std::string name, ParseContext& context)
      : context_(context), tokens_(file, context.defined, context.diagnostics), result_(std::make_shared<Interface>()) {
    result_->name = std::move(name);
    result_->path = file->path;
    current_ = tokens_.next();
    ahead_ = tokens_.next();
  }

  std::shared_ptr<Interface> run() {
    expect("enclave");
    expect("{");
    while (!current_.is("}") && !at_end()) item();
    expect("}");
    accept(";");
    if (!failed_ && current_.kind != TokenKind::kEnd) {
      fail(current_, fmt::format("unexpected text behind the enclave's closing brace: {}", shown(current_)),
           "a file has one enclave { ... }");
    }
    if (failed_ || context_.diagnostics.has_errors()) return nullptr;
    std::move(imported_ecalls_.begin(), imported_ecalls_.end(), std::back_inserter(result_->ecalls));
    std::move(imported_ocalls_.begin(), imported_ocalls_.end(), std::back_inserter(result_->ocalls));
    return result_;
  }

 private:
  using Functions = std::vector<std::shared_ptr<Function>>;

  // --- words

  [[nodiscard]] bool at_end() const { return failed_ || current_.kind == TokenKind::kEnd; }
  [[nodiscard]] Place place(const Token& token) const { return tokens_.place_of(token); }
  static std::string shown(const Token& token) {
    return token.kind == TokenKind::kEnd ? "the end of the file" : std::string(token.text);
  }

  // The first error ends the file: from here on every word is its end, so that all loops end.
  void fail(const Token& at, std::string message, std::string advice = {}) {
    if (!failed_ && !context_.diagnostics.has_errors()) {
      if (at.kind == TokenKind::kBroken) {
        message = at.text == "/*" ? "a comment that does not end"
                  : at.text == "\""
                      ? "a string that does not end on its line"
                      : fmt::format("unexpected character, code {}", static_cast<int>(at.text.front()) & 255);
        advice.clear();
      }
      context_.diagnostics.error(place(at), std::move(message), std::move(advice));
    }
    failed_ = true;
    current_ = ahead_ = Token{TokenKind::kEnd, {}, at.line, at.column};
  }
  Token take() {
    const Token token = current_;
    if (!failed_) {
      current_ = ahead_;
      ahead_ = tokens_.next();
    }
    return token;
  }
  bool accept(std::string_view word) {
    if (!current_.is(word)) return false;
    take();
    return true;
  }
  void expect(std::string_view word) {
    if (!accept(word)) fail(current_, fmt::format("expecting {}, got {}", word, shown(current_)));
  }
  Token expect_name(std::string_view what) {
    if (!current_.is_name()) fail(current_, fmt::format("expecting {}, got {}", what, shown(current_)));
    return take();
  }

  // --- the file's parts

  void item() {
    if (++items_ > kMaximumItems) return fail(current_, "the file is too long");
    const Token word = take();
    if (word.is("include")) return include();
    if (word.is("import")) return import_all();
    if (word.is("from")) return import_some();
    if (word.is("struct")) return record(UserTypeKind::kStruct);
    if (word.is("union")) return record(UserTypeKind::kUnion);
    if (word.is("enum")) return enumeration(word);
    if (word.is("trusted")) return functions(true);
    if (word.is("untrusted")) return functions(false);
    fail(word, fmt::format("unexpected token {}", shown(word)),
         "expected include, from, import, struct, union, enum, trusted or untrusted");
  }

  void include() {
    if (current_.kind != TokenKind::kString)
      return fail(current_, "expecting header filename", "write include \"name.h\"");
    add_include(std::string(take().text));
    accept(";");
  }
  void add_include(const std::string& header) {
    auto& all = result_->includes;
    if (std::find(all.begin(), all.end(), header) == all.end()) all.push_back(header);
  }

  std::shared_ptr<const Interface> imported() {
    if (current_.kind != TokenKind::kString) {
      fail(current_, "expecting edl filename", "write the file's name in double quotes");
      return nullptr;
    }
    const Token name = take();
    auto result = context_.import(std::string(name.text.substr(1, name.text.size() - 2)), place(name));
    if (!result) failed_ = true;
    if (failed_) return nullptr;
    for (const auto& type : result->types) add_type(type, name);
    for (const auto& header : result->includes) add_include(header);
    return result;
  }
  void add_all(const Interface& other, const Token& at) {
    for (const auto& function : other.ecalls) add_function(imported_ecalls_, function, at);
    for (const auto& function : other.ocalls) add_function(imported_ocalls_, function, at);
  }
  void import_all() {
    const Token at = current_;
    if (const auto other = imported()) add_all(*other, at);
    accept(";");
  }
  void import_some() {
    const Token at = current_;
    const auto other = imported();
    expect("import");
    if (accept("*")) {
      if (other) add_all(*other, at);
    } else {
      do {
        const Token name = expect_name("function name");
        if (other && !failed_) import_one(*other, name);
      } while (accept(",") && !at_end());
    }
    expect(";");
  }
  void import_one(const Interface& other, const Token& name) {
    const auto named = [&](const std::shared_ptr<Function>& function) { return function->name == name.text; };
    const auto ecall = std::find_if(other.ecalls.begin(), other.ecalls.end(), named);
    if (ecall != other.ecalls.end()) return add_function(imported_ecalls_, *ecall, name);
    const auto ocall = std::find_if(other.ocalls.begin(), other.ocalls.end(), named);
    if (ocall != other.ocalls.end()) return add_function(imported_ocalls_, *ocall, name);
    fail(name, fmt::format("function {} not found in imported edl.", name.text),
         fmt::format("{} has no such ECALL or OCALL", other.path));
  }

  void add_type(const std::shared_ptr<UserType>& type, const Token& at) {
    for (const auto& known : result_->types) {
      if (known == type) return;
      if (type->name.empty() || known->name != type->name) continue;
      return fail(at, fmt::format("Duplicate type definition detected for {}", type->name),
                  fmt::format("the other is at {}:{}", known->place.file->path, known->place.line));
    }
    result_->types.push_back(type);
  }
  void add_function(Functions& to, const std::shared_ptr<Function>& function, const Token& at) {
    for (const Functions* list : {&std::as_const(result_->ecalls), &std::as_const(result_->ocalls),
                                  &std::as_const(imported_ecalls_), &std::as_const(imported_ocalls_)}) {
      for (const auto& known : *list) {
        if (known == function) return;
        if (known->name != function->name) continue;
        return fail(at, fmt::format("Duplicate function definition detected for {}", function->name),
                    fmt::format("the other is at {}:{}", known->place.file->path, known->place.line));
      }
    }
    to.push_back(function);
  }

  // --- types

  void enumeration(const Token& word) {
    auto type = std::make_shared<UserType>();
    type->kind = UserTypeKind::kEnum;
    type->place = place(word);
    const Token at = current_;
    if (current_.is_name()) {
      type->place = place(current_);
      type->name = take().text;
    }
    expect("{");
    while (!current_.is("}") && !at_end()) {
      if (!current_.is_name()) return fail(current_, fmt::format("expecting identifier, got {}", shown(current_)));
      Enumerator enumerator{std::string(take().text), std::nullopt};
      if (accept("=")) enumerator.value = value("enum value", true);
      type->enumerators.push_back(std::move(enumerator));
      if (!current_.is("}")) expect(",");
    }
    expect("}");
    expect(";");
    if (!failed_) add_type(type, at);
  }

  Value value(std::string_view what, bool negative = false) {
    Value result{{}, false, place(current_)};
    if (negative && accept("-")) result.text = "-";
    if (!current_.is_number() && (!current_.is_name() || !result.text.empty())) {
      fail(current_, fmt::format("expecting {}, got {}", what, shown(current_)));
      return result;
    }
    result.is_name = current_.is_name();
    result.text += take().text;
    return result;
  }

  void record(UserTypeKind kind) {
    auto type = std::make_shared<UserType>();
    type->kind = kind;
    const Token name = expect_name("struct/union name");
    type->place = place(name);
    type->name = name.text;
    expect("{");
    while (!current_.is("}") && !at_end()) {
      Declaration member = declaration();
      if (member.attributes && kind == UserTypeKind::kUnion) {
        return fail(name, "attributes are not allowed for unions", "nobody could say which member of it is valid");
      }
      type->members.push_back(std::move(member));
      expect(";");
    }
    expect("}");
    expect(";");
    if (!failed_) add_type(type, name);
  }

  Type type() {
    Type result;
    result.is_const = accept("const");
    base_of(result);
    if (accept("const")) result.is_const = true;
    while (accept("*")) {
      if (++result.pointers > 16) fail(current_, "a pointer to a pointer, too deep");
    }
    return result;
  }

  void base_of(Type& result) {
    const Token word = take();
    if (word.is("unsigned")) {
      result.is_unsigned = true;
      if (!current_.is("char") && !current_.is("short") && !current_.is("int") && !current_.is("long")) {
        result.base = Base::kInt;
        return;
      }
      return integer(result, take());
    }
    if (word.is("char") || word.is("short") || word.is("int") || word.is("long")) return integer(result, word);
    for (const auto& [name, base] : kBaseNames) {
      if (word.is(name)) {
        result.base = base;
        return;
      }
    }
    if (word.is("struct") || word.is("union") || word.is("enum")) {
      result.base = word.is("struct") ? Base::kStruct : word.is("union") ? Base::kUnion : Base::kEnum;
      result.name = expect_name("struct/enum/union name").text;
      return;
    }
    if (!word.is_name()) return fail(word, fmt::format("expecting typename, got {}", shown(word)));
    result.base = Base::kNamed;
    result.name = word.text;
  }

  void integer(Type& result, const Token& word) {
    if (word.is("long")) {
      result.base = Base::kLong;
      if (accept("long")) {
        result.base = Base::kLongLong;
      } else if (current_.is("double")) {
        if (result.is_unsigned) return fail(current_, "invalid double following unsigned");
        take();
        result.base = Base::kLongDouble;
        return;
      }
      accept("int");
      return;
    }
    result.base = word.is("char") ? Base::kChar : word.is("short") ? Base::kShort : Base::kInt;
    if (result.base != Base::kInt) accept("int");
  }

  // --- declarations

  Declaration declaration() {
    Declaration result;
    if (current_.is("[")) result.attributes = attributes();
    result.type = type();
    const Token name = expect_name("identifier");
    result.place = place(name);
    result.name = name.text;
    while (accept("[")) {
      if (current_.is("]")) {
        fail(current_, "Flexible array is not supported.", "give the number of elements, or use a pointer with count");
      }
      result.dimensions.push_back(value("array dimension"));
      if (result.dimensions.back().text == "0") {
        fail(name, "Zero-length array is not supported.", "give the number of elements, or use a pointer with count");
      }
      expect("]");
    }
    return result;
  }

  Attributes attributes() {
    Attributes result;
    expect("[");
    if (current_.is("]")) fail(current_, "no attribute specified.", "write [in], [out], [user_check] ...");
    do {
      const Token word = expect_name("attribute");
      const auto known = std::find_if(kAttributeNames.begin(), kAttributeNames.end(),
                                      [&](const AttributeName& each) { return word.is(each.name); });
      if (word.is("sizefunc")) {
        fail(word, "The attribute 'sizefunc' is deprecated. Please use 'size' attribute instead.",
             "a size that a function computes from untrusted data is computed twice from what may change between");
      } else if (known == kAttributeNames.end()) {
        fail(word, fmt::format("unknown attribute: `{}'", shown(word)),
             "known are in, out, size, count, string, wstring, isptr, isary, readonly and user_check");
      }
      if (failed_) return result;
      if (result.has(known->kind)) {
        fail(word, fmt::format("duplicated attribute: `{}'", word.text), "remove one of the two");
        return result;
      }
      result.given.push_back({known->kind, place(word)});
      if (known->kind == AttributeKind::kSize) result.size = product();
      if (known->kind == AttributeKind::kCount) result.count = product();
    } while (accept(",") && !at_end());
    expect("]");
    return result;
  }

  Product product() {
    Product result;
    expect("=");
    do {
      result.push_back(value("integer"));
    } while (accept("*") && !at_end() && result.size() < 8);
    return result;
  }

  // --- functions

  void functions(bool trusted) {
    expect("{");
    while (!current_.is("}") && !at_end()) {
      const Token at = current_;
      auto parsed = function(trusted);
      if (!failed_) add_function(trusted ? result_->ecalls : result_->ocalls, parsed, at);
    }
    expect("}");
    expect(";");
  }

  // [cdecl] and its like before an OCALL: words of another platform, without meaning here.
  void calling_convention() {
    expect("[");
    bool convention = false;
    do {
      const Token word = expect_name("function attribute");
      if (std::none_of(kCallingConventions.begin(), kCallingConventions.end(),
                       [&](std::string_view known) { return word.is(known); })) {
        return fail(word, fmt::format("invalid function attribute: {}", shown(word)),
                    "known are cdecl, stdcall, fastcall and dllimport");
      }
      if (!word.is("dllimport") && std::exchange(convention, true)) {
        return fail(word, fmt::format("unexpected `{}', conflict with the one before it", word.text),
                    "keep one of them");
      }
    } while (accept(",") && !at_end());
    expect("]");
  }

  std::shared_ptr<Function> function(bool trusted) {
    if (++items_ > kMaximumItems) fail(current_, "the file is too long");
    auto result = std::make_shared<Function>();
    result->trusted = trusted;
    if (trusted) {
      result->is_private = !accept("public");
    } else if (current_.is("[")) {
      calling_convention();
    }
    result->result = type();
    const Token name = expect_name("function name");
    result->place = place(name);
    result->name = name.text;
    expect("(");
    if (current_.is("void") && ahead_.is(")")) take();
    while (!current_.is(")") && !at_end()) {
      result->parameters.push_back(declaration());
      if (!current_.is(")")) expect(",");
    }
    expect(")");
    suffixes(*result);
    expect(";");
    return result;
  }

  void suffixes(Function& function) {
    while (!at_end()) {
      const Token word = current_;
      if (accept("allow")) {
        if (function.has_allow_list) return fail(word, "a second allow list of the same function", "join the two");
        function.has_allow_list = true;
        function.allow_place = place(word);
        allow_list(function);
      } else if (word.is("transition_using_threads") && !function.switchless) {
        take();
        function.switchless = true;
      } else if (word.is("propagate_errno") && !function.propagate_errno && !function.trusted) {
        take();
        function.propagate_errno = true;
      } else {
        return;
      }
    }
  }
  void allow_list(Function& function) {
    expect("(");
    while (!current_.is(")") && !at_end()) {
      const Token name = expect_name("identifier");
      function.allows.push_back({std::string(name.text), place(name)});
      if (!current_.is(")")) expect(",");
    }
    expect(")");
  }

  ParseContext& context_;
  ConditionalLexer tokens_;
  Token current_, ahead_;
  bool failed_ = false;
  std::size_t items_ = 0;
  std::shared_ptr<Interface> result_;
  Functions imported_ecalls_, imported_ocalls_;
};

}  // namespace

const UserType* Interface::find(const Type& type) const {
  if (type.base != Base::kStruct && type.base != Base::kUnion && type.base != Base::kNamed) return nullptr;
  for (const auto& known : types) {
    if (known->name == type.name && known->kind != UserTypeKind::kEnum) return known.get();
  }
  return nullptr;
}

std::shared_ptr<Interface> parse(const std::shared_ptr<const SourceFile>& file, std::string name,
                                 ParseContext& context) {
  return Parser(file, std::move(name), context).run();
}

}  // namespace coffer::edl
