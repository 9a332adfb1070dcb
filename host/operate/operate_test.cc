// The register, the logs and the records, over real sockets and files in a folder of the test's own.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <thread>

#include "base/local_socket.h"
#include "host/operate/client.h"
#include "host/operate/detached.h"
#include "host/operate/log_file.h"
#include "host/operate/places.h"
#include "host/operate/registry.h"

namespace coffer::operate {
namespace {

using ::testing::HasSubstr;

class Operating : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = (std::filesystem::temp_directory_path() / "coffer-operate-XXXXXX").string();
    folder_ = ::mkdtemp(pattern.data());
    ::setenv("COFFER_HOME", (folder_ / "home").c_str(), 1);
  }
  void TearDown() override {
    std::filesystem::permissions(folder_, std::filesystem::perms::owner_all);
    std::filesystem::remove_all(folder_);
  }
  static EnclaveStatus status_of(const std::string& id, const std::string& name) {
    EnclaveStatus status;
    status.id = id;
    status.name = name;
    status.image = "/images/x.enclave";
    status.rung = "process";
    status.started_ms = 1000;
    status.threads = 2;
    status.max_threads = 8;
    status.counters = {.ecalls = 1,
                       .ocalls = 2,
                       .entries = 3,
                       .exceptions = 4,
                       .interrupts = 5,
                       .system_calls = 600,
                       .trapped_system_calls = 6};
    status.epc = {
        .total_pages = 10, .used_pages = 7, .added_later_pages = 3, .outside_pages = 2, .evictions = 40, .reloads = 38};
    return status;
  }
  static std::unique_ptr<Registration> add(const std::string& id, const std::string& name, int* stopped = nullptr) {
    auto registered = register_enclave(id, {.status = [id, name] { return status_of(id, name); },
                                            .stop =
                                                [stopped] {
                                                  if (stopped != nullptr) ++*stopped;
                                                }});
    EXPECT_TRUE(registered) << registered.error().message;
    return registered ? std::move(*registered) : nullptr;
  }
  [[nodiscard]] std::filesystem::path run() const { return folder_ / "home" / "run"; }
  [[nodiscard]] std::size_t files_in_run() const {
    return static_cast<std::size_t>(std::distance(std::filesystem::directory_iterator(run()), {}));
  }

  std::filesystem::path folder_;
};

TEST_F(Operating, AStatusSurvivesTheWay) {
  const ProcessStatus process{.pid = 42, .command = true, .enclaves = {status_of("0123456789ab", "a \"name\"\n")}};
  const auto parsed = parse_status(to_json(process));
  ASSERT_TRUE(parsed) << parsed.error().message;
  EXPECT_EQ(parsed->pid, 42);
  EXPECT_TRUE(parsed->command);
  ASSERT_EQ(parsed->enclaves.size(), 1u);
  const EnclaveStatus& e = parsed->enclaves.front();
  EXPECT_EQ(e.name, "a \"name\"?") << "no control character reaches a terminal";
  EXPECT_EQ(e.counters.interrupts, 5u);
  EXPECT_EQ(e.counters.trapped_system_calls, 6u);
  EXPECT_EQ(e.epc.reloads, 38u);
  EXPECT_DOUBLE_EQ(e.counters.patched_share(), 0.99);
  for (const char* damaged : {"", "{", "[]", "{\"pid\": 1}", "{\"pid\":1,\"command\":true,\"enclaves\":[{}]}",
                              "{\"pid\":\"x\",\"command\":true,\"enclaves\":[]}"}) {
    EXPECT_FALSE(parse_status(damaged)) << damaged;
  }
}

TEST_F(Operating, MetricsAreInPrometheusForm) {
  const std::string text =
      to_prometheus({.pid = 1, .command = false, .enclaves = {status_of("0123456789ab", "we\"b\\")}});
  EXPECT_THAT(text, HasSubstr("# TYPE coffer_system_calls_total counter\n"
                              "coffer_system_calls_total{enclave=\"0123456789ab\",name=\"we\\\"b\\\\\"} 600\n"));
  EXPECT_THAT(text, HasSubstr("# TYPE coffer_epc_used_pages gauge\n"));
  EXPECT_THAT(text, HasSubstr("coffer_epc_evictions_total{enclave=\"0123456789ab\",name=\"we\\\"b\\\\\"} 40\n"));
  EXPECT_THAT(text, HasSubstr("coffer_enclaves 1\n"));
  // Every sample belongs to a family that was announced, once.
  std::istringstream lines(text);
  std::string family;
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with("# TYPE ")) family = line.substr(7, line.rfind(' ') - 7);
    if (line.starts_with('#')) continue;
    EXPECT_EQ(line.substr(0, line.find_first_of("{ ")), family);
  }
}

TEST_F(Operating, CountsThatGoBackAreNone) {
  const Counters before{.ecalls = 5, .system_calls = 10};
  const Counters now{.ecalls = 4, .system_calls = 30, .trapped_system_calls = 2};
  EXPECT_EQ(now.since(before).ecalls, 0u);
  EXPECT_EQ(now.since(before).system_calls, 20u);
  EXPECT_DOUBLE_EQ(now.since(before).patched_share(), 0.9);
  EXPECT_DOUBLE_EQ(Counters{}.patched_share(), 1);
  EXPECT_DOUBLE_EQ((Counters{.system_calls = 1, .trapped_system_calls = 9}.patched_share()), 0);
}

TEST_F(Operating, EnclavesAreListedAsLongAsTheyAreRegistered) {
  EXPECT_TRUE(list_running()->empty());
  auto first = add("aaaaaaaaaaaa", "web");
  auto second = add("aaabbbbbbbbb", "db");
  auto listed = list_running();
  ASSERT_TRUE(listed);
  ASSERT_EQ(listed->size(), 1u) << "one socket for each process";
  EXPECT_EQ(listed->front().status.pid, ::getpid());
  EXPECT_EQ(listed->front().status.enclaves.size(), 2u);
  EXPECT_EQ(find_running(*listed, "web")->enclave->id, "aaaaaaaaaaaa");
  EXPECT_EQ(find_running(*listed, "aaab")->enclave->name, "db");
  EXPECT_THAT(find_running(*listed, "aaa").error().message, HasSubstr("2 running enclaves"));
  EXPECT_THAT(find_running(*listed, "aa").error().message, HasSubstr("no enclave"));
  first.reset();
  EXPECT_EQ(list_running()->front().status.enclaves.size(), 1u);
  second.reset();
  EXPECT_TRUE(list_running()->empty());
  EXPECT_EQ(files_in_run(), 0u);
  auto again = add("cccccccccccc", "again");
  EXPECT_EQ(list_running()->size(), 1u);
}

TEST_F(Operating, AnEnclaveIsAskedToStop) {
  int stopped = 0;
  auto registered = add("aaaaaaaaaaaa", "web", &stopped);
  const auto listed = list_running();
  EXPECT_TRUE(ask_to_stop(listed->front(), "aaaaaaaaaaaa"));
  EXPECT_EQ(stopped, 1);
  EXPECT_FALSE(ask_to_stop(listed->front(), "dddddddddddd"));
}

TEST_F(Operating, TheSocketAnswersOthersThanItsOwnClientToo) {
  auto registered = add("aaaaaaaaaaaa", "web");
  const std::filesystem::path socket = std::filesystem::directory_iterator(run())->path();
  const auto ask = [&socket](const std::string& text) {
    const Connected connected = connect_to(socket, SocketKind::kStream);
    set_timeout(connected.socket.get(), 5000);
    std::string answer;
    // Who says too much is cut off while it speaks, or once it listens.
    [[maybe_unused]] const bool sent = send_whole(connected.socket.get(), text);
    [[maybe_unused]] const bool whole = receive_whole(connected.socket.get(), 1 << 20, answer);
    return answer;
  };
  EXPECT_THAT(ask("GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n"), HasSubstr("coffer_enclaves 1"));
  EXPECT_THAT(ask("GET /nothing HTTP/1.1\r\n\r\n"), ::testing::StartsWith("HTTP/1.0 404"));
  EXPECT_THAT(ask("nonsense\n\n"), ::testing::StartsWith("HTTP/1.0 404"));
  EXPECT_EQ(ask(std::string(100000, 'x')), "");
  EXPECT_THAT(ask("GET /status HTTP/1.0\r\n\r\n"), HasSubstr("\"name\":\"web\"")) << "and goes on";
}

TEST_F(Operating, SocketsOfTheDeadAreRemoved) {
  const pid_t child = ::fork();
  if (child == 0) {
    auto registered = register_enclave("eeeeeeeeeeee", {.status = [] { return EnclaveStatus{}; }, .stop = [] {}});
    ::_exit(registered ? 0 : 1);  // without leaving the register, as a killed process
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  ASSERT_EQ(status, 0);
  EXPECT_EQ(files_in_run(), 1u);
  EXPECT_TRUE(list_running()->empty());
  EXPECT_EQ(files_in_run(), 0u);
}

TEST_F(Operating, ALongPathIsNoObstacle) {
  const std::filesystem::path deep = folder_ / std::string(120, 'd');
  std::filesystem::create_directory(deep);
  ::setenv("COFFER_HOME", (deep / "home").c_str(), 1);
  auto registered = add("aaaaaaaaaaaa", "web");
  EXPECT_EQ(list_running()->size(), 1u);
}

TEST_F(Operating, FoldersOfOthersAreNotUsed) {
  ASSERT_TRUE(run_folder());
  ASSERT_EQ(::chmod(run().c_str(), 0755), 0);
  EXPECT_THAT(run_folder().error().message, HasSubstr("0700"));
  EXPECT_FALSE(register_enclave("aaaaaaaaaaaa", {.status = [] { return EnclaveStatus{}; }, .stop = [] {}}));
  std::filesystem::remove_all(run());
  std::filesystem::create_directory_symlink(folder_, run());
  EXPECT_FALSE(run_folder());
}

TEST_F(Operating, NamesAndIds) {
  EXPECT_TRUE(is_id(new_id()));
  EXPECT_NE(new_id(), new_id());
  for (const char* good : {"a", "web-1", "A.b_c"}) EXPECT_TRUE(is_name(good)) << good;
  for (const char* bad : {"", "-a", "a b", "a/b", "\x1b[31m"}) EXPECT_FALSE(is_name(bad)) << bad;
  EXPECT_FALSE(is_name(std::string(64, 'a')));
  EXPECT_EQ(iso_time(1'000'000'000'123), "2001-09-09T01:46:40.123Z");
}

std::vector<std::string> lines_of(LogReader& reader) {
  std::vector<std::string> lines;
  reader.read([&lines](const LogLine& line) { lines.push_back(line.stream + line.text); });
  return lines;
}

TEST_F(Operating, ALogKeepsLinesAndTheirStreams) {
  LogWriter writer(folder_);
  LogReader reader(folder_);
  writer.append('o', "one\ntw");
  writer.append('e', "bad\n");
  EXPECT_THAT(lines_of(reader), ::testing::ElementsAre("oone", "ebad"));
  writer.append('o', "o\n\nlast");
  writer.finish();
  EXPECT_THAT(lines_of(reader), ::testing::ElementsAre("otwo", "o", "olast"));
  EXPECT_THAT(lines_of(reader), ::testing::ElementsAre());
}

TEST_F(Operating, ALogIsBoundedAndItsNewestLinesAreThere) {
  constexpr std::uint64_t kLimit = 20000;
  LogWriter writer(folder_, kLimit);
  LogReader follower(folder_);
  std::size_t followed = 0;
  for (int i = 0; i < 5000; ++i) {
    writer.append('o', "line " + std::to_string(i) + "\n");
    if (i % 100 == 0) followed += lines_of(follower).size();
  }
  followed += lines_of(follower).size();
  EXPECT_EQ(followed, 5000u) << "a reader that keeps up misses nothing when the files change";
  std::uint64_t bytes = 0;
  for (const auto& entry : std::filesystem::directory_iterator(folder_)) {
    if (entry.is_regular_file()) bytes += entry.file_size();
  }
  EXPECT_LE(bytes, kLimit + 2 * (kLongestLine + 32));
  LogReader late(folder_);
  const auto kept = lines_of(late);
  ASSERT_GT(kept.size(), 100u);
  EXPECT_EQ(kept.back(), "oline 4999");
  writer.append('e', std::string(3 * kLongestLine, 'x'));
  writer.finish();
  EXPECT_EQ(lines_of(late).size(), 3u) << "a line without end is cut";
}

DetachedRecord begin_run(const std::string& id, const std::string& name, std::int64_t started) {
  auto record =
      DetachedRecord::create({.id = id, .name = name, .image = "/x.enclave", .started_ms = started, .folder = {}});
  EXPECT_TRUE(record) << record.error().message;
  return std::move(*record);
}

TEST_F(Operating, ADetachedRunLeavesItsEnd) {
  {
    auto record = begin_run("aaaaaaaaaaaa", "job", 1);
    EXPECT_EQ(find_detached("job")->state, DetachedRun::State::kRunning);
    EXPECT_EQ(wait_for_end(*find_detached("aaa"), 1)->state, DetachedRun::State::kRunning);
    ASSERT_TRUE(record.ended(DetachedRun::State::kExited, 7));
  }
  const auto run = wait_for_end(*find_detached("job"));
  ASSERT_TRUE(run);
  EXPECT_EQ(run->state, DetachedRun::State::kExited);
  EXPECT_EQ(run->code, 7);
  EXPECT_GE(run->ended_ms, run->started_ms);
  {
    auto record = begin_run("bbbbbbbbbbbb", "job", 2);
  }
  EXPECT_EQ(find_detached("job")->state, DetachedRun::State::kLost) << "the newest of the name, whose keeper is gone";
  EXPECT_THAT(find_detached("other").error().message, HasSubstr("no detached run"));
}

TEST_F(Operating, OnlySomeEndedRunsAreKept) {
  auto running = begin_run("ffffffffffff", "old", 0);
  for (int i = 0; i < 40; ++i) {
    auto record = begin_run(new_id(), "run" + std::to_string(i), i + 1);
    ASSERT_TRUE(record.ended(DetachedRun::State::kKilled, 9));
  }
  const auto runs = list_detached();
  ASSERT_TRUE(runs);
  EXPECT_EQ(runs->size(), kEndedRunsKept + 1);
  EXPECT_EQ(runs->front().name, "old") << "a run that goes on is never removed";
  EXPECT_EQ(runs->back().name, "run39");
  EXPECT_EQ(runs->back().signal, 9);
}

}  // namespace
}  // namespace coffer::operate
