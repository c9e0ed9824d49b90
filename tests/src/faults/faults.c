/* Faults of disk and clock for a process that loads this before its C library (LD_PRELOAD): for tests alone.
 *
 * FAULTS_FILE names a file of 64-bit words that the test writes and reads while the process runs; FAULTS_DIR the directory
 * whose files meet the faults. tests/src/faults.rs has the same words. */
#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

enum {
    SYNCS_LEFT,   /* syncs of segments that still succeed, plus 1; 0: all do */
    SYNCS_HELD,   /* syncs of segments wait as long as this is set */
    QUOTA_BYTES,  /* what all files together may hold; 0: no bound */
    CLOCK_MS,     /* what the wall clock shows more, signed */
    SYNCS,        /* told: syncs of segments */
    SYNCS_FAILED, /* told: those that failed */
    SYNCS_AFTER,  /* told: syncs of segments behind the first that failed, on the same file */
    REFUSED,      /* told: writes that found no room */
    WORDS
};

static volatile int64_t *words;
static char directory[PATH_MAX];
static pthread_mutex_t room = PTHREAD_MUTEX_INITIALIZER;
static int broken_file = -1;

__attribute__((constructor)) static void begin(void) {
    const char *file = getenv("FAULTS_FILE"), *dir = getenv("FAULTS_DIR");
    int fd = file && dir && realpath(dir, directory) ? open(file, O_RDWR | O_CLOEXEC) : -1;
    if (fd < 0)
        return;
    void *map = mmap(NULL, WORDS * sizeof(int64_t), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    words = map == MAP_FAILED ? NULL : map;
    close(fd);
}

static int inside(int fd, int segments_only) {
    char link[64], path[PATH_MAX];
    if (!words)
        return 0;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, sizeof path - 1);
    if (length < 0)
        return 0;
    path[length] = 0;
    size_t front = strlen(directory);
    if (strncmp(path, directory, front) || path[front] != '/')
        return 0;
    return !segments_only || strstr(path, ".segment") != NULL;
}

static int sync_fault(int fd) {
    if (!inside(fd, 1))
        return 0;
    __atomic_add_fetch(&words[SYNCS], 1, __ATOMIC_SEQ_CST);
    while (words[SYNCS_HELD])
        usleep(1000);
    if (words[SYNCS_FAILED] && fd == broken_file)
        __atomic_add_fetch(&words[SYNCS_AFTER], 1, __ATOMIC_SEQ_CST);
    if (words[SYNCS_LEFT] == 0 || __atomic_sub_fetch(&words[SYNCS_LEFT], 1, __ATOMIC_SEQ_CST) > 0)
        return 0;
    words[SYNCS_LEFT] = 1;
    broken_file = fd;
    __atomic_add_fetch(&words[SYNCS_FAILED], 1, __ATOMIC_SEQ_CST);
    return 1;
}

int fsync(int fd) {
    if (sync_fault(fd)) {
        errno = EIO;
        return -1;
    }
    return (int)syscall(SYS_fsync, fd);
}

int fdatasync(int fd) {
    if (sync_fault(fd)) {
        errno = EIO;
        return -1;
    }
    return (int)syscall(SYS_fdatasync, fd);
}

static int64_t used(const char *path) {
    DIR *dir = opendir(path);
    int64_t sum = 0;
    if (!dir)
        return 0;
    for (struct dirent *entry; (entry = readdir(dir));) {
        char below[PATH_MAX];
        struct stat status;
        if (!strcmp(entry->d_name, ".") || !strcmp(entry->d_name, ".."))
            continue;
        snprintf(below, sizeof below, "%s/%s", path, entry->d_name);
        if (lstat(below, &status))
            continue;
        sum += S_ISDIR(status.st_mode) ? used(below) : status.st_size;
    }
    closedir(dir);
    return sum;
}

/* How far a file may reach that is to reach `end`; -1: not at all. Called with `room` held. */
static int64_t reach(int fd, int64_t end) {
    struct stat status;
    if (words[QUOTA_BYTES] == 0 || fstat(fd, &status) || end <= status.st_size)
        return end;
    int64_t left = words[QUOTA_BYTES] - used(directory), may = status.st_size + (left > 0 ? left : 0);
    if (may >= end)
        return end;
    __atomic_add_fetch(&words[REFUSED], 1, __ATOMIC_SEQ_CST);
    return may > status.st_size ? may : -1;
}

static ssize_t write_at(int fd, const void *bytes, size_t count, int64_t offset) {
    pthread_mutex_lock(&room);
    int64_t end = reach(fd, offset + (int64_t)count);
    ssize_t written = -1;
    if (end > offset)
        written = syscall(SYS_pwrite64, fd, bytes, (size_t)(end - offset), offset);
    else
        errno = ENOSPC;
    int error = errno;
    pthread_mutex_unlock(&room);
    errno = error;
    return written;
}

ssize_t pwrite64(int fd, const void *bytes, size_t count, off64_t offset) {
    if (count == 0 || !inside(fd, 0))
        return syscall(SYS_pwrite64, fd, bytes, count, offset);
    return write_at(fd, bytes, count, offset);
}

ssize_t pwrite(int fd, const void *bytes, size_t count, off_t offset) {
    return pwrite64(fd, bytes, count, offset);
}

ssize_t write(int fd, const void *bytes, size_t count) {
    off_t at = count && inside(fd, 0) ? lseek(fd, 0, SEEK_CUR) : -1;
    if (at < 0)
        return syscall(SYS_write, fd, bytes, count);
    ssize_t written = write_at(fd, bytes, count, at);
    if (written > 0)
        lseek(fd, at + written, SEEK_SET);
    return written;
}

int ftruncate64(int fd, off64_t length) {
    if (!inside(fd, 0))
        return (int)syscall(SYS_ftruncate, fd, length);
    pthread_mutex_lock(&room);
    int result = reach(fd, length) < length ? -1 : (int)syscall(SYS_ftruncate, fd, length);
    int error = result ? ENOSPC : 0;
    pthread_mutex_unlock(&room);
    errno = error;
    return result;
}

int ftruncate(int fd, off_t length) { return ftruncate64(fd, length); }

int clock_gettime(clockid_t clock, struct timespec *now) {
    int result = (int)syscall(SYS_clock_gettime, clock, now);
    if (!result && clock == CLOCK_REALTIME && words && words[CLOCK_MS]) {
        int64_t ns = now->tv_nsec + words[CLOCK_MS] % 1000 * 1000000;
        now->tv_sec += words[CLOCK_MS] / 1000 + (ns < 0 ? -1 : ns / 1000000000);
        now->tv_nsec = ns < 0 ? ns + 1000000000 : ns % 1000000000;
    }
    return result;
}
