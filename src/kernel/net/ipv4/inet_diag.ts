import { EINVAL, ENOENT } from '../../../abi/errno.ts';
import { IPPROTO_TCP, IPPROTO_UDP } from '../../../abi/in.ts';
import * as N from '../../../abi/netlink.ts';
import { AF_INET6, TCP_CLOSE, TCP_LISTEN, TCP_SYN_RECV } from '../../../abi/socket.ts';
import type { Kernel } from '../../kernel.ts';
import { MSEC, seqDiff, TcpRequest, TcpSock, TcpTimewait } from './tcp_sock.ts';
import type { NetlinkSock, NlAnswer } from '../netlink/af_netlink.ts';
import { NlMessage, type NlRequest, parseAttrs, viewOf } from '../netlink/message.ts';
import { InetSock } from './inet_sock.ts';
import { addrBytes, type IpAddr, in6Bytes, isV4 } from './ip_addr.ts';
import { tcpConnections } from './proc.ts';
import type { Connection } from './tcp_minisocks.ts';
import { tcpInfo } from './tcp_sockopt.ts';

// What `ss` asks about sockets of the internet protocols (net/ipv4/inet_diag.c, tcp_diag.c, udp_diag.c).

type Subject = Connection | InetSock;
interface Ends {
  readonly laddr: IpAddr;
  readonly lport: number;
  readonly raddr: IpAddr;
  readonly rport: number;
}
const endsOf = (c: Subject): Ends =>
  c instanceof TcpRequest
    ? { laddr: c.laddr, lport: c.lport, raddr: c.raddr, rport: c.rport }
    : { laddr: c.rcvSaddr, lport: c.num, raddr: c.daddr, rport: c.dport };
const stateOf = (c: Subject): number => (c instanceof TcpRequest ? TCP_SYN_RECV : c instanceof TcpTimewait ? c.substate : c.state);
const cookieOf = (c: Subject) => (c instanceof TcpRequest ? c.iss : c.cookie);

/** Ports, addresses in 16 bytes, interface, cookie (struct inet_diag_sockid). */
function sockid(c: Subject): Uint8Array {
  const e = endsOf(c);
  const b = new Uint8Array(48);
  const v = viewOf(b);
  v.setUint16(0, e.lport);
  v.setUint16(2, e.rport);
  const put = (a: IpAddr, at: number) => b.set(c.family === AF_INET6 ? in6Bytes(a) : addrBytes(isV4(a) ? a : '00000000'), at);
  put(e.laddr, 4);
  put(e.raddr, 20);
  v.setUint32(36, c instanceof TcpRequest ? c.listener.boundDev : c.boundDev, true);
  v.setUint32(40, cookieOf(c), true);
  return b;
}
function timerOf(k: Kernel, c: Subject): { timer: number; retrans: number; expires: number } {
  const now = k.time.now();
  const left = (at: number) => Math.max(0, Math.floor((at - now) / MSEC));
  if (c instanceof TcpTimewait) return { timer: 3, retrans: 0, expires: left(c.expires) };
  if (c instanceof TcpRequest) return { timer: 1, retrans: c.retries, expires: left(c.timer.deadline) };
  if (c instanceof TcpSock) {
    if (c.pending !== 'none') return { timer: c.pending === 'retrans' ? 1 : 4, retrans: c.pending === 'retrans' ? c.retransmits : c.probesOut, expires: left(c.rtoTimer.deadline) };
    if (c.keepTimer.deadline !== 0) return { timer: 2, retrans: c.probesOut, expires: left(c.keepTimer.deadline) };
  }
  return { timer: 0, retrans: 0, expires: 0 };
}
function queues(c: Subject): [number, number] {
  if (c instanceof TcpSock) {
    if (c.state === TCP_LISTEN) return [c.acceptQueue.length, c.maxAckBacklog];
    return [Math.max(0, seqDiff(c.rcvNxt, c.copiedSeq)), seqDiff(c.writeSeq, c.sndUna)];
  }
  return c instanceof InetSock ? [c.rmemAlloc, c.wmemAlloc] : [0, 0];
}
function message(k: Kernel, c: Subject, ext: number, seq: number, portid: number, flags: number): Uint8Array {
  const t = timerOf(k, c);
  const m = new NlMessage(N.SOCK_DIAG_BY_FAMILY, flags, seq, portid).u8(c.family, stateOf(c), t.timer, t.retrans).put(sockid(c));
  const [rq, wq] = queues(c);
  const sock = c instanceof InetSock ? c : null;
  m.u32(t.expires, rq, wq, c instanceof TcpRequest ? c.listener.uid : c instanceof TcpTimewait ? 0 : c.uid, sock?.ino ?? 0);
  if (sock === null) return m.finish();
  const wants = (attr: number) => (ext & (1 << (attr - 1))) !== 0;
  m.attrU8(N.INET_DIAG_SHUTDOWN, sock.shutdown);
  if (wants(N.INET_DIAG_TOS)) m.attrU8(N.INET_DIAG_TOS, sock.tos);
  if (c.family === AF_INET6) {
    if (wants(N.INET_DIAG_TCLASS)) m.attrU8(N.INET_DIAG_TCLASS, sock.tclass);
    if (sock.state === TCP_LISTEN || sock.state === TCP_CLOSE) m.attrU8(N.INET_DIAG_SKV6ONLY, Number(sock.v6only));
  }
  if (wants(N.INET_DIAG_MEMINFO)) m.attrU32(N.INET_DIAG_MEMINFO, sock.rmemAlloc, queuedOf(sock), 0, sock.wmemAlloc);
  if (wants(N.INET_DIAG_SKMEMINFO)) m.attrU32(N.INET_DIAG_SKMEMINFO, sock.rmemAlloc, sock.rcvbuf, sock.wmemAlloc, sock.sndbuf, 0, queuedOf(sock), 0, 0, sock.drops);
  if (sock instanceof TcpSock) {
    if (wants(N.INET_DIAG_INFO)) m.attr(N.INET_DIAG_INFO, tcpInfo(k, sock));
    if (wants(N.INET_DIAG_CONG)) m.attrString(N.INET_DIAG_CONG, sock.congestion);
  }
  return m.finish();
}
const queuedOf = (sk: InetSock) => (sk instanceof TcpSock ? sk.wmemQueued : 0);

/** Conditions that `ss` compiled from its expression (struct inet_diag_bc_op; inet_diag_bc_run). */
function matches(code: Uint8Array, c: Subject): boolean {
  const e = endsOf(c);
  const v = viewOf(code);
  let at = 0;
  while (at + 4 <= code.length) {
    const [op, yes] = code.subarray(at, at + 2);
    const no = v.getUint16(at + 2, true);
    const port = at + 8 <= code.length ? v.getUint16(at + 6, true) : 0;
    let ok = true;
    switch (op) {
      case 1: // INET_DIAG_BC_JMP
        ok = false;
        break;
      case 2:
        ok = e.lport >= port;
        break;
      case 3:
        ok = e.lport <= port;
        break;
      case 4:
        ok = e.rport >= port;
        break;
      case 5:
        ok = e.rport <= port;
        break;
      case 6: // INET_DIAG_BC_AUTO
        ok = c instanceof InetSock && !c.portLocked;
        break;
      case 7:
      case 8:
        ok = hostMatches(code.subarray(at + 4), op === 7 ? e.laddr : e.raddr, op === 7 ? e.lport : e.rport, c.family);
        break;
      case 9: // INET_DIAG_BC_DEV_COND
        ok = (c instanceof TcpRequest ? c.listener.boundDev : c.boundDev) === v.getUint32(at + 4, true);
        break;
      case 11:
        ok = e.lport === port;
        break;
      case 12:
        ok = e.rport === port;
        break;
    }
    const step = ok ? yes : no;
    if (step === 0) return false;
    at += step;
  }
  return at === code.length;
}
/** struct inet_diag_hostcond: family, prefix length, port (-1: any), address. */
function hostMatches(cond: Uint8Array, addr: IpAddr, port: number, family: number): boolean {
  const v = viewOf(cond);
  const wanted = v.getInt32(4, true);
  if (wanted !== -1 && wanted !== port) return false;
  const bits = cond[1];
  if (bits === 0) return cond[0] === 0 || cond[0] === family;
  const own = cond[0] === AF_INET6 ? in6Bytes(addr) : addrBytes(addr);
  if (cond[0] !== AF_INET6 && !isV4(addr)) return false;
  for (let i = 0; i < bits; i++) if (((own[i >> 3] ^ cond[8 + (i >> 3)]) & (0x80 >> (i & 7))) !== 0) return false;
  return true;
}
const subjects = (k: Kernel, protocol: number): Iterable<Subject> | null =>
  protocol === IPPROTO_TCP ? tcpConnections(k) : protocol === IPPROTO_UDP ? k.net.udp.all() : protocol === 255 ? k.net.raw : null;

/** struct inet_diag_req_v2: family, protocol, extensions, states, id. */
export function inetDiag(k: Kernel, sk: NetlinkSock, r: NlRequest): NlAnswer {
  if (r.body.length < 56) return -EINVAL;
  const v = viewOf(r.body);
  const [family, protocol, ext, rawProtocol] = r.body;
  const states = v.getUint32(4, true);
  const all = subjects(k, protocol);
  if (all === null) return -ENOENT;
  if ((r.flags & N.NLM_F_DUMP) !== N.NLM_F_DUMP) return findOne(k, sk, r, all, ext);
  const sport = v.getUint16(8);
  const dport = v.getUint16(10);
  const code = parseAttrs(r.body, 56).get(N.INET_DIAG_REQ_BYTECODE);
  const out: Uint8Array[] = [];
  for (const c of all) {
    const e = endsOf(c);
    if (c.family !== family || (states & (1 << stateOf(c))) === 0) continue;
    if ((sport !== 0 && e.lport !== sport) || (dport !== 0 && e.rport !== dport)) continue;
    if (protocol === 255 && c instanceof InetSock && rawProtocol !== 0 && rawProtocol !== 255 && c.protocol !== rawProtocol) continue;
    if (code !== undefined && !matches(code, c)) continue;
    out.push(message(k, c, ext, r.seq, sk.portid, N.NLM_F_MULTI));
  }
  return out;
}
function findOne(k: Kernel, sk: NetlinkSock, r: NlRequest, all: Iterable<Subject>, ext: number): NlAnswer {
  const id = r.body.subarray(8, 44);
  for (const c of all) {
    const own = sockid(c);
    if (c.family === r.body[0] && id.every((b, i) => own[i] === b)) return [message(k, c, ext, r.seq, sk.portid, 0)];
  }
  return -ENOENT;
}
