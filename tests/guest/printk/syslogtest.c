// syslogtest: syslog(2), /proc/kmsg, /dev/kmsg. Prints one line for each call; what real Linux printed is the expectation
// (tests/fixtures/printk/syslogtest.txt). Times are printed as T, sequence numbers relative to the last marker. No libc; see Makefile.
typedef unsigned long ulong;
static long sys6(long n, long a, long b, long c, long d, long e, long f) {
  register long a7 asm("a7") = n, a0 asm("a0") = a, a1 asm("a1") = b, a2 asm("a2") = c, a3 asm("a3") = d, a4 asm("a4") = e, a5 asm("a5") = f;
  asm volatile("ecall" : "+r"(a0) : "r"(a7), "r"(a1), "r"(a2), "r"(a3), "r"(a4), "r"(a5) : "memory");
  return a0;
}
#define S(n, ...) SX(n, ##__VA_ARGS__, 0, 0, 0, 0, 0, 0)
#define SX(n, a, b, c, d, e, f, ...) sys6(n, (long)(a), (long)(b), (long)(c), (long)(d), (long)(e), (long)(f))
enum { SYS_openat = 56, SYS_close = 57, SYS_lseek = 62, SYS_read = 63, SYS_write = 64, SYS_writev = 66, SYS_ppoll = 73, SYS_exit_group = 94, SYS_nanosleep = 101,
  SYS_setitimer = 103, SYS_syslog = 116, SYS_rt_sigaction = 134, SYS_setresuid = 147, SYS_clone = 220, SYS_wait4 = 260 };
enum { RDONLY = 0, WRONLY = 1, RDWR = 2, NONBLOCK = 04000 };
void *memset(void *d, int c, ulong n) { char *p = d; while (n--) *p++ = c; return d; }
void *memcpy(void *d, const void *s, ulong n) { char *p = d; const char *q = s; while (n--) *p++ = *q++; return d; }
static ulong len(const char *s) { ulong n = 0; while (s[n]) n++; return n; }
static void put(const char *s) { S(SYS_write, 1, s, len(s)); }
static void num(long n) {
  char b[24], *p = b + 23;
  ulong u = n < 0 ? -n : n;
  *p = 0;
  do *--p = '0' + u % 10; while (u /= 10);
  if (n < 0) *--p = '-';
  put(p);
}
static void line(const char *what, long r) { put(what); put(": "); num(r); put("\n"); }
// Bytes, made readable; a time "[    1.234567]" as [T].
static void show(const char *s, long n) {
  static char b[80000];
  long j = 0;
  for (long i = 0; i < n; i++) {
    unsigned char c = s[i];
    if (c == '[' && i + 13 < n && s[i + 6] == '.' && s[i + 13] == ']') { memcpy(b + j, "[T]", 3); j += 3; i += 13; }
    else if (c == '\n') { memcpy(b + j, "\\n", 2); j += 2; }
    else if (c < 32 || c >= 127) { b[j++] = '?'; }
    else b[j++] = c;
  }
  if (j > 300) { memcpy(b + 297, "...", 3); j = 300; }
  b[j++] = '\n';
  S(SYS_write, 1, b, j);
}
static long open_(const char *path, long flags) { return S(SYS_openat, -100, path, flags); }
static void ms(long n) { long t[2] = { n / 1000, n % 1000 * 1000000 }; S(SYS_nanosleep, t, 0); }
static char buf[200000];
static long logw;
static void say(const char *s) { S(SYS_write, logw, s, len(s)); }
static void settle(const char *path, const char *text) { long fd = open_(path, WRONLY); line(path, S(SYS_write, fd, text, len(text))); S(SYS_close, fd); }
static void cat(const char *path) { long fd = open_(path, RDONLY); long n = S(SYS_read, fd, buf, sizeof buf); S(SYS_close, fd); put(path); put(" "); show(buf, n); }
static long events(long fd) {
  struct { int fd; short events, revents; } p = { fd, 0x7fff, 0 };
  long ts[2] = { 0, 0 };
  long r = S(SYS_ppoll, &p, 1, ts, 0, 8);
  return r == 1 ? p.revents : r;
}
static long base;
// A record of /dev/kmsg: its sequence number as the distance from `base`, its time as T.
static void record(long fd, long size) {
  long n = S(SYS_read, fd, buf, size);
  if (n < 0) { line("  kmsg", n); return; }
  long i = 0, seq = 0;
  while (buf[i] != ',') i++;
  put("  kmsg "); S(SYS_write, 1, buf, i); put(",");
  for (i++; buf[i] != ','; i++) seq = seq * 10 + buf[i] - '0';
  if (base == 0) base = seq;
  num(seq - base);
  for (i++; buf[i] != ','; i++) ;
  put(",T"); show(buf + i, n - i);
}
// First and last sequence numbers of the ring.
static long seq_of(long fd) {
  long n = S(SYS_read, fd, buf, 8192), seq = 0, i = 0;
  if (n < 0) return n;
  while (buf[i] != ',') i++;
  for (i++; buf[i] != ','; i++) seq = seq * 10 + buf[i] - '0';
  return seq;
}
static void actions(const char *who) {
  put(who); put("\n");
  for (int i = -1; i <= 11; i++) {
    if (i == 2) continue;
    long r = S(SYS_syslog, i, buf, i == 8 ? 7 : 1000);
    num(i); put(r > 0 ? ": some\n" : ": "); if (r <= 0) { num(r); put("\n"); }
  }
}
static void handler(int s) {}

static void call(void) {
  line("SIZE_BUFFER", S(SYS_syslog, 10, 0, 0));
  long bad[] = { -1, 11, 12, 100, -2147483648L };
  for (int i = 0; i < 5; i++) line("bad action", S(SYS_syslog, bad[i], buf, 10));
  for (int a = 2; a <= 4; a++) {
    line("NULL", S(SYS_syslog, a, 0, 10));
    line("negative", S(SYS_syslog, a, buf, -1));
    line("length 0", S(SYS_syslog, a, buf, 0));
    line("NULL, length 0", S(SYS_syslog, a, 0, 0));
    if (a != 4) line("bad address", S(SYS_syslog, a, 8, 100));
    line("kernel address", S(SYS_syslog, a, -4096, 100));
  }
  line("OPEN", S(SYS_syslog, 1, 0, 0));
  line("CLOSE", S(SYS_syslog, 0, 0, 0));
  settle("/proc/sys/kernel/printk", "5 4 1 7\n");
  for (int l = -1; l <= 10; l++) { line("CONSOLE_LEVEL", S(SYS_syslog, 8, 0, l)); cat("/proc/sys/kernel/printk"); }
  for (int i = 0; i < 2; i++) { line("CONSOLE_OFF", S(SYS_syslog, 6, 0, 0)); cat("/proc/sys/kernel/printk"); }
  for (int i = 0; i < 2; i++) { line("CONSOLE_ON", S(SYS_syslog, 7, 0, 0)); cat("/proc/sys/kernel/printk"); }
  line("CONSOLE_OFF", S(SYS_syslog, 6, 0, 0));
  line("CONSOLE_LEVEL", S(SYS_syslog, 8, 0, 6));
  line("CONSOLE_ON", S(SYS_syslog, 7, 0, 0));
  cat("/proc/sys/kernel/printk");
  settle("/proc/sys/kernel/printk", "3 4 5 7\n");
  line("CONSOLE_LEVEL below the minimum", S(SYS_syslog, 8, 0, 2));
  line("CONSOLE_OFF", S(SYS_syslog, 6, 0, 0));
  cat("/proc/sys/kernel/printk");
  line("CONSOLE_ON", S(SYS_syslog, 7, 0, 0));
  settle("/proc/sys/kernel/printk", "1 4 1 7\n");
}
static void drain(void) { while (S(SYS_syslog, 9, 0, 0) > 0) S(SYS_syslog, 2, buf, 4096); }
static void reading(void) {
  drain();
  line("unread", S(SYS_syslog, 9, 0, 0));
  say("<6>first\n"); say("<5>second line\nthird line\n"); say("<3>fourth\n");
  line("unread", S(SYS_syslog, 9, 0, 0));
  long n = 0, at = 0, sizes[] = { 10, 10, 40, 1, 1, 7, 200 };
  for (int i = 0; i < 7; i++) { n = S(SYS_syslog, 2, buf + at, sizes[i]); line(" read", n); at += n; line(" unread", S(SYS_syslog, 9, 0, 0)); }
  show(buf, at);
  line("CLEAR", S(SYS_syslog, 5, 0, 0));
  line("READ_ALL", S(SYS_syslog, 3, buf, 4096));
  for (int i = 0; i < 9; i++) { char t[] = "<4>message 0\n"; t[11] += i; say(t); }
  line("unread", S(SYS_syslog, 9, 0, 0));
  long all[] = { 4096, 200, 100, 65, 64, 29, 28, 10, 1 };
  for (int i = 0; i < 9; i++) { n = S(SYS_syslog, 3, buf, all[i]); line("READ_ALL", n); if (n > 0) show(buf, n); }
  n = S(SYS_syslog, 4, buf, 60); line("READ_CLEAR", n); if (n > 0) show(buf, n);
  line("READ_ALL", S(SYS_syslog, 3, buf, 4096));
  line("unread", S(SYS_syslog, 9, 0, 0));
  drain();
  // A reader sleeps until a message comes, or a signal.
  long pid = S(SYS_clone, 17, 0, 0, 0, 0);
  if (pid == 0) { n = S(SYS_syslog, 2, buf, 100); line("slept", n); show(buf, n); S(SYS_exit_group, 0); }
  ms(30); say("<6>wake up\n"); S(SYS_wait4, pid, 0, 0, 0);
  long sa[3] = { (long)handler, 0, 0 }, timer[4] = { 0, 0, 0, 30000 };
  S(SYS_rt_sigaction, 14, sa, 0, 8);
  S(SYS_setitimer, 0, timer, 0);
  line("interrupted", S(SYS_syslog, 2, buf, 100));
}
static void proc(void) {
  long fd = open_("/proc/kmsg", RDONLY | NONBLOCK), other = open_("/proc/kmsg", RDONLY | NONBLOCK);
  line("open twice", fd > 0 && other > fd);
  drain();
  line("empty", S(SYS_read, fd, buf, 100));
  line("poll", events(fd));
  say("<6>through proc\n");
  line("poll", events(fd));
  line("length 0", S(SYS_read, fd, buf, 0));
  long n = S(SYS_read, fd, buf, 8); line("read", n);
  n += S(SYS_read, other, buf + n, 1000); line("read", n);
  show(buf, n);
  line("poll", events(other));
  say("<6>more\n");
  line("bad address", S(SYS_read, fd, 8, 100));
  line("gone", S(SYS_read, fd, buf, 100));
  line("write", S(SYS_write, fd, "x", 1));
  line("open for writing", open_("/proc/kmsg", WRONLY) >= 0);
  S(SYS_close, fd); S(SYS_close, other);
}
static void message(long fd, const char *text, long n) {
  long r = S(SYS_write, logw, text, n);
  line("write", r);
  record(fd, 8192);
}
static void device(void) {
  long fd = open_("/dev/kmsg", RDONLY | NONBLOCK);
  line("SEEK_END", S(SYS_lseek, fd, 0, 2));
  line("empty", S(SYS_read, fd, buf, 8192));
  line("poll", events(fd));
  say("<6>base\n");
  line("poll", events(fd));
  record(fd, 8192);
  const char *texts[] = { "plain\n", "<5>five\n", "<13>thirteen\n", "<14>x", "<191>x\n", "<999>x\n", "<2047>x\n", "<2048>x\n", "<>x\n", "<-1>x\n", "<+1>x\n", "< 1>x\n", "<1 >x\n",
    "<4294967299>x\n", "<18446744073709551615>x\n", "<18446744073709551619>x\n", "<99999999999999999999>x\n", "<0x10>x\n", "<4>", "<4>\n", "<4> blank\n", "<4>two\nlines\n", "<4>tail\n\n", "<4", "4>x\n",
    "\x01" "6kernel level\n", "<4>\x01" "3kernel level\n", "<4>\t\x7f\\\xc3\xa4\n", "\n", "<7>last\n" };
  for (ulong i = 0; i < sizeof texts / sizeof *texts; i++) message(fd, texts[i], len(texts[i]));
  message(fd, "<4>nul\0behind\n", 14);
  message(fd, "", 0);
  message(fd, "<7>after nothing\n", 17);
  static char big[1100];
  memset(big, 'z', sizeof big);
  message(fd, big, 1023);
  message(fd, "<6>end a cut one\n", 17);
  message(fd, big, 1024);
  message(fd, "<6>end a cut one\n", 17);
  message(fd, big, 1025);
  big[1023] = '\n';
  message(fd, big, 1024);
  line("bad address", S(SYS_write, logw, 8, 10));
  struct { const char *p; long n; } iov[2] = { { "<4>sp", 5 }, { "lit\n", 4 } };
  line("writev", S(SYS_writev, logw, iov, 2));
  record(fd, 8192); record(fd, 8192);
  say("<6>skipped\n"); say("<6>kept\n");
  record(fd, 10);
  record(fd, 8192);
  say("<6>lost\n");
  line("bad address", S(SYS_read, fd, 8, 8192));
  record(fd, 8192);
  S(SYS_syslog, 5, 0, 0);
  say("<6>after clear\n");
  line("SEEK_SET 1", S(SYS_lseek, fd, 1, 0));
  line("SEEK_CUR", S(SYS_lseek, fd, 0, 1));
  line("SEEK_HOLE", S(SYS_lseek, fd, 0, 4));
  line("SEEK_DATA", S(SYS_lseek, fd, 0, 3));
  record(fd, 8192);
  line("SEEK_END", S(SYS_lseek, fd, 0, 2));
  record(fd, 8192);
  line("SEEK_SET", S(SYS_lseek, fd, 0, 0));
  line("read", S(SYS_read, fd, buf, 8192) > 0);
  line("write to a reader", S(SYS_write, fd, "x", 1));
  line("read from a writer", S(SYS_read, logw, buf, 100));
  line("poll of a writer", events(logw) & 1);
  S(SYS_close, fd);
}
static void ring(void) {
  long fd = open_("/dev/kmsg", RDONLY | NONBLOCK), fresh;
  S(SYS_lseek, fd, 0, 2);
  say("<6>start\n");
  long start = seq_of(fd), all = open_("/dev/kmsg", RDONLY | NONBLOCK);
  for (int i = 0; i < 5000; i++) say("<6>x\n");
  line("poll", events(fd));
  line("poll of the oldest", events(all));
  record(all, 8192);
  line("poll", events(all));
  fresh = open_("/dev/kmsg", RDONLY | NONBLOCK);
  line("short records: first", seq_of(fresh) - start);
  static char text[1100];
  memset(text, 'y', sizeof text);
  long sizes[] = { 3, 4, 5, 11, 12, 40, 100, 500, 1000, 1020 };
  for (int i = 0; i < 10; i++) {
    text[0] = '<'; text[1] = '6'; text[2] = '>'; text[sizes[i]] = '\n'; text[sizes[i] + 1] = 0;
    for (int j = 0; j < 4200; j++) say(text);
    text[sizes[i]] = 'y'; text[sizes[i] + 1] = 'y';
    S(SYS_close, fresh);
    fresh = open_("/dev/kmsg", RDONLY | NONBLOCK);
    long first = seq_of(fresh);
    S(SYS_lseek, fd, 0, 2);
    say("<6>x\n");
    put("records of "); num(sizes[i] - 3); line("", seq_of(fd) - first);
  }
  S(SYS_close, fd); S(SYS_close, all); S(SYS_close, fresh);
}
static void limits(void) {
  long w = open_("/dev/kmsg", WRONLY), fd = open_("/dev/kmsg", RDONLY | NONBLOCK);
  S(SYS_lseek, fd, 0, 2);
  settle("/proc/sys/kernel/printk_devkmsg", "ratelimit\n");
  for (int i = 0; i < 14; i++) { char t[] = "<6>limited a\n"; t[11] += i; line("write", S(SYS_write, w, t, 13)); }
  base = 0;
  for (int i = 0; i < 12; i++) record(fd, 8192);
  S(SYS_close, w);
  record(fd, 8192);
  settle("/proc/sys/kernel/printk_devkmsg", "off\n");
  line("open", open_("/dev/kmsg", RDONLY));
  line("open", open_("/dev/kmsg", WRONLY));
  line("write", S(SYS_write, logw, "<6>off\n", 7));
  record(fd, 8192);
  line("too long", S(SYS_write, logw, buf, 1025));
  settle("/proc/sys/kernel/printk_devkmsg", "on\n");
  say("<6>on\n");
  record(fd, 8192);
  S(SYS_close, fd);
}
static void user(void) {
  long pid = S(SYS_clone, 17, 0, 0, 0, 0);
  if (pid == 0) {
    S(SYS_setresuid, 65534, 65534, 65534);
    for (int open = 0; open < 2; open++) {
      actions(open ? "unrestricted" : "restricted");
      line("READ", S(SYS_syslog, 2, buf, 100));
      long fd = open_("/dev/kmsg", RDONLY | NONBLOCK);
      line("/dev/kmsg", fd < 0 ? fd : 0); S(SYS_close, fd);
      line("/dev/kmsg for writing", open_("/dev/kmsg", WRONLY));
      line("/proc/kmsg", open_("/proc/kmsg", RDONLY));
      line("dmesg_restrict", open_("/proc/sys/kernel/dmesg_restrict", WRONLY));
      if (!open) ms(60);
    }
    S(SYS_exit_group, 0);
  }
  ms(30);
  // The child sleeps after its first half.
  long fd = open_("/proc/sys/kernel/dmesg_restrict", WRONLY);
  ms(10);
  S(SYS_write, fd, "0\n", 2);
  S(SYS_wait4, pid, 0, 0, 0);
  S(SYS_lseek, fd, 0, 0);
  S(SYS_write, fd, "1\n", 2);
}
void _start(void) {
  asm volatile(".option push\n.option norelax\nla gp, __global_pointer$\n.option pop");
  settle("/proc/sys/kernel/printk_devkmsg", "on\n");
  logw = open_("/dev/kmsg", WRONLY);
  put("-- call\n"); call();
  put("-- reading\n"); reading();
  put("-- /proc/kmsg\n"); proc();
  put("-- /dev/kmsg\n"); device();
  put("-- ring\n"); ring();
  put("-- limits\n"); limits();
  put("-- user\n"); user();
  S(SYS_exit_group, 0);
}
