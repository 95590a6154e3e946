/* SPDX-License-Identifier: MIT
 * Copyright (c) the Berth authors
 *
 * berth/instance.h: instances as the host sees them. C99.
 *
 * Structs of version 1 only grow. The caller sets struct_size first: with a smaller one the missing fields take their
 * defaults; a larger one is accepted if the unknown tail is zero, else BERTH_ERR_UNSUPPORTED; one below version 1, or
 * above 4 KiB, is BERTH_ERR_INVALID_ARGUMENT. Structs that are filled are filled up to the caller's size. Zero in any
 * option means its default. A host orders the destruction of an instance after every use of it; a call with a destroyed
 * instance is answered with BERTH_ERR_NOT_FOUND, never with a crash. Sizes are in bytes. Nothing throws.
 *
 * The library may sit in a module instead of in its host, linked statically, its symbols hidden: then it is a copy of
 * its own, and the module is what these comments call the host. It need not destroy its instances. When the module is
 * unloaded, by any thread, all that this copy holds is released after the last destructor of the module; threads that
 * have used it may live on, but none may be inside. Process exit releases nothing, because threads may still run. */
#ifndef BERTH_INSTANCE_H
#define BERTH_INSTANCE_H

#include "berth/allocator.h"
#include "berth/version.h"

#if defined(BERTH_SHARED) && !defined(_WIN32)
#define BERTH_API __attribute__((visibility("default")))
#else
#define BERTH_API
#endif

/* What plugins look up in the process; a module that has an allocator of its own in it hides it. */
#if (defined(BERTH_MODULE) && !defined(BERTH_SHARED)) || defined(_WIN32)
#define BERTH_HOST_API
#else
#define BERTH_HOST_API __attribute__((visibility("default")))
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* An instance: an opaque value, never an address to look at. A value is not used again in a process. */
typedef struct berth_instance berth_instance;

typedef enum {
  BERTH_OK = 0,
  BERTH_ERR_INVALID_ARGUMENT, /* a NULL, a size or a flag that no call can mean */
  BERTH_ERR_OUT_OF_MEMORY,    /* the system refused to commit memory */
  BERTH_ERR_ADDRESS_SPACE,    /* the system refused to reserve addresses */
  BERTH_ERR_BUSY,             /* something is still in use; nothing was changed */
  BERTH_ERR_STILL_MAPPED,     /* the module did not leave the process; its instance is kept */
  BERTH_ERR_NOT_FOUND,        /* no such instance, file or symbol */
  BERTH_ERR_UNSUPPORTED,      /* a newer caller asks for something this version does not know */
  BERTH_ERR_LOAD,             /* the system's loader refused the module */
  BERTH_ERR_ABI,              /* the plugin was built for another handle, or says nothing where it must */
  BERTH_ERR_PLUGIN,           /* the plugin itself refused or threw */
  BERTH_ERR_TIMEOUT,          /* the time given ran out; nothing was changed */
  BERTH_ERR_DEFERRED          /* done, but the system kept the addresses for now; they are released later */
} berth_status;

/* How much of a plugin's misuse is detected. */
enum {
  BERTH_HARDENING_DEFAULT = 0, /* FAST in release builds of the library, CHECKED in debug builds */
  BERTH_HARDENING_FAST,        /* what the pagemap tells for free: foreign and unknown pointers, large blocks */
  BERTH_HARDENING_CHECKED,     /* each double free, interior free and wrong size of a sized free at the call; a corrupt
                                * link of a free block at its next use; the exact size of a sized free of a large block,
                                * the size class of others */
  BERTH_HARDENING_GUARDED      /* CHECKED; freed small blocks wait and are filled, and a write to one is told when it is
                                * used again or when the instance is destroyed; and a share of the blocks between
                                * inaccessible pages, which nobody gets for a while after they were freed: accesses
                                * there fault, and the fault handler tells whose they were. Of all instances 16,000 at
                                * once, live or freed. None of an alignment beyond 4,096 bytes */
};

/* Pages of 2 MiB are given back many times faster than small ones, and cost fewer page faults. Where the system grants
 * them on request they are committed, and counted, as a whole. One that does not fit the quota is not asked for, and
 * where a part of one must go back to the system the instance goes on with small pages. */
enum {
  BERTH_HUGE_PAGES_AUTO = 0, /* from 8 MiB committed on; before that small pages, whatever the system's default */
  BERTH_HUGE_PAGES_NEVER,
  BERTH_HUGE_PAGES_ALWAYS /* from the start: for an instance that will be large */
};

/* For berth_instance_options.flags. */
enum {
  /* Reserve the span readable and writable without commit accounting (MAP_NORESERVE), so that growing costs no
   * system call: for very many instances. Refused under strict overcommit and RLIMIT_DATA. What such a span has not
   * used is left out of core dumps (MADV_DONTDUMP), if fewer than 1,024 instances live at its creation. */
  BERTH_INSTANCE_NORESERVE = 1u << 0
};

/* For berth_instance_options.flags, with GUARDED only (else UNSUPPORTED): one allocation in so many is guarded; 1:
 * each; 0: the default, 4,000; more than 65,535 is 65,535. Which, is drawn at random. */
#define BERTH_INSTANCE_GUARD_RATE(rate) ((uint32_t)((uint64_t)(rate) > 0xffffu ? 0xffffu : (uint32_t)(rate)) << 16)

/* What a plugin did wrong. */
typedef enum {
  BERTH_MISUSE_DOUBLE_FREE = 1,
  BERTH_MISUSE_FOREIGN_FREE, /* a block of another instance */
  BERTH_MISUSE_UNKNOWN_FREE, /* a block of no instance */
  BERTH_MISUSE_INTERIOR_FREE,
  BERTH_MISUSE_SIZE_MISMATCH,
  BERTH_MISUSE_CORRUPTION
} berth_misuse_kind;

typedef struct {
  uint32_t struct_size;
  uint32_t kind;          /* berth_misuse_kind */
  berth_instance* called; /* whose handle was called */
  berth_instance* owner;  /* whose address it is, or NULL */
  const void* address;    /* the value that was passed */
  size_t size;            /* the size that was passed, 0 where the call has none */
  const char* message;    /* one line, without a line break, that names the plugin(s), the call and the value */
  const char* operation;  /* the function of the handle, e.g. "deallocate" */
  const void* caller;     /* return address in the plugin */
  const void* block;      /* the start of the block that the address lies in, or NULL */
  size_t block_size;      /* its usable size, 0 where unknown */
} berth_misuse;

/* Runs on the offender's thread with no Berth lock held. It must return; it may call Berth, but not destroy the
 * instances involved. Then the call is dropped: a free or a resize leaves the block as it is. An allocation that met
 * corrupt free blocks is served from elsewhere, and is NULL only where memory is short.
 * Without a handler the message goes to the log and the process aborts. */
typedef void (*berth_misuse_handler)(void* context, const berth_misuse* misuse);

/* Runs on the allocating thread, with no Berth lock held, when `needed` bytes more would exceed the quota or the
 * system refuses them. True: try once more. It must return. It may call Berth, but not destroy the instance; an
 * allocation in that instance that fails inside it fails at once, and so does one while 64 threads are in handlers. */
typedef bool (*berth_pressure_handler)(void* context, berth_instance* instance, size_t needed);

/* Receives one line at a time, without its line break. It may be called from any thread. */
typedef void (*berth_log_handler)(void* context, const char* line);

typedef struct {
  uint32_t struct_size;
  uint32_t hardening; /* BERTH_HARDENING_... */
  const char* name;   /* copied, 63 bytes; NULL: "unnamed" */
  size_t span_bytes;  /* address range; default: 64 GiB, less where many instances live; 1 MiB to 8 TiB */
  size_t quota_bytes; /* bound of committed_bytes; default: none; at least 64 KiB */
  berth_misuse_handler on_misuse;
  void* on_misuse_context;
  uint32_t huge_pages; /* BERTH_HUGE_PAGES_... */
  uint32_t flags;      /* BERTH_INSTANCE_... */
  /* A budget of memory, resident from the instance's birth on (and locked, where the system allows it; the log says
   * where not), shared evenly among realtime_threads threads (default: 1): those that call berth_thread_prepare first.
   * Within its share such a thread allocates and frees without a system call, a page fault, or a lock that another
   * thread can hold; beyond it, as every thread does. It may free what others have allocated, and they what it has.
   * Pages count: each size class in use takes a slab of 4 to 64 KiB, so leave some room. At most half of the span. */
  size_t realtime_bytes;
  uint32_t realtime_threads;
  uint32_t reserved; /* zero */
  void* user_data;
  berth_pressure_handler on_pressure;
  void* on_pressure_context;
  size_t sample_bytes; /* as berth_instance_set_sampling; default: 0, off. Ignored under Valgrind's memcheck */
} berth_instance_options;

/* Exact when the instance is quiet, else each number is one that was true a moment ago. */
typedef struct {
  uint32_t struct_size;
  uint32_t threads;       /* thread caches in use */
  size_t span_bytes;      /* address range reserved */
  size_t committed_bytes; /* handed out or kept ready, with the instance's own books; whole pages */
  size_t peak_committed_bytes;
  size_t quota_bytes; /* 0: none */
  size_t live_bytes;  /* usable bytes of live blocks */
  size_t live_blocks;
  uint64_t allocations;
  uint64_t deallocations;
  uint64_t remote_deallocations; /* of these, by another thread than the owner of the block */
  uint64_t failed_allocations;
} berth_instance_statistics;

/* What GUARDED does; all zero at other levels. */
typedef struct {
  uint32_t struct_size;
  uint32_t rate; /* one allocation in so many */
  uint64_t guarded_allocations;
  uint64_t unguarded_allocations; /* whose turn it was, but without memory or map entries for it, larger than the
                                   * span, refused ones too, or of too large an alignment */
} berth_guard_statistics;

typedef struct {
  uint32_t struct_size;
  size_t live_blocks;    /* blocks that were never freed */
  size_t live_bytes;     /* their usable bytes */
  size_t returned_bytes; /* address range given back to the system; 0 if deferred */
} berth_instance_report;

/* The ledger: everything Berth has reserved in this process, over all instances. */
typedef struct {
  uint32_t struct_size;
  uint32_t instances;
  size_t reservations;
  size_t reserved_bytes;
  size_t committed_bytes;
} berth_process_statistics;

typedef struct {
  uint32_t struct_size;
  void* address;
  size_t usable_size;
} berth_block;

/* False stops the visit. */
typedef bool (*berth_block_visitor)(void* context, const berth_block* block);

/* Makes an instance. NULL options: all defaults. On failure *out is NULL and nothing is left behind; the log says
 * which value was refused. INVALID_ARGUMENT, UNSUPPORTED, ADDRESS_SPACE, OUT_OF_MEMORY, BUSY (32,767 instances live).
 * [host] [any thread] */
BERTH_API berth_status berth_instance_create(const berth_instance_options* options, berth_instance** out);

/* Destroys an instance and releases its whole range, live blocks included. The report may be NULL. Other threads that
 * have used the instance may live on; they hold nothing of it. NOT_FOUND if it is destroyed already, DEFERRED if the
 * system refused to take the range back now (its memory is dropped; the range follows later). [host] [any thread] */
BERTH_API berth_status berth_instance_destroy(berth_instance* instance, berth_instance_report* report);

/* The handle to give to the plugin. It lies inside the span: berth_find_owner(handle) is the instance. NULL if the
 * instance does not exist. [host] [any thread] [rt-safe] */
BERTH_API berth_allocator* berth_instance_allocator(berth_instance* instance);

/* Its name; valid until the instance is destroyed. "" if it does not exist. [host] [any thread] [rt-safe] */
BERTH_API const char* berth_instance_name(const berth_instance* instance);

/* Gives it another name, copied, 63 bytes. Messages that are composed meanwhile may show parts of both.
 * [host] [any thread] */
BERTH_API berth_status berth_instance_set_name(berth_instance* instance, const char* name);

/* Its number, from 1, never used again in a process; 0 if it does not exist. [host] [any thread] [rt-safe] */
BERTH_API uint64_t berth_instance_id(const berth_instance* instance);

/* What the options gave. [host] [any thread] [rt-safe] */
BERTH_API void* berth_instance_user_data(const berth_instance* instance);

/* [host] [any thread] */
BERTH_API berth_status berth_instance_stats(berth_instance* instance, berth_instance_statistics* out);

/* [host] [any thread] */
BERTH_API berth_status berth_instance_guard_stats(berth_instance* instance, berth_guard_statistics* out);

/* Calls the visitor for each live block, in no order. Exact when the instance is quiet: no thread may allocate or free
 * in it meanwhile, the visitor included. [host] */
BERTH_API berth_status berth_instance_visit(berth_instance* instance, berth_block_visitor visitor, void* context);

/* Where a word lies that leads into a live block of an instance. */
enum {
  BERTH_REFERENCE_STACK = 1, /* a thread's stack or registers */
  BERTH_REFERENCE_MODULE,    /* a module's data */
  BERTH_REFERENCE_INSTANCE,  /* a live block of another instance */
  BERTH_REFERENCE_HEAP,      /* the C library's heap */
  BERTH_REFERENCE_OTHER      /* other memory of the process */
};

typedef struct {
  uint32_t struct_size;
  uint32_t kind;
  const void* at;     /* where the word lies */
  const void* target; /* what it says: an address in the block, its first byte or a later one */
  const void* block;  /* where the block begins */
  size_t block_size;  /* usable bytes */
  uint64_t thread;    /* of a stack, where it is known: the thread's number, as the system has it; else 0 */
  const char* name;   /* "thread 4711 (audio)", "libfoo.so: registry+0x18", "plugin reverb", "the C library's heap" */
} berth_reference;

/* False stops the visit. The reference and its name are valid until the visitor returns. */
typedef bool (*berth_reference_visitor)(void* context, const berth_reference* reference);

/* Calls the visitor for each word in the process that leads into a live block of the instance, 65,536 at most. What
 * lies in the instance itself does not count: blocks that only point at each other are held by nobody. The search is
 * conservative: a number that looks like an address counts, and so does a stale word of a stack frame that is in use;
 * an encoded pointer is not seen. Exact when the instance is quiet.
 *
 * All other threads stand still meanwhile, up to 0.25 s for each GB of memory in use; calls such as poll and nanosleep
 * end with EINTR in them. No other search runs at the same time. The visitor is called when they run again, and may
 * call Berth.
 *
 * BUSY, and nothing is visited: a thread could not be held (it blocks the signal, waits in vfork, or is stopped by a
 * debugger), or the search took longer than 10 s. OUT_OF_MEMORY, NOT_FOUND, INVALID_ARGUMENT. UNSUPPORTED on Windows,
 * without /proc, and where the system refuses process_vm_readv. [host] [any thread] */
BERTH_API berth_status berth_instance_references(berth_instance* instance, berth_reference_visitor visitor,
                                                 void* context);

/* Of an instance's allocations some are samples, drawn at random by their usable bytes, one for so many bytes on
 * average: 0: none, 1: each allocation. What they stand for is told by berth_instance_stacks. May be changed at any
 * time: it holds for the calling thread from its next allocation on, and for others soon after. Off, no call is one
 * instruction longer. Samples lie apart from other blocks, so that a few slabs more are committed; what is known of
 * them lies in the span and is not charged: up to 48 MiB, 35 bytes a live sample. A resize that leaves a block as large
 * as it was is no allocation; any other is one of all that the block has now.
 *
 * OUT_OF_MEMORY, NOT_FOUND, INVALID_ARGUMENT; UNSUPPORTED under Valgrind's memcheck, which knows stacks itself.
 * [host] [any thread] */
BERTH_API berth_status berth_instance_set_sampling(berth_instance* instance, size_t mean_bytes);

/* Who allocated. The numbers are estimates without bias, for all allocations by this stack since sampling was switched
 * on; with a mean of 1 they are exact. Where there are no frames, the first name alone says what is counted:
 * "[real-time thread]", allocations by threads that may not wait, of which nobody knows whether they live (blocks and
 * bytes are 0); "other stacks", those for which there was no room. */
typedef struct {
  uint32_t struct_size;
  uint32_t depth;            /* of frames, and of names, but for those without frames */
  const void* const* frames; /* return addresses, innermost first, at most 32 */
  const char* const* names;  /* "function+0x1f", "libfoo.so+0x1234" where the function has no name; resolved while the
                              * module was mapped, if it was berth::Host that unloaded it */
  size_t blocks;             /* live */
  size_t bytes;
  size_t total_blocks; /* ever allocated */
  size_t total_bytes;
  size_t peak_blocks; /* live when most bytes of the instance's samples lived */
  size_t peak_bytes;
} berth_stack;

/* False stops the visit. The stack, its frames and names are valid until the visitor returns. */
typedef bool (*berth_stack_visitor)(void* context, const berth_stack* stack);

/* Calls the visitor for each stack that has allocated in the instance, as far as samples tell, in no order, with no
 * lock held. OK without a visit where sampling was never on. NOT_FOUND, INVALID_ARGUMENT; UNSUPPORTED under Valgrind's
 * memcheck. [host] [any thread] */
BERTH_API berth_status berth_instance_stacks(berth_instance* instance, berth_stack_visitor visitor, void* context);

/* Gives empty memory back to the system now, whatever its age: what is free in the instance, in the calling thread's
 * cache and in the caches of threads that have ended. The free rests of huge pages stay, as long as they are no more
 * than a 32nd of what is committed. [host] [any thread] */
BERTH_API berth_status berth_instance_purge(berth_instance* instance);

/* Gives back to the system what has been free for longer than the age, in all instances. Freed large blocks stay ready
 * for a while, because the next ones are likely to need them: no more than a third of what is in use (4 to 32 MiB in
 * small instances), and for a second. Any call that gets or frees pages of an instance gives back what is over age
 * there; a host whose plugins may fall silent calls this in its own loop, a few times a second. It costs a microsecond
 * or so an instance where there is nothing to do. An instance in which the calling thread is a real-time thread is left
 * out. [host] [any thread] */
BERTH_API void berth_idle(void);

/* That age, in all instances of the process: 1,000 unless set. 0: nothing stays longer than until the next call of any
 * of those. [host] [any thread] */
BERTH_API void berth_set_idle_age(uint32_t milliseconds);

/* Sets the bound of committed_bytes; 0: none. A bound below what is committed refuses growth and takes nothing away.
 * [host] [any thread] */
BERTH_API berth_status berth_instance_set_quota(berth_instance* instance, size_t bytes);

/* False stops the visit. */
typedef bool (*berth_instance_visitor)(void* context, berth_instance* instance);

/* Calls the visitor for each live instance, zombies and kept ones included; what is created meanwhile may be left out.
 * The visitor runs with no Berth lock held and may call Berth; it may destroy the instance that it was given, and
 * another thread may have. INVALID_ARGUMENT. [host] [any thread] */
BERTH_API berth_status berth_visit_instances(berth_instance_visitor visitor, void* context);

/* What an instance is to its host. */
enum {
  BERTH_STATE_LOADED = 1,
  BERTH_STATE_ZOMBIE, /* its module could not be unloaded */
  BERTH_STATE_KEPT    /* its module has left; somebody may point into the instance */
};

/* BERTH_STATE_...; 0 if it does not exist. What berth::Host says of its plugins: an instance that was made by hand is
 * loaded. [host] [any thread] [rt-safe] */
BERTH_API uint32_t berth_instance_state(const berth_instance* instance);

/* Takes the next bytes of a text; false: no more. */
typedef bool (*berth_writer)(void* context, const char* bytes, size_t size);

/* What berth_instance_write_profile writes. */
enum {
  BERTH_PROFILE_PPROF = 1, /* profile.proto in a gzip file, for pprof, speedscope and others; the plugin is a label of
                            * each sample */
  BERTH_PROFILE_FOLDED,    /* a line a stack, "plugin;outer;inner 4096", of the bytes that live: for flame graphs */
  BERTH_PROFILE_GPERFTOOLS /* the text of gperftools' heap profiles with its symbols, which google-pprof reads; the
                            * plugin is the outermost frame */
};

/* Writes what berth_instance_stacks tells as a profile in another tool's format; of all live instances where `instance`
 * is NULL. The numbers are estimates already: whoever reads the file is not to scale them once more, and the formats
 * say so. The writer gets it in parts, with no Berth lock held, and may call Berth. An instance without samples adds
 * nothing. INVALID_ARGUMENT; NOT_FOUND; OUT_OF_MEMORY: the writer took no more; UNSUPPORTED under Valgrind's memcheck,
 * of one instance. [host] [any thread] */
BERTH_API berth_status berth_instance_write_profile(berth_instance* instance, uint32_t format, berth_writer writer,
                                                    void* context);

/* Writes what every instance holds now as one JSON object, in the words of what `berth run --json` writes: `plugins` is
 * a list of instances, `quarantined` one of spans that are kept reserved. Strings are UTF-8, whatever plugins are
 * called. It is one moment and no timeline. Exact when the instances are quiet. The writer gets it in parts, with no
 * Berth lock held, and may call Berth. INVALID_ARGUMENT; OUT_OF_MEMORY: the writer took no more.
 * [host] [any thread] */
BERTH_API berth_status berth_snapshot_json(berth_writer writer, void* context);

/* From here on `berth top` sees this process: the figures of every instance lie in memory of a descriptor named
 * berth-stats, which processes of the same user may read. There is no thread behind it. Slow paths write, each the
 * figures of its instance, at most every 100 ms but for its first steps, with the time; what a plugin does on fast
 * paths alone shows at the next slow one. Real-time threads never write. A forked child has its own. Off, the default,
 * it costs nothing. OK also where it is on already. OUT_OF_MEMORY: the system has no memory or no descriptor.
 * UNSUPPORTED on Windows. [host] [any thread] */
BERTH_API berth_status berth_publish_start(void);

/* Ends that; the memory and the descriptor go back. NOT_FOUND where it is off, UNSUPPORTED on Windows.
 * [host] [any thread] */
BERTH_API berth_status berth_publish_stop(void);

/* Writes the figures of all instances now, where publishing is on: from a host's loop, or before a long wait. 1 us or
 * so an instance. [host] [any thread] */
BERTH_API void berth_publish_now(void);

/* Whose address this is, interior pointers included; NULL: nobody's. O(1), lock-free; the answer stays valid while the
 * block is known to live. [any thread] [signal-safe] */
BERTH_API berth_instance* berth_find_owner(const void* address);

/* The same as berth_instance_id of the owner; 0: nobody's. [any thread] [signal-safe] */
BERTH_API uint64_t berth_find_owner_id(const void* address);

/* Frees the block into the instance that owns it, whoever calls. False: it is not ours and was left alone.
 * [any thread] */
BERTH_API bool berth_free_if_owned(void* block);

/* Describes an address in one line: the instance, the block, its size and, where it is known, whether it is live. Of
 * the last 32 destroyed instances and unloaded modules, and of all in quarantine, it knows the name and when they left.
 * Writes at most `size` bytes with the terminating zero and returns the length that the whole text has, as snprintf
 * does. [any thread] [signal-safe] */
BERTH_API size_t berth_describe(const void* address, char* text, size_t size);

/* [any thread] */
BERTH_API berth_status berth_process_stats(berth_process_statistics* out);

/* Makes the calling thread's cache in an instance now, so that its first allocation need not. In an instance with
 * realtime_bytes it makes the thread a real-time thread of the instance, until it ends or calls berth_thread_detach;
 * BUSY, though the cache is made, if realtime_threads others are. In a forked child the budget is shared with the
 * parent until a thread is prepared there, the one that forked as well. [any thread] */
BERTH_API berth_status berth_thread_prepare(berth_instance* instance);

/* Gives the calling thread's caches, in all instances, back now: other threads may inherit them. The thread gets new
 * ones when it allocates again. [any thread] */
BERTH_API void berth_thread_detach(void);

/* The instance being loaded on the calling thread, else NULL. Hosts export it, so that a plugin's static constructors
 * find their instance. [any thread] [plugin] */
BERTH_HOST_API berth_allocator* berth_current_allocator(void);

/* Makes an instance (NULL: none) the one being loaded on the calling thread and returns the previous one: for hosts
 * with a loader of their own, around dlopen. [host] [any thread] */
BERTH_API berth_instance* berth_set_current_instance(berth_instance* instance);

/* Keeps the last `instances` (at most 1,024) destroyed spans reserved, inaccessible and without memory, so that a use
 * after the unload faults instead of hitting a stranger, and berth_describe still knows the block's size. They count as
 * reservations until they are displaced, or released by a smaller number; a page or so of each stays resident, which
 * says what its pages were. berth_instance_destroy's returned_bytes is 0 for such a span. 0, the default: none.
 * INVALID_ARGUMENT beyond the bound. [host] [any thread] */
BERTH_API berth_status berth_set_quarantine(uint32_t instances);

/* Installs handlers of SIGSEGV and SIGBUS that write one line to standard error where the address is or was a plugin's,
 * or the code that runs that of an unloaded one: which plugin, which block, how long ago it left. Of a fault in this
 * library's own module, for whose instance it was at work: at FAST it follows links that the plugin may have written
 * over. Then they call the handlers that were there before. BUSY if they are installed already, UNSUPPORTED where there
 * are no such signals. [host] [any thread] */
BERTH_API berth_status berth_fault_handler_install(void);

/* Puts the handlers back that were there before. NOT_FOUND if none of ours are there, BUSY if somebody has installed
 * others since. [host] [any thread] */
BERTH_API berth_status berth_fault_handler_remove(void);

/* Where messages go. NULL: standard error. [host] [any thread] */
BERTH_API void berth_set_log(berth_log_handler handler, void* context);

/* English, one phrase; never NULL. [any thread] */
BERTH_API const char* berth_status_string(berth_status status);

/* The version of the library, e.g. "0.1.0". [any thread] */
BERTH_API const char* berth_version(void);

#ifdef __cplusplus
}
#endif

#endif
