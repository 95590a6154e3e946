/* SPDX-License-Identifier: MIT
 * Copyright (c) the Berth authors
 *
 * A host that knows nothing of Berth, of two kinds of plugins that Debian has by the hundred: LADSPA and frei0r. Opens
 * each module so many times, lets every plugin in it work, closes it, and tells after each fifth of the cycles what the
 * process has mapped. Their interfaces are declared here, as far as they are used: the headers need not be installed.
 */
#include <dlfcn.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* --- LADSPA 1.1 --- */

typedef void* ladspa_handle;
struct ladspa_hint {
  int descriptor;
  float lower, upper;
};
struct ladspa_descriptor {
  unsigned long unique_id;
  const char* label;
  int properties;
  const char *name, *maker, *copyright;
  unsigned long port_count;
  const int* port_descriptors;
  const char* const* port_names;
  const struct ladspa_hint* port_hints;
  void* implementation_data;
  ladspa_handle (*instantiate)(const struct ladspa_descriptor*, unsigned long rate);
  void (*connect_port)(ladspa_handle, unsigned long port, float* data);
  void (*activate)(ladspa_handle);
  void (*run)(ladspa_handle, unsigned long frames);
  void (*run_adding)(ladspa_handle, unsigned long frames);
  void (*set_run_adding_gain)(ladspa_handle, float gain);
  void (*deactivate)(ladspa_handle);
  void (*cleanup)(ladspa_handle);
};
enum { FRAMES = 256, PORTS = 256, RATE = 48000, IS_CONTROL = 4 };

static void find(void* module, const char* name, void* function, size_t size) {
  void* symbol = dlsym(module, name);
  memcpy(function, &symbol, size);
}
#define FIND(module, name, function) find(module, name, &(function), sizeof(function))

/* A value that the port allows: the lower bound, or the middle where there are two. */
static float control_value(const struct ladspa_hint* hint) {
  const int below = hint->descriptor & 1, above = hint->descriptor & 2;
  const float scale = (hint->descriptor & 8) != 0 ? (float)RATE : 1.0f;
  if (below && above) return 0.5f * (hint->lower + hint->upper) * scale;
  if (below) return hint->lower * scale;
  return above && hint->upper < 1.0f ? hint->upper * scale : 1.0f;
}

static void drive_ladspa_plugin(const struct ladspa_descriptor* plugin) {
  static float audio[PORTS][FRAMES];
  static float controls[PORTS];
  if (plugin->port_count > PORTS) return;
  ladspa_handle handle = plugin->instantiate(plugin, RATE);
  if (handle == NULL) return;
  for (unsigned long port = 0; port < plugin->port_count; ++port) {
    controls[port] = control_value(&plugin->port_hints[port]);
    for (int frame = 0; frame < FRAMES; ++frame) audio[port][frame] = sinf((float)frame * 0.05f) * 0.5f;
    const int is_control = plugin->port_descriptors[port] & IS_CONTROL;
    plugin->connect_port(handle, port, is_control ? &controls[port] : audio[port]);
  }
  if (plugin->activate != NULL) plugin->activate(handle);
  for (int block = 0; block < 8; ++block) plugin->run(handle, FRAMES);
  if (plugin->deactivate != NULL) plugin->deactivate(handle);
  if (plugin->cleanup != NULL) plugin->cleanup(handle);
}

static int drive_ladspa(void* module) {
  const struct ladspa_descriptor* (*descriptor)(unsigned long) = NULL;
  FIND(module, "ladspa_descriptor", descriptor);
  if (descriptor == NULL) return 0;
  int plugins = 0;
  for (const struct ladspa_descriptor* plugin; (plugin = descriptor((unsigned long)plugins)) != NULL; ++plugins) {
    drive_ladspa_plugin(plugin);
  }
  return plugins;
}

/* --- frei0r 1.2 --- */

typedef void* frei0r_instance;
struct frei0r_info {
  const char *name, *author;
  int plugin_type, color_model, frei0r_version, major, minor, parameters;
  const char* explanation;
};
struct frei0r_parameter {
  const char* name;
  int type; /* 0 a switch, 1 a number from 0 to 1 */
  const char* explanation;
};
enum { WIDTH = 320, HEIGHT = 240 };

static int drive_frei0r(void* module) {
  int (*initialize)(void) = NULL;
  void (*deinitialize)(void) = NULL;
  void (*get_info)(struct frei0r_info*) = NULL;
  frei0r_instance (*construct)(unsigned, unsigned) = NULL;
  void (*destruct)(frei0r_instance) = NULL;
  void (*update)(frei0r_instance, double, const uint32_t*, uint32_t*) = NULL;
  void (*update2)(frei0r_instance, double, const uint32_t*, const uint32_t*, const uint32_t*, uint32_t*) = NULL;
  FIND(module, "f0r_init", initialize);
  FIND(module, "f0r_deinit", deinitialize);
  FIND(module, "f0r_get_plugin_info", get_info);
  FIND(module, "f0r_construct", construct);
  FIND(module, "f0r_destruct", destruct);
  FIND(module, "f0r_update", update);
  FIND(module, "f0r_update2", update2);
  void (*get_parameter)(struct frei0r_parameter*, int) = NULL;
  void (*set_value)(frei0r_instance, void*, int) = NULL;
  FIND(module, "f0r_get_param_info", get_parameter);
  FIND(module, "f0r_set_param_value", set_value);
  if (initialize == NULL || get_info == NULL || construct == NULL || destruct == NULL || get_parameter == NULL ||
      set_value == NULL) {
    return 0;
  }
  static uint32_t frames[4][WIDTH * HEIGHT] __attribute__((aligned(64)));
  for (int frame = 0; frame < 3; ++frame) {
    for (uint32_t pixel = 0; pixel < WIDTH * HEIGHT; ++pixel)
      frames[frame][pixel] = pixel * 2654435761u + (uint32_t)frame;
  }
  initialize();
  struct frei0r_info info = {0};
  get_info(&info);
  frei0r_instance instance = construct(WIDTH, HEIGHT);
  if (instance != NULL) {
    for (int number = 0; number < info.parameters; ++number) {
      struct frei0r_parameter parameter = {NULL, -1, NULL};
      double value = 0.5;
      get_parameter(&parameter, number);
      if (parameter.type == 0 || parameter.type == 1) set_value(instance, &value, number);
    }
    for (int frame = 0; frame < 3; ++frame) {
      if (update2 != NULL && info.plugin_type != 0 && info.plugin_type != 1) {
        update2(instance, frame * 0.04, frames[0], frames[1], frames[2], frames[3]);
      } else if (update != NULL) {
        update(instance, frame * 0.04, frames[0], frames[3]);
      }
    }
    destruct(instance);
  }
  if (deinitialize != NULL) deinitialize();
  return 1;
}

/* --- the process --- */

static void tell_memory(int cycle) {
  unsigned long pages = 0, resident = 0, entries = 0;
  FILE* file = fopen("/proc/self/statm", "r");
  if (file == NULL || fscanf(file, "%lu %lu", &pages, &resident) != 2) return;
  fclose(file);
  file = fopen("/proc/self/maps", "r");
  for (int byte; (byte = fgetc(file)) != EOF;) entries += byte == '\n';
  fclose(file);
  const unsigned long page = (unsigned long)sysconf(_SC_PAGESIZE);
  fprintf(stderr, "memory: cycle %d, address space %lu, resident %lu, entries %lu\n", cycle, pages * page,
          resident * page, entries);
}

int main(int count, char** arguments) {
  if (count < 4) {
    fputs("usage: plugin_driver ladspa|frei0r CYCLES MODULE...\n", stderr);
    return 2;
  }
  const int cycles = atoi(arguments[2]);
  const int is_ladspa = strcmp(arguments[1], "ladspa") == 0;
  for (int number = 3; number < count; ++number) {
    int plugins = 0;
    for (int cycle = 1; cycle <= cycles; ++cycle) {
      void* module = dlopen(arguments[number], RTLD_NOW);
      if (module == NULL) {
        puts(dlerror());
        return 3;
      }
      plugins += is_ladspa ? drive_ladspa(module) : drive_frei0r(module);
      dlclose(module);
      if (cycles >= 5 && cycle % (cycles / 5) == 0) tell_memory(cycle);
    }
    printf("%s: %d\n", arguments[number], plugins);
  }
  return 0;
}
