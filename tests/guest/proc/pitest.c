// Futexes with priority inheritance: words, errors, order of hand-over, lent priorities, chains, deadlocks, deaths. One CPU. tests/proc.test.mjs.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
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
#include <time.h>
#include <unistd.h>

static const char *section;
static void say(const char *format, ...) {
  va_list ap;
  va_start(ap, format);
  char line[300];
  int n = snprintf(line, sizeof line, "%s: ", section);
  n += vsnprintf(line + n, sizeof line - n - 1, format, ap);
  line[n++] = '\n';
  write(1, line, n);
  va_end(ap);
}
static int tid(void) { return syscall(SYS_gettid); }
static long futex(volatile uint32_t *word, int op, long val, const void *timeout, volatile uint32_t *word2, long val3) {
  long r = syscall(SYS_futex, word, op, val, timeout, word2, val3);
  return r < 0 ? -errno : r;
}
static long lock(volatile uint32_t *w) { return futex(w, FUTEX_LOCK_PI, 0, NULL, NULL, 0); }
static long unlock(volatile uint32_t *w) { return futex(w, FUTEX_UNLOCK_PI, 0, NULL, NULL, 0); }
static void settle(void) { usleep(20000); }
static const char *word(uint32_t w, int owner) {
  static char text[8][40];
  static int at;
  char *t = text[at++ % 8];
  uint32_t id = w & FUTEX_TID_MASK;
  sprintf(t, "%s%s%s", id == 0 ? "free" : id == (uint32_t)owner ? "owner" : "other", w & FUTEX_WAITERS ? "+waiters" : "", w & FUTEX_OWNER_DIED ? "+died" : "");
  return t;
}
static int policy(int pid, int prio) {
  struct sched_param p = {prio};
  return sched_setscheduler(pid, prio ? SCHED_FIFO : SCHED_OTHER, &p) < 0 ? -errno : 0;
}
/** Field 18 of /proc/PID/stat. */
static int priority_of(int task) {
  char path[60], text[600];
  sprintf(path, "/proc/self/task/%d/stat", task);
  int fd = open(path, O_RDONLY);
  int n = read(fd, text, sizeof text - 1);
  close(fd);
  if (n <= 0) return 999;
  text[n] = 0;
  char *p = strrchr(text, ')') + 1;
  int prio = 999;
  sscanf(p, " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d %d", &prio);
  return prio;
}

struct job {
  pthread_t thread;
  int prio, tid;
  const char *name;
  volatile uint32_t *want, *holds;
  volatile int go, done;
  int hold_us;
  long result;
};
static void *taker(void *arg) {
  struct job *j = arg;
  j->tid = tid();
  if (j->prio) policy(0, j->prio);
  if (j->holds) lock(j->holds);
  j->go = 1;
  if (j->want) {
    j->result = lock(j->want);
    if (j->name) say("%s: %ld, %s", j->name, j->result, word(*j->want, j->tid));
    if (j->hold_us) usleep(j->hold_us);
    if (j->result == 0) unlock(j->want);
  }
  if (j->holds) unlock(j->holds);
  j->done = 1;
  return NULL;
}
static void start(struct job *j) {
  pthread_create(&j->thread, NULL, taker, j);
  while (!j->go) usleep(1000);
  settle();
}

static void words(void) {
  volatile uint32_t w = 0;
  say("lock %ld %s; again %ld; try %ld", lock(&w), word(w, tid()), lock(&w), futex(&w, FUTEX_TRYLOCK_PI, 0, NULL, NULL, 0));
  say("unlock %ld %s; again %ld", unlock(&w), word(w, tid()), unlock(&w));
  say("lock_pi2 %ld %s", futex(&w, 13, 0, NULL, NULL, 0), word(w, tid()));
  w = 0;
  say("try %ld %s", futex(&w, FUTEX_TRYLOCK_PI, 0, NULL, NULL, 0), word(w, tid()));
  w = FUTEX_OWNER_DIED;
  say("of a dead owner %ld %s", lock(&w), word(w, tid()));
  w = 1;
  say("another's %ld %s", unlock(&w), word(w, tid()));
  w = 0x3ffffff0;
  say("nobody's %ld %s", lock(&w), word(w, tid()));
  w = 2;
  say("kernel thread's %ld", lock(&w));
  say("bad address %ld %ld; odd %ld", lock((void *)8), unlock((void *)8), lock((void *)((char *)&w + 1)));
  say("read only %ld", lock((volatile uint32_t *)word));
  w = tid();
  say("realtime flag %ld, with lock_pi2 %ld", futex(&w, FUTEX_LOCK_PI | FUTEX_CLOCK_REALTIME, 0, NULL, NULL, 0), futex(&w, 13 | FUTEX_CLOCK_REALTIME, 0, NULL, NULL, 0));
}

static volatile uint32_t A, B, C;
static void order(void) {
  A = 0;
  lock(&A);
  struct job j[5] = {{.prio = 10, .name = "ten"}, {.prio = 0, .name = "first normal"}, {.prio = 30, .name = "thirty"}, {.prio = 10, .name = "second ten"}, {.prio = 0, .name = "second normal"}};
  policy(0, 50);
  for (int i = 0; i < 5; i++) j[i].want = &A, start(&j[i]);
  say("held: %s", word(A, tid()));
  unlock(&A);
  for (int i = 0; i < 5; i++) pthread_join(j[i].thread, NULL);
  say("free: %s", word(A, tid()));
  policy(0, 0);
}
static void lent(void) {
  A = 0;
  lock(&A);
  int me = tid();
  say("own priority %d", priority_of(me));
  struct job j[3] = {{.prio = 20}, {.prio = 40}, {.prio = 5}};
  for (int i = 0; i < 3; i++) {
    j[i].want = &A;
    start(&j[i]);
    say("with a waiter of %d: %d", j[i].prio, priority_of(me));
  }
  struct sched_param p;
  sched_getparam(0, &p);
  say("policy %d, parameter %d", sched_getscheduler(0), p.sched_priority);
  policy(j[1].tid, 60);
  say("waiter raised: %d", priority_of(me));
  policy(j[1].tid, 0);
  say("waiter lowered: %d", priority_of(me));
  policy(me, 70);
  say("own raised: %d", priority_of(me));
  policy(me, 0);
  say("own lowered: %d", priority_of(me));
  unlock(&A);
  say("unlocked: %d", priority_of(me));
  for (int i = 0; i < 3; i++) pthread_join(j[i].thread, NULL);
  setpriority(PRIO_PROCESS, 0, 10);
  lock(&A);
  struct job n = {.want = &A};
  say("nice 10: %d", priority_of(me));
  pthread_create(&n.thread, NULL, taker, &n);
  while (!n.tid) usleep(1000);
  setpriority(PRIO_PROCESS, n.tid, -5);
  settle();
  say("with a waiter of nice -5: %d", priority_of(me));
  unlock(&A);
  pthread_join(n.thread, NULL);
  setpriority(PRIO_PROCESS, 0, 0);
}
static void chain(void) {
  A = B = C = 0;
  lock(&A);
  int me = tid();
  struct job b = {.holds = &B, .want = &A}, c = {.holds = &C, .want = &B}, d = {.prio = 33, .want = &C};
  start(&b), start(&c), start(&d);
  say("owners: %d %d %d", priority_of(me), priority_of(b.tid), priority_of(c.tid));
  say("deadlock over three: %ld", lock(&C));
  say("still: %d %d", priority_of(me), priority_of(b.tid));
  unlock(&A);
  pthread_join(b.thread, NULL), pthread_join(c.thread, NULL), pthread_join(d.thread, NULL);
  say("after: %d, words %x %x %x", priority_of(me), A, B, C);
}
/** The classic: a low owner, a high waiter, and one in the middle that never sleeps. */
static volatile int stop;
static volatile long low_steps;
static void *low(void *arg) {
  struct job *j = arg;
  j->tid = tid();
  policy(0, 10);
  lock(&A);
  j->go = 1;
  for (long i = 0; i < 3000000; i++) low_steps++;
  unlock(&A);
  return NULL;
}
static void *middle(void *arg) {
  policy(0, 20);
  *(volatile int *)arg = 1;
  while (!stop) {}
  return NULL;
}
static void inversion(void) {
  A = 0;
  cpu_set_t one;
  CPU_ZERO(&one);
  CPU_SET(0, &one);
  sched_setaffinity(0, sizeof one, &one);
  struct job l = {0};
  pthread_t lt, mt;
  volatile int running = 0;
  policy(0, 40);
  pthread_create(&lt, NULL, low, &l);
  while (!l.go) usleep(1000);
  pthread_create(&mt, NULL, middle, (void *)&running);
  while (!running) usleep(1000);
  say("high gets the lock %ld, low had finished %d, middle still runs %d", lock(&A), low_steps == 3000000, !stop);
  stop = 1;
  unlock(&A);
  pthread_join(lt, NULL), pthread_join(mt, NULL);
  policy(0, 0);
}

static void on_signal(int sig) { (void)sig; }
static void interrupted(void) {
  volatile uint32_t *w = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  lock(w);
  pid_t child = fork();
  if (child == 0) {
    struct sigaction sa = {.sa_handler = on_signal};
    sigaction(SIGUSR1, &sa, NULL);
    long r = lock(w);
    say("waiter: %ld %s", r, word(*w, tid()));
    _exit(0);
  }
  settle(), settle();
  kill(child, SIGUSR1);
  settle();
  say("after a signal it still waits: %d", waitpid(child, NULL, WNOHANG));
  unlock(w);
  waitpid(child, NULL, 0);
  say("it died with the lock: %x", (*w & FUTEX_OWNER_DIED) != 0);
  *w = 0;
  lock(w);
  child = fork();
  if (child == 0) {
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    t.tv_nsec += 30000000;
    if (t.tv_nsec >= 1000000000) t.tv_sec++, t.tv_nsec -= 1000000000;
    say("timeout %ld", futex(w, FUTEX_LOCK_PI, 0, &t, NULL, 0));
    t = (struct timespec){0, 1};
    say("timeout long ago %ld", futex(w, 13, 0, &t, NULL, 0));
    t.tv_nsec = -1;
    say("bad timeout %ld", futex(w, 13, 0, &t, NULL, 0));
    _exit(0);
  }
  waitpid(child, NULL, 0);
  say("word %s; unlock %ld: %s", word(*w, tid()), unlock(w), word(*w, tid()));
}
static void owner_dies(void) {
  volatile uint32_t *w = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  pid_t owner = fork();
  if (owner == 0) {
    lock(w);
    usleep(100000);
    _exit(0);
  }
  while (*w == 0) usleep(1000);
  long r = lock(w);
  say("not in a robust list: %ld %s", r, word(*w, tid()));
  say("unlock %ld %s", unlock(w), word(*w, tid()));
  waitpid(owner, NULL, 0);
  pthread_mutexattr_t attr;
  pthread_mutexattr_init(&attr);
  pthread_mutexattr_setprotocol(&attr, PTHREAD_PRIO_INHERIT);
  pthread_mutexattr_setrobust(&attr, PTHREAD_MUTEX_ROBUST);
  pthread_mutexattr_setpshared(&attr, PTHREAD_PROCESS_SHARED);
  pthread_mutex_t *m = (void *)(w + 16);
  pthread_mutex_init(m, &attr);
  for (int late = 0; late < 2; late++) {
    volatile uint32_t *ready = w + 8;
    *ready = 0;
    owner = fork();
    if (owner == 0) {
      pthread_mutex_lock(m);
      *ready = 1;
      usleep(late ? 100 : 100000);
      _exit(0);
    }
    while (!*ready) usleep(1000);
    if (late) waitpid(owner, NULL, 0);
    int e = pthread_mutex_lock(m);
    say("robust mutex, %s: %s", late ? "dead already" : "waited for", strerrorname_np(e));
    say("consistent %d unlock %d", pthread_mutex_consistent(m), pthread_mutex_unlock(m));
    if (!late) waitpid(owner, NULL, 0);
  }
}
static void mixed(void) {
  A = 0;
  lock(&A);
  struct job j = {.want = &A};
  start(&j);
  say("wake on a PI futex: %ld; requeue %ld; wait_requeue on itself %ld", futex(&A, FUTEX_WAKE, 1, NULL, NULL, 0), futex(&A, FUTEX_REQUEUE, 1, (void *)1, &B, 0), futex(&A, FUTEX_WAIT_REQUEUE_PI, A, NULL, &A, 0));
  uint32_t old = A;
  A = 0;
  say("word changed behind its back: lock %ld", lock(&A));
  A = old;
  unlock(&A);
  pthread_join(j.thread, NULL);
}

struct waiter { pthread_t thread; int prio; const char *name; volatile int ready; long timeout_ms; };
static volatile uint32_t cond, mutex;
static void *requeue_waiter(void *arg) {
  struct waiter *w = arg;
  if (w->prio) policy(0, w->prio);
  struct timespec t, *tp = NULL;
  if (w->timeout_ms) {
    clock_gettime(CLOCK_MONOTONIC, &t);
    t.tv_nsec += w->timeout_ms * 1000000;
    if (t.tv_nsec >= 1000000000) t.tv_sec++, t.tv_nsec -= 1000000000;
    tp = &t;
  }
  w->ready = 1;
  long r = futex(&cond, FUTEX_WAIT_REQUEUE_PI, 0, tp, &mutex, 0);
  say("%s: %ld %s", w->name, r, word(mutex, tid()));
  if (r == 0) unlock(&mutex);
  return NULL;
}
static void start_waiter(struct waiter *w) {
  pthread_create(&w->thread, NULL, requeue_waiter, w);
  while (!w->ready) usleep(1000);
  settle();
}
static void requeue(void) {
  cond = mutex = 0;
  policy(0, 50);
  struct waiter w[3] = {{.prio = 10, .name = "ten"}, {.prio = 30, .name = "thirty"}, {.prio = 20, .name = "twenty"}};
  for (int i = 0; i < 3; i++) start_waiter(&w[i]);
  say("wake 2: %ld; wrong value %ld; same futex %ld; nobody there %ld", futex(&cond, FUTEX_CMP_REQUEUE_PI, 2, (void *)9, &mutex, 0), futex(&cond, FUTEX_CMP_REQUEUE_PI, 1, (void *)9, &mutex, 7), futex(&cond, FUTEX_CMP_REQUEUE_PI, 1, (void *)9, &cond, 0), futex(&B, FUTEX_CMP_REQUEUE_PI, 1, (void *)9, &mutex, B));
  say("plain wake %ld; plain requeue %ld; other target %ld", futex(&cond, FUTEX_WAKE, 1, NULL, NULL, 0), futex(&cond, FUTEX_CMP_REQUEUE, 1, (void *)9, &mutex, 0), futex(&cond, FUTEX_CMP_REQUEUE_PI, 1, (void *)9, &C, 0));
  long r = futex(&cond, FUTEX_CMP_REQUEUE_PI, 1, (void *)0, &mutex, 0);
  say("signal, lock free: %ld", r);
  settle();
  lock(&mutex);
  r = futex(&cond, FUTEX_CMP_REQUEUE_PI, 1, (void *)9, &mutex, 0);
  say("broadcast, lock held: %ld, %s", r, word(mutex, tid()));
  unlock(&mutex);
  for (int i = 0; i < 3; i++) pthread_join(w[i].thread, NULL);
  say("end: %s", word(mutex, tid()));
  struct waiter late = {.name = "timed", .timeout_ms = 60};
  start_waiter(&late);
  pthread_join(late.thread, NULL);
  struct waiter held = {.name = "timed, moved", .timeout_ms = 120};
  start_waiter(&held);
  lock(&mutex);
  say("moved %ld", futex(&cond, FUTEX_CMP_REQUEUE_PI, 1, (void *)0, &mutex, 0));
  pthread_join(held.thread, NULL);
  unlock(&mutex);
  policy(0, 0);
}
static const struct { const char *name; void (*run)(void); } TESTS[] = {
  {"words", words}, {"order", order}, {"lent", lent}, {"chain", chain}, {"inversion", inversion}, {"interrupted", interrupted},
  {"owner_dies", owner_dies}, {"mixed", mixed}, {"requeue", requeue},
};
int main(void) {
  int init = getpid() == 1;
  if (init) {
    mkdir("/proc", 0755);
    mount("proc", "/proc", "proc", 0, NULL);
  }
  for (unsigned i = 0; i < sizeof TESTS / sizeof *TESTS; i++) {
    section = TESTS[i].name;
    pid_t p = fork();
    if (p == 0) {
      TESTS[i].run();
      _exit(0);
    }
    int status;
    waitpid(p, &status, 0);
    if (status) say("ended with %x", status);
  }
  if (init) reboot(RB_POWER_OFF);
  return 0;
}
