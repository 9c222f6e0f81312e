// Code that changes under processes that run it: stores and fence.i, other mappings of the same page, other processes, copy on write, mprotect, new
// mappings in the old place, and every way in which the kernel writes to memory. Functions run often enough before and after to be translated.
#include "isatest.h"

enum { CODE = 0x10000000, ALIAS = 0x18000000, PAGE = 4096, MANY = 3000 };
typedef long function(long);

/// A function that adds `n` to its argument, in `words` instructions before its return.
static void adder(void *at, int n, int words) {
  u32 *p = at;
  for (int i = 0; i < words; i++) *p++ = addi(10, 10, i ? 0 : n);
  *p = RET;
}
static long many(u64 at) {
  long v = 0;
  for (int i = 0; i < MANY; i++) v = ((function *)at)(v);
  return v / MANY * 10 + v % MANY % 10;
}
static void check(const char *what, u64 at) { put(what); put(" "); num(many(at)); put("\n"); }
/// As a child that ends with what it found.
static void in_child(const char *what, void (*fn)(long), long arg) {
  long pid = fork_();
  if (pid == 0) { fn(arg); S(NR_exit_group, 0); }
  line(what, wait_(pid) >> 8);
}
static void child_calls(long at) { S(NR_exit_group, many(at) / 10); }

static void own_stores(void) {
  map(CODE, 2 * PAGE, R | W | X, PRIVATE | ANON | FIXED, -1);
  for (int n = 1; n <= 5; n++) { adder((void *)(CODE + 64), n, 4); fence_i(); check("store", CODE + 64); }
  // Over the end of the page, the change in either page.
  for (int n = 1; n <= 3; n++) { adder((void *)(CODE + PAGE - 8), n, 4); fence_i(); check("crossing", CODE + PAGE - 8); }
  ((u32 *)(CODE + PAGE))[0] = addi(10, 10, 7);
  fence_i();
  check("second page", CODE + PAGE - 8);
  // Halves of instructions, bytes, doublewords.
  ((u8 *)(CODE + PAGE - 8))[3] = addi(10, 10, 32) >> 24;
  fence_i();
  check("a byte", CODE + PAGE - 8);
  *(u64 *)(CODE + 64) = (u64)addi(10, 10, 2) << 32 | addi(10, 10, 1);
  fence_i();
  check("a doubleword", CODE + 64);
  asm volatile("amoswap.w zero, %0, (%1)" :: "r"(addi(10, 10, 4)), "r"(CODE + 64) : "memory");
  fence_i();
  check("an atomic", CODE + 64);
  S(NR_flush_icache, CODE, CODE + PAGE, 0);
  // FUTEX_WAKE_OP that sets a word: to 0x13, a nop.
  adder((void *)(CODE + 64), 5, 1);
  fence_i();
  check("before the futex", CODE + 64);
  line("futex", S(NR_futex, CODE + 512, 5, 0, 0, CODE + 64, 0x13 << 12));
  fence_i();
  check("after the futex", CODE + 64);
  // A loop that changes an instruction of itself each time around: the sum of 0..99.
  u32 *p = (u32 *)(CODE + 256);
  p[0] = addi(5, 0, 0);             // t0 = 0
  p[1] = addi(11, 0, 0);            // a1 = sum
  p[2] = addi(11, 11, 0);           // changed: a1 += t0
  p[3] = addi(5, 5, 1);
  p[4] = rtype(0x13, 1, 0, 6, 5, 20);                  // t1 = t0 << 20
  p[5] = rtype(0x33, 6, 0, 6, 6, 12);                  // t1 |= a2 (the instruction's other bits)
  p[6] = stype(0x23, 2, 13, 6, 0);                     // store it
  p[7] = 0x100f;                                       // fence.i
  p[8] = addi(7, 0, 100);
  p[9] = btype(1, 5, 7, -28);
  p[10] = addi(10, 11, 0);
  p[11] = RET;
  fence_i();
  line("a loop that changes itself", ((long (*)(long, long, long, long))p)(0, 0, addi(11, 11, 0), (long)&p[2]));
}

static void aliases(void) {
  int fd = S(NR_memfd_create, "code", 0);
  S(NR_ftruncate, fd, 2 * PAGE);
  map(CODE, 2 * PAGE, R | X, SHARED | FIXED, fd);
  map(ALIAS, 2 * PAGE, R | W, SHARED | FIXED, fd);
  for (int n = 1; n <= 4; n++) { adder((void *)(ALIAS + 128), n, 6); fence_i(); check("other mapping", CODE + 128); }
  // Another process writes, this one runs; and the other way.
  for (int n = 5; n <= 7; n++) {
    long pid = fork_();
    if (pid == 0) { adder((void *)(ALIAS + 128), n, 6); S(NR_exit_group, 0); }
    wait_(pid);
    fence_i();
    check("written by a child", CODE + 128);
  }
  int go[2], done[2];
  S(NR_pipe2, go, 0);
  S(NR_pipe2, done, 0);
  long pid = fork_();
  if (pid == 0) {
    char c;
    S(NR_close, go[1]);
    while (S(NR_read, go[0], &c, 1) == 1) {
      fence_i();
      long v = many(CODE + 128) / 10;
      S(NR_write, done[1], &v, 8);
    }
    S(NR_exit_group, 0);
  }
  S(NR_close, go[0]);
  for (int n = 11; n <= 15; n++) {
    long v = 0;
    adder((void *)(ALIAS + 128), n, 6);
    S(NR_write, go[1], "", 1);
    S(NR_read, done[0], &v, 8);
    line("run by a child", v);
  }
  S(NR_close, go[1]);
  wait_(pid);
  // The kernel writes to the file, and to the mapping.
  u32 words[4] = { addi(10, 10, 20), addi(10, 10, 1), RET };
  S(NR_pwrite, fd, words, 12, 128);
  fence_i();
  check("pwrite to the file", CODE + 128);
  words[0] = addi(10, 10, 30);
  S(NR_pipe2, go, 0);
  S(NR_write, go[1], words, 12);
  line("read into code", S(NR_read, go[0], ALIAS + 128, 12));
  fence_i();
  check("read into code", CODE + 128);
  S(NR_close, fd);
}

static void copy_on_write(void) {
  map(CODE, 2 * PAGE, R | W | X, PRIVATE | ANON | FIXED, -1);
  adder((void *)(CODE + 64), 1, 4);
  fence_i();
  check("before fork", CODE + 64);
  in_child("in the child", child_calls, CODE + 64);
  long pid = fork_();
  if (pid == 0) { adder((void *)(CODE + 64), 2, 4); fence_i(); child_calls(CODE + 64); }
  line("the child's copy", wait_(pid) >> 8);
  check("the parent's", CODE + 64);
  int hold[2];
  S(NR_pipe2, hold, 0);
  pid = fork_();
  if (pid == 0) { char c; S(NR_close, hold[1]); S(NR_read, hold[0], &c, 1); child_calls(CODE + 64); }
  adder((void *)(CODE + 64), 3, 4);
  fence_i();
  check("the parent's copy", CODE + 64);
  S(NR_close, hold[1]);
  line("the child's", wait_(pid) >> 8);
  // A private mapping of a file: the file's bytes until the first store.
  int fd = S(NR_memfd_create, "code", 0);
  S(NR_ftruncate, fd, PAGE);
  u32 words[3] = { addi(10, 10, 5), RET };
  S(NR_pwrite, fd, words, 8, 64);
  map(CODE, PAGE, R | W | X, PRIVATE | FIXED, fd);
  check("private file", CODE + 64);
  words[0] = addi(10, 10, 6);
  S(NR_pwrite, fd, words, 8, 64);
  fence_i();
  check("file written", CODE + 64);
  adder((void *)(CODE + 64), 7, 2);
  fence_i();
  check("own copy", CODE + 64);
  words[0] = addi(10, 10, 8);
  S(NR_pwrite, fd, words, 8, 64);
  fence_i();
  check("file written again", CODE + 64);
  line("dontneed", S(NR_madvise, CODE, PAGE, 4));
  fence_i();
  check("the file again", CODE + 64);
  S(NR_close, fd);
}

static void new_mappings(void) {
  for (int n = 1; n <= 4; n++) {
    map(CODE, 2 * PAGE, R | W | X, PRIVATE | ANON | FIXED, -1);
    adder((void *)(CODE + PAGE - 12), n, 6);
    fence_i();
    check("fixed over", CODE + PAGE - 12);
    if (n & 1) S(NR_munmap, CODE, 2 * PAGE);
  }
  // Two pages trade places through mremap, so that a function over the page's end has other halves.
  map(CODE, 2 * PAGE, R | W | X, PRIVATE | ANON | FIXED, -1);
  map(ALIAS, 2 * PAGE, R | W | X, PRIVATE | ANON | FIXED, -1);
  adder((void *)(CODE + PAGE - 4), 3, 2);
  adder((void *)(ALIAS + PAGE - 4), 8, 2);
  *(u32 *)(ALIAS + PAGE) = addi(10, 10, 50);
  fence_i();
  check("first", CODE + PAGE - 4);
  check("second", ALIAS + PAGE - 4);
  line("mremap", S(NR_mremap, ALIAS + PAGE, PAGE, PAGE, 3, CODE + PAGE) == CODE + PAGE);
  fence_i();
  check("first with the second's end", CODE + PAGE - 4);
  // Not executable any more, and again.
  line("mprotect", S(NR_mprotect, CODE, 2 * PAGE, R | W));
  adder((void *)(CODE + 64), 9, 3);
  line("mprotect", S(NR_mprotect, CODE, 2 * PAGE, R | X));
  fence_i();
  check("after mprotect", CODE + 64);
}

static void on_fetch(int sig, void *info, void *uc) {
  put("signal "); num(sig); put(" code "); num(si_code(info)); put(" address +"); hex(si_addr(info) - CODE); put(" pc +"); hex(gregs(uc)[0] - CODE); put("\n");
  gregs(uc)[0] = gregs(uc)[1];
}
static void fetch_faults(void) {
  on_signal(SIGSEGV, on_fetch);
  on_signal(SIGILL, on_fetch);
  on_signal(SIGTRAP, on_fetch);
  map(CODE, 2 * PAGE, R | W | X, PRIVATE | ANON | FIXED, -1);
  adder((void *)(CODE + PAGE - 8), 1, 4);
  fence_i();
  check("before", CODE + PAGE - 8);
  S(NR_mprotect, CODE + PAGE, PAGE, R | W);
  ((function *)(CODE + PAGE - 8))(0);
  S(NR_munmap, CODE + PAGE, PAGE);
  ((function *)(CODE + PAGE - 8))(0);
  // An instruction of which only the second half is missing.
  *(u16 *)(CODE + PAGE - 2) = addi(10, 10, 1) & 0xffff;
  *(u16 *)(CODE + PAGE - 4) = 1;
  fence_i();
  ((function *)(CODE + PAGE - 4))(0);
  S(NR_mprotect, CODE, PAGE, R);
  ((function *)(CODE + 64))(0);
  S(NR_munmap, CODE, PAGE);
  ((function *)(CODE + 64))(0);
}

void codechange(void) {
  own_stores();
  aliases();
  copy_on_write();
  new_mappings();
  fetch_faults();
}
