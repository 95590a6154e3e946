// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// has static objects: their constructors allocate before anybody could have told the plugin its allocator, and their
// destructors free when the module is closed, after berth_detach. Both go to its own instance.
#include <cstring>
#include <mutex>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "work.h"

BERTH_PLUGIN("has static objects");

namespace {

std::vector<std::string> filled_by_constructor(1000, std::string(100, 'x'));

// Grows with every call, and is emptied by its destructor alone.
std::set<std::string, std::less<>> seen;
std::mutex seen_mutex;

std::string_view first_line(const work_bytes& input) {
  const std::string_view text(input.bytes, input.size);
  return text.substr(0, text.find('\n'));
}

}  // namespace

int work(const work_request* request, work_result* result) {
  const std::lock_guard lock(seen_mutex);
  seen.insert(std::string(first_line(request->input)));
  result->units = filled_by_constructor.size() + seen.size();
  result->unit = "strings in static objects";
  result->text = new char[seen.begin()->size() + 1];
  std::strcpy(result->text, seen.begin()->c_str());
  return 0;
}

void work_free(work_result* result) { delete[] result->text; }
