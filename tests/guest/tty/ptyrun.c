// ptyrun [-w ROWSxCOLS] STEP... -- CMD ARG...: runs CMD on a new pseudo-terminal in a new session and acts as the person at it.
//   =TEXT   wait until TEXT appears in what the terminal printed since the last match (10 s at most, then say so and go on)
//   +TEXT   type TEXT (\n \r \t \e \\ and \xHH work)
//   ~ROWSxCOLS  change the window size
//   .MS     sleep that many milliseconds
//   !       hang up
// What the terminal printed goes to standard output; the exit status is CMD's (128+N after signal N).
// No libc: a few kilobytes that can be committed and copied into any guest. Build: see Makefile beside this file.
typedef unsigned long ulong;
typedef unsigned short ushort;
static long sys6(long n, long a, long b, long c, long d, long e, long f) {
  register long a7 asm("a7") = n, a0 asm("a0") = a, a1 asm("a1") = b, a2 asm("a2") = c, a3 asm("a3") = d, a4 asm("a4") = e, a5 asm("a5") = f;
  asm volatile("ecall" : "+r"(a0) : "r"(a7), "r"(a1), "r"(a2), "r"(a3), "r"(a4), "r"(a5) : "memory");
  return a0;
}
#define S(n, ...) SX(n, ##__VA_ARGS__, 0, 0, 0, 0, 0, 0)
#define SX(n, a, b, c, d, e, f, ...) sys6(n, (long)(a), (long)(b), (long)(c), (long)(d), (long)(e), (long)(f))
enum { SYS_dup3 = 24, SYS_ioctl = 29, SYS_openat = 56, SYS_close = 57, SYS_read = 63, SYS_write = 64, SYS_ppoll = 73, SYS_exit_group = 94,
  SYS_nanosleep = 101, SYS_clock_gettime = 113, SYS_setsid = 157, SYS_clone = 220, SYS_execve = 221, SYS_wait4 = 260 };
enum { AT_FDCWD = -100, O_RDWR = 2, O_NOCTTY = 0400, TIOCSCTTY = 0x540e, TIOCSWINSZ = 0x5414, SIGCHLD = 17, EIO = 5 };
#define TIOCGPTN 0x80045430
#define TIOCSPTLCK 0x40045431
void *memset(void *d, int c, ulong n) { char *p = d; while (n--) *p++ = c; return d; }
void *memcpy(void *d, const void *s, ulong n) { char *p = d; const char *q = s; while (n--) *p++ = *q++; return d; }
static ulong len(const char *s) { ulong n = 0; while (s[n]) n++; return n; }
static void say(const char *s) { S(SYS_write, 1, s, len(s)); }
static void die(const char *s) { S(SYS_write, 2, s, len(s)); S(SYS_exit_group, 126); }

static char seen[1 << 18]; // terminal output since the last match
static ulong nseen;
static int master, hungup;
static long now(void) { long t[2]; S(SYS_clock_gettime, 1, t); return t[0] * 1000 + t[1] / 1000000; }
/** Reads what comes within `ms`, passes it on; 0 at hang-up or time-out. */
static int pump(long ms) {
  struct { int fd; short events, revents; } p = { master, 1, 0 };
  long ts[2] = { ms / 1000, ms % 1000 * 1000000 };
  if (hungup || S(SYS_ppoll, &p, 1, ts, 0, 8) <= 0) return 0;
  static char b[4096];
  long n = S(SYS_read, master, b, sizeof b);
  if (n <= 0) { hungup = 1; return 0; } // EIO: every slave descriptor is closed
  S(SYS_write, 1, b, n);
  if (nseen + n > sizeof seen) nseen = 0;
  memcpy(seen + nseen, b, n);
  nseen += n;
  return 1;
}
static void expect(const char *t) {
  ulong n = len(t);
  long end = now() + 10000;
  for (;;) {
    for (ulong i = 0; i + n <= nseen; i++) {
      ulong k = 0;
      while (k < n && seen[i + k] == t[k]) k++;
      if (k == n) { nseen -= i + n; for (ulong j = 0; j < nseen; j++) seen[j] = seen[i + n + j]; return; }
    }
    long left = end - now();
    if (left <= 0 || !pump(left)) { say("[ptyrun: no '"); say(t); say("']\n"); return; }
  }
}
static int hex(int c) { return c <= '9' ? c - '0' : (c | 32) - 'a' + 10; }
static void unescape(char *d, const char *s) {
  for (; *s; s++) {
    if (*s != '\\') { *d++ = *s; continue; }
    s++;
    if (*s == 'x') { *d++ = hex(s[1]) * 16 + hex(s[2]); s += 2; }
    else *d++ = *s == 'n' ? '\n' : *s == 'r' ? '\r' : *s == 't' ? '\t' : *s == 'e' ? 27 : *s;
  }
  *d = 0;
}
static void resize(const char *s) {
  ushort ws[4] = { 0, 0, 0, 0 };
  for (; *s && *s != 'x'; s++) ws[0] = ws[0] * 10 + *s - '0';
  if (*s) for (s++; *s; s++) ws[1] = ws[1] * 10 + *s - '0';
  S(SYS_ioctl, master, TIOCSWINSZ, ws);
}
static void run(char **argv, char **envp) {
  static char path[256];
  S(SYS_execve, argv[0], argv, envp);
  const char *dirs[] = { "/usr/bin/", "/bin/", "/usr/sbin/", "/sbin/" };
  for (int i = 0; i < 4; i++) {
    ulong n = len(dirs[i]);
    memcpy(path, dirs[i], n);
    memcpy(path + n, argv[0], len(argv[0]) + 1);
    S(SYS_execve, path, argv, envp);
  }
  die("ptyrun: cannot execute\n");
}
__attribute__((used)) static void start(long *sp) {
  int argc = sp[0];
  char **argv = (char **)(sp + 1), **envp = argv + argc + 1;
  int cmd = 1;
  while (cmd < argc && !(argv[cmd][0] == '-' && argv[cmd][1] == '-' && !argv[cmd][2])) cmd++;
  if (cmd + 1 >= argc) die("usage: ptyrun [-w ROWSxCOLS] STEP... -- CMD ARG...\n");
  master = S(SYS_openat, AT_FDCWD, "/dev/ptmx", O_RDWR | O_NOCTTY);
  if (master < 0) die("ptyrun: /dev/ptmx\n");
  int zero = 0, n = 0, first = 1;
  if (S(SYS_ioctl, master, TIOCSPTLCK, &zero) < 0 || S(SYS_ioctl, master, TIOCGPTN, &n) < 0) die("ptyrun: unlock\n");
  char name[32] = "/dev/pts/", *p = name + 9;
  if (n > 9) *p++ = '0' + n / 10 % 10;
  *p++ = '0' + n % 10;
  *p = 0;
  if (argv[1][0] == '-' && argv[1][1] == 'w') { resize(argv[2]); first = 3; } else resize("24x80");
  int slave = S(SYS_openat, AT_FDCWD, name, O_RDWR | O_NOCTTY);
  if (slave < 0) die("ptyrun: slave\n");
  long pid = S(SYS_clone, SIGCHLD);
  if (pid < 0) die("ptyrun: fork\n");
  if (pid == 0) {
    S(SYS_setsid);
    S(SYS_ioctl, slave, TIOCSCTTY, 0);
    for (int i = 0; i < 3; i++) S(SYS_dup3, slave, i, 0);
    if (slave > 2) S(SYS_close, slave);
    S(SYS_close, master);
    run(argv + cmd + 1, envp);
  }
  S(SYS_close, slave);
  static char text[65536];
  for (int i = first; i < cmd; i++) {
    if (argv[i][0] == '~') { resize(argv[i] + 1); continue; }
    unescape(text, argv[i] + 1);
    if (argv[i][0] == '=') expect(text);
    else if (argv[i][0] == '+') S(SYS_write, master, text, len(text));
    else if (argv[i][0] == '!') hungup = 1;
    else if (argv[i][0] == '.') {
      long ms = 0;
      for (char *q = text; *q; q++) ms = ms * 10 + *q - '0';
      long ts[2] = { ms / 1000, ms % 1000 * 1000000 };
      S(SYS_nanosleep, ts, 0);
    } else die("ptyrun: bad step\n");
  }
  while (pump(10000));
  if (!hungup) say("[ptyrun: still running]\n");
  S(SYS_close, master); // hangs up a command that is still there
  int status = 0;
  S(SYS_wait4, pid, &status, 0, 0);
  S(SYS_exit_group, status & 127 ? 128 + (status & 127) : status >> 8 & 255);
}
asm(".globl _start\n_start:\n.option push\n.option norelax\nlla gp, __global_pointer$\n.option pop\nmv a0, sp\nandi sp, sp, -16\ncall start\n");
