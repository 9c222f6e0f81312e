// What illegal, misaligned and special instructions lead to: the signal, its code and address, and the registers that the handler sees.
#include "isatest.h"

enum { CODE = 0x10000000, DATA = 0x20000000, PAGE = 4096 };
static u64 set_fcsr;
static void on_trap(int sig, void *info, void *uc) {
  u64 *x = gregs(uc);
  if (set_fcsr) { put(" fcsr "); hex((u32)fregs(uc)[32]); put("\n"); *(u32 *)&fregs(uc)[32] = set_fcsr; }
  put(" signal "); num(sig); put(" code "); num(si_code(info)); put(" address +");
  hex(si_addr(info) >= DATA && si_addr(info) < DATA + 2 * PAGE ? si_addr(info) - DATA : si_addr(info) - CODE);
  put(" pc +"); hex(x[0] - CODE); put(" a0 "); hex(x[10]);
  put("\n");
  x[0] = x[1];
}
/// Runs one instruction with a0 = arg, a1 = in the data.
static void one(const char *what, u32 w, u64 arg, u64 a1) {
  u32 *p = (u32 *)CODE;
  p[0] = w;
  p[1] = RET;
  fence_i();
  put(what);
  put("\n");
  register long a0 asm("a0") = arg;
  register long r1 asm("a1") = a1;
  asm volatile("jalr ra, %2" : "+r"(a0), "+r"(r1) : "r"(CODE) : "ra", "t0", "t1", "memory");
  // Counters differ from run to run; only that there was no signal is said.
}
static u32 csr(int f3, int rd, int number, int rs1) { return (u32)number << 20 | rs1 << 15 | f3 << 12 | rd << 7 | 0x73; }

void traps(void) {
  map(CODE, PAGE, R | W | X, PRIVATE | ANON | FIXED, -1);
  map(DATA, 2 * PAGE, R | W, PRIVATE | ANON | FIXED, -1);
  on_signal(SIGILL, on_trap);
  on_signal(SIGTRAP, on_trap);
  on_signal(SIGSEGV, on_trap);
  on_signal(SIGBUS, on_trap);
  one("zeros", 0, 1, 0);
  one("ones", 0xffffffff, 1, 0);
  one("ebreak", EBREAK, 1, 0);
  one("c.ebreak", 0x00019002, 1, 0);
  one("rdcycle", csr(2, 5, 0xc00, 0), 1, 0);
  one("rdtime", csr(2, 5, 0xc01, 0), 1, 0);
  one("rdinstret", csr(2, 5, 0xc02, 0), 1, 0);
  one("write time", csr(1, 5, 0xc01, 10), 1, 0);
  one("hpmcounter3", csr(2, 5, 0xc03, 0), 1, 0);
  one("sstatus", csr(2, 5, 0x100, 0), 1, 0);
  one("sret", 0x10200073, 1, 0);
  one("mret", 0x30200073, 1, 0);
  one("sfence.vma", 0x12000073, 1, 0);
  one("vsetvli", 0x0d0572d7, 1, 0);
  one("vl", csr(2, 5, 0xc20, 0), 1, 0);
  one("pause", 0x0100000f, 1, 0);
  one("prefetch hint (ori x0)", 0x00056013, 1, 0);
  one("zicond", rtype(0x33, 5, 7, 10, 10, 11), 1, 0);
  one("clz", 0x60051513, 1, 0);
  one("sh1add", rtype(0x33, 2, 0x10, 10, 10, 11), 1, 0);
  one("bset", rtype(0x33, 1, 0x14, 10, 10, 11), 1, 0);
  one("clmul", rtype(0x33, 1, 5, 10, 10, 11), 1, 0);
  one("fadd.h", rtype(0x53, 7, 2, 1, 1, 2), 1, 0);
  one("cbo.zero", 0x0045a00f, 1, DATA);
  one("amocas.w", rtype(0x2f, 2, 0x05 << 2, 10, 11, 12), 1, DATA);
  one("wrs.nto", 0x00d00073, 1, 0);
  one("reserved rounding mode", rtype(0x53, 5, 1, 1, 1, 2), 1, 0);
  asm volatile("fsrm %0" :: "r"(5));
  one("reserved frm", rtype(0x53, 7, 1, 1, 1, 2), 1, 0);
  one("reserved frm, static mode", rtype(0x53, 0, 1, 1, 1, 2), 1, 0);
  asm volatile("fsrm zero");
  one("misaligned ld", itype(0x03, 3, 10, 11, 3), 1, DATA);
  one("misaligned sd over pages", stype(0x23, 3, 11, 10, 0), 1, DATA + PAGE - 3);
  one("misaligned amoadd.w", rtype(0x2f, 2, 0, 10, 11, 10), 1, DATA + 2);
  one("misaligned amoadd.d", rtype(0x2f, 3, 0, 10, 11, 10), 1, DATA + 4);
  one("misaligned lr.d", rtype(0x2f, 3, 2 << 2, 10, 11, 0), 1, DATA + 4);
  one("misaligned sc.w", rtype(0x2f, 2, 3 << 2, 10, 11, 10), 1, DATA + 1);
  one("load from nowhere", itype(0x03, 3, 10, 11, 0), 1, 8);
  one("load not canonical", itype(0x03, 3, 10, 11, 0), 1, 0x4000000000);
  one("load of the kernel's", itype(0x03, 3, 10, 11, 0), 1, 0xffffffd600000000);
  one("amo to nowhere", rtype(0x2f, 2, 0, 10, 11, 10), 1, 0);
  one("lr from nowhere", rtype(0x2f, 2, 2 << 2, 10, 11, 0), 1, 0);
  S(NR_mprotect, DATA, PAGE, R);
  one("amo to read-only", rtype(0x2f, 2, 0, 10, 11, 10), 1, DATA);
  one("lr from read-only", rtype(0x2f, 2, 2 << 2, 10, 11, 0), 1, DATA);
  one("sc to read-only", rtype(0x2f, 2, 3 << 2, 10, 11, 10), 1, DATA);
  S(NR_mprotect, DATA, PAGE, W);
  one("write-only is readable", itype(0x03, 3, 10, 11, 0), 1, DATA);
  S(NR_mprotect, DATA, PAGE, X);
  one("execute-only is not", itype(0x03, 3, 10, 11, 0), 1, DATA);
  S(NR_mprotect, DATA, PAGE, R | W);
  // Bits of fcsr above the lowest eight do not exist.
  set_fcsr = 0xffffffff;
  one("fcsr all ones", 0, 1, 0);
  long now;
  asm volatile("frcsr %0" : "=r"(now));
  put(" read "); hex(now); put("\n");
  asm volatile("fmv.d.x ft0, zero" ::: "ft0");  // the kernel saves what was written since
  set_fcsr = 1ul << 32;  // 0
  one("fcsr after that", 0, 1, 0);
  set_fcsr = 0;
  // A jump to an odd address clears bit 0; one to a halfword is fine.
  one("jalr to an odd address", 0x00158067, 1, CODE + 4);
  one("jalr to nowhere", 0x00058067, 1, 0x100);
}
