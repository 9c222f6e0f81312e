// proctest sysfuzz SEED TOTAL CALLS: children make random system calls with plausible and hostile arguments, at most CALLS each, until TOTAL were made.
// The kernel must survive; what the calls return does not matter. Runs as init too (then powers off).
#define _GNU_SOURCE
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static uint64_t state;
static uint64_t rnd(void) {
  state ^= state << 13;
  state ^= state >> 7;
  state ^= state << 17;
  return state;
}
static char *arena;
static volatile long *made;  // calls made by all children, in shared memory between pages that nobody may touch
#define ARENA 65536
static const char *paths[] = {"/", "/proc/self/maps", "/proc/self/mem", "/tmp/a", "/tmp/b", "/dev/null", "/dev/zero", "/dev/ptmx", "/dev/tty", "/proc/kmsg", "/proc/self/fd/0", "/sys", "", "/tmp/fifo", "/tmp/dir/../x", "/init"};

static uint64_t arg(void) {
  static const int64_t special[] = {0, 1, -1, 2, 3, 4, 8, 16, 64, 100, 255, 4096, 4095, 65536, 0x7fffffff, 0x80000000, 0xffffffff, 0x100000000, INT64_MAX, INT64_MIN, 0x4000000000, 0x3ffffff000, -4096, -100, 1 << 20};
  switch (rnd() % 10) {
    case 0: case 1: return special[rnd() % (sizeof special / sizeof *special)];
    case 2: case 3: return rnd() % 16;                                      // descriptors, small numbers
    case 4: case 5: return (uint64_t)arena + rnd() % ARENA;                 // readable and writable
    case 6: return ((uint64_t)arena + rnd() % ARENA) & ~7;
    case 7: return (uint64_t)arena + ARENA - rnd() % 32;                    // runs into the end
    case 8: return (uint64_t)paths[rnd() % (sizeof paths / sizeof *paths)];
    default: return rnd() >> (rnd() % 64);
  }
}
static void fill(void) {
  for (int i = 0; i < 64; i++) ((uint64_t *)arena)[rnd() % (ARENA / 8)] = arg();
}
static void child(int calls) {
  struct rlimit as = {64 << 20, 64 << 20}, cpu = {2, 3};
  setrlimit(RLIMIT_AS, &as);
  setrlimit(RLIMIT_CPU, &cpu);
  arena = mmap(0, ARENA, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  fill();
  alarm(2);
  for (int i = 0; i < calls; i++) {
    long nr = rnd() % 463;
    if (nr == SYS_reboot || nr == SYS_exit || nr == SYS_exit_group || nr == SYS_kill || nr == SYS_init_module) continue;
    if (nr == SYS_clone || nr == SYS_clone3 || nr == SYS_umount2) if (rnd() % 8) continue;
    if (i % 16 == 0) fill();
    long a = arg(), b = arg(), c = arg(), d = arg(), e = arg(), f = arg();
    if (nr == SYS_rt_sigqueueinfo || nr == SYS_tgkill || nr == SYS_tkill) a = getpid();
    if (nr == SYS_prlimit64) a = 0;  // CPU limits on init end it, in Linux too
    (*made)++;
    syscall(nr, a, b, c, d, e, f);
  }
  _exit(0);
}
int sysfuzz_main(int argc, char **argv) {
  uint64_t seed = argc > 1 ? strtoull(argv[1], 0, 0) : 1;
  int total = argc > 2 ? atoi(argv[2]) : 2000, calls = argc > 3 ? atoi(argv[3]) : 200;
  char *guarded = mmap(0, 3 << 16, PROT_NONE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  made = (volatile long *)(guarded + (1 << 16));
  mprotect((void *)made, 4096, PROT_READ | PROT_WRITE);
  if (getpid() == 1) {
    mkdir("/proc", 0755);
    mount("proc", "/proc", "proc", 0, 0);
    mkdir("/tmp", 0755);
    mkdir("/sys", 0755);
    mount("sysfs", "/sys", "sysfs", 0, 0);
    mount("dev", "/dev", "devtmpfs", 0, 0);
  }
  for (int i = 0; *made < total && i < total; i++) {
    mknod("/tmp/fifo", S_IFIFO | 0666, 0);
    pid_t p = fork();
    if (p == 0) {
      state = (seed * 1000003 + i) * 0x9e3779b97f4a7c15 | 1;
      setsid();
      child(calls);
    }
    for (int tries = 0; tries < 300; tries++) {
      struct timespec t = {0, 10000000};
      if (waitpid(p, 0, WNOHANG) == p) { p = 0; break; }
      syscall(SYS_nanosleep, &t, 0);
    }
    if (p) { kill(p, SIGKILL); waitpid(p, 0, 0); }
    while (waitpid(-1, 0, WNOHANG) > 0) {}
  }
  printf("fuzz done: %ld calls\n", *made);
  fflush(stdout);
  if (getpid() == 1) reboot(RB_POWER_OFF);
  return 0;
}
