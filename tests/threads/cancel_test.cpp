// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// Threads that are to be cancelled while they are inside: they are so in the caller's code, and leave nothing locked.
#if !defined(__SANITIZE_THREAD__) && !defined(__SANITIZE_ADDRESS__)  // whose runtimes do not expect it

#include <pthread.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cstdio>
#include <functional>
#include <thread>

#include "crew.hpp"
#include "support/catch.hpp"
#include "support/in_child.hpp"
#include "watchdog.hpp"

using namespace crew;
using namespace fixtures;

namespace {

struct Cancelled {
  std::function<void()> act;
  std::atomic<bool> returned{false};
};

// Whether a thread that is to be cancelled all the while comes back from `act`, and is cancelled then.
bool outlives(std::function<void()> act) {
  Cancelled cancelled{std::move(act)};
  pthread_t thread;
  const auto run = [](void* opaque) -> void* {
    auto* what = static_cast<Cancelled*>(opaque);
    pthread_cancel(pthread_self());
    what->act();
    what->returned = true;
    pthread_testcancel();
    return nullptr;
  };
  REQUIRE(pthread_create(&thread, nullptr, run, &cancelled) == 0);
  void* result = nullptr;
  REQUIRE(pthread_join(thread, &result) == 0);
  return cancelled.returned && result == PTHREAD_CANCELED;
}

void cancellation_point(void*, const char*) { pthread_testcancel(); }

}  // namespace

TEST_CASE("no call is a cancellation point, the handlers of the host included", "[threads][cancel]") {
  berth_instance_options with = options("cancelled");
  with.quota_bytes = 4 * kMiB;
  with.hardening = BERTH_HARDENING_CHECKED;
  with.on_misuse = [](void*, const berth_misuse*) { pthread_testcancel(); };
  with.on_pressure = [](void*, berth_instance*, std::size_t) {
    pthread_testcancel();
    return false;
  };
  Berth berth(with);
  berth_allocator* handle = berth.handle();
  berth_instance* instance = berth.get();
  berth_set_log(cancellation_point, nullptr);
  CHECK(outlives([&] { berth_free(handle, berth_malloc(handle, 2 * kMiB)); }));
  CHECK(outlives([&] { berth_free(handle, berth_malloc(handle, 100)); }));
  CHECK(outlives([&] { berth_malloc(handle, 64 * kMiB); }));  // the host is asked for memory
  CHECK(outlives([&] {
    void* block = berth_malloc(handle, 100);
    berth_free(handle, block);
    berth_free(handle, block);  // the host hears of it
  }));
  CHECK(outlives([&] { berth_free(handle, berth_realloc(handle, berth_malloc(handle, 300000), 600000)); }));
  CHECK(outlives([&] { berth_instance_purge(instance); }));
  CHECK(outlives([&] { statistics(instance); }));
  void* one = berth_malloc(handle, 100);
  CHECK(outlives([&] {
    berth_instance_visit(
        instance,
        [](void*, const berth_block*) {
          pthread_testcancel();
          return true;
        },
        nullptr);
  }));
  berth_free(handle, one);
  CHECK(outlives([&] { berth_thread_prepare(instance); }));
  CHECK(outlives([&] { berth_thread_detach(); }));
  CHECK(outlives([&] {
    char text[200];
    berth_describe(handle, text, sizeof(text));
  }));
  CHECK(outlives([&] {
    berth_instance* another = nullptr;
    berth_instance_create(nullptr, &another);
    berth_free(berth_instance_allocator(another), berth_malloc(berth_instance_allocator(another), 10 * kMiB));
    berth_instance_destroy(another, nullptr);
  }));
  CHECK(outlives([&] {  // the log hears why it is refused
    berth_instance_options wrong = options("wrong");
    wrong.reserved = 1;
    berth_instance* none = nullptr;
    berth_instance_create(&wrong, &none);
  }));
  berth_set_log(nullptr, nullptr);
  // Nothing is locked, and nobody is thought to be in a handler.
  CHECK(statistics(instance).live_blocks == 0);
  void* block = berth_malloc(handle, kMiB);
  CHECK(block != nullptr);
  berth_free(handle, block);
}

TEST_CASE("the line that goes to standard error is no cancellation point", "[threads][cancel]") {
  const berth::tests::Ending ending = berth::tests::in_child([] {
    const bool fine = outlives([] {
      berth_instance_options wrong = options("wrong");
      wrong.reserved = 1;
      berth_instance* none = nullptr;
      berth_instance_create(&wrong, &none);
    });
    ::_exit(fine ? 0 : 1);
  });
  CHECK(ending.status == 0);
  CHECK(ending.text.find("reserved 1") != std::string::npos);
}

TEST_CASE("a thread that may be cancelled at any instruction holds no lock then", "[threads][cancel]") {
  Berth berth("asynchronous");
  berth_allocator* handle = berth.handle();
  Watchdog watchdog;
  struct Shared {
    berth_allocator* handle;
    std::atomic<std::size_t> rounds{0};
  };
  for (std::size_t i = 0; i < scaled(300); ++i) {
    watchdog.pat();
    Shared shared{handle};
    pthread_t thread;
    const auto run = [](void* opaque) -> void* {
      auto* with = static_cast<Shared*>(opaque);
      pthread_setcanceltype(PTHREAD_CANCEL_ASYNCHRONOUS, nullptr);
      for (;;) {
        berth_free(with->handle, berth_malloc(with->handle, 2 * kMiB));
        berth_free(with->handle, berth_malloc(with->handle, 300000));
        with->rounds.fetch_add(1);
      }
      return nullptr;
    };
    REQUIRE(pthread_create(&thread, nullptr, run, &shared) == 0);
    while (shared.rounds.load() < 1 + i % 16) std::this_thread::yield();
    pthread_cancel(thread);
    pthread_join(thread, nullptr);
    void* block = berth_malloc(handle, 2 * kMiB);
    REQUIRE(block != nullptr);
    berth_free(handle, block);
  }
}

#endif
