/* SPDX-License-Identifier: MIT
 * Copyright (c) the Berth authors
 *
 * c_host PLUGIN [TEXT]: a host in C99. It needs berth/host.h and libberth.so.0, and no C++ compiler.
 * It loads a plugin with a bound on its memory, calls it, shows what it holds, and unloads it. */
#include <berth/host.h>
#include <stdio.h>
#include <string.h>

typedef int (*word_counter)(const char* text);

/* Called where the plugin frees a block twice, or one that is not its own. The call is dropped, and the host goes on.
 */
static void tell_misuse(void* context, const berth_misuse* misuse) {
  (void)context;
  fprintf(stderr, "%s\n", misuse->message);
}

/* 0 where the plugin did what it should. */
static int call(berth_loaded_plugin* plugin, const char* text) {
  /* ISO C has no cast from an object's address to a function's, so the bytes are copied. */
  word_counter count_words = NULL;
  void* const symbol = berth_loaded_plugin_symbol(plugin, "count_words");
  memcpy(&count_words, &symbol, sizeof(count_words));
  if (count_words == NULL) {
    fprintf(stderr, "%s exports no count_words\n", berth_loaded_plugin_path(plugin));
    return 1;
  }
  /* Between enter and leave nobody can unload the plugin. A host with one thread may do without; with several it is
   * what keeps the code from being pulled from under a call. */
  if (berth_loaded_plugin_enter(plugin) != BERTH_OK) return 1;
  const int words = count_words(text);
  berth_loaded_plugin_leave(plugin);
  if (words < 0) {
    fprintf(stderr, "%s is out of memory\n", berth_loaded_plugin_name(plugin));
    return 1;
  }
  printf("%s: %d words\n", berth_loaded_plugin_name(plugin), words);
  return 0;
}

static void show_memory(berth_loaded_plugin* plugin) {
  /* Each struct says how large the caller knows it to be, so that an older host works with a newer library. */
  berth_instance_statistics now = {.struct_size = sizeof(now)};
  if (berth_instance_stats(berth_loaded_plugin_instance(plugin), &now) != BERTH_OK) return;
  printf("holds %zu bytes in %zu blocks, of %llu allocations\n", now.live_bytes, now.live_blocks,
         (unsigned long long)now.allocations);

  /* A figure is worth nothing if the plugin allocates elsewhere: Berth says so, and the host should pass it on. */
  char why[BERTH_REPORT_TEXT_BYTES];
  if (berth_loaded_plugin_metering(plugin) != BERTH_METERING_WHOLE) {
    berth_loaded_plugin_metering_text(plugin, why, sizeof(why));
    printf("not all is metered: %s\n", why);
  }
}

int main(int argc, char** argv) {
  if (argc < 2) {
    fprintf(stderr, "usage: c_host PLUGIN [TEXT]\n");
    return 2;
  }
  berth_host* host = NULL;
  if (berth_host_create(&host) != BERTH_OK) {
    fprintf(stderr, "no memory for a host\n");
    return 1;
  }

  /* What is left out is zero, and zero is the default. */
  const berth_load_options options = {.struct_size = sizeof(options),
                                      .quota_bytes = (size_t)64 << 10, /* more is refused */
                                      .hardening = BERTH_HARDENING_CHECKED,
                                      .on_misuse = tell_misuse};
  berth_loaded_plugin* plugin = NULL;
  berth_error error = {.struct_size = sizeof(error)};
  if (berth_host_load(host, argv[1], &options, &plugin, &error) != BERTH_OK) {
    fprintf(stderr, "%s\n", error.text); /* names the file, and the cause */
    berth_host_destroy(host);
    return 1;
  }
  int status = call(plugin, argc > 2 ? argv[2] : "to be or not to be");
  show_memory(plugin);

  /* Waits up to a second for threads that are still inside. */
  berth_unload_report report = {.struct_size = sizeof(report)};
  const berth_status unloaded = berth_host_unload(host, plugin, 1000, &report, &error);
  switch (unloaded) {
    case BERTH_OK:
    case BERTH_ERR_DEFERRED:     /* gone, but the system takes the addresses back later */
    case BERTH_ERR_STILL_MAPPED: /* the system's loader keeps the module: its memory stays valid, and is kept */
      printf("forgot %zu bytes in %zu blocks; %s%s\n", report.live_bytes, report.live_blocks,
             report.outcome == BERTH_UNLOAD_DESTROYED ? "all of it went back" : "it stays: ", report.cause_text);
      break;
    default: /* refused: plugin and pointer are as they were, and one may try again */
      fprintf(stderr, "%s\n", error.text);
      status = 1;
  }
  if (berth_host_destroy(host) != BERTH_OK) status = 1; /* a thread is still inside a plugin */
  return status;
}
