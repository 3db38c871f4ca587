/* Files: mapped for reading, written under a temporary name, names and free space. */
#ifndef BASE_FILE_H
#define BASE_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

/* A whole file mapped read-only. A page that cannot be read later (the file shrank, the disk failed) raises
 * SIGBUS: file_bus_guard() turns that into a message naming the file and exit status 1. */
struct file_map {
    const unsigned char *data;
    uint64_t size;
    char *path;
};
int file_map_open(struct file_map *m, const char *path, struct error *e);
void file_map_close(struct file_map *m);
/* Hints for going through a map once: what will be read soon, and what was read for the last time (it stays in the
 * system's cache, but no longer counts as this process's memory). `at` lies within a map. */
void file_map_ahead(const void *at, size_t size);
void file_map_forget(const void *at, size_t size);
/* Installs the SIGBUS handler (restores the terminal through die_hook, names the mapped file). */
void file_bus_guard(void);

/* The whole of a (small) file, NUL-terminated; refuses files over `limit` bytes. free() it. */
int file_read(const char *path, uint64_t limit, char **text, size_t *length, struct error *e);

/* The first line of a small file of the kernel's (/proc, /sys), without its newline; false if there is none. */
bool file_first_line(const char *path, char *line, size_t size);

/* A file being written: PATH.part until file_out_commit syncs and renames it. The part is locked meanwhile, so that
 * two processes never write one file. */
struct file_out {
    int fd;
    char *path, *part;
    uint64_t offset; /* where file_out_write goes on */
};
/* `resume`: keep what PATH.part already holds instead of truncating it. */
int file_out_open(struct file_out *f, const char *path, bool resume, struct error *e);
/* Empties the part. */
int file_out_clear(struct file_out *f, struct error *e);
int file_out_write(struct file_out *f, const void *data, size_t size, struct error *e);
int file_out_pwrite(struct file_out *f, const void *data, size_t size, uint64_t offset, struct error *e);
/* Gives the part its whole size and, where the file system can, the disk space for it. */
int file_out_reserve(struct file_out *f, uint64_t size, struct error *e);
int file_out_sync(struct file_out *f, struct error *e);
/* fsync, rename to the final name, fsync the folder. Closes `f` whatever happens; on failure the part stays. */
int file_out_commit(struct file_out *f, struct error *e);
/* Closes; `keep` leaves the part for a later resume, else it is removed. */
void file_out_abandon(struct file_out *f, bool keep);

/* Small files in one go, atomically. */
int file_write(const char *path, const void *data, size_t size, struct error *e);

bool file_exists(const char *path);
bool file_exists_in(const char *folder, const char *name);
bool file_is_folder(const char *path);
bool file_is_plain(const char *path); /* neither a folder nor a pipe or device, whose reading might never end */
/* Two names of one file (device and inode)? False when either does not exist. */
bool file_same(const char *a, const char *b);
/* Free bytes for this user on the file system that holds `path` or its nearest existing parent. */
int file_free_bytes(const char *path, uint64_t *bytes, struct error *e);
/* mkdir -p */
int file_make_folder(const char *path, struct error *e);

/* A file that comes with the program, by its name in the source tree ("demo/eval.txt"): in $QUANTWIZ_DATA, in the
 * source tree that the program was built in, or installed. NULL where there is none; free() it. */
char *file_data(const char *name);

char *path_join(const char *folder, const char *name); /* free() it; an absolute name is taken as it is */
char *path_folder(const char *path);                   /* "." where there is none; free() it */
const char *path_name(const char *path);               /* borrowed */
/* From the root, without ".", ".." and doubled slashes; links are not followed. free() it. */
char *path_absolute(const char *path);
/* `path` as seen from `folder` ("../models/m.gguf"); absolute where the two have nothing in common. free() it. */
char *path_relative(const char *folder, const char *path);
/* `~` and `~/x` with HOME put in; free() it. */
char *path_expand(const char *path);
/* $VARIABLE/quantwiz, or $HOME/FALLBACK/quantwiz: for XDG_CONFIG_HOME (.config), XDG_CACHE_HOME (.cache). */
char *path_xdg(const char *variable, const char *fallback);

#endif
