// What the parts of isatest share: system calls and output without a libc.
#ifndef ISATEST_H
#define ISATEST_H
typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long u64;

static inline long sys6(long n, long a, long b, long c, long d, long e, long f) {
  register long a7 asm("a7") = n, a0 asm("a0") = a, a1 asm("a1") = b, a2 asm("a2") = c, a3 asm("a3") = d, a4 asm("a4") = e, a5 asm("a5") = f;
  asm volatile("ecall" : "+r"(a0) : "r"(a7), "r"(a1), "r"(a2), "r"(a3), "r"(a4), "r"(a5) : "memory");
  return a0;
}
#define S(n, ...) SX(n, ##__VA_ARGS__, 0, 0, 0, 0, 0, 0)
#define SX(n, a, b, c, d, e, f, ...) sys6(n, (long)(a), (long)(b), (long)(c), (long)(d), (long)(e), (long)(f))
enum {
  NR_ftruncate = 46, NR_openat = 56, NR_close = 57, NR_pipe2 = 59, NR_read = 63, NR_write = 64, NR_pwrite = 68, NR_mount = 40, NR_exit = 93,
  NR_exit_group = 94, NR_futex = 98, NR_sched_yield = 124, NR_kill = 129, NR_sigaltstack = 132, NR_rt_sigaction = 134, NR_rt_sigreturn = 139,
  NR_reboot = 142, NR_getpid = 172, NR_gettid = 178, NR_munmap = 215, NR_mremap = 216, NR_clone = 220, NR_mmap = 222, NR_mprotect = 226,
  NR_madvise = 233, NR_hwprobe = 258, NR_flush_icache = 259, NR_wait4 = 260, NR_memfd_create = 279, NR_ptrace = 117,
  NR_mkdirat = 34, NR_getppid = 173,
};
enum { PROT_NONE = 0, R = 1, W = 2, X = 4, SHARED = 1, PRIVATE = 2, FIXED = 16, ANON = 32 };
enum { SIGILL = 4, SIGTRAP = 5, SIGBUS = 7, SIGSEGV = 11, SIGCHLD = 17, SIGSTOP = 19 };

void put(const char *s);
void num(long n);
void hex(u64 n);
void line(const char *what, long value);
/// A number that depends on all bits of what went in before.
extern u64 digest;
static inline void mix(u64 v) { digest = (digest ^ v) * 0x100000001b3ul; digest ^= digest >> 29; }

u64 rnd(void);
void seed(u64 s);
static inline u32 below(u32 n) { return (u32)(rnd() >> 11) % n; }

/// sigaction with SA_SIGINFO | SA_ONSTACK | SA_NODEFER and a handler's stack of its own.
void on_signal(int sig, void (*handler)(int, void *info, void *uc));
/// fork
long fork_(void);
long wait_(long pid);
void *map(u64 at, u64 length, int prot, int flags, int fd);

static inline void fence_i(void) { asm volatile("fence.i" ::: "memory"); }
static inline u32 addi(int rd, int rs, int imm) { return (u32)(imm & 0xfff) << 20 | rs << 15 | rd << 7 | 0x13; }
static inline u32 itype(int op, int f3, int rd, int rs, int imm) { return (u32)(imm & 0xfff) << 20 | rs << 15 | f3 << 12 | rd << 7 | op; }
static inline u32 stype(int op, int f3, int rs1, int rs2, int imm) {
  return (u32)(imm >> 5 & 0x7f) << 25 | rs2 << 20 | rs1 << 15 | f3 << 12 | (imm & 31) << 7 | op;
}
static inline u32 rtype(int op, int f3, int f7, int rd, int rs1, int rs2) { return (u32)f7 << 25 | rs2 << 20 | rs1 << 15 | f3 << 12 | rd << 7 | op; }
static inline u32 btype(int f3, int rs1, int rs2, int off) {
  return (u32)(off >> 12 & 1) << 31 | (off >> 5 & 63) << 25 | rs2 << 20 | rs1 << 15 | f3 << 12 | (off >> 1 & 15) << 8 | (off >> 11 & 1) << 7 | 0x63;
}
enum { RET = 0x8067, EBREAK = 0x100073 };

// Linux's struct sigcontext for riscv within ucontext_t: pc, x1..x31, f0..f31, fcsr.
static inline u64 *gregs(void *uc) { return (u64 *)((char *)uc + 176); }
static inline u64 *fregs(void *uc) { return (u64 *)((char *)uc + 176 + 256); }
static inline u64 si_addr(void *info) { return *(u64 *)((char *)info + 16); }
static inline int si_code(void *info) { return *(int *)((char *)info + 8); }

void faults(void);
void codechange(void);
void traps(void);
void steps(void);
void atomics(void);
void decode(void);
void machine(void);
#endif
