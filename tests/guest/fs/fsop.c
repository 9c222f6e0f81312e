// fsop SCRIPT: runs a list of raw system calls on files, one a line, and prints what each returned. The same scripts run through
// src/kernel/fs/testing/script.ts without a CPU; what real Linux printed is the expectation.
//   reset            a new process with a fresh tmpfs as its root directory, working directory and no open files
//   uid N            effective and fs user and group ID N (0 = back to root); capabilities follow as in the kernel
//   sleep            20 ms, so that time stamps differ
//   NR ARG...        system call number NR (NAME:NR also works)
// Arguments: N number; s:TEXT string (%XX escapes); o:KIND[:SIZE] an output buffer that is shown; p:N pointer to an i64 (shown after);
// iw:A|B iovec to write; ir:N|M iovec to read; lk:type,whence,start,len,pid flock; pf:fd/events,... pollfd; ts:s,ns,s,ns two timespecs
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/fsuid.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#define OUT_FD 200
static char out[1 << 20];
static int outn;
static void flush(void) { char *p = out; while (outn > 0) { ssize_t n = write(OUT_FD, p, outn); if (n <= 0) _exit(9); p += n; outn -= n; } }
static void put(const char *fmt, ...) {
  va_list ap; va_start(ap, fmt);
  if (outn > (int)sizeof out - 70000) flush();
  outn += vsnprintf(out + outn, sizeof out - outn, fmt, ap);
  va_end(ap);
}
static void putbytes(const unsigned char *p, long n) {
  for (long i = 0; i < n; i++) {
    if (p[i] > 32 && p[i] < 127 && p[i] != '%') put("%c", p[i]); else put("%%%02x", p[i]);
  }
}
static int hex(int c) { return c <= '9' ? c - '0' : (c | 32) - 'a' + 10; }
static long unescape(char *d, const char *s, long n) {
  char *d0 = d; const char *e = s + n;
  while (s < e) { if (*s == '%') { *d++ = hex(s[1]) * 16 + hex(s[2]); s += 3; } else *d++ = *s++; }
  *d = 0;
  return d - d0;
}
static struct { uint64_t dev, ino; struct timespec a, m, c; } seen[4096];
static int nseen;
static int id(uint64_t dev, uint64_t ino) {
  for (int i = 0; i < nseen; i++) if (seen[i].dev == dev && seen[i].ino == ino) return i;
  if (nseen < 4095) { seen[nseen].dev = dev; seen[nseen].ino = ino; nseen++; }
  return nseen - 1;
}
static int later(struct timespec *old, struct timespec *now) {
  int r = now->tv_sec != old->tv_sec || now->tv_nsec != old->tv_nsec; *old = *now; return r;
}
struct dent { uint64_t ino; int64_t off; unsigned short len; unsigned char type; char name[]; };
static void onalarm(int s) { (void)s; }
static int started;

static void run(char *line) {
  static char pool[8][70000];
  long a[6] = {0}; char *kind[6] = {0}; int n = 0;
  struct iovec iov[6][16]; struct flock fl[6]; struct pollfd pf[6][16]; int npf[6] = {0}; struct timespec ts[6][2]; int64_t off[6];
  char *save, *w = strtok_r(line, " \n", &save);
  char *colon = strchr(w, ':');
  long nr = strtol(colon ? colon + 1 : w, 0, 0);
  while ((w = strtok_r(0, " \n", &save)) && n < 6) {
    if (!strncmp(w, "s:", 2)) { unescape(pool[n], w + 2, strlen(w + 2)); a[n] = (long)pool[n]; }
    else if (!strncmp(w, "o:", 2)) {
      char *c = strchr(w + 2, 58); kind[n] = w + 2;
      if (c) *c = 0;
      memset(pool[n], 0, sizeof pool[n]); a[n] = (long)pool[n];
    } else if (!strncmp(w, "p:", 2)) { off[n] = strtoll(w + 2, 0, 0); a[n] = (long)&off[n]; kind[n] = "off"; }
    else if (!strncmp(w, "iw:", 3) || !strncmp(w, "ir:", 3)) {
      int rd = w[1] == 'r', i = 0; char *p = w + 3, *q = pool[n]; memset(pool[n], 0, sizeof pool[n]);
      for (;;) {
        char *e = strchrnul(p, '|'); long len = rd ? strtol(p, 0, 0) : unescape(q, p, e - p);
        iov[n][i].iov_base = q; iov[n][i].iov_len = len; i++; q += len;
        if (!*e || i == 16) break;
        p = e + 1;
      }
      a[n] = (long)iov[n]; if (rd) kind[n] = "buf-iov";
    } else if (!strncmp(w, "lk:", 3)) {
      int t, wh, pid; long long s, l; memset(&fl[n], 0, sizeof fl[n]);
      sscanf(w + 3, "%d,%d,%lld,%lld,%d", &t, &wh, &s, &l, &pid);
      fl[n].l_type = t; fl[n].l_whence = wh; fl[n].l_start = s; fl[n].l_len = l; fl[n].l_pid = pid; a[n] = (long)&fl[n]; kind[n] = "lk";
    } else if (!strncmp(w, "pf:", 3)) {
      char *p = w + 3; int i = 0;
      while (*p && i < 16) { pf[n][i].fd = strtol(p, &p, 0); if (*p == '/') p++; pf[n][i].events = strtol(p, &p, 0); pf[n][i].revents = 0; i++; if (*p == ',') p++; }
      npf[n] = i; a[n] = (long)pf[n]; kind[n] = "pf";
    } else if (!strncmp(w, "ts:", 3)) {
      long long s0, n0, s1, n1; sscanf(w + 3, "%lld,%lld,%lld,%lld", &s0, &n0, &s1, &n1);
      ts[n][0].tv_sec = s0; ts[n][0].tv_nsec = n0; ts[n][1].tv_sec = s1; ts[n][1].tv_nsec = n1; a[n] = (long)ts[n];
    } else a[n] = strtol(w, 0, 0);
    n++;
  }
  struct itimerval it = {.it_value = {0, 60000}}, off0 = {0};
  setitimer(ITIMER_REAL, &it, 0);
  long r = syscall(nr, a[0], a[1], a[2], a[3], a[4], a[5]);
  int e = errno;
  setitimer(ITIMER_REAL, &off0, 0);
  if (r < 0 && e == EINTR) { put("BLOCKED\n"); return; }
  if (r < 0) put("-%s", strerrorname_np(e) ? strerrorname_np(e) : "?"); else put("%ld", r);
  for (int i = 0; i < n; i++) {
    if (!kind[i]) continue;
    char *kd = kind[i];
    if (!strcmp(kd, "off")) { put(" @%lld", (long long)off[i]); continue; }
    if (r < 0) continue;
    if (!strcmp(kd, "stat") || !strcmp(kd, "statt")) {
      struct stat *s = (void *)pool[i]; int k = id(s->st_dev, s->st_ino);
      put(" #%d %o n%d %d:%d", k, s->st_mode, (int)s->st_nlink, s->st_uid, s->st_gid);
      if (S_ISCHR(s->st_mode) || S_ISBLK(s->st_mode)) put(" r%llx", (long long)s->st_rdev); else put(" s%lld b%lld", (long long)s->st_size, (long long)s->st_blocks);
      if (kd[4]) { int x = later(&seen[k].a, &s->st_atim), y = later(&seen[k].m, &s->st_mtim), z = later(&seen[k].c, &s->st_ctim); put(" %c%c%c", x ? 'a' : '-', y ? 'm' : '-', z ? 'c' : '-'); }
    } else if (!strcmp(kd, "dents")) {
      for (long o = 0; o < r;) { struct dent *d = (void *)(pool[i] + o); put(" "); putbytes((unsigned char *)d->name, strlen(d->name)); put(":%d", d->type); o += d->len; }
    } else if (!strncmp(kd, "buf", 3)) { put(" "); putbytes((unsigned char *)pool[i], r); }
    else if (!strcmp(kd, "statfs")) { struct statfs *s = (void *)pool[i]; put(" %lx %ld %ld %lx", (long)s->f_type, (long)s->f_bsize, (long)s->f_namelen, (long)s->f_flags); }
    else if (!strcmp(kd, "fds")) { int *f = (void *)pool[i]; put(" %d,%d", f[0], f[1]); }
    else if (!strcmp(kd, "int")) put(" %d", *(int *)pool[i]);
    else if (!strcmp(kd, "lk")) put(" %d,%d,%lld,%lld,%d", fl[i].l_type, fl[i].l_whence, (long long)fl[i].l_start, (long long)fl[i].l_len, fl[i].l_pid > 0 ? 1 : fl[i].l_pid);
    else if (!strcmp(kd, "pf")) for (int j = 0; j < npf[i]; j++) put(" %x", pf[i][j].revents);
    else if (!strcmp(kd, "statx")) {
      struct statx *s = (void *)pool[i];
      put(" m%x #%d %o n%d %d:%d s%lld b%lld at%llx/%llx", s->stx_mask, id(0, s->stx_ino), s->stx_mode, s->stx_nlink, s->stx_uid, s->stx_gid, (long long)s->stx_size, (long long)s->stx_blocks, (long long)s->stx_attributes, (long long)s->stx_attributes_mask);
    }
  }
  put("\n");
}

int main(int argc, char **argv) {
  FILE *f = argc > 1 ? fopen(argv[1], "r") : 0;
  if (!f) return 2;
  fseek(f, 0, SEEK_END); long n = ftell(f); rewind(f);
  char *text = malloc(n + 1); n = fread(text, 1, n, f); text[n] = 0; fclose(f);
  dup2(1, OUT_FD);
  struct sigaction sa = {.sa_handler = onalarm}; sigaction(SIGALRM, &sa, 0);
  signal(SIGPIPE, SIG_IGN); signal(SIGXFSZ, SIG_IGN);
  char *line = text;
  while (line && *line) {
    char *next = strchr(line, '\n'); if (next) *next++ = 0;
    if (!strcmp(line, "reset")) {
      if (started) { flush(); _exit(0); }
      pid_t pid = fork();
      if (pid == 0) {
        started = 1; outn = 0; nseen = 0;
        unshare(CLONE_NEWNS); mkdir("/fsop-root", 0755);
        if (mount("t", "/fsop-root", "tmpfs", 0, "mode=755") < 0) { put("mount %d\n", errno); flush(); _exit(1); }
        close(0); close(1); close(2); for (int fd = 3; fd < OUT_FD; fd++) close(fd);
        chdir("/fsop-root"); if (chroot("/fsop-root") < 0) _exit(1);
        chdir("/"); umask(022);
      } else { int st; flush(); waitpid(pid, &st, 0); umount2("/fsop-root", MNT_DETACH);
        // the child went on to the next reset: skip to it here
        while (next && *next && strncmp(next, "reset", 5)) { next = strchr(next, '\n'); if (next) next++; } }
    } else if (!strncmp(line, "uid ", 4)) {
      int u = atoi(line + 4);
      if (setresuid(-1, 0, -1) || setresgid(-1, u, -1) || setresuid(-1, u, -1)) put("uid failed\n");
    } else if (!strcmp(line, "sleep")) usleep(20000);
    else if (*line && *line != '#') run(line);
    line = next;
  }
  flush();
  return 0;
}
