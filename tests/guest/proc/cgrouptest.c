// Control groups: the files of a group, moving processes, limits of pids, the freezer, namespaces, clone3 into a group. tests/proc.test.mjs.
// Files of controllers other than pids are not looked at.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <unistd.h>

static const char *section;
static void say(const char *format, ...) {
  va_list ap;
  va_start(ap, format);
  printf("%s: ", section);
  vprintf(format, ap);
  putchar('\n');
  fflush(stdout);
  va_end(ap);
}
static int err(long r) { return r < 0 ? -errno : (int)r; }
static int put(const char *file, const char *text) {
  char path[100];
  snprintf(path, sizeof path, "/cg/%s", file);
  int fd = open(path, O_WRONLY);
  if (fd < 0) return -errno;
  int r = err(write(fd, text, strlen(text)));
  close(fd);
  return r < 0 ? r : 0;
}
static const char *get(const char *file) {
  static char text[4][2000];
  static int at;
  char *t = text[at++ % 4], path[100];
  snprintf(path, sizeof path, file[0] == '/' ? "%s" : "/cg/%s", file);
  int fd = open(path, O_RDONLY);
  if (fd < 0) {
    sprintf(t, "error %d", errno);
    return t;
  }
  int n = read(fd, t, 1999);
  if (n < 0) n = sprintf(t, "error %d", errno);
  close(fd);
  t[n] = 0;
  while (n > 0 && t[n - 1] == '\n') t[--n] = 0;
  for (char *p = t; *p; p++)
    if (*p == '\n') *p = ',';
  return t;
}
static int putn(const char *file, int n) {
  char text[20];
  sprintf(text, "%d", n);
  return put(file, text);
}
static int lines(const char *file) {
  const char *t = get(file);
  int n = *t != 0;
  for (; *t; t++) n += *t == ',';
  return n;
}
static pid_t sleeper(void) {
  pid_t p = fork();
  if (p == 0) {
    for (;;) pause();
  }
  return p;
}
static void end(pid_t p) {
  kill(p, SIGKILL);
  waitpid(p, NULL, 0);
}
static void settle(void) { usleep(30000); }

static void files(void) {
  static const char *every[] = {"cgroup.controllers", "cgroup.subtree_control", "cgroup.procs", "cgroup.threads", "cgroup.stat", "cgroup.max.depth", "cgroup.max.descendants", "cgroup.type", "cgroup.events", "cgroup.freeze", "cgroup.kill", "pids.max", "pids.current", "pids.events", "pids.events.local", "pids.peak"};
  struct statfs sf;
  statfs("/cg", &sf);
  struct stat st;
  stat("/cg", &st);
  say("magic %lx, mode %o", (long)sf.f_type, st.st_mode);
  say("mkdir %d, again %d", err(mkdir("/cg/a", 0755)), err(mkdir("/cg/a", 0755)));
  for (unsigned i = 0; i < sizeof every / sizeof *every; i++) {
    char path[60];
    int root = -1, a = -1;
    sprintf(path, "/cg/%s", every[i]);
    if (stat(path, &st) == 0) root = st.st_mode & 07777;
    sprintf(path, "/cg/a/%s", every[i]);
    if (stat(path, &st) == 0) a = st.st_mode & 07777;
    say("%s: root %o, group %o", every[i], root, a);
  }
  const char *all = get("/proc/cgroups"), *pids = strstr(all, ",pids");
  say("/proc/cgroups: %.41s %.9s", all, pids ? pids : "none");
  say("pids: %d", put("cgroup.subtree_control", "+pids"));
  pids = strstr(get("/proc/cgroups"), ",pids");
  say("/proc/cgroups: %.9s", pids ? pids : "none");
  for (unsigned i = 11; i < 16; i++) {
    char name[60];
    sprintf(name, "a/%s", every[i]);
    say("%s: %s", name, get(name));
  }
  say("type %s, events %s, freeze %s, kill %s, depth %s, descendants %s", get("a/cgroup.type"), get("a/cgroup.events"), get("a/cgroup.freeze"), get("a/cgroup.kill"), get("a/cgroup.max.depth"), get("a/cgroup.max.descendants"));
  say("controllers of a '%s', of its children '%s'", get("a/cgroup.controllers"), get("a/cgroup.subtree_control"));
  say("create %d, link %d, unlink %d, symlink %d", err(open("/cg/a/x", O_CREAT | O_WRONLY, 0644)), err(link("/cg/a/pids.max", "/cg/a/y")), err(unlink("/cg/a/pids.max")), err(symlink("x", "/cg/a/z")));
  say("rename %d, newline %d", err(rename("/cg/a", "/cg/b")), err(mkdir("/cg/a\nb", 0755)));
  say("unknown controller %d, twice %d, empty %d", put("cgroup.subtree_control", "+nothing"), put("cgroup.subtree_control", "+pids +pids"), put("cgroup.subtree_control", "\n"));
  mkdir("/cg/a/b", 0755);
  say("a level down: %s", get("a/b/pids.max"));
  say("not handed down: %d", put("a/b/cgroup.subtree_control", "+pids"));
  say("handed down: %d, %d", put("a/cgroup.subtree_control", "+pids"), put("a/b/cgroup.subtree_control", "+pids"));
  say("taken back while used %d", put("a/cgroup.subtree_control", "-pids"));
  say("taken back %d %d", put("a/b/cgroup.subtree_control", "-pids"), put("a/cgroup.subtree_control", "-pids"));
  say("depth 0: %d, mkdir %d", put("a/b/cgroup.max.depth", "0"), err(mkdir("/cg/a/b/c", 0755)));
  say("descendants 1: %d, mkdir %d", put("a/cgroup.max.descendants", "1"), err(mkdir("/cg/a/c", 0755)));
  say("bad limits %d %d", put("a/cgroup.max.depth", "-1"), put("a/cgroup.max.depth", "x"));
  say("rmdir with a child %d, child %d, then %d, gone %d", err(rmdir("/cg/a")), err(rmdir("/cg/a/b")), err(rmdir("/cg/a")), err(rmdir("/cg/a")));
}
static void moving(void) {
  mkdir("/cg/a", 0755), mkdir("/cg/b", 0755);
  char path[60];
  pid_t p = sleeper();
  sprintf(path, "/proc/%d/cgroup", p);
  say("at first %s", get(path));
  say("move %d: %s, procs %d, threads %d, %s", putn("a/cgroup.procs", p), get(path), lines("a/cgroup.procs"), lines("a/cgroup.threads"), get("a/cgroup.events"));
  say("current %s peak %s", get("a/pids.current"), get("a/pids.peak"));
  say("rmdir %d", err(rmdir("/cg/a")));
  say("on %d: %s, left behind %s, %s", putn("b/cgroup.procs", p), get(path), get("a/pids.current"), get("a/cgroup.events"));
  say("nobody %d, no number %d, kernel thread %d, two %d", put("a/cgroup.procs", "999999"), put("a/cgroup.procs", "x"), put("a/cgroup.procs", "2"), put("a/cgroup.procs", "1 1"));
  kill(p, SIGKILL);
  settle();
  say("zombie: procs '%s', current %s, %s, %s", get("b/cgroup.procs"), get("b/pids.current"), get("b/cgroup.events"), get(path));
  waitpid(p, NULL, 0);
  say("waited for: current %s", get("b/pids.current"));
  say("oneself %d: %s", put("b/cgroup.procs", "0"), get("/proc/self/cgroup"));
  p = sleeper();
  sprintf(path, "/proc/%d/cgroup", p);
  say("child: %s, current %s", get(path), get("b/pids.current"));
  end(p);
  say("removed with oneself in it %d, then %d %d", err(rmdir("/cg/b")), put("cgroup.procs", "0"), err(rmdir("/cg/b")));
  rmdir("/cg/a");
}
static void limits(void) {
  mkdir("/cg/a", 0755);
  say("pids.max %d: %s", put("a/pids.max", "3"), get("a/pids.max"));
  put("a/cgroup.procs", "0");
  pid_t p = sleeper(), q = sleeper(), r = fork();
  if (r == 0) _exit(0);
  say("third child %d", r < 0 ? -errno : 1);
  say("events %s, local %s, current %s", get("a/pids.events"), get("a/pids.events.local"), get("a/pids.current"));
  end(q);
  q = sleeper();
  say("again room: %d", q > 0);
  say("lower than used %d: %s", put("a/pids.max", "1"), get("a/pids.current"));
  say("max %d: %s; bad %d %d %d", put("a/pids.max", "max"), get("a/pids.max"), put("a/pids.max", "-1"), put("a/pids.max", "many"), put("a/pids.max", "99999999"));
  say("peak %s", get("a/pids.peak"));
  end(p), end(q);
  put("cgroup.procs", "0");
  // A limit above holds below.
  put("a/cgroup.subtree_control", "+pids");
  mkdir("/cg/a/b", 0755);
  put("a/pids.max", "1");
  put("a/b/cgroup.procs", "0");
  r = fork();
  if (r == 0) _exit(0);
  say("limit above: %d, events %s, below %s", r < 0 ? -errno : 1, get("a/pids.events"), get("a/b/pids.events"));
  put("cgroup.procs", "0");
  say("rmdir %d %d", err(rmdir("/cg/a/b")), err(rmdir("/cg/a")));
}
static volatile long *steps;
static void freezer(void) {
  mkdir("/cg/a", 0755), mkdir("/cg/a/b", 0755);
  int fds[2];
  pipe(fds);
  pid_t p = fork();
  if (p == 0) {
    for (;;) {
      char c = 'x';
      write(fds[1], &c, 1);
      usleep(1000);
    }
  }
  fcntl(fds[0], F_SETFL, O_NONBLOCK);
  putn("a/b/cgroup.procs", p);
  settle();
  char buf[4096];
  say("runs %d", read(fds[0], buf, sizeof buf) > 0);
  say("freeze above %d", put("a/cgroup.freeze", "1"));
  settle();
  say("%s; below: %s, own switch %s", get("a/cgroup.events"), get("a/b/cgroup.events"), get("a/b/cgroup.freeze"));
  while (read(fds[0], buf, sizeof buf) > 0) {}
  settle(), settle();
  say("still: %d", err(read(fds[0], buf, sizeof buf)));
  char path[60];
  sprintf(path, "/proc/%d/status", p);
  char *state = strstr(get(path), "State:");
  say("%.11s", state ? state : "none");
  say("thaw %d", put("a/cgroup.freeze", "0"));
  settle();
  say("goes on %d, %s", read(fds[0], buf, sizeof buf) > 0, get("a/b/cgroup.events"));
  put("a/b/cgroup.freeze", "1");
  settle();
  kill(p, SIGTERM);
  settle();
  say("a frozen one dies of signals %d", err(waitpid(p, NULL, WNOHANG)) == p);
  p = sleeper();
  putn("a/b/cgroup.procs", p);
  settle();
  say("moved in: %s", get("a/b/cgroup.events"));
  putn("cgroup.procs", p);
  kill(p, SIGTERM);
  say("moved out and killed %d", waitpid(p, NULL, 0) == p);
  say("bad %d %d", put("a/cgroup.freeze", "2"), put("a/cgroup.freeze", "x"));
  put("a/b/cgroup.freeze", "0");
  p = sleeper();
  pid_t q = sleeper();
  putn("a/cgroup.procs", p), putn("a/b/cgroup.procs", q);
  say("kill %d, bad %d", put("a/cgroup.kill", "1"), put("a/cgroup.kill", "0"));
  int s1 = 0, s2 = 0;
  waitpid(p, &s1, 0), waitpid(q, &s2, 0);
  say("both died of %d %d", WTERMSIG(s1), WTERMSIG(s2));
  say("rmdir %d %d", err(rmdir("/cg/a/b")), err(rmdir("/cg/a")));
}
static void namespaces(void) {
  mkdir("/cg/a", 0755), mkdir("/cg/a/b", 0755), mkdir("/cg/c", 0755);
  put("a/cgroup.procs", "0");
  pid_t p = sleeper(), q = sleeper(), r = sleeper();
  putn("a/b/cgroup.procs", p), putn("c/cgroup.procs", q), putn("cgroup.procs", r);
  say("before %s", get("/proc/self/cgroup"));
  say("unshare %d: %s", err(unshare(CLONE_NEWCGROUP)), get("/proc/self/cgroup"));
  char path[60];
  pid_t list[] = {p, q, r};
  for (int i = 0; i < 3; i++) {
    sprintf(path, "/proc/%d/cgroup", list[i]);
    say("%d: %s", i, get(path));
    end(list[i]);
  }
  struct clone_args args = {.flags = CLONE_INTO_CGROUP, .exit_signal = SIGCHLD, .cgroup = open("/cg/c", O_RDONLY | O_DIRECTORY)};
  p = syscall(SYS_clone3, &args, sizeof args);
  if (p == 0) {
    say("clone3 into c: %s", get("/proc/self/cgroup"));
    _exit(0);
  }
  waitpid(p, NULL, 0);
  args.cgroup = open("/cg/c/cgroup.procs", O_RDONLY);
  say("into a file %d", err(syscall(SYS_clone3, &args, sizeof args)));
  args.cgroup = open("/", O_RDONLY);
  say("into no group %d", err(syscall(SYS_clone3, &args, sizeof args)));
  args.cgroup = open("/cg/c", O_RDONLY);
  rmdir("/cg/c");
  say("into a removed one %d", err(syscall(SYS_clone3, &args, sizeof args)));
  put("cgroup.procs", "0");
  rmdir("/cg/a/b"), rmdir("/cg/a");
}

static const struct { const char *name; void (*run)(void); } TESTS[] = {
  {"files", files}, {"moving", moving}, {"limits", limits}, {"freezer", freezer}, {"namespaces", namespaces},
};
int main(void) {
  int init = getpid() == 1;
  mkdir("/proc", 0755), mkdir("/cg", 0755);
  if (init) mount("proc", "/proc", "proc", 0, NULL);
  section = "mount";
  say("%d", err(mount("none", "/cg", "cgroup2", 0, NULL)));
  for (unsigned i = 0; i < sizeof TESTS / sizeof *TESTS; i++) {
    section = TESTS[i].name;
    fflush(stdout);
    pid_t p = fork();
    if (p == 0) {
      TESTS[i].run();
      fflush(stdout);
      _exit(0);
    }
    int status;
    waitpid(p, &status, 0);
    if (status) say("ended with %x", status);
  }
  if (init) reboot(RB_POWER_OFF);
  return 0;
}
