// Internet sockets over loopback: what each call answers. Ports and sizes that differ from run to run are not printed.
#include "common.h"
#include <arpa/inet.h>
#include <linux/errqueue.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/ip_icmp.h>
#include <netinet/tcp.h>
#include <netinet/udp.h>

union sa { struct sockaddr s; struct sockaddr_in i; struct sockaddr_in6 i6; };
static socklen_t mk(union sa *a, int family, const char *ip, int port) {
  memset(a, 0, sizeof *a);
  a->s.sa_family = family;
  if (family == AF_INET) {
    a->i.sin_port = htons(port);
    inet_pton(AF_INET, ip, &a->i.sin_addr);
    return sizeof a->i;
  }
  a->i6.sin6_port = htons(port);
  inet_pton(AF_INET6, ip, &a->i6.sin6_addr);
  return sizeof a->i6;
}
static int bindto(int fd, int family, const char *ip, int port) {
  union sa a;
  socklen_t l = mk(&a, family, ip, port);
  return bind(fd, &a.s, l);
}
static int connto(int fd, int family, const char *ip, int port) {
  union sa a;
  socklen_t l = mk(&a, family, ip, port);
  return connect(fd, &a.s, l);
}
static int portof(int fd) {
  union sa a;
  socklen_t l = sizeof a;
  getsockname(fd, &a.s, &l);
  return ntohs(a.i.sin_port);
}
// Address as text; the port only when it is one that the test chose.
static const char *text(union sa *a, socklen_t l) {
  static char out[2][100];
  static int n;
  char ip[64] = "?";
  n ^= 1;
  if (l == 0) return "none";
  if (a->s.sa_family == AF_INET) inet_ntop(AF_INET, &a->i.sin_addr, ip, sizeof ip);
  else if (a->s.sa_family == AF_INET6) inet_ntop(AF_INET6, &a->i6.sin6_addr, ip, sizeof ip);
  int port = ntohs(a->i.sin_port);
  if (port >= 32768) snprintf(out[n], 100, "%d/%s len %d eph", a->s.sa_family, ip, l);
  else snprintf(out[n], 100, "%d/%s:%d len %d", a->s.sa_family, ip, port, l);
  return out[n];
}
static void names(int fd, const char *what) {
  union sa a, b;
  socklen_t l = sizeof a, m = sizeof b;
  int r = getsockname(fd, &a.s, &l), e = errno;
  int q = getpeername(fd, &b.s, &m), f = errno;
  say("%s: name %s peer %s", what, r ? name_of(e) : text(&a, l), q ? name_of(f) : text(&b, m));
}
static int state(int fd) {
  struct tcp_info i;
  socklen_t l = sizeof i;
  if (getsockopt(fd, SOL_TCP, TCP_INFO, &i, &l) < 0) return -errno;
  return i.tcpi_state;
}
static const char *st(int fd) {
  static const char *n[] = {"?", "ESTABLISHED", "SYN_SENT", "SYN_RECV", "FIN_WAIT1", "FIN_WAIT2", "TIME_WAIT", "CLOSE", "CLOSE_WAIT", "LAST_ACK", "LISTEN", "CLOSING"};
  int s = state(fd);
  return s < 0 || s > 11 ? "bad" : n[s];
}
static int listener(int family, const char *ip, int port, int backlog) {
  int l = socket(family, SOCK_STREAM, 0);
  setint(l, SOL_SOCKET, SO_REUSEADDR, 1);
  if (bindto(l, family, ip, port) < 0 || listen(l, backlog) < 0) say("listener: %s", name_of(errno));
  return l;
}
static void pairof(int family, const char *ip, int s[2]) {
  int l = listener(family, ip, 0, 5);
  s[0] = socket(family, SOCK_STREAM, 0);
  if (connto(s[0], family, ip, portof(l)) < 0) say("pair: %s", name_of(errno));
  s[1] = accept(l, 0, 0);
  close(l);
}

static void t_down(void) {
  // lo is still down: no addresses, no routes.
  int fd = socket(AF_INET, SOCK_DGRAM, 0);
  show(bindto(fd, AF_INET, "127.0.0.1", 5000), "bind 127.0.0.1 while lo is down");
  show(connto(fd, AF_INET, "127.0.0.1", 5000), "connect 127.0.0.1 while lo is down");
  show(bindto(fd, AF_INET, "0.0.0.0", 5000), "bind any");
  struct ifreq r;
  memset(&r, 0, sizeof r);
  strcpy(r.ifr_name, "lo");
  show(ioctl(fd, SIOCGIFADDR, &r), "SIOCGIFADDR");
  show(ioctl(fd, SIOCGIFFLAGS, &r), "SIOCGIFFLAGS");
  say("flags %x", r.ifr_flags & 0xffff);
  r.ifr_flags |= IFF_UP;
  show(ioctl(fd, SIOCSIFFLAGS, &r), "SIOCSIFFLAGS up");
  show(ioctl(fd, SIOCGIFFLAGS, &r), "SIOCGIFFLAGS");
  say("flags %x", r.ifr_flags & 0xffff);
  show(ioctl(fd, SIOCGIFADDR, &r), "SIOCGIFADDR");
  say("addr %s", inet_ntoa(((struct sockaddr_in *)&r.ifr_addr)->sin_addr));
  show(ioctl(fd, SIOCGIFNETMASK, &r), "SIOCGIFNETMASK");
  say("mask %s", inet_ntoa(((struct sockaddr_in *)&r.ifr_addr)->sin_addr));
  show(ioctl(fd, SIOCGIFBRDADDR, &r), "SIOCGIFBRDADDR");
  say("brd %s", inet_ntoa(((struct sockaddr_in *)&r.ifr_addr)->sin_addr));
  show(ioctl(fd, SIOCGIFMTU, &r), "SIOCGIFMTU");
  say("mtu %d", r.ifr_mtu);
  show(ioctl(fd, SIOCGIFINDEX, &r), "SIOCGIFINDEX");
  say("index %d", r.ifr_ifindex);
  show(ioctl(fd, SIOCGIFHWADDR, &r), "SIOCGIFHWADDR");
  say("type %d", r.ifr_hwaddr.sa_family);
  show(ioctl(fd, SIOCGIFNAME, &r), "SIOCGIFNAME");
  struct ifconf c = {.ifc_len = 0, .ifc_buf = 0};
  show(ioctl(fd, SIOCGIFCONF, &c), "SIOCGIFCONF size");
  say("len %d", c.ifc_len);
  char buf[200];
  c.ifc_len = sizeof buf;
  c.ifc_buf = buf;
  show(ioctl(fd, SIOCGIFCONF, &c), "SIOCGIFCONF");
  say("len %d %s", c.ifc_len, c.ifc_req->ifr_name);
  strcpy(r.ifr_name, "eth7");
  show(ioctl(fd, SIOCGIFADDR, &r), "SIOCGIFADDR of no interface");
}
static void t_create(void) {
  static const int types[] = {SOCK_STREAM, SOCK_DGRAM, SOCK_RAW, SOCK_SEQPACKET, SOCK_RDM, 0, 7, 11};
  static const int protos[] = {0, IPPROTO_TCP, IPPROTO_UDP, IPPROTO_ICMP, IPPROTO_ICMPV6, 255, 256, -1};
  for (int f = 0; f < 2; f++)
    for (unsigned t = 0; t < sizeof types / sizeof *types; t++)
      for (unsigned p = 0; p < sizeof protos / sizeof *protos; p++) {
        int fd = socket(f ? AF_INET6 : AF_INET, types[t], protos[p]);
        if (types[t] == SOCK_DGRAM && (protos[p] == 1 || protos[p] == 58)) { close(fd); continue; }
        ok(fd, "socket %s type %d proto %d", f ? "inet6" : "inet", types[t], protos[p]);
        if (fd >= 0) close(fd);
      }
  int sv[2];
  show(socketpair(AF_INET, SOCK_STREAM, 0, sv), "socketpair inet");
  show(socketpair(AF_INET6, SOCK_DGRAM, 0, sv), "socketpair inet6");
  show(socket(AF_INET + 100, SOCK_STREAM, 0), "socket family 102");
}
static void t_udp(int family, const char *ip) {
  int a = socket(family, SOCK_DGRAM, 0), b = socket(family, SOCK_DGRAM, 0);
  char buf[100];
  union sa s;
  names(a, "fresh");
  polls(a, "fresh");
  show(send(a, "x", 1, 0), "send without destination");
  show(listen(a, 5), "listen");
  show(accept(a, 0, 0), "accept");
  show(shutdown(a, SHUT_RD), "shutdown of an unconnected one");
  close(a);
  a = socket(family, SOCK_DGRAM, 0);
  show(bindto(b, family, ip, 5001), "bind");
  show(bindto(b, family, ip, 5002), "bind twice");
  names(b, "bound");
  socklen_t l = mk(&s, family, ip, 5001);
  show(sendto(a, "hello", 5, 0, &s.s, l), "sendto");
  names(a, "after sendto");
  polls(b, "one waits");
  int n = -1;
  show(ioctl(b, FIONREAD, &n), "FIONREAD");
  say("FIONREAD %d", n);
  l = sizeof s;
  show(recvfrom(b, buf, 3, MSG_PEEK, &s.s, &l), "peek 3");
  say("from %s", text(&s, l));
  show(recvfrom(b, buf, 3, MSG_PEEK | MSG_TRUNC, 0, 0), "peek 3 trunc");
  show(recv(b, buf, 3, 0), "recv 3 of 5");
  show(recv(b, buf, 3, MSG_DONTWAIT), "recv of nothing");
  show(connto(a, family, ip, 5001), "connect");
  names(a, "connected");
  show(send(a, "", 0, 0), "send empty");
  show(recv(b, buf, 3, 0), "recv empty");
  show(send(a, "abc", 3, 0), "send");
  struct iovec iov[2] = {{buf, 1}, {buf + 1, 1}};
  struct msghdr m = {.msg_name = &s, .msg_namelen = sizeof s, .msg_iov = iov, .msg_iovlen = 2};
  show(recvmsg(b, &m, 0), "recvmsg into 2");
  say("flags %x %c%c", m.msg_flags, buf[0], buf[1]);
  static char big[70000];
  show(send(a, big, 65507, 0), "send 65507");
  show(recv(b, big, sizeof big, 0), "recv");
  show(send(a, big, 65508, 0), "send 65508");
  if (family == AF_INET6) show(recv(b, big, sizeof big, 0), "recv");
  show(send(a, big, 65536, 0), "send 65536");
  show(send(a, "x", 1, MSG_OOB), "send OOB");
  close(b);
  show(send(a, "x", 1, 0), "send to a closed port");
  polls(a, "refused");
  say("SO_ERROR %d", getint(a, SOL_SOCKET, SO_ERROR));
  show(send(a, "x", 1, 0), "send again");
  show(send(a, "x", 1, 0), "and again");
  show(recv(a, buf, 1, MSG_DONTWAIT), "recv");
  show(recv(a, buf, 1, MSG_DONTWAIT), "recv");
  struct sockaddr un = {.sa_family = AF_UNSPEC};
  show(connect(a, &un, sizeof un), "disconnect");
  names(a, "disconnected");
  show(shutdown(a, 7), "shutdown 7");
  show(connto(a, family, ip, 5001), "connect again");
  show(shutdown(a, SHUT_WR), "shutdown write");
  show(send(a, "x", 1, MSG_NOSIGNAL), "send after it");
  show(shutdown(a, SHUT_RD), "shutdown read");
  polls(a, "shut down");
  show(recv(a, buf, 1, 0), "recv after it");
  close(a);
  a = socket(family, SOCK_DGRAM, 0);
  mk(&s, family, ip, 0);
  show(sendto(a, "x", 1, 0, &s.s, sizeof s), "sendto port 0");
  show(sendto(a, "x", 1, 0, &s.s, 3), "sendto short address");
  s.s.sa_family = AF_UNIX;
  show(sendto(a, "x", 1, 0, &s.s, sizeof s), "sendto family unix");
  show(bind(a, &s.s, sizeof s), "bind family unix");
  show(connect(a, &s.s, sizeof s), "connect family unix");
  s.s.sa_family = AF_UNSPEC;
  show(bind(a, &s.s, sizeof s), "bind family unspec");
  close(a);
}
static void t_udp4(void) { t_udp(AF_INET, "127.0.0.1"); }
static void t_udp6(void) { t_udp(AF_INET6, "::1"); }
static void t_route(void) {
  int a = socket(AF_INET, SOCK_DGRAM, 0), t = socket(AF_INET, SOCK_STREAM, 0);
  show(connto(a, AF_INET, "10.1.2.3", 9), "udp connect 10.1.2.3");
  show(connto(t, AF_INET, "10.1.2.3", 9), "tcp connect 10.1.2.3");
  show(connto(a, AF_INET, "127.3.2.1", 9), "udp connect 127.3.2.1");
  names(a, "127.3.2.1");
  show(connto(a, AF_INET, "0.0.0.0", 9), "udp connect 0.0.0.0");
  names(a, "0.0.0.0");
  close(a);
  a = socket(AF_INET, SOCK_DGRAM, 0);
  show(connto(a, AF_INET, "127.255.255.255", 9), "udp connect broadcast");
  show(setint(a, SOL_SOCKET, SO_BROADCAST, 1), "SO_BROADCAST");
  show(connto(a, AF_INET, "127.255.255.255", 9), "udp connect broadcast");
  names(a, "broadcast");
  show(connto(t, AF_INET, "127.255.255.255", 9), "tcp connect broadcast");
  close(a);
  a = socket(AF_INET, SOCK_DGRAM, 0);
  setint(a, SOL_SOCKET, SO_BROADCAST, 1);
  show(connto(a, AF_INET, "255.255.255.255", 9), "udp connect 255.255.255.255");
  show(connto(a, AF_INET, "224.0.0.1", 9), "udp connect 224.0.0.1");
  show(bindto(a, AF_INET, "10.0.0.1", 9000), "bind 10.0.0.1");
  show(bindto(a, AF_INET, "127.9.9.9", 9000), "bind 127.9.9.9");
  names(a, "127.9.9.9");
  close(a);
  a = socket(AF_INET, SOCK_DGRAM, 0);
  show(bindto(a, AF_INET, "127.255.255.255", 9000), "bind broadcast");
  names(a, "broadcast");
  close(a);
  a = socket(AF_INET, SOCK_DGRAM, 0);
  show(bindto(a, AF_INET, "224.1.1.1", 9000), "bind multicast");
  close(a);
  a = socket(AF_INET6, SOCK_DGRAM, 0);
  show(connto(a, AF_INET6, "2001:db8::1", 9), "udp6 connect 2001:db8::1");
  show(connto(a, AF_INET6, "fe80::1", 9), "udp6 connect fe80::1");
  show(connto(a, AF_INET6, "::", 9), "udp6 connect ::");
  names(a, "::");
  show(bindto(a, AF_INET6, "2001:db8::1", 9000), "bind 2001:db8::1");
  close(a);
  a = socket(AF_INET6, SOCK_STREAM, 0);
  show(bindto(a, AF_INET6, "ff02::1", 9000), "tcp bind ff02::1");
  show(connto(a, AF_INET6, "2001:db8::1", 9), "tcp6 connect 2001:db8::1");
  show(connto(a, AF_INET6, "ff02::1", 9), "tcp6 connect ff02::1");
  close(a);
  close(t);
}
static void t_tcp(int family, const char *ip) {
  char buf[100];
  int l = socket(family, SOCK_STREAM, 0), c = socket(family, SOCK_STREAM, 0);
  polls(l, "fresh");
  names(l, "fresh");
  say("state %s", st(l));
  show(recv(l, buf, 1, MSG_DONTWAIT), "recv of a fresh one");
  show(send(l, "x", 1, MSG_NOSIGNAL), "send of a fresh one");
  show(accept(l, 0, 0), "accept of a fresh one");
  show(shutdown(l, SHUT_RDWR), "shutdown of a fresh one");
  close(l);
  l = socket(family, SOCK_STREAM, 0);
  show(bindto(l, family, ip, 5003), "bind");
  show(connto(c, family, ip, 5003), "connect to a bound one");
  polls(c, "refused");
  show(connto(c, family, ip, 5003), "connect again");
  show(listen(l, 3), "listen");
  say("state %s acceptconn %d", st(l), getint(l, SOL_SOCKET, SO_ACCEPTCONN));
  polls(l, "listening");
  show(fcntl(l, F_SETFL, O_NONBLOCK), "nonblock");
  show(accept(l, 0, 0), "accept of nothing");
  show(recv(l, buf, 1, 0), "recv of a listener");
  show(send(l, "x", 1, MSG_NOSIGNAL), "send of a listener");
  show(connto(l, family, ip, 5003), "connect of a listener");
  close(c);
  c = socket(family, SOCK_STREAM, 0);
  show(connto(c, family, ip, 5003), "connect");
  names(c, "client");
  polls(l, "one waits");
  polls(c, "connected");
  union sa s;
  socklen_t len = sizeof s;
  int a = accept(l, &s.s, &len);
  say("accepted from %s", text(&s, len));
  names(a, "server");
  say("states %s %s", st(c), st(a));
  show(connto(c, family, ip, 5003), "connect again");
  show(listen(c, 1), "listen of a connected one");
  show(bindto(c, family, ip, 5004), "bind of a connected one");
  show(send(c, "hello world", 11, 0), "send");
  polls(a, "data");
  int n = -1;
  ioctl(a, FIONREAD, &n);
  say("FIONREAD %d", n);
  show(recv(a, buf, 5, MSG_PEEK), "peek");
  show(recv(a, buf, 6, 0), "recv 6");
  show(recv(a, buf, 100, MSG_TRUNC), "recv trunc");
  show(recv(a, buf, 100, MSG_DONTWAIT), "recv of nothing");
  show(send(c, "", 0, 0), "send 0");
  show(recv(a, buf, 1, MSG_OOB), "recv OOB of nothing");
  show(sendto(c, "x", 1, 0, &s.s, len), "sendto with address");
  len = sizeof s;
  show(recvfrom(a, buf, 1, 0, &s.s, &len), "recvfrom");
  say("address len %d", len);
  show(shutdown(c, SHUT_WR), "shutdown write");
  say("states %s %s", st(c), st(a));
  polls(c, "client");
  polls(a, "server");
  show(recv(a, buf, 1, 0), "recv at the end");
  show(send(c, "x", 1, MSG_NOSIGNAL), "send after shutdown");
  show(send(a, "back", 4, 0), "send the other way");
  show(recv(c, buf, 10, 0), "recv");
  show(shutdown(a, SHUT_WR), "shutdown of the other side");
  say("states %s %s", st(c), st(a));
  polls(c, "client");
  polls(a, "server");
  names(c, "client");
  names(a, "server");
  show(recv(c, buf, 1, 0), "recv at the end");
  show(send(c, "x", 1, MSG_NOSIGNAL), "send after all");
  show(shutdown(c, SHUT_RDWR), "shutdown again");
  close(c);
  close(a);
  // Its port is in TIME_WAIT.
  close(l);
  l = socket(family, SOCK_STREAM, 0);
  show(bindto(l, family, ip, 5003), "bind while in TIME_WAIT");
  setint(l, SOL_SOCKET, SO_REUSEADDR, 1);
  show(bindto(l, family, ip, 5003), "with SO_REUSEADDR");
  show(listen(l, 1), "listen");
  close(l);
}
static void t_tcp4(void) { t_tcp(AF_INET, "127.0.0.1"); }
static void t_tcp6(void) { t_tcp(AF_INET6, "::1"); }
static void t_dual(void) {
  int s = socket(AF_INET6, SOCK_STREAM, 0), c, a;
  union sa from;
  socklen_t l = sizeof from;
  say("v6only %d", getint(s, SOL_IPV6, IPV6_V6ONLY));
  show(bindto(s, AF_INET6, "::", 5005), "bind ::");
  show(listen(s, 5), "listen");
  c = socket(AF_INET, SOCK_STREAM, 0);
  show(connto(c, AF_INET, "127.0.0.1", 5005), "connect by IPv4");
  a = accept(s, &from.s, &l);
  say("from %s", text(&from, l));
  names(a, "accepted");
  close(a);
  close(c);
  c = socket(AF_INET6, SOCK_STREAM, 0);
  show(connto(c, AF_INET6, "::ffff:127.0.0.1", 5005), "connect mapped");
  names(c, "mapped");
  l = sizeof from;
  a = accept(s, &from.s, &l);
  names(a, "accepted");
  close(a);
  close(c);
  c = socket(AF_INET, SOCK_STREAM, 0);
  show(bindto(c, AF_INET, "127.0.0.1", 5005), "bind IPv4 beside ::");
  close(c);
  close(s);
  s = socket(AF_INET6, SOCK_STREAM, 0);
  show(setint(s, SOL_IPV6, IPV6_V6ONLY, 1), "v6only");
  show(bindto(s, AF_INET6, "::", 5006), "bind ::");
  show(setint(s, SOL_IPV6, IPV6_V6ONLY, 0), "v6only after bind");
  listen(s, 5);
  c = socket(AF_INET, SOCK_STREAM, 0);
  show(connto(c, AF_INET, "127.0.0.1", 5006), "connect by IPv4");
  close(c);
  c = socket(AF_INET, SOCK_STREAM, 0);
  show(bindto(c, AF_INET, "0.0.0.0", 5006), "bind IPv4 beside v6only ::");
  close(c);
  c = socket(AF_INET6, SOCK_STREAM, 0);
  setint(c, SOL_IPV6, IPV6_V6ONLY, 1);
  show(bindto(c, AF_INET6, "::ffff:127.0.0.1", 5007), "bind mapped with v6only");
  show(connto(c, AF_INET6, "::ffff:127.0.0.1", 5007), "connect mapped with v6only");
  close(c);
  close(s);
  c = socket(AF_INET6, SOCK_DGRAM, 0);
  show(bindto(c, AF_INET6, "::ffff:127.0.0.1", 5008), "udp bind mapped");
  names(c, "udp mapped");
  a = socket(AF_INET, SOCK_DGRAM, 0);
  show(connto(a, AF_INET, "127.0.0.1", 5008), "udp connect");
  show(send(a, "x", 1, 0), "send");
  l = sizeof from;
  char b;
  show(recvfrom(c, &b, 1, MSG_DONTWAIT, &from.s, &l), "recvfrom");
  say("from %s", text(&from, l));
  show(connto(c, AF_INET6, "::1", 5009), "udp connect ::1 from a mapped bind");
  close(a);
  close(c);
}
static void t_backlog(void) {
  int l = listener(AF_INET, "127.0.0.1", 5010, 1), c[4], i;
  for (i = 0; i < 4; i++) {
    c[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    show(connto(c[i], AF_INET, "127.0.0.1", 5010), "connect %d", i);
    msleep(20);
    say("state %s", st(c[i]));
    polls(c[i], "client");
  }
  show(connto(c[3], AF_INET, "127.0.0.1", 5010), "connect again");
  show(send(c[3], "x", 1, MSG_NOSIGNAL), "send while connecting");
  char b;
  show(recv(c[3], &b, 1, 0), "recv while connecting");
  int a = accept(l, 0, 0);
  close(a);
  for (i = 0; i < 50 && state(c[2]) != 1; i++) msleep(100);
  say("state %s", st(c[2]));
  close(accept(l, 0, 0));
  for (i = 0; i < 50 && state(c[3]) != 1; i++) msleep(100);
  say("state %s", st(c[3]));
  show(connto(c[2], AF_INET, "127.0.0.1", 5010), "connect of a connected one");
  struct pollfd ready = {.fd = l, .events = POLLIN};
  poll(&ready, 1, 30000);
  close(l);
  msleep(20);
  for (i = 0; i < 4; i++) {
    say("after the listener closed: %s", st(c[i]));
    polls(c[i], "client");
    show(recv(c[i], &b, 1, 0), "recv");
    show(recv(c[i], &b, 1, 0), "recv");
    close(c[i]);
  }
}
static void t_reset(void) {
  int s[2];
  char buf[10];
  pairof(AF_INET, "127.0.0.1", s);
  send(s[0], "unread", 6, 0);
  close(s[1]);
  say("closed with unread data: %s", st(s[0]));
  polls(s[0], "client");
  show(recv(s[0], buf, 10, 0), "recv");
  show(recv(s[0], buf, 10, 0), "recv");
  show(send(s[0], "x", 1, MSG_NOSIGNAL), "send");
  names(s[0], "reset");
  close(s[0]);
  pairof(AF_INET, "127.0.0.1", s);
  struct linger li = {1, 0};
  show(setsockopt(s[1], SOL_SOCKET, SO_LINGER, &li, sizeof li), "linger 0");
  close(s[1]);
  say("closed with linger 0: %s SO_ERROR %d", st(s[0]), getint(s[0], SOL_SOCKET, SO_ERROR));
  show(recv(s[0], buf, 10, 0), "recv");
  close(s[0]);
  pairof(AF_INET, "127.0.0.1", s);
  close(s[1]);
  show(recv(s[0], buf, 10, 0), "recv after close");
  say("state %s", st(s[0]));
  show(send(s[0], "x", 1, MSG_NOSIGNAL), "send to a closed one");
  msleep(5);
  say("state %s", st(s[0]));
  polls(s[0], "client");
  show(send(s[0], "x", 1, MSG_NOSIGNAL), "send again");
  show(recv(s[0], buf, 10, 0), "recv");
  close(s[0]);
  pairof(AF_INET, "127.0.0.1", s);
  struct sockaddr un = {.sa_family = AF_UNSPEC};
  show(connect(s[0], &un, sizeof un), "connect unspec");
  say("states %s %s", st(s[0]), st(s[1]));
  names(s[0], "disconnected");
  show(recv(s[1], buf, 1, 0), "recv of the other");
  int l = listener(AF_INET, "127.0.0.1", 0, 1);
  show(connto(s[0], AF_INET, "127.0.0.1", portof(l)), "connect elsewhere");
  close(s[0]);
  close(s[1]);
  close(l);
  pairof(AF_INET, "127.0.0.1", s);
  show(shutdown(s[1], SHUT_RD), "shutdown read");
  show(send(s[0], "x", 1, MSG_NOSIGNAL), "send to it");
  show(recv(s[1], buf, 1, 0), "recv of it");
  show(recv(s[1], buf, 1, 0), "recv of it");
  polls(s[1], "it");
  close(s[0]);
  close(s[1]);
}
static void t_oob(void) {
  int s[2], n;
  char buf[20];
  pairof(AF_INET, "127.0.0.1", s);
  send(s[0], "ab", 2, 0);
  show(send(s[0], "cd", 2, MSG_OOB), "send OOB");
  send(s[0], "ef", 2, 0);
  msleep(10);
  polls(s[1], "urgent");
  ioctl(s[1], FIONREAD, &n);
  say("FIONREAD %d", n);
  show(recv(s[1], buf, 1, MSG_OOB | MSG_PEEK), "peek OOB");
  show(recv(s[1], buf, 1, MSG_OOB), "recv OOB");
  say("%c", buf[0]);
  show(recv(s[1], buf, 1, MSG_OOB), "recv OOB again");
  polls(s[1], "urgent read");
  show(ioctl(s[1], SIOCATMARK, &n), "SIOCATMARK");
  say("mark %d", n);
  show(n = recv(s[1], buf, 20, 0), "recv");
  say("%.*s", n, buf);
  ioctl(s[1], SIOCATMARK, &n);
  say("mark %d", n);
  show(n = recv(s[1], buf, 20, 0), "recv");
  say("%.*s", n, buf);
  setint(s[1], SOL_SOCKET, SO_OOBINLINE, 1);
  send(s[0], "gh", 2, MSG_OOB);
  msleep(10);
  show(recv(s[1], buf, 1, MSG_OOB), "recv OOB inline");
  show(n = recv(s[1], buf, 20, 0), "recv inline");
  show(n = recv(s[1], buf, 20, MSG_DONTWAIT), "recv inline");
  close(s[0]);
  close(s[1]);
}
static void t_wait(void) {
  int s[2];
  char buf[20];
  pairof(AF_INET, "127.0.0.1", s);
  struct timeval tv = {0, 50000};
  setsockopt(s[1], SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof tv);
  show(recv(s[1], buf, 20, 0), "recv with timeout");
  send(s[0], "abc", 3, 0);
  show(recv(s[1], buf, 20, MSG_WAITALL), "WAITALL with timeout");
  pid_t p = fork();
  if (p == 0) {
    for (int i = 0; i < 5; i++) {
      msleep(5);
      send(s[0], "abcd", 4, 0);
    }
    _exit(0);
  }
  show(recv(s[1], buf, 20, MSG_WAITALL), "WAITALL");
  waitpid(p, 0, 0);
  setint(s[1], SOL_SOCKET, SO_RCVLOWAT, 5);
  send(s[0], "abcd", 4, 0);
  msleep(5);
  polls(s[1], "below lowat");
  send(s[0], "e", 1, 0);
  msleep(5);
  polls(s[1], "at lowat");
  show(recv(s[1], buf, 20, 0), "recv");
  p = fork();
  if (p == 0) {
    msleep(5);
    close(s[0]);
    shutdown(s[0], SHUT_WR);
    _exit(0);
  }
  close(s[0]);
  show(recv(s[1], buf, 20, 0), "recv until closed");
  waitpid(p, 0, 0);
  close(s[1]);
  // A blocked accept and a blocked connect.
  int l = listener(AF_INET, "127.0.0.1", 0, 1), c = socket(AF_INET, SOCK_STREAM, 0);
  p = fork();
  if (p == 0) {
    msleep(5);
    connto(c, AF_INET, "127.0.0.1", portof(l));
    _exit(0);
  }
  ok(accept(l, 0, 0), "accept that waits");
  waitpid(p, 0, 0);
  setsockopt(l, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof tv);
  show(accept(l, 0, 0), "accept with timeout");
  close(l);
  close(c);
}
static int optval(int fd, int level, int name) {
  char b[4] = {0x55, 0x55, 0x55, 0x55};
  socklen_t l = 4;
  int v;
  if (getsockopt(fd, level, name, b, &l) < 0) return -errno;
  memcpy(&v, b, 4);
  return v;
}
static void t_defaults(void) {
  for (int f = 0; f < 2; f++) {
    int t = socket(f ? AF_INET6 : AF_INET, SOCK_STREAM, 0), u = socket(f ? AF_INET6 : AF_INET, SOCK_DGRAM, 0);
    // Not: what depends on the machine, and options of subjects that Lintel has not (docs/status.md).
    for (int o = 1; o < 77; o++) {
      if ((o >= 55 && o <= 57) || o == 61 || (o >= 63 && o <= 65) || (o >= 68 && o <= 73)) continue;
      say("SOL_SOCKET %d: %d %d", o, optval(t, SOL_SOCKET, o), optval(u, SOL_SOCKET, o));
    }
    for (int o = 1; o < 60; o++) if (o != 3 && o != 5 && o != 23 && o != 41 && o != 48) say("SOL_IP %d: %d %d", o, optval(t, SOL_IP, o), optval(u, SOL_IP, o));
    if (f) for (int o = 16; o < 79; o++) if (o != 22 && o != 30 && o != 32 && o != 48 && !(o >= 54 && o <= 61)) say("SOL_IPV6 %d: %d %d", o, optval(t, SOL_IPV6, o), optval(u, SOL_IPV6, o));
    for (int o = 1; o < 37; o++) if (o != 24 && !(o >= 19 && o <= 29) && o != 33 && o != 35) say("SOL_TCP %d: %d", o, optval(t, SOL_TCP, o));
    for (int o = 101; o < 105; o++) if (optval(u, SOL_UDP, o) != -ENOPROTOOPT) say("SOL_UDP %d: %d", o, optval(u, SOL_UDP, o));
    close(t);
    close(u);
  }
}
static void setall(int fd, const char *what, int level, int from, int to) {
  static const int vals[] = {-1, 0, 1, 2, 64, 255, 256, 65536};
  for (int o = from; o <= to; o++) {
    int e[8], same = 1;
    for (int i = 0; i < 8; i++) {
      e[i] = setint(fd, level, o, vals[i]) < 0 ? errno : 0;
      if (e[i] != e[0]) same = 0;
    }
    if (same && e[0] == ENOPROTOOPT) continue;
    char one = 1;
    int s1 = setsockopt(fd, level, o, &one, 1) < 0 ? errno : 0, s0 = setsockopt(fd, level, o, &one, 0) < 0 ? errno : 0;
    say("%s set %d: %d %d %d %d %d %d %d %d, one byte %d, none %d, then %d", what, o, e[0], e[1], e[2], e[3], e[4], e[5], e[6], e[7], s1, s0, optval(fd, level, o));
  }
}
static void t_setopts(void) {
  int t = socket(AF_INET, SOCK_STREAM, 0), u = socket(AF_INET, SOCK_DGRAM, 0), u6 = socket(AF_INET6, SOCK_DGRAM, 0), t6 = socket(AF_INET6, SOCK_STREAM, 0);
  setall(t, "tcp IP", SOL_IP, 1, 4);
  setall(t, "tcp IP", SOL_IP, 6, 15);
  setall(t, "tcp IP", SOL_IP, 19, 22);
  setall(t, "tcp IP", SOL_IP, 24, 34);
  setall(u, "udp IP", SOL_IP, 1, 4);
  setall(u, "udp IP", SOL_IP, 6, 15);
  setall(u, "udp IP", SOL_IP, 19, 22);
  setall(u, "udp IP", SOL_IP, 24, 36);
  setall(u, "udp IP", SOL_IP, 49, 52);
  setall(t, "tcp", SOL_TCP, 1, 10);
  setall(t, "tcp", SOL_TCP, 12, 12);
  setall(t, "tcp", SOL_TCP, 16, 18);
  setall(t, "tcp", SOL_TCP, 25, 27);
  setall(t, "tcp", SOL_TCP, 36, 36);
  setall(u6, "udp IPV6", SOL_IPV6, 16, 20);
  setall(u6, "udp IPV6", SOL_IPV6, 23, 26);
  setall(u6, "udp IPV6", SOL_IPV6, 29, 29);
  setall(u6, "udp IPV6", SOL_IPV6, 49, 49);
  setall(u6, "udp IPV6", SOL_IPV6, 51, 51);
  setall(u6, "udp IPV6", SOL_IPV6, 66, 67);
  setall(t6, "tcp IPV6", SOL_IPV6, 16, 19);
  setall(t6, "tcp IPV6", SOL_IPV6, 23, 26);
  setall(t6, "tcp IPV6", SOL_IPV6, 66, 67);
  setall(u, "udp UDP", SOL_UDP, 1, 1);
  setall(u, "udp UDP", SOL_UDP, 101, 104);
  show(setsockopt(t, SOL_TCP, TCP_CONGESTION, "reno", 4), "reno");
  show(setsockopt(t, SOL_TCP, TCP_CONGESTION, "nosuch", 6), "nosuch");
  char name[20] = "";
  socklen_t l = sizeof name;
  show(getsockopt(t, SOL_TCP, TCP_CONGESTION, name, &l), "TCP_CONGESTION");
  say("%s len %d", name, l);
  show(setint(t, 99, 1, 1), "level 99");
  show(setint(u, SOL_TCP, TCP_NODELAY, 1), "TCP_NODELAY on udp");
  show(setint(t, SOL_IPV6, IPV6_V6ONLY, 1), "V6ONLY on inet");
  close(t); close(u); close(u6); close(t6);
}
static void t_connopts(void) {
  int s[2];
  for (int f = 0; f < 2; f++) {
    pairof(f ? AF_INET6 : AF_INET, f ? "::1" : "127.0.0.1", s);
    say("client sndbuf %d rcvbuf %d maxseg %d mtu %d %d", getint(s[0], SOL_SOCKET, SO_SNDBUF), getint(s[0], SOL_SOCKET, SO_RCVBUF), getint(s[0], SOL_TCP, TCP_MAXSEG), getint(s[0], SOL_IP, IP_MTU), getint(s[0], SOL_IPV6, IPV6_MTU));
    say("server sndbuf %d rcvbuf %d maxseg %d", getint(s[1], SOL_SOCKET, SO_SNDBUF), getint(s[1], SOL_SOCKET, SO_RCVBUF), getint(s[1], SOL_TCP, TCP_MAXSEG));
    send(s[0], "x", 1, 0);
    char b;
    recv(s[1], &b, 1, 0);
    say("maxseg %d %d", getint(s[0], SOL_TCP, TCP_MAXSEG), getint(s[1], SOL_TCP, TCP_MAXSEG));
    for (int i = 0; i < 2; i++) {
      struct tcp_info t;
      socklen_t l = sizeof t;
      getsockopt(s[i], SOL_TCP, TCP_INFO, &t, &l);
      say("info %d: state %d opts %d wscale %d %d snd_mss %d rcv_mss %d pmtu %d advmss %d cwnd %d", i, t.tcpi_state, t.tcpi_options & 7, t.tcpi_snd_wscale, t.tcpi_rcv_wscale, t.tcpi_snd_mss, t.tcpi_rcv_mss, t.tcpi_pmtu, t.tcpi_advmss, t.tcpi_snd_cwnd);
    }
    close(s[0]);
    close(s[1]);
  }
  int l = listener(AF_INET, "127.0.0.1", 0, 7);
  struct tcp_info t;
  socklen_t len = sizeof t;
  getsockopt(l, SOL_TCP, TCP_INFO, &t, &len);
  say("listener: state %d unacked %d sacked %d", t.tcpi_state, t.tcpi_unacked, t.tcpi_sacked);
  // What an accepted connection gets from its listener.
  setint(l, SOL_SOCKET, SO_KEEPALIVE, 1);
  setint(l, SOL_SOCKET, SO_RCVBUF, 20000);
  setint(l, SOL_TCP, TCP_NODELAY, 1);
  setint(l, SOL_IP, IP_TOS, 16);
  setint(l, SOL_IP, IP_TTL, 33);
  setint(l, SOL_TCP, TCP_KEEPIDLE, 77);
  setint(l, SOL_TCP, TCP_MAXSEG, 1000);
  fcntl(l, F_SETFL, O_NONBLOCK);
  int c = socket(AF_INET, SOCK_STREAM, 0);
  connto(c, AF_INET, "127.0.0.1", portof(l));
  int a = accept(l, 0, 0);
  say("inherited: keepalive %d reuse %d rcvbuf %d nodelay %d tos %d ttl %d idle %d flags %d", getint(a, SOL_SOCKET, SO_KEEPALIVE), getint(a, SOL_SOCKET, SO_REUSEADDR), getint(a, SOL_SOCKET, SO_RCVBUF), getint(a, SOL_TCP, TCP_NODELAY), getint(a, SOL_IP, IP_TOS), getint(a, SOL_IP, IP_TTL), getint(a, SOL_TCP, TCP_KEEPIDLE), fcntl(a, F_GETFL) & O_NONBLOCK);
  say("maxseg %d %d", getint(c, SOL_TCP, TCP_MAXSEG), getint(a, SOL_TCP, TCP_MAXSEG));
  close(a); close(c); close(l);
}
static void trybind(int type, int f1, const char *a1, int o1, int f2, const char *a2, int o2) {
  int x = socket(f1, type, 0), y = socket(f2, type, 0);
  if (o1 & 1) setint(x, SOL_SOCKET, SO_REUSEADDR, 1);
  if (o1 & 2) setint(x, SOL_SOCKET, SO_REUSEPORT, 1);
  if (o2 & 1) setint(y, SOL_SOCKET, SO_REUSEADDR, 1);
  if (o2 & 2) setint(y, SOL_SOCKET, SO_REUSEPORT, 1);
  if (o1 & 4) setint(x, SOL_IPV6, IPV6_V6ONLY, 1);
  if (o2 & 4) setint(y, SOL_IPV6, IPV6_V6ONLY, 1);
  int r1 = bindto(x, f1, a1, 5020) ? errno : 0;
  if ((o1 & 8) && listen(x, 1)) r1 = errno + 1000;
  int r2 = bindto(y, f2, a2, 5020) ? errno : 0;
  int r3 = type == SOCK_STREAM && !r2 && listen(y, 1) ? errno : 0;
  say("%s %s opts %d, %s opts %d: %d %d %d", type == SOCK_STREAM ? "tcp" : "udp", a1, o1, a2, o2, r1, r2, r3);
  close(x);
  close(y);
}
static void t_bindrules(void) {
  static const char *addr[] = {"0.0.0.0", "127.0.0.1", "127.0.0.2", "::", "::1", "::ffff:127.0.0.1"};
  for (int t = 0; t < 2; t++)
    for (int i = 0; i < 6; i++)
      for (int j = 0; j < 6; j++) {
        int f1 = i < 3 ? AF_INET : AF_INET6, f2 = j < 3 ? AF_INET : AF_INET6, type = t ? SOCK_DGRAM : SOCK_STREAM;
        trybind(type, f1, addr[i], 0, f2, addr[j], 0);
        if (i == 3) trybind(type, f1, addr[i], 4, f2, addr[j], 0);
        if (j == 3) trybind(type, f1, addr[i], 0, f2, addr[j], 4);
        if (i < 2 && j < 2) {
          for (int o = 1; o < 4; o++) {
            trybind(type, f1, addr[i], o, f2, addr[j], o);
            trybind(type, f1, addr[i], o, f2, addr[j], 0);
            if (!t) trybind(type, f1, addr[i], o | 8, f2, addr[j], o);
          }
        }
      }
  int a = socket(AF_INET, SOCK_STREAM, 0), b = socket(AF_INET, SOCK_STREAM, 0);
  show(bindto(a, AF_INET, "127.0.0.1", 0), "bind port 0");
  say("odd %d", portof(a) & 1);
  show(bindto(b, AF_INET, "127.0.0.1", portof(a)), "bind the same");
  close(a);
  close(b);
  a = socket(AF_INET, SOCK_STREAM, 0);
  show(listen(a, 1), "listen without bind");
  say("port in range %d", portof(a) >= 32768 && portof(a) <= 60999);
  close(a);
  show(setuid(1000), "setuid");
  a = socket(AF_INET, SOCK_STREAM, 0);
  show(bindto(a, AF_INET, "127.0.0.1", 80), "bind port 80 as a user");
  show(socket(AF_INET, SOCK_RAW, IPPROTO_ICMP), "raw socket as a user");
  show(setint(a, SOL_SOCKET, SO_MARK, 1), "SO_MARK as a user");
  show(setint(a, SOL_SOCKET, SO_SNDBUFFORCE, 1), "SO_SNDBUFFORCE as a user");
  show(setint(a, SOL_IP, IP_TRANSPARENT, 1), "IP_TRANSPARENT as a user");
  struct ifreq r;
  memset(&r, 0, sizeof r);
  strcpy(r.ifr_name, "lo");
  show(ioctl(a, SIOCSIFFLAGS, &r), "SIOCSIFFLAGS as a user");
  close(a);
}
static void t_reuseport(void) {
  int s[3], got[3] = {0, 0, 0};
  char b;
  for (int i = 0; i < 3; i++) {
    s[i] = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0);
    setint(s[i], SOL_SOCKET, SO_REUSEPORT, 1);
    show(bindto(s[i], AF_INET, "127.0.0.1", 5021), "bind %d", i);
  }
  for (int i = 0; i < 60; i++) {
    int c = socket(AF_INET, SOCK_DGRAM, 0);
    connto(c, AF_INET, "127.0.0.1", 5021);
    send(c, "x", 1, 0);
    close(c);
  }
  for (int i = 0; i < 3; i++) while (recv(s[i], &b, 1, 0) == 1) got[i]++;
  say("all came %d, all had some %d", got[0] + got[1] + got[2], got[0] && got[1] && got[2]);
  for (int i = 0; i < 3; i++) close(s[i]);
  // SO_REUSEADDR on datagrams: the last one gets all.
  for (int i = 0; i < 2; i++) {
    s[i] = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0);
    setint(s[i], SOL_SOCKET, SO_REUSEADDR, 1);
    bindto(s[i], AF_INET, "127.0.0.1", 5022);
  }
  int c = socket(AF_INET, SOCK_DGRAM, 0);
  connto(c, AF_INET, "127.0.0.1", 5022);
  send(c, "x", 1, 0);
  say("first %zd second %zd", recv(s[0], &b, 1, 0), recv(s[1], &b, 1, 0));
  close(s[0]); close(s[1]); close(c);
}
static void t_udpfill(void) {
  static const int sizes[] = {0, 1, 100, 1000, 1400, 2000, 4000, 8000, 20000, 60000};
  static char buf[65536];
  for (unsigned i = 0; i < sizeof sizes / sizeof *sizes; i++) {
    for (int f = 0; f < 2; f++) {
      int a = socket(f ? AF_INET6 : AF_INET, SOCK_DGRAM, 0), b = socket(f ? AF_INET6 : AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0), n = 0, m[9];
      socklen_t l = sizeof m;
      bindto(b, f ? AF_INET6 : AF_INET, f ? "::1" : "127.0.0.1", 5023);
      connto(a, f ? AF_INET6 : AF_INET, f ? "::1" : "127.0.0.1", 5023);
      for (int j = 0; j < 600; j++) if (send(a, buf, sizes[i], MSG_DONTWAIT) < 0) say("send %s", name_of(errno));
      getsockopt(b, SOL_SOCKET, SO_MEMINFO, m, &l);
      while (recv(b, buf, sizeof buf, 0) >= 0) n++;
      say("size %d v%d: %d fit, rmem %d, drops %d", sizes[i], f ? 6 : 4, n, m[0], m[8]);
      close(a);
      close(b);
    }
  }
}
static void t_cmsg(void) {
  int a = socket(AF_INET, SOCK_DGRAM, 0), b = socket(AF_INET, SOCK_DGRAM, 0);
  bindto(b, AF_INET, "0.0.0.0", 5024);
  connto(a, AF_INET, "127.0.0.5", 5024);
  setint(b, SOL_IP, IP_PKTINFO, 1);
  setint(b, SOL_IP, IP_RECVTTL, 1);
  setint(b, SOL_IP, IP_RECVTOS, 1);
  setint(b, SOL_IP, IP_RECVORIGDSTADDR, 1);
  setint(b, SOL_SOCKET, SO_TIMESTAMP, 1);
  setint(a, SOL_IP, IP_TTL, 9);
  setint(a, SOL_IP, IP_TOS, 0x28);
  char c, ctl[300];
  struct iovec v = {&c, 1};
  struct msghdr m = {.msg_iov = &v, .msg_iovlen = 1, .msg_control = ctl, .msg_controllen = sizeof ctl};
  send(a, "x", 1, 0);
  show(recvmsg(b, &m, 0), "recvmsg");
  for (struct cmsghdr *h = CMSG_FIRSTHDR(&m); h; h = CMSG_NXTHDR(&m, h)) {
    unsigned char *d = CMSG_DATA(h);
    if (h->cmsg_level == SOL_IP && h->cmsg_type == IP_PKTINFO) {
      struct in_pktinfo *p = (void *)d;
      char s[20], t[20];
      inet_ntop(AF_INET, &p->ipi_spec_dst, s, 20);
      inet_ntop(AF_INET, &p->ipi_addr, t, 20);
      say("pktinfo %d %s %s", p->ipi_ifindex, s, t);
    } else if (h->cmsg_level == SOL_SOCKET) say("socket %d len %zu", h->cmsg_type, h->cmsg_len);
    else say("cmsg %d %d len %zu: %d", h->cmsg_level, h->cmsg_type, h->cmsg_len, d[0]);
  }
  char big[CMSG_SPACE(12) + CMSG_SPACE(4) + CMSG_SPACE(4)];
  memset(big, 0, sizeof big);
  struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(5024), .sin_addr = {htonl(0x7f000001)}};
  struct msghdr o = {.msg_name = &to, .msg_namelen = sizeof to, .msg_iov = &v, .msg_iovlen = 1, .msg_control = big, .msg_controllen = sizeof big};
  struct cmsghdr *h = CMSG_FIRSTHDR(&o);
  h->cmsg_level = SOL_IP; h->cmsg_type = IP_PKTINFO; h->cmsg_len = CMSG_LEN(12);
  struct in_pktinfo *p = (void *)CMSG_DATA(h);
  inet_pton(AF_INET, "127.0.0.9", &p->ipi_spec_dst);
  h = CMSG_NXTHDR(&o, h);
  h->cmsg_level = SOL_IP; h->cmsg_type = IP_TTL; h->cmsg_len = CMSG_LEN(4);
  *(int *)CMSG_DATA(h) = 77;
  h = CMSG_NXTHDR(&o, h);
  h->cmsg_level = SOL_IP; h->cmsg_type = IP_TOS; h->cmsg_len = CMSG_LEN(4);
  *(int *)CMSG_DATA(h) = 4;
  int a2 = socket(AF_INET, SOCK_DGRAM, 0);
  show(sendmsg(a2, &o, 0), "sendmsg with control");
  struct sockaddr_in from;
  m.msg_name = &from; m.msg_namelen = sizeof from; m.msg_controllen = 80;
  show(recvmsg(b, &m, 0), "recvmsg");
  say("from %s flags %x control %zu", inet_ntoa(from.sin_addr), m.msg_flags, m.msg_controllen);
  h = CMSG_FIRSTHDR(&o);
  h = CMSG_NXTHDR(&o, h);
  *(int *)CMSG_DATA(h) = 0;
  show(sendmsg(a2, &o, 0), "ttl 0");
  h->cmsg_type = 99;
  show(sendmsg(a2, &o, 0), "unknown control message");
  h->cmsg_len = 3;
  show(sendmsg(a2, &o, 0), "broken control message");
  close(a); close(b); close(a2);
  a = socket(AF_INET6, SOCK_DGRAM, 0);
  b = socket(AF_INET6, SOCK_DGRAM, 0);
  bindto(b, AF_INET6, "::", 5025);
  setint(b, SOL_IPV6, IPV6_RECVPKTINFO, 1);
  setint(b, SOL_IPV6, IPV6_RECVHOPLIMIT, 1);
  setint(b, SOL_IPV6, IPV6_RECVTCLASS, 1);
  for (int i = 0; i < 2; i++) {
    connto(a, AF_INET6, i ? "::ffff:127.0.0.1" : "::1", 5025);
    send(a, "x", 1, 0);
    m.msg_name = 0; m.msg_control = ctl; m.msg_controllen = sizeof ctl;
    show(recvmsg(b, &m, 0), "recvmsg");
    for (h = CMSG_FIRSTHDR(&m); h; h = CMSG_NXTHDR(&m, h)) {
      unsigned char *d = CMSG_DATA(h);
      char s[60];
      if (h->cmsg_type == IPV6_PKTINFO) say("pktinfo %s %d", inet_ntop(AF_INET6, d, s, 60), *(int *)(d + 16));
      else say("cmsg %d %d len %zu: %d", h->cmsg_level, h->cmsg_type, h->cmsg_len, d[0]);
    }
    close(a);
    a = socket(AF_INET6, SOCK_DGRAM, 0);
  }
  close(a); close(b);
}
static void t_errqueue(void) {
  int a = socket(AF_INET, SOCK_DGRAM, 0);
  char c[10], ctl[200];
  setint(a, SOL_IP, IP_RECVERR, 1);
  union sa s;
  socklen_t l = mk(&s, AF_INET, "127.0.0.1", 5026);
  show(sendto(a, "lost", 4, 0, &s.s, l), "sendto a closed port");
  polls(a, "error");
  show(recv(a, c, 1, MSG_DONTWAIT), "recv");
  struct iovec v = {c, 10};
  union sa from;
  struct msghdr m = {.msg_name = &from, .msg_namelen = sizeof from, .msg_iov = &v, .msg_iovlen = 1, .msg_control = ctl, .msg_controllen = sizeof ctl};
  show(recvmsg(a, &m, MSG_ERRQUEUE), "recvmsg ERRQUEUE");
  say("to %s flags %x", text(&from, m.msg_namelen), m.msg_flags);
  for (struct cmsghdr *h = CMSG_FIRSTHDR(&m); h; h = CMSG_NXTHDR(&m, h)) {
    struct sock_extended_err *e = (void *)CMSG_DATA(h);
    say("level %d type %d len %zu errno %d origin %d type %d code %d", h->cmsg_level, h->cmsg_type, h->cmsg_len, e->ee_errno, e->ee_origin, e->ee_type, e->ee_code);
  }
  show(recvmsg(a, &m, MSG_ERRQUEUE), "recvmsg ERRQUEUE again");
  polls(a, "none");
  close(a);
}
static void t_mmsg(void) {
  int a = socket(AF_INET, SOCK_DGRAM, 0), b = socket(AF_INET, SOCK_DGRAM, 0);
  bindto(b, AF_INET, "127.0.0.1", 5027);
  connto(a, AF_INET, "127.0.0.1", 5027);
  char buf[4][8];
  struct iovec v[4];
  struct mmsghdr m[4];
  memset(m, 0, sizeof m);
  for (int i = 0; i < 4; i++) {
    v[i] = (struct iovec){buf[i], i + 1};
    m[i].msg_hdr.msg_iov = &v[i];
    m[i].msg_hdr.msg_iovlen = 1;
  }
  show(sendmmsg(a, m, 4, 0), "sendmmsg");
  say("%d %d %d %d", m[0].msg_len, m[1].msg_len, m[2].msg_len, m[3].msg_len);
  for (int i = 0; i < 4; i++) v[i].iov_len = 8;
  show(recvmmsg(b, m, 4, MSG_WAITFORONE, 0), "recvmmsg");
  say("%d %d %d %d", m[0].msg_len, m[1].msg_len, m[2].msg_len, m[3].msg_len);
  show(recvmmsg(b, m, 4, MSG_DONTWAIT, 0), "recvmmsg of nothing");
  // MSG_MORE and UDP_CORK make one datagram of several calls.
  send(a, "ab", 2, MSG_MORE);
  send(a, "cd", 2, MSG_MORE);
  send(a, "ef", 2, 0);
  show(recv(b, buf, 20, MSG_DONTWAIT), "recv after MSG_MORE");
  setint(a, SOL_UDP, UDP_CORK, 1);
  send(a, "ab", 2, 0);
  send(a, "cd", 2, 0);
  show(recv(b, buf, 20, MSG_DONTWAIT), "recv while corked");
  setint(a, SOL_UDP, UDP_CORK, 0);
  show(recv(b, buf, 20, MSG_DONTWAIT), "recv after uncorking");
  close(a); close(b);
}
static void t_multicast(void) {
  int a = socket(AF_INET, SOCK_DGRAM, 0), b = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0);
  char c;
  struct ip_mreqn mr;
  memset(&mr, 0, sizeof mr);
  inet_pton(AF_INET, "224.5.6.7", &mr.imr_multiaddr);
  show(setsockopt(b, SOL_IP, IP_ADD_MEMBERSHIP, &mr, 8), "join without interface");
  inet_pton(AF_INET, "127.0.0.1", &mr.imr_address);
  show(setsockopt(b, SOL_IP, IP_ADD_MEMBERSHIP, &mr, 8), "join");
  show(setsockopt(b, SOL_IP, IP_ADD_MEMBERSHIP, &mr, 8), "join again");
  bindto(b, AF_INET, "0.0.0.0", 5028);
  union sa s;
  socklen_t l = mk(&s, AF_INET, "224.5.6.7", 5028);
  show(sendto(a, "x", 1, 0, &s.s, l), "sendto the group");
  struct in_addr lo = {htonl(0x7f000001)};
  show(setsockopt(a, SOL_IP, IP_MULTICAST_IF, &lo, 4), "IP_MULTICAST_IF");
  show(sendto(a, "x", 1, 0, &s.s, l), "sendto the group");
  show(recv(b, &c, 1, 0), "recv");
  show(setsockopt(b, SOL_IP, IP_DROP_MEMBERSHIP, &mr, 8), "leave");
  show(setsockopt(b, SOL_IP, IP_DROP_MEMBERSHIP, &mr, 8), "leave again");
  sendto(a, "x", 1, 0, &s.s, l);
  show(recv(b, &c, 1, 0), "recv");
  inet_pton(AF_INET, "10.0.0.1", &mr.imr_multiaddr);
  show(setsockopt(b, SOL_IP, IP_ADD_MEMBERSHIP, &mr, 8), "join what is no group");
  close(a); close(b);
}
static unsigned short cksum(unsigned short *p, int n) {
  unsigned s = 0;
  for (; n > 1; n -= 2) s += *p++;
  while (s >> 16) s = (s & 0xffff) + (s >> 16);
  return ~s;
}
static void t_raw(void) {
  int r = socket(AF_INET, SOCK_RAW, IPPROTO_ICMP);
  unsigned char p[16] = {8, 0, 0, 0, 0x12, 0x34, 0, 1, 'a', 'b', 'c', 'd'}, buf[200];
  *(unsigned short *)(p + 2) = cksum((void *)p, 16);
  union sa s;
  socklen_t l = mk(&s, AF_INET, "127.0.0.1", 0);
  int filter = ~(1 << 0);
  show(setsockopt(r, SOL_RAW, 1, &filter, 4), "ICMP_FILTER: echo replies only");
  show(sendto(r, p, 16, 0, &s.s, l), "send echo");
  int n = recv(r, buf, sizeof buf, MSG_DONTWAIT);
  say("got %d: ihl %d tos %d len %d ttl %d proto %d type %d code %d id %x%02x ip sum %d icmp sum %d", n, buf[0], buf[1], buf[2] << 8 | buf[3], buf[8], buf[9], buf[20], buf[21], buf[24], buf[25], cksum((void *)buf, 20), cksum((void *)(buf + 20), 16));
  close(r);
  r = socket(AF_INET, SOCK_RAW, IPPROTO_UDP);
  int a = socket(AF_INET, SOCK_DGRAM, 0), b = socket(AF_INET, SOCK_DGRAM, 0);
  bindto(b, AF_INET, "127.0.0.1", 5029);
  bindto(a, AF_INET, "127.0.0.1", 5030);
  connto(a, AF_INET, "127.0.0.1", 5029);
  send(a, "data", 4, 0);
  n = recv(r, buf, sizeof buf, MSG_DONTWAIT);
  say("raw udp %d: df %x ttl %d ports %d %d len %d data %.4s", n, buf[6], buf[8], buf[20] << 8 | buf[21], buf[22] << 8 | buf[23], buf[24] << 8 | buf[25], buf + 28);
  unsigned char u[12] = {0x13, 0xa6, 0x13, 0xa5, 0, 12, 0, 0, 'r', 'a', 'w', '!'};
  show(sendto(r, u, 12, 0, &s.s, l), "send UDP by hand");
  recv(b, buf, 4, MSG_DONTWAIT);
  show(n = recv(b, buf, 100, MSG_DONTWAIT), "recv");
  say("%.*s", n, buf);
  close(r); close(a); close(b);
  r = socket(AF_INET, SOCK_RAW, 200);
  show(sendto(r, "zz", 2, 0, &s.s, l), "protocol 200");
  show(n = recv(r, buf, 100, MSG_DONTWAIT), "recv it");
  show(bindto(r, AF_INET, "127.0.0.1", 0), "bind raw");
  names(r, "raw");
  close(r);
  r = socket(AF_INET6, SOCK_RAW, IPPROTO_ICMPV6);
  unsigned char q[12] = {128, 0, 0, 0, 0x12, 0x34, 0, 1, 'x', 'y', 'z', 'w'};
  l = mk(&s, AF_INET6, "::1", 0);
  show(sendto(r, q, 12, 0, &s.s, l), "send echo by IPv6");
  for (int i = 0; i < 2; i++) {
    n = recv(r, buf, sizeof buf, MSG_DONTWAIT);
    say("got %d type %d", n, buf[0]);
  }
  close(r);
}
static void t_fill(void) {
  // How much fits between two sockets when nobody reads, and that all of it arrives.
  int s[2], n = 0, m = 0, k;
  static char buf[100000];
  pairof(AF_INET, "127.0.0.1", s);
  fcntl(s[0], F_SETFL, O_NONBLOCK);
  while ((k = send(s[0], buf, 65536, 0)) > 0) n += k;
  show(k, "send into a full one");
  polls(s[0], "full");
  say("more than a megabyte %d", n > 1000000);
  int q;
  ioctl(s[1], FIONREAD, &q);
  say("some wait %d", q > 30000);
  ioctl(s[0], TIOCOUTQ, &k);
  say("the rest %d", n == q + k);
  fcntl(s[1], F_SETFL, O_NONBLOCK);
  for (int i = 0; i < 2000 && m < n; i++) {
    k = recv(s[1], buf, 50000, 0);
    if (k > 0) m += k; else msleep(1);
  }
  say("all came %d", n == m);
  polls(s[0], "empty");
  msleep(50);
  ioctl(s[0], TIOCOUTQ, &k);
  say("outq %d", k);
  close(s[0]); close(s[1]);
  // A small receive buffer and a writer that blocks.
  int l = socket(AF_INET, SOCK_STREAM, 0);
  setint(l, SOL_SOCKET, SO_RCVBUF, 4096);
  bindto(l, AF_INET, "127.0.0.1", 0);
  listen(l, 1);
  s[0] = socket(AF_INET, SOCK_STREAM, 0);
  setint(s[0], SOL_SOCKET, SO_SNDBUF, 8192);
  connto(s[0], AF_INET, "127.0.0.1", portof(l));
  s[1] = accept(l, 0, 0);
  pid_t p = fork();
  if (p == 0) {
    close(s[1]);
    for (int i = 0; i < 20; i++) {
      memset(buf, 'a' + i, 5000);
      if (send(s[0], buf, 5000, 0) != 5000) _exit(1);
    }
    _exit(0);
  }
  close(s[0]);
  m = 0;
  int bad = 0;
  while ((k = recv(s[1], buf, 3000, 0)) > 0) {
    for (int i = 0; i < k; i++) if (buf[i] != 'a' + (m + i) / 5000) bad++;
    m += k;
  }
  int stt;
  waitpid(p, &stt, 0);
  say("through a small window: %d bytes, %d wrong, writer %d", m, bad, stt);
  close(s[1]); close(l);
}
static void t_cork(void) {
  int s[2];
  char buf[100];
  pairof(AF_INET, "127.0.0.1", s);
  setint(s[0], SOL_TCP, TCP_CORK, 1);
  send(s[0], "abc", 3, 0);
  show(recv(s[1], buf, 100, MSG_DONTWAIT), "recv while corked");
  send(s[0], "def", 3, 0);
  setint(s[0], SOL_TCP, TCP_CORK, 0);
  show(recv(s[1], buf, 100, MSG_DONTWAIT), "recv after uncorking");
  send(s[0], "abc", 3, MSG_MORE);
  show(recv(s[1], buf, 100, MSG_DONTWAIT), "recv after MSG_MORE");
  long t = now_ms();
  show(recv(s[1], buf, 100, 0), "recv waits");
  t = now_ms() - t;
  say("about 200 ms %d", t > 150 && t < 400);
  close(s[0]); close(s[1]);
}
static void t_simul(void) {
  // Connecting to oneself: both ends are one socket.
  int a = socket(AF_INET, SOCK_STREAM, 0);
  char buf[10];
  show(bindto(a, AF_INET, "127.0.0.1", 5031), "bind");
  show(connto(a, AF_INET, "127.0.0.1", 5031), "connect to itself");
  say("state %s", st(a));
  show(send(a, "echo", 4, 0), "send");
  show(recv(a, buf, 10, 0), "recv");
  show(shutdown(a, SHUT_WR), "shutdown");
  show(recv(a, buf, 10, 0), "recv at the end");
  say("state %s", st(a));
  close(a);
  // Both sides close at once: each sends a FIN before it sees the other's.
  int s[2];
  pairof(AF_INET, "127.0.0.1", s);
  shutdown(s[0], SHUT_WR);
  shutdown(s[1], SHUT_WR);
  say("states %s %s", st(s[0]), st(s[1]));
  close(s[0]); close(s[1]);
}
static void t_epoll(void) {
  int l = listener(AF_INET, "127.0.0.1", 0, 5), e = epoll_create1(0), c = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
  struct epoll_event ev = {.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET}, out[4];
  ev.data.u32 = 2;
  epoll_ctl(e, EPOLL_CTL_ADD, c, &ev);
  ev.data.u32 = 1;
  epoll_ctl(e, EPOLL_CTL_ADD, l, &ev);
  int n = epoll_wait(e, out, 4, 0);
  for (int i = 0; i < n; i++) say("first %d: %x", out[i].data.u32, out[i].events);
  show(connto(c, AF_INET, "127.0.0.1", portof(l)), "connect");
  n = epoll_wait(e, out, 4, 100);
  for (int id = 1; id < 3; id++) for (int i = 0; i < n; i++) if ((int)out[i].data.u32 == id) say("connected %d: %x", id, out[i].events);
  say("SO_ERROR %d", getint(c, SOL_SOCKET, SO_ERROR));
  n = epoll_wait(e, out, 4, 0);
  say("no news %d", n);
  int a = accept(l, 0, 0);
  send(a, "x", 1, 0);
  n = epoll_wait(e, out, 4, 100);
  for (int i = 0; i < n; i++) say("data %d: %x", out[i].data.u32, out[i].events);
  n = epoll_wait(e, out, 4, 0);
  say("no news %d", n);
  send(a, "y", 1, 0);
  n = epoll_wait(e, out, 4, 100);
  for (int i = 0; i < n; i++) say("more data %d: %x", out[i].data.u32, out[i].events);
  shutdown(a, SHUT_WR);
  n = epoll_wait(e, out, 4, 100);
  for (int i = 0; i < n; i++) say("end %d: %x", out[i].data.u32, out[i].events);
  close(a);
  n = epoll_wait(e, out, 4, 100);
  for (int i = 0; i < n; i++) say("closed %d: %x", out[i].data.u32, out[i].events);
  close(c); close(l); close(e);
}
static void t_sendfile(void) {
  int s[2], f = open("/tmp/net/file", O_RDWR | O_CREAT | O_TRUNC, 0644), p[2];
  char buf[9000];
  for (int i = 0; i < 9000; i++) buf[i] = i * 7;
  write(f, buf, 9000);
  pairof(AF_INET, "127.0.0.1", s);
  off_t off = 1000;
  show(syscall(SYS_sendfile, s[0], f, &off, 5000), "sendfile");
  show(recv(s[1], buf, 9000, MSG_WAITALL | MSG_DONTWAIT), "recv");
  say("first %d", (unsigned char)buf[0]);
  pipe(p);
  write(p[1], "through the pipe", 16);
  show(splice(p[0], 0, s[0], 0, 100, 0), "splice to a socket");
  show(splice(s[1], 0, p[1], 0, 100, 0), "splice from a socket");
  show(read(p[0], buf, 100), "read");
  show(pread(s[1], buf, 1, 0), "pread");
  show(lseek(s[1], 0, SEEK_SET), "lseek");
  show(write(s[0], "w", 1), "write");
  show(read(s[1], buf, 1), "read");
  close(s[0]); close(s[1]); close(f);
}
static void t_many(void) {
  // Many connections one after the other and at once.
  int l = listener(AF_INET, "127.0.0.1", 0, 200), ok = 0, c[100];
  char b;
  for (int i = 0; i < 100; i++) {
    c[i] = socket(AF_INET, SOCK_STREAM, 0);
    if (connto(c[i], AF_INET, "127.0.0.1", portof(l)) == 0) ok++;
  }
  say("connected %d", ok);
  ok = 0;
  for (int i = 0; i < 100; i++) {
    int a = accept(l, 0, 0);
    send(a, "x", 1, 0);
    close(a);
  }
  for (int i = 0; i < 100; i++) {
    if (recv(c[i], &b, 1, 0) == 1 && recv(c[i], &b, 1, 0) == 0) ok++;
    close(c[i]);
  }
  say("served %d", ok);
  close(l);
}

// Random writes and reads in both directions through small and large buffers: each side gets the bytes that the other sent, then the end.
static unsigned rnd_state;
static unsigned rnd(unsigned n) {
  rnd_state ^= rnd_state << 13;
  rnd_state ^= rnd_state >> 17;
  rnd_state ^= rnd_state << 5;
  return rnd_state % n;
}
static unsigned char byte_at(unsigned side, unsigned pos) { return (pos * 2654435761u >> 13) ^ (pos >> 16) ^ side * 77; }
static void stream_once(unsigned seed) {
  int s[2], open_w[2] = {1, 1}, open_r[2] = {1, 1}, bad = 0, idle = 0;
  unsigned sent[2] = {0, 0}, got[2] = {0, 0}, limit[2];
  static unsigned char buf[70000];
  rnd_state = seed * 7919 + 1;
  int family = rnd(2) ? AF_INET : AF_INET6, l = socket(family, SOCK_STREAM, 0);
  if (rnd(3) == 0) setint(l, SOL_SOCKET, SO_RCVBUF, 1 << rnd(17));
  bindto(l, family, family == AF_INET ? "127.0.0.1" : "::1", 0);
  listen(l, 1);
  s[0] = socket(family, SOCK_STREAM, 0);
  if (rnd(3) == 0) setint(s[0], SOL_SOCKET, SO_SNDBUF, 1 << rnd(17));
  if (rnd(3) == 0) setint(s[0], SOL_SOCKET, SO_RCVBUF, 1 << rnd(17));
  if (rnd(4) == 0) setint(s[0], SOL_TCP, TCP_NODELAY, 1);
  if (rnd(4) == 0) setint(s[0], SOL_TCP, TCP_MAXSEG, 100 + rnd(2000));
  connto(s[0], family, family == AF_INET ? "127.0.0.1" : "::1", portof(l));
  s[1] = accept(l, 0, 0);
  close(l);
  for (int i = 0; i < 2; i++) {
    fcntl(s[i], F_SETFL, O_NONBLOCK);
    limit[i] = rnd(4) == 0 ? rnd(2000) : rnd(300000);
  }
  while ((open_r[0] || open_r[1]) && idle < 3000) {
    int i = rnd(2), n = 1 + (rnd(3) ? rnd(200) : rnd(sizeof buf)), k;
    if (rnd(5) < 2 + (sent[i] < 50000)) {
      if (!open_w[i]) continue;
      if (sent[i] == limit[i]) {
        shutdown(s[i], SHUT_WR);
        open_w[i] = 0;
        continue;
      }
      if ((unsigned)n > limit[i] - sent[i]) n = limit[i] - sent[i];
      for (int j = 0; j < n; j++) buf[j] = byte_at(i, sent[i] + j);
      k = send(s[i], buf, n, MSG_NOSIGNAL | (rnd(6) == 0 ? MSG_MORE : 0));
      if (k > 0) sent[i] += k;
    } else {
      if (!open_r[i]) continue;
      int peek = rnd(8) == 0;
      k = recv(s[i], buf, n, peek ? MSG_PEEK : 0);
      if (k < 0 && errno == EAGAIN) {
        struct pollfd p = {.fd = s[i], .events = POLLIN};
        if (++idle > 50) poll(&p, 1, 20);
        continue;
      }
      idle = 0;
      if (k < 0) { bad += 1000; break; }
      for (int j = 0; j < k; j++) bad += buf[j] != byte_at(!i, got[i] + j);
      if (peek) continue;
      if (k == 0) { open_r[i] = 0; if (got[i] != sent[!i] || open_w[!i]) bad += 100000; }
      got[i] += k;
    }
  }
  if (bad || open_r[0] || open_r[1]) say("seed %u: bad %d, %u of %u, %u of %u", seed, bad, got[0], sent[1], got[1], sent[0]);
  close(s[0]);
  close(s[1]);
}
static void t_random(void) {
  for (unsigned seed = 1; seed <= 60; seed++) stream_once(seed);
  say("done");
}

int main(int argc, char **argv) {
  static const struct test tests[] = {
      {"down", t_down}, {"create", t_create}, {"udp4", t_udp4}, {"udp6", t_udp6}, {"route", t_route}, {"tcp4", t_tcp4}, {"tcp6", t_tcp6}, {"dual", t_dual},
      {"backlog", t_backlog}, {"reset", t_reset}, {"oob", t_oob}, {"wait", t_wait}, {"defaults", t_defaults}, {"setopts", t_setopts}, {"connopts", t_connopts},
      {"bindrules", t_bindrules}, {"reuseport", t_reuseport}, {"udpfill", t_udpfill}, {"cmsg", t_cmsg}, {"errqueue", t_errqueue}, {"mmsg", t_mmsg},
      {"multicast", t_multicast}, {"raw", t_raw}, {"fill", t_fill}, {"cork", t_cork}, {"simul", t_simul}, {"epoll", t_epoll}, {"sendfile", t_sendfile}, {"many", t_many}, {"random", t_random}, {0, 0}};
  return run_tests(tests, argc, argv);
}
