import * as L from '../../../abi/if_packet.ts';
import { addrOf, isV4 } from '../ipv4/ip_addr.ts';
import { checksum, type IpPacket, ipHeaderLength, ipBytes, parseTransport, pseudoSum, transportBytes, transportLength } from '../ipv4/packet.ts';
import { truesizeOf } from '../core/skbuff.ts';

// Ethernet frames.

/** A packet as packet sockets see it. */
export interface Frame {
  /** With the Ethernet header. */
  readonly bytes: Uint8Array;
  readonly protocol: number;
  /** Its checksum is not finished (CHECKSUM_PARTIAL). */
  readonly partial: boolean;
  readonly truesize: number;
}
export function ethernet(protocol: number, payload: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(L.ETH_HLEN + payload.length); // both addresses are zeros on lo; who sends through another device puts its own
  bytes[12] = protocol >> 8;
  bytes[13] = protocol & 0xff;
  bytes.set(payload, L.ETH_HLEN);
  return bytes;
}
export function frameOf(p: IpPacket): Frame {
  const protocol = isV4(p.saddr) ? L.ETH_P_IP : L.ETH_P_IPV6;
  if (p.frame !== undefined) return { bytes: p.frame, protocol, partial: false, truesize: p.truesize };
  const bytes = ethernet(protocol, ipBytes(p));
  const kind = p.header?.kind;
  const partial = kind === 'udp' || kind === 'tcp';
  if (partial) {
    const at = L.ETH_HLEN + ipHeaderLength(p) + (kind === 'udp' ? 6 : 16);
    const sum = pseudoSum(p, transportLength(p));
    bytes[at] = sum >> 8;
    bytes[at + 1] = sum & 0xff;
  }
  return { bytes, protocol, partial, truesize: p.truesize };
}
/** The IP packet in a frame that a program made; null when it is none, or one that its receiver would drop. */
export function parseFrame(bytes: Uint8Array): IpPacket | null {
  const ip = bytes.subarray(L.ETH_HLEN);
  const type = (bytes[12] << 8) | bytes[13];
  if (type === L.ETH_P_IP) return ip.length >= 20 && ip[0] >> 4 === 4 ? parseV4(ip, bytes) : null;
  return type === L.ETH_P_IPV6 && ip.length >= 40 && ip[0] >> 4 === 6 ? parseV6(ip, bytes) : null;
}
function parseV4(ip: Uint8Array, frame: Uint8Array): IpPacket | null {
  const head = (ip[0] & 15) * 4;
  const length = (ip[2] << 8) | ip[3];
  if (head < 20 || length < head || length > ip.length || checksum(ip.subarray(0, head)) !== 0xffff) return null;
  if ((((ip[6] << 8) | ip[7]) & 0x3fff) !== 0) return null; // a fragment
  return build(ip.subarray(head, length), frame, {
    saddr: addrOf(ip.subarray(12, 16)),
    daddr: addrOf(ip.subarray(16, 20)),
    protocol: ip[9],
    tos: ip[1],
    ttl: ip[8],
    df: (ip[6] & 0x40) !== 0,
    id: (ip[4] << 8) | ip[5],
  });
}
function parseV6(ip: Uint8Array, frame: Uint8Array): IpPacket | null {
  const length = (ip[4] << 8) | ip[5];
  if (40 + length > ip.length) return null;
  return build(ip.subarray(40, 40 + length), frame, {
    saddr: addrOf(ip.subarray(8, 24)),
    daddr: addrOf(ip.subarray(24, 40)),
    protocol: ip[6],
    tos: ((ip[0] & 15) << 4) | (ip[1] >> 4),
    ttl: ip[7],
    df: true,
    id: 0,
  });
}
type IpHead = Pick<IpPacket, 'saddr' | 'daddr' | 'protocol' | 'tos' | 'ttl' | 'df' | 'id'>;
function build(payload: Uint8Array, frame: Uint8Array, head: IpHead): IpPacket | null {
  const parsed = parseTransport(head.protocol, payload.slice());
  if (parsed === null) return null;
  const p: IpPacket = { ...head, ...parsed, truesize: truesizeOf(frame.length + 64, 0, true), frame };
  const at = parsed.header?.kind === 'udp' ? 6 : parsed.header?.kind === 'tcp' ? 16 : -1;
  if (at < 0 || (at === 6 && isV4(p.saddr) && payload[6] === 0 && payload[7] === 0)) return p;
  // Options that we do not keep would change the sum, so it is made over what came.
  return checksum(payload.subarray(0, transportEnd(p, payload)), pseudoSum(p, payload.length)) === 0xffff ? p : null;
}
const transportEnd = (p: IpPacket, payload: Uint8Array) => (p.header?.kind === 'udp' ? Math.min(payload.length, transportBytes(p).length) : payload.length);
