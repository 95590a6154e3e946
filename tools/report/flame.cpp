// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
#include "tools/report/flame.hpp"

#include <algorithm>
#include <map>
#include <sstream>

#include "tools/report/page.hpp"
#include "tools/top/formats.hpp"

namespace berth::report {

namespace {

constexpr std::size_t kMostDepth = 64;
constexpr double kLeastShare = 0.002;  // of the whole; narrower ones cannot be seen

struct Node {
  std::uint64_t bytes = 0;
  std::map<std::string, Node> callees;
};

void add(Node& root, const Stack& stack) {
  root.bytes += stack.bytes;
  Node* node = &root;
  std::size_t depth = 0;
  for (auto frame = stack.frames.rbegin(); frame != stack.frames.rend() && depth < kMostDepth; ++frame, ++depth) {
    node = &node->callees[*frame];
    node->bytes += stack.bytes;
  }
}

// Of "parse_file+0x1f (parser.c:12)" what tells where it is.
unsigned hue_of(const std::string& frame) {
  unsigned sum = 0;
  for (const char byte : frame.substr(0, frame.find('+'))) sum = sum * 31 + static_cast<unsigned char>(byte);
  return 20 + sum % 40;
}

void write(std::ostringstream& out, const std::string& name, const Node& node, std::uint64_t all, double of_parent) {
  const double share = static_cast<double>(node.bytes) / static_cast<double>(all);
  if (share < kLeastShare) return;
  const std::string label = escaped(name) + ": " + top::bytes_text(node.bytes);
  out << "<div class=\"call\" style=\"width:" << of_parent * 100 << "%\"><span title=\"" << label
      << "\" style=\"background:hsl(" << hue_of(name) << " 80% 70%)\">" << escaped(name)
      << "</span><div class=\"calls\">";
  for (const auto& [callee, below] : node.callees) {
    write(out, callee, below, all, static_cast<double>(below.bytes) / static_cast<double>(node.bytes));
  }
  out << "</div></div>";
}

}  // namespace

std::string flame_graph(const Plugin& plugin) {
  Node root;
  for (const Stack& stack : plugin.stacks) add(root, stack);
  if (root.bytes == 0) return "<p class=\"none\">Call stacks: not sampled.</p>\n";
  std::ostringstream out;
  out.imbue(std::locale::classic());
  out << "<div class=\"flame\" role=\"img\" aria-label=\"flame graph\">";
  write(out, plugin.name, root, root.bytes, 1);
  out << "</div>\n";
  return out.str();
}

}  // namespace berth::report
