import FileSystem
import TestSupport

/// A library for LD_PRELOAD that kills a program at the n-th call that changes a file.
///
/// A write is cut in its middle. This reaches moments that a signal from outside hardly reaches.
struct FileCallCut {
    let library: String

    /// Compiles the library with the C compiler of the Swift toolchain.
    init(_ folder: TemporaryFolder) throws {
        library = folder.file("cut.so")
        try Files.writeAtomically(Array(FileCallCut.source.utf8), to: folder.file("cut.c"))
        try Run.succeeding("clang", ["-shared", "-fPIC", "-O1", "-Wall", "-o", library, folder.file("cut.c"), "-ldl"])
    }

    /// The environment of a program that is killed at its call `number`, from 1. With 0 it runs to its end, and writes
    /// the number of its calls to the file `count`.
    func environment(at number: Int, count: String? = nil) -> [String: String] {
        var environment = ["LD_PRELOAD": library, "CUT_AT": "\(number)"]
        if let count { environment["CUT_COUNT"] = count }
        return environment
    }

    private static let source = #"""
        #define _GNU_SOURCE
        #include <dlfcn.h>
        #include <fcntl.h>
        #include <signal.h>
        #include <stdarg.h>
        #include <stdio.h>
        #include <stdlib.h>
        #include <sys/stat.h>
        #include <unistd.h>

        static long at = -1, calls;
        static int now(void) {
          if (at < 0) at = getenv("CUT_AT") ? atol(getenv("CUT_AT")) : 0;
          return __sync_add_and_fetch(&calls, 1) == at;
        }
        static int isfile(int fd) {
          struct stat info;
          return fd > 2 && fstat(fd, &info) == 0 && S_ISREG(info.st_mode);
        }
        static void die(void) { kill(getpid(), SIGKILL); for (;;) pause(); }
        #define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

        int rename(const char *from, const char *to) { if (now()) die(); return REAL(rename)(from, to); }
        int unlink(const char *path) { if (now()) die(); return REAL(unlink)(path); }
        int fsync(int fd) { if (now()) die(); return REAL(fsync)(fd); }
        int fdatasync(int fd) { if (now()) die(); return REAL(fdatasync)(fd); }
        int ftruncate(int fd, off_t size) { if (now()) die(); return REAL(ftruncate)(fd, size); }
        int ftruncate64(int fd, off64_t size) { if (now()) die(); return REAL(ftruncate64)(fd, size); }
        ssize_t write(int fd, const void *bytes, size_t count) {
          if (isfile(fd) && now()) { REAL(write)(fd, bytes, count / 2); die(); }
          return REAL(write)(fd, bytes, count);
        }
        ssize_t pwrite(int fd, const void *bytes, size_t count, off_t place) {
          if (isfile(fd) && now()) { REAL(pwrite)(fd, bytes, count / 2, place); die(); }
          return REAL(pwrite)(fd, bytes, count, place);
        }
        ssize_t pwrite64(int fd, const void *bytes, size_t count, off64_t place) {
          if (isfile(fd) && now()) { REAL(pwrite64)(fd, bytes, count / 2, place); die(); }
          return REAL(pwrite64)(fd, bytes, count, place);
        }
        __attribute__((destructor)) static void report(void) {
          const char *path = getenv("CUT_COUNT");
          FILE *file = path ? fopen(path, "w") : NULL;
          if (file) { fprintf(file, "%ld\n", calls); fclose(file); }
        }
        """#
}
