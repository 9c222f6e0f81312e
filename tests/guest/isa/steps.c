// A debugger's single steps on riscv: PTRACE_SINGLESTEP does not exist, so it writes an ebreak where the program goes next. In a loop that has run
// long enough to be translated, each step's pc and registers must be exact.
#include "isatest.h"

enum { TRACEME = 0, PEEKTEXT = 1, POKETEXT = 4, CONT = 7, KILL = 8, SINGLESTEP = 9, GETREGSET = 0x4204, SETREGSET = 0x4205, NT_PRSTATUS = 1 };
long hot_loop(long n);
asm(".balign 8\nhot_loop:\n li t0, 0\n li t1, 1\n1: add t0, t0, a0\n xor t1, t1, t0\n slli t2, t1, 3\n add t1, t1, t2\n addi a0, a0, -1\n bnez a0, 1b\n mv a0, t1\n ret\n");
enum { LOOP_START = 4 };  // c.li c.li, then the loop

static u64 regs[32];
static void getregs(long pid) {
  struct { void *base; u64 length; } v = { regs, sizeof regs };
  S(NR_ptrace, GETREGSET, pid, NT_PRSTATUS, &v);
}
static u64 peek(long pid, u64 at) { u64 w = 0; S(NR_ptrace, PEEKTEXT, pid, at, &w); return w; }
static u16 peek16(long pid, u64 at) { return peek(pid, at & -8ul) >> (at & 6) * 8; }
static void poke16(long pid, u64 at, u16 w) {
  u64 old = peek(pid, at & -8ul);
  int shift = (at & 6) * 8;
  S(NR_ptrace, POKETEXT, pid, at & -8ul, (old & ~(0xfffful << shift)) | (u64)w << shift);
}

void steps(void) {
  long pid = fork_();
  if (pid == 0) {
    S(NR_ptrace, TRACEME);
    long v = hot_loop(5000);
    long self = S(NR_getpid);
    S(NR_kill, self, SIGSTOP);
    v += hot_loop(4000);
    S(NR_exit_group, v & 63);
  }
  line("stopped", wait_(pid));
  line("singlestep", S(NR_ptrace, SINGLESTEP, pid, 0, 0));
  u64 loop = (u64)hot_loop;
  // Into the loop, then every instruction of three times around, by a breakpoint on each. c.ebreak is 0x9002.
  u64 at = loop + LOOP_START;
  u16 saved = peek16(pid, at);
  poke16(pid, at, 0x9002);
  S(NR_ptrace, CONT, pid, 0, 0);
  line("breakpoint", wait_(pid));
  for (int step = 0; step < 20; step++) {
    getregs(pid);
    put(" pc +"); hex(regs[0] - loop); put(" a0 "); num(regs[10]); put(" t0 "); num(regs[5]); put(" t1 "); hex(regs[6]); put(" t2 "); hex(regs[7]); put("\n");
    poke16(pid, at, saved);
    u16 half = saved;
    u64 next = at + ((half & 3) == 3 ? 4 : 2);
    // bnez at the loop's end, compressed or not: goes back while a0 is not 0.
    if ((half & 0xe003) == 0xe001 || (half & 0x7f) == 0x63) next = regs[10] ? loop + LOOP_START : next;
    at = next;
    saved = peek16(pid, at);
    poke16(pid, at, 0x9002);
    S(NR_ptrace, CONT, pid, 0, 0);
    long status = wait_(pid);
    if (status != (SIGTRAP << 8 | 0x7f)) line("unexpected", status);
  }
  poke16(pid, at, saved);
  S(NR_ptrace, CONT, pid, 0, 0);
  line("ended", wait_(pid));
}
