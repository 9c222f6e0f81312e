/* Random calls on terminals and memory devices: ttyfuzz SEED ROUNDS. Nothing may break; prints "survived". */
#define _GNU_SOURCE
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <termios.h>
#include <unistd.h>
static unsigned long s;
static unsigned long rnd(void) { s ^= s << 13; s ^= s >> 7; s ^= s << 17; return s; }
int main(int argc, char **argv) {
  s = strtoul(argv[1], 0, 0) * 0x9e3779b97f4a7c15ul + 1;
  long rounds = strtol(argv[2], 0, 0);
  static const char *names[] = { "/dev/ptmx", "/dev/tty", "/dev/tty1", "/dev/null", "/dev/zero", "/dev/full", "/dev/urandom", "/dev/kmsg", "/dev/pts/0", "/dev/pts/1", "/dev/pts/ptmx", "/proc/self/mem",
    "/proc/self/stat", "/proc/self/fd", "/proc/sys/kernel/hostname", "/sys/kernel/profiling", "/proc/self/oom_score_adj", "/proc/self/comm", "/proc/1/status", "/proc/self/fdinfo/3", "/sys/class/tty" };
  for (int i = 1; i < 32; i++) if (i != SIGKILL && i != SIGSEGV && i != SIGSTOP) signal(i, SIG_IGN);
  int fd[16]; unsigned char *buf = mmap(0, 1 << 16, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  for (int i = 0; i < 16; i++) fd[i] = -1;
  if (fork() == 0) setsid();
  for (long i = 0; i < rounds; i++) {
    int k = rnd() % 16, f = fd[k]; unsigned long arg = (rnd() % 3 == 0) ? rnd() : (rnd() % 2 ? (unsigned long)buf + rnd() % 65536 : rnd() % 70);
    switch (rnd() % 10) {
      case 0: if (f >= 0) close(f); fd[k] = open(names[rnd() % 21], (rnd() % 3) | O_NONBLOCK | (rnd() % 2 ? O_NOCTTY : 0)); break;
      case 1: case 2: case 3: { static const unsigned big[] = { 0x802c542a, 0x402c542b, 0x402c542c, 0x402c542d, 0x80045430, 0x40045431, 0x80045432, 0x40045436, 0x80045438, 0x80045439, 0x80045440, 0x80045200, 0x40085203 };
        unsigned c = rnd() % 3 ? 0x5400 + rnd() % 0x60 : big[rnd() % 13];
        if (c == FIONBIO || (c == 0x40045436 && (arg == SIGSTOP || arg == SIGKILL))) break; /* those end the test, rightly */
        ioctl(f, c, arg); break; }
      case 4: case 5: write(f, (void *)(rnd() % 4 ? (unsigned long)buf + rnd() % 65000 : arg), rnd() % 9000); break;
      case 6: case 7: read(f, (void *)(rnd() % 4 ? (unsigned long)buf + rnd() % 65000 : arg), rnd() % 9000); break;
      case 8: { struct pollfd p = { f, rnd(), 0 }; poll(&p, 1, 0); break; }
      case 9: lseek(f, (long)rnd() >> (rnd() % 64), rnd() % 6); for (int j = 0; j < 40; j++) buf[rnd() % 65536] = rnd(); break;
    }
  }
  signal(SIGINT, SIG_DFL); printf("survived\n");
  return 0;
}
