// Which instructions exist: every 16-bit one, and for the 32-bit ones every combination of opcode, funct3, funct7 and some rs2, is executed once. All
// registers point at memory that may be read, written and executed and holds breakpoints, so what exists ends in a breakpoint or a fault of its own.
#include "isatest.h"

enum { CODE = 0x10000000, PAGE = 4096, AREA = 0x20000000, AREA_SIZE = 1 << 20, MIDDLE = AREA + AREA_SIZE / 2 };
void run_anything(u64 pointer, void *code);
void run_anything_end(void);
asm(".globl run_anything\nrun_anything:\n addi sp, sp, -256\n"
    " sd ra, 16(sp)\n sd s0, 24(sp)\n sd s1, 32(sp)\n sd s2, 40(sp)\n sd s3, 48(sp)\n sd s4, 56(sp)\n sd s5, 64(sp)\n sd s6, 72(sp)\n"
    " sd s7, 80(sp)\n sd s8, 88(sp)\n sd s9, 96(sp)\n sd s10, 104(sp)\n sd s11, 112(sp)\n sd gp, 120(sp)\n sd tp, 128(sp)\n"
    " la t0, saved_sp\n sd sp, 0(t0)\n mv x1, a1\n mv x31, a0\n"
    " .irp r,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30\n mv x\\r, x31\n .endr\n"
    " jr ra\n"
    ".globl run_anything_end\nrun_anything_end:\n la t0, saved_sp\n ld sp, 0(t0)\n"
    " ld ra, 16(sp)\n ld s0, 24(sp)\n ld s1, 32(sp)\n ld s2, 40(sp)\n ld s3, 48(sp)\n ld s4, 56(sp)\n ld s5, 64(sp)\n ld s6, 72(sp)\n"
    " ld s7, 80(sp)\n ld s8, 88(sp)\n ld s9, 96(sp)\n ld s10, 104(sp)\n ld s11, 112(sp)\n ld gp, 120(sp)\n ld tp, 128(sp)\n"
    " addi sp, sp, 256\n ret\n");
u64 saved_sp;

static int what;
static void on_end(int sig, void *info, void *uc) {
  // Illegal, and it was this one.
  what = sig == SIGILL && gregs(uc)[0] == MIDDLE;
  gregs(uc)[0] = (u64)run_anything_end;
}
static void fill(void) { for (u64 *p = (u64 *)(MIDDLE - 2064); p < (u64 *)(MIDDLE + 2192); p++) *p = 0x9002900290029002; }
static int stores(u32 w, int length) {
  u32 op = w & 0x7f;
  return length == 4 ? op == 0x23 || op == 0x27 || op == 0x2f : w >> 13 >= 4 && (w & 3) != 1;
}
static int illegal(u32 w, int length) {
  *(u16 *)MIDDLE = w;
  if (length == 4) *(u16 *)(MIDDLE + 2) = w >> 16;
  fence_i();
  // The registers point elsewhere, so that a jump through one ends.
  run_anything(MIDDLE + 80, (void *)MIDDLE);
  if (stores(w, length)) fill();
  *(u32 *)MIDDLE = 0x90029002;
  return what;
}

void decode(void) {
  map(AREA, AREA_SIZE, R | W | X, PRIVATE | ANON | FIXED, -1);
  fill();
  on_signal(SIGILL, on_end);
  on_signal(SIGTRAP, on_end);
  on_signal(SIGSEGV, on_end);
  on_signal(SIGBUS, on_end);
  for (int quadrant = 0; quadrant < 3; quadrant++) {
    for (int f3 = 0; f3 < 8; f3++) {
      long exist = 0;
      seed(1);
      for (u32 h = 0; h < 0x800; h++) {
        u32 w = f3 << 13 | h << 2 | quadrant;
        // A jump to itself would not end (x1 has the address of the code).
        if (w == 0xa001 || (w & 0xfc7f) == 0xe001 || w == 0x8082 || w == 0x9082) continue;
        int bad = illegal(w, 2);
        exist += !bad;
        mix(w * 2 + bad);
      }
      put("c"); num(quadrant); put("."); num(f3); put(" "); num(exist); put(" "); hex(digest); put("\n");
    }
  }
  static const u8 rs2s[] = { 0, 1, 3, 24 };
  for (u32 op = 0; op < 32; op++) {
    // Words of 48 bits and more are another matter.
    if ((op & 7) == 7) continue;
    put("op "); hex(op << 2 | 3);
    for (int f3 = 0; f3 < 8; f3++) {
      long exist = 0;
      seed(1);
      for (u32 f7 = 0; f7 < 128; f7++)
        for (u64 i = 0; i < sizeof rs2s; i++) {
          u32 w = f7 << 25 | rs2s[i] << 20 | 10 << 15 | f3 << 12 | 10 << 7 | op << 2 | 3;
          int bad = illegal(w, 4);
          exist += !bad;
          mix((u64)w * 2 + bad);
        }
      put(" "); num(exist); put(":"); hex(digest >> 32);
    }
    put("\n");
  }
  S(NR_munmap, AREA, AREA_SIZE);
}
