// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// A plugin that leaves something behind, as it is told: a function that the host keeps, an object of a class of its own
// in the host's memory, a key's destructor, a function for the process' end, a timer. With TAKES_BACK it exports
// berth_detach, which takes the key back.
#include <pthread.h>
#include <signal.h>
#include <time.h>

#include <cstdlib>

#include "berth/plugin.h"

namespace {

int calls = 0;
void on_event(void*) { ++calls; }
void at_end() { ++calls; }

// Not the first, which lies where the segment begins: such an address is everybody's.
constexpr char texts[2][24] = {"one text", "another text"};

// Wide enough for an address whose second byte is zero.
char room[1 << 17];

// Each thread that uses it has two pointers into the module, in a block that the loader makes.
thread_local const char* of_thread[2] = {texts[1], texts[1] + 1};

class Shape {
 public:
  virtual ~Shape() = default;
  virtual int corners() const { return 3; }
};

pthread_key_t key = 0;
bool has_key = false;

}  // namespace

extern "C" {
typedef void (*left_function)(void*);
BERTH_PLUGIN_EXPORT left_function left_callback(void);
BERTH_PLUGIN_EXPORT void* left_object(void);
BERTH_PLUGIN_EXPORT void left_delete(void* object);
BERTH_PLUGIN_EXPORT int left_key(void);
BERTH_PLUGIN_EXPORT void left_give_back_key(void);
BERTH_PLUGIN_EXPORT void left_exit_function(int (*register_it)(void (*function)(void)));
BERTH_PLUGIN_EXPORT timer_t left_timer(void);
BERTH_PLUGIN_EXPORT void left_own_exit_function(void);
BERTH_PLUGIN_EXPORT const char* left_text(void);
BERTH_PLUGIN_EXPORT char left_thread_storage(void);
BERTH_PLUGIN_EXPORT char* left_room(void);

left_function left_callback() { return on_event; }
void* left_object() { return new Shape(); }
void left_delete(void* object) { delete static_cast<Shape*>(object); }
int left_key() {
  has_key = pthread_key_create(&key, on_event) == 0;
  return has_key ? 1 : 0;
}
void left_give_back_key() {
  if (has_key) pthread_key_delete(key);
  has_key = false;
}
void left_exit_function(int (*register_it)(void (*function)(void))) { register_it(at_end); }
void left_own_exit_function() {
  atexit(at_end);
  pthread_atfork(at_end, at_end, at_end);
}
timer_t left_timer() {
  sigevent event{};
  event.sigev_notify = SIGEV_THREAD;
  event.sigev_notify_function = [](sigval) { ++calls; };
  timer_t timer = nullptr;
  timer_create(CLOCK_MONOTONIC, &event, &timer);
  return timer;
}
char left_thread_storage() { return *of_thread[calls & 1]; }
char* left_room() { return room; }
const char* left_text() { return texts[1]; }

#ifdef TAKES_BACK
void berth_detach(void) { left_give_back_key(); }
#endif
}
