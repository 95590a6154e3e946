// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// bench_whole: what the levels cost in whole programs. Runs programs of the system with every allocation of theirs from
// one instance (front.cpp, preloaded), FAST and another level in turn, and prints the least processor time of each,
// with the children's, and their ratio. A number is never a reason to fail.
//
//   bench_whole [repetitions] [level] [name...]     10, guarded, every program that is installed
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <vector>

namespace {

struct Program {
  const char* name;
  std::vector<const char*> command;
  const char* variable = nullptr;  // of the environment, and its value
  const char* value = nullptr;
};

constexpr const char* kPython = R"(
words = {}
for i in range(60000):
    key = "word%d" % (i * 7919 % 20011)
    words.setdefault(key, []).append((i, str(i) * (i % 5)))
lines = ["%s %d" % (key, len(found)) for key, found in sorted(words.items())]
text = "\n".join(lines)
parsed = [line.split() for line in text.split("\n")]
import json
for i in range(20):
    json.loads(json.dumps(parsed[:2000]))
)";

constexpr const char* kBash = R"bash(
declare -A seen
for ((i = 0; i < 12000; i++)); do
  key="word$((i * 7919 % 3001))"
  seen[$key]="${seen[$key]:-} $i"
  parts=(${seen[$key]})
  text="${key/word/name}:${#parts[@]}"
done
for key in "${!seen[@]}"; do all+="$key=${seen[$key]%% *};"; done
for ((i = 0; i < 60; i++)); do x=$(echo "$i" "${#all}"); done
)bash";

constexpr const char* kPerl = R"perl(
my %seen;
for my $i (0 .. 150000) { push @{$seen{"word" . ($i * 7919 % 20011)}}, "$i" x ($i % 5 + 1); }
my @lines = map { "$_ " . scalar(@{$seen{$_}}) } sort keys %seen;
my $text = join "\n", @lines;
for (1 .. 8) { my @parsed = map { [split] } split /\n/, $text; }
)perl";

constexpr const char* kSqlite =
    "create table t(k integer primary key, w text, n integer); create index i on t(w);"
    "with recursive c(x) as (select 1 union all select x + 1 from c where x < 40000)"
    " insert into t select x, 'word' || (x * 7919 % 20011), x % 97 from c;"
    "select count(*) from (select w, sum(n), group_concat(n) from t group by w order by 2);"
    "update t set w = w || n where n < 30; delete from t where n > 60;";

constexpr const char* kAwk =
    "BEGIN { for (i = 0; i < 200000; i++) { k = \"word\" (i * 7919 % 20011); s[k] = s[k] \" \" (i % 10) }"
    " for (k in s) n += split(s[k], parts, \" \"); print n }";

const std::vector<Program>& programs() {
  static const std::vector<Program> all = {
      {"python3", {"python3", "-c", kPython}},
      {"python3, all by malloc", {"python3", "-c", kPython}, "PYTHONMALLOC", "malloc"},
      {"python3, nothing to do", {"python3", "-c", "pass"}},
      {"bash", {"bash", "-c", kBash}},
      {"bash, nothing to do", {"bash", "-c", ":"}},
      {"perl", {"perl", "-e", kPerl}},
      {"sqlite3", {"sqlite3", ":memory:", kSqlite}},
      {"awk", {"awk", kAwk}},
      {"lua", {"lua", "-e", "t = {} for i = 1, 400000 do t[i % 5003] = {tostring(i), i} end"}},
  };
  return all;
}

// Where the program itself is, not a script that stands for it.
std::string find(const std::string& name) {
  if (name == "python3") {
    std::string path(4096, '\0');
    FILE* const answer = popen("python3 -c 'import sys; print(sys.executable)' 2>/dev/null", "r");
    const bool read = answer != nullptr && std::fgets(path.data(), static_cast<int>(path.size()), answer) != nullptr;
    if (answer != nullptr) pclose(answer);
    return read ? path.substr(0, path.find('\n')) : std::string();
  }
  const char* const found = std::getenv("PATH");
  const std::string folders = std::string(found != nullptr ? found : "/usr/bin:/bin") + ':';
  for (std::size_t from = 0, to = 0; (to = folders.find(':', from)) != std::string::npos; from = to + 1) {
    const std::string path = folders.substr(from, to - from) + '/' + name;
    if (access(path.c_str(), X_OK) == 0) return path;
  }
  return {};
}

// Seconds of processor time; below 0: it failed.
double run(const Program& program, const std::string& path, const std::string& front, const char* level) {
  const pid_t child = fork();
  if (child == 0) {
    const int nowhere = open("/dev/null", O_RDWR);
    dup2(nowhere, STDIN_FILENO);
    dup2(nowhere, STDOUT_FILENO);
    setenv("LD_PRELOAD", front.c_str(), 1);
    setenv("BERTH_FRONT_HARDENING", level, 1);
    setenv("LC_ALL", "C", 1);
    if (program.variable != nullptr) setenv(program.variable, program.value, 1);
    std::vector<char*> words;
    for (const char* word : program.command) words.push_back(const_cast<char*>(word));
    words.push_back(nullptr);
    execv(path.c_str(), words.data());
    _exit(127);
  }
  int status = 0;
  rusage use{};
  if (child < 0 || wait4(child, &status, 0, &use) != child || !WIFEXITED(status) || WEXITSTATUS(status) != 0) return -1;
  const auto seconds = [](const timeval& time) {
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
  };
  return seconds(use.ru_utime) + seconds(use.ru_stime);
}

}  // namespace

int main(int argc, char** argv) {
  const int repetitions = argc > 1 ? std::max(std::atoi(argv[1]), 1) : 10;
  const char* const level = argc > 2 ? argv[2] : "guarded";
  const std::vector<std::string> wanted(argv + std::min(argc, 3), argv + argc);
  const std::string front = (std::filesystem::read_symlink("/proc/self/exe").parent_path() / "bench_front.so").string();
  std::printf("%-26s %10s %10s %7s\n", "processor time, least", "fast, ms", level, "ratio");
  int failed = 0;
  for (const Program& program : programs()) {
    const auto is_named = [&](const std::string& name) { return std::string(program.name).find(name) == 0; };
    if (!wanted.empty() && std::none_of(wanted.begin(), wanted.end(), is_named)) continue;
    const std::string path = find(program.command[0]);
    if (path.empty()) {
      std::printf("%-26s is not installed\n", program.name);
      continue;
    }
    std::array<double, 2> least = {1e9, 1e9};
    bool works = true;
    for (int repetition = 0; repetition < repetitions; ++repetition) {
      for (std::size_t which = 0; which < 2; ++which) {
        const double seconds = run(program, path, front, which == 0 ? "fast" : level);
        works = works && seconds >= 0;
        least[which] = std::min(least[which], seconds);
      }
    }
    if (!works) {
      std::printf("%-26s failed\n", program.name);
      ++failed;
      continue;
    }
    std::printf("%-26s %10.1f %10.1f %7.2f\n", program.name, least[0] * 1e3, least[1] * 1e3, least[1] / least[0]);
    std::fflush(stdout);
  }
  return failed == 0 ? 0 : 1;
}
