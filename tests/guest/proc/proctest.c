// proctest [NAME...]: system calls on processes, signals, time, futexes, event files. Prints one line per check with the result of each call;
// what real Linux printed is the expectation (tests/fixtures/proc/proctest.txt). Nothing here depends on real time beyond coarse bounds.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/futex.h>
#include <linux/membarrier.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/reboot.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysinfo.h>
#include <sys/time.h>
#include <sys/timerfd.h>
#include <sys/times.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>

static const char *section = "";
static const char *name_of(int e) {
  static char buf[16];
  const char *n = strerrorname_np(e);
  if (n) return n;
  snprintf(buf, sizeof buf, "E%d", e);
  return buf;
}
// Prints "section: text = result or errno".
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
static long ms_now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec * 1000 + t.tv_nsec / 1000000;
}
static void nap(int ms) {
  struct timespec t = {ms / 1000, ms % 1000 * 1000000L};
  while (nanosleep(&t, &t) < 0) {}
}
static const char *status_text(int st) {
  static char b[64];
  if (WIFEXITED(st)) snprintf(b, sizeof b, "exit %d", WEXITSTATUS(st));
  else if (WIFSIGNALED(st)) snprintf(b, sizeof b, "signal %d%s", WTERMSIG(st), WCOREDUMP(st) ? " core" : "");
  else if (WIFSTOPPED(st)) snprintf(b, sizeof b, "stopped %d", WSTOPSIG(st));
  else if (WIFCONTINUED(st)) snprintf(b, sizeof b, "continued");
  else snprintf(b, sizeof b, "?%x", st);
  return b;
}
static volatile sig_atomic_t got, got2;
static volatile siginfo_t last;
static void count(int s) { got++; (void)s; }
static void info(int s, siginfo_t *i, void *u) { got++; last = *i; (void)s; (void)u; }
static void handle(int sig, void (*h)(int), int flags) {
  struct sigaction a = {0};
  a.sa_handler = h;
  a.sa_flags = flags;
  sigaction(sig, &a, 0);
}
static void handle_info(int sig, void (*h)(int, siginfo_t *, void *), int flags) {
  struct sigaction a = {0};
  a.sa_sigaction = h;
  a.sa_flags = flags | SA_SIGINFO;
  sigaction(sig, &a, 0);
}

// ---------------------------------------------------------------- processes
static void t_wait(void) {
  int st;
  pid_t p = fork();
  if (p == 0) _exit(7);
  show(waitpid(p, &st, 0) == p, "waitpid");
  say("%s", status_text(st));
  SHOW(waitpid(-1, &st, 0));
  SHOW(waitpid(12345, &st, WNOHANG));
  p = fork();
  if (p == 0) { raise(SIGKILL); _exit(0); }
  waitpid(p, &st, 0);
  say("%s", status_text(st));
  p = fork();
  if (p == 0) { nap(50); _exit(3); }
  SHOW(waitpid(-1, &st, WNOHANG));
  siginfo_t si = {0};
  show(waitid(P_PID, p, &si, WEXITED | WNOWAIT), "waitid WNOWAIT");
  say("si_code %d status %d pid ok %d", si.si_code, si.si_status, si.si_pid == p);
  memset(&si, 0, sizeof si);
  show(waitid(P_ALL, 0, &si, WEXITED), "waitid P_ALL");
  say("si_code %d status %d", si.si_code, si.si_status);
  SHOW(waitid(P_ALL, 0, &si, WEXITED));
  SHOW(waitid(P_ALL, 0, &si, 0));
  SHOW(waitid(77, 0, &si, WEXITED));
  // stop and continue
  p = fork();
  if (p == 0) { raise(SIGSTOP); nap(30); _exit(9); }
  waitpid(p, &st, WUNTRACED);
  say("%s", status_text(st));
  kill(p, SIGCONT);
  waitpid(p, &st, WCONTINUED);
  say("%s", status_text(st));
  waitpid(p, &st, 0);
  say("%s", status_text(st));
  // orphans go to init or to the subreaper
  prctl(PR_SET_CHILD_SUBREAPER, 1);
  int fd[2];
  pipe(fd);
  p = fork();
  if (p == 0) {
    if (fork() == 0) { nap(40); pid_t pp = getppid(); write(fd[1], &pp, sizeof pp); _exit(5); }
    _exit(4);
  }
  waitpid(p, &st, 0);
  say("%s", status_text(st));
  pid_t pp;
  read(fd[0], &pp, sizeof pp);
  say("reparented to me %d", pp == getpid());
  waitpid(-1, &st, 0);
  say("%s", status_text(st));
  prctl(PR_SET_CHILD_SUBREAPER, 0);
  // SIGCHLD ignored: no zombies
  signal(SIGCHLD, SIG_IGN);
  p = fork();
  if (p == 0) _exit(1);
  SHOW(waitpid(p, &st, 0));
  signal(SIGCHLD, SIG_DFL);
  struct rusage ru;
  SHOW(getrusage(RUSAGE_CHILDREN, &ru));
  SHOW(getrusage(5, &ru));
  SHOW(wait4(-1, &st, 0x40, &ru));
}
static void t_pgrp(void) {
  int st;
  pid_t p = fork();
  if (p == 0) {
    show(setsid() == getpid(), "setsid");
    SHOW(setsid());
    show(getsid(0) == getpid(), "getsid");
    show(getpgid(0) == getpid(), "getpgid");
    pid_t c = fork();
    if (c == 0) { nap(100); _exit(0); }
    show(setpgid(c, c), "setpgid child");
    show(getpgid(c) == c, "child is leader");
    SHOW(setpgid(c, 99999));
    SHOW(setpgid(0, 0));
    SHOW(setpgid(-1, 0));
    SHOW(setpgid(0, -1));
    SHOW(getpgid(99999));
    SHOW(getsid(99999));
    kill(-c, SIGTERM);
    waitpid(-c, &st, 0);
    say("%s", status_text(st));
    SHOW(kill(-c, 0));
    _exit(0);
  }
  waitpid(p, &st, 0);
  say("%s", status_text(st));
  SHOW(kill(99999, 0));
  SHOW(kill(getpid(), 65));
  SHOW(kill(getpid(), 0));
  SHOW(syscall(SYS_tgkill, getpid(), 99999, 0));
  SHOW(syscall(SYS_tgkill, -1, 1, 0));
  SHOW(syscall(SYS_tkill, 0, 0));
}
static int child_fn(void *a) { *(int *)a = 42; return 6; }
static void t_clone(void) {
  static char stack[16384] __attribute__((aligned(16)));
  int value = 0, st;
  pid_t p = clone(child_fn, stack + sizeof stack, CLONE_VM | SIGCHLD, &value);
  waitpid(p, &st, 0);
  say("clone VM: %d %s", value, status_text(st));
  value = 0;
  p = clone(child_fn, stack + sizeof stack, SIGCHLD, &value);
  waitpid(p, &st, 0);
  say("clone: %d %s", value, status_text(st));
  p = clone(child_fn, stack + sizeof stack, CLONE_VM | CLONE_VFORK, &value);
  SHOW(waitpid(p, &st, 0));
  show(waitpid(p, &st, __WCLONE) == p, "waitpid __WCLONE");
  SHOW(syscall(SYS_clone, CLONE_THREAD, 0, 0, 0, 0));
  SHOW(syscall(SYS_clone, CLONE_SIGHAND, 0, 0, 0, 0));
  p = vfork();
  if (p == 0) _exit(11);
  waitpid(p, &st, 0);
  say("vfork: %s", status_text(st));
  char *argv[] = {"true", 0};
  SHOW(execve("/no/such/file", argv, environ));
  SHOW(execve("/", argv, environ));
  SHOW(execve("", argv, environ));
}
// ---------------------------------------------------------------- signals
static int pfd[2];
static void writer(int s) { got++; write(pfd[1], "x", 1); (void)s; }
static void t_restart(void) {
  char c;
  pipe(pfd);
  struct itimerval it = {{0, 0}, {0, 30000}};
  handle(SIGALRM, count, 0);
  got = 0;
  setitimer(ITIMER_REAL, &it, 0);
  SHOW(read(pfd[0], &c, 1));
  say("got %d", got);
  handle(SIGALRM, writer, SA_RESTART);
  got = 0;
  setitimer(ITIMER_REAL, &it, 0);
  SHOW(read(pfd[0], &c, 1));
  say("got %d", got);
  handle(SIGALRM, count, SA_RESTART);
  setitimer(ITIMER_REAL, &it, 0);
  struct pollfd pf = {pfd[0], POLLIN, 0};
  SHOW(poll(&pf, 1, 2000));
  setitimer(ITIMER_REAL, &it, 0);
  struct timespec ts = {2, 0}, rem = {0, 0};
  SHOW(nanosleep(&ts, &rem));
  say("remaining below 2 s %d, above 1.8 s %d", rem.tv_sec < 2, rem.tv_sec == 1 && rem.tv_nsec > 800000000);
  setitimer(ITIMER_REAL, &it, 0);
  show(clock_nanosleep(CLOCK_MONOTONIC, 0, &ts, 0), "clock_nanosleep");
  setitimer(ITIMER_REAL, &it, 0);
  SHOW(pause());
  // A signal without handler that is ignored does not interrupt.
  signal(SIGALRM, SIG_IGN);
  setitimer(ITIMER_REAL, &it, 0);
  long t = ms_now();
  ts.tv_sec = 0;
  ts.tv_nsec = 100000000;
  SHOW(nanosleep(&ts, 0));
  say("slept all %d", ms_now() - t >= 100);
  signal(SIGALRM, SIG_DFL);
  // stop and continue do not interrupt a sleep
  pid_t me = getpid(), p = fork();
  if (p == 0) { nap(30); kill(me, SIGSTOP); nap(30); kill(me, SIGCONT); _exit(0); }
  t = ms_now();
  ts.tv_nsec = 150000000;
  SHOW(nanosleep(&ts, 0));
  say("slept all %d", ms_now() - t >= 150);
  waitpid(p, 0, 0);
}
static void nested(int s) {
  sigset_t m;
  sigprocmask(SIG_BLOCK, 0, &m);
  say("in handler %d: self blocked %d, usr2 blocked %d", s, sigismember(&m, SIGUSR1), sigismember(&m, SIGUSR2));
  got++;
}
static char alt[16384];
static void on_alt(int s, siginfo_t *i, void *u) {
  ucontext_t *uc = u;
  char *sp = __builtin_frame_address(0);
  stack_t ss;
  sigaltstack(0, &ss);
  say("signal %d on alternate stack %d, ss_flags %d, uc_stack flags %d, code %d", s, sp >= alt && sp < alt + sizeof alt, ss.ss_flags, uc->uc_stack.ss_flags, i->si_code);
  stack_t none = {0};
  SHOW(sigaltstack(&none, 0));
}
static sigjmp_buf env;
static void segv(int s, siginfo_t *i, void *u) {
  say("SIGSEGV code %d addr %p", i->si_code, i->si_addr);
  siglongjmp(env, 1);
  (void)s; (void)u;
}
static void ill(int s, siginfo_t *i, void *u) {
  ucontext_t *uc = u;
  say("signal %d code %d at pc %d", s, i->si_code, (unsigned long)i->si_addr == uc->uc_mcontext.__gregs[0]);
  uc->uc_mcontext.__gregs[0] += s == SIGTRAP ? 2 : 4;
}
static void t_signal(void) {
  handle(SIGUSR1, nested, 0);
  raise(SIGUSR1);
  handle(SIGUSR1, nested, SA_NODEFER);
  raise(SIGUSR1);
  struct sigaction a = {0}, o;
  a.sa_handler = nested;
  sigaddset(&a.sa_mask, SIGUSR2);
  a.sa_flags = SA_RESETHAND;
  sigaction(SIGUSR1, &a, 0);
  raise(SIGUSR1);
  sigaction(SIGUSR1, 0, &o);
  say("reset to default %d", o.sa_handler == SIG_DFL);
  SHOW(sigaction(SIGKILL, &a, 0));
  SHOW(syscall(SYS_rt_sigaction, 65, 0, 0, 8));
  SHOW(syscall(SYS_rt_sigaction, SIGUSR1, 0, 0, 4));
  // pending and blocked
  sigset_t m, p;
  sigemptyset(&m);
  sigaddset(&m, SIGUSR1);
  sigaddset(&m, SIGRTMIN);
  sigprocmask(SIG_BLOCK, &m, 0);
  got = 0;
  handle_info(SIGUSR1, info, 0);
  handle_info(SIGRTMIN, info, 0);
  raise(SIGUSR1);
  raise(SIGUSR1);
  union sigval v = {.sival_int = 5};
  for (int i = 0; i < 3; i++) { v.sival_int = 5 + i; SHOW(sigqueue(getpid(), SIGRTMIN, v)); }
  sigpending(&p);
  say("pending usr1 %d rt %d", sigismember(&p, SIGUSR1), sigismember(&p, SIGRTMIN));
  siginfo_t si;
  struct timespec zero = {0, 0};
  sigset_t rt;
  sigemptyset(&rt);
  sigaddset(&rt, SIGRTMIN);
  show(sigtimedwait(&rt, &si, &zero) == SIGRTMIN, "sigtimedwait");
  say("code %d value %d", si.si_code, si.si_value.sival_int);
  sigprocmask(SIG_UNBLOCK, &m, 0);
  say("delivered %d, last value %d code %d", got, last.si_value.sival_int, last.si_code);
  SHOW(sigtimedwait(&rt, &si, &zero));
  struct timespec t50 = {0, 50000000};
  SHOW(sigtimedwait(&rt, &si, &t50));
  // sigsuspend
  got = 0;
  sigprocmask(SIG_BLOCK, &m, 0);
  pid_t me = getpid(), c = fork();
  if (c == 0) { nap(30); kill(me, SIGUSR1); _exit(0); }
  sigset_t none;
  sigemptyset(&none);
  SHOW(sigsuspend(&none));
  say("got %d from child %d code %d", got, last.si_pid == c, last.si_code);
  sigprocmask(SIG_BLOCK, 0, &p);
  say("mask restored %d", sigismember(&p, SIGUSR1));
  sigprocmask(SIG_UNBLOCK, &m, 0);
  waitpid(c, 0, 0);
  // alternate stack
  stack_t ss = {.ss_sp = alt, .ss_size = sizeof alt};
  SHOW(sigaltstack(&ss, 0));
  handle_info(SIGUSR2, on_alt, SA_ONSTACK);
  raise(SIGUSR2);
  ss.ss_size = 100;
  SHOW(sigaltstack(&ss, 0));
  ss.ss_flags = 77;
  SHOW(sigaltstack(&ss, 0));
  // faults
  handle_info(SIGSEGV, segv, SA_NODEFER);
  if (!sigsetjmp(env, 1)) *(volatile int *)0x1234 = 1;
  char *ro = mmap((void *)0x40000000, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
  if (!sigsetjmp(env, 1)) ro[5] = 1;
  handle_info(SIGILL, ill, 0);
  handle_info(SIGTRAP, ill, 0);
  asm volatile(".4byte 0x0000700b");
  asm volatile(".option push\n.option norvc\nnop\n.option pop\nc.ebreak");
  int st;
  c = fork();
  if (c == 0) { signal(SIGSEGV, SIG_DFL); *(volatile int *)8 = 1; _exit(0); }
  waitpid(c, &st, 0);
  say("%s", status_text(st));
  c = fork();
  if (c == 0) { signal(SIGSEGV, SIG_IGN); *(volatile int *)8 = 1; _exit(0); }
  waitpid(c, &st, 0);
  say("%s", status_text(st));
  c = fork();
  if (c == 0) { abort(); }
  waitpid(c, &st, 0);
  say("%s", status_text(st));
  int ign[] = {SIGCHLD, SIGURG, SIGWINCH, SIGCONT};
  for (int i = 0; i < 4; i++) show(raise(ign[i]), "raise %d", ign[i]);
  for (int s = 1; s < 32; s++) {
    if (s == SIGSTOP || s == SIGTSTP || s == SIGTTIN || s == SIGTTOU) continue;
    c = fork();
    if (c == 0) { signal(s, SIG_DFL); raise(s); _exit(0); }
    waitpid(c, &st, 0);
    say("default of %d: %s", s, status_text(st));
  }
  // FP registers and integer registers survive a handler
  double d = 1.5;
  handle(SIGUSR1, count, 0);
  asm volatile("" : "+f"(d));
  raise(SIGUSR1);
  say("double %.2f", d);
}
static void chld(int s, siginfo_t *i, void *u) { got++; last = *i; (void)s; (void)u; }
static void t_sigchld(void) {
  handle_info(SIGCHLD, chld, SA_RESTART);
  got = 0;
  pid_t p = fork();
  if (p == 0) _exit(13);
  while (!got) nap(5);
  say("code %d status %d pid ok %d uid %d", last.si_code, last.si_status, last.si_pid == p, last.si_uid);
  waitpid(p, 0, 0);
  got = 0;
  p = fork();
  if (p == 0) { raise(SIGSTOP); _exit(0); }
  while (!got) nap(5);
  say("code %d status %d", last.si_code, last.si_status);
  got = 0;
  kill(p, SIGCONT);
  while (!got) nap(5);
  say("first after cont: code %d", last.si_code == CLD_CONTINUED || last.si_code == CLD_EXITED);
  waitpid(p, 0, 0);
  signal(SIGCHLD, SIG_DFL);
}
// ---------------------------------------------------------------- futex and threads
static uint32_t word;
static long futex(uint32_t *u, int op, uint32_t v, const void *t, uint32_t *u2, uint32_t v3) { return syscall(SYS_futex, u, op, v, t, u2, v3); }
static pthread_mutex_t mu = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t cv = PTHREAD_COND_INITIALIZER;
static long counter;
static int ready;
static void *adder(void *a) {
  for (int i = 0; i < 2000; i++) { pthread_mutex_lock(&mu); counter++; pthread_mutex_unlock(&mu); if (i % 500 == 0) sched_yield(); }
  pthread_mutex_lock(&mu);
  while (!ready) pthread_cond_wait(&cv, &mu);
  pthread_mutex_unlock(&mu);
  return a;
}
static void *waiter(void *a) {
  long r = futex(&word, (int)(long)a, 0, 0, 0, 2);
  return (void *)(r == -1 ? -(long)errno : r);
}
static pthread_barrier_t bar;
static void *barrier_fn(void *a) { for (int i = 0; i < 20; i++) pthread_barrier_wait(&bar); return a; }
static __thread int tls_value = 5;
static void *tls_fn(void *a) { tls_value += (int)(long)a; nap(10); return (void *)(long)tls_value; }
static void *exiter(void *a) { nap(20); (void)a; exit(21); }
static void *die_locked(void *a) { pthread_mutex_lock(a); return 0; }
static void *spin_fn(void *a) { for (;;) pause(); return a; }
static void *exec_fn(void *a) { nap(10); char *av[] = {"proctest", "hello", 0}; execv("/proc/self/exe", av); return a; }
static void t_futex(void) {
  struct timespec t = {0, 20000000}, bad = {0, 1000000000};
  word = 1;
  SHOW(futex(&word, FUTEX_WAIT, 0, 0, 0, 0));
  SHOW(futex(&word, FUTEX_WAIT, 1, &t, 0, 0));
  SHOW(futex(&word, FUTEX_WAIT, 1, &bad, 0, 0));
  SHOW(futex((uint32_t *)((char *)&word + 1), FUTEX_WAIT, 1, 0, 0, 0));
  SHOW(futex((uint32_t *)16, FUTEX_WAIT, 1, 0, 0, 0));
  SHOW(futex((uint32_t *)16, FUTEX_WAKE, 1, 0, 0, 0));
  SHOW(futex((uint32_t *)16, FUTEX_WAKE_PRIVATE, 1, 0, 0, 0));
  SHOW(futex(&word, FUTEX_WAKE, 1, 0, 0, 0));
  SHOW(futex(&word, FUTEX_WAIT_BITSET, 1, 0, 0, 0));
  SHOW(futex(&word, 99, 1, 0, 0, 0));
  SHOW(futex(&word, FUTEX_CMP_REQUEUE, 1, (void *)1, &word, 0));
  SHOW(futex(&word, FUTEX_WAKE | FUTEX_CLOCK_REALTIME, 1, 0, 0, 0));
  struct timespec past = {1, 0};
  SHOW(futex(&word, FUTEX_WAIT_BITSET | FUTEX_CLOCK_REALTIME, 1, &past, 0, -1));
  uint32_t w2 = 10;
  SHOW(futex(&word, FUTEX_WAKE_OP, 1, (void *)1, &w2, FUTEX_OP(FUTEX_OP_ADD, 5, FUTEX_OP_CMP_EQ, 10)));
  say("wake_op word %u", w2);
  uint32_t pi = 0;
  SHOW(futex(&pi, FUTEX_LOCK_PI, 0, 0, 0, 0));
  say("owner is me %d", pi == (uint32_t)gettid());
  SHOW(futex(&pi, FUTEX_LOCK_PI, 0, 0, 0, 0));
  SHOW(futex(&pi, FUTEX_UNLOCK_PI, 0, 0, 0, 0));
  say("pi %u", pi);
  SHOW(futex(&pi, FUTEX_UNLOCK_PI, 0, 0, 0, 0));
  word = 0;
  pthread_t th[4];
  for (int i = 0; i < 3; i++) pthread_create(&th[i], 0, waiter, (void *)FUTEX_WAIT_BITSET);
  nap(30);
  SHOW(futex(&word, FUTEX_WAKE_BITSET, 10, 0, 0, 1));
  SHOW(futex(&word, FUTEX_WAKE, 1, 0, 0, 0));
  SHOW(futex(&word, FUTEX_CMP_REQUEUE, 1, (void *)10, &w2, 0));
  SHOW(futex(&w2, FUTEX_WAKE, 10, 0, 0, 0));
  for (int i = 0; i < 3; i++) { void *r; pthread_join(th[i], &r); show((long)r, "waiter"); }
  // a shared futex between processes
  uint32_t *sh = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  pid_t p = fork();
  if (p == 0) _exit(futex(sh, FUTEX_WAIT, 0, 0, 0, 0) == 0 ? 17 : 18);
  nap(30);
  SHOW(futex(sh, FUTEX_WAKE_PRIVATE, 1, 0, 0, 0));
  SHOW(futex(sh, FUTEX_WAKE, 1, 0, 0, 0));
  int st;
  waitpid(p, &st, 0);
  say("%s", status_text(st));
}
static void t_threads(void) {
  pthread_t th[8];
  for (long i = 0; i < 8; i++) pthread_create(&th[i], 0, adder, (void *)i);
  nap(20);
  pthread_mutex_lock(&mu);
  ready = 1;
  pthread_cond_broadcast(&cv);
  pthread_mutex_unlock(&mu);
  long sum = 0;
  for (int i = 0; i < 8; i++) { void *r; pthread_join(th[i], &r); sum += (long)r; }
  say("counter %ld sum %ld", counter, sum);
  pthread_barrier_init(&bar, 0, 4);
  for (int i = 0; i < 4; i++) pthread_create(&th[i], 0, barrier_fn, 0);
  for (int i = 0; i < 4; i++) pthread_join(th[i], 0);
  say("barrier done");
  for (long i = 0; i < 4; i++) pthread_create(&th[i], 0, tls_fn, (void *)i);
  for (int i = 0; i < 4; i++) { void *r; pthread_join(th[i], &r); say("tls %ld", (long)r); }
  say("tls main %d", tls_value);
  int st;
  pid_t p = fork();
  if (p == 0) { pthread_create(&th[0], 0, exiter, 0); pause(); _exit(1); }
  waitpid(p, &st, 0);
  say("exit from a thread: %s", status_text(st));
  p = fork();
  if (p == 0) { pthread_create(&th[0], 0, spin_fn, 0); nap(10); pthread_exit(0); }
  nap(50);
  kill(p, SIGTERM);
  waitpid(p, &st, 0);
  say("leader gone, killed: %s", status_text(st));
  p = fork();
  if (p == 0) { pthread_create(&th[0], 0, exec_fn, 0); pause(); _exit(1); }
  waitpid(p, &st, 0);
  say("exec from a thread: %s", status_text(st));
  // robust mutex
  pthread_mutexattr_t at;
  pthread_mutexattr_init(&at);
  pthread_mutexattr_setrobust(&at, PTHREAD_MUTEX_ROBUST);
  pthread_mutex_t rm;
  pthread_mutex_init(&rm, &at);
  pthread_create(&th[0], 0, die_locked, &rm);
  pthread_join(th[0], 0);
  say("robust lock: %s", name_of(pthread_mutex_lock(&rm)));
  say("consistent: %d", pthread_mutex_consistent(&rm));
  say("unlock: %d", pthread_mutex_unlock(&rm));
  pthread_mutexattr_setprotocol(&at, PTHREAD_PRIO_INHERIT);
  pthread_mutex_t pm;
  pthread_mutex_init(&pm, &at);
  say("pi lock %d unlock %d", pthread_mutex_lock(&pm), pthread_mutex_unlock(&pm));
  struct timespec ts;
  clock_gettime(CLOCK_REALTIME, &ts);
  ts.tv_nsec += 20000000;
  if (ts.tv_nsec >= 1000000000) { ts.tv_nsec -= 1000000000; ts.tv_sec++; }
  pthread_mutex_lock(&mu);
  say("timedwait: %s", name_of(pthread_cond_timedwait(&cv, &mu, &ts)));
  pthread_mutex_unlock(&mu);
  say("cancel: %d", (pthread_create(&th[0], 0, spin_fn, 0), pthread_cancel(th[0])));
  void *r;
  pthread_join(th[0], &r);
  say("canceled %d", r == PTHREAD_CANCELED);
}
// ---------------------------------------------------------------- time
static void t_time(void) {
  struct timespec t;
  int clocks[] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 99, -6, -2, -1};
  for (unsigned i = 0; i < sizeof clocks / sizeof *clocks; i++) show(syscall(SYS_clock_gettime, clocks[i], &t), "clock_gettime %d", clocks[i]);
  for (int i = 0; i < 12; i++) if (!syscall(SYS_clock_getres, i, &t)) say("res %d: %ld %ld", i, t.tv_sec, t.tv_nsec); else say("res %d: %s", i, name_of(errno));
  SHOW(syscall(SYS_clock_settime, CLOCK_MONOTONIC, &t));
  struct timespec bad = {-1, 0}, bad2 = {0, 1000000000}, z = {0, 0};
  SHOW(nanosleep(&bad, 0));
  SHOW(nanosleep(&bad2, 0));
  SHOW(nanosleep(&z, 0));
  SHOW(nanosleep((void *)16, 0));
  for (int i = 0; i < 12; i++) show(syscall(SYS_clock_nanosleep, i, 0, &z, 0), "clock_nanosleep %d", i);
  struct timespec past = {1, 0};
  SHOW(syscall(SYS_clock_nanosleep, CLOCK_REALTIME, TIMER_ABSTIME, &past, 0));
  struct timespec a, b;
  clock_gettime(CLOCK_MONOTONIC, &a);
  b = a;
  b.tv_nsec += 50000000;
  if (b.tv_nsec >= 1000000000) { b.tv_sec++; b.tv_nsec -= 1000000000; }
  SHOW(clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &b, 0));
  clock_gettime(CLOCK_MONOTONIC, &t);
  say("not before %d", t.tv_sec > b.tv_sec || (t.tv_sec == b.tv_sec && t.tv_nsec >= b.tv_nsec));
  // itimers
  struct itimerval iv = {{1, 500000}, {2, 0}}, ov;
  SHOW(setitimer(ITIMER_REAL, &iv, 0));
  SHOW(getitimer(ITIMER_REAL, &ov));
  say("interval %ld.%06ld value %ld", ov.it_interval.tv_sec, (long)ov.it_interval.tv_usec, ov.it_value.tv_sec);
  SHOW(alarm(5));
  SHOW(alarm(0));
  SHOW(getitimer(3, &ov));
  SHOW(setitimer(9, &iv, 0));
  iv.it_value.tv_usec = 1000000;
  SHOW(setitimer(ITIMER_REAL, &iv, 0));
  got = 0;
  handle_info(SIGALRM, info, 0);
  struct itimerval rep = {{0, 10000}, {0, 10000}}, off = {{0, 0}, {0, 0}};
  setitimer(ITIMER_REAL, &rep, 0);
  while (got < 3) pause();
  setitimer(ITIMER_REAL, &off, &ov);
  say("repeats, code %d, interval %ld", last.si_code, (long)ov.it_interval.tv_usec);
  got = 0;
  handle_info(SIGVTALRM, info, 0);
  handle_info(SIGPROF, info, 0);
  struct itimerval cpu = {{0, 0}, {0, 20000}};
  SHOW(setitimer(ITIMER_VIRTUAL, &cpu, 0));
  while (!got) {}
  say("virtual fired, signo %d code %d", last.si_signo, last.si_code);
  got = 0;
  SHOW(setitimer(ITIMER_PROF, &cpu, 0));
  while (!got) {}
  say("prof fired, signo %d", last.si_signo);
  // POSIX timers
  timer_t id;
  struct sigevent se = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR1, .sigev_value.sival_int = 77};
  handle_info(SIGUSR1, info, 0);
  show(timer_create(CLOCK_MONOTONIC, &se, &id), "timer_create");
  struct itimerspec ts = {{0, 5000000}, {0, 5000000}}, os;
  got = 0;
  show(timer_settime(id, 0, &ts, 0), "timer_settime");
  while (got < 3) pause();
  show(timer_gettime(id, &os), "timer_gettime");
  say("interval %ld, code %d value %d", os.it_interval.tv_nsec, last.si_code, last.si_value.sival_int);
  sigset_t m;
  sigemptyset(&m);
  sigaddset(&m, SIGUSR1);
  sigprocmask(SIG_BLOCK, &m, 0);
  nap(60);
  siginfo_t si;
  sigwaitinfo(&m, &si);
  say("overrun above 5 %d, getoverrun above 5 %d", si.si_overrun > 5, timer_getoverrun(id) > 5);
  sigprocmask(SIG_UNBLOCK, &m, 0);
  show(timer_delete(id), "timer_delete");
  SHOW(syscall(SYS_timer_delete, 4711));
  SHOW(syscall(SYS_timer_settime, 4711, 0, &ts, 0));
  int raw;
  se.sigev_signo = 77;
  SHOW(syscall(SYS_timer_create, CLOCK_MONOTONIC, &se, &raw));
  se.sigev_notify = 9;
  SHOW(syscall(SYS_timer_create, CLOCK_MONOTONIC, &se, &raw));
  SHOW(syscall(SYS_timer_create, 99, 0, &raw));
  SHOW(syscall(SYS_timer_create, CLOCK_MONOTONIC_COARSE, 0, &raw));
  SHOW(syscall(SYS_timer_create, CLOCK_MONOTONIC_RAW, 0, &raw));
  got = 0;
  se.sigev_signo = SIGUSR1;
  se.sigev_notify = SIGEV_SIGNAL;
  show(timer_create(CLOCK_PROCESS_CPUTIME_ID, &se, &id), "timer_create cpu");
  struct itimerspec c20 = {{0, 0}, {0, 20000000}};
  timer_settime(id, 0, &c20, 0);
  while (!got) {}
  say("cpu timer fired, code %d", last.si_code);
  timer_delete(id);
  struct tms tm;
  show(times(&tm) > 0, "times");
  show(clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t), "cputime");
  say("used cpu %d", t.tv_sec > 0 || t.tv_nsec > 40000000);
}
// ---------------------------------------------------------------- event files
static void t_eventfd(void) {
  uint64_t v = 0;
  int fd = eventfd(3, EFD_NONBLOCK);
  SHOW(read(fd, &v, 8));
  say("value %lu", v);
  SHOW(read(fd, &v, 8));
  SHOW(read(fd, &v, 4));
  v = -1;
  SHOW(write(fd, &v, 8));
  v = -2;
  SHOW(write(fd, &v, 8));
  v = 1;
  SHOW(write(fd, &v, 8));
  struct pollfd pf = {fd, POLLIN | POLLOUT, 0};
  poll(&pf, 1, 0);
  say("revents %x", pf.revents);
  SHOW(lseek(fd, 0, SEEK_SET) == -1 ? -1 : 0);
  close(fd);
  fd = eventfd(2, EFD_SEMAPHORE | EFD_NONBLOCK);
  SHOW(read(fd, &v, 8));
  SHOW(read(fd, &v, 8));
  SHOW(read(fd, &v, 8));
  close(fd);
  SHOW(eventfd(0, 0x1234));
  char link[64] = {0}, path[64];
  fd = eventfd(0, 0);
  snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
  readlink(path, link, sizeof link - 1);
  say("%s", link);
  int w = fd;
  if (fork() == 0) { nap(20); v = 9; write(w, &v, 8); _exit(0); }
  SHOW(read(fd, &v, 8));
  say("value %lu", v);
  wait(0);
}
static void t_epoll(void) {
  int ep = epoll_create1(EPOLL_CLOEXEC), p[2], q[2];
  pipe(p);
  pipe(q);
  struct epoll_event e = {.events = EPOLLIN, .data.u64 = 11}, out[4];
  SHOW(epoll_ctl(ep, EPOLL_CTL_ADD, p[0], &e));
  SHOW(epoll_ctl(ep, EPOLL_CTL_ADD, p[0], &e));
  SHOW(epoll_ctl(ep, EPOLL_CTL_MOD, q[0], &e));
  SHOW(epoll_ctl(ep, EPOLL_CTL_DEL, q[0], &e));
  SHOW(epoll_ctl(ep, EPOLL_CTL_ADD, 99, &e));
  SHOW(epoll_ctl(ep, EPOLL_CTL_ADD, ep, &e));
  SHOW(epoll_ctl(p[0], EPOLL_CTL_ADD, q[0], &e));
  SHOW(epoll_ctl(ep, 7, p[0], &e));
  int reg = open("/", O_RDONLY);
  SHOW(epoll_ctl(ep, EPOLL_CTL_ADD, reg, &e));
  SHOW(epoll_wait(ep, out, 0, 0));
  SHOW(epoll_wait(ep, out, 4, 0));
  SHOW(epoll_wait(ep, out, 4, 20));
  SHOW(epoll_wait(p[0], out, 4, 20));
  write(p[1], "ab", 2);
  SHOW(epoll_wait(ep, out, 4, -1));
  say("events %x data %lu", out[0].events, out[0].data.u64);
  SHOW(epoll_wait(ep, out, 4, 0));
  e.events = EPOLLIN | EPOLLET;
  SHOW(epoll_ctl(ep, EPOLL_CTL_MOD, p[0], &e));
  SHOW(epoll_wait(ep, out, 4, 0));
  SHOW(epoll_wait(ep, out, 4, 0));
  write(p[1], "c", 1);
  SHOW(epoll_wait(ep, out, 4, 0));
  SHOW(epoll_wait(ep, out, 4, 0));
  e.events = EPOLLIN | EPOLLONESHOT;
  e.data.u64 = 12;
  epoll_ctl(ep, EPOLL_CTL_ADD, q[0], &e);
  write(q[1], "x", 1);
  SHOW(epoll_wait(ep, out, 4, 0));
  SHOW(epoll_wait(ep, out, 4, 0));
  SHOW(epoll_ctl(ep, EPOLL_CTL_MOD, q[0], &e));
  SHOW(epoll_wait(ep, out, 4, 0));
  close(q[1]);
  e.events = 0;
  epoll_ctl(ep, EPOLL_CTL_MOD, q[0], &e);
  SHOW(epoll_wait(ep, out, 4, 0));
  say("events %x", out[0].events);
  close(q[0]);
  SHOW(epoll_wait(ep, out, 4, 0));
  int outer = epoll_create1(0);
  e.events = EPOLLIN;
  SHOW(epoll_ctl(outer, EPOLL_CTL_ADD, ep, &e));
  SHOW(epoll_ctl(ep, EPOLL_CTL_ADD, outer, &e));
  SHOW(epoll_wait(outer, out, 4, 0));
  e.events = EPOLLIN;
  epoll_ctl(ep, EPOLL_CTL_MOD, p[0], &e);
  SHOW(epoll_wait(outer, out, 4, 0));
  SHOW(epoll_create1(77));
  SHOW(syscall(SYS_epoll_pwait, ep, out, 4, 0, 0, 0));
  char buf[8];
  read(p[0], buf, 8);
  if (fork() == 0) { nap(30); write(p[1], "z", 1); _exit(0); }
  SHOW(epoll_wait(outer, out, 4, 2000));
  wait(0);
  sigset_t none;
  sigemptyset(&none);
  read(p[0], buf, 8);
  handle(SIGALRM, count, SA_RESTART);
  struct itimerval it = {{0, 0}, {0, 20000}};
  setitimer(ITIMER_REAL, &it, 0);
  SHOW(epoll_pwait(ep, out, 4, 1000, &none));
}
static void t_signalfd(void) {
  sigset_t m;
  sigemptyset(&m);
  sigaddset(&m, SIGUSR1);
  sigaddset(&m, SIGUSR2);
  sigprocmask(SIG_BLOCK, &m, 0);
  int fd = signalfd(-1, &m, SFD_NONBLOCK);
  struct signalfd_siginfo si[4];
  SHOW(read(fd, si, sizeof si));
  SHOW(read(fd, si, 8));
  raise(SIGUSR1);
  union sigval v = {.sival_int = 6};
  sigqueue(getpid(), SIGUSR2, v);
  struct pollfd pf = {fd, POLLIN, 0};
  SHOW(poll(&pf, 1, 0));
  SHOW(read(fd, si, sizeof si));
  say("%u code %d pid ok %d; %u code %d int %d", si[0].ssi_signo, si[0].ssi_code, si[0].ssi_pid == (uint32_t)getpid(), si[1].ssi_signo, si[1].ssi_code, si[1].ssi_int);
  SHOW(signalfd(99, &m, 0));
  SHOW(signalfd(0, &m, 0));
  SHOW(signalfd(-1, &m, 0x77));
  fcntl(fd, F_SETFL, 0);
  pid_t me = getpid();
  if (fork() == 0) { nap(20); kill(me, SIGUSR1); _exit(0); }
  SHOW(read(fd, si, sizeof si));
  wait(0);
  sigprocmask(SIG_UNBLOCK, &m, 0);
}
static void t_timerfd(void) {
  uint64_t v = 0;
  int fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK);
  SHOW(read(fd, &v, 8));
  struct itimerspec t = {{0, 10000000}, {0, 10000000}}, o;
  SHOW(timerfd_settime(fd, 0, &t, 0));
  nap(55);
  SHOW(read(fd, &v, 8));
  say("ticks at least 5 %d", v >= 5);
  SHOW(timerfd_gettime(fd, &o));
  say("interval %ld", o.it_interval.tv_nsec);
  SHOW(read(fd, &v, 4));
  SHOW(timerfd_settime(fd, 0x77, &t, 0));
  SHOW(timerfd_settime(0, 0, &t, 0));
  SHOW(timerfd_settime(99, 0, &t, 0));
  SHOW(timerfd_create(CLOCK_PROCESS_CPUTIME_ID, 0));
  SHOW(timerfd_create(CLOCK_MONOTONIC, 0x77));
  t.it_value.tv_nsec = 1000000000;
  SHOW(timerfd_settime(fd, 0, &t, 0));
  struct itimerspec abs = {{0, 0}, {1, 0}};
  int r = timerfd_create(CLOCK_REALTIME, 0);
  SHOW(timerfd_settime(r, TFD_TIMER_ABSTIME, &abs, 0));
  SHOW(read(r, &v, 8));
  say("ticks %lu", v);
}
// ---------------------------------------------------------------- scheduling, limits, identity
static void t_sched(void) {
  struct sched_param p = {0};
  SHOW(sched_getscheduler(0));
  SHOW(sched_getparam(0, &p));
  for (int i = 0; i < 9; i++) show(sched_get_priority_max(i), "max %d", i);
  for (int i = 0; i < 9; i++) show(sched_get_priority_min(i), "min %d", i);
  SHOW(sched_setscheduler(0, SCHED_FIFO, &p));
  p.sched_priority = 10;
  SHOW(sched_setscheduler(0, SCHED_OTHER, &p));
  SHOW(sched_setscheduler(0, SCHED_RR, &p));
  SHOW(sched_getscheduler(0));
  struct timespec t;
  SHOW(sched_rr_get_interval(0, &t));
  say("rr %ld.%09ld", t.tv_sec, t.tv_nsec);
  p.sched_priority = 0;
  SHOW(sched_setscheduler(0, SCHED_BATCH, &p));
  SHOW(sched_setscheduler(0, SCHED_OTHER, &p));
  SHOW(sched_setscheduler(-1, SCHED_OTHER, &p));
  SHOW(sched_setscheduler(99999, SCHED_OTHER, &p));
  SHOW(sched_setscheduler(0, 77, &p));
  SHOW(sched_yield());
  cpu_set_t s;
  CPU_ZERO(&s);
  show(sched_getaffinity(0, sizeof s, &s), "sched_getaffinity");
  say("cpu0 %d", CPU_ISSET(0, &s));
  SHOW(syscall(SYS_sched_getaffinity, 0, 3, &s));
  SHOW(syscall(SYS_sched_getaffinity, 0, 8, &s));
  CPU_ZERO(&s);
  SHOW(sched_setaffinity(0, sizeof s, &s));
  CPU_SET(0, &s);
  SHOW(sched_setaffinity(0, sizeof s, &s));
  SHOW(sched_setaffinity(99999, sizeof s, &s));
  SHOW(getpriority(PRIO_PROCESS, 0));
  SHOW(setpriority(PRIO_PROCESS, 0, 5));
  SHOW(syscall(SYS_getpriority, PRIO_PROCESS, 0));
  SHOW(setpriority(PRIO_PROCESS, 0, 100));
  SHOW(syscall(SYS_getpriority, PRIO_PROCESS, 0));
  SHOW(setpriority(PRIO_PROCESS, 0, 0));
  SHOW(setpriority(7, 0, 0));
  SHOW(setpriority(PRIO_PROCESS, 99999, 0));
  unsigned cpu = 9;
  SHOW(syscall(SYS_getcpu, &cpu, 0, 0));
  SHOW(syscall(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0, 0));
  SHOW(syscall(SYS_membarrier, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED, 0, 0));
  SHOW(syscall(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0, 0));
  SHOW(syscall(SYS_membarrier, 0, 5, 0));
  int st;
  pid_t c = fork();
  if (c == 0) {
    setuid(1000);
    SHOW(setpriority(PRIO_PROCESS, 0, 5));
    SHOW(setpriority(PRIO_PROCESS, 0, 0));
    SHOW(setpriority(PRIO_PROCESS, 1, 5));
    p.sched_priority = 1;
    SHOW(sched_setscheduler(0, SCHED_FIFO, &p));
    _exit(0);
  }
  waitpid(c, &st, 0);
}
static void t_limits(void) {
  static const char *names[] = {"CPU", "FSIZE", "DATA", "STACK", "CORE", "RSS", "NPROC", "NOFILE", "MEMLOCK", "AS", "LOCKS", "SIGPENDING", "MSGQUEUE", "NICE", "RTPRIO", "RTTIME"};
  struct rlimit r;
  for (int i = 0; i < 16; i++) {
    getrlimit(i, &r);
    if (i == RLIMIT_NPROC || i == RLIMIT_SIGPENDING || i == RLIMIT_MEMLOCK) continue;  // depend on the size of memory
    say("%s %lx %lx", names[i], r.rlim_cur, r.rlim_max);
  }
  SHOW(getrlimit(16, &r));
  r.rlim_cur = 100;
  r.rlim_max = 50;
  SHOW(setrlimit(RLIMIT_NOFILE, &r));
  r.rlim_max = 2000000;
  SHOW(setrlimit(RLIMIT_NOFILE, &r));
  r.rlim_cur = 10;
  r.rlim_max = 4096;
  SHOW(setrlimit(RLIMIT_NOFILE, &r));
  int fd, n = 0;
  while ((fd = dup(0)) >= 0) n++;
  show(fd, "dup beyond");
  r.rlim_cur = 1024;
  SHOW(setrlimit(RLIMIT_NOFILE, &r));
  SHOW(prlimit(99999, RLIMIT_CPU, 0, &r));
  SHOW(prlimit(1, RLIMIT_CPU, 0, &r));
  int st;
  pid_t c = fork();
  if (c == 0) {
    struct rlimit one = {1, 2};
    setrlimit(RLIMIT_CPU, &one);
    for (;;) {}
  }
  waitpid(c, &st, 0);
  say("%s", status_text(st));
  c = fork();
  if (c == 0) {
    setuid(1000);
    struct rlimit up = {1024, 1048576};
    SHOW(setrlimit(RLIMIT_NOFILE, &up));
    struct rlimit down = {64, 64};
    SHOW(setrlimit(RLIMIT_NOFILE, &down));
    SHOW(prlimit(1, RLIMIT_CPU, 0, &r));
    _exit(0);
  }
  waitpid(c, &st, 0);
}
static void caps(const char *what) {
  struct __user_cap_header_struct h = {_LINUX_CAPABILITY_VERSION_3, 0};
  struct __user_cap_data_struct d[2];
  syscall(SYS_capget, &h, d);
  say("%s: eff %08x%08x prm %08x%08x inh %08x%08x", what, d[1].effective, d[0].effective, d[1].permitted, d[0].permitted, d[1].inheritable, d[0].inheritable);
}
static void t_cred(void) {
  caps("root");
  struct __user_cap_header_struct h = {0, 0};
  struct __user_cap_data_struct d[2];
  SHOW(syscall(SYS_capget, &h, 0));
  say("version %x", h.version);
  h.version = 0;
  SHOW(syscall(SYS_capget, &h, d));
  h.pid = 99999;
  SHOW(syscall(SYS_capget, &h, d));
  h.pid = -1;
  SHOW(syscall(SYS_capget, &h, d));
  SHOW(prctl(PR_CAPBSET_READ, 5));
  SHOW(prctl(PR_CAPBSET_READ, 99));
  SHOW(prctl(PR_GET_KEEPCAPS));
  SHOW(prctl(PR_GET_DUMPABLE));
  SHOW(prctl(PR_GET_TIMERSLACK));
  SHOW(prctl(PR_GET_SECCOMP));
  SHOW(prctl(PR_GET_SECUREBITS));
  SHOW(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0));
  SHOW(prctl(12345));
  char nm[17] = {0};
  SHOW(prctl(PR_SET_NAME, "a-rather-long-thread-name"));
  SHOW(prctl(PR_GET_NAME, nm));
  say("%s", nm);
  SHOW(prctl(PR_SET_NAME, 16));
  SHOW(prctl(PR_SET_PDEATHSIG, 65));
  SHOW(prctl(PR_SET_DUMPABLE, 2));
  int st;
  pid_t c = fork();
  if (c == 0) {
    SHOW(setresuid(1000, 1000, 0));
    caps("euid 1000");
    SHOW(seteuid(0));
    caps("euid 0 again");
    SHOW(prctl(PR_SET_KEEPCAPS, 1));
    SHOW(setuid(1000));
    caps("kept");
    uid_t a, b, s;
    getresuid(&a, &b, &s);
    say("%d %d %d", a, b, s);
    SHOW(setuid(0));
    SHOW(setgid(5));
    SHOW(setgroups(0, 0));
    SHOW(kill(1, 0));
    d[0].effective = d[0].permitted = d[0].inheritable = d[1].effective = d[1].permitted = d[1].inheritable = 0;
    h.version = _LINUX_CAPABILITY_VERSION_3;
    h.pid = 0;
    SHOW(syscall(SYS_capset, &h, d));
    caps("dropped");
    d[0].permitted = 1;
    SHOW(syscall(SYS_capset, &h, d));
    SHOW(setuid(0));
    _exit(0);
  }
  waitpid(c, &st, 0);
  c = fork();
  if (c == 0) {
    gid_t g[4] = {1, 2, 3};
    SHOW(setgroups(3, g));
    SHOW(getgroups(0, 0));
    SHOW(getgroups(2, g));
    SHOW(getgroups(4, g));
    SHOW(setregid(7, 8));
    SHOW(setreuid(1000, 2000));
    SHOW(setreuid(-1, 1000));
    SHOW(setreuid(-1, 3000));
    SHOW(syscall(SYS_setfsuid, 5000));
    SHOW(syscall(SYS_setfsuid, -1));
    say("%d %d", getuid(), geteuid());
    SHOW(setpgid(0, 0));
    SHOW(sethostname("x", 1));
    SHOW(syscall(SYS_reboot, 1, 2, 3, 0));
    struct timespec t = {0, 0};
    SHOW(clock_settime(CLOCK_REALTIME, &t));
    _exit(0);
  }
  waitpid(c, &st, 0);
  SHOW(syscall(SYS_reboot, 1, 2, 3, 0));
  SHOW(syscall(SYS_personality, 0xffffffff));
  struct utsname u;
  SHOW(uname(&u));
  say("%s %s", u.sysname, u.machine);
  SHOW(sethostname("lintel", 6));
  uname(&u);
  say("%s", u.nodename);
  SHOW(sethostname("x", 65));
  SHOW(sethostname("x", -1));
  struct sysinfo si;
  SHOW(sysinfo(&si));
  say("unit %u, free below total %d, swap %lu", si.mem_unit, si.freeram < si.totalram, si.totalswap);
  char r[300];
  SHOW(syscall(SYS_getrandom, r, 300, 0));
  SHOW(syscall(SYS_getrandom, r, 10, 99));
  SHOW(syscall(SYS_getrandom, r, 10, 6));
  SHOW(syscall(SYS_getrandom, 16, 10, 0));
}

struct test { const char *name; void (*fn)(void); };
static const struct test tests[] = {
  {"wait", t_wait}, {"pgrp", t_pgrp}, {"clone", t_clone}, {"restart", t_restart}, {"signal", t_signal}, {"sigchld", t_sigchld}, {"futex", t_futex},
  {"threads", t_threads}, {"time", t_time}, {"eventfd", t_eventfd}, {"epoll", t_epoll}, {"signalfd", t_signalfd}, {"timerfd", t_timerfd},
  {"sched", t_sched}, {"limits", t_limits}, {"cred", t_cred},
};
int sysfuzz_main(int argc, char **argv);
int main(int argc, char **argv) {
  if (argc > 1 && !strcmp(argv[1], "sysfuzz")) return sysfuzz_main(argc - 1, argv + 1);
  setvbuf(stdout, 0, _IOLBF, 4096);
  if (getpid() == 1) {  // as init: all sections in a child, then off
    mkdir("/proc", 0755);
    mount("proc", "/proc", "proc", 0, 0);
    pid_t c = fork();
    if (c) {
      while (waitpid(c, 0, 0) < 0) {}
      reboot(RB_POWER_OFF);
    }
    setpgid(0, 0);
    struct rlimit none = {0, 0};
    setrlimit(RLIMIT_CORE, &none);
  }
  if (argc > 1 && !strcmp(argv[1], "hello")) { puts("threads: hello from exec"); return 33; }
  for (unsigned i = 0; i < sizeof tests / sizeof *tests; i++) {
    int want = argc == 1;
    for (int a = 1; a < argc; a++) want |= !strcmp(argv[a], tests[i].name);
    if (!want) continue;
    section = tests[i].name;
    fflush(stdout);
    // Each section in a process of its own.
    pid_t p = fork();
    if (p == 0) { tests[i].fn(); fflush(stdout); _exit(0); }
    int st;
    while (waitpid(p, &st, 0) < 0) {}
    if (st) printf("%s: ended with %s\n", section, status_text(st));
  }
  return 0;
}
