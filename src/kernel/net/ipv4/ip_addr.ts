import { EAFNOSUPPORT, EINVAL } from '../../../abi/errno.ts';
import { SIN6_LEN_RFC2133, SOCKADDR_IN, SOCKADDR_IN6 } from '../../../abi/in.ts';
import { AF_INET, AF_INET6, AF_UNSPEC } from '../../../abi/socket.ts';

/**
 * An internet address: its bytes in network order as hexadecimal digits, 8 for IPv4 and 32 for IPv6. Strings compare and serve as keys.
 * An IPv4 address mapped into IPv6 (::ffff:a.b.c.d) is kept as the IPv4 address that it means.
 */
export type IpAddr = string;

export const ANY4: IpAddr = '00000000';
export const ANY6: IpAddr = '0'.repeat(32);
export const LOOPBACK4: IpAddr = '7f000001';
export const LOOPBACK6: IpAddr = `${'0'.repeat(31)}1`;
const MAPPED = `${'0'.repeat(20)}ffff`;

export const isV4 = (a: IpAddr) => a.length === 8;
export const isAny = (a: IpAddr) => a === ANY4 || a === ANY6;
/** The 32-bit number of an IPv4 address. */
export const v4Number = (a: IpAddr) => Number.parseInt(a, 16);
export const v4Addr = (n: number): IpAddr => (n >>> 0).toString(16).padStart(8, '0');
export function isMulticast(a: IpAddr): boolean {
  return isV4(a) ? a[0] === 'e' : a.startsWith('ff');
}
export const isLinkLocal6 = (a: IpAddr) => a.length === 32 && /^fe[89ab]/.test(a);

export function addrOf(bytes: Uint8Array): IpAddr {
  let s = '';
  for (const b of bytes) s += (b < 16 ? '0' : '') + b.toString(16);
  return s.length === 32 && s.startsWith(MAPPED) ? s.slice(24) : s;
}
export function addrBytes(a: IpAddr): Uint8Array {
  const out = new Uint8Array(a.length / 2);
  for (let i = 0; i < out.length; i++) out[i] = Number.parseInt(a.slice(i * 2, i * 2 + 2), 16);
  return out;
}
/** The 16 bytes of an address as IPv6 programs see it; `ANY4` of a socket that was never bound is `::`. */
export const in6Bytes = (a: IpAddr) => addrBytes(isV4(a) ? MAPPED + a : a);

/** Whether `a` lies in the prefix. */
export function inPrefix(a: IpAddr, prefix: IpAddr, length: number): boolean {
  if (a.length !== prefix.length) return false;
  const whole = length >> 2;
  if (a.slice(0, whole) !== prefix.slice(0, whole)) return false;
  const rest = length & 3;
  if (rest === 0) return true;
  const mask = (0xf << (4 - rest)) & 0xf;
  return ((Number.parseInt(a[whole], 16) ^ Number.parseInt(prefix[whole], 16)) & mask) === 0;
}

export interface Endpoint {
  readonly addr: IpAddr;
  readonly port: number;
  /** Interface of a link-local IPv6 address; else 0. */
  readonly scope: number;
}
export const portOf = (sa: Uint8Array) => (sa[2] << 8) | sa[3];
export const familyOf = (sa: Uint8Array) => (sa.length < 2 ? AF_UNSPEC : sa[0] | (sa[1] << 8));

/** struct sockaddr_in. */
export function parseSin(sa: Uint8Array): Endpoint | number {
  if (sa.length < SOCKADDR_IN) return -EINVAL;
  return { addr: addrOf(sa.subarray(4, 8)), port: portOf(sa), scope: 0 };
}
/** struct sockaddr_in6. */
export function parseSin6(sa: Uint8Array): Endpoint | number {
  if (sa.length < SIN6_LEN_RFC2133) return -EINVAL;
  if (familyOf(sa) !== AF_INET6) return -EAFNOSUPPORT;
  const scope = sa.length >= SOCKADDR_IN6 ? new DataView(sa.buffer, sa.byteOffset).getUint32(24, true) : 0;
  return { addr: addrOf(sa.subarray(8, 24)), port: portOf(sa), scope };
}
/** An address and port in the form of the socket's family. */
export function sockaddrOf(family: number, addr: IpAddr, port: number, scope = 0): Uint8Array {
  const v6 = family === AF_INET6;
  const out = new Uint8Array(v6 ? SOCKADDR_IN6 : SOCKADDR_IN);
  out[0] = v6 ? AF_INET6 : AF_INET;
  out[2] = port >> 8;
  out[3] = port & 0xff;
  if (!v6) {
    out.set(addrBytes(addr), 4);
    return out;
  }
  out.set(in6Bytes(addr), 8);
  if (isLinkLocal6(addr)) new DataView(out.buffer).setUint32(24, scope, true);
  return out;
}
/** Dotted decimal, or what inet_ntop gives (%pI4, %pI6c). */
export function formatAddr(a: IpAddr): string {
  if (isV4(a)) return [...addrBytes(a)].join('.');
  const words = a.match(/.{4}/g)!.map((w) => Number.parseInt(w, 16).toString(16));
  let best = { at: -1, n: 1 };
  for (let i = 0; i < 8; i++) {
    let n = 0;
    while (i + n < 8 && words[i + n] === '0') n++;
    if (n > best.n) best = { at: i, n };
  }
  if (best.at < 0) return words.join(':');
  return `${words.slice(0, best.at).join(':')}::${words.slice(best.at + best.n).join(':')}`;
}
