// Declarations that the toolchain's Glibc module lacks.
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/timex.h>
#include <stdio.h>
#include <sys/prctl.h>

// prctl is variadic, which Swift cannot call.
static inline void shim_name_thread(const char *name) { prctl(PR_SET_NAME, name, 0, 0, 0); }
static inline void shim_forbid_dumps(void) { prctl(PR_SET_DUMPABLE, 0, 0, 0, 0); }

// Swift 6 rejects the C global `stdout` as shared mutable state.
static inline void shim_stdout_by_line(void) { setvbuf(stdout, NULL, _IOLBF, 0); }

// glibc declares both only with _GNU_SOURCE, which a module cannot set for headers that were included before.
#include <spawn.h>
extern int posix_spawn_file_actions_addclosefrom_np(posix_spawn_file_actions_t *, int);
static inline int shim_spawn_close_from(posix_spawn_file_actions_t *actions, int first) {
    return posix_spawn_file_actions_addclosefrom_np(actions, first);
}
extern int pipe2(int[2], int);
static inline int shim_pipe(int ends[2], int flags) { return pipe2(ends, flags); }

// ioctl is variadic, which Swift cannot call.
#include <sys/ioctl.h>
#include <termios.h>
static inline int shim_exclusive(int file) { return ioctl(file, TIOCEXCL); }

// Rows and columns of a terminal, also by a variadic call. Returns 0 if there is no terminal or its size is unknown.
static inline int shim_terminal_size(int file, int *rows, int *columns) {
    struct winsize size;
    if (ioctl(file, TIOCGWINSZ, &size) != 0 || size.ws_row == 0 || size.ws_col == 0) return 0;
    *rows = size.ws_row;
    *columns = size.ws_col;
    return 1;
}

// cfmakeraw and the pseudo-terminal calls also need _GNU_SOURCE.
extern void cfmakeraw(struct termios *);
extern int posix_openpt(int);
extern int grantpt(int);
extern int unlockpt(int);
extern int ptsname_r(int, char *, unsigned long);

// Input devices: detection, and exclusive access to their key events.
#include <linux/input.h>
static inline int shim_is_input_device(int file) {
    int version;
    return ioctl(file, EVIOCGVERSION, &version) == 0;
}
static inline int shim_grab_input(int file) { return ioctl(file, EVIOCGRAB, 1); }
// O_PATH, which also needs _GNU_SOURCE. The value is the same on all supported architectures (asm-generic).
static inline int shim_path_only(void) { return 010000000; }

// Free bytes of the calling thread's stack. pthread_getattr_np also needs _GNU_SOURCE.
#include <pthread.h>
extern int pthread_getattr_np(pthread_t, pthread_attr_t *);
static inline unsigned long shim_free_stack(void) {
    pthread_attr_t attributes;
    void *lowest = 0;
    size_t size = 0;
    if (pthread_getattr_np(pthread_self(), &attributes) != 0) return 0;
    pthread_attr_getstack(&attributes, &lowest, &size);
    pthread_attr_destroy(&attributes);
    return (unsigned long)((char *)__builtin_frame_address(0) - (char *)lowest);
}
