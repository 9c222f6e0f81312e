/* Runs a command on a pseudoterminal and types at it: ptydrive SCRIPT CMD ARG... Each line of SCRIPT is "MILLISECONDS TEXT": wait, then type TEXT
 * (\r \n \e \t \xNN \\ are understood). Everything the command shows goes to standard output. Ends 1 s after the last line, or with the command. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>
static long ms(void) { struct timespec t; clock_gettime(CLOCK_MONOTONIC, &t); return t.tv_sec * 1000 + t.tv_nsec / 1000000; }
static void pump(int m, long until) {
  char b[4096];
  for (;;) {
    long left = until - ms();
    struct pollfd p = { m, POLLIN, 0 };
    if (poll(&p, 1, left > 0 ? left : 0) <= 0) return;
    ssize_t n = read(m, b, sizeof b);
    if (n <= 0) { fflush(stdout); int st; wait(&st); printf("[status %d]\n", st); exit(0); }
    fwrite(b, 1, n, stdout);
  }
}
int main(int argc, char **argv) {
  FILE *f = fopen(argv[1], "r");
  int m = open("/dev/ptmx", O_RDWR | O_NOCTTY), n, zero = 0;
  if (f == NULL || m < 0 || ioctl(m, TIOCGPTN, &n) < 0) { perror("ptydrive"); return 1; }
  ioctl(m, TIOCSPTLCK, &zero);
  char name[32], line[1000];
  sprintf(name, "/dev/pts/%d", n);
  struct winsize w = { 24, 80, 0, 0 };
  ioctl(m, TIOCSWINSZ, &w);
  int pid = fork();
  if (pid == 0) {
    setsid();
    int s = open(name, O_RDWR);
    dup2(s, 0); dup2(s, 1); dup2(s, 2); close(s); close(m); fclose(f);
    setenv("PS1", "$ ", 1); setenv("TERM", "vt100", 1);
    execvp(argv[2], argv + 2); _exit(127);
  }
  while (fgets(line, sizeof line, f)) {
    char *p, out[1000]; int k = 0; long d = strtol(line, &p, 10);
    pump(m, ms() + d);
    if (*p == ' ') p++;
    for (; *p && *p != '\n'; p++) {
      if (*p != '\\') { out[k++] = *p; continue; }
      switch (*++p) {
        case 'r': out[k++] = '\r'; break; case 'n': out[k++] = '\n'; break; case 'e': out[k++] = 27; break; case 't': out[k++] = '\t'; break;
        case 'x': { char h[3] = { p[1], p[2], 0 }; out[k++] = strtol(h, NULL, 16); p += 2; break; }
        default: out[k++] = *p;
      }
    }
    write(m, out, k);
  }
  pump(m, ms() + 1000);
  printf("[end]\n");
  return 0;
}
