// Random loads and stores, single ones and in loops, over pages that are unmapped or read-only at first and become so again: the handler sees each
// fault's address and every register, makes the page accessible, takes others away, and returns.
#include "isatest.h"

enum { CODE = 0x10000000, DATA = 0x20000000, PAGES = 6, PAGE = 4096 };
static u32 *out;
static void emit(u32 w) { *out++ = w; }

static long count;
static int shown;
static void on_fault(int sig, void *info, void *uc) {
  u64 *x = gregs(uc), *f = fregs(uc);
  u64 addr = si_addr(info), page = addr & -PAGE;
  count++;
  mix(sig);
  mix(si_code(info));
  mix(addr - DATA);
  mix(x[0] - CODE);
  for (int i = 1; i < 32; i++) if (i != 2) mix(x[i]);
  for (int i = 0; i < 32; i++) mix(f[i]);
  mix((u32)f[32]);
  if (shown-- > 0) {
    put(" signal "); num(sig); put(" code "); num(si_code(info)); put(" address +"); hex(addr - DATA); put(" pc +"); hex(x[0] - CODE);
    put(" instruction "); hex(*(u32 *)x[0]); put(" x5 "); hex(x[5]); put(" x10 "); hex(x[10]); put("\n");
  }
  if (page < DATA || page >= DATA + PAGES * PAGE) { put("stray\n"); hex(addr); put(" "); hex(x[0]); put("\n"); S(NR_exit_group, 1); }
  u32 op = *(u32 *)x[0] & 0x7f;
  int writes = op == 0x23 || op == 0x27 || op == 0x2f;
  // Not for ever: an access over two pages that both come and go would never end.
  if (count < 150)
    for (int n = 2 + below(4); n > 0; n--) S(NR_mprotect, DATA + below(PAGES) * PAGE, PAGE, below(3) ? PROT_NONE : R);
  S(NR_mprotect, page, PAGE, writes || below(3) == 0 ? R | W : R);
}

// x8, x9, x18, x21 point into the data, x20 counts; x5..x7, x10..x17 hold values, f0..f31 too. sp is the process's own.
static const u8 bases[] = { 8, 9, 18, 21 };
static int value(void) { static const u8 regs[] = { 5, 6, 7, 10, 11, 12, 13, 14, 15, 16, 17 }; return regs[below(sizeof regs)]; }
static void body(int n) {
  while (n-- > 0) {
    int base = bases[below(3)], off = (int)below(600) - 300;
    switch (below(12)) {
      case 0: case 1: emit(itype(0x03, below(7), value(), base, off)); break;
      case 2: case 3: emit(stype(0x23, below(4), base, value(), off)); break;
      case 4: emit(itype(0x07, 2 + below(2), below(32), base, off)); break;
      case 5: emit(stype(0x27, 2 + below(2), base, below(32), off)); break;
      case 6: emit(rtype(0x2f, 2 + below(2), below(2) << 2, value(), 21, value())); break;
      case 7: emit(rtype(0x53, 7, below(4) << 2 | 1, below(32), below(32), below(32))); break;
      case 8: emit(rtype(0x33, below(8), below(2), value(), value(), value())); break;
      case 9: emit(btype(below(2) * 5, value(), value(), 8)); emit(addi(value(), value(), 1)); break;
      case 10: if (below(2)) { emit(itype(0x03, 3, value(), 21, 8)); emit(rtype(0x2f, 3, 1 << 2, value(), 21, value())); } break;
      default: emit(addi(value(), value(), below(4096)));
    }
  }
}
// The trampoline keeps the callee's registers, loads x[i] and f[i] of the context, and runs the code, which comes back through `back`.
struct context { u64 x[32]; u64 f[32]; };
static struct context ctx;
void run_code(struct context *c, void *code);
asm(".globl run_code\nrun_code:\n addi sp, sp, -256\n"
    " sd ra, 16(sp)\n sd s0, 24(sp)\n sd s1, 32(sp)\n sd s2, 40(sp)\n sd s3, 48(sp)\n sd s4, 56(sp)\n sd s5, 64(sp)\n sd s6, 72(sp)\n"
    " sd s7, 80(sp)\n sd s8, 88(sp)\n sd s9, 96(sp)\n sd s10, 104(sp)\n sd s11, 112(sp)\n sd gp, 120(sp)\n sd tp, 128(sp)\n"
    " sd a0, 0(sp)\n mv x31, a0\n mv ra, a1\n"
    " .irp r,0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31\n fld f\\r, 256+8*\\r(x31)\n .endr\n"
    " .irp r,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30\n ld x\\r, 8*\\r(x31)\n .endr\n"
    " jalr ra, ra\n"
    " ld x31, 0(sp)\n"
    " .irp r,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30\n sd x\\r, 8*\\r(x31)\n .endr\n"
    " .irp r,0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31\n fsd f\\r, 256+8*\\r(x31)\n .endr\n"
    " ld ra, 16(sp)\n ld s0, 24(sp)\n ld s1, 32(sp)\n ld s2, 40(sp)\n ld s3, 48(sp)\n ld s4, 56(sp)\n ld s5, 64(sp)\n ld s6, 72(sp)\n"
    " ld s7, 80(sp)\n ld s8, 88(sp)\n ld s9, 96(sp)\n ld s10, 104(sp)\n ld s11, 112(sp)\n ld gp, 120(sp)\n ld tp, 128(sp)\n"
    " addi sp, sp, 256\n ret\n");

static void round_(u64 n) {
  seed(n);
  count = 0;
  shown = n <= 2 ? 6 : 0;
  out = (u32 *)CODE;
  for (int part = 0; part < 6; part++) {
    int loops = below(2);
    if (loops) emit(addi(20, 0, 1 + below(120)));
    u32 *top = out;
    body(2 + below(14));
    if (!loops) continue;
    // The pointers that move do so by little: they stay within the inner pages.
    emit(addi(8, 8, 8 * (int)below(3)));
    emit(addi(9, 9, -(int)below(9)));
    emit(addi(20, 20, -1));
    emit(btype(1, 20, 0, (char *)top - (char *)out));
  }
  emit(RET);
  fence_i();
  for (int i = 0; i < 32; i++) {
    ctx.x[i] = below(3) ? rnd() : below(100) - 50;
    ctx.f[i] = below(4) ? (rnd() & 0x800ffffffffffffful) | (u64)(1000 + below(40)) << 52 : rnd();
  }
  ctx.x[8] = DATA + 400 + below(6000);
  ctx.x[9] = DATA + 8000 + below(10000);
  ctx.x[18] = DATA + 300 + below(PAGES * PAGE - 700);
  ctx.x[21] = DATA + 8 * (50 + below(2000));
  S(NR_mprotect, DATA, PAGES * PAGE, PROT_NONE);
  run_code(&ctx, (void *)CODE);
  for (int i = 3; i < 31; i++) mix(ctx.x[i]);
  for (int i = 0; i < 32; i++) mix(ctx.f[i]);
  S(NR_mprotect, DATA, PAGES * PAGE, R | W);
  for (u64 *p = (u64 *)DATA; p < (u64 *)(DATA + PAGES * PAGE); p++) mix(*p);
  put("faults "); num(n); put(": "); num(count); put(" "); hex(digest); put("\n");
}

void faults(void) {
  map(CODE, 4 * PAGE, R | W | X, PRIVATE | ANON | FIXED, -1);
  map(DATA, PAGES * PAGE, R | W, PRIVATE | ANON | FIXED, -1);
  on_signal(SIGSEGV, on_fault);
  for (u64 n = 1; n <= 80; n++) round_(n);
  S(NR_munmap, CODE, 4 * PAGE);
  S(NR_munmap, DATA, PAGES * PAGE);
}
