// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
//
// Hosts and lists, found by their notes. Linked into hosts and into plugins with berth::plugin_new: libc alone, no
// allocation.
#include <link.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "host_api/src/hosts/host_list.hpp"
#include "host_api/src/hosts/notes_linux.hpp"

BERTH_NOTE("5", "_ZN5berth6detail5hostsE");

namespace berth::detail {

namespace {

// use(info) for each module of this namespace of the loader; none comes or goes meanwhile.
template <typename Use>
void for_each_module(Use use) noexcept {
  ::dl_iterate_phdr(
      [](dl_phdr_info* info, std::size_t, void* context) {
        (*static_cast<Use*>(context))(static_cast<const dl_phdr_info&>(*info));
        return 0;
      },
      &use);
}

const HostFunctions* host_of(const dl_phdr_info& info) noexcept {
  const auto* host = static_cast<const HostFunctions*>(find_note(info, Note::Host, sizeof(HostFunctions)));
  return host != nullptr && host->struct_size >= sizeof(HostFunctions) ? host : nullptr;
}

HostList* list_of(const dl_phdr_info& info) noexcept {
  return static_cast<HostList*>(find_note(info, Note::Hosts, sizeof(HostList)));
}

constinit WipedAtFork wiped;

}  // namespace

constinit HostList hosts(wiped);

bool HostList::add(const HostFunctions& host) noexcept {
  // An older kernel refuses.
  if (count_.load(std::memory_order_relaxed) == 0) ::madvise(wiped_, sizeof(WipedAtFork), MADV_WIPEONFORK);
  for (const auto& place : hosts_) {
    if (place.load(std::memory_order_relaxed) == &host) return true;
  }
  for (std::size_t number = 0; number < kMost; ++number) {
    const HostFunctions* expected = nullptr;
    if (!hosts_[number].compare_exchange_strong(expected, &host, std::memory_order_release,
                                                std::memory_order_relaxed)) {
      continue;
    }
    if (number >= count_.load(std::memory_order_relaxed)) count_.store(number + 1, std::memory_order_relaxed);
    return true;
  }
  return false;
}

void HostList::remove(const HostFunctions& host) noexcept {
  bool found = false;
  for (auto& place : hosts_) {
    if (place.load(std::memory_order_relaxed) != &host) continue;
    place.store(nullptr, std::memory_order_seq_cst);
    found = true;
  }
  // It sleeps, because who asks may have a lower priority, and would not run if it only yielded; and nobody wakes it,
  // because who has asked may lie in a module that goes. By the system call, because the function is a cancellation
  // point.
  const timespec soon = {0, 20'000};
  while (found && wiped_->askers.load(std::memory_order_seq_cst) != 0) ::syscall(SYS_nanosleep, &soon, nullptr);
}

const HostFunctions* HostList::find_owner(const void* address) noexcept {
  const std::uint64_t count = count_.load(std::memory_order_relaxed);
  if (count == 0) return nullptr;
  std::atomic<std::uint32_t>& askers = wiped_->askers;
  askers.fetch_add(1, std::memory_order_seq_cst);
  const HostFunctions* owner = nullptr;
  for (std::uint64_t number = 0; number < count && owner == nullptr; ++number) {
    const HostFunctions* const host = hosts_[number].load(std::memory_order_seq_cst);
    if (host != nullptr && host->find_owner_id(address) != 0) owner = host;
  }
  // Zero: a signal handler has forked meanwhile, and this is the child.
  std::uint32_t asking = askers.load(std::memory_order_relaxed);
  while (asking != 0 &&
         !askers.compare_exchange_weak(asking, asking - 1, std::memory_order_release, std::memory_order_relaxed)) {
  }
  return owner;
}

void fill_list(HostList& list, const HostFunctions* except) noexcept {
  for_each_module([&](const dl_phdr_info& info) {
    if (const HostFunctions* const host = host_of(info); host != nullptr && host != except) list.add(*host);
  });
}

berth_allocator* find_current_allocator() noexcept {
  berth_allocator* innermost = nullptr;
  std::uint64_t latest = 0;
  for_each_module([&](const dl_phdr_info& info) {
    const HostFunctions* const host = host_of(info);
    if (host == nullptr) return;
    std::uint64_t since = 0;
    berth_allocator* const current = host->current_allocator(&since);
    if (current == nullptr || (innermost != nullptr && since < latest)) return;
    innermost = current;
    latest = since;
  });
  return innermost;
}

void announce_host(const HostFunctions& host) noexcept {
  HostList* own = nullptr;
  for_each_module([&](const dl_phdr_info& info) {
    HostList* const list = list_of(info);
    if (list == nullptr) return;
    if (host_of(info) == &host) {
      own = list;  // its module asks this host without a list
    } else {
      list->add(host);
    }
  });
  if (own != nullptr) fill_list(*own, &host);
}

void withdraw_host(const HostFunctions& host) noexcept {
  for_each_module([&](const dl_phdr_info& info) {
    if (HostList* const list = list_of(info)) list->remove(host);
  });
}

}  // namespace berth::detail
