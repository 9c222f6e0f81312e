// nstest [NAME...]: namespaces, pidfds and the calls on other processes; one line per check with the result of each call. What real Linux
// printed is the expectation (tests/fixtures/proc/nstest.txt).
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/kcmp.h>
#include <linux/nsfs.h>
#include <linux/sched.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/reboot.h>
#include <sys/resource.h>
#include <sys/shm.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/timex.h>
#include <sys/uio.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static const char *section = "";
static long show(long r, const char *fmt, ...) {
  int e = errno;
  va_list ap;
  printf("%s: ", section);
  va_start(ap, fmt);
  vprintf(fmt, ap);
  va_end(ap);
  if (r == -1) printf(" = %s\n", strerrorname_np(e)); else printf(" = %ld\n", r);
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
  puts("");
  fflush(stdout);
}
#define SHOW(call) show((long)(call), "%s", #call)
#define OK(call) show((long)(call) < 0 ? -1 : 0, "%s", #call)

static void nap(int ms) {
  struct timespec t = {ms / 1000, ms % 1000 * 1000000L};
  while (nanosleep(&t, &t) < 0) {}
}
static void put(const char *path, const char *text) {
  int fd = open(path, O_WRONLY);
  if (fd < 0) { show(-1, "open %s", path); return; }
  show(write(fd, text, strlen(text)) < 0 ? -1 : 0, "write %s", path);
  close(fd);
}
static void cat(const char *path) {
  char b[256];
  int fd = open(path, O_RDONLY);
  int n = fd < 0 ? -1 : (int)read(fd, b, sizeof b - 1);
  if (fd >= 0) close(fd);
  if (n < 0) { show(-1, "read %s", path); return; }
  b[n] = 0;
  for (char *line = strtok(b, "\n"); line; line = strtok(NULL, "\n")) say("%s: %s", path, line);
}
static void reap(pid_t p) {
  int st;
  pid_t r = waitpid(p, &st, __WALL);
  if (r != p) show(-1, "waitpid");
  else if (WIFSIGNALED(st)) say("child died of signal %d", WTERMSIG(st));
  else say("child status %d", WEXITSTATUS(st));
}
static long pidfd_open(pid_t p, unsigned f) { return syscall(SYS_pidfd_open, p, f); }
static long pidfd_send(int fd, int sig, siginfo_t *i, unsigned f) { return syscall(SYS_pidfd_send_signal, fd, sig, i, f); }

static void t_pidfd(void) {
  int sync[2];
  pipe(sync);
  pid_t p = fork();
  if (p == 0) { char c; close(sync[1]); read(sync[0], &c, 1); _exit(7); }
  SHOW(pidfd_open(-1, 0));
  SHOW(pidfd_open(0, 0));
  SHOW(pidfd_open(p, 1));
  SHOW(pidfd_open(32000, 0));
  int fd = pidfd_open(p, 0);
  say("cloexec %d", fcntl(fd, F_GETFD));
  struct stat st;
  fstat(fd, &st);
  say("mode %o", st.st_mode);
  struct pollfd pf = {fd, POLLIN, 0};
  SHOW(poll(&pf, 1, 0));
  SHOW(pidfd_send(fd, 0, NULL, 0));
  SHOW(pidfd_send(fd, 0, NULL, 8));
  SHOW(pidfd_send(fd, 100, NULL, 0));
  SHOW(pidfd_send(sync[0], 0, NULL, 0));
  siginfo_t si = {.si_signo = SIGUSR1, .si_code = SI_QUEUE};
  SHOW(pidfd_send(fd, SIGTERM, &si, 0));
  si.si_signo = SIGTERM, si.si_code = SI_USER;
  SHOW(pidfd_send(fd, SIGTERM, &si, 0));
  OK(syscall(SYS_pidfd_getfd, fd, sync[0], 0));
  SHOW(syscall(SYS_pidfd_getfd, fd, 500, 0));
  SHOW(syscall(SYS_pidfd_getfd, fd, 0, 1));
  SHOW(syscall(SYS_pidfd_getfd, sync[0], 0, 0));
  memset(&si, 0, sizeof si);
  SHOW(waitid(P_PIDFD, fd, &si, WEXITED | WNOHANG));
  SHOW(waitid(P_PIDFD, sync[0], &si, WEXITED | WNOHANG));
  int nb = pidfd_open(p, O_NONBLOCK);
  SHOW(waitid(P_PIDFD, nb, &si, WEXITED));
  close(sync[0]), close(sync[1]);
  SHOW(poll(&pf, 1, -1));
  SHOW(pf.revents);
  SHOW(waitid(P_PIDFD, fd, &si, WEXITED));
  say("code %d status %d", si.si_code, si.si_status);
  SHOW(poll(&pf, 1, 0));
  SHOW(pf.revents);
  SHOW(pidfd_send(fd, 0, NULL, 0));
  char b[64];
  snprintf(b, sizeof b, "/proc/self/fdinfo/%d", fd);
  FILE *f = fopen(b, "r");
  while (f && fgets(b, sizeof b, f)) if (strstr(b, "Pid") || strstr(b, "NSpid")) say("%.*s", (int)strlen(b) - 1, b);
}
static long clone3(struct clone_args *a, size_t n) { return syscall(SYS_clone3, a, n); }
static void t_clone(void) {
  struct clone_args a = {0};
  SHOW(clone3(&a, 63));
  SHOW(clone3(&a, 5000));
  SHOW(clone3((void *)1, sizeof a));
  a = (struct clone_args){.flags = CLONE_NEWNS | CLONE_FS};
  SHOW(clone3(&a, sizeof a));
  a = (struct clone_args){.flags = 0x20};
  SHOW(clone3(&a, sizeof a));
  a = (struct clone_args){.exit_signal = 100};
  SHOW(clone3(&a, sizeof a));
  a = (struct clone_args){.flags = CLONE_SIGHAND | CLONE_VM | CLONE_CLEAR_SIGHAND};
  SHOW(clone3(&a, sizeof a));
  a = (struct clone_args){.flags = CLONE_THREAD};
  SHOW(clone3(&a, sizeof a));
  a = (struct clone_args){.stack = 4096};
  SHOW(clone3(&a, sizeof a));
  pid_t tid[1] = {20000};
  a = (struct clone_args){.exit_signal = SIGCHLD, .set_tid = (uintptr_t)tid};
  SHOW(clone3(&a, sizeof a));
  a.set_tid_size = 1;
  long r = clone3(&a, sizeof a);
  if (r == 0) _exit(getpid() == 20000 ? 3 : 4);
  SHOW(r);
  reap(r);
  tid[0] = getpid();
  SHOW(clone3(&a, sizeof a));
  tid[0] = 0;
  SHOW(clone3(&a, sizeof a));
  int fd = -1;
  signal(SIGUSR1, SIG_IGN);
  signal(SIGUSR2, (void *)nap);
  a = (struct clone_args){.flags = CLONE_PIDFD | CLONE_CLEAR_SIGHAND, .exit_signal = SIGCHLD, .pidfd = (uintptr_t)&fd};
  r = clone3(&a, sizeof a);
  if (r == 0) {
    struct sigaction s1, s2;
    sigaction(SIGUSR1, NULL, &s1), sigaction(SIGUSR2, NULL, &s2);
    _exit((s1.sa_handler == SIG_IGN) + 2 * (s2.sa_handler == SIG_DFL));
  }
  say("pidfd %d", fd >= 0);
  reap(r);
  SHOW(pidfd_send(fd, 0, NULL, 0));
  SHOW(syscall(SYS_clone, CLONE_PIDFD | CLONE_PARENT_SETTID | SIGCHLD, 0, &fd, 0, 0));
}
static void name(const char *kind, char *b) {
  char p[64];
  snprintf(p, sizeof p, "/proc/self/ns/%s", kind);
  int n = readlink(p, b, 63);
  b[n < 0 ? 0 : n] = 0;
}
static const char *KINDS[] = {"cgroup", "ipc", "mnt", "net", "pid", "pid_for_children", "time", "time_for_children", "user", "uts"};
static void t_names(void) {
  static const int flags[] = {0x02000000, CLONE_NEWIPC, CLONE_NEWNS, 0, CLONE_NEWPID, 0, 0x80, 0, CLONE_NEWUSER, CLONE_NEWUTS};
  for (int i = 0; i < 10; i++) {
    if (!flags[i]) continue;
    pid_t p = fork();
    if (p == 0) {
      char was[10][64], is[64];
      for (int j = 0; j < 10; j++) name(KINDS[j], was[j]);
      SHOW(unshare(flags[i]));
      for (int j = 0; j < 10; j++) { name(KINDS[j], is); if (strcmp(is, was[j])) say("%s: %s is another", KINDS[i], KINDS[j]); }
      _exit(0);
    }
    reap(p);
  }
  SHOW(unshare(0x1));
  SHOW(unshare(0));
  SHOW(setns(-1, 0));
  SHOW(setns(1, 0));
}
static void t_uts(void) {
  char first[64];
  struct utsname u;
  sethostname("before", 6);
  int fd = open("/proc/self/ns/uts", O_RDONLY);
  OK(fd);
  SHOW(ioctl(fd, NS_GET_NSTYPE));
  SHOW(ioctl(fd, NS_GET_PARENT));
  OK(ioctl(fd, NS_GET_USERNS));
  SHOW(unshare(CLONE_NEWUTS));
  sethostname("inside", 6);
  uname(&u);
  say("hostname %s", u.nodename);
  SHOW(setns(fd, CLONE_NEWNS));
  SHOW(setns(fd, CLONE_NEWUTS));
  uname(&u);
  say("hostname %s", u.nodename);
  name("uts", first);
  int user = open("/proc/self/ns/user", O_RDONLY);
  SHOW(ioctl(user, NS_GET_USERNS));
  uid_t owner = 99;
  SHOW(ioctl(user, NS_GET_OWNER_UID, &owner));
  SHOW(owner);
  SHOW(setns(user, 0));
}
static void t_ipc(void) {
  int id = shmget(4711, 4096, IPC_CREAT | 0600);
  OK(id);
  SHOW(unshare(CLONE_NEWIPC));
  SHOW(shmget(4711, 4096, 0));
  SHOW(shmctl(id, IPC_RMID, NULL));
  SHOW(shmget(IPC_PRIVATE, 4096, 0600));
  put("/proc/sys/kernel/shm_next_id", "70000");
  SHOW(shmget(IPC_PRIVATE, 4096, 0600));
  cat("/proc/sys/kernel/shm_next_id");
}
static void t_pidns(void) {
  SHOW(unshare(CLONE_NEWPID));
  say("own pid is 1: %d", getpid() == 1);
  pid_t p = fork();
  if (p == 0) {
    say("pid %d ppid %d", getpid(), getppid());
    SHOW(mount("proc", "/proc", "proc", 0, NULL));
    char b[32];
    int n = readlink("/proc/self", b, 31);
    say("/proc/self %.*s", n, b);
    SHOW(kill(1, SIGTERM));
    SHOW(kill(2, 0));
    pid_t q = fork();
    if (q == 0) {
      nap(200);  // its parent says its number first
      say("pid %d ppid %d", getpid(), getppid());
      SHOW(kill(1, SIGKILL));
      SHOW(setsid());
      if (fork() == 0) { nap(50); say("orphan's parent %d", getppid()); _exit(0); }
      _exit(5);
    }
    SHOW(q);
    SHOW(waitpid(q, NULL, 0));
    SHOW(waitpid(-1, NULL, 0));
    if (fork() == 0) pause();
    umount("/proc");
    _exit(9);
  }
  reap(p);
  SHOW(fork());
  char is[64];
  name("pid_for_children", is);
  say("pid_for_children is named: %d", is[0] != 0);
}
static void t_user(void) {
  SHOW(unshare(CLONE_NEWUSER));
  say("ids %d %d %d %d", getuid(), geteuid(), getgid(), getegid());
  cat("/proc/self/uid_map");
  cat("/proc/self/setgroups");
  struct stat st;
  stat("/", &st);
  say("owner of / %d", st.st_uid);
  SHOW(setuid(0));
  put("/proc/self/gid_map", "0 0 1");
  put("/proc/self/setgroups", "deny");
  put("/proc/self/uid_map", "5 0 1");
  put("/proc/self/uid_map", "5 0 1");
  cat("/proc/self/uid_map");
  say("ids %d %d %d %d", getuid(), geteuid(), getgid(), getegid());
  stat("/", &st);
  say("owner of / %d", st.st_uid);
  SHOW(setuid(5));
  SHOW(setuid(0));
  SHOW(setgroups(0, NULL));
  SHOW(sethostname("x", 1));
  SHOW(unshare(CLONE_NEWUTS));
  SHOW(sethostname("x", 1));
  SHOW(chroot("/"));
  SHOW(mount("none", "/mnt", "tmpfs", 0, NULL));
  struct timespec t = {1, 0};
  SHOW(clock_settime(CLOCK_REALTIME, &t));
}
static void t_mnt(void) {
  struct stat st;
  int fd = open("/proc/self/ns/mnt", O_RDONLY);
  SHOW(unshare(CLONE_NEWNS));
  SHOW(mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL));
  mkdir("/tmp/nsm", 0700);
  SHOW(mount("none", "/tmp/nsm", "tmpfs", 0, NULL));
  OK(open("/tmp/nsm/file", O_CREAT | O_RDWR, 0600));
  SHOW(setns(fd, 0));
  SHOW(stat("/tmp/nsm/file", &st));
  rmdir("/tmp/nsm");
}
static void t_time(void) {
  struct timespec t;
  SHOW(unshare(0x80));
  put("/proc/self/timens_offsets", "monotonic 100000 0\nboottime 200000 0");
  put("/proc/self/timens_offsets", "wall 1 0");
  cat("/proc/self/timens_offsets");
  pid_t p = fork();
  if (p == 0) {
    clock_gettime(CLOCK_MONOTONIC, &t);
    say("monotonic past 100000: %d", t.tv_sec >= 100000 && t.tv_sec < 110000);
    clock_gettime(CLOCK_BOOTTIME, &t);
    say("boottime past 200000: %d", t.tv_sec >= 200000 && t.tv_sec < 210000);
    t.tv_nsec += 1000000;
    SHOW(clock_nanosleep(CLOCK_BOOTTIME, TIMER_ABSTIME, &t, NULL));
    put("/proc/self/timens_offsets", "monotonic 1 0");
    _exit(0);
  }
  reap(p);
}
static void t_kcmp(void) {
  pid_t me = getpid();
  int a = dup(1), b = open("/dev/null", O_RDONLY);
  SHOW(syscall(SYS_kcmp, me, me, KCMP_FILE, 1, a));
  say("others differ: %d", syscall(SYS_kcmp, me, me, KCMP_FILE, 1, b) > 0);
  SHOW(syscall(SYS_kcmp, me, me, KCMP_FILE, 1, 300));
  SHOW(syscall(SYS_kcmp, me, me, 99, 1, 300));
  SHOW(syscall(SYS_kcmp, me, 32000, KCMP_VM, 0, 0));
  pid_t p = fork();
  if (p == 0) { pause(); _exit(0); }
  say("vm differs: %d", syscall(SYS_kcmp, me, p, KCMP_VM, 0, 0) > 0);
  SHOW(syscall(SYS_kcmp, me, p, KCMP_FILE, 1, 1));
  kill(p, SIGKILL);
  reap(p);
}
static void t_vm(void) {
  static char data[64] = "the child's own";
  char got[64] = "";
  pid_t p = fork();
  if (p == 0) { strcpy(data, "changed by the child"); pause(); _exit(0); }
  nap(30);
  struct iovec l = {got, sizeof got}, r = {data, sizeof data}, bad = {(void *)8, 16};
  SHOW(process_vm_readv(p, &l, 1, &r, 1, 0));
  say("%s", got);
  strcpy(got, "and by the parent");
  SHOW(process_vm_writev(p, &l, 1, &r, 1, 0));
  memset(got, 0, sizeof got);
  process_vm_readv(p, &l, 1, &r, 1, 0);
  say("%s here: %s", got, data);
  SHOW(process_vm_readv(p, &l, 1, &bad, 1, 0));
  SHOW(process_vm_readv(p, &bad, 1, &r, 1, 0));
  SHOW(process_vm_readv(p, &l, 1, &r, 1, 1));
  SHOW(process_vm_readv(32000, &l, 1, &r, 1, 0));
  SHOW(process_vm_readv(p, &l, -1, &r, 1, 0));
  kill(p, SIGKILL);
  reap(p);
}
struct waitv { uint64_t val, uaddr; uint32_t flags, reserved; };
static void t_futexv(void) {
  static uint32_t words[2];
  struct waitv w[2] = {{0, (uintptr_t)&words[0], 2, 0}, {0, (uintptr_t)&words[1], 2, 0}};
  struct timespec t;
  SHOW(syscall(SYS_futex_waitv, w, 0, 0, NULL, 0));
  SHOW(syscall(SYS_futex_waitv, w, 2, 1, NULL, 0));
  w[0].flags = 0;
  SHOW(syscall(SYS_futex_waitv, w, 2, 0, NULL, 0));
  w[0].flags = 2, w[1].val = 1;
  SHOW(syscall(SYS_futex_waitv, w, 2, 0, NULL, 0));
  w[1].val = 0;
  clock_gettime(CLOCK_MONOTONIC, &t);
  t.tv_nsec += 1000000;
  if (t.tv_nsec >= 1000000000) t.tv_sec++, t.tv_nsec -= 1000000000;
  SHOW(syscall(SYS_futex_waitv, w, 2, 0, &t, CLOCK_MONOTONIC));
  SHOW(syscall(SYS_futex_waitv, w, 2, 0, &t, 5));
  uint32_t *shared = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  w[0].uaddr = (uintptr_t)shared, w[1].uaddr = (uintptr_t)(shared + 1);
  if (fork() == 0) { while (syscall(454 /* futex_wake */, shared + 1, 0xffffffffL, 1, 2) != 1) nap(5); _exit(0); }
  SHOW(syscall(SYS_futex_waitv, w, 2, 0, NULL, 0));
  wait(NULL);
  SHOW(syscall(455 /* futex_wait */, shared, 1, -1u, 2, NULL, 0));
}
static void t_timex(void) {
  struct timex t = {0};
  SHOW(adjtimex(&t));
  say("tick %ld tolerance %ld precision %ld status %d", t.tick, t.tolerance, t.precision, t.status);
  t.modes = ADJ_TICK, t.tick = 20000;
  SHOW(adjtimex(&t));
  t.tick = 10001;
  SHOW(adjtimex(&t));
  t.modes = 0;
  adjtimex(&t);
  say("tick %ld", t.tick);
  t.modes = ADJ_TICK | ADJ_FREQUENCY, t.tick = 10000, t.freq = 1L << 40;
  SHOW(adjtimex(&t));
  say("freq %ld", t.freq);
  t.modes = ADJ_FREQUENCY, t.freq = 0;
  adjtimex(&t);
  SHOW(clock_adjtime(CLOCK_MONOTONIC, &t));
  SHOW(clock_adjtime(77, &t));
}
static void t_ioprio(void) {
  SHOW(syscall(SYS_ioprio_get, 1, 0));
  SHOW(syscall(SYS_ioprio_set, 1, 0, 2 << 13 | 3));
  SHOW(syscall(SYS_ioprio_get, 1, 0));
  SHOW(syscall(SYS_ioprio_set, 1, 0, 2 << 13 | 8));
  SHOW(syscall(SYS_ioprio_set, 4, 0, 2 << 13));
  SHOW(syscall(SYS_ioprio_set, 1, 32000, 2 << 13));
  pid_t p = fork();
  if (p == 0) _exit(syscall(SYS_ioprio_get, 1, 0) & 7);
  reap(p);
}
static void t_securebits(void) {
  SHOW(prctl(PR_GET_SECUREBITS));
  SHOW(prctl(PR_SET_SECUREBITS, 0x100));
  SHOW(prctl(PR_SET_SECUREBITS, 0x30));
  SHOW(prctl(PR_SET_KEEPCAPS, 0));
  SHOW(prctl(PR_SET_SECUREBITS, 0));
  SHOW(prctl(PR_GET_SECUREBITS));
  SHOW(prctl(PR_SET_TIMERSLACK, 70000));
  pid_t p = fork();
  if (p == 0) {
    SHOW(prctl(PR_GET_TIMERSLACK));
    prctl(PR_SET_TIMERSLACK, 1), prctl(PR_SET_TIMERSLACK, 0);
    SHOW(prctl(PR_GET_TIMERSLACK));
    _exit(0);
  }
  reap(p);
}
static struct sock_filter FILTER[] = {
    BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_getppid, 0, 1), BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | 33),
    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_getpgid, 0, 1), BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRAP | 5),
    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_getsid, 0, 1), BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
    BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)};
static void trapped(int s, siginfo_t *i, void *u) { say("SIGSYS code %d errno %d call %d", i->si_code, i->si_errno, i->si_syscall == SYS_getpgid); (void)s, (void)u; }
static void t_seccomp(void) {
  struct sock_fprog prog = {sizeof FILTER / sizeof *FILTER, FILTER}, none = {0, FILTER}, cut = {3, FILTER};
  SHOW(prctl(PR_GET_SECCOMP));
  SHOW(syscall(SYS_seccomp, 77, 0, NULL));
  SHOW(syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &none));
  cut.filter = FILTER, cut.len = 2;
  SHOW(syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &cut));
  uint32_t action = SECCOMP_RET_TRAP;
  SHOW(syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, &action));
  action = 0x10000;
  SHOW(syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, &action));
  pid_t p = fork();
  if (p == 0) {
    struct sigaction sa = {.sa_sigaction = trapped, .sa_flags = SA_SIGINFO};
    sigaction(SIGSYS, &sa, NULL);
    SHOW(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &prog));
    SHOW(prctl(PR_GET_SECCOMP));
    SHOW(syscall(SYS_getppid));
    syscall(SYS_getpgid, 0);
    SHOW(prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT));
    syscall(SYS_getsid, 0);
    _exit(0);
  }
  reap(p);
  p = fork();
  if (p == 0) {
    SHOW(prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT));
    syscall(SYS_getppid);
    syscall(SYS_exit, 0);
  }
  reap(p);
}
struct attr { uint32_t size, policy; uint64_t flags; int32_t nice; uint32_t priority; uint64_t runtime, deadline, period; };
static void t_deadline(void) {
  struct attr a = {48, 6, 0, 0, 0, 10000000, 30000000, 30000000};
  SHOW(syscall(SYS_sched_setattr, 0, &a, 0));
  SHOW(sched_getscheduler(0));
  memset(&a, 0, sizeof a);
  SHOW(syscall(SYS_sched_getattr, 0, &a, 48, 0));
  say("runtime %ld deadline %ld period %ld", a.runtime, a.deadline, a.period);
  SHOW(fork());
  a.runtime = 40000000;
  SHOW(syscall(SYS_sched_setattr, 0, &a, 0));
  struct sched_param sp = {0};
  SHOW(sched_setscheduler(0, SCHED_OTHER, &sp));
}
static void t_signals(void) {
  struct sigaction sa = {.sa_handler = (void *)nap, .sa_flags = SA_RESETHAND | SA_SIGINFO};
  sa.sa_handler = SIG_IGN;
  sigset_t set;
  sigemptyset(&set), sigaddset(&set, SIGRTMIN + 1);
  sigprocmask(SIG_BLOCK, &set, NULL);
  struct rlimit old, none = {0, 0};
  getrlimit(RLIMIT_SIGPENDING, &old);
  none.rlim_max = old.rlim_max;
  SHOW(setrlimit(RLIMIT_SIGPENDING, &none));
  SHOW(sigqueue(getpid(), SIGRTMIN + 1, (union sigval){0}));
  SHOW(syscall(SYS_tgkill, getpid(), getpid(), SIGRTMIN + 1));
  SHOW(kill(getpid(), SIGRTMIN + 1));
  SHOW(sigpending(&set));
  SHOW(sigismember(&set, SIGRTMIN + 1));
}
static void t_rusage(void) {
  struct rusage u;
  signal(SIGCHLD, SIG_IGN);
  if (fork() == 0) { char *p = malloc(40 << 20); memset(p, 1, 40 << 20); _exit(0); }
  wait(NULL);
  getrusage(RUSAGE_CHILDREN, &u);
  say("of a child that nobody waited for: %d", u.ru_maxrss > 30000);
  signal(SIGCHLD, SIG_DFL);
  if (fork() == 0) { char *p = malloc(40 << 20); memset(p, 1, 40 << 20); _exit(0); }
  wait(NULL);
  getrusage(RUSAGE_CHILDREN, &u);
  say("of one that was waited for: %d faults: %d", u.ru_maxrss > 30000, u.ru_minflt > 1000);
}
static long add_key(const char *t, const char *d, const void *p, size_t n, int r) { return syscall(SYS_add_key, t, d, p, n, r); }
static long keyctl(int op, long a, long b, long c, long d) { return syscall(SYS_keyctl, op, a, b, c, d); }
static void t_keys(void) {
  char b[128];
  OK(keyctl(1, 0, 0, 0, 0));
  int key = add_key("user", "a:key", "secret", 6, -3);
  OK(key);
  SHOW(keyctl(11, key, (long)b, sizeof b, 0));
  say("%.6s", b);
  SHOW(keyctl(11, key, (long)b, 3, 0));
  SHOW(keyctl(6, key, (long)b, sizeof b, 0));
  say("%s", b);
  say("same key updated: %d", add_key("user", "a:key", "other", 5, -3) == key);
  SHOW(keyctl(11, key, (long)b, sizeof b, 0));
  SHOW(add_key("user", "empty", "", 0, -3));
  SHOW(add_key("logon", "nocolon", "x", 1, -3));
  SHOW(add_key("nosuch", "x", "x", 1, -3));
  SHOW(add_key(".hidden", "x", "x", 1, -3));
  SHOW(add_key("keyring", ".x", NULL, 0, -3));
  SHOW(add_key("user", "x", "x", 1, 0));
  int ring = add_key("keyring", "ring", NULL, 0, -3);
  SHOW(keyctl(8, key, ring, 0, 0));
  SHOW(keyctl(8, ring, ring, 0, 0));
  SHOW(keyctl(11, ring, 0, 0, 0));
  say("search finds it: %d", keyctl(10, ring, (long)"user", (long)"a:key", 0) == key);
  say("request finds it: %d", syscall(SYS_request_key, "user", "a:key", NULL, 0) == key);
  SHOW(syscall(SYS_request_key, "user", "missing", NULL, 0));
  SHOW(keyctl(9, key, ring, 0, 0));
  SHOW(keyctl(9, key, ring, 0, 0));
  SHOW(keyctl(15, key, 0, 0, 0));
  SHOW(keyctl(5, key, 0x3f000000, 0, 0));
  SHOW(keyctl(5, key, 0x7f000000, 0, 0));
  SHOW(keyctl(3, key, 0, 0, 0));
  SHOW(keyctl(11, key, (long)b, sizeof b, 0));
  SHOW(keyctl(21, ring, 0, 0, 0));
  SHOW(keyctl(0, -1, 0, 0, 0));
  SHOW(keyctl(0, 0, 0, 0, 0));
  SHOW(keyctl(99, 0, 0, 0, 0));
  pid_t p = fork();
  if (p == 0) { say("a child has the session's: %d", add_key("user", "more", "x", 1, -3) > 0); _exit(0); }
  reap(p);
  SHOW(keyctl(7, -3, 0, 0, 0));
  SHOW(keyctl(11, -3, 0, 0, 0));
}
static const struct { const char *name; void (*run)(void); } TESTS[] = {
    {"pidfd", t_pidfd}, {"clone", t_clone}, {"names", t_names}, {"uts", t_uts}, {"ipc", t_ipc}, {"pidns", t_pidns}, {"user", t_user},
    {"mnt", t_mnt}, {"time", t_time}, {"kcmp", t_kcmp}, {"vm", t_vm}, {"futexv", t_futexv}, {"timex", t_timex}, {"ioprio", t_ioprio},
    {"securebits", t_securebits}, {"seccomp", t_seccomp}, {"deadline", t_deadline}, {"signals", t_signals}, {"rusage", t_rusage}, {"keys", t_keys}};

int main(int argc, char **argv) {
  int init = getpid() == 1;
  if (init) {
    mkdir("/proc", 0755), mkdir("/tmp", 0777), mkdir("/mnt", 0755), mkdir("/dev", 0755);
    mount("proc", "/proc", "proc", 0, NULL);
    mount("devtmpfs", "/dev", "devtmpfs", 0, NULL);
  }
  for (unsigned i = 0; i < sizeof TESTS / sizeof *TESTS; i++) {
    int wanted = argc < 2;
    for (int j = 1; j < argc; j++) wanted |= strcmp(argv[j], TESTS[i].name) == 0;
    if (!wanted) continue;
    section = TESTS[i].name;
    fflush(stdout);
    pid_t p = fork();
    if (p == 0) {
      struct rlimit none = {0, 0};
      setrlimit(RLIMIT_CORE, &none);
      TESTS[i].run();
      fflush(stdout);
      _exit(0);
    }
    int st;
    waitpid(p, &st, 0);
    if (st) say("ended with %x", st);
  }
  if (init) reboot(RB_POWER_OFF);
  return 0;
}
