import { IPPROTO_ICMP, IPPROTO_ICMPV6, IPPROTO_TCP, IPPROTO_UDP } from '../../../abi/in.ts';
import type { NetDevice } from '../core/net_device.ts';
import { addrBytes, type IpAddr, isV4 } from './ip_addr.ts';

// Packets of IP between the layers. Headers are plain data; bytes are made where somebody sees them (raw sockets).

export interface UdpHeader {
  readonly kind: 'udp';
  readonly sport: number;
  readonly dport: number;
}
export interface TcpHeader {
  readonly kind: 'tcp';
  readonly sport: number;
  readonly dport: number;
  readonly seq: number;
  readonly ack: number;
  /** TH_*. */
  readonly flags: number;
  /** As in the header: not scaled. */
  readonly window: number;
  /** Where urgent data ends, from seq. */
  readonly urgPtr: number;
  readonly opts: TcpOptions;
}
export interface TcpOptions {
  readonly mss: number;
  /** -1: not there. */
  readonly wscale: number;
  readonly sackPermitted: boolean;
  /** Timestamps: value and echo; null = none. */
  readonly ts: readonly [number, number] | null;
}
/** An ICMP error about a packet. */
export interface IcmpError {
  readonly kind: 'error';
  readonly type: number;
  readonly code: number;
  readonly about: IpPacket;
}
export interface IpPacket {
  readonly saddr: IpAddr;
  readonly daddr: IpAddr;
  readonly protocol: number;
  readonly tos: number;
  readonly ttl: number;
  /** Don't fragment. */
  readonly df: boolean;
  readonly id: number;
  /** null: `data` begins with whatever the protocol has. */
  readonly header: UdpHeader | TcpHeader | IcmpError | null;
  readonly data: Uint8Array;
  /** All that follows the IP header as a raw socket sent it: lengths and checksums in it may be anything. */
  readonly raw?: Uint8Array;
  /** What it counts in a receive buffer. */
  readonly truesize: number;
  /** The whole Ethernet frame, when a program made it (packet sockets). */
  readonly frame?: Uint8Array;
  /** Through which interface it came; lo when nothing is said. */
  readonly dev?: NetDevice;
}

/** Does a UDP or TCP packet that a program made have its checksum, or (UDP over IPv4) none? Others are not looked at. */
export function checksumOk(protocol: number, bytes: Uint8Array, saddr: IpAddr, daddr: IpAddr): boolean {
  if (protocol !== IPPROTO_UDP && protocol !== IPPROTO_TCP) return true;
  if (bytes.length < 8) return false;
  let length = bytes.length;
  if (protocol === IPPROTO_UDP) {
    if (isV4(daddr) && bytes[6] === 0 && bytes[7] === 0) return true;
    length = Math.min(length, (bytes[4] << 8) | bytes[5]);
  }
  const pseudo = checksum(addrBytes(saddr), checksum(addrBytes(daddr), protocol + length));
  return checksum(bytes.subarray(0, length), pseudo) === 0xffff;
}
/** The internet checksum (RFC 1071) of `bytes` and what was summed before. */
export function checksum(bytes: Uint8Array, sum = 0): number {
  for (let i = 0; i + 1 < bytes.length; i += 2) sum += (bytes[i] << 8) | bytes[i + 1];
  if ((bytes.length & 1) !== 0) sum += bytes[bytes.length - 1] << 8;
  while (sum > 0xffff) sum = (sum & 0xffff) + Math.floor(sum / 65536);
  return sum;
}
export function pseudoSum(p: IpPacket, length: number): number {
  return checksum(addrBytes(p.saddr), checksum(addrBytes(p.daddr), p.protocol + length));
}
export function tcpOptionBytes(o: TcpOptions): Uint8Array {
  const out: number[] = [];
  if (o.mss > 0) out.push(2, 4, o.mss >> 8, o.mss & 0xff);
  if (o.ts !== null) {
    out.push(...(o.sackPermitted ? [4, 2] : [1, 1]), 8, 10);
    for (const v of o.ts) out.push((v >>> 24) & 0xff, (v >>> 16) & 0xff, (v >>> 8) & 0xff, v & 0xff);
  } else if (o.sackPermitted) out.push(1, 1, 4, 2);
  if (o.wscale >= 0) out.push(1, 3, 3, o.wscale);
  return new Uint8Array(out);
}
export const tcpOptionLength = (o: TcpOptions) => (o.mss > 0 ? 4 : 0) + (o.ts !== null ? 12 : o.sackPermitted ? 4 : 0) + (o.wscale >= 0 ? 4 : 0);

/** Length of the part after the IP header. */
export function transportLength(p: IpPacket): number {
  const h = p.header;
  if (p.raw !== undefined) return p.raw.length;
  if (h === null) return p.data.length;
  if (h.kind === 'udp') return 8 + p.data.length;
  if (h.kind === 'tcp') return 20 + tcpOptionLength(h.opts) + p.data.length;
  return 8 + quoted(p, h).length;
}
export const ipHeaderLength = (p: IpPacket) => (isV4(p.saddr) ? 20 : 40);
export const packetLength = (p: IpPacket) => ipHeaderLength(p) + transportLength(p);

/** How much of a packet an ICMP error quotes: to 576 bytes in all for IPv4, to the least MTU for IPv6. */
function quoted(p: IpPacket, h: IcmpError): Uint8Array {
  const whole = ipBytes(h.about);
  return whole.subarray(0, isV4(p.saddr) ? 576 - 28 : 1280 - 48);
}
export function transportBytes(p: IpPacket): Uint8Array {
  const h = p.header;
  if (p.raw !== undefined) return p.raw;
  if (h === null) return p.data;
  const length = transportLength(p);
  const out = new Uint8Array(length);
  const v = new DataView(out.buffer);
  if (h.kind === 'udp') {
    v.setUint16(0, h.sport);
    v.setUint16(2, h.dport);
    v.setUint16(4, length);
    out.set(p.data, 8);
    v.setUint16(6, ~checksum(out, pseudoSum(p, length)) & 0xffff || 0xffff);
  } else if (h.kind === 'tcp') {
    v.setUint16(0, h.sport);
    v.setUint16(2, h.dport);
    v.setUint32(4, h.seq);
    v.setUint32(8, h.ack);
    const options = tcpOptionBytes(h.opts);
    v.setUint8(12, (5 + options.length / 4) << 4);
    v.setUint8(13, h.flags);
    v.setUint16(14, h.window);
    v.setUint16(18, h.urgPtr);
    out.set(options, 20);
    out.set(p.data, 20 + options.length);
    v.setUint16(16, ~checksum(out, pseudoSum(p, length)) & 0xffff);
  } else {
    out[0] = h.type;
    out[1] = h.code;
    out.set(quoted(p, h), 8);
    v.setUint16(2, ~checksum(out, isV4(p.saddr) ? 0 : pseudoSum(p, length)) & 0xffff);
  }
  return out;
}
export function ipBytes(p: IpPacket): Uint8Array {
  const payload = transportBytes(p);
  const v4 = isV4(p.saddr);
  const out = new Uint8Array((v4 ? 20 : 40) + payload.length);
  const v = new DataView(out.buffer);
  if (v4) {
    out[0] = 0x45;
    out[1] = p.tos;
    v.setUint16(2, out.length & 0xffff);
    v.setUint16(4, p.id);
    v.setUint16(6, p.df ? 0x4000 : 0);
    out[8] = p.ttl;
    out[9] = p.protocol;
    out.set(addrBytes(p.saddr), 12);
    out.set(addrBytes(p.daddr), 16);
    v.setUint16(10, ~checksum(out.subarray(0, 20)) & 0xffff);
  } else {
    v.setUint32(0, 0x6000_0000 | (p.tos << 20));
    v.setUint16(4, payload.length & 0xffff);
    out[6] = p.protocol;
    out[7] = p.ttl;
    out.set(addrBytes(p.saddr), 8);
    out.set(addrBytes(p.daddr), 24);
  }
  out.set(payload, v4 ? 20 : 40);
  return out;
}
/** The ports in the payload of a packet that a program made itself (raw sockets), as the protocol's handler wants them. */
export function parseTransport(protocol: number, bytes: Uint8Array): { header: IpPacket['header']; data: Uint8Array } | null {
  if (protocol !== IPPROTO_UDP && protocol !== IPPROTO_TCP) return { header: null, data: bytes };
  const v = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  if (protocol === IPPROTO_UDP) {
    if (bytes.length < 8) return null;
    const length = v.getUint16(4);
    if (length < 8 || length > bytes.length) return null;
    return { header: { kind: 'udp', sport: v.getUint16(0), dport: v.getUint16(2) }, data: bytes.subarray(8, length) };
  }
  if (bytes.length < 20) return null;
  const offset = (bytes[12] >> 4) * 4;
  if (offset < 20 || offset > bytes.length) return null;
  const header: TcpHeader = {
    kind: 'tcp',
    sport: v.getUint16(0),
    dport: v.getUint16(2),
    seq: v.getUint32(4),
    ack: v.getUint32(8),
    flags: bytes[13] & 0x3f,
    window: v.getUint16(14),
    urgPtr: v.getUint16(18),
    opts: parseTcpOptions(bytes.subarray(20, offset)),
  };
  return { header, data: bytes.subarray(offset) };
}
function parseTcpOptions(bytes: Uint8Array): TcpOptions {
  let mss = 0;
  let wscale = -1;
  let sackPermitted = false;
  let ts: readonly [number, number] | null = null;
  const v = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  for (let at = 0; at < bytes.length && bytes[at] !== 0; ) {
    if (bytes[at] === 1) {
      at++;
      continue;
    }
    const length = bytes[at + 1] ?? 0;
    if (length < 2 || at + length > bytes.length) break;
    if (bytes[at] === 2 && length === 4) mss = v.getUint16(at + 2);
    else if (bytes[at] === 3 && length === 3) wscale = Math.min(14, bytes[at + 2]);
    else if (bytes[at] === 4) sackPermitted = true;
    else if (bytes[at] === 8 && length === 10) ts = [v.getUint32(at + 2), v.getUint32(at + 6)];
    at += length;
  }
  return { mss, wscale, sackPermitted, ts };
}
export const icmpProtocol = (a: IpAddr) => (isV4(a) ? IPPROTO_ICMP : IPPROTO_ICMPV6);
