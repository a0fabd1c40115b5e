// What the Glibc module of the toolchain leaves out.
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/timex.h>
#include <stdio.h>
#include <sys/prctl.h>

// prctl is variadic, which Swift cannot call.
static inline void shim_name_thread(const char *name) { prctl(PR_SET_NAME, name, 0, 0, 0); }

// `stdout` is a C global that Swift 6 takes for shared mutable state.
static inline void shim_stdout_by_line(void) { setvbuf(stdout, NULL, _IOLBF, 0); }
