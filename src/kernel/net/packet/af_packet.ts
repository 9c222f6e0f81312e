import * as E from '../../../abi/errno.ts';
import * as F from '../../../abi/fs.ts';
import { IFF_LOOPBACK, IFF_UP } from '../../../abi/if.ts';
import * as L from '../../../abi/if_packet.ts';
import * as S from '../../../abi/socket.ts';
import type { PollTable } from '../../fs/select.ts';
import type { Kernel } from '../../kernel.ts';
import { hex } from '../../lib/seq_file.ts';
import { getUser32, putUser32 } from '../../mm/uaccess.ts';
import { receiveSkb } from '../core/datagram.ts';
import { devSetPromiscuity } from '../core/dev.ts';
import type { NetdevEvent } from '../core/dev_chain.ts';
import { type FilterInfo, skFilter } from '../core/filter.ts';
import { hashedPointer } from '../core/net_proc.ts';
import { dataReady, POLLWRBAND, pollQueues, rcvTimeout, Sock, sockError, sockWait, stateChange, wallAt } from '../core/sock.ts';
import { inetCommon } from '../ipv4/inet_common.ts';
import { isV4 } from '../ipv4/ip_addr.ts';
import { netRx } from '../ipv4/ip_output.ts';
import type { IpPacket } from '../ipv4/packet.ts';
import { routeInput } from '../ipv4/route.ts';
import type { NetDevice } from '../core/net_device.ts';
import { type MsgHdr, type ProtoOps, type Socket, sockTimestamp } from '../socket.ts';
import { ethernet, type Frame, frameOf, parseFrame } from './frame.ts';
import { newRing, type RxRing } from './ring.ts';

// Packet sockets (net/packet/af_packet.c, packet(7)).

const CAP_NET_RAW = 13;
/** VLAN_HLEN: an Ethernet frame may be that much longer. */
const VLAN_HLEN = 4;
const RECV_FLAGS = S.MSG_PEEK | S.MSG_DONTWAIT | S.MSG_TRUNC | S.MSG_ERRQUEUE;

interface Membership {
  readonly ifindex: number;
  readonly type: number;
  readonly addr: string;
  count: number;
}
export class PacketSock extends Sock {
  /** Ethernet type that it hears; 0 = nothing. */
  num = 0;
  ifindex = 0;
  running = false;
  packets = 0;
  lost = 0;
  version: number = L.TPACKET_V1;
  reserve = 0;
  ring: RxRing | null = null;
  readonly flags = new Set<number>();
  readonly memberships: Membership[] = [];
}
const packetSk = (sock: Socket) => sock.sk as PacketSock;
const swap16 = (n: number) => ((n & 0xff) << 8) | ((n >> 8) & 0xff);
const devByIndex = (k: Kernel, index: number): NetDevice | undefined => k.net.devices.find((d) => d.index === index);
const isUp = (d: NetDevice) => (d.flags & IFF_UP) !== 0;

function create(k: Kernel, type: number, protocol: number): { sk: Sock; ops: ProtoOps } | number {
  if (!k.current.capable(CAP_NET_RAW)) return -E.EPERM;
  if (type === S.SOCK_PACKET) k.printk.log(4, 'socket: SOCK_PACKET is not implemented');
  if (type !== S.SOCK_DGRAM && type !== S.SOCK_RAW) return -E.ESOCKTNOSUPPORT;
  const sk = new PacketSock(k, S.AF_PACKET, type, 0);
  sk.num = swap16(protocol & 0xffff);
  sk.running = sk.num !== 0;
  k.net.packet.add(sk);
  return { sk, ops: packetOps };
}
function release(k: Kernel, sock: Socket): number {
  const sk = packetSk(sock);
  for (const m of sk.memberships) leave(k, m);
  sk.memberships.length = 0;
  k.net.packet.delete(sk);
  sk.dead = true;
  sk.receiveQueue.length = 0;
  sk.rmemAlloc = 0;
  sk.ring?.release(k);
  sk.ring = null;
  return 0;
}
function sockaddrLl(protocol: number, ifindex: number, pkttype: number, hatype: number, halen: number): Uint8Array {
  const b = new Uint8Array(L.SockaddrLl.sizeof);
  const v = new DataView(b.buffer);
  v.setUint16(L.SockaddrLl.family, S.AF_PACKET, true);
  v.setUint16(L.SockaddrLl.protocol, protocol);
  v.setInt32(L.SockaddrLl.ifindex, ifindex, true);
  v.setUint16(L.SockaddrLl.hatype, hatype, true);
  b[L.SockaddrLl.pkttype] = pkttype;
  b[L.SockaddrLl.halen] = halen;
  return b;
}
/** packet_do_bind. */
function bind(k: Kernel, sock: Socket, addr: Uint8Array): number {
  const sk = packetSk(sock);
  const v = new DataView(addr.buffer, addr.byteOffset, addr.length);
  if (addr.length < L.SockaddrLl.sizeof || v.getUint16(0, true) !== S.AF_PACKET) return -E.EINVAL;
  const ifindex = v.getInt32(L.SockaddrLl.ifindex, true);
  const dev = ifindex === 0 ? undefined : devByIndex(k, ifindex);
  if (ifindex !== 0 && dev === undefined) return -E.ENODEV;
  const protocol = v.getUint16(L.SockaddrLl.protocol);
  if (protocol !== 0) sk.num = protocol;
  sk.ifindex = ifindex;
  if (sk.num === 0) return 0;
  if (dev === undefined || isUp(dev)) sk.running = true;
  else {
    sk.running = false;
    sk.err = E.ENETDOWN;
    stateChange(k, sk);
  }
  return 0;
}
function getname(k: Kernel, sock: Socket, peer: boolean): Uint8Array | number {
  if (peer) return -E.EOPNOTSUPP;
  const sk = packetSk(sock);
  const dev = devByIndex(k, sk.ifindex);
  const halen = dev === undefined ? 0 : L.ETH_ALEN;
  return sockaddrLl(sk.num, sk.ifindex, 0, dev?.type ?? 0, halen).subarray(0, L.SockaddrLl.addr + halen);
}

/** A socket hears a packet (packet_rcv, tpacket_rcv). */
function receive(k: Kernel, sk: PacketSock, f: Frame, pktType: number, dev: NetDevice): void {
  const raw = sk.type === S.SOCK_RAW;
  const bytes = raw ? f.bytes : f.bytes.subarray(L.ETH_HLEN);
  const info: FilterInfo = { protocol: f.protocol, pktType, ifindex: dev.index, hatype: dev.type, network: raw ? L.ETH_HLEN : 0 };
  const snaplen = skFilter(sk, bytes, info);
  if (snaplen === 0) return;
  const from = sockaddrLl(f.protocol, dev.index, pktType, dev.type, L.ETH_ALEN);
  // Who sent it (eth_header_parse).
  from.set(f.bytes.subarray(L.ETH_ALEN, 2 * L.ETH_ALEN), L.SockaddrLl.addr);
  const status = L.TP_STATUS_USER | (f.partial ? L.TP_STATUS_CSUMNOTREADY : 0);
  const data = bytes.subarray(0, snaplen);
  const now = k.time.now();
  let taken: boolean;
  if (sk.ring !== null) {
    const losing = sk.lost > 0 ? L.TP_STATUS_LOSING : 0;
    taken = sk.ring.put(k, { bytes: data, length: bytes.length, raw, reserve: sk.reserve, status: status | losing, ...wallAt(k, now), from });
  } else {
    taken = sk.rmemAlloc < sk.rcvbuf;
    if (taken) {
      sk.rmemAlloc += f.truesize;
      const cb: AuxData = { status, length: bytes.length, network: info.network };
      sk.receiveQueue.push({ data: data.slice(), consumed: 0, truesize: f.truesize, owner: null, from, creds: null, files: null, sock: null, time: now, cb });
    }
  }
  if (taken) sk.packets++;
  else sk.lost++;
  dataReady(k, sk);
}
interface AuxData {
  readonly status: number;
  readonly length: number;
  readonly network: number;
}
function hears(sk: PacketSock, protocol: number, pktType: number, dev: NetDevice): boolean {
  if (!sk.running || (sk.ifindex !== 0 && sk.ifindex !== dev.index)) return false;
  if (pktType === L.PACKET_OUTGOING) return sk.num === L.ETH_P_ALL && !sk.flags.has(L.PACKET_IGNORE_OUTGOING);
  return sk.num === L.ETH_P_ALL || sk.num === protocol;
}
/** To every socket that listens for it on the interface. */
export function deliverFrame(k: Kernel, f: Frame, pktType: number, origin: PacketSock | null, dev: NetDevice): void {
  for (const sk of k.net.packet) if (sk !== origin && hears(sk, f.protocol, pktType, dev)) receive(k, sk, f, pktType, dev);
}
/** A packet goes out through lo, or comes in (dev_queue_xmit_nit, __netif_receive_skb_core). */
export function packetTap(k: Kernel, p: IpPacket, outgoing: boolean): void {
  if (k.net.packet.size > 0) deliverFrame(k, frameOf(p), outgoing ? L.PACKET_OUTGOING : L.PACKET_HOST, null, k.net.devices[0]);
}

function sendmsg(k: Kernel, sock: Socket, msg: MsgHdr): number {
  const sk = packetSk(sock);
  let [ifindex, protocol] = [sk.ifindex, sk.num];
  if (msg.name !== null) {
    if (msg.name.length < L.SockaddrLl.addr) return -E.EINVAL;
    const v = new DataView(msg.name.buffer, msg.name.byteOffset, msg.name.length);
    if (v.getUint16(0, true) !== S.AF_PACKET) return -E.EINVAL;
    if (msg.name.length < L.SockaddrLl.addr + (sk.type === S.SOCK_DGRAM ? v.getUint8(L.SockaddrLl.halen) : 0)) return -E.EINVAL;
    ifindex = v.getInt32(L.SockaddrLl.ifindex, true);
    protocol = v.getUint16(L.SockaddrLl.protocol);
  }
  const dev = devByIndex(k, ifindex);
  if (dev === undefined) return -E.ENXIO;
  if (!isUp(dev)) return -E.ENETDOWN;
  const length = msg.iter.count;
  const raw = sk.type === S.SOCK_RAW;
  if (length > dev.mtu + (raw ? L.ETH_HLEN + VLAN_HLEN : 0)) return -E.EMSGSIZE;
  const data = length === 0 ? new Uint8Array(0) : msg.iter.copyFrom(k, length);
  if (typeof data === 'number' || data.length < length) return -E.EFAULT;
  if (raw && length < L.ETH_HLEN) return -E.EINVAL;
  if ((dev.flags & IFF_LOOPBACK) !== 0) {
    transmit(k, dev, raw ? data : ethernet(protocol, data), sk);
    return length;
  }
  const frame = raw ? data : ethernet(protocol, data);
  if (!raw) {
    // dev_hard_header: to the address in the name, or, as for any device without one, to zeros.
    const to = msg.name?.subarray(L.SockaddrLl.addr, L.SockaddrLl.addr + L.ETH_ALEN);
    if (to !== undefined) frame.set(to, 0);
    frame.set(dev.hwAddress.subarray(0, L.ETH_ALEN), L.ETH_ALEN);
  }
  return k.net.xmit(k, dev, frame, sk) ? length : -E.ENOBUFS;
}
/** IPv4 packets that no route led here must neither come from this machine nor go to 127/8 (ip_route_input_slow, fib_validate_source). */
export function isMartian(k: Kernel, p: IpPacket): boolean {
  return isV4(p.saddr) && (p.daddr.startsWith('7f') || routeInput(k, p.saddr) === 'local');
}
/** loopback_xmit of a frame that a program made. */
function transmit(k: Kernel, dev: NetDevice, bytes: Uint8Array, origin: PacketSock): void {
  const frame: Frame = { bytes, protocol: (bytes[12] << 8) | bytes[13], partial: false, truesize: 768 };
  dev.stats.txPackets++;
  dev.stats.txBytes += bytes.length;
  dev.stats.rxPackets++;
  dev.stats.rxBytes += bytes.length;
  deliverFrame(k, frame, L.PACKET_OUTGOING, origin, dev);
  const p = parseFrame(bytes);
  if (p === null || isMartian(k, p)) deliverFrame(k, frame, L.PACKET_HOST, null, dev);
  else k.net.backlog.push(p);
  netRx(k);
}
function recvmsg(k: Kernel, sock: Socket, msg: MsgHdr): number {
  const sk = packetSk(sock);
  if ((msg.flags & ~RECV_FLAGS) !== 0) return -E.EINVAL;
  const skb = sk.receiveQueue[0];
  if (skb === undefined) {
    const err = sockError(sk);
    if (err < 0) return err;
    const timeo = rcvTimeout(sk, msg.flags);
    return timeo === 0 ? -E.EAGAIN : sockWait(k, sk.readWait, timeo, {}, true);
  }
  const size = receiveSkb(k, sk, msg, skb);
  if (size < 0) return size;
  sockTimestamp(k, sk, msg, skb.time);
  if (sk.flags.has(L.PACKET_AUXDATA)) {
    const cb = skb.cb as AuxData;
    const aux = new Uint8Array(20);
    const v = new DataView(aux.buffer);
    v.setUint32(0, cb.status, true);
    v.setUint32(4, cb.length, true);
    v.setUint32(8, skb.data.length, true);
    v.setUint16(14, cb.network, true);
    msg.cmsg.put(k, S.SOL_PACKET, L.PACKET_AUXDATA, aux);
  }
  return (msg.flags & S.MSG_TRUNC) !== 0 ? skb.data.length : size;
}
function poll(k: Kernel, sock: Socket, table: PollTable | null): number {
  const sk = packetSk(sock);
  pollQueues(sk, table);
  let mask = F.POLLOUT | F.POLLWRNORM | POLLWRBAND;
  if (sk.err !== 0) mask |= F.POLLERR;
  if (sk.receiveQueue.length > 0 || sk.ring?.hasFrames(k)) mask |= F.POLLIN | F.POLLRDNORM;
  return mask;
}
function ioctl(k: Kernel, sock: Socket, cmd: number, arg: number): number {
  const sk = packetSk(sock);
  if (cmd === S.SIOCOUTQ) return putUser32(k, arg, sk.wmemAlloc);
  if (cmd === S.SIOCINQ) return putUser32(k, arg, sk.receiveQueue[0]?.data.length ?? 0);
  return inetCommon.ioctl(k, sock, cmd, arg);
}

function leave(k: Kernel, m: Membership): void {
  const dev = devByIndex(k, m.ifindex);
  if (dev !== undefined && m.type === L.PACKET_MR_PROMISC) devSetPromiscuity(k, dev, -1);
}
/** packet_mc_add and packet_mc_drop. */
function membership(k: Kernel, sk: PacketSock, add: boolean, value: Uint8Array): number {
  if (value.length < PACKET_MREQ_MIN) return -E.EINVAL;
  const mreq = new Uint8Array(L.PACKET_MREQ + 24);
  mreq.set(value.subarray(0, mreq.length));
  const v = new DataView(mreq.buffer);
  const [ifindex, type, alen] = [v.getInt32(0, true), v.getUint16(4, true), v.getUint16(6, true)];
  if (value.length < PACKET_MREQ_MIN + alen) return -E.EINVAL;
  const addr = String.fromCharCode(...mreq.subarray(8, 8 + alen));
  const at = sk.memberships.findIndex((m) => m.ifindex === ifindex && m.type === type && m.addr === addr);
  if (!add) {
    if (at >= 0 && --sk.memberships[at].count === 0) leave(k, sk.memberships.splice(at, 1)[0]);
    return 0;
  }
  const dev = devByIndex(k, ifindex);
  if (dev === undefined) return -E.ENODEV;
  if (alen > L.ETH_ALEN) return -E.EINVAL;
  if (at >= 0) {
    sk.memberships[at].count++;
    return 0;
  }
  // lo takes every packet whatever is asked for; only the count of promiscuity is seen.
  if (type === L.PACKET_MR_PROMISC) devSetPromiscuity(k, dev, 1);
  sk.memberships.push({ ifindex, type, addr, count: 1 });
  return 0;
}
/** offsetof(struct packet_mreq, mr_address). */
const PACKET_MREQ_MIN = 8;
const BOOLS: readonly number[] = [L.PACKET_AUXDATA, L.PACKET_ORIGDEV, L.PACKET_IGNORE_OUTGOING];

function setsockopt(k: Kernel, sock: Socket, level: number, name: number, value: Uint8Array): number {
  const sk = packetSk(sock);
  if (level !== S.SOL_PACKET) return -E.ENOPROTOOPT;
  if (name === L.PACKET_ADD_MEMBERSHIP || name === L.PACKET_DROP_MEMBERSHIP) return membership(k, sk, name === L.PACKET_ADD_MEMBERSHIP, value);
  if (name === L.PACKET_RX_RING) {
    if (sk.version !== L.TPACKET_V2) return notThere(k, 'PACKET_RX_RING of this version');
    const ring = newRing(k, sk.ring, sk.reserve, value);
    if (typeof ring === 'number') return ring;
    sk.ring?.release(k);
    sk.ring = ring;
    for (const skb of sk.receiveQueue.splice(0)) sk.rmemAlloc -= skb.truesize;
    return 0;
  }
  if (value.length < 4) return -E.EINVAL;
  const n = new DataView(value.buffer, value.byteOffset, value.length).getInt32(0, true);
  if (BOOLS.includes(name)) {
    if (name === L.PACKET_IGNORE_OUTGOING && (n < 0 || n > 1)) return -E.EINVAL;
    if (n !== 0) sk.flags.add(name);
    else sk.flags.delete(name);
    return 0;
  }
  switch (name) {
    case L.PACKET_VERSION:
      if (n < L.TPACKET_V1 || n > L.TPACKET_V3) return -E.EINVAL;
      if (sk.ring !== null) return -E.EBUSY;
      if (n === L.TPACKET_V3) return notThere(k, 'TPACKET_V3');
      sk.version = n;
      return 0;
    case L.PACKET_RESERVE:
      if (n < 0) return -E.EINVAL;
      if (sk.ring !== null) return -E.EBUSY;
      sk.reserve = n;
      return 0;
    case L.PACKET_TIMESTAMP:
      return n === 0 ? 0 : notThere(k, 'PACKET_TIMESTAMP');
  }
  return name > 0 && name <= L.PACKET_IGNORE_OUTGOING + 1 ? notThere(k, `packet option ${name}`) : -E.ENOPROTOOPT;
}
function notThere(k: Kernel, what: string): number {
  k.printk.log(4, `packet socket: ${what} is not implemented`);
  return -E.EINVAL;
}
function getsockopt(k: Kernel, sock: Socket, level: number, name: number, len: number, at: number): Uint8Array | number {
  const sk = packetSk(sock);
  if (level !== S.SOL_PACKET) return -E.ENOPROTOOPT;
  const words = (...n: number[]) => new Uint8Array(new Uint32Array(n).buffer);
  if (BOOLS.includes(name)) return words(sk.flags.has(name) ? 1 : 0);
  switch (name) {
    case L.PACKET_STATISTICS: {
      const answer = words(sk.packets + sk.lost, sk.lost);
      sk.packets = sk.lost = 0;
      return answer;
    }
    case L.PACKET_VERSION:
      return words(sk.version);
    case L.PACKET_RESERVE:
      return words(sk.reserve);
    case L.PACKET_HDRLEN: {
      if (len < 4) return -E.EINVAL;
      const version = getUser32(k, at);
      if (version === L.TPACKET_V3) return notThere(k, 'TPACKET_V3');
      if (version !== L.TPACKET_V1 && version !== L.TPACKET_V2) return version === -E.EFAULT ? version : -E.EINVAL;
      return words(L.Tpacket2.sizeof); // that of version 1 is as long
    }
    case L.PACKET_TIMESTAMP:
      return words(0);
  }
  return -E.ENOPROTOOPT;
}
/** The ring behind a mapping of the socket (packet_mmap). */
function mmap(_k: Kernel, sock: Socket, bytes: number, pgoff: number): RxRing | number {
  const { ring } = packetSk(sock);
  return ring === null || pgoff !== 0 || bytes !== ring.size ? -E.EINVAL : ring;
}

const packetOps: ProtoOps = {
  filters: true,
  release,
  bind,
  connect: () => -E.EOPNOTSUPP,
  socketpair: () => -E.EOPNOTSUPP,
  accept: () => -E.EOPNOTSUPP,
  getname,
  poll,
  ioctl,
  listen: () => -E.EOPNOTSUPP,
  shutdown: () => -E.EOPNOTSUPP,
  setsockopt,
  getsockopt,
  sendmsg,
  recvmsg,
  mmap,
};

function showPacket(k: Kernel): string {
  let out = `${'sk'.padEnd(17)}RefCnt Type Proto  Iface R Rmem   User   Inode\n`;
  for (const sk of k.net.packet) {
    const n = (value: number, width: number) => String(value).padEnd(width);
    out += `${hashedPointer(k, sk)} ${n(sk.running ? 3 : 2, 6)} ${n(sk.type, 4)} ${hex(sk.num, 4)}   ${n(sk.ifindex, 5)} ${sk.running ? 1 : 0} ${n(sk.rmemAlloc, 6)} ${n(sk.uid, 6)} ${n(sk.ino, 6)}\n`;
  }
  return out;
}
/** An interface went up or down: sockets bound to it listen again, or hear ENETDOWN (packet_notifier). */
function netdevEvent(k: Kernel, dev: NetDevice, event: NetdevEvent): void {
  if (event !== 'up' && event !== 'down' && event !== 'unregister') return;
  const up = event === 'up';
  for (const sk of k.net.packet) {
    if (sk.ifindex !== dev.index || sk.num === 0 || sk.running === up) continue;
    sk.running = up;
    if (up) continue;
    sk.err = E.ENETDOWN;
    stateChange(k, sk);
  }
  // A socket of what is gone is bound to no interface any more.
  if (event === 'unregister') for (const sk of k.net.packet) if (sk.ifindex === dev.index) sk.ifindex = -1;
}
export function packetInit(k: Kernel): void {
  k.net.families.set(S.AF_PACKET, create);
  k.net.notifiers.push(netdevEvent);
  k.procfs.createNet('packet', showPacket);
}
