// SPDX-License-Identifier: MIT
// Copyright (c) the Berth authors
#include "allocator/threads/remote_frees.hpp"

namespace berth::core::remote_frees {

namespace {

constexpr std::uint32_t kMaxBlocks = 64;
constexpr std::uint32_t kMaxBytes = 32u << 10;

// The link of a bucket's first block, its tail, is written anew when it is sent. Above FAST it is looked at before:
// else nobody would ever see that somebody has written to it. One that is corrupt stays out of use, and so do those
// behind a link that is. False: nothing is left to send.
bool drop_corrupt_tail(Instance& instance, RemoteBucket& bucket) noexcept {
  const auto find_corrupt = [&](const void* block) {
    instance.block_states.retire(block);
    instance.findings.add(MisuseKind::Corruption, block);
  };
  bool sealed = false;
  instance.next(bucket.tail, sealed);
  if (sealed) return true;
  find_corrupt(bucket.tail);
  void* last = nullptr;
  for (void* block = bucket.head; block != bucket.tail && block != nullptr;) {
    void* const next = instance.next(block, sealed);
    if (!sealed) {
      find_corrupt(block);
      break;
    }
    last = block;
    block = next;
  }
  bucket.tail = last;
  return last != nullptr;
}

void send(Instance& instance, RemoteBucket& bucket) noexcept {
  if (bucket.head == nullptr) return;
  if (instance.hardening != Hardening::Fast && !drop_corrupt_tail(instance, bucket)) {
    bucket = {};
    return;
  }
  std::atomic<void*>& stack = instance.cache(bucket.slot).remote_frees;
  void* top = stack.load(std::memory_order_relaxed);
  do {
    instance.link(bucket.tail, top);
    // release: who takes the stack sees the links.
  } while (!stack.compare_exchange_weak(top, bucket.head, std::memory_order_release, std::memory_order_relaxed));
  bucket = {};
}

}  // namespace

void add(Instance& instance, ThreadCache& cache, std::uint32_t owner_slot, unsigned size_class, void* block) noexcept {
  cache.use_bin(size_class);
  cache.bins[size_class].frees.add(1);
  cache.remote_deallocations.add(1);
  RemoteBucket& bucket = cache.remote_buckets[owner_slot % kRemoteBuckets];
  if (bucket.slot != owner_slot) send(instance, bucket);
  if (bucket.head == nullptr) {
    bucket.tail = block;
    bucket.slot = owner_slot;
  }
  instance.link(block, bucket.head);
  bucket.head = block;
  ++bucket.count;
  bucket.bytes += size_class::kTable[size_class].block_bytes;
  if (bucket.count >= kMaxBlocks || bucket.bytes >= kMaxBytes) send(instance, bucket);
}

void send_one(Instance& instance, std::uint32_t owner_slot, unsigned size_class, void* block) noexcept {
  instance.direct_deallocations.fetch_add(1, std::memory_order_relaxed);
  instance.direct_bytes.fetch_add(size_class::kTable[size_class].block_bytes, std::memory_order_relaxed);
  instance.link(block, nullptr);
  RemoteBucket bucket{block, block, owner_slot, 1, 0};
  send(instance, bucket);
}

void send_all(Instance& instance, ThreadCache& cache) noexcept {
  for (RemoteBucket& bucket : cache.remote_buckets) send(instance, bucket);
}

void* take(ThreadCache& cache) noexcept {
  // acquire: the links of every sender.
  return cache.remote_frees.exchange(nullptr, std::memory_order_acquire);
}

}  // namespace berth::core::remote_frees
