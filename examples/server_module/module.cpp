// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// A module that turns the words of a request round. Its new and delete use its instance: berth::plugin_new.
#include <berth/plugin.h>

#include <algorithm>
#include <cstdio>
#include <new>
#include <sstream>
#include <string>
#include <vector>

#include "handler.h"

BERTH_PLUGIN("turn");

BERTH_PLUGIN_EXPORT bool handle(const char* request, char* reply, size_t size) try {
  std::istringstream text(request);
  std::vector<std::string> words;
  for (std::string word; text >> word;) words.push_back(word);
  std::reverse(words.begin(), words.end());
  if (words.size() == 1 && words[0] == "greedy") std::string(1 << 30, 'x').swap(words[0]);  // beyond the quota

  std::string turned = "turned:";
  for (const std::string& word : words) turned += " " + word;
  std::snprintf(reply, size, "%s", turned.c_str());
  return true;
} catch (const std::bad_alloc&) {
  return false;
}
