// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// The live screen on a terminal, by ncurses: it knows terminals and their sizes, and puts them back as they were.
#include "tools/top/live.hpp"

#include <curses.h>
#include <langinfo.h>
#include <unistd.h>

#include <chrono>
#include <clocale>
#include <cstdlib>
#include <cstring>

#include "tools/top/frame.hpp"

namespace berth::top {

namespace {

using Clock = std::chrono::steady_clock;

int key_of(int key) {
  switch (key) {
    case KEY_UP: return Screen::kUp;
    case KEY_DOWN: return Screen::kDown;
    case KEY_ENTER:
    case '\n':
    case '\r': return Screen::kEnter;
    case 27: return Screen::kEscape;
    case KEY_BACKSPACE:
    case 127:
    case '\b': return Screen::kBackspace;
    default: return key;
  }
}

attr_t attributes_of(Screen::Style style) {
  switch (style) {
    case Screen::Style::Head: return A_REVERSE;
    case Screen::Style::Titles: return A_BOLD;
    case Screen::Style::Selected: return A_REVERSE | A_BOLD;
    case Screen::Style::Warning: return has_colors() ? static_cast<attr_t>(COLOR_PAIR(1)) | A_BOLD : A_BOLD;
    default: return A_NORMAL;
  }
}

void draw(Screen& screen, bool unicode) {
  int height = 0;
  int width = 0;
  getmaxyx(stdscr, height, width);
  erase();
  int row = 0;
  for (const Screen::Line& line :
       screen.lines(static_cast<std::size_t>(width), static_cast<std::size_t>(height), unicode)) {
    attrset(static_cast<int>(attributes_of(line.style)));
    mvaddstr(row++, 0, line.text.c_str());
  }
  attrset(A_NORMAL);
  refresh();
}

class Terminal {
 public:
  Terminal() {
    initscr();
    cbreak();
    noecho();
    keypad(stdscr, TRUE);
    curs_set(0);
    set_escdelay(50);
    if (has_colors()) {
      start_color();
      use_default_colors();
      init_pair(1, COLOR_RED, -1);
    }
  }
  ~Terminal() { endwin(); }
  Terminal(const Terminal&) = delete;
  Terminal& operator=(const Terminal&) = delete;
};

}  // namespace

bool has_terminal() {
  const char* kind = std::getenv("TERM");
  return isatty(STDIN_FILENO) != 0 && isatty(STDOUT_FILENO) != 0 && kind != nullptr && kind[0] != '\0' &&
         std::strcmp(kind, "dumb") != 0;
}

int show_live(const std::function<std::vector<ProcessView>()>& read) {
  std::setlocale(LC_ALL, "");
  const bool unicode = std::strcmp(nl_langinfo(CODESET), "UTF-8") == 0;
  const Terminal terminal;
  Screen screen;
  screen.take(read(), 0);
  Clock::time_point last = Clock::now();
  for (;;) {
    draw(screen, unicode);
    const auto next = last + std::chrono::seconds(1);
    const auto wait = std::chrono::duration_cast<std::chrono::milliseconds>(next - Clock::now()).count();
    timeout(static_cast<int>(wait > 0 ? wait : 0));
    const int key = getch();
    if (key != ERR && key != KEY_RESIZE && !screen.press(key_of(key))) return 0;
    if (key == ERR && (isatty(STDIN_FILENO) == 0)) return 0;
    const Clock::time_point now = Clock::now();
    if (now < next) continue;
    screen.take(read(), std::chrono::duration<double>(now - last).count());
    last = now;
  }
}

}  // namespace berth::top
