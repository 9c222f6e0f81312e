// isatest [PART...]: what the instruction set and the kernel's handling of it look like to a process. Prints one line per check; what real
// Linux printed is the expectation (tests/fixtures/isa/isatest.txt). No libc; build.sh builds it. As init it powers off at the end.
#include "isatest.h"

void *memset(void *d, int c, u64 n) { char *p = d; while (n--) *p++ = c; return d; }
void *memcpy(void *d, const void *s, u64 n) { char *p = d; const char *q = s; while (n--) *p++ = *q++; return d; }
static u64 len(const char *s) { u64 n = 0; while (s[n]) n++; return n; }
static int same(const char *a, const char *b) { while (*a && *a == *b) a++, b++; return *a == *b; }
void put(const char *s) { S(NR_write, 1, s, len(s)); }
void num(long n) {
  char b[24], *p = b + 23;
  u64 u = n < 0 ? -n : n;
  *p = 0;
  do *--p = '0' + u % 10; while (u /= 10);
  if (n < 0) *--p = '-';
  put(p);
}
void hex(u64 n) {
  char b[20], *p = b + 19;
  *p = 0;
  do *--p = "0123456789abcdef"[n & 15]; while (n >>= 4);
  put(p);
}
void line(const char *what, long value) { put(what); put(" "); num(value); put("\n"); }

u64 digest;
static u64 state;
void seed(u64 s) { state = s * 0x9e3779b97f4a7c15ul + 1; digest = 0xcbf29ce484222325ul; }
u64 rnd(void) {
  state ^= state << 13;
  state ^= state >> 7;
  state ^= state << 17;
  return state;
}

struct action { void (*handler)(int, void *, void *); u64 flags; u64 mask; };
enum { SA_SIGINFO = 4, SA_ONSTACK = 0x08000000, SA_NODEFER = 0x40000000 };
static char altstack[16384] __attribute__((aligned(16)));
void on_signal(int sig, void (*handler)(int, void *, void *)) {
  struct { void *sp; int flags; u64 size; } stack = { altstack, 0, sizeof altstack };
  struct action a = { handler, SA_SIGINFO | SA_ONSTACK | SA_NODEFER, 0 };
  S(NR_sigaltstack, &stack, 0);
  S(NR_rt_sigaction, sig, &a, 0, 8);
}
long fork_(void) { return S(NR_clone, SIGCHLD, 0, 0, 0, 0); }
long wait_(long pid) { int status = 0; long r = S(NR_wait4, pid, &status, 0x40000000, 0); return r < 0 ? r : status; }
void *map(u64 at, u64 length, int prot, int flags, int fd) { return (void *)S(NR_mmap, at, length, prot, flags, fd, 0); }

static const struct { const char *name; void (*run)(void); } parts[] = {
  { "machine", machine }, { "decode", decode }, { "traps", traps }, { "faults", faults }, { "codechange", codechange }, { "steps", steps }, { "atomics", atomics },
};
void start(long *sp) {
  long argc = sp[0];
  char **argv = (char **)(sp + 1);
  if (S(NR_getpid) == 1) {
    S(NR_mkdirat, -100, "/proc", 0755);
    S(NR_mount, "proc", "/proc", "proc", 0, 0);
  }
  for (u64 i = 0; i < sizeof parts / sizeof *parts; i++) {
    int wanted = argc < 2;
    for (long j = 1; j < argc; j++) wanted |= same(argv[j], parts[i].name);
    if (!wanted) continue;
    put("== "); put(parts[i].name); put("\n");
    parts[i].run();
  }
  if (S(NR_getpid) == 1) S(NR_reboot, 0xfee1dead, 672274793, 0x4321fedc, 0);
  S(NR_exit_group, 0);
}
asm(".globl _start\n_start: mv a0, sp\n andi sp, sp, -16\n call start\n");
