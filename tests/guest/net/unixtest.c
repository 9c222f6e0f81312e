// unixtest [NAME...]: UNIX sockets and what all sockets share. tests/fixtures/net/unixtest.txt is what real Linux printed.
#include "common.h"
#include <netinet/in.h>
#include <stddef.h>
#include <linux/sockios.h>
#define SOL_TCP_ 6
#ifndef SO_PEERPIDFD
#define SO_PEERPIDFD 77
#endif

static socklen_t un(struct sockaddr_un *a, const char *name, int len) {
  memset(a, 0, sizeof *a);
  a->sun_family = AF_UNIX;
  if (len < 0) len = strlen(name) + 1;
  memcpy(a->sun_path, name, len);
  return offsetof(struct sockaddr_un, sun_path) + len;
}
static int bindu(int fd, const char *name, int len) {
  struct sockaddr_un a;
  socklen_t l = un(&a, name, len);
  return bind(fd, (void *)&a, l);
}
static int connectu(int fd, const char *name, int len) {
  struct sockaddr_un a;
  socklen_t l = un(&a, name, len);
  return connect(fd, (void *)&a, l);
}
static int sendu(int fd, const void *b, int n, int flags, const char *name, int len) {
  struct sockaddr_un a;
  socklen_t l = un(&a, name, len);
  return sendto(fd, b, n, flags, (void *)&a, l);
}
static void showname(int fd, int peer, const char *what) {
  struct sockaddr_un a;
  memset(&a, 0x55, sizeof a);
  socklen_t l = sizeof a;
  int r = peer ? getpeername(fd, (void *)&a, &l) : getsockname(fd, (void *)&a, &l);
  if (r < 0) { ok(r, "%s %s", peer ? "getpeername" : "getsockname", what); return; }
  char t[128]; int n = 0;
  for (int i = 2; i < (int)l; i++) t[n++] = a.sun_path[i - 2] ? a.sun_path[i - 2] : '@';
  t[n] = 0;
  say("%s %s family %d len %d name \"%s\"", peer ? "getpeername" : "getsockname", what, a.sun_family, l, t);
}

static void t_create(void) {
  ok(socket(AF_UNIX, SOCK_STREAM, 0), "stream");
  ok(socket(AF_UNIX, SOCK_DGRAM, 0), "dgram");
  ok(socket(AF_UNIX, SOCK_SEQPACKET, 0), "seqpacket");
  ok(socket(AF_UNIX, SOCK_RAW, 0), "raw");
  ok(socket(AF_UNIX, SOCK_RDM, 0), "rdm");
  ok(socket(AF_UNIX, SOCK_STREAM, 1), "protocol 1");
  ok(socket(AF_UNIX, SOCK_STREAM, 2), "protocol 2");
  ok(socket(AF_UNIX, 7, 0), "type 7");
  ok(socket(AF_UNIX, 11, 0), "type 11");
  ok(socket(AF_UNIX, 16 | SOCK_STREAM, 0), "bad flags");
  ok(socket(-1, SOCK_STREAM, 0), "family -1");
  ok(socket(46, SOCK_STREAM, 0), "family 46");
  ok(socket(45, SOCK_STREAM, 0), "family 45");
  ok(socket(AF_UNSPEC, SOCK_STREAM, 0), "family 0");
  int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  show(fcntl(fd, F_GETFD), "F_GETFD");
  show(fcntl(fd, F_GETFL), "F_GETFL");
  struct stat st;
  fstat(fd, &st);
  say("mode %o nlink %d size %d blksize %d", st.st_mode, (int)st.st_nlink, (int)st.st_size, (int)st.st_blksize);
  char l[64], p[64];
  sprintf(p, "/proc/self/fd/%d", fd);
  int n = readlink(p, l, 63); l[n > 0 ? n : 0] = 0;
  int ino = -1; sscanf(l, "socket:[%d]", &ino);
  say("link %.8s same inode %d", l, ino == (int)st.st_ino);
  ok(open(p, O_RDONLY), "open of it");
  ok(lseek(fd, 0, SEEK_SET), "lseek");
  char b[4];
  ok(pread(fd, b, 1, 0), "pread");
  ok(pwrite(fd, b, 1, 0), "pwrite");
  ok(ftruncate(fd, 0), "ftruncate");
  ok(fsync(fd), "fsync");
  ok(fchmod(fd, 0600), "fchmod");
  ok(fallocate(fd, 0, 0, 10), "fallocate");
  show(read(fd, b, 0), "read 0 bytes");
  ok(read(fd, b, 1), "read unconnected");
  ok(write(fd, b, 0), "write 0 unconnected");
  ok(write(fd, b, 1), "write unconnected");
  int v[2];
  ok(socketpair(AF_UNIX, SOCK_STREAM, 0, (void *)8), "pair efault");
  ok(socketpair(AF_UNIX, SOCK_STREAM, 5, v), "pair proto");
  ok(socketpair(AF_UNIX, SOCK_STREAM | 64, 0, v), "pair flags");
  ok(socketpair(99, SOCK_STREAM, 0, v), "pair family");
  int pfd = open("/proc/self/status", O_RDONLY);
  ok(bind(pfd, 0, 0), "bind of a file");
  ok(listen(pfd, 1), "listen of a file");
  ok(accept(pfd, 0, 0), "accept of a file");
  ok(connect(pfd, 0, 0), "connect of a file");
  ok(getsockname(pfd, 0, 0), "getsockname of a file");
  ok(send(pfd, b, 1, 0), "send of a file");
  ok(recv(pfd, b, 1, 0), "recv of a file");
  ok(shutdown(pfd, 0), "shutdown of a file");
  ok(getsockopt(pfd, 1, 1, 0, 0), "getsockopt of a file");
  ok(setsockopt(pfd, 1, 1, 0, 0), "setsockopt of a file");
  ok(bind(99, 0, 0), "bind of nothing");
  ok(listen(99, 1), "listen of nothing");
  ok(accept(99, 0, 0), "accept of nothing");
  ok(sendmsg(99, 0, 0), "sendmsg of nothing");
  ok(recvmsg(99, 0, 0), "recvmsg of nothing");
}

static void t_bind(void) {
  int s = socket(AF_UNIX, SOCK_STREAM, 0), d = socket(AF_UNIX, SOCK_DGRAM, 0), e;
  struct sockaddr_un a;
  showname(s, 0, "unbound"); showname(s, 1, "unbound");
  ok(bindu(s, "a", -1), "bind a"); showname(s, 0, "a");
  ok(bindu(d, "a", -1), "bind a again");
  ok(bindu(s, "b", -1), "bind twice");
  struct stat st; show(stat("b", &st), "stat b");
  stat("a", &st); say("a mode %o size %d", st.st_mode, (int)st.st_size);
  umask(077); e = socket(AF_UNIX, SOCK_STREAM, 0); bindu(e, "m", -1); stat("m", &st); say("m mode %o", st.st_mode); umask(022);
  ok(bindu(d, "nodir/x", -1), "bind nodir");
  ok(bindu(d, "a/x", -1), "bind below a socket");
  ok(bindu(d, "d/", -1), "bind slash");
  ok(bindu(d, ".", -1), "bind .");
  ok(bindu(d, "/", -1), "bind /");
  ok(bindu(d, "\0abs", 4), "bind abstract"); showname(d, 0, "abstract");
  e = socket(AF_UNIX, SOCK_DGRAM, 0); ok(bindu(e, "\0abs", 4), "abstract again");
  ok(bindu(e, "\0abs", 5), "abstract longer"); showname(e, 0, "abstract longer");
  e = socket(AF_UNIX, SOCK_STREAM, 0); ok(bindu(e, "\0abs", 4), "abstract other type");
  e = socket(AF_UNIX, SOCK_STREAM, 0); ok(bindu(e, "\0", 1), "abstract empty"); showname(e, 0, "abstract empty");
  e = socket(AF_UNIX, SOCK_STREAM, 0);
  a.sun_family = AF_INET; ok(bind(e, (void *)&a, 10), "wrong family");
  a.sun_family = AF_UNIX; strcpy(a.sun_path, "zz");
  ok(bind(e, (void *)&a, 0), "len 0"); ok(bind(e, (void *)&a, 1), "len 1"); ok(bind(e, (void *)&a, 111), "len 111"); ok(bind(e, (void *)&a, 129), "len 129");
  ok(bind(e, (void *)&a, -1), "len -1"); ok(bind(e, (void *)8, 10), "efault");
  memset(a.sun_path, 'q', 108); ok(bind(e, (void *)&a, 110), "108 chars"); showname(e, 0, "108 chars");
  struct sockaddr_storage big; socklen_t bl = 200; memset(&big, 0, sizeof big); getsockname(e, (void *)&big, &bl); say("full len %d", bl);
  bl = 5; memset(&big, 0x55, sizeof big); show(getsockname(e, (void *)&big, &bl), "short getsockname"); say("len %d byte4 %c byte5 %x", bl, ((char *)&big)[4], ((char *)&big)[5]);
  bl = -1; ok(getsockname(e, (void *)&big, &bl), "negative len"); ok(getsockname(e, (void *)&big, 0), "null len");
  e = socket(AF_UNIX, SOCK_STREAM, 0); a.sun_family = AF_UNIX; ok(bind(e, (void *)&a, 2), "autobind"); bl = sizeof a; getsockname(e, (void *)&a, &bl);
  int hexd = 1; for (int i = 1; i < 6; i++) hexd &= !!strchr("0123456789abcdef", a.sun_path[i]); say("autobind len %d first %d hex %d", bl, a.sun_path[0], hexd);
  ok(bind(e, (void *)&a, 2), "autobind again");
  ok(unlink("a"), "unlink a"); e = socket(AF_UNIX, SOCK_STREAM, 0); ok(bindu(e, "a", -1), "bind a anew");
  close(e); ok(stat("a", &st), "a after close"); e = socket(AF_UNIX, SOCK_STREAM, 0); ok(bindu(e, "a", -1), "bind a stale"); ok(connectu(e, "a", -1), "connect stale");
  ok(open("a", O_RDONLY), "open a"); ok(truncate("a", 0), "truncate a"); ok(connectu(e, "plain", -1), "connect missing"); close(open("plain", O_CREAT | O_WRONLY, 0644)); ok(connectu(e, "plain", -1), "connect plain");
  ok(mknod("sk", S_IFSOCK | 0755, 0), "mknod sock"); ok(connectu(e, "sk", -1), "connect mknod"); ok(connectu(e, "\0nobody", 7), "connect abstract missing");
}

static void t_stream(void) {
  int l = socket(AF_UNIX, SOCK_STREAM, 0), c = socket(AF_UNIX, SOCK_STREAM, 0), s;
  char b[100];
  ok(listen(l, 5), "listen unbound"); bindu(l, "s", -1); ok(connectu(c, "s", -1), "connect not listening"); polls(l, "bound");
  ok(listen(l, 1), "listen"); polls(l, "listening"); ok(accept4(l, 0, 0, SOCK_NONBLOCK | 1), "accept4 flags"); fcntl(l, F_SETFL, O_NONBLOCK); ok(accept(l, 0, 0), "accept none");
  show(connectu(c, "s", -1), "connect"); polls(l, "pending"); polls(c, "connected"); ok(connectu(c, "s", -1), "connect again"); showname(c, 1, "client");
  show(write(c, "early", 5), "write before accept");
  struct sockaddr_un a; socklen_t al = sizeof a; s = accept(l, (void *)&a, &al); ok(s, "accept"); say("accepted addr len %d", al); showname(s, 0, "server"); showname(s, 1, "server");
  show(fcntl(s, F_GETFL), "server flags"); show(read(s, b, 100), "read"); say("%.5s", b); show(write(s, "hello", 5), "write back"); show(recv(c, b, 2, 0), "recv 2"); show(recv(c, b, 100, MSG_PEEK), "peek"); show(recv(c, b, 100, 0), "recv rest");
  ok(recv(c, b, 100, MSG_DONTWAIT), "recv empty"); ok(accept(c, 0, 0), "accept on connection"); ok(listen(c, 1), "listen on connection"); ok(bindu(c, "c", -1), "bind connected"); showname(s, 1, "after bind");
  ok(sendu(c, "x", 1, 0, "s", -1), "sendto connected"); int n; ok(ioctl(l, SIOCINQ, &n), "SIOCINQ listener"); ok(ioctl(l, SIOCOUTQ, &n), "SIOCOUTQ listener");
  write(c, "abc", 3); write(c, "de", 2); ioctl(s, SIOCINQ, &n); say("inq %d", n); ioctl(c, SIOCOUTQ, &n); say("outq %d", n); ioctl(s, FIONREAD, &n); say("fionread %d", n);
  struct iovec iv[2] = {{b, 4}, {b + 50, 10}}; show(readv(s, iv, 2), "readv"); say("%.4s %.1s", b, b + 50);
  show(shutdown(c, SHUT_WR), "shutdown wr"); polls(c, "client"); polls(s, "server"); show(read(s, b, 10), "read eof"); show(write(s, "z", 1), "write other way"); show(read(c, b, 10), "read other way"); signal(SIGPIPE, SIG_IGN); ok(write(c, "x", 1), "write after shutdown");
  show(shutdown(s, SHUT_RD), "shutdown rd"); polls(s, "server"); ok(shutdown(s, 3), "shutdown 3"); ok(shutdown(s, -1), "shutdown -1"); close(s); polls(c, "client"); show(read(c, b, 10), "read closed"); ok(write(c, "x", 1), "write closed"); ok(recv(c, b, 1, 0), "again");
  showname(c, 1, "peer closed");
  /* reset: unread data */
  int p[2]; socketpair(AF_UNIX, SOCK_STREAM, 0, p); write(p[0], "unread", 6); close(p[1]); polls(p[0], "reset"); ok(read(p[0], b, 10), "read reset"); show(read(p[0], b, 10), "read again"); ok(write(p[0], b, 1), "write reset");
  socketpair(AF_UNIX, SOCK_STREAM, 0, p); write(p[0], "unread", 6); close(p[0]); show(read(p[1], b, 3), "read after close"); show(read(p[1], b, 10), "rest"); show(read(p[1], b, 10), "eof");
  /* embryo reset */
  l = socket(AF_UNIX, SOCK_STREAM, 0); unlink("s"); bindu(l, "s", -1); listen(l, 5); c = socket(AF_UNIX, SOCK_STREAM, 0); connectu(c, "s", -1); close(l); polls(c, "listener gone"); ok(read(c, b, 1), "read embryo"); show(read(c, b, 1), "read embryo again");
  /* backlog */
  l = socket(AF_UNIX, SOCK_STREAM, 0); unlink("s"); bindu(l, "s", -1); listen(l, 0); int i; for (i = 0; i < 5; i++) { c = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0); if (connectu(c, "s", -1) < 0) break; } say("backlog 0: %d then %s", i, name_of(errno));
  listen(l, 2); for (i = 0; i < 5; i++) { c = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0); if (connectu(c, "s", -1) < 0) break; } say("backlog 2: %d more then %s", i, name_of(errno));
  shutdown(l, SHUT_RD); c = socket(AF_UNIX, SOCK_STREAM, 0); ok(connectu(c, "s", -1), "connect to shut listener"); for (i = 0; i < 9; i++) if (accept(l, 0, 0) < 0) break; say("accepted %d then %s", i, name_of(errno));
}
static void alarm_h(int s) { }
static void t_block(void) {
  int p[2]; char b[100]; socketpair(AF_UNIX, SOCK_STREAM, 0, p);
  if (!fork()) { msleep(20); write(p[1], "ab", 2); msleep(20); write(p[1], "cd", 2); msleep(20); write(p[1], "ef", 2); msleep(50); _exit(0); }
  show(recv(p[0], b, 4, MSG_WAITALL), "waitall 4"); say("%.4s", b); show(recv(p[0], b, 100, 0), "blocking recv"); close(p[1]); show(recv(p[0], b, 4, MSG_WAITALL), "eof at exit"); wait(0);
  socketpair(AF_UNIX, SOCK_STREAM, 0, p);
  if (!fork()) { msleep(20); write(p[1], "abc", 3); _exit(0); } close(p[1]); show(recv(p[0], b, 100, MSG_WAITALL), "waitall cut by close"); wait(0);
  socketpair(AF_UNIX, SOCK_STREAM, 0, p); struct timeval tv = {0, 50000}; setsockopt(p[0], SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof tv); long t0 = now_ms(); ok(recv(p[0], b, 1, 0), "rcvtimeo"); say("late enough %d", now_ms() - t0 >= 49);
  write(p[1], "q", 1); setint(p[0], SOL_SOCKET, SO_RCVLOWAT, 4); show(recv(p[0], b, 10, 0), "lowat cut by timeout"); 
  setsockopt(p[0], SOL_SOCKET, SO_SNDTIMEO, &tv, sizeof tv); static char big[300000]; int r = send(p[0], big, sizeof big, 0); say("sndtimeo partial %d", r > 0 && r < (int)sizeof big); ok(send(p[0], big, sizeof big, 0), "sndtimeo full");
  struct sigaction sa = {.sa_handler = alarm_h}; sigaction(SIGALRM, &sa, 0); struct itimerval it = {{0, 0}, {0, 30000}};
  int q[2]; socketpair(AF_UNIX, SOCK_STREAM, 0, q); setitimer(ITIMER_REAL, &it, 0); ok(recv(q[0], b, 1, 0), "interrupted recv");
  write(q[1], "w", 1); setitimer(ITIMER_REAL, &it, 0); show(recv(q[0], b, 5, MSG_WAITALL), "interrupted waitall");
  sa.sa_flags = SA_RESTART; sigaction(SIGALRM, &sa, 0); if (!fork()) { msleep(60); write(q[1], "r", 1); _exit(0); } setitimer(ITIMER_REAL, &it, 0); show(recv(q[0], b, 1, 0), "restarted recv"); wait(0);
  setsockopt(q[0], SOL_SOCKET, SO_RCVTIMEO, &(struct timeval){1, 0}, sizeof tv); setitimer(ITIMER_REAL, &it, 0); ok(recv(q[0], b, 1, 0), "timeo not restarted");
  int l = socket(AF_UNIX, SOCK_STREAM, 0); bindu(l, "bl", -1); listen(l, 1); if (!fork()) { msleep(30); int c = socket(AF_UNIX, SOCK_STREAM, 0); connectu(c, "bl", -1); write(c, "hi", 2); _exit(0); } int s = accept(l, 0, 0); ok(s, "blocking accept"); show(read(s, b, 10), "read"); wait(0);
  listen(l, 0); int c1 = socket(AF_UNIX, SOCK_STREAM, 0), c2 = socket(AF_UNIX, SOCK_STREAM, 0); connectu(c1, "bl", -1); if (!fork()) { msleep(30); accept(l, 0, 0); msleep(30); _exit(0); } show(connectu(c2, "bl", -1), "blocking connect"); wait(0);
  setsockopt(l, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof tv); s = accept(l, 0, 0); ok(s, "accept second"); ok(accept(l, 0, 0), "accept timeo");
  signal(SIGPIPE, SIG_DFL); socketpair(AF_UNIX, SOCK_STREAM, 0, p); if (!fork()) { close(p[1]); send(p[0], "x", 1, MSG_NOSIGNAL); printf("%s: nosignal survived\n", section); send(p[0], "x", 1, 0); _exit(0); } int st; wait(&st); say("child with p1 open elsewhere: %x", st);
  close(p[1]); if (!fork()) { send(p[0], "x", 1, MSG_NOSIGNAL); printf("%s: nosignal survived 2\n", section); fflush(stdout); send(p[0], "x", 1, 0); _exit(0); } wait(&st); say("child killed by %d", st & 127);
  /* writer blocked until reader drains */
  socketpair(AF_UNIX, SOCK_STREAM, 0, p); if (!fork()) { close(p[1]); int r = write(p[0], big, sizeof big); printf("%s: child wrote %d\n", section, r); fflush(stdout); _exit(0); } close(p[0]); long tot = 0; int k; msleep(20); while ((k = read(p[1], big, 5000)) > 0) tot += k; say("parent read %ld", tot); wait(0);
}

static void t_dgram(void) {
  int a = socket(AF_UNIX, SOCK_DGRAM, 0), b = socket(AF_UNIX, SOCK_DGRAM, 0), c; char buf[100]; static char big[300000];
  polls(a, "fresh"); ok(send(a, "x", 1, 0), "send unconnected"); ok(sendu(a, "x", 1, 0, "db", -1), "sendto missing"); bindu(b, "db", -1); show(sendu(a, "hello", 5, 0, "db", -1), "sendto"); polls(b, "ready");
  struct sockaddr_un sa; memset(&sa, 0x55, sizeof sa); socklen_t l = sizeof sa; show(recvfrom(b, buf, 100, 0, (void *)&sa, &l), "recvfrom"); say("from len %d", l);
  bindu(a, "da", -1); sendu(a, "hello", 5, 0, "db", -1); l = sizeof sa; show(recvfrom(b, buf, 3, 0, (void *)&sa, &l), "recvfrom short"); say("from len %d %s", l, sa.sun_path);
  sendu(a, "hello", 5, 0, "db", -1); show(recv(b, buf, 3, MSG_TRUNC), "msg_trunc"); sendu(a, "hello", 5, 0, "db", -1); show(recv(b, buf, 3, MSG_PEEK | MSG_TRUNC), "peek trunc"); show(recv(b, buf, 3, 0), "recv");
  show(sendu(a, "", 0, 0, "db", -1), "send empty"); polls(b, "empty packet"); int n; ioctl(b, SIOCINQ, &n); say("inq %d", n); show(recv(b, buf, 100, 0), "recv empty");
  sendu(a, "12345", 5, 0, "db", -1); sendu(a, "123", 3, 0, "db", -1); ioctl(b, SIOCINQ, &n); say("inq %d", n); recv(b, buf, 100, 0); show(recv(b, buf, 0, 0), "recv into nothing"); ok(recv(b, buf, 1, MSG_DONTWAIT), "empty");
  show(connectu(a, "db", -1), "connect"); showname(a, 1, "connected"); show(send(a, "x", 1, 0), "send"); ok(listen(a, 1), "listen"); ok(accept(a, 0, 0), "accept"); c = socket(AF_UNIX, SOCK_DGRAM, 0); show(sendu(c, "third", 5, 0, "db", -1), "third party"); recv(b, buf, 100, 0); recv(b, buf, 100, 0);
  connectu(b, "da", -1); ok(sendu(c, "third", 5, 0, "db", -1), "third party to connected"); ok(connectu(c, "db", -1), "connect to connected");
  for (n = 0; n < 50; n++) if (send(a, "y", 1, MSG_DONTWAIT) < 0) break; say("queue holds %d then %s", n, name_of(errno)); polls(a, "queue full (peers)"); while (recv(b, buf, 1, MSG_DONTWAIT) > 0);
  int d = socket(AF_UNIX, SOCK_DGRAM, 0), e = socket(AF_UNIX, SOCK_DGRAM, 0); bindu(d, "dd", -1); connectu(e, "dd", -1); for (n = 0; n < 50; n++) if (send(e, "y", 1, MSG_DONTWAIT) < 0) break; say("one-way queue holds %d then %s", n, name_of(errno)); polls(e, "one-way full"); recv(d, buf, 1, 0); polls(e, "one-way room");
  if (!fork()) { msleep(30); recv(d, buf, 1, 0); _exit(0); } send(e, "y", 1, 0); show(send(e, "y", 1, 0), "blocked until room"); wait(0);
  ok(send(a, big, 213000, 0), "emsgsize"); show(send(a, big, 212960, MSG_DONTWAIT), "largest"); ok(send(a, big, 212961, MSG_DONTWAIT), "largest + 1"); show(recv(b, big, sizeof big, 0), "recv largest");
  close(b); ok(send(a, "x", 1, 0), "peer closed"); ok(send(a, "x", 1, 0), "again"); showname(a, 1, "peer closed"); ok(sendu(a, "x", 1, 0, "db", -1), "sendto closed");
  sa.sun_family = AF_UNSPEC; show(connect(e, (void *)&sa, 2), "disconnect"); ok(send(e, "x", 1, 0), "send disconnected"); sa.sun_family = AF_UNIX; ok(connect(e, (void *)&sa, 2), "connect short"); ok(connect(e, (void *)&sa, 1), "connect len 1");
  int s = socket(AF_UNIX, SOCK_STREAM, 0); bindu(s, "ds", -1); listen(s, 1); ok(connectu(e, "ds", -1), "dgram to stream"); ok(connectu(s, "dd", -1), "stream to dgram"); ok(sendu(e, "x", 1, 0, "ds", -1), "sendto stream"); ok(send(e, "x", 1, MSG_OOB), "oob");
  shutdown(d, SHUT_RD); connectu(e, "dd", -1); ok(send(e, "x", 1, MSG_NOSIGNAL), "receiver shut"); polls(d, "shut"); show(recv(d, buf, 1, 0), "recv shut queue"); while (recv(d, buf, 1, MSG_DONTWAIT) > 0); ok(recv(d, buf, 1, MSG_DONTWAIT), "recv shut nonblock"); show(recv(d, buf, 1, 0), "recv shut"); shutdown(e, SHUT_WR); signal(SIGPIPE, SIG_IGN); ok(send(e, "x", 1, 0), "sender shut");
  int p[2]; socketpair(AF_UNIX, SOCK_DGRAM, 0, p); write(p[0], "ab", 2); write(p[0], "c", 1); show(read(p[1], buf, 100), "pair read"); close(p[0]); show(read(p[1], buf, 100), "pair read 2"); polls(p[1], "pair closed"); ok(recv(p[1], buf, 1, MSG_DONTWAIT), "pair recv closed"); ok(send(p[1], "x", 1, 0), "pair send closed");
}

static void t_seq(void) {
  int p[2]; char b[100]; ok(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, p), "pair"); show(write(p[0], "hello", 5), "write"); show(write(p[0], "xy", 2), "write"); struct iovec iv = {b, 3}; struct msghdr m = {.msg_iov = &iv, .msg_iovlen = 1};
  show(recvmsg(p[1], &m, 0), "recvmsg"); say("flags %x", m.msg_flags); iv.iov_len = 100; show(recvmsg(p[1], &m, 0), "recvmsg"); say("flags %x", m.msg_flags); polls(p[0], "pair"); show(send(p[0], "e", 1, MSG_EOR), "send eor"); iv.iov_len = 100; recvmsg(p[1], &m, 0); say("flags %x", m.msg_flags);
  int n; for (n = 0; n < 1000; n++) if (send(p[0], b, 1, MSG_DONTWAIT) < 0) break; say("holds %d then %s", n, name_of(errno)); close(p[1]); polls(p[0], "closed"); ok(recv(p[0], b, 1, 0), "recv reset"); show(recv(p[0], b, 1, 0), "recv eof"); show(recv(p[0], b, 1, MSG_DONTWAIT), "recv eof nonblock"); signal(SIGPIPE, SIG_IGN); ok(send(p[0], b, 1, 0), "send closed");
  int l = socket(AF_UNIX, SOCK_SEQPACKET, 0), c = socket(AF_UNIX, SOCK_SEQPACKET, 0); polls(c, "fresh"); ok(send(c, b, 1, 0), "send unconnected"); ok(recv(c, b, 1, 0), "recv unconnected"); bindu(l, "q", -1); ok(connectu(c, "q", -1), "connect not listening"); listen(l, 2); show(connectu(c, "q", -1), "connect"); int s = accept(l, 0, 0); ok(s, "accept"); show(send(c, "msg", 3, 0), "send"); show(recv(s, b, 100, 0), "recv"); ok(sendu(c, "x", 1, 0, "q", -1), "sendto connected"); show(recv(s, b, 100, 0), "recv"); shutdown(c, SHUT_WR); show(recv(s, b, 1, 0), "eof"); polls(s, "half");
  int d = socket(AF_UNIX, SOCK_STREAM, 0); ok(connectu(d, "q", -1), "stream to seqpacket"); show(setint(s, SOL_SOCKET, SO_REUSEADDR, 1), "reuse");
}

static int sendfds(int s, int *fds, int n, const char *d, int dl, int flags) {
  char cb[CMSG_SPACE(sizeof(int) * 300)]; struct iovec iv = {(void *)d, dl}; struct msghdr m = {.msg_iov = &iv, .msg_iovlen = 1, .msg_control = cb, .msg_controllen = CMSG_SPACE(sizeof(int) * n)};
  memset(cb, 0, sizeof cb); struct cmsghdr *h = CMSG_FIRSTHDR(&m); h->cmsg_level = SOL_SOCKET; h->cmsg_type = SCM_RIGHTS; h->cmsg_len = CMSG_LEN(sizeof(int) * n); memcpy(CMSG_DATA(h), fds, sizeof(int) * n); return sendmsg(s, &m, flags);
}
static int got[300], ngot;
static void recvfds(int s, int space, int flags, const char *what) {
  char cb[2000], d[100]; struct iovec iv = {d, 100}; struct msghdr m = {.msg_iov = &iv, .msg_iovlen = 1, .msg_control = space ? cb : 0, .msg_controllen = space}; int r = recvmsg(s, &m, flags); if (r < 0) { ok(r, "%s", what); return; }
  printf("%s: %s: %d bytes flags %x controllen %d", section, what, r, m.msg_flags, (int)m.msg_controllen); ngot = 0;
  for (struct cmsghdr *h = CMSG_FIRSTHDR(&m); h; h = CMSG_NXTHDR(&m, h)) { printf(" [%d %d len %d", h->cmsg_level, h->cmsg_type, (int)h->cmsg_len); if (h->cmsg_type == SCM_RIGHTS) { int n = (h->cmsg_len - CMSG_LEN(0)) / 4; memcpy(got, CMSG_DATA(h), n * 4); ngot = n; printf(" fds %d cloexec %d", n, n ? fcntl(got[0], F_GETFD) : -1); } else if (h->cmsg_type == SCM_CREDENTIALS) { struct ucred u; memcpy(&u, CMSG_DATA(h), sizeof u); printf(" pid %s uid %d gid %d", u.pid == getpid() ? "me" : u.pid == getppid() ? "parent" : u.pid == 0 ? "0" : "other", u.uid, u.gid); } printf("]"); }
  printf("\n"); fflush(stdout);
}
static int nfds(void) { int n = 0; for (int i = 0; i < 1024; i++) if (fcntl(i, F_GETFD) >= 0) n++; return n; }
static void t_rights(void) {
  int p[2], q[2]; char b[100]; socketpair(AF_UNIX, SOCK_STREAM, 0, p); pipe(q); int base = nfds();
  show(sendfds(p[0], &q[1], 1, "x", 1, 0), "send fd"); recvfds(p[1], 200, 0, "recv fd"); write(got[0], "through", 7); show(read(q[0], b, 100), "read through"); close(got[0]);
  sendfds(p[0], q, 2, "x", 1, 0); recvfds(p[1], 200, MSG_CMSG_CLOEXEC, "two cloexec"); close(got[0]); close(got[1]); sendfds(p[0], q, 2, "x", 1, 0); recvfds(p[1], CMSG_LEN(4), 0, "room for one"); close(got[0]); sendfds(p[0], q, 2, "x", 1, 0); recvfds(p[1], 0, 0, "no room"); sendfds(p[0], q, 2, "x", 1, 0); recvfds(p[1], 10, 0, "tiny room"); sendfds(p[0], q, 2, "x", 1, 0); recvfds(p[1], CMSG_SPACE(4), 0, "space for one"); for (int i = 0; i < ngot; i++) close(got[i]);
  sendfds(p[0], q, 1, "abc", 3, 0); recvfds(p[1], 200, MSG_PEEK, "peek"); close(got[0]); show(recv(p[1], b, 1, 0), "plain recv drops"); recvfds(p[1], 200, 0, "rest"); say("fds %d", nfds() - base);
  write(p[0], "111", 3); sendfds(p[0], q, 1, "222", 3, 0); write(p[0], "333", 3); recvfds(p[1], 200, 0, "stops at fds"); for (int i = 0; i < ngot; i++) close(got[i]); recvfds(p[1], 200, 0, "after"); 
  int bad[2] = {q[0], 999}; ok(sendfds(p[0], bad, 2, "x", 1, 0), "bad fd"); int many[300]; for (int i = 0; i < 300; i++) many[i] = q[0]; ok(sendfds(p[0], many, 254, "x", 1, 0), "254 fds"); ok(sendfds(p[0], many, 253, "x", 1, 0), "253 fds"); recvfds(p[1], 1500, 0, "recv 253"); for (int i = 0; i < ngot; i++) close(got[i]); ok(sendfds(p[0], q, 0, "x", 1, 0), "no fds"); recvfds(p[1], 200, 0, "recv no fds"); ok(sendfds(p[0], q, 1, "", 0, 0), "no data"); ok(recv(p[1], b, 1, MSG_DONTWAIT), "nothing there"); say("fds %d", nfds() - base);
  char cb[100]; struct iovec iv = {"x", 1}; struct msghdr m = {.msg_iov = &iv, .msg_iovlen = 1, .msg_control = cb, .msg_controllen = CMSG_SPACE(4)}; struct cmsghdr *h = CMSG_FIRSTHDR(&m); h->cmsg_level = SOL_SOCKET; h->cmsg_type = 77; h->cmsg_len = CMSG_LEN(4); ok(sendmsg(p[0], &m, 0), "cmsg type 77"); h->cmsg_type = SCM_RIGHTS; h->cmsg_len = 1000; ok(sendmsg(p[0], &m, 0), "cmsg len too long"); h->cmsg_len = 8; ok(sendmsg(p[0], &m, 0), "cmsg len too short"); h->cmsg_len = CMSG_LEN(4); h->cmsg_level = IPPROTO_IP; ok(sendmsg(p[0], &m, 0), "other level"); recv(p[1], b, 1, 0); m.msg_controllen = 8; ok(sendmsg(p[0], &m, 0), "controllen 8"); recv(p[1], b, 1, MSG_DONTWAIT);
  /* sockets in flight */
  int d[2], e[2]; socketpair(AF_UNIX, SOCK_DGRAM, 0, d); socketpair(AF_UNIX, SOCK_STREAM, 0, e); sendfds(d[0], e, 2, "s", 1, 0); close(e[0]); close(e[1]); recvfds(d[1], 200, 0, "sockets"); write(got[0], "alive", 5); show(read(got[1], b, 100), "alive"); close(got[0]); show(read(got[1], b, 100), "eof"); close(got[1]);
  socketpair(AF_UNIX, SOCK_STREAM, 0, e); int pp[2]; pipe(pp); sendfds(e[0], &pp[1], 1, "p", 1, 0); close(pp[1]); struct pollfd pf = {pp[0], POLLIN}; show(poll(&pf, 1, 0), "pipe writer in flight"); close(e[0]); close(e[1]); show(poll(&pf, 1, 0), "dropped with the socket"); say("hup %d", pf.revents & POLLHUP ? 1 : 0);
  /* a cycle: sockets that only hold each other */
  pipe(pp); socketpair(AF_UNIX, SOCK_STREAM, 0, e); int three[3] = {e[0], e[1], pp[1]}; sendfds(e[0], three, 3, "c", 1, 0); close(e[0]); close(e[1]); close(pp[1]); int z[2]; socketpair(AF_UNIX, SOCK_STREAM, 0, z); close(z[0]); close(z[1]); for (int i = 0; i < 50 && !(poll(&pf, 0, 0), pf.fd = pp[0], poll(&pf, 1, 10)); i++); say("cycle collected %d", pf.revents & POLLHUP ? 1 : 0);
  int old = dup(q[0]); struct { int a; } _; ok(dup2(old, 50), "dup2"); 
}
static void t_creds(void) {
  int p[2]; socketpair(AF_UNIX, SOCK_STREAM, 0, p); struct ucred u; socklen_t l = sizeof u; show(getsockopt(p[0], SOL_SOCKET, SO_PEERCRED, &u, &l), "peercred"); say("me %d uid %d gid %d len %d", u.pid == getpid(), u.uid, u.gid, l); int s = socket(AF_UNIX, SOCK_STREAM, 0); l = sizeof u; getsockopt(s, SOL_SOCKET, SO_PEERCRED, &u, &l); say("unconnected pid %d uid %d gid %d", u.pid, u.uid, u.gid); l = 5; memset(&u, 0x55, sizeof u); show(getsockopt(p[0], SOL_SOCKET, SO_PEERCRED, &u, &l), "short"); say("len %d", l);
  write(p[0], "x", 1); recvfds(p[1], 200, 0, "without passcred"); write(p[0], "before", 6); show(setint(p[1], SOL_SOCKET, SO_PASSCRED, 1), "passcred"); show(getint(p[1], SOL_SOCKET, SO_PASSCRED), "get passcred"); recvfds(p[1], 200, 0, "sent before"); write(p[0], "x", 1); recvfds(p[1], 200, 0, "sent after"); write(p[0], "x", 1); recvfds(p[1], 20, 0, "small"); write(p[0], "x", 1); recvfds(p[1], 0, 0, "none"); 
  if (!fork()) { write(p[0], "kid", 3); _exit(0); } wait(0); write(p[0], "me", 2); recvfds(p[1], 200, 0, "child's"); recvfds(p[1], 200, 0, "mine");
  char cb[100]; struct iovec iv = {"x", 1}; struct msghdr m = {.msg_iov = &iv, .msg_iovlen = 1, .msg_control = cb, .msg_controllen = CMSG_SPACE(sizeof u)}; struct cmsghdr *h = CMSG_FIRSTHDR(&m); h->cmsg_level = SOL_SOCKET; h->cmsg_type = SCM_CREDENTIALS; h->cmsg_len = CMSG_LEN(sizeof u); u.pid = getpid(); u.uid = 5; u.gid = 6; memcpy(CMSG_DATA(h), &u, sizeof u); show(sendmsg(p[0], &m, 0), "root says uid 5"); recvfds(p[1], 200, 0, "uid 5"); u.pid = 30000; memcpy(CMSG_DATA(h), &u, sizeof u); ok(sendmsg(p[0], &m, 0), "no such pid"); u.pid = getppid(); memcpy(CMSG_DATA(h), &u, sizeof u); show(sendmsg(p[0], &m, 0), "parent's pid"); recvfds(p[1], 200, 0, "parent's pid"); h->cmsg_len = CMSG_LEN(8); ok(sendmsg(p[0], &m, 0), "bad len"); h->cmsg_len = CMSG_LEN(sizeof u);
  fflush(stdout); if (!fork()) { setgid(1000); setuid(1000); u.pid = getpid(); u.uid = 0; u.gid = 0; memcpy(CMSG_DATA(h), &u, sizeof u); ok(sendmsg(p[0], &m, 0), "user says root"); u.uid = 1000; u.gid = 1000; memcpy(CMSG_DATA(h), &u, sizeof u); ok(sendmsg(p[0], &m, 0), "user says itself"); u.pid = 1; memcpy(CMSG_DATA(h), &u, sizeof u); ok(sendmsg(p[0], &m, 0), "user says init"); _exit(0); } wait(0);
  int d[2]; socketpair(AF_UNIX, SOCK_DGRAM, 0, d); setint(d[1], SOL_SOCKET, SO_PASSCRED, 1); write(d[0], "d", 1); recvfds(d[1], 200, 0, "dgram creds"); sendfds(d[0], d, 2, "x", 1, 0); recvfds(d[1], 200, 0, "creds and fds");
  int ls = socket(AF_UNIX, SOCK_STREAM, 0), c = socket(AF_UNIX, SOCK_STREAM, 0); bindu(ls, "cr", -1); listen(ls, 3); setint(ls, SOL_SOCKET, SO_PASSCRED, 1); fflush(stdout); if (!fork()) { setgid(77); setuid(77); connectu(c, "cr", -1); _exit(0); } wait(0); connectu(c, "cr", -1); int a = accept(ls, 0, 0); show(getint(a, SOL_SOCKET, SO_PASSCRED), "inherited"); l = sizeof u; getsockopt(a, SOL_SOCKET, SO_PEERCRED, &u, &l); say("peer uid %d me %d", u.uid, u.pid == getpid());
  chmod("cr", 0700); fflush(stdout); if (!fork()) { setuid(77); int x = socket(AF_UNIX, SOCK_STREAM, 0); ok(connectu(x, "cr", -1), "no permission"); _exit(0); } wait(0);
}

static void t_opts(void) {
  int s = socket(AF_UNIX, SOCK_STREAM, 0); static const int names[] = {1,2,3,4,5,6,7,8,9,10,11,12,14,15,16,18,19,26,29,30,34,35,36,37,38,39,40,41,42,43,44,45,46,47,48,49,56,60,62,74,75,76,77,78,79,80,200,-1};
  for (unsigned i = 0; i < sizeof names / 4; i++) { int v = -7; socklen_t l = 4; int r = getsockopt(s, SOL_SOCKET, names[i], &v, &l); if (names[i] == 76 || names[i] == 78 || names[i] == 79 || names[i] == 80) continue; if (r < 0) ok(r, "get %d", names[i]); else say("get %d: %d len %d", names[i], v, l); }
  for (unsigned i = 0; i < sizeof names / 4; i++) { if (names[i] > 75 && names[i] < 81 || names[i] == 26) continue; ok(setint(s, SOL_SOCKET, names[i], 1), "set %d", names[i]); }
  for (unsigned i = 0; i < sizeof names / 4; i++) { int v = -7; socklen_t l = 4; if (names[i] == 76 || names[i] > 77 && names[i] < 81) continue; int r = getsockopt(s, SOL_SOCKET, names[i], &v, &l); if (r < 0) ok(r, "get %d", names[i]); else say("get %d: %d len %d", names[i], v, l); }
  int bufs[] = {0, 1, 1000, 2304, 5000, 100000, 212992, 300000, -1, 0x7fffffff}; for (unsigned i = 0; i < 10; i++) { setint(s, SOL_SOCKET, SO_SNDBUF, bufs[i]); setint(s, SOL_SOCKET, SO_RCVBUF, bufs[i]); say("buf %d: snd %d rcv %d", bufs[i], getint(s, SOL_SOCKET, SO_SNDBUF), getint(s, SOL_SOCKET, SO_RCVBUF)); }
  setint(s, SOL_SOCKET, SO_SNDBUFFORCE, 1000000); setint(s, SOL_SOCKET, SO_RCVBUFFORCE, 1000000); say("force: %d %d", getint(s, SOL_SOCKET, SO_SNDBUF), getint(s, SOL_SOCKET, SO_RCVBUF));
  struct timeval tv = {1, 500000}; show(setsockopt(s, SOL_SOCKET, SO_RCVTIMEO, &tv, 16), "timeo"); memset(&tv, 0, 16); socklen_t l = 16; getsockopt(s, SOL_SOCKET, SO_RCVTIMEO, &tv, &l); say("timeo %d.%06d len %d", (int)tv.tv_sec, (int)tv.tv_usec, l); tv.tv_sec = 0; tv.tv_usec = 1; setsockopt(s, SOL_SOCKET, SO_RCVTIMEO, &tv, 16); getsockopt(s, SOL_SOCKET, SO_RCVTIMEO, &tv, &l); say("1us: %d.%06d", (int)tv.tv_sec, (int)tv.tv_usec); tv.tv_usec = 1000000; ok(setsockopt(s, SOL_SOCKET, SO_RCVTIMEO, &tv, 16), "edom"); tv.tv_sec = -1; tv.tv_usec = 0; ok(setsockopt(s, SOL_SOCKET, SO_RCVTIMEO, &tv, 16), "negative"); getsockopt(s, SOL_SOCKET, SO_RCVTIMEO, &tv, &l); say("neg: %d.%06d", (int)tv.tv_sec, (int)tv.tv_usec); ok(setsockopt(s, SOL_SOCKET, SO_RCVTIMEO, &tv, 8), "timeo short");
  struct linger lg = {1, 5}; setsockopt(s, SOL_SOCKET, SO_LINGER, &lg, 8); memset(&lg, 0, 8); l = 8; getsockopt(s, SOL_SOCKET, SO_LINGER, &lg, &l); say("linger %d %d len %d", lg.l_onoff, lg.l_linger, l); ok(setsockopt(s, SOL_SOCKET, SO_LINGER, &lg, 4), "linger short");
  int v = 1; ok(setsockopt(s, SOL_SOCKET, SO_REUSEADDR, &v, 3), "optlen 3"); ok(setsockopt(s, SOL_SOCKET, SO_REUSEADDR, &v, -1), "optlen -1"); ok(setsockopt(s, SOL_SOCKET, SO_REUSEADDR, (void *)8, 4), "efault"); ok(setsockopt(s, SOL_TCP_, 1, &v, 4), "level tcp"); l = 4; ok(getsockopt(s, SOL_TCP_, 1, &v, &l), "get level tcp"); l = 2; v = 0x55555555; show(getsockopt(s, SOL_SOCKET, SO_TYPE, &v, &l), "len 2"); say("%x len %d", v, l); l = -1; ok(getsockopt(s, SOL_SOCKET, SO_TYPE, &v, &l), "len -1"); ok(getsockopt(s, SOL_SOCKET, SO_TYPE, &v, 0), "null len"); l = 100; char bb[100]; getsockopt(s, SOL_SOCKET, SO_TYPE, bb, &l); say("len 100 -> %d", l); l = 8; uint64_t ck; show(getsockopt(s, SOL_SOCKET, SO_COOKIE, &ck, &l), "cookie"); l = 4; ok(getsockopt(s, SOL_SOCKET, SO_COOKIE, &ck, &l), "cookie short"); l = 64; show(getsockopt(s, SOL_SOCKET, SO_MEMINFO, bb, &l), "meminfo"); say("len %d", l); l = 64; ok(getsockopt(s, SOL_SOCKET, SO_PEERNAME, bb, &l), "peername"); l = 64; ok(getsockopt(s, SOL_SOCKET, SO_PEERGROUPS, bb, &l), "peergroups"); l = 64; ok(getsockopt(s, SOL_SOCKET, SO_BINDTODEVICE, bb, &l), "bindtodevice"); ok(setsockopt(s, SOL_SOCKET, SO_BINDTODEVICE, "lo", 3), "set bindtodevice");
  int p[2]; socketpair(AF_UNIX, SOCK_STREAM, 0, p); l = 64; ok(getsockopt(p[0], SOL_SOCKET, SO_PEERNAME, bb, &l), "peername pair 64"); l = 2; ok(getsockopt(p[0], SOL_SOCKET, SO_PEERNAME, bb, &l), "peername pair 2"); l = 64; show(getsockopt(p[0], SOL_SOCKET, SO_PEERGROUPS, bb, &l), "peergroups pair"); say("len %d", l);
  /* peek offset */
  write(p[0], "abcdef", 6); show(setint(p[1], SOL_SOCKET, SO_PEEK_OFF, 2), "peek_off"); show(recv(p[1], bb, 2, MSG_PEEK), "peek"); say("%.2s off %d", bb, getint(p[1], SOL_SOCKET, SO_PEEK_OFF)); show(recv(p[1], bb, 10, MSG_PEEK), "peek"); say("%.2s off %d", bb, getint(p[1], SOL_SOCKET, SO_PEEK_OFF)); ok(recv(p[1], bb, 10, MSG_PEEK | MSG_DONTWAIT), "peek beyond"); show(recv(p[1], bb, 4, 0), "recv"); say("off %d", getint(p[1], SOL_SOCKET, SO_PEEK_OFF)); show(recv(p[1], bb, 4, MSG_PEEK | MSG_DONTWAIT), "peek");
}

static void t_mmsg(void) {
  int p[2]; socketpair(AF_UNIX, SOCK_DGRAM, 0, p); char b[5][20]; struct mmsghdr m[5]; struct iovec iv[5]; memset(m, 0, sizeof m); for (int i = 0; i < 5; i++) { iv[i].iov_base = "packet"; iv[i].iov_len = i + 1; m[i].msg_hdr.msg_iov = &iv[i]; m[i].msg_hdr.msg_iovlen = 1; }
  show(sendmmsg(p[0], m, 5, 0), "sendmmsg"); say("lens %d %d %d %d %d", m[0].msg_len, m[1].msg_len, m[2].msg_len, m[3].msg_len, m[4].msg_len); for (int i = 0; i < 5; i++) { iv[i].iov_base = b[i]; iv[i].iov_len = 3; } show(recvmmsg(p[1], m, 3, 0, 0), "recvmmsg 3"); say("lens %d %d %d", m[0].msg_len, m[1].msg_len, m[2].msg_len); show(recvmmsg(p[1], m, 5, MSG_DONTWAIT, 0), "recvmmsg nonblock"); say("lens %d %d flags %x", m[0].msg_len, m[1].msg_len, m[0].msg_hdr.msg_flags); ok(recvmmsg(p[1], m, 5, MSG_DONTWAIT, 0), "recvmmsg none"); show(recvmmsg(p[1], m, 0, 0, 0), "recvmmsg 0"); show(sendmmsg(p[0], m, 0, 0), "sendmmsg 0");
  if (!fork()) { for (int i = 0; i < 3; i++) { msleep(20); write(p[0], "z", 1); } _exit(0); } show(recvmmsg(p[1], m, 3, 0, 0), "recvmmsg blocking"); wait(0); if (!fork()) { msleep(20); write(p[0], "z", 1); _exit(0); } show(recvmmsg(p[1], m, 3, MSG_WAITFORONE, 0), "waitforone"); wait(0); struct timespec ts = {0, -1}; ok(recvmmsg(p[1], m, 3, 0, &ts), "bad timeout"); m[1].msg_hdr.msg_iov = (void *)8; iv[0].iov_len = 1; iv[0].iov_base = "a"; show(sendmmsg(p[0], m, 3, 0), "second bad"); recv(p[1], b, 1, 0); m[0].msg_hdr.msg_iov = (void *)8; ok(sendmmsg(p[0], m, 3, 0), "first bad"); struct msghdr h; memset(&h, 0, sizeof h); h.msg_iovlen = 1025; ok(sendmsg(p[0], &h, 0), "1025 iovs"); ok(recvmsg(p[0], &h, 0), "recv 1025 iovs"); ok(sendmsg(p[0], (void *)8, 0), "efault"); memset(&h, 0, sizeof h); h.msg_name = b; h.msg_namelen = -1; ok(sendmsg(p[0], &h, 0), "namelen -1"); h.msg_namelen = 0; h.msg_controllen = -1; ok(sendmsg(p[0], &h, 0), "controllen -1"); h.msg_name = 0; h.msg_controllen = 0; show(sendmsg(p[0], &h, 0), "nothing"); show(recv(p[1], b, 10, 0), "nothing came");
}
static void t_epoll(void) {
  int p[2], ep = epoll_create1(0); socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, p); struct epoll_event e = {EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, {0}}, r[4]; epoll_ctl(ep, EPOLL_CTL_ADD, p[0], &e); int n = epoll_wait(ep, r, 4, 0); say("first %d %x", n, r[0].events); n = epoll_wait(ep, r, 4, 0); say("again %d", n); write(p[1], "a", 1); n = epoll_wait(ep, r, 4, 0); say("data %d %x", n, r[0].events); n = epoll_wait(ep, r, 4, 0); say("again %d", n); write(p[1], "b", 1); n = epoll_wait(ep, r, 4, 0); say("more data %d %x", n, r[0].events);
  char b[10]; read(p[0], b, 1); n = epoll_wait(ep, r, 4, 0); say("partly read %d", n); static char big[300000]; while (write(p[0], big, 5000) > 0); n = epoll_wait(ep, r, 4, 0); say("full %d", n); read(p[1], big, 1000); n = epoll_wait(ep, r, 4, 0); say("little room %d", n); while (read(p[1], big, 100000) > 0); n = epoll_wait(ep, r, 4, 0); say("room %d %x", n, r[0].events); shutdown(p[1], SHUT_WR); n = epoll_wait(ep, r, 4, 0); say("rdhup %d %x", n, r[0].events); close(p[1]); n = epoll_wait(ep, r, 4, 0); say("closed %d %x", n, r[0].events); n = epoll_wait(ep, r, 4, 0); say("again %d", n);
  int l = socket(AF_UNIX, SOCK_STREAM, 0); bindu(l, "ep", -1); listen(l, 5); int ep2 = epoll_create1(0); e.events = EPOLLIN; epoll_ctl(ep2, EPOLL_CTL_ADD, l, &e); n = epoll_wait(ep2, r, 4, 0); say("listen %d", n); int c = socket(AF_UNIX, SOCK_STREAM, 0); if (!fork()) { msleep(20); connectu(c, "ep", -1); _exit(0); } n = epoll_wait(ep2, r, 4, 1000); say("connection %d %x", n, r[0].events); wait(0); n = epoll_wait(ep2, r, 4, 0); say("level %d", n); accept(l, 0, 0); n = epoll_wait(ep2, r, 4, 0); say("accepted %d", n);
}
static void showunix(const char *filter) {
  FILE *f = fopen("/proc/net/unix", "r"); char line[300]; while (fgets(line, 300, f)) { if (!strstr(line, filter)) continue; char *p = strchr(line, ':'); unsigned ref, proto, flags, type, st, ino; char path[120] = ""; sscanf(p, ": %x %x %x %x %x %u %119s", &ref, &proto, &flags, &type, &st, &ino, path); printf("%s: ref %x proto %x flags %x type %x st %x ino %d path %s\n", section, ref, proto, flags, type, st, ino > 0, path); } fclose(f); fflush(stdout);
}
static void t_proc(void) {
  FILE *f = fopen("/proc/net/unix", "r"); char line[300]; fgets(line, 300, f); printf("%s", line); fclose(f); int l = socket(AF_UNIX, SOCK_STREAM, 0); bindu(l, "/tmp/net/pp", -1); showunix("/pp"); listen(l, 4); showunix("/pp"); int c = socket(AF_UNIX, SOCK_STREAM, 0); connectu(c, "/tmp/net/pp", -1); bindu(c, "/tmp/net/ppc", -1); showunix("/pp"); int s = accept(l, 0, 0); showunix("/pp"); close(s); showunix("/ppc"); int d = socket(AF_UNIX, SOCK_DGRAM, 0); bindu(d, "\0xyz\0w", 6); showunix("xyz"); int e = socket(AF_UNIX, SOCK_DGRAM, 0); connectu(e, "\0xyz\0w", 6); showunix("xyz"); struct stat st; lstat("/proc/net", &st); say("/proc/net %o", st.st_mode); char lk[50]; int n = readlink("/proc/net", lk, 50); say("%.*s", n, lk); stat("/proc/self/net", &st); say("self/net %o", st.st_mode); show(access("/proc/1/net/unix", R_OK), "access pid 1");
  f = fopen("/proc/sys/net/unix/max_dgram_qlen", "r"); fgets(line, 300, f); say("qlen %s", line);
}
static void t_oob(void) {
  int p[2]; char b[20]; socketpair(AF_UNIX, SOCK_STREAM, 0, p); ok(recv(p[1], b, 1, MSG_OOB), "none"); show(send(p[0], "ab", 2, 0), "send"); show(send(p[0], "cX", 2, MSG_OOB), "send oob"); show(send(p[0], "de", 2, 0), "send"); polls(p[1], "oob"); int m; ioctl(p[1], SIOCATMARK, &m); say("mark %d", m); show(recv(p[1], b, 20, 0), "recv to mark"); say("%.3s", b); ioctl(p[1], SIOCATMARK, &m); say("mark %d", m); show(recv(p[1], b, 1, MSG_OOB | MSG_PEEK), "peek oob"); show(recv(p[1], b, 1, MSG_OOB), "recv oob"); say("%c", b[0]); ok(recv(p[1], b, 1, MSG_OOB), "oob again"); show(recv(p[1], b, 20, 0), "recv rest"); polls(p[1], "after"); show(send(p[0], "Y", 1, MSG_OOB), "oob"); show(send(p[0], "f", 1, 0), "send"); show(recv(p[1], b, 20, 0), "recv past mark"); say("%c", b[0]); ok(recv(p[1], b, 1, MSG_OOB), "lost");
}

static const struct test tests[] = {{"create", t_create}, {"bind", t_bind}, {"stream", t_stream}, {"block", t_block}, {"dgram", t_dgram}, {"seq", t_seq}, {"rights", t_rights}, {"creds", t_creds}, {"opts", t_opts}, {"mmsg", t_mmsg}, {"epoll", t_epoll}, {"proc", t_proc}, {"oob", t_oob}, {0}};
int main(int argc, char **argv) { return run_tests(tests, argc, argv); }
