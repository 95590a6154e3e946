// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// index: a word index over all texts that it is given, in standard containers and with no allocator in sight:
// berth::plugin_new routes operator new and delete to the plugin's instance. Several threads index texts into the same
// tables at once, so that blocks are freed by other threads than allocated them; static destructors free the index.
#include <algorithm>
#include <array>
#include <cctype>
#include <cstdint>
#include <cstring>
#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "work.h"

BERTH_PLUGIN("index");

namespace {

// In which text a word occurs, and where.
struct Occurrences {
  std::string text;
  std::vector<std::uint32_t> positions;
};

// The words are spread over several tables, each with its own lock, so that threads seldom wait for each other.
struct Shard {
  std::mutex mutex;
  std::unordered_map<std::string, std::vector<Occurrences>> words;
};

constexpr std::size_t kShards = 16;
std::array<Shard, kShards> shards;

using LocalIndex = std::map<std::string, std::vector<std::uint32_t>, std::less<>>;

// Words are runs of letters, in lower case. Returns how many there are.
std::uint32_t read_words(std::string_view text, LocalIndex& words) {
  std::uint32_t count = 0;
  std::string word;
  const auto finish = [&] {
    if (word.empty()) return;
    words[word].push_back(count++);
    word.clear();
  };
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (std::isalpha(byte) != 0 || byte >= 0x80) {
      word.push_back(static_cast<char>(std::tolower(byte)));
    } else {
      finish();
    }
  }
  finish();
  return count;
}

// A text that is indexed once more replaces its earlier occurrences. True: the word is new to the index.
bool merge(const std::string& word, const std::string& text, std::vector<std::uint32_t>&& positions) {
  Shard& shard = shards[std::hash<std::string>{}(word) % kShards];
  const std::lock_guard lock(shard.mutex);
  const auto [entry, is_new] = shard.words.try_emplace(word);
  std::vector<Occurrences>& list = entry->second;
  const auto known = std::find_if(list.begin(), list.end(), [&](const Occurrences& o) { return o.text == text; });
  if (known != list.end()) {
    known->positions = std::move(positions);
  } else {
    list.push_back({text, std::move(positions)});
  }
  return is_new;
}

std::string add_to_index(std::string_view text, const std::string& name, std::uint64_t& words) {
  constexpr std::size_t kShown = 10;
  LocalIndex local;
  words = read_words(text, local);

  std::vector<std::pair<std::size_t, std::string>> frequent;
  frequent.reserve(local.size());
  std::size_t fresh = 0;
  for (auto& [word, positions] : local) {
    frequent.emplace_back(positions.size(), word);
    if (merge(word, name, std::move(positions))) fresh++;
  }
  const std::size_t shown = std::min(kShown, frequent.size());
  std::partial_sort(
      frequent.begin(), frequent.begin() + static_cast<std::ptrdiff_t>(shown), frequent.end(),
      [](const auto& a, const auto& b) { return a.first != b.first ? a.first > b.first : a.second < b.second; });

  std::string result = std::to_string(words) + " words, " + std::to_string(local.size()) + " different, " +
                       std::to_string(fresh) + " of them new to the index\n";
  for (std::size_t i = 0; i < shown; i++) {
    const std::string count = std::to_string(frequent[i].first);
    result.append(count.size() < 8 ? 8 - count.size() : 0, ' ').append(count).append("  ").append(frequent[i].second);
    result.push_back('\n');
  }
  return result;
}

char* copy_of(const std::string& text) {
  auto* copy = new char[text.size() + 1];
  std::memcpy(copy, text.c_str(), text.size() + 1);
  return copy;
}

}  // namespace

int work(const work_request* request, work_result* result) {
  result->unit = "words";
  try {
    const std::string_view text(request->input.bytes, request->input.size);
    result->text = copy_of(add_to_index(text, request->input.name, result->units));
    return 0;
  } catch (const std::exception&) {
    // Only memory can run out here, and a text about it would need some.
    return 1;
  }
}

void work_free(work_result* result) { delete[] result->text; }
