// Load-reserved and store-conditional among threads that are interrupted anywhere, and what ends a reservation.
#include "isatest.h"

enum { THREADS = 4, ROUNDS = 20000, STACK = 16384 };
static volatile long counter, counter32, locked, total;
static volatile int finished;
static long lr_add(volatile long *p, long n) {
  long old, failed;
  asm volatile("1: lr.d %0, (%2)\n add %1, %0, %3\n sc.d %1, %1, (%2)\n bnez %1, 1b" : "=&r"(old), "=&r"(failed) : "r"(p), "r"(n) : "memory");
  return old;
}
/// The same with a detour between the two: a backward jump, where a turn may end.
static void slow_add(volatile long *p, long n) {
  long old, failed;
  asm volatile("1: lr.w %0, (%2)\n j 3f\n2: add %1, %0, %3\n sc.w %1, %1, (%2)\n bnez %1, 1b\n j 4f\n3: j 2b\n4:" : "=&r"(old), "=&r"(failed) : "r"(p), "r"(n) : "memory");
}
static void work(void) {
  for (int i = 0; i < ROUNDS; i++) {
    lr_add(&counter, 1);
    slow_add(&counter32, 1);
    // A lock by swap around plain loads and stores.
    long busy;
    do {
      asm volatile("amoswap.d.aq %0, %1, (%2)" : "=&r"(busy) : "r"(1l), "r"(&locked) : "memory");
      if (busy) S(NR_sched_yield);
    } while (busy);
    total = total + i;
    asm volatile("amoswap.d.rl zero, zero, (%0)" :: "r"(&locked) : "memory");
  }
  asm volatile("amoadd.w zero, %0, (%1)" :: "r"(1), "r"(&finished) : "memory");
}
static char stacks[THREADS][STACK] __attribute__((aligned(16)));
long thread(long flags, void *stack, void (*fn)(void));
asm("thread: mv t0, a2\n li a7, 220\n ecall\n bnez a0, 1f\n jalr t0\n li a0, 0\n li a7, 93\n ecall\n1: ret\n");

static long reserved(int what) {
  static volatile long word[16] __attribute__((aligned(64)));
  register long failed asm("a0") = 0;
  word[0] = 1;  // the page is there and may be written
  switch (what) {
    case 0: asm volatile("lr.d t0, (%1)\n sc.d %0, t0, (%1)" : "=r"(failed) : "r"(word) : "t0", "memory"); break;
    case 1: asm volatile("lr.d t0, (%1)\n sc.d %0, t0, (%1)\n sc.d %0, t0, (%1)" : "=&r"(failed) : "r"(word) : "t0", "memory"); break;
    case 2: asm volatile("lr.d t0, (%1)\n sc.d %0, t0, (%2)" : "=&r"(failed) : "r"(word), "r"(word + 12) : "t0", "memory"); break;
    case 3: asm volatile("lr.d t0, (%1)\n sc.d t1, t0, (%2)\n sc.d %0, t0, (%1)" : "=&r"(failed) : "r"(word), "r"(word + 12) : "t0", "t1", "memory"); break;
    case 4: asm volatile("mv t2, %1\n lr.d t0, (t2)\n li a7, 172\n ecall\n sc.d a0, t0, (t2)" : "=r"(failed) : "r"(word) : "t0", "t2", "a7", "memory"); break;
    case 5: {
      // The page of the store was never written: a fault between the two.
      volatile long *fresh = map(0, 4096, R | W, PRIVATE | ANON, -1);
      asm volatile("lr.d t0, (%1)\n sc.d %0, t0, (%1)" : "=&r"(failed) : "r"(fresh) : "t0", "memory");
      break;
    }
  }
  return failed != 0;
}

void atomics(void) {
  static const char *names[] = { "reserved", "twice", "elsewhere", "after elsewhere", "after a system call", "after a fault" };
  for (int i = 0; i < 6; i++) line(names[i], reserved(i));
  for (int i = 0; i < THREADS; i++) thread(0x10f00, stacks[i] + STACK, work);  // VM, FS, FILES, SIGHAND, THREAD
  while (finished < THREADS) S(NR_sched_yield);
  line("lr/sc", counter);
  line("lr/sc with a jump between", counter32);
  line("locked", total);
}
