import { IFF_LOOPBACK } from '../../../abi/if.ts';
import * as S from '../../../abi/socket.ts';
import type { Kernel } from '../../kernel.ts';
import { hex } from '../../lib/seq_file.ts';
import { hashedPointer } from '../core/net_proc.ts';
import { showArp } from './arp.ts';
import type { InetSock } from './inet_sock.ts';
import { ANY4, in6Bytes, type IpAddr, isV4 } from './ip_addr.ts';
import * as N from './proc_names.ts';
import type { Connection } from './tcp_minisocks.ts';
import { seqDiff, TcpRequest, TcpSock, TcpTimewait } from './tcp_sock.ts';

// /proc/net: sockets and counters of the internet protocols (tcp4_seq_show, udp4_seq_show, raw_seq_show and theirs of IPv6; net/ipv4/proc.c).

const up = (n: number, width: number) => hex(n >>> 0, width).toUpperCase();
/** Addresses are printed as the 32-bit words that they are in memory. */
function words(bytes: Uint8Array): string {
  let s = '';
  for (let i = 0; i < bytes.length; i += 4) for (const j of [3, 2, 1, 0]) s += up(bytes[i + j], 2);
  return s;
}
function end(v6: boolean, a: IpAddr, port: number): string {
  if (v6) return `${words(in6Bytes(a))}:${up(port, 4)}`;
  const n = Number.parseInt(isV4(a) ? a : ANY4, 16);
  return `${words(new Uint8Array([n >>> 24, n >>> 16, n >>> 8, n]))}:${up(port, 4)}`;
}
/** Nanoseconds in units of 10 ms (USER_HZ), by way of jiffies. */
const clockT = (ns: number) => Math.floor(Math.max(0, ns) / 1e7);

interface Line {
  readonly state: number;
  readonly tx: number;
  readonly rx: number;
  readonly timer: number;
  readonly when: number;
  readonly retrans: number;
  readonly uid: number;
  readonly timeout: number;
  readonly ino: number;
  readonly refs: number;
  readonly rest: string;
}
function row(index: string, local: string, remote: string, l: Line, pointer: string): string {
  const head = `${index}: ${local} ${remote} ${up(l.state, 2)} ${up(l.tx, 8)}:${up(l.rx, 8)} ${up(l.timer, 2)}:${up(l.when, 8)} ${up(l.retrans, 8)}`;
  return `${head} ${String(l.uid).padStart(5)} ${String(l.timeout).padStart(8)} ${l.ino} ${l.refs} ${pointer}${l.rest}`;
}
function tcpLine(k: Kernel, c: Connection): Line {
  const now = k.time.now();
  if (c instanceof TcpTimewait)
    return { state: c.substate, tx: 0, rx: 0, timer: 3, when: clockT(c.expires - now), retrans: 0, uid: 0, timeout: 0, ino: 0, refs: 3, rest: '' };
  if (c instanceof TcpRequest) {
    const when = clockT(c.timer.deadline - now);
    return { state: S.TCP_SYN_RECV, tx: 0, rx: 0, timer: 1, when, retrans: c.retries, uid: c.listener.uid, timeout: 0, ino: 0, refs: 0, rest: '' };
  }
  const listen = c.state === S.TCP_LISTEN;
  const keep = c.keepTimer.deadline;
  const timer = c.pending === 'retrans' ? 1 : c.pending === 'probe0' ? 4 : keep !== 0 ? 2 : 0;
  const at = timer === 2 ? keep : timer !== 0 ? c.rtoTimer.deadline : now;
  const timers = Number(c.pending !== 'none') + Number(keep !== 0) + Number(c.delackTimer.deadline !== 0);
  const quick = (c.ackQuick << 1) | Number(c.ackPingpong > 0);
  const ssthresh = listen ? 0 : c.ssthresh >= 0x7fff_ffff ? -1 : c.ssthresh;
  return {
    state: c.state,
    tx: listen ? 0 : seqDiff(c.writeSeq, c.sndUna),
    rx: listen ? c.acceptQueue.length : Math.max(0, seqDiff(c.rcvNxt, c.copiedSeq)),
    timer,
    when: clockT(at - now),
    retrans: c.retransmits,
    uid: c.uid,
    timeout: c.probesOut,
    ino: c.ino,
    refs: 1 + timers,
    rest: ` ${clockT(c.rto)} ${clockT(c.ackAto)} ${quick} ${Math.floor(c.cwnd)} ${ssthresh}`,
  };
}
/** All that /proc/net/tcp and sock_diag know of: listeners first, then connections. */
export function tcpConnections(k: Kernel): Connection[] {
  const { tcp } = k.net;
  return [...[...tcp.listeners.values()].flat(), ...tcp.established.values()];
}
/** A number for a socket that has none (requests, TIME_WAIT), for %pK. */
function pointerOf(k: Kernel, c: Connection): string {
  return hashedPointer(k, c instanceof TcpRequest ? { cookie: c.iss } : c);
}
function showTcp(k: Kernel, v6: boolean): string {
  let text = v6
    ? '  sl  local_address                         remote_address                        st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n'
    : `${'  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode'.padEnd(149)}\n`;
  let i = 0;
  for (const c of tcpConnections(k)) {
    if ((c.family === S.AF_INET6) !== v6) continue;
    const local = c instanceof TcpRequest ? end(v6, c.laddr, c.lport) : end(v6, c.rcvSaddr, c.num);
    const remote = c instanceof TcpRequest ? end(v6, c.raddr, c.rport) : end(v6, c.daddr, c.dport);
    const line = row(String(i++).padStart(4), local, remote, tcpLine(k, c), pointerOf(k, c));
    text += `${v6 ? line : line.padEnd(149)}\n`;
  }
  return text;
}
function dgramLine(sk: InetSock): Line {
  return {
    state: sk.state,
    tx: sk.wmemAlloc,
    rx: sk.rmemAlloc,
    timer: 0,
    when: 0,
    retrans: 0,
    uid: sk.uid,
    timeout: 0,
    ino: sk.ino,
    refs: 2,
    rest: ` ${sk.drops}`,
  };
}
const DGRAM6_HEAD =
  '  sl  local_address                         remote_address                        st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode ref pointer drops\n';
const DGRAM4_HEAD = '  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode ref pointer drops';
/** Sockets of datagrams. `bucket`: the place in the table that Linux shows. */
function showDgram(k: Kernel, v6: boolean, socks: Iterable<InetSock>, bucket: (sk: InetSock) => number, raw: boolean, ping = false): string {
  // UDP's lines have room for the index in five places and are padded.
  let text = v6 ? DGRAM6_HEAD : raw ? `${DGRAM4_HEAD}\n` : `${(ping ? DGRAM4_HEAD : DGRAM4_HEAD.replace('  sl', '   sl')).padEnd(127)}\n`;
  for (const sk of socks) {
    if ((sk.family === S.AF_INET6) !== v6) continue;
    const index = String(bucket(sk)).padStart(raw && !v6 ? 4 : 5);
    const line = row(index, end(v6, sk.rcvSaddr, sk.num), end(v6, sk.daddr, raw ? 0 : sk.dport), dgramLine(sk), `${hashedPointer(k, sk)}`);
    text += `${raw || v6 ? line : line.padEnd(127)}\n`;
  }
  return text;
}
const UDP_BUCKETS = 512;
const udpBucket = (sk: InetSock) => sk.num & (UDP_BUCKETS - 1);
const rawBucket = (sk: InetSock) => sk.num & 255;

const PAGE = 4096;
/** Bytes of buffers in pages (sk_memory_allocated). */
const pages = (bytes: number) => Math.ceil(bytes / PAGE);
function showSockstat(k: Kernel): string {
  const { net } = k;
  const { tcp } = net;
  const socks = new Set<TcpSock>();
  for (const c of [...tcpConnections(k), ...tcp.ports.all(), ...tcp.orphans]) if (c instanceof TcpSock) socks.add(c);
  const v4 = (s: Iterable<InetSock>) => [...s].filter((x) => x.family === S.AF_INET).length;
  const hashed = tcpConnections(k).filter((c) => c instanceof TcpSock && c.family === S.AF_INET).length;
  let tcpBytes = 0;
  for (const sk of socks) tcpBytes += pages(sk.rmemAlloc + sk.wmemQueued);
  const udps = net.udp.all();
  const udpPages = udps.reduce((n, sk) => n + pages(sk.rmemAlloc), 0);
  return (
    `sockets: used ${net.socketsUsed}\n` +
    `TCP: inuse ${hashed} orphan ${tcp.orphans.size} tw ${tcp.timewaits.length} alloc ${socks.size} mem ${tcpBytes}\n` +
    `UDP: inuse ${v4(udps)} mem ${udpPages}\nUDPLITE: inuse ${v4(net.udplite.all())}\nRAW: inuse ${v4(net.raw)}\nFRAG: inuse 0 memory 0\n`
  );
}
function showSockstat6(k: Kernel): string {
  const v6 = (s: Iterable<{ readonly family: number }>) => [...s].filter((x) => x.family === S.AF_INET6).length;
  const tcp = tcpConnections(k).filter((c): c is TcpSock => c instanceof TcpSock);
  return `TCP6: inuse ${v6(tcp)}\nUDP6: inuse ${v6(k.net.udp.all())}\nUDPLITE6: inuse ${v6(k.net.udplite.all())}\nRAW6: inuse ${v6(k.net.raw)}\nFRAG6: inuse 0 memory 0\n`;
}
/** What is not counted as it happens. */
function counter(k: Kernel, name: string): number {
  switch (name) {
    case 'IpForwarding':
      return 2;
    case 'IpDefaultTTL':
      return k.net.defaultTtl;
    case 'TcpRtoAlgorithm':
      return 1;
    case 'TcpRtoMin':
      return 200;
    case 'TcpRtoMax':
      return 120000;
    case 'TcpMaxConn':
      return -1;
    case 'TcpCurrEstab':
      return tcpConnections(k).filter((c) => c instanceof TcpSock && (c.state === S.TCP_ESTABLISHED || c.state === S.TCP_CLOSE_WAIT)).length;
  }
  return k.net.mib.get(name);
}
function group(k: Kernel, name: string, names: readonly string[], prefix = name): string {
  return `${name}: ${names.join(' ')}\n${name}: ${names.map((n) => counter(k, prefix + n)).join(' ')}\n`;
}
function showSnmp(k: Kernel): string {
  const types = k.net.mib.names('IcmpMsg').map((n) => n.slice(7));
  return (
    group(k, 'Ip', N.IP_NAMES) +
    group(k, 'Icmp', N.ICMP_NAMES) +
    (types.length > 0 ? group(k, 'IcmpMsg', types) : '') +
    group(k, 'Tcp', N.TCP_NAMES) +
    group(k, 'Udp', N.UDP_NAMES) +
    group(k, 'UdpLite', N.UDP_NAMES)
  );
}
const showNetstat = (k: Kernel) => group(k, 'TcpExt', N.TCPEXT_NAMES) + group(k, 'IpExt', N.IPEXT_NAMES) + group(k, 'MPTcpExt', N.MPTCPEXT_NAMES);
/** Messages of ICMPv6 by type come after the other counters of it. */
function snmp6(k: Kernel): string {
  const line = (n: string) => `${n.padEnd(32)}\t${counter(k, n)}\n`;
  const udp = N.SNMP6_NAMES.findIndex((n) => n.startsWith('Udp6'));
  const types = ['Icmp6InType', 'Icmp6OutType'].flatMap((p) => k.net.mib.names(p));
  return [...N.SNMP6_NAMES.slice(0, udp), ...types, ...N.SNMP6_NAMES.slice(udp)].map(line).join('');
}

function showIfInet6(k: Kernel): string {
  let text = '';
  for (const dev of k.net.devices) {
    for (const a of dev.inet6) {
      const addr = [...a.addr].map((b) => hex(b, 2)).join('');
      text += `${addr} ${hex(dev.index, 2)} ${hex(a.prefixLen, 2)} ${a.scope === 254 ? '10' : a.scope === 253 ? '20' : '00'} ${hex(a.flags & 0xff, 2)} ${dev.name.padStart(8)}\n`;
    }
  }
  return text;
}
/** The main table (fib_route_seq_show); addresses as they lie in memory. */
function showRoute(k: Kernel): string {
  const swapped = (n: number) => hex((((n & 0xff) << 24) | ((n & 0xff00) << 8) | ((n >>> 8) & 0xff00) | (n >>> 24)) >>> 0, 8).toUpperCase();
  let text = `${ROUTE_HEAD.padEnd(127)}\n`;
  for (const dev of k.net.devices) {
    if (!dev.up || (dev.flags & IFF_LOOPBACK) !== 0) continue;
    for (const a of dev.inet) {
      if (a.prefixLen === 32) continue;
      const mask = a.prefixLen === 0 ? 0 : (-1 << (32 - a.prefixLen)) >>> 0;
      text += `${`${dev.name}\t${swapped((a.local & mask) >>> 0)}\t00000000\t0001\t0\t0\t0\t${swapped(mask)}\t0\t0\t0`.padEnd(127)}\n`;
    }
  }
  return text;
}
const ROUTE_HEAD = 'Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT';

export function inetProcInit(k: Kernel): void {
  const net = (name: string, show: (k: Kernel) => string) => k.procfs.createNet(name, show);
  for (const v6 of [false, true]) {
    const six = v6 ? '6' : '';
    net(`tcp${six}`, v6 ? (kk) => showTcp(kk, true) : (kk) => showTcp(kk, false));
    net(`udp${six}`, v6 ? (kk) => showDgram(kk, true, kk.net.udp.all(), udpBucket, false) : (kk) => showDgram(kk, false, kk.net.udp.all(), udpBucket, false));
    net(`udplite${six}`, v6 ? (kk) => showDgram(kk, true, kk.net.udplite.all(), udpBucket, false) : (kk) => showDgram(kk, false, kk.net.udplite.all(), udpBucket, false));
    net(`raw${six}`, v6 ? (kk) => showDgram(kk, true, kk.net.raw, rawBucket, true) : (kk) => showDgram(kk, false, kk.net.raw, rawBucket, true));
    net(`icmp${six}`, v6 ? (kk) => showDgram(kk, true, kk.net.ping.all(), rawBucket, false) : (kk) => showDgram(kk, false, kk.net.ping.all(), rawBucket, false, true));
  }
  net('sockstat', showSockstat);
  net('sockstat6', showSockstat6);
  net('snmp', showSnmp);
  net('netstat', showNetstat);
  net('snmp6', snmp6);
  net('if_inet6', showIfInet6);
  net('route', showRoute);
  net('arp', showArp);
}
