// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// A plugin that knows nothing of Berth, and leaves something behind, as it is told: a callback in a list of the host's,
// a timer, an object of a class of its own; or takes it back; or leaves nothing, though it has used all of that.
#include <pthread.h>
#include <signal.h>
#include <time.h>

#include <cstdlib>
#include <cstring>
#include <string>
#include <thread>
#include <vector>

extern "C" {
void host_register(unsigned place, void (*what)(void));
void on_event();
void on_time(sigval);
void* start(const char* what);
}

class Shape {
 public:
  virtual ~Shape();
  virtual int corners() const { return 3; }
};
Shape::~Shape() = default;

namespace {

thread_local const char* of_thread[2] = {"one of a thread's words", "another"};

void use_everything() {
  std::vector<std::string> texts(100, "a text that is too long for the short kind");
  std::thread([&] { texts.emplace_back(of_thread[1]); }).join();
  const Shape shape;
  texts.emplace_back(std::to_string(shape.corners()) + of_thread[0]);
  atexit(on_event);
  pthread_atfork(on_event, on_event, on_event);
}

void start_timer() {
  sigevent event{};
  event.sigev_notify = SIGEV_THREAD;
  event.sigev_notify_function = on_time;
  timer_t timer = nullptr;
  timer_create(CLOCK_MONOTONIC, &event, &timer);  // never set
}

}  // namespace

extern "C" {

void on_event() {}
void on_time(sigval) {}

void* start(const char* what) {
  const auto is = [&](const char* other) { return std::strcmp(what, other) == 0; };
  use_everything();
  if (is("callback") || is("back")) host_register(3, on_event);
  if (is("back")) host_register(3, nullptr);
  if (is("timer")) start_timer();
  return is("object") ? new Shape() : nullptr;
}
}
