// Top-down operator precedence, with the binding powers that the reference implementations share.
#include <algorithm>

#include "attest/policy/jmespath_lexer.h"

namespace coffer::attest::rules::jmespath {

namespace {

constexpr int kMaxDepth = 200;  // of parentheses and the like, and of the tree

int power_of(Kind kind) {
  switch (kind) {
    case Kind::kPipe:
      return 1;
    case Kind::kOr:
      return 2;
    case Kind::kAnd:
      return 3;
    case Kind::kCompare:
      return 5;
    case Kind::kFlatten:
      return 9;
    case Kind::kStar:
      return 20;
    case Kind::kFilter:
      return 21;
    case Kind::kDot:
      return 40;
    case Kind::kNot:
      return 45;
    case Kind::kOpenBrace:
      return 50;
    case Kind::kOpenBracket:
      return 55;
    case Kind::kOpenParen:
      return 60;
    default:
      return 0;
  }
}
constexpr int kProjectionStop = 10;

class Parser {
 public:
  explicit Parser(std::vector<Token> tokens) : tokens_(std::move(tokens)) {}

  Result<NodePtr> run() {
    NodePtr root = expression(0);
    if (good() && peek().kind != Kind::kEnd) fail("something is left over");
    if (!good()) return input_error(error_ + " at byte " + std::to_string(error_position_));
    return root;
  }

 private:
  [[nodiscard]] bool good() const { return error_.empty(); }
  [[nodiscard]] const Token& peek(std::size_t ahead = 0) const {
    return tokens_[std::min(good() ? at_ + ahead : tokens_.size(), tokens_.size() - 1)];
  }
  Token take() {
    Token token = peek();
    if (at_ + 1 < tokens_.size()) ++at_;
    return token;
  }
  bool accept(Kind kind) {
    if (peek().kind != kind) return false;
    take();
    return true;
  }
  void fail(std::string why) {
    if (!good()) return;
    error_position_ = peek().position;
    error_ = std::move(why);
  }
  void expect(Kind kind, const char* what) {
    if (!accept(kind)) fail(std::string(what) + " is missing");
  }

  NodePtr make(NodeKind kind, NodePtr left = nullptr, NodePtr right = nullptr) {
    auto node = std::make_unique<Node>();
    node->kind = kind;
    node->left = std::move(left);
    node->right = std::move(right);
    return settle(std::move(node));
  }
  // Notes how deep it is, after its children are in place.
  NodePtr settle(NodePtr node) {
    int depth = 0;
    for (const Node* child : {node->left.get(), node->right.get(), node->condition.get()}) {
      if (child != nullptr) depth = std::max(depth, child->depth);
    }
    for (const NodePtr& child : node->children) {
      if (child) depth = std::max(depth, child->depth);
    }
    node->depth = depth + 1;
    if (node->depth > kMaxDepth) fail("more than " + std::to_string(kMaxDepth) + " levels");
    return node;
  }

  NodePtr expression(int power) {
    if (++nesting_ > kMaxDepth) fail("more than " + std::to_string(kMaxDepth) + " levels");
    NodePtr left = good() ? prefix(take()) : make(NodeKind::kCurrent);
    while (good() && power < power_of(peek().kind)) left = infix(take(), std::move(left));
    --nesting_;
    return left;
  }

  NodePtr prefix(const Token& token) {
    switch (token.kind) {
      case Kind::kLiteral: {
        NodePtr node = make(NodeKind::kLiteral);
        node->literal = token.literal;
        return node;
      }
      case Kind::kName:
        if (peek().kind == Kind::kOpenParen) return call(token);
        return field(token);
      case Kind::kQuotedName:
        if (peek().kind == Kind::kOpenParen) fail("a function's name without quotation marks");
        return field(token);
      case Kind::kStar:
        return make(NodeKind::kObjectProjection, make(NodeKind::kCurrent), projection_right(power_of(Kind::kStar)));
      case Kind::kCurrent:
        return make(NodeKind::kCurrent);
      case Kind::kFlatten:
        return flatten(make(NodeKind::kCurrent));
      case Kind::kFilter:
        return filter(make(NodeKind::kCurrent));
      case Kind::kNot:
        return make(NodeKind::kNot, expression(power_of(Kind::kNot)));
      case Kind::kOpenBrace:
        return multi_hash();
      case Kind::kOpenParen: {
        NodePtr inner = expression(0);
        expect(Kind::kCloseParen, ")");
        return inner;
      }
      case Kind::kOpenBracket:
        if (peek().kind == Kind::kNumber || peek().kind == Kind::kColon) return index(make(NodeKind::kCurrent));
        if (peek().kind == Kind::kStar && peek(1).kind == Kind::kCloseBracket) return star(make(NodeKind::kCurrent));
        return multi_list();
      case Kind::kAmpersand:
        return make(NodeKind::kReference, expression(0));
      default:
        if (at_ > 0) --at_;
        fail(token.kind == Kind::kEnd ? "the query ends too early" : "a value is missing");
        return make(NodeKind::kCurrent);
    }
  }

  NodePtr infix(const Token& token, NodePtr left) {
    switch (token.kind) {
      case Kind::kDot:
        if (accept(Kind::kStar)) {
          return make(NodeKind::kObjectProjection, std::move(left), projection_right(power_of(Kind::kStar)));
        }
        return make(NodeKind::kSub, std::move(left), dot_right(power_of(Kind::kDot)));
      case Kind::kPipe:
        return make(NodeKind::kPipe, std::move(left), expression(power_of(Kind::kPipe)));
      case Kind::kOr:
        return make(NodeKind::kOr, std::move(left), expression(power_of(Kind::kOr)));
      case Kind::kAnd:
        return make(NodeKind::kAnd, std::move(left), expression(power_of(Kind::kAnd)));
      case Kind::kCompare: {
        NodePtr node = make(NodeKind::kCompare, std::move(left), expression(power_of(Kind::kCompare)));
        node->compare = token.compare;
        return node;
      }
      case Kind::kFlatten:
        return flatten(std::move(left));
      case Kind::kFilter:
        return filter(std::move(left));
      case Kind::kOpenBracket:
        if (peek().kind == Kind::kNumber || peek().kind == Kind::kColon) return index(std::move(left));
        return star(std::move(left));
      default:
        fail("a value cannot be followed by this");
        return left;
    }
  }

  NodePtr field(const Token& token) {
    NodePtr node = make(NodeKind::kField);
    node->name = token.text;
    return node;
  }

  NodePtr flatten(NodePtr left) {
    NodePtr inner = make(NodeKind::kFlatten, std::move(left));
    return make(NodeKind::kListProjection, std::move(inner), projection_right(power_of(Kind::kFlatten)));
  }

  NodePtr filter(NodePtr left) {
    NodePtr condition = expression(0);
    expect(Kind::kCloseBracket, "]");
    NodePtr right =
        peek().kind == Kind::kFlatten ? make(NodeKind::kCurrent) : projection_right(power_of(Kind::kFilter));
    NodePtr node = make(NodeKind::kFilter, std::move(left), std::move(right));
    node->condition = std::move(condition);
    return settle(std::move(node));
  }

  NodePtr star(NodePtr left) {
    expect(Kind::kStar, "an index, a slice or *");
    expect(Kind::kCloseBracket, "]");
    return make(NodeKind::kListProjection, std::move(left), projection_right(power_of(Kind::kStar)));
  }

  NodePtr index(NodePtr left) {
    if (peek().kind == Kind::kNumber && peek(1).kind == Kind::kCloseBracket) {
      NodePtr node = make(NodeKind::kIndex, std::move(left));
      node->index = take().number;
      take();
      return node;
    }
    NodePtr node = make(NodeKind::kSlice, std::move(left));
    int part = 0;
    while (good() && peek().kind != Kind::kCloseBracket) {
      if (peek().kind == Kind::kColon && part < 2) {
        take();
        ++part;
      } else if (peek().kind == Kind::kNumber && !node->slice[part]) {
        node->slice[part] = take().number;
      } else {
        fail("a slice is [start:stop:step]");
      }
    }
    expect(Kind::kCloseBracket, "]");
    if (part == 0) fail("a slice is [start:stop:step]");
    return make(NodeKind::kListProjection, std::move(node), projection_right(power_of(Kind::kStar)));
  }

  // What applies to each element of a projection.
  NodePtr projection_right(int power) {
    const Kind next = peek().kind;
    if (power_of(next) < kProjectionStop) return make(NodeKind::kCurrent);
    if (next == Kind::kOpenBracket || next == Kind::kFilter) return expression(power);
    if (next == Kind::kDot) {
      take();
      return dot_right(power);
    }
    fail("a projection cannot be followed by this");
    return make(NodeKind::kCurrent);
  }

  NodePtr dot_right(int power) {
    const Kind next = peek().kind;
    if (next == Kind::kName || next == Kind::kQuotedName || next == Kind::kStar) return expression(power);
    if (accept(Kind::kOpenBracket)) return multi_list();
    if (accept(Kind::kOpenBrace)) return multi_hash();
    fail("a name, *, [ or { is missing after the dot");
    return make(NodeKind::kCurrent);
  }

  NodePtr multi_list() {
    NodePtr node = make(NodeKind::kMultiList);
    do {
      node->children.push_back(expression(0));
    } while (good() && accept(Kind::kComma));
    expect(Kind::kCloseBracket, "]");
    return settle(std::move(node));
  }

  NodePtr multi_hash() {
    NodePtr node = make(NodeKind::kMultiHash);
    do {
      const Token name = take();
      if (name.kind != Kind::kName && name.kind != Kind::kQuotedName) fail("a name is missing in {...}");
      expect(Kind::kColon, ":");
      node->names.push_back(name.text);
      node->children.push_back(expression(0));
    } while (good() && accept(Kind::kComma));
    expect(Kind::kCloseBrace, "}");
    return settle(std::move(node));
  }

  NodePtr call(const Token& name) {
    NodePtr node = make(NodeKind::kCall);
    node->name = name.text;
    take();
    if (!accept(Kind::kCloseParen)) {
      do {
        node->children.push_back(expression(0));
      } while (good() && accept(Kind::kComma));
      expect(Kind::kCloseParen, ")");
    }
    return settle(std::move(node));
  }

  std::vector<Token> tokens_;
  std::size_t at_ = 0;
  int nesting_ = 0;
  std::string error_;
  std::size_t error_position_ = 0;
};

}  // namespace

Result<Query> Query::parse(std::string_view text) {
  if (text.size() > kMaxQuery) return input_error("longer than " + std::to_string(kMaxQuery) + " bytes");
  auto tokens = read_tokens(text);
  if (!tokens) return std::unexpected(tokens.error());
  auto root = Parser(std::move(*tokens)).run();
  if (!root) return std::unexpected(root.error());
  Query query;
  query.root_ = std::shared_ptr<const Node>(std::move(*root));
  return query;
}

}  // namespace coffer::attest::rules::jmespath
