/* The lower limit of the machine without Tapline: `scripts/bench edge` compares the lane with these loops.
 *
 * usage: floor lookup SNAPSHOT COUNT CACHE_KIB    one prepared SELECT by key, bound, stepped and reset
 *        floor sync FILE COUNT GAP_US             pwrite of 4 KiB + fdatasync, cyclically in a file of 4 MiB
 *        floor append FILE COUNT GAP_US           the same at the end of a file that grows
 *        floor wal FILE COUNT GAP_US              one row per transaction, WAL, synchronous=FULL
 *
 * Prints median, p99, p99.9 and maximum in microseconds. The monotonic clock times each call separately.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <sqlite3.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define PAGE 4096
/* The size of a WAL at its checkpoint. */
#define PAGES 1024
/* Look-ups before the measurement, so that both sides have a warm cache. */
#define WARM 20000

static uint64_t now_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void fail(const char *what) {
    perror(what);
    exit(1);
}

static void check(int code, sqlite3 *db) {
    if (code == SQLITE_OK || code == SQLITE_DONE || code == SQLITE_ROW) return;
    fprintf(stderr, "sqlite: %s\n", sqlite3_errmsg(db));
    exit(1);
}

static void execute(sqlite3 *db, const char *sql) { check(sqlite3_exec(db, sql, NULL, NULL, NULL), db); }

static int by_value(const void *a, const void *b) {
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

static void report(uint64_t *ns, long count) {
    qsort(ns, (size_t)count, sizeof *ns, by_value);
    printf("%.2f %.2f %.2f %.2f\n", ns[count / 2] / 1e3, ns[count * 99 / 100] / 1e3, ns[count * 999 / 1000] / 1e3,
           ns[count - 1] / 1e3);
}

static uint64_t state = 0x9e3779b97f4a7c15u;
static uint64_t draw(void) {
    state ^= state << 13, state ^= state >> 7, state ^= state << 17;
    return state;
}

static void lookup(const char *path, uint64_t *ns, long count, const char *cache_kib) {
    char text[4200];
    sqlite3 *db;
    sqlite3_stmt *all, *one;
    snprintf(text, sizeof text, "file:%s?mode=ro&immutable=1", path);
    check(sqlite3_open_v2(text, &db, SQLITE_OPEN_READONLY | SQLITE_OPEN_URI | SQLITE_OPEN_NOMUTEX, NULL), db);
    snprintf(text, sizeof text, "PRAGMA cache_size = -%s; BEGIN", cache_kib);
    execute(db, text);
    size_t tags = 0, room = 1 << 20;
    int64_t *tag = malloc(room * sizeof *tag);
    check(sqlite3_prepare_v2(db, "SELECT uid FROM attendees", -1, &all, NULL), db);
    while (sqlite3_step(all) == SQLITE_ROW) {
        if (tags == room) tag = realloc(tag, (room *= 2) * sizeof *tag);
        tag[tags++] = sqlite3_column_int64(all, 0);
    }
    sqlite3_finalize(all);
    check(sqlite3_prepare_v3(db, "SELECT status, pass, attendee FROM attendees WHERE uid = ?", -1,
                             SQLITE_PREPARE_PERSISTENT, &one, NULL), db);
    int64_t sum = 0;
    for (long i = -WARM; i < count; i++) {
        int64_t wanted = tag[draw() % tags];
        uint64_t start = now_ns();
        sqlite3_bind_int64(one, 1, wanted);
        if (sqlite3_step(one) != SQLITE_ROW) fail("tag not found");
        sum += sqlite3_column_int64(one, 0) + sqlite3_column_int64(one, 1) + sqlite3_column_int64(one, 2);
        sqlite3_reset(one);
        if (i >= 0) ns[i] = now_ns() - start;
    }
    if (sum == 0) fail("no row");
}

static void sync_calls(const char *path, uint64_t *ns, long count, useconds_t gap, int grows) {
    char page[PAGE];
    int file = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (file < 0) fail(path);
    memset(page, 'x', PAGE);
    if (!grows) {
        for (int i = 0; i < PAGES; i++)
            if (pwrite(file, page, PAGE, (off_t)i * PAGE) != PAGE) fail("write");
        if (fsync(file) != 0) fail("fsync");
    }
    for (long i = 0; i < count; i++) {
        usleep(gap);
        page[0] = (char)i;
        uint64_t start = now_ns();
        if (pwrite(file, page, PAGE, (off_t)(grows ? i : i % PAGES) * PAGE) != PAGE) fail("write");
        if (fdatasync(file) != 0) fail("fdatasync");
        ns[i] = now_ns() - start;
    }
}

static void commits(const char *path, uint64_t *ns, long count, useconds_t gap) {
    sqlite3 *db;
    sqlite3_stmt *insert;
    check(sqlite3_open(path, &db), db);
    execute(db, "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; CREATE TABLE scans(id INTEGER PRIMARY KEY, at, "
                "tag, verdict, flags, gate, snapshot)");
    check(sqlite3_prepare_v2(db, "INSERT INTO scans VALUES (?, ?, ?, 0, 0, 1, 1)", -1, &insert, NULL), db);
    for (long i = 0; i < count; i++) {
        usleep(gap);
        uint64_t start = now_ns();
        sqlite3_bind_int64(insert, 1, i + 1);
        sqlite3_bind_int64(insert, 2, (int64_t)start);
        sqlite3_bind_int64(insert, 3, (int64_t)draw());
        check(sqlite3_step(insert), db);
        check(sqlite3_reset(insert), db);
        ns[i] = now_ns() - start;
    }
}

int main(int argc, char **argv) {
    long count = argc == 5 ? atol(argv[3]) : 0;
    if (count < 1) {
        fprintf(stderr, "usage: floor lookup|sync|append|wal FILE COUNT CACHE_KIB|GAP_US\n");
        return 64;
    }
    uint64_t *ns = calloc((size_t)count, sizeof *ns);
    useconds_t gap = (useconds_t)atol(argv[4]);
    if (!strcmp(argv[1], "lookup")) lookup(argv[2], ns, count, argv[4]);
    else if (!strcmp(argv[1], "sync")) sync_calls(argv[2], ns, count, gap, 0);
    else if (!strcmp(argv[1], "append")) sync_calls(argv[2], ns, count, gap, 1);
    else if (!strcmp(argv[1], "wal")) commits(argv[2], ns, count, gap);
    else return 64;
    report(ns, count);
    return 0;
}
