/* Compute kernels for bench/machine.mjs: no libc, one ecall at the end (exit; the checksum is in a1). Compiled once for each kernel with
   -DKERNEL=1..4, so that qemu-riscv64 can run the same file. */
typedef unsigned long u64;
typedef unsigned int u32;
typedef unsigned char u8;

static u64 seed = 88172645463325252UL;
static u64 rnd(void) {
  seed ^= seed << 13;
  seed ^= seed >> 7;
  seed ^= seed << 17;
  return seed;
}

/* core: crc, 16-bit matrix, list reversal and a state machine */
struct node { struct node *next; short v; };
static struct node nodes[256];
static short ma[32 * 32], mb[32 * 32];
static int mc[32 * 32];
static u64 core(void) {
  u64 sum = 0;
  for (int round = 0; round < 60; round++) {
    for (int i = 0; i < 256; i++) {
      nodes[i].v = (short)rnd();
      nodes[i].next = i < 255 ? &nodes[i + 1] : 0;
    }
    struct node *head = nodes;
    for (int k = 0; k < 20; k++) {
      struct node *prev = 0;
      while (head) {
        struct node *n = head->next;
        head->next = prev;
        prev = head;
        head = n;
      }
      head = prev;
      int find = 0;
      for (struct node *p = head; p; p = p->next) find += p->v == (short)(k * 97) ? 100 : p->v & 3;
      sum += find;
    }
    for (int i = 0; i < 32 * 32; i++) {
      ma[i] = (short)rnd();
      mb[i] = (short)(i * round);
    }
    for (int i = 0; i < 32; i++)
      for (int j = 0; j < 32; j++) {
        int acc = 0;
        for (int k = 0; k < 32; k++) acc += ma[i * 32 + k] * mb[k * 32 + j];
        mc[i * 32 + j] = acc;
      }
    u32 crc = ~0u;
    u8 *bytes = (u8 *)mc;
    for (int i = 0; i < (int)sizeof mc; i++) {
      crc ^= bytes[i];
      for (int b = 0; b < 8; b++) crc = (crc >> 1) ^ (0xedb88320u & -(crc & 1));
    }
    sum = sum * 31 + crc;
    int state = 0;
    for (int i = 0; i < 4000; i++) {
      switch (state) {
        case 0: state = (bytes[i] & 1) ? 1 : 2; break;
        case 1: state = (bytes[i] & 4) ? 3 : 0; break;
        case 2: state = (bytes[i] & 8) ? 4 : 1; break;
        case 3: state = (bytes[i] & 2) ? 5 : 2; break;
        case 4: state = (bytes[i] & 16) ? 0 : 3; break;
        default: state = 0; sum++;
      }
    }
  }
  return sum;
}

static u64 array[200000];
static void quicksort(u64 *a, long lo, long hi) {
  while (lo < hi) {
    u64 p = a[(lo + hi) / 2];
    long i = lo, j = hi;
    while (i <= j) {
      while (a[i] < p) i++;
      while (a[j] > p) j--;
      if (i <= j) {
        u64 t = a[i];
        a[i++] = a[j];
        a[j--] = t;
      }
    }
    if (j - lo < hi - i) {
      quicksort(a, lo, j);
      lo = i;
    } else {
      quicksort(a, i, hi);
      hi = j;
    }
  }
}
static u64 sort(void) {
  u64 sum = 0;
  for (int i = 0; i < 200000; i++) array[i] = rnd();
  quicksort(array, 0, 199999);
  for (int i = 0; i < 200000; i++) sum = sum * 1099511628211UL + array[i];
  return sum;
}

static __attribute__((noinline)) u64 fib(int n) { return n < 2 ? n : fib(n - 1) + fib(n - 2); }
typedef int (*cmp)(u32, u32);
static __attribute__((noinline)) int less(u32 a, u32 b) { return a < b; }
static volatile cmp compare = less;
static u32 heap[20000];
static __attribute__((noinline)) void sift(int i, int n) {
  for (;;) {
    int c = 2 * i + 1;
    if (c >= n) return;
    if (c + 1 < n && compare(heap[c], heap[c + 1])) c++;
    if (!compare(heap[i], heap[c])) return;
    u32 t = heap[i];
    heap[i] = heap[c];
    heap[c] = t;
    i = c;
  }
}
static u64 calls(void) {
  u64 sum = fib(27);
  for (int i = 0; i < 20000; i++) heap[i] = (u32)rnd();
  for (int i = 9999; i >= 0; i--) sift(i, 20000);
  for (int n = 20000; n > 1; n--) {
    u32 t = heap[0];
    heap[0] = heap[n - 1];
    heap[n - 1] = t;
    sift(0, n - 1);
  }
  for (int i = 0; i < 20000; i++) sum = sum * 31 + heap[i];
  return sum;
}

static double da[80][80], db[80][80], dc[80][80];
static u64 fp(void) {
  for (int i = 0; i < 80; i++)
    for (int j = 0; j < 80; j++) {
      da[i][j] = (double)(long)(rnd() >> 40) * 0x1p-20;
      db[i][j] = 1.0 / (1 + i + j);
    }
  for (int i = 0; i < 80; i++)
    for (int j = 0; j < 80; j++) {
      double s = 0;
      for (int k = 0; k < 80; k++) s += da[i][k] * db[k][j];
      dc[i][j] = s;
    }
  double t = 0;
  for (int i = 0; i < 80; i++) t += dc[i][i];
  union { double d; u64 u; } u = { t };
  return u.u;
}

void _start(void) {
#if KERNEL == 1
  u64 sum = core();
#elif KERNEL == 2
  u64 sum = sort();
#elif KERNEL == 3
  u64 sum = calls();
#else
  u64 sum = fp();
#endif
  register u64 a0 __asm__("a0") = 0;
  register u64 a1 __asm__("a1") = sum;
  register u64 a7 __asm__("a7") = 93;
  __asm__ volatile("ecall" : : "r"(a0), "r"(a1), "r"(a7));
  for (;;) {}
}
