// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// Reading into strings. libstdc++ has these three functions by hand for char and wchar_t, where they cannot be
// instantiated again; so here they are once more, and what the string grows to is the instance's.
#include <algorithm>
#include <cstddef>
#include <istream>
#include <limits>
#include <locale>
#include <streambuf>
#include <string>

#if defined(__GLIBCXX__)
#include <cxxabi.h>

namespace {

// What a stream buffer has ready.
template <typename C>
struct Ready : std::basic_streambuf<C> {
  using Buffer = std::basic_streambuf<C>;
  static const C* begin(const Buffer& buffer) { return (buffer.*&Ready::gptr)(); }
  static const C* end(const Buffer& buffer) { return (buffer.*&Ready::egptr)(); }
  static void skip(Buffer& buffer, std::ptrdiff_t count) { (buffer.*&Ready::gbump)(static_cast<int>(count)); }
};

// Appends up to `limit` characters: those before the one at which find(begin, end) stops, which stays where it is.
template <typename C, typename Find>
void append_until(std::basic_streambuf<C>& buffer, std::basic_string<C>& text, std::size_t limit, std::size_t& count,
                  std::ios_base::iostate& state, Find find) {
  using Traits = std::char_traits<C>;
  constexpr std::size_t kMostAtOnce = std::numeric_limits<int>::max();
  while (count < limit) {
    const auto next = buffer.sgetc();
    if (Traits::eq_int_type(next, Traits::eof())) {
      state |= std::ios_base::eofbit;
      return;
    }
    const C single = Traits::to_char_type(next);
    const C* begin = Ready<C>::begin(buffer);
    const C* end = Ready<C>::end(buffer);
    const bool buffered = begin < end;
    if (!buffered) begin = &single, end = begin + 1;
    end = begin + std::min({static_cast<std::size_t>(end - begin), limit - count, kMostAtOnce});
    const C* const stop = find(begin, end);
    text.append(begin, static_cast<std::size_t>(stop - begin));
    count += static_cast<std::size_t>(stop - begin);
    if (buffered) Ready<C>::skip(buffer, stop - begin);
    if (!buffered && stop != begin) buffer.sbumpc();
    if (stop != end) return;
  }
}

// What the standard says of input functions: an exception becomes badbit, and goes on if the stream is to throw then;
// the end of a thread that is cancelled goes on anyway.
template <typename C, typename Read>
std::basic_istream<C>& read(std::basic_istream<C>& in, bool keep_spaces, Read read_some) {
  std::ios_base::iostate state = std::ios_base::goodbit;
  std::size_t count = 0;
  const typename std::basic_istream<C>::sentry ready(in, keep_spaces);
  if (ready) {
    try {
      read_some(count, state);
    } catch (abi::__forced_unwind&) {
      in._M_setstate(std::ios_base::badbit);
      throw;
    } catch (...) {
      in._M_setstate(std::ios_base::badbit);
    }
  }
  if (count == 0) state |= std::ios_base::failbit;
  if (state != std::ios_base::goodbit) in.setstate(state);
  return in;
}

template <typename C>
std::basic_istream<C>& read_line(std::basic_istream<C>& in, std::basic_string<C>& line, C delimiter) {
  return read(in, true, [&](std::size_t& count, std::ios_base::iostate& state) {
    line.clear();
    append_until(*in.rdbuf(), line, line.max_size(), count, state, [delimiter](const C* begin, const C* end) {
      const C* found = std::char_traits<C>::find(begin, static_cast<std::size_t>(end - begin), delimiter);
      return found != nullptr ? found : end;
    });
    if (state != std::ios_base::goodbit) return;
    if (count == line.max_size()) {
      state = std::ios_base::failbit;
    } else {
      in.rdbuf()->sbumpc();  // the delimiter
      ++count;
    }
  });
}

}  // namespace

namespace std {

template <>
istream& getline(istream& in, string& line, char delimiter) {
  return read_line(in, line, delimiter);
}

template <>
wistream& getline(wistream& in, wstring& line, wchar_t delimiter) {
  return read_line(in, line, delimiter);
}

template <>
istream& operator>>(istream& in, string& word) {
  return read(in, false, [&](std::size_t& count, std::ios_base::iostate& state) {
    word.clear();
    const auto& kinds = use_facet<ctype<char>>(in.getloc());
    const std::size_t limit = in.width() > 0 ? static_cast<std::size_t>(in.width()) : word.max_size();
    append_until(*in.rdbuf(), word, limit, count, state,
                 [&kinds](const char* begin, const char* end) { return kinds.scan_is(ctype_base::space, begin, end); });
    in.width(0);
  });
}

// Inline, and yet called where a plugin is compiled without optimisation.
template istream& getline(istream&, string&);
template wistream& getline(wistream&, wstring&);

}  // namespace std
#endif
