#include <coffer/attest/time.h>

#include <algorithm>
#include <array>
#include <cstdio>

namespace coffer::attest {

namespace {

constexpr std::int64_t kDay = 24 * 60 * 60;
constexpr std::int64_t kFirst = -62'167'219'200;  // 0000-01-01T00:00:00Z
constexpr std::int64_t kLast = 253'402'300'799;   // 9999-12-31T23:59:59Z

struct Civil {
  int year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0;
};

// Days since 1970-01-01 of the proleptic Gregorian calendar, counted from a year that begins in March, so that the day
// which is not in every year is its last.
std::int64_t days_of(int year, int month, int day) {
  const std::int64_t shifted = month <= 2 ? year - 1 : year;
  const std::int64_t era = (shifted >= 0 ? shifted : shifted - 399) / 400;
  const std::int64_t year_of_era = shifted - era * 400;
  const std::int64_t day_of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
  const std::int64_t day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
  return era * 146'097 + day_of_era - 719'468;
}

int days_in(int year, int month) {
  constexpr std::array<int, 12> kDays{31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
  const bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
  return month == 2 && leap ? 29 : kDays[static_cast<std::size_t>(month - 1)];
}

std::optional<UnixTime> moment_of(const Civil& c) {
  const bool real = c.month >= 1 && c.month <= 12 && c.day >= 1 && c.day <= days_in(c.year, c.month) && c.hour < 24 &&
                    c.minute < 60 && c.second < 60;
  if (!real) return std::nullopt;
  return UnixTime{days_of(c.year, c.month, c.day) * kDay + c.hour * 3600 + c.minute * 60 + c.second};
}

// Reads fixed fields off the front of a text.
class Scanner {
 public:
  explicit Scanner(std::string_view text) : text_(text) {}
  Scanner& digits(std::size_t count, int* value) {
    if (text_.size() < count) return refuse();
    *value = 0;
    for (const char c : text_.substr(0, count)) {
      if (c < '0' || c > '9') return refuse();
      *value = *value * 10 + (c - '0');
    }
    text_.remove_prefix(count);
    return *this;
  }
  Scanner& symbol(char wanted) {
    if (text_.empty() || text_.front() != wanted) return refuse();
    text_.remove_prefix(1);
    return *this;
  }
  Scanner& fraction() {
    if (text_.empty() || text_.front() != '.') return *this;
    const std::size_t end = std::min(text_.find_first_not_of("0123456789", 1), text_.size());
    if (end == 1) return refuse();
    text_.remove_prefix(end);
    return *this;
  }
  [[nodiscard]] bool done() const { return good_ && text_.empty(); }

 private:
  Scanner& refuse() {
    good_ = false;
    text_ = {};
    return *this;
  }
  std::string_view text_;
  bool good_ = true;
};

}  // namespace

std::optional<UnixTime> parse_iso8601(std::string_view text) {
  Civil c;
  Scanner scanner(text);
  scanner.digits(4, &c.year).symbol('-').digits(2, &c.month).symbol('-').digits(2, &c.day).symbol('T');
  scanner.digits(2, &c.hour).symbol(':').digits(2, &c.minute).symbol(':').digits(2, &c.second).fraction().symbol('Z');
  return scanner.done() ? moment_of(c) : std::nullopt;
}

std::optional<UnixTime> parse_generalized_time(std::string_view text) {
  Civil c;
  Scanner scanner(text);
  scanner.digits(4, &c.year).digits(2, &c.month).digits(2, &c.day);
  scanner.digits(2, &c.hour).digits(2, &c.minute).digits(2, &c.second).symbol('Z');
  return scanner.done() ? moment_of(c) : std::nullopt;
}

std::optional<UnixTime> parse_utc_time(std::string_view text) {
  Civil c;
  Scanner scanner(text);
  scanner.digits(2, &c.year).digits(2, &c.month).digits(2, &c.day);
  scanner.digits(2, &c.hour).digits(2, &c.minute).digits(2, &c.second).symbol('Z');
  c.year += c.year >= 50 ? 1900 : 2000;  // RFC 5280, 4.1.2.5.1
  return scanner.done() ? moment_of(c) : std::nullopt;
}

std::string to_iso8601(UnixTime time) {
  const std::int64_t seconds = std::clamp(time.seconds, kFirst, kLast);
  std::int64_t days = seconds / kDay;
  std::int64_t rest = seconds % kDay;
  if (rest < 0) {
    rest += kDay;
    --days;
  }
  const std::int64_t shifted = days + 719'468;
  const std::int64_t era = (shifted >= 0 ? shifted : shifted - 146'096) / 146'097;
  const std::int64_t day_of_era = shifted - era * 146'097;
  const std::int64_t year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36'524 - day_of_era / 146'096) / 365;
  const std::int64_t day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
  const std::int64_t march_month = (5 * day_of_year + 2) / 153;
  const int day = static_cast<int>(day_of_year - (153 * march_month + 2) / 5 + 1);
  const int month = static_cast<int>(march_month < 10 ? march_month + 3 : march_month - 9);
  const int year = static_cast<int>(year_of_era + era * 400 + (month <= 2 ? 1 : 0));
  std::array<char, 64> text{};
  const int length =
      std::snprintf(text.data(), text.size(), "%04d-%02d-%02dT%02d:%02d:%02dZ", year, month, day,
                    static_cast<int>(rest / 3600), static_cast<int>(rest / 60 % 60), static_cast<int>(rest % 60));
  return {text.data(), static_cast<std::size_t>(length)};
}

}  // namespace coffer::attest
