// What stress-ng's stressors found wrong, in small. tests/proc.test.mjs.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/reboot.h>
#include <netinet/in.h>
#include <netinet/ip.h>
#include <netinet/udp.h>
#include <net/if.h>
#include <asm/termbits.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/ipc.h>
#include <sys/shm.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
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
static int err(long r) { return r < 0 ? -errno : (int)r; }

static void show(const char *what, const struct termio *t) {
  say("%s: %x %x %x %x line %d cc %d %d %d", what, t->c_iflag, t->c_oflag, t->c_cflag, t->c_lflag, t->c_line, t->c_cc[0], t->c_cc[3], t->c_cc[7]);
}
static void termio(void) {
  int m = open("/dev/ptmx", O_RDWR), no = -1, zero = 0;
  ioctl(m, TIOCSPTLCK, &zero);
  ioctl(m, TIOCGPTN, &no);
  char name[40];
  sprintf(name, "/dev/pts/%d", no);
  int s = open(name, O_RDWR | O_NOCTTY);
  struct termio t = {0};
  say("TCGETA %d", err(ioctl(s, TCGETA, &t)));
  show("at first", &t);
  t.c_lflag &= ~(ICANON | ECHO);
  t.c_iflag |= IXOFF;
  t.c_cc[3] = 99;
  say("TCSETA %d", err(ioctl(s, TCSETA, &t)));
  t.c_oflag ^= OPOST;
  say("TCSETAW %d", err(ioctl(s, TCSETAW, &t)));
  t.c_cflag |= CSTOPB;
  say("TCSETAF %d", err(ioctl(s, TCSETAF, &t)));
  memset(&t, 0, sizeof t);
  ioctl(m, TCGETA, &t);
  show("seen by the master", &t);
  struct termios full = {0};
  ioctl(s, TCGETS, &full);
  say("upper halves: %x %x %x %x, werase %d", full.c_iflag >> 16, full.c_oflag >> 16, full.c_cflag >> 16, full.c_lflag >> 16, full.c_cc[VWERASE]);
  struct termios locked = {.c_iflag = 7};
  say("TIOCGLCKTRMIOS %d: %x", err(ioctl(s, TIOCGLCKTRMIOS, &locked)), locked.c_iflag | locked.c_oflag | locked.c_cflag | locked.c_lflag);
  locked.c_lflag = ECHO | ISIG;
  locked.c_cc[VINTR] = 1;
  say("TIOCSLCKTRMIOS %d", err(ioctl(s, TIOCSLCKTRMIOS, &locked)));
  full.c_lflag ^= ECHO | ISIG | ICANON;
  full.c_cc[VINTR] = 88;
  full.c_cc[VQUIT] = 89;
  say("TCSETS %d", err(ioctl(s, TCSETS, &full)));
  struct termios now;
  ioctl(s, TCGETS, &now);
  say("lflag differs in %x, intr %d quit %d", now.c_lflag ^ full.c_lflag, now.c_cc[VINTR], now.c_cc[VQUIT]);
  say("bad address %d %d", err(ioctl(s, TCSETA, 8)), err(ioctl(s, TIOCSLCKTRMIOS, 8)));
}

static int boot_how;
static int in_pidns(void *arg) {
  (void)arg;
  pid_t child = fork();
  if (child == 0) {
    int r = err(syscall(SYS_reboot, LINUX_REBOOT_MAGIC1, LINUX_REBOOT_MAGIC2, boot_how, NULL));
    _exit(-r);
  }
  int status;
  waitpid(child, &status, 0);
  _exit(WEXITSTATUS(status));
}
static char stack[65536] __attribute__((aligned(16)));
static void reboots(void) {
  static const struct { const char *name; unsigned how; } HOW[] = {
    {"restart", LINUX_REBOOT_CMD_RESTART}, {"halt", LINUX_REBOOT_CMD_HALT}, {"power off", LINUX_REBOOT_CMD_POWER_OFF}, {"cad on", LINUX_REBOOT_CMD_CAD_ON}, {"nothing", 77},
  };
  for (unsigned i = 0; i < 5; i++) {
    boot_how = HOW[i].how;
    pid_t p = clone(in_pidns, stack + sizeof stack, CLONE_NEWPID | SIGCHLD, NULL);
    int status = 0;
    waitpid(p, &status, 0);
    if (WIFSIGNALED(status)) say("%s in a PID namespace: its init died of signal %d", HOW[i].name, WTERMSIG(status));
    else say("%s in a PID namespace: error %d", HOW[i].name, WEXITSTATUS(status));
  }
  say("wrong magic %d", err(syscall(SYS_reboot, 1, 2, 3, NULL)));
  if (setuid(1000) == 0) say("as a user %d", err(syscall(SYS_reboot, LINUX_REBOOT_MAGIC1, LINUX_REBOOT_MAGIC2, LINUX_REBOOT_CMD_CAD_OFF, NULL)));
}

static void raw_udp(void) {
  int in = socket(AF_INET, SOCK_DGRAM, 0);
  struct ifreq ifr = {.ifr_name = "lo"};
  ioctl(in, SIOCGIFFLAGS, &ifr);
  ifr.ifr_flags |= IFF_UP;
  ioctl(in, SIOCSIFFLAGS, &ifr);
  int from = socket(AF_INET, SOCK_RAW, IPPROTO_UDP), to = socket(AF_INET, SOCK_RAW, IPPROTO_UDP), one = 1;
  struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(4001), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  setsockopt(from, IPPROTO_IP, IP_HDRINCL, &one, sizeof one);
  bind(to, (void *)&a, sizeof a);
  bind(in, (void *)&a, sizeof a);
  // The UDP header counts less than the packet has, then more, and its checksum is wrong.
  static const int LENGTHS[] = {8, 12, 10, 200};
  for (int i = 0; i < 4; i++) {
    uint8_t b[32] = {0}, c[64] = {0};
    struct iphdr *ip = (void *)b;
    struct udphdr *u = (void *)(b + 20);
    *ip = (struct iphdr){.ihl = 5, .version = 4, .tot_len = htons(32), .ttl = 16, .id = htons(7), .protocol = IPPROTO_UDP, .saddr = a.sin_addr.s_addr, .daddr = a.sin_addr.s_addr};
    u->source = u->dest = htons(4001);
    u->len = htons(LENGTHS[i]);
    u->check = htons(i == 1 ? 0x1234 : 0);
    memcpy(b + 28, "abcd", 4);
    int sent = err(sendto(from, b, 32, 0, (void *)&a, sizeof a)), got = err(recv(to, c, sizeof c, MSG_DONTWAIT));
    char hex[100] = "";
    for (int j = 20; j < got; j++) sprintf(hex + strlen(hex), "%02x", c[j]);
    say("length %d: sent %d, raw socket got %d: %s", LENGTHS[i], sent, got, hex);
    got = err(recv(in, c, sizeof c, MSG_DONTWAIT));
    say("length %d: udp socket got %d %.*s", LENGTHS[i], got, got > 0 ? got : 0, c);
  }
}

static void remap(void) {
  char *p = mmap(NULL, 8 * 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  for (int i = 0; i < 8; i++) p[i * 4096] = 'a' + i;
  for (int i = 0; i < 8; i++)
    if (remap_file_pages(p + i * 4096, 4096, 0, 7 - i, 0)) say("page %d: %d", i, -errno);
  char order[9] = "";
  for (int i = 0; i < 8; i++) order[i] = p[i * 4096];
  say("reversed: %s", order);
  for (int i = 0; i < 8; i++) remap_file_pages(p + i * 4096, 4096, 0, 2, 0);
  p[5 * 4096] = 'x';
  for (int i = 0; i < 8; i++) order[i] = p[i * 4096];
  say("all one: %s", order);
  for (int i = 0; i < 8; i++) remap_file_pages(p + i * 4096, 4096, 0, i, 0);
  for (int i = 0; i < 8; i++) order[i] = p[i * 4096];
  say("again: %s", order);
  char *q = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  say("private %d", err(remap_file_pages(q, 4096, 0, 0, 0)));
  say("protection %d", err(remap_file_pages(p, 4096, PROT_READ, 0, 0)));
  munmap(p, 8 * 4096);
  // LTP's shmctl05: a removed segment is gone with the area that is mapped anew.
  int id = shmget(0xf00f, 2 * 4096, IPC_CREAT | 0700);
  char *s = shmat(id, NULL, 0), *t = shmat(id, NULL, 0);
  say("segment %d", err(remap_file_pages(s, 4096, 0, 1, 0)));
  shmctl(id, IPC_RMID, NULL);
  say("removed %d", err(remap_file_pages(s, 2 * 4096, 0, 0, 0)));
  shmdt(t);
  say("its last area %d", err(remap_file_pages(s, 2 * 4096, 0, 0, 0)));
  unsigned char core;
  say("is unmapped %d, segment %d", err(mincore(s, 4096, &core)), err(shmget(0xf00f, 0, 0)));
}

static volatile int xfsz;
static void on_xfsz(int sig) { (void)sig, xfsz++; }
static void fsize(void) {
  signal(SIGXFSZ, on_xfsz);
  int fd = open("/tmp/fsize", O_RDWR | O_CREAT, 0600);
  for (int bits = 20; bits < 60; bits += 3) {
    struct rlimit r = {(1ul << bits) - 1, RLIM_INFINITY};
    setrlimit(RLIMIT_FSIZE, &r);
    xfsz = 0;
    int e = err(fallocate(fd, 0, (1ul << bits) - 1, 1));
    // Beyond what a file can be here, only that it is refused counts.
    if (bits < 53) say("2^%d: %d, signals %d", bits, e, xfsz);
    else say("2^%d: %d", bits, e);
  }
  struct rlimit r = {RLIM_INFINITY, RLIM_INFINITY};
  setrlimit(RLIMIT_FSIZE, &r);
  unlink("/tmp/fsize");
}

static int locks_of(const char *path) {
  FILE *f = fopen("/proc/locks", "r");
  char line[200], want[30];
  struct stat st;
  stat(path, &st);
  sprintf(want, ":%lu ", (long)st.st_ino);
  int n = 0;
  while (fgets(line, sizeof line, f)) n += strstr(line, want) != NULL;
  fclose(f);
  return n;
}
static int lock(int fd, int type, long start, long length) {
  struct flock l = {.l_type = type, .l_whence = SEEK_SET, .l_start = start, .l_len = length};
  return err(fcntl(fd, F_SETLK, &l));
}
static void locks(void) {
  int fd = open("/tmp/locks", O_RDWR | O_CREAT, 0600);
  for (int i = 2999; i >= 0; i--) lock(fd, F_WRLCK, i * 2, 1);
  say("every second byte: %d", locks_of("/tmp/locks"));
  for (int i = 0; i < 1000; i++) lock(fd, F_WRLCK, i * 2 + 1, 1);
  say("a third joined: %d", locks_of("/tmp/locks"));
  say("unlock in the middle: %d, %d", lock(fd, F_UNLCK, 500, 10), locks_of("/tmp/locks"));
  say("another type over some: %d, %d", lock(fd, F_RDLCK, 4000, 100), locks_of("/tmp/locks"));
  say("unlock what is not locked: %d, %d", lock(fd, F_UNLCK, 900000, 5), locks_of("/tmp/locks"));
  say("one over all: %d, %d", lock(fd, F_WRLCK, 0, 0), locks_of("/tmp/locks"));
  close(fd);
  say("closed: %d", locks_of("/tmp/locks"));
  unlink("/tmp/locks");
}

static void stacked_mounts(void) {
  say("own namespace %d", err(unshare(CLONE_NEWNS)));
  mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL);
  mkdir("/tmp/m", 0755);
  mount("/tmp/m", "/tmp/m", NULL, MS_BIND, NULL);
  int n = 0;
  while (n < 4000 && mount("/tmp/m", "/tmp/m", NULL, MS_BIND, NULL) == 0) n++;
  say("one on the other: %d", n);
  say("copied %d", err(unshare(CLONE_NEWNS)));
  say("taken off %d", err(umount2("/tmp/m", MNT_DETACH)));
}

static void mq_thread(void) {
  int nl = socket(AF_NETLINK, SOCK_RAW, 0), fd = open("/proc/self/stat", O_RDONLY), in = socket(AF_INET, SOCK_DGRAM, 0);
  struct { long flags, max, size, now, rest[4]; } attr = {0, 4, 16};
  int q = err(syscall(SYS_mq_open, "t", O_CREAT | O_RDWR | O_NONBLOCK, 0600, &attr));
  char cookie[32] = "the cookie of one who waits", got[64];
  struct { void *value; int signo, kind; char rest[48]; } ev = {cookie, nl, 2};
  say("open %d notify %d, again %d", q >= 0, err(syscall(SYS_mq_notify, q, &ev)), err(syscall(SYS_mq_notify, q, &ev)));
  say("nothing yet %d", err(recv(nl, got, sizeof got, MSG_DONTWAIT)));
  say("send %d", err(syscall(SYS_mq_timedsend, q, "hello", 5, 0, NULL)));
  int n = err(recv(nl, got, sizeof got, MSG_DONTWAIT));
  say("cookie of %d: %.20s, last byte %d", n, got, got[31]);
  say("second message tells nobody %d %d", err(syscall(SYS_mq_timedsend, q, "hello", 5, 0, NULL)), err(recv(nl, got, sizeof got, MSG_DONTWAIT)));
  say("again %d, removed %d", err(syscall(SYS_mq_notify, q, &ev)), err(syscall(SYS_mq_notify, q, NULL)));
  n = err(recv(nl, got, sizeof got, MSG_DONTWAIT));
  say("cookie of %d, last byte %d", n, got[31]);
  ev.value = (void *)8;
  say("bad cookie %d", err(syscall(SYS_mq_notify, q, &ev)));
  ev.value = cookie;
  ev.signo = fd;
  say("no socket %d", err(syscall(SYS_mq_notify, q, &ev)));
  ev.signo = in;
  say("another socket %d", err(syscall(SYS_mq_notify, q, &ev)));
  ev.signo = 99;
  say("no descriptor %d", err(syscall(SYS_mq_notify, q, &ev)));
  ev.signo = nl;
  say("no queue %d", err(syscall(SYS_mq_notify, fd, &ev)));
  syscall(SYS_mq_notify, q, &ev);
  close(q);
  n = err(recv(nl, got, sizeof got, MSG_DONTWAIT));
  say("closed: cookie of %d, last byte %d", n, got[31]);
  syscall(SYS_mq_unlink, "t");
}

static void swap(void) {
  int fd = open("/tmp/swap", O_RDWR | O_CREAT, 0600);
  ftruncate(fd, 1 << 20);
  say("memory file %d, directory %d, missing %d, device %d", err(syscall(SYS_swapon, "/tmp/swap", 0)), err(syscall(SYS_swapon, "/tmp", 0)), err(syscall(SYS_swapon, "/tmp/none", 0)), err(syscall(SYS_swapon, "/dev/zero", 0)));
  say("flags %d, address %d", err(syscall(SYS_swapon, "/tmp/swap", 1 << 20)), err(syscall(SYS_swapon, 8, 0)));
  say("off %d, missing %d, address %d", err(syscall(SYS_swapoff, "/tmp/swap")), err(syscall(SYS_swapoff, "/tmp/none")), err(syscall(SYS_swapoff, 8)));
  if (setuid(1000) == 0) say("as a user %d %d", err(syscall(SYS_swapon, "/tmp/swap", 0)), err(syscall(SYS_swapoff, "/tmp/swap")));
  unlink("/tmp/swap");
}

#ifndef SYS_mseal
#define SYS_mseal 462
#endif
static int sealed_error(long r) { return r == -1 ? -errno : 0; }
static void seal(void) {
  char *p = mmap(NULL, 8 * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  p[0] = 1;
  munmap(p + 6 * 4096, 4096);
  say("flags %d, odd %d, hole %d, nothing %d, too long %d", err(syscall(SYS_mseal, p, 4096, 1)), err(syscall(SYS_mseal, p + 1, 4096, 0)), err(syscall(SYS_mseal, p, 8 * 4096, 0)), err(syscall(SYS_mseal, p, 0, 0)), err(syscall(SYS_mseal, p, -1, 0)));
  say("seal %d, again %d", err(syscall(SYS_mseal, p + 4096, 2 * 4096, 0)), err(syscall(SYS_mseal, p + 4096, 2 * 4096, 0)));
  say("munmap %d %d, neighbour %d", err(munmap(p + 4096, 4096)), err(munmap(p, 5 * 4096)), err(munmap(p + 5 * 4096, 4096)));
  say("mprotect %d, over all %d, first page still %d", err(mprotect(p + 4096, 4096, PROT_READ)), err(mprotect(p, 4 * 4096, PROT_READ)), (int)p[0]);
  say("mmap over it %d", sealed_error((long)mmap(p + 2 * 4096, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0)));
  say("mremap move %d, shrink %d, grow %d", sealed_error((long)mremap(p + 4096, 4096, 4096, MREMAP_MAYMOVE, 0)), sealed_error((long)mremap(p + 4096, 2 * 4096, 4096, 0)), sealed_error((long)mremap(p + 4096, 4096, 3 * 4096, MREMAP_MAYMOVE)));
  say("madvise writable %d, willneed %d", err(madvise(p + 4096, 4096, MADV_DONTNEED)), err(madvise(p + 4096, 4096, MADV_WILLNEED)));
  char *q = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  syscall(SYS_mseal, q, 4096, 0);
  say("madvise read-only %d %d %d %d, normal %d", err(madvise(q, 4096, MADV_DONTNEED)), err(madvise(q, 4096, MADV_FREE)), err(madvise(q, 4096, MADV_DONTFORK)), err(madvise(q, 4096, MADV_WIPEONFORK)), err(madvise(q, 4096, MADV_NORMAL)));
  pid_t c = fork();
  if (c == 0) _exit(-err(munmap(q, 4096)));
  int status;
  waitpid(c, &status, 0);
  say("in a child %d", WEXITSTATUS(status));
}

struct query { uint64_t size, flags, addr, start, end, vma_flags, page, offset, inode; uint32_t major, minor, name_size, id_size; uint64_t name_addr, id_addr; };
static void query(int fd, const char *what, uint64_t addr, uint64_t flags) {
  char name[200] = "";
  struct query q = {.size = sizeof q, .flags = flags, .addr = addr, .name_size = sizeof name, .name_addr = (uint64_t)name};
  int r = err(ioctl(fd, _IOWR('f', 17, struct query), &q));
  if (r) say("%s: %d", what, r);
  else say("%s: begins %s, %ld pages, flags %lx, page %ld, offset %ld, file %d, name %d %s", what, q.start <= addr ? "there" : "later", (long)(q.end - q.start) / 4096, (long)q.vma_flags, (long)q.page, (long)q.offset, q.inode != 0, q.name_size, name);
}
static void maps_query(void) {
  int fd = open("/proc/self/maps", O_RDONLY), f = open("/tmp/mapped", O_RDWR | O_CREAT, 0600);
  ftruncate(f, 5 * 4096);
  char *p = mmap(NULL, 20 * 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  munmap(p + 3 * 4096, 4096);
  mmap(p + 4 * 4096, 2 * 4096, PROT_READ, MAP_SHARED | MAP_FIXED, f, 4096);
  mmap(p + 8 * 4096, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
  uint64_t a = (uint64_t)p;
  query(fd, "file", a + 5 * 4096, 0);
  query(fd, "hole", a + 3 * 4096, 0);
  query(fd, "hole or next", a + 3 * 4096, 0x10);
  query(fd, "next that is a file", a + 6 * 4096, 0x30);
  query(fd, "file only", a, 0x20);
  query(fd, "writable only", a + 4 * 4096, 2);
  query(fd, "next writable", a + 4 * 4096, 0x12);
  query(fd, "next shared", a, 0x18);
  query(fd, "nothing above", 1ul << 62, 0x10);
  query(fd, "wrong flags", a, 0x40);
  char name[4];
  struct query q = {.size = sizeof q, .addr = a + 4 * 4096, .name_size = sizeof name, .name_addr = (uint64_t)name};
  say("short name %d", err(ioctl(fd, _IOWR('f', 17, struct query), &q)));
  q.name_size = 0;
  say("address without size %d", err(ioctl(fd, _IOWR('f', 17, struct query), &q)));
  q.name_addr = 0;
  q.size = 16;
  say("too small %d", err(ioctl(fd, _IOWR('f', 17, struct query), &q)));
  q.size = 5000;
  say("too large %d", err(ioctl(fd, _IOWR('f', 17, struct query), &q)));
  q.size = 48;
  say("shorter %d, flags %lx", err(ioctl(fd, _IOWR('f', 17, struct query), &q)), (long)q.vma_flags);
  say("no query %d, bad address %d", err(ioctl(fd, 0x6611, &q)), err(ioctl(fd, _IOWR('f', 17, struct query), 8)));
  unlink("/tmp/mapped");
}

static const struct { const char *name; void (*run)(void); } TESTS[] = {
  {"termio", termio}, {"reboots", reboots}, {"raw_udp", raw_udp}, {"remap", remap}, {"fsize", fsize}, {"locks", locks}, {"stacked_mounts", stacked_mounts}, {"mq_thread", mq_thread}, {"swap", swap}, {"seal", seal}, {"maps_query", maps_query},
};
int main(void) {
  int init = getpid() == 1;
  mkdir("/proc", 0755), mkdir("/tmp", 0777), mkdir("/dev", 0755);
  if (init) {
    mount("proc", "/proc", "proc", 0, NULL);
    mount("devtmpfs", "/dev", "devtmpfs", 0, NULL);
    mkdir("/dev/pts", 0755);
    mount("devpts", "/dev/pts", "devpts", 0, NULL);
  }
  mount("tmpfs", "/tmp", "tmpfs", 0, NULL);
  for (unsigned i = 0; i < sizeof TESTS / sizeof *TESTS; i++) {
    section = TESTS[i].name;
    fflush(stdout);
    pid_t p = fork();
    if (p == 0) {
      TESTS[i].run();
      fflush(stdout);
      _exit(0);
    }
    int status;
    waitpid(p, &status, 0);
    if (status) say("ended with %x", status);
  }
  if (init) syscall(SYS_reboot, LINUX_REBOOT_MAGIC1, LINUX_REBOOT_MAGIC2, LINUX_REBOOT_CMD_POWER_OFF, NULL);
  return 0;
}
