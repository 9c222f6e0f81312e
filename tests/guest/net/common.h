// What the network and IPC programs share: one printed line per call, sections chosen by name, powers off when run as init.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static const char *section = "";
static const char *name_of(int e) {
  static char buf[16];
  const char *n = strerrorname_np(e);
  if (n) return n;
  snprintf(buf, sizeof buf, "E%d", e);
  return buf;
}
static long show(long r, const char *fmt, ...) {
  int e = errno;
  va_list ap;
  printf("%s: ", section);
  va_start(ap, fmt);
  vprintf(fmt, ap);
  va_end(ap);
  if (r == -1) printf(" = %s\n", name_of(e)); else printf(" = %ld\n", r);
  fflush(stdout);
  errno = 0;
  return r;
}
// Success or the errno; the value is not told.
static long ok(long r, const char *fmt, ...) {
  int e = errno;
  va_list ap;
  printf("%s: ", section);
  va_start(ap, fmt);
  vprintf(fmt, ap);
  va_end(ap);
  printf(" = %s\n", r == -1 ? name_of(e) : "ok");
  fflush(stdout);
  errno = 0;
  return r;
}
static void say(const char *fmt, ...) {
  va_list ap;
  printf("%s: ", section);
  va_start(ap, fmt);
  vprintf(fmt, ap);
  va_end(ap);
  printf("\n");
  fflush(stdout);
  errno = 0;
}
static int events_of(int fd) {
  struct pollfd p = {.fd = fd, .events = POLLIN | POLLOUT | POLLPRI | POLLRDHUP | POLLRDNORM | POLLWRNORM | POLLWRBAND};
  poll(&p, 1, 0);
  return p.revents;
}
static void polls(int fd, const char *what) {
  int e = events_of(fd);
  printf("%s: poll %s =%s%s%s%s%s%s%s%s%s\n", section, what, e & POLLIN ? " IN" : "", e & POLLOUT ? " OUT" : "", e & POLLPRI ? " PRI" : "",
         e & POLLERR ? " ERR" : "", e & POLLHUP ? " HUP" : "", e & POLLRDHUP ? " RDHUP" : "", e & POLLRDNORM ? " RDNORM" : "",
         e & POLLWRNORM ? " WRNORM" : "", e & POLLWRBAND ? " WRBAND" : "");
  fflush(stdout);
}
static int getint(int fd, int level, int name) {
  int v = -77;
  socklen_t l = sizeof v;
  if (getsockopt(fd, level, name, &v, &l) < 0) return -errno;
  return v;
}
static int setint(int fd, int level, int name, int v) { return setsockopt(fd, level, name, &v, sizeof v); }
static void msleep(int ms) { usleep(ms * 1000); }
static long now_ms(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec * 1000 + t.tv_nsec / 1000000;
}
struct test { const char *name; void (*run)(void); };
static int run_tests(const struct test *tests, int argc, char **argv) {
  setvbuf(stdout, NULL, _IOLBF, 0);
  int init = getpid() == 1;
  if (init) {
    mkdir("/proc", 0755);
    mkdir("/tmp", 0755);
    mkdir("/dev", 0755);
    mount("proc", "/proc", "proc", 0, 0);
    mount("tmpfs", "/tmp", "tmpfs", 0, 0);
    mount("dev", "/dev", "devtmpfs", 0, 0);
  }
  for (; tests->name; tests++) {
    int wanted = argc < 2;
    for (int i = 1; i < argc; i++) wanted |= !strcmp(argv[i], tests->name);
    if (!wanted) continue;
    pid_t p = fork();
    if (p == 0) {
      section = tests->name;
      mkdir("/tmp/net", 0777);
      chdir("/tmp/net");
      tests->run();
      fflush(stdout);
      _exit(0);
    }
    int st;
    waitpid(p, &st, 0);
    if (st) printf("%s: died %x\n", tests->name, st);
    while (waitpid(-1, &st, WNOHANG) > 0);
  }
  fflush(stdout);
  if (init) {
    sync();
    reboot(RB_POWER_OFF);
  }
  return 0;
}
