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
  std::string file;
  std::map<std::string, Node> callees;
};

void add(Node& root, const Stack& stack, std::uint64_t bytes) {
  if (bytes == 0) return;
  root.bytes += bytes;
  Node* node = &root;
  std::size_t depth = 0;
  for (auto frame = stack.frames.rbegin(); frame != stack.frames.rend() && depth < kMostDepth; ++frame, ++depth) {
    node = &node->callees[frame->text];
    node->bytes += bytes;
    node->file = frame->file;
  }
}

// Of "parse_file+0x1f (parser.c:12)" what tells where it is.
unsigned hue_of(const std::string& frame) {
  unsigned sum = 0;
  for (const char byte : frame.substr(0, frame.find('+'))) sum = sum * 31 + static_cast<unsigned char>(byte);
  return 20 + sum % 40;
}

// Where there is little room, without what says nothing.
std::string shortened(std::string name) {
  static const std::string kNameless = "(anonymous namespace)::";
  for (std::size_t place = name.find(kNameless); place != std::string::npos; place = name.find(kNameless)) {
    name.erase(place, kNameless.size());
  }
  return name;
}

void write(std::ostringstream& out, const std::string& name, const Node& node, std::uint64_t all, double of_parent) {
  const double share = static_cast<double>(node.bytes) / static_cast<double>(all);
  if (share < kLeastShare) return;
  std::string label = escaped(name) + ": " + top::bytes_text(node.bytes);
  if (!node.file.empty()) label += ", " + escaped(node.file);
  out << "<div class=\"call\" style=\"width:" << of_parent * 100 << "%\"><span title=\"" << label
      << "\" style=\"background:hsl(" << hue_of(name) << " 80% 70%)\">" << escaped(shortened(name))
      << "</span><div class=\"calls\">";
  for (const auto& [callee, below] : node.callees) {
    write(out, callee, below, all, static_cast<double>(below.bytes) / static_cast<double>(node.bytes));
  }
  out << "</div></div>";
}

void write_graph(std::ostringstream& out, const std::string& title, const std::string& name, const Node& root) {
  out << "<h4>" << escaped(title) << ": " << top::bytes_text(root.bytes)
      << "</h4><div class=\"flame\" role=\"img\" aria-label=\"flame graph\">";
  write(out, name, root, root.bytes, 1);
  out << "</div>\n";
}

// What is known of some of a plugin's stacks, as a graph.
void write_kind(std::ostringstream& out, const Plugin& plugin, const char* title, std::uint64_t Stack::*bytes,
                const char* none) {
  Node root;
  for (const Stack& stack : plugin.stacks) add(root, stack, stack.*bytes);
  if (root.bytes != 0) return write_graph(out, title, plugin.name, root);
  out << "<h4>" << title << "</h4><p class=\"none\">" << none << "</p>\n";
}

// What a graph shows as wide as it is can be too narrow to be seen: a leak of a few bytes.
void write_list(std::ostringstream& out, const Plugin& plugin) {
  std::size_t count = 0;
  for (const Stack& stack : plugin.stacks) count += stack.bytes != 0 ? 1u : 0u;
  if (count == 0) return;
  out << "<details><summary>Stacks of what is left: " << count << "</summary><ol class=\"stacks\">\n";
  for (const Stack& stack : plugin.stacks) {
    if (stack.bytes == 0) continue;
    out << "<li>" << top::bytes_text(stack.bytes) << " in " << stack.blocks
        << (stack.blocks == 1 ? " block" : " blocks");
    for (const Frame& frame : stack.frames) {
      out << "<br><code" << (frame.file.empty() ? "" : " title=\"" + escaped(frame.file) + "\"") << ">"
          << escaped(frame.text) << "</code>";
    }
    out << "</li>\n";
  }
  out << "</ol></details>\n";
}

void write_load(std::ostringstream& out, const Plugin& plugin, const Cycle& cycle, std::size_t number) {
  if (cycle.stacks.empty()) return;
  static const Stack kOthers{0, 0, 0, 0, 0, {{"other stacks", ""}}};
  Node left;
  Node peak;
  for (const CycleStack& entry : cycle.stacks) {
    const Stack& stack = entry.stack < plugin.stacks.size() ? plugin.stacks[entry.stack] : kOthers;
    add(left, stack, entry.left);
    add(peak, stack, entry.peak);
  }
  out << "<details><summary>Load " << number << ": by call, at its peak and at its end</summary>";
  if (peak.bytes != 0) write_graph(out, "At its peak", plugin.name, peak);
  if (left.bytes != 0) {
    write_graph(out, "Left behind", plugin.name, left);
  } else {
    out << "<p class=\"none\">It left nothing behind.</p>";
  }
  out << "</details>\n";
}

}  // namespace

std::string flame_graphs(const Plugin& plugin, bool is_snapshot) {
  std::ostringstream out;
  out.imbue(std::locale::classic());
  Node all;
  for (const Stack& stack : plugin.stacks)
    add(all, stack, plugin.knows_kinds ? stack.bytes + stack.peak_bytes : stack.bytes);
  if (all.bytes == 0) return "<p class=\"none\">Call stacks: not sampled.</p>\n";
  for (const std::string& note : plugin.without_lines) {
    out << "<p class=\"none\">Lines of code: " << escaped(note) << ".</p>\n";
  }
  if (!plugin.knows_kinds) {
    write_graph(out, "Left", plugin.name, all);
    write_list(out, plugin);
    return out.str();
  }
  write_kind(out, plugin, "What lives", &Stack::live_bytes,
             is_snapshot ? "Nothing lives that was sampled." : "Nothing lived at the end.");
  write_kind(out, plugin, "At the peak", &Stack::peak_bytes, "Nothing was live that was sampled.");
  write_kind(out, plugin, "What was forgotten", &Stack::forgotten_bytes,
             is_snapshot ? "A snapshot knows of no load that has ended." : "Nothing.");
  write_list(out, plugin);
  for (std::size_t number = 0; number < plugin.cycles.size(); ++number) {
    write_load(out, plugin, plugin.cycles[number], number + 1);
  }
  return out.str();
}

}  // namespace berth::report
