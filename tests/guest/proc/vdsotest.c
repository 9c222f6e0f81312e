// The vDSO: what an ELF reader finds in it, what its functions answer, and whether they agree with the system calls. tests/proc.test.mjs.
#define _GNU_SOURCE
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/timex.h>
#include <sys/ucontext.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static const char *section;
static void say(const char *format, ...) {
  va_list ap;
  va_start(ap, format);
  printf("%s: ", section);
  vprintf(format, ap);
  putchar('\n');
  fflush(stdout);
  va_end(ap);
}

static char *base;
static const Elf64_Sym *symtab;
static const char *strtab;
static const uint32_t *hash, *gnu;
static const uint16_t *versym;
static const Elf64_Verdef *verdef;
static unsigned long verdefs;

static const char *NAMES[] = {"__vdso_clock_getres", "__vdso_clock_gettime", "__vdso_flush_icache", "__vdso_getcpu", "__vdso_gettimeofday", "__vdso_riscv_hwprobe", "__vdso_rt_sigreturn"};

static uint32_t elf_hash(const char *s) {
  uint32_t h = 0;
  for (; *s; s++) {
    h = (h << 4) + (unsigned char)*s;
    uint32_t g = h & 0xf0000000;
    h = (h ^ (g >> 24)) & ~g;
  }
  return h;
}
static uint32_t gnu_hash(const char *s) {
  uint32_t h = 5381;
  for (; *s; s++) h = h * 33 + (unsigned char)*s;
  return h;
}
static int by_hash(const char *name) {
  uint32_t buckets = hash[0];
  for (uint32_t i = hash[2 + elf_hash(name) % buckets]; i; i = hash[2 + buckets + i])
    if (!strcmp(strtab + symtab[i].st_name, name)) return i;
  return 0;
}
static int by_gnu_hash(const char *name) {
  uint32_t h = gnu_hash(name), buckets = gnu[0], first = gnu[1], words = gnu[2], shift = gnu[3];
  const uint64_t *bloom = (const uint64_t *)(gnu + 4);
  const uint32_t *bucket = (const uint32_t *)(bloom + words), *chain = bucket + buckets;
  uint64_t word = bloom[(h / 64) % words];
  if (!((word >> (h % 64)) & (word >> ((h >> shift) % 64)) & 1)) return 0;
  uint32_t i = bucket[h % buckets];
  if (!i) return 0;
  for (;; i++) {
    uint32_t c = chain[i - first];
    if ((c | 1) == (h | 1) && !strcmp(strtab + symtab[i].st_name, name)) return i;
    if (c & 1) return 0;
  }
}
static const char *version_of(int sym) {
  const Elf64_Verdef *v = verdef;
  for (unsigned long i = 0; i < verdefs; i++, v = (void *)((char *)v + v->vd_next)) {
    const char *name = strtab + ((Elf64_Verdaux *)((char *)v + v->vd_aux))->vda_name;
    if (v->vd_ndx == versym[sym]) return v->vd_hash == elf_hash(name) ? name : "bad hash";
  }
  return "none";
}
static void find(void) {
  base = (char *)getauxval(AT_SYSINFO_EHDR);
  const Elf64_Ehdr *e = (void *)base;
  const Elf64_Phdr *p = (void *)(base + e->e_phoff);
  for (int i = 0; i < e->e_phnum; i++) {
    if (p[i].p_type != PT_DYNAMIC) continue;
    for (const Elf64_Dyn *d = (void *)(base + p[i].p_vaddr); d->d_tag != DT_NULL; d++) {
      void *at = base + d->d_un.d_ptr;
      if (d->d_tag == DT_SYMTAB) symtab = at;
      if (d->d_tag == DT_STRTAB) strtab = at;
      if (d->d_tag == DT_HASH) hash = at;
      if (d->d_tag == DT_GNU_HASH) gnu = at;
      if (d->d_tag == DT_VERSYM) versym = at;
      if (d->d_tag == DT_VERDEF) verdef = at;
      if (d->d_tag == DT_VERDEFNUM) verdefs = d->d_un.d_val;
    }
  }
}
static void *function(const char *name) {
  int i = by_hash(name);
  return i ? base + symtab[i].st_value : NULL;
}

static void maps(void) {
  FILE *f = fopen("/proc/self/maps", "r");
  char line[300];
  unsigned long start, end, last = 0;
  while (fgets(line, sizeof line, f)) {
    if (!strstr(line, "[v") || sscanf(line, "%lx-%lx", &start, &end) != 2) continue;
    say("%ld pages, %.4s, %s", (end - start) / 4096, strchr(line, ' ') + 1, strstr(line, "[vdso]") ? (start == (unsigned long)base ? "vdso at AT_SYSINFO_EHDR" : "vdso elsewhere") : "vvar");
    if (last) say("gap %ld", start - last);
    last = end;
  }
  fclose(f);
}
static void image(void) {
  const Elf64_Ehdr *e = (void *)base;
  say("ident %d %d %d %d %d, type %d machine %d version %d entry %ld phentsize %d phnum %d shentsize %d", memcmp(e->e_ident, ELFMAG, 4), e->e_ident[4], e->e_ident[5], e->e_ident[6], e->e_ident[7], e->e_type, e->e_machine, e->e_version, (long)e->e_entry, e->e_phentsize, e->e_phnum, e->e_shentsize);
  const Elf64_Phdr *p = (void *)(base + e->e_phoff);
  for (int i = 0; i < e->e_phnum; i++) say("segment %x flags %x align %lx, offset is address %d", p[i].p_type, p[i].p_flags, (long)p[i].p_align, p[i].p_offset == p[i].p_vaddr);
  const Elf64_Shdr *s = (void *)(base + e->e_shoff);
  const char *names = base + s[e->e_shstrndx].sh_offset;
  static const char *wanted[] = {".hash", ".gnu.hash", ".dynsym", ".dynstr", ".gnu.version", ".gnu.version_d", ".dynamic", ".note", ".eh_frame_hdr", ".eh_frame", ".text", ".shstrtab"};
  for (unsigned w = 0; w < sizeof wanted / sizeof *wanted; w++)
    for (int i = 1; i < e->e_shnum; i++)
      if (!strcmp(names + s[i].sh_name, wanted[w])) say("section %s type %x flags %lx align %ld entsize %ld link %s", wanted[w], s[i].sh_type, (long)s[i].sh_flags, (long)s[i].sh_addralign, (long)s[i].sh_entsize, names + s[s[i].sh_link].sh_name);
  for (int i = 0; i < e->e_phnum; i++) {
    if (p[i].p_type == PT_DYNAMIC)
      for (const Elf64_Dyn *d = (void *)(base + p[i].p_vaddr); d->d_tag != DT_NULL; d++)
        if (d->d_tag == DT_SONAME) say("soname %s", strtab + d->d_un.d_val);
    if (p[i].p_type == PT_NOTE)
      for (const char *n = base + p[i].p_vaddr; n < base + p[i].p_vaddr + p[i].p_memsz;) {
        const Elf64_Nhdr *h = (void *)n;
        if (!strcmp(n + 12, "Linux")) say("note %s type %d: %x", n + 12, h->n_type, *(uint32_t *)(n + 12 + 8) >> 8);
        n += 12 + ((h->n_namesz + 3) & ~3) + ((h->n_descsz + 3) & ~3);
      }
  }
  for (unsigned i = 0; i < sizeof NAMES / sizeof *NAMES; i++) {
    int a = by_hash(NAMES[i]), b = by_gnu_hash(NAMES[i]);
    const Elf64_Sym *y = symtab + a;
    say("%s: %s, bind %d type %d other %d, in %s, version %s, size %d", NAMES[i], a == 0 ? "missing" : a == b ? "found both ways" : "found one way", ELF64_ST_BIND(y->st_info), ELF64_ST_TYPE(y->st_info), y->st_other, names + s[y->st_shndx].sh_name, version_of(a), y->st_size > 0);
  }
  say("unknown names: %d %d", by_hash("__vdso_time"), by_gnu_hash("__vdso_time"));
  int v = by_hash("LINUX_4.15");
  say("version symbol: type %d bind %d shndx %x value %ld", ELF64_ST_TYPE(symtab[v].st_info), ELF64_ST_BIND(symtab[v].st_info), symtab[v].st_shndx, (long)symtab[v].st_value);
}

typedef int (*gettime_fn)(clockid_t, struct timespec *);
static long ns(const struct timespec *t) { return t->tv_sec * 1000000000L + t->tv_nsec; }
/** Is the vDSO's time between those of two system calls around it, and are its nanoseconds some? */
static const char *agrees(clockid_t clock) {
  gettime_fn gettime = function("__vdso_clock_gettime");
  for (int i = 0; i < 200; i++) {
    struct timespec a, b, c;
    syscall(SYS_clock_gettime, clock, &a);
    if (gettime(clock, &b) != 0) return "fails";
    syscall(SYS_clock_gettime, clock, &c);
    if (b.tv_nsec < 0 || b.tv_nsec > 999999999) return "no nanoseconds";
    if (ns(&a) > ns(&b)) return "behind the system call";
    if (ns(&b) > ns(&c)) return "ahead of the system call";
  }
  return "agrees";
}
static void clocks(void) {
  gettime_fn gettime = function("__vdso_clock_gettime"), getres = function("__vdso_clock_getres");
  for (int clock = -2; clock < 14; clock++) {
    struct timespec a = {-1, -1}, b = {-1, -1};
    int r = getres(clock, &a), s = syscall(SYS_clock_getres, clock, &b) < 0 ? -errno : 0;
    // Clocks on CPU time, and those that need hardware which one of the two may have.
    if (clock < 0 || clock == 8 || clock == 9) { say("clock %d: %s", clock, r == s && !memcmp(&a, &b, sizeof a) ? "as the system call" : "other"); continue; }
    say("clock %d: getres %d %ld.%ld, %s; without place %d", clock, r, (long)a.tv_sec, a.tv_nsec, r == s && !memcmp(&a, &b, sizeof a) ? "as the system call" : "other", getres(clock, NULL));
    if (r == 0) say("clock %d: %s", clock, agrees(clock));
    else say("clock %d: %d", clock, gettime(clock, &a));
  }
}
static void timeofday(void) {
  int (*gettimeofday_v)(struct timeval *, struct timezone *) = function("__vdso_gettimeofday");
  const char *verdict = "agrees";
  for (int i = 0; i < 200; i++) {
    struct timeval a, b, c;
    syscall(SYS_gettimeofday, &a, NULL);
    int r = gettimeofday_v(&b, NULL);
    syscall(SYS_gettimeofday, &c, NULL);
    if (r || timercmp(&a, &b, >) || timercmp(&b, &c, >) || b.tv_usec > 999999) verdict = "differs";
  }
  struct timezone tz = {77, 77};
  struct timeval tv;
  int r = gettimeofday_v(NULL, &tz);
  say("%s; zone %d %d %d; nothing %d; both %d", verdict, r, tz.tz_minuteswest, tz.tz_dsttime, gettimeofday_v(NULL, NULL), gettimeofday_v(&tv, &tz));
  struct timezone set = {-60, 1};
  say("settimeofday zone %d", (int)syscall(SYS_settimeofday, NULL, &set));
  struct timezone seen = {0, 0}, asked = {0, 0};
  gettimeofday_v(NULL, &seen);
  syscall(SYS_gettimeofday, NULL, &asked);
  say("zone now %d %d, system call %d %d", seen.tz_minuteswest, seen.tz_dsttime, asked.tz_minuteswest, asked.tz_dsttime);
  set.tz_minuteswest = 10000;
  say("zone out of range %d", syscall(SYS_settimeofday, NULL, &set) < 0 ? errno : 0);
}
static void cpu(void) {
  int (*getcpu_v)(unsigned *, unsigned *, void *) = function("__vdso_getcpu");
  unsigned c = 77, n = 77;
  cpu_set_t one;
  CPU_ZERO(&one);
  CPU_SET(0, &one);
  sched_setaffinity(0, sizeof one, &one);
  int r = getcpu_v(&c, &n, NULL);
  say("getcpu %d: %u %u", r, c, n);
  say("getcpu bad %d", getcpu_v((void *)8, NULL, NULL));
  int (*flush)(void *, void *, unsigned long) = function("__vdso_flush_icache");
  say("flush_icache %d %d %d", flush(NULL, NULL, 0), flush(NULL, NULL, 1), flush(NULL, NULL, 2));
}
struct pair { int64_t key; uint64_t value; };
static void hwprobe(void) {
  long (*probe)(struct pair *, size_t, size_t, unsigned long *, unsigned) = function("__vdso_riscv_hwprobe");
  for (long key = -2; key < 12; key++) {
    struct pair a = {key, 5}, b = a;
    long r = probe(&a, 1, 0, NULL, 0), s = syscall(258, &b, 1, 0, 0, 0);
    say("key %ld: %ld %s", key, r, r == s && !memcmp(&a, &b, sizeof a) ? "as the system call" : "other");
  }
  struct pair many[3] = {{3, 0}, {99, 7}, {4, 0}};
  unsigned long cpus = 1;
  say("many %ld: %ld %lx, %ld %lx, %ld", probe(many, 3, 0, NULL, 0), (long)many[0].key, (long)many[0].value, (long)many[1].key, (long)many[1].value, (long)many[2].key);
  say("none %ld; cpu 0 %ld; flags 2 %ld", probe(many, 0, 0, NULL, 0), probe(many, 1, 8, &cpus, 0), probe(many, 1, 0, NULL, 2));
  struct pair which = {3, 1};
  say("which cpus %ld %lx", probe(&which, 1, 8, &cpus, 1), cpus);
}

static volatile unsigned long return_address, fault_pc;
static void handler(int sig) {
  (void)sig;
  return_address = (unsigned long)__builtin_return_address(0);
}
static void on_fault(int sig, siginfo_t *info, void *context) {
  fault_pc = ((ucontext_t *)context)->uc_mcontext.__gregs[0];
  say("signal %d code %d at %lx, %s", sig, info->si_code, (long)info->si_addr, fault_pc - (unsigned long)base < 4096 ? "in the vDSO" : "elsewhere");
  _exit(0);
}
static void in_child(void (*run)(void)) {
  pid_t p = fork();
  if (p == 0) {
    run();
    _exit(0);
  }
  int status;
  waitpid(p, &status, 0);
  if (status) say("child ended with %x", status);
}
static void bad_pointer(void) {
  struct sigaction sa = {.sa_sigaction = on_fault, .sa_flags = SA_SIGINFO};
  sigaction(SIGSEGV, &sa, NULL);
  gettime_fn gettime = function("__vdso_clock_gettime");
  say("gettime to nowhere %d", gettime(CLOCK_MONOTONIC, (void *)16));
}
static void own_copy(void) {
  say("mprotect vdso rw %d", mprotect(base, 4096, PROT_READ | PROT_WRITE));
  base[4095] ^= 1;
  say("mprotect vdso rx %d", mprotect(base, 4096, PROT_READ | PROT_EXEC));
  say("mprotect vvar rw %d %d", mprotect(base - 4096, 4096, PROT_READ | PROT_WRITE), errno);
}
static void moved(void) {
  unsigned long offset = (char *)function("__vdso_rt_sigreturn") - base;
  char *to = mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  char *now = mremap(base, 4096, 4096, MREMAP_MAYMOVE | MREMAP_FIXED, to);
  say("mremap %s", now == to ? "moved" : "failed");
  raise(SIGUSR1);
  say("handler returns to %s", return_address == (unsigned long)now + offset ? "it there" : "another place");
}
static void mappings(void) {
  signal(SIGUSR1, handler);
  raise(SIGUSR1);
  say("handler returns to %s", return_address == (unsigned long)function("__vdso_rt_sigreturn") ? "__vdso_rt_sigreturn" : "another place");
  char last = base[4095];
  in_child(bad_pointer);
  in_child(own_copy);
  say("own byte %s", base[4095] == last ? "unchanged" : "changed");
  in_child(moved);
  say("half of it: mremap %s", mremap(base - 8192, 4096, 8192, MREMAP_MAYMOVE) == MAP_FAILED ? strerrorname_np(errno) : "works");
}

static void set_clocks(void) {
  struct timespec t, back;
  clock_gettime(CLOCK_REALTIME, &back);
  t = (struct timespec){2000000000, 5};
  say("settime %d", (int)syscall(SYS_clock_settime, CLOCK_REALTIME, &t));
  gettime_fn gettime = function("__vdso_clock_gettime");
  gettime(CLOCK_REALTIME, &t);
  say("%s; about %ld; coarse %s; tai %s", agrees(CLOCK_REALTIME), (long)t.tv_sec / 100, agrees(CLOCK_REALTIME_COARSE), agrees(CLOCK_TAI));
  struct timex x = {.modes = ADJ_TAI, .constant = 37};
  say("tai 37: %d", adjtimex(&x) >= 0);
  struct timespec tai;
  gettime(CLOCK_REALTIME, &t);
  gettime(CLOCK_TAI, &tai);
  say("tai is %ld ahead, %s", (ns(&tai) - ns(&t)) / 1000000000, agrees(CLOCK_TAI));
  x = (struct timex){.modes = ADJ_FREQUENCY, .freq = 500 << 16};
  say("frequency: %d", adjtimex(&x) >= 0);
  for (int i = 0; i < 3; i++) {
    say("%s; monotonic %s", agrees(CLOCK_REALTIME), agrees(CLOCK_MONOTONIC));
    usleep(3000);
  }
  x = (struct timex){.modes = ADJ_FREQUENCY, .freq = 0};
  say("no frequency: %d; %s", adjtimex(&x) >= 0, agrees(CLOCK_REALTIME));
  x = (struct timex){.modes = ADJ_TAI, .constant = 0};
  adjtimex(&x);
  syscall(SYS_clock_settime, CLOCK_REALTIME, &back);
  say("%s", agrees(CLOCK_REALTIME));
}

static void times_in_namespace(const char *who) {
  gettime_fn gettime = function("__vdso_clock_gettime");
  struct timespec m, b;
  gettime(CLOCK_MONOTONIC, &m);
  gettime(CLOCK_BOOTTIME, &b);
  say("%s: monotonic %s (%d), coarse %s, raw %s, boot %s (%d), real %s", who, agrees(CLOCK_MONOTONIC), m.tv_sec >= 1000000, agrees(CLOCK_MONOTONIC_COARSE), agrees(CLOCK_MONOTONIC_RAW), agrees(CLOCK_BOOTTIME), b.tv_sec >= 2000000, agrees(CLOCK_REALTIME));
}
static void child_of_namespace(void) { times_in_namespace("child"); }
static void namespaces(void) {
  say("unshare %d", unshare(CLONE_NEWTIME));
  int fd = open("/proc/self/timens_offsets", O_WRONLY);
  const char *text = "monotonic 1000000 0\nboottime 2000000 0\n";
  say("offsets %d", write(fd, text, strlen(text)) == (long)strlen(text));
  close(fd);
  times_in_namespace("unshared");
  in_child(child_of_namespace);
  fd = open("/proc/self/ns/time_for_children", O_RDONLY);
  int own = open("/proc/self/ns/time", O_RDONLY);
  say("setns %d", setns(fd, CLONE_NEWTIME));
  times_in_namespace("entered");
  say("back %d", setns(own, CLONE_NEWTIME));
  times_in_namespace("back");
}

static const struct { const char *name; void (*run)(void); } TESTS[] = {
  {"maps", maps}, {"image", image}, {"clocks", clocks}, {"timeofday", timeofday}, {"cpu", cpu}, {"hwprobe", hwprobe},
  {"mappings", mappings}, {"set", set_clocks}, {"namespaces", namespaces},
};
int main(void) {
  find();
  int init = getpid() == 1;
  if (init) {
    mkdir("/proc", 0755);
    mount("proc", "/proc", "proc", 0, NULL);
  }
  for (unsigned i = 0; i < sizeof TESTS / sizeof *TESTS; i++) {
    section = TESTS[i].name;
    in_child(TESTS[i].run);
  }
  if (init) reboot(RB_POWER_OFF);
  return 0;
}
