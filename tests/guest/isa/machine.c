// What the kernel says about the machine: the isa line of /proc/cpuinfo, AT_HWCAP, riscv_hwprobe.
#include "isatest.h"

static void cpuinfo(void) {
  static char text[4096];
  int fd = S(NR_openat, -100, "/proc/cpuinfo", 0, 0);
  long n = S(NR_read, fd, text, sizeof text - 1);
  S(NR_close, fd);
  for (long i = 0; i < n;) {
    long end = i;
    while (end < n && text[end] != '\n') end++;
    text[end] = 0;
    // Not what names the implementation.
    if (text[i] != 'm' || text[i + 1] == 'm') { put(text + i); put("\n"); }
    i = end + 1;
  }
}
static void auxv(void) {
  u64 v[64];
  int fd = S(NR_openat, -100, "/proc/self/auxv", 0, 0);
  long n = S(NR_read, fd, v, sizeof v);
  S(NR_close, fd);
  for (long i = 0; i < n / 8; i += 2)
    if (v[i] == 16 || v[i] == 26 || v[i] == 29 || v[i] == 30 || v[i] == 51 || v[i] == 6 || v[i] == 17) { put("auxv "); num(v[i]); put(" "); hex(v[i + 1]); put("\n"); }
}
struct pair { long key; u64 value; };
static void probe(void) {
  for (long key = -2; key <= 12; key++) {
    struct pair p = { key, 0x5555 };
    long r = S(NR_hwprobe, &p, 1, 0, 0, 0);
    put("hwprobe "); num(key); put(": "); num(r); put(" "); num(p.key); put(" ");
    // 0 to 2 name the implementation; 5 and 9 are measured by the kernel; 8 is how fast the machine's clock ticks.
    if (key >= 0 && key <= 2) put("id");
    else if (key == 8) put(p.value >= 1000000 ? "frequency" : "?");
    else if (key == 5 || key == 9) put(p.value <= 4 ? "speed" : "?");
    else hex(p.value);
    put("\n");
  }
  struct pair many[3] = { { 3, 0 }, { 99, 7 }, { 4, 0 } };
  line("many", S(NR_hwprobe, many, 3, 0, 0, 0));
  for (int i = 0; i < 3; i++) { num(many[i].key); put(" "); hex(many[i].value); put("\n"); }
  u64 cpus = 1;
  line("cpu 0", S(NR_hwprobe, many, 1, 8, &cpus, 0));
  cpus = 0;
  line("no cpu", S(NR_hwprobe, many, 1, 8, &cpus, 0));
  cpus = 1ul << 63;
  line("offline cpu", S(NR_hwprobe, many, 1, 8, &cpus, 0));
  line("set without size", S(NR_hwprobe, many, 1, 0, &cpus, 0));
  line("size without set", S(NR_hwprobe, many, 1, 8, 0, 0));
  line("bad set", S(NR_hwprobe, many, 1, 8, 16, 0));
  line("bad pairs", S(NR_hwprobe, 16, 1, 0, 0, 0));
  line("no pairs", S(NR_hwprobe, 16, 0, 0, 0, 0));
  cpus = 1;
  line("endless set", S(NR_hwprobe, many, 1, -1, &cpus, 0));
  line("endless set, which cpus", S(NR_hwprobe, many, 1, -1, &cpus, 1));
  line("endless pairs", S(NR_hwprobe, -4096, -1, 0, 0, 0));
  line("flags 2", S(NR_hwprobe, many, 1, 0, 0, 2));
  struct pair which[2] = { { 3, 1 }, { 4, 3 } };
  cpus = 0;
  line("which cpus", S(NR_hwprobe, which, 2, 8, &cpus, 1));
  hex(cpus); put("\n");
  which[1].value = 1ul << 40;
  cpus = 1;
  line("which cpus, none", S(NR_hwprobe, which, 2, 8, &cpus, 1));
  hex(cpus); put("\n");
  which[0].key = 77;
  cpus = 1;
  line("which cpus, unknown key", S(NR_hwprobe, which, 1, 8, &cpus, 1));
  hex(cpus); put(" "); num(which[0].key); put("\n");
  line("which cpus, no set", S(NR_hwprobe, which, 1, 0, 0, 1));
  line("which cpus, no size", S(NR_hwprobe, which, 1, 0, &cpus, 1));
  line("flush_icache flags", S(NR_flush_icache, 0, 0, 2));
  line("flush_icache local", S(NR_flush_icache, 0, 0, 1));
  line("flush_icache", S(NR_flush_icache, 0, 0, 0));
}

void machine(void) {
  cpuinfo();
  auxv();
  probe();
}
