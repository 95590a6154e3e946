/* SPDX-License-Identifier: MIT
 * Copyright (c) the Berth authors
 *
 * lua: runs a Lua script on a text, in a state that takes all its memory from the instance (lua_newstate). The script
 * finds the text in `text` and where it comes from in `name`; what it prints, or returns as a string, is the result.
 * It has Lua's libraries but io, os, package and debug: a script computes and cannot reach files. One state a call. */
#include <lauxlib.h>
#include <lua.h>
#include <lualib.h>
#include <string.h>

#include "text_buffer.h"
#include "work.h"

BERTH_PLUGIN("lua");

enum { kInstructionsPerCount = 1000 };

static berth_allocator* handle;

int berth_attach(berth_allocator* allocator) {
  handle = allocator;
  return 0;
}

void berth_detach(void) { handle = NULL; }

typedef struct script_run {
  const work_request* request;
  text_buffer output;
  uint64_t instructions;
} script_run;

/* lua_Alloc. Lua knows the size of each block that it frees. */
static void* lua_allocate(void* context, void* block, size_t old_size, size_t new_size) {
  berth_allocator* a = context;
  if (new_size != 0) return berth_realloc(a, block, new_size);
  if (block != NULL) berth_free_sized(a, block, old_size);
  return NULL;
}

/* Each thread of a state inherits the main thread's extra space and hook. */
static script_run* run_of(lua_State* state) { return *(script_run**)lua_getextraspace(state); }

static void count_instructions(lua_State* state, lua_Debug* debug) {
  (void)debug;
  run_of(state)->instructions += kInstructionsPerCount;
}

static void append(lua_State* state, const char* bytes, size_t size) {
  if (!text_append(&run_of(state)->output, bytes, size)) luaL_error(state, "out of memory");
}

static int script_print(lua_State* state) {
  const int count = lua_gettop(state);
  for (int i = 1; i <= count; i++) {
    size_t size = 0;
    const char* bytes = luaL_tolstring(state, i, &size);
    if (i > 1) append(state, "\t", 1);
    append(state, bytes, size);
    lua_pop(state, 1);
  }
  append(state, "\n", 1);
  return 0;
}

static void open_libraries(lua_State* state) {
  static const luaL_Reg libraries[] = {
      {LUA_GNAME, luaopen_base},        {LUA_COLIBNAME, luaopen_coroutine}, {LUA_TABLIBNAME, luaopen_table},
      {LUA_STRLIBNAME, luaopen_string}, {LUA_MATHLIBNAME, luaopen_math},    {LUA_UTF8LIBNAME, luaopen_utf8},
  };
  for (size_t i = 0; i < sizeof(libraries) / sizeof(libraries[0]); i++) {
    luaL_requiref(state, libraries[i].name, libraries[i].func, 1);
    lua_pop(state, 1);
  }
  lua_pushnil(state);
  lua_setglobal(state, "dofile");
  lua_pushnil(state);
  lua_setglobal(state, "loadfile");
  lua_register(state, "print", script_print);
}

/* Runs protected: any error of Lua, out of memory included, ends up as the message on the stack. */
static int run_script(lua_State* state) {
  const work_request* request = run_of(state)->request;
  open_libraries(state);
  lua_pushlstring(state, request->input.bytes, request->input.size);
  lua_setglobal(state, "text");
  lua_pushstring(state, request->input.name);
  lua_setglobal(state, "name");
  const char* chunk = lua_pushfstring(state, "@%s", request->argument.name);
  if (luaL_loadbufferx(state, request->argument.bytes, request->argument.size, chunk, "t") != LUA_OK) {
    return lua_error(state);
  }
  lua_sethook(state, count_instructions, LUA_MASKCOUNT, kInstructionsPerCount);
  lua_call(state, 0, 1);
  if (lua_isstring(state, -1)) {
    size_t size = 0;
    const char* bytes = lua_tolstring(state, -1, &size);
    append(state, bytes, size);
  }
  return 0;
}

int work(const work_request* request, work_result* result) {
  script_run run = {request, {handle, NULL, 0, 0}, 0};
  int status = 1;

  result->unit = "instructions";
  if (request->argument.bytes == NULL) {
    text_appendf(&run.output, "no script was given");
    result->text = run.output.text;
    return status;
  }
  lua_State* state = lua_newstate(lua_allocate, handle);
  if (state == NULL) {
    text_appendf(&run.output, "out of memory");
    result->text = run.output.text;
    return status;
  }
  *(script_run**)lua_getextraspace(state) = &run;
  lua_pushcfunction(state, run_script);
  if (lua_pcall(state, 0, 0, 0) == LUA_OK) {
    status = 0;
  } else {
    const char* message = lua_tostring(state, -1);
    text_clear(&run.output);
    text_appendf(&run.output, "%s", message != NULL ? message : "the script raised an error that is not a text");
  }
  lua_close(state);
  result->text = run.output.text;
  result->units = run.instructions;
  return status;
}

void work_free(work_result* result) { berth_free(handle, result->text); }
