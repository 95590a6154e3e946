/* SPDX-License-Identifier: MIT
 * Copyright (c) the Berth authors
 *
 * sqlite: loads a CSV file into a table `data` of a database in memory and runs SQL queries on it; the file's first
 * line names the columns. All of SQLite's memory comes from the instance (SQLITE_CONFIG_MALLOC).
 *
 * That setting is process-wide and can only be made while SQLite is not initialised: attach refuses if something in
 * the process uses SQLite already, detach shuts SQLite down and puts the allocator back that was there. */
#include <sqlite3.h>
#include <stdio.h>
#include <string.h>

#include "csv.h"
#include "text_buffer.h"
#include "work.h"

BERTH_PLUGIN("sqlite");

static berth_allocator* handle;
static sqlite3_mem_methods previous;

static void* sqlite_malloc(int size) { return berth_malloc(handle, (size_t)size); }
static void* sqlite_realloc(void* block, int size) { return berth_realloc(handle, block, (size_t)size); }
static void sqlite_free(void* block) { berth_free(handle, block); }
static int sqlite_size(void* block) { return (int)berth_usable_size(handle, block); }
static int sqlite_roundup(int size) { return (size + 7) & ~7; }
static int sqlite_start(void* context) {
  (void)context;
  return SQLITE_OK;
}
static void sqlite_stop(void* context) { (void)context; }

int berth_attach(berth_allocator* allocator) {
  static const sqlite3_mem_methods methods = {sqlite_malloc,  sqlite_free,  sqlite_realloc, sqlite_size,
                                              sqlite_roundup, sqlite_start, sqlite_stop,    NULL};
  handle = allocator;
  int status = sqlite3_config(SQLITE_CONFIG_GETMALLOC, &previous);
  if (status == SQLITE_OK) status = sqlite3_config(SQLITE_CONFIG_MALLOC, &methods);
  if (status == SQLITE_MISUSE) {
    fprintf(stderr,
            "sqlite: SQLite is already initialised in this process, so its allocator can no longer be chosen\n");
    return status;
  }
  if (status == SQLITE_OK) {
    status = sqlite3_initialize();
    if (status != SQLITE_OK) sqlite3_config(SQLITE_CONFIG_MALLOC, &previous);
  }
  if (status != SQLITE_OK) fprintf(stderr, "sqlite: SQLite does not start: %s\n", sqlite3_errstr(status));
  return status;
}

void berth_detach(void) {
  sqlite3_shutdown();
  sqlite3_config(SQLITE_CONFIG_MALLOC, &previous);
  handle = NULL;
}

typedef struct query_run {
  sqlite3* database;
  text_buffer text; /* the result, or the error */
  uint64_t rows;    /* loaded and returned */
} query_run;

static bool fail(query_run* run, const char* where, unsigned long long number, const char* why) {
  text_clear(&run->text);
  text_appendf(&run->text, "%s %llu: %s", where, number, why);
  return false;
}

static bool execute(query_run* run, const char* sql) {
  return sqlite3_exec(run->database, sql, NULL, NULL, NULL) == SQLITE_OK;
}

/* Makes the table that the header line asks for and the statement that fills one row of it. */
static sqlite3_stmt* create_table(query_run* run, const csv_row* header) {
  sqlite3_str* table = sqlite3_str_new(run->database);
  sqlite3_str* insert = sqlite3_str_new(run->database);
  sqlite3_str_appendall(table, "CREATE TABLE data(");
  sqlite3_str_appendall(insert, "INSERT INTO data VALUES(");
  for (size_t i = 0; i < header->count; i++) {
    /* NUMERIC: what looks like a number is stored as one. */
    sqlite3_str_appendf(table, "%s\"%w\" NUMERIC", i != 0 ? "," : "", header->fields[i].text);
    sqlite3_str_appendall(insert, i != 0 ? ",?" : "?");
  }
  sqlite3_str_appendall(table, ")");
  sqlite3_str_appendall(insert, ")");
  char* table_sql = sqlite3_str_finish(table);
  char* insert_sql = sqlite3_str_finish(insert);
  sqlite3_stmt* statement = NULL;
  if (table_sql != NULL && insert_sql != NULL && execute(run, table_sql)) {
    sqlite3_prepare_v2(run->database, insert_sql, -1, &statement, NULL);
  }
  sqlite3_free(table_sql);
  sqlite3_free(insert_sql);
  return statement;
}

static bool insert_row(query_run* run, sqlite3_stmt* insert, const csv_row* row) {
  for (size_t i = 0; i < row->count; i++) {
    const csv_field* field = &row->fields[i];
    sqlite3_bind_text64(insert, (int)i + 1, field->text, field->size, SQLITE_STATIC, SQLITE_UTF8);
  }
  const bool done = sqlite3_step(insert) == SQLITE_DONE;
  sqlite3_reset(insert);
  sqlite3_clear_bindings(insert);
  if (done) run->rows++;
  return done;
}

static bool load_rows(query_run* run, csv_reader* reader, csv_row* row) {
  if (csv_next(reader, row) != CSV_ROW) return fail(run, "line", 1, "there is no header line");
  const size_t columns = row->count;
  sqlite3_stmt* insert = create_table(run, row);
  if (insert == NULL) return fail(run, "line", 1, sqlite3_errmsg(run->database));
  bool good = execute(run, "BEGIN");
  csv_status status = CSV_ROW;
  while (good && (status = csv_next(reader, row)) == CSV_ROW) {
    if (row->count > columns) {
      good = fail(run, "line", row->line, "more fields than the header line has");
    } else if (!insert_row(run, insert, row)) {
      good = fail(run, "line", row->line, sqlite3_errmsg(run->database));
    }
  }
  sqlite3_finalize(insert);
  if (!good) return false;
  if (status == CSV_UNCLOSED_QUOTE) return fail(run, "line", row->line, "a quoted field has no end");
  if (status == CSV_OUT_OF_MEMORY) return fail(run, "line", row->line, "out of memory");
  return execute(run, "COMMIT");
}

static void append_row(query_run* run, sqlite3_stmt* statement, bool header) {
  const int columns = sqlite3_column_count(statement);
  for (int i = 0; i < columns; i++) {
    const char* value = header ? sqlite3_column_name(statement, i) : (const char*)sqlite3_column_text(statement, i);
    text_appendf(&run->text, "%s%s", i != 0 ? " | " : "", value != NULL ? value : "NULL");
  }
  text_append(&run->text, "\n", 1);
}

static bool run_queries(query_run* run, const char* sql) {
  for (unsigned long long number = 1; *sql != '\0'; number++) {
    sqlite3_stmt* statement = NULL;
    if (sqlite3_prepare_v2(run->database, sql, -1, &statement, &sql) != SQLITE_OK) {
      return fail(run, "query", number, sqlite3_errmsg(run->database));
    }
    if (statement == NULL) break; /* only a comment or white space was left */
    int status = SQLITE_ROW;
    if (sqlite3_column_count(statement) > 0) append_row(run, statement, true);
    while ((status = sqlite3_step(statement)) == SQLITE_ROW) {
      append_row(run, statement, false);
      run->rows++;
    }
    sqlite3_finalize(statement);
    if (status != SQLITE_DONE) return fail(run, "query", number, sqlite3_errmsg(run->database));
  }
  return true;
}

int work(const work_request* request, work_result* result) {
  query_run run = {NULL, {handle, NULL, 0, 0}, 0};
  csv_reader reader = csv_open(handle, request->input.bytes, request->input.size);
  csv_row row = {NULL, 0, 0, 0};
  bool good = false;

  result->unit = "rows";
  if (sqlite3_open_v2(":memory:", &run.database, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL) != SQLITE_OK ||
      !execute(&run, "PRAGMA temp_store = MEMORY")) {
    text_appendf(&run.text, "no database: %s", sqlite3_errmsg(run.database));
  } else {
    good = load_rows(&run, &reader, &row) &&
           (request->argument.bytes == NULL || run_queries(&run, request->argument.bytes));
  }
  sqlite3_close(run.database);
  csv_close(&reader, &row);
  result->text = run.text.text;
  result->units = run.rows;
  return good ? 0 : 1;
}

void work_free(work_result* result) { berth_free(handle, result->text); }
