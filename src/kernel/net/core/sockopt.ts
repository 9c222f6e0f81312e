import { EDOM, EINVAL, ENODATA, ENODEV, ENOPROTOOPT, ENOTCONN, EOPNOTSUPP, EPERM } from '../../../abi/errno.ts';
import * as S from '../../../abi/socket.ts';
import type { Kernel } from '../../kernel.ts';
import { NSEC_PER_SEC, TICK_NSEC } from '../../time/timekeeping.ts';
import type { Socket } from '../socket.ts';
import { attachFilter, detachFilter } from './filter.ts';
import { sockError, writeSpace, type Sock } from './sock.ts';

// Options of level SOL_SOCKET (sk_setsockopt and sk_getsockopt of net/core/sock.c, socket(7)).

const CAP_NET_ADMIN = 12;
const CAP_NET_RAW = 13;
/** SOCK_MIN_SNDBUF and SOCK_MIN_RCVBUF. */
const MIN_SNDBUF = 4608;
const MIN_RCVBUF = 2304;
const INT_MAX = 0x7fff_ffff;
const IFNAMSIZ = 16;

const int32 = (v: Uint8Array) => new DataView(v.buffer, v.byteOffset, v.length).getInt32(0, true);
export function bytesOfInt(n: number): Uint8Array {
  const b = new Uint8Array(4);
  new DataView(b.buffer).setInt32(0, n, true);
  return b;
}
const isInet = (sk: Sock) => sk.family === S.AF_INET || sk.family === S.AF_INET6;

/** sock_set_timeout: a struct timeval in ns of whole ticks. */
function readTimeout(v: Uint8Array): number {
  if (v.length < 16) return -EINVAL;
  const d = new DataView(v.buffer, v.byteOffset, v.length);
  const sec = d.getBigInt64(0, true);
  const usec = d.getBigInt64(8, true);
  if (usec < 0n || usec >= 1_000_000n) return -EDOM;
  if (sec < 0n) return 0;
  if (sec === 0n && usec === 0n) return Number.POSITIVE_INFINITY;
  if (sec >= 1n << 40n) return Number.POSITIVE_INFINITY;
  return Number(sec) * NSEC_PER_SEC + Math.ceil((Number(usec) * 1000) / TICK_NSEC) * TICK_NSEC;
}
function timeoutBytes(ns: number): Uint8Array {
  const b = new Uint8Array(16);
  if (ns === Number.POSITIVE_INFINITY) return b;
  const d = new DataView(b.buffer);
  d.setBigInt64(0, BigInt(Math.floor(ns / NSEC_PER_SEC)), true);
  d.setBigInt64(8, BigInt(Math.floor((ns % NSEC_PER_SEC) / 1000)), true);
  return b;
}
function setLinger(sk: Sock, v: Uint8Array): number {
  if (v.length < 8) return -EINVAL;
  const d = new DataView(v.buffer, v.byteOffset, 8);
  const seconds = d.getUint32(4, true);
  sk.linger = d.getInt32(0, true) === 0 ? -1 : seconds * NSEC_PER_SEC;
  return 0;
}
function setBuffer(k: Kernel, sk: Sock, which: number, val: number): number {
  const force = which === S.SO_SNDBUFFORCE || which === S.SO_RCVBUFFORCE;
  if (force && !k.current.capable(CAP_NET_ADMIN)) return -EPERM;
  const send = which === S.SO_SNDBUF || which === S.SO_SNDBUFFORCE;
  const max = send ? k.net.wmemMax : k.net.rmemMax;
  // The comparison is of unsigned numbers, so a negative one is large.
  const limited = force ? Math.max(val, 0) : val < 0 || val > max ? max : val;
  const doubled = Math.min(limited, INT_MAX / 2) * 2;
  if (send) {
    sk.sndbufLocked = true;
    sk.sndbuf = Math.max(Math.floor(doubled), MIN_SNDBUF);
    writeSpace(k, sk);
  } else {
    sk.rcvbufLocked = true;
    sk.rcvbuf = Math.max(Math.floor(doubled), MIN_RCVBUF);
  }
  return 0;
}
function bindToDevice(k: Kernel, sk: Sock, v: Uint8Array): number {
  const end = v.indexOf(0);
  const name = String.fromCharCode(...v.subarray(0, Math.min(end < 0 ? v.length : end, IFNAMSIZ - 1)));
  if (sk.boundDev !== 0 && !k.current.capable(CAP_NET_RAW)) return -EPERM;
  if (name === '') sk.boundDev = 0;
  else {
    const dev = k.net.devices.find((d) => d.name === name);
    if (dev === undefined) return -ENODEV;
    sk.boundDev = dev.index;
  }
  return 0;
}
/** Options that hold an int or a truth value and change nothing else here: number, truth value? */
const PLAIN: ReadonlyMap<number, boolean> = new Map([
  [S.SO_WIFI_STATUS, true],
  [S.SO_NOFCS, true],
  [S.SO_SELECT_ERR_QUEUE, true],
  [S.SO_TIMESTAMPING, false],
  [S.SO_TXREHASH, false],
  [S.SO_RCVMARK, true],
]);

export function sockSetsockopt(k: Kernel, sock: Socket, name: number, v: Uint8Array): number {
  const { sk } = sock;
  if (name === S.SO_BINDTODEVICE) return bindToDevice(k, sk, v);
  if (v.length < 4) return -EINVAL;
  const val = int32(v);
  const bool = val !== 0;
  switch (name) {
    case S.SO_DEBUG:
      if (bool && !k.current.capable(CAP_NET_ADMIN)) return -13; // EACCES
      sk.debug = bool;
      return 0;
    case S.SO_REUSEADDR:
      sk.reuse = bool;
      return 0;
    case S.SO_REUSEPORT:
      if (bool && !isInet(sk)) return -EOPNOTSUPP;
      sk.reuseport = bool;
      return 0;
    case S.SO_TYPE:
    case S.SO_PROTOCOL:
    case S.SO_DOMAIN:
    case S.SO_ERROR:
    case S.SO_ACCEPTCONN:
    case S.SO_SNDLOWAT:
    case S.SO_PEERCRED:
    case S.SO_PEERNAME:
    case S.SO_PEERSEC:
    case S.SO_MEMINFO:
    case S.SO_COOKIE:
    case S.SO_PEERGROUPS:
    case S.SO_BPF_EXTENSIONS:
    case S.SO_INCOMING_NAPI_ID:
    case S.SO_NETNS_COOKIE:
    case S.SO_PEERPIDFD:
      return -ENOPROTOOPT;
    case S.SO_BSDCOMPAT:
      return 0; // obsolete
    case S.SO_DONTROUTE:
      sk.dontroute = bool;
      return 0;
    case S.SO_BROADCAST:
      sk.broadcast = bool;
      return 0;
    case S.SO_SNDBUF:
    case S.SO_RCVBUF:
    case S.SO_SNDBUFFORCE:
    case S.SO_RCVBUFFORCE:
      return setBuffer(k, sk, name, val);
    case S.SO_KEEPALIVE:
      sk.keepalive = bool;
      sock.ops.keepaliveChanged?.(k, sock);
      return 0;
    case S.SO_OOBINLINE:
      sk.oobinline = bool;
      return 0;
    case S.SO_NO_CHECK:
      sk.noCheck = bool;
      return 0;
    case S.SO_PRIORITY:
      if ((val < 0 || val > 6) && !k.current.capable(CAP_NET_RAW) && !k.current.capable(CAP_NET_ADMIN)) return -EPERM;
      sk.priority = val;
      return 0;
    case S.SO_LINGER:
      return setLinger(sk, v);
    case S.SO_PASSCRED:
      sk.passcred = bool;
      return 0;
    case S.SO_PASSPIDFD:
      sk.passpidfd = bool;
      return 0;
    case S.SO_PASSSEC:
      sk.passsec = bool;
      return 0;
    case S.SO_TIMESTAMP:
    case S.SO_TIMESTAMPNS:
    case S.SO_TIMESTAMP_NEW:
    case S.SO_TIMESTAMPNS_NEW:
      sk.timestamp = bool ? (name === S.SO_TIMESTAMP || name === S.SO_TIMESTAMP_NEW ? S.SO_TIMESTAMP : S.SO_TIMESTAMPNS) : 0;
      return 0;
    case S.SO_RCVLOWAT:
      sk.rcvlowat = val < 0 ? INT_MAX : val === 0 ? 1 : val;
      return 0;
    case S.SO_RCVTIMEO:
    case S.SO_RCVTIMEO_NEW:
    case S.SO_SNDTIMEO:
    case S.SO_SNDTIMEO_NEW: {
      const t = readTimeout(v);
      if (t < 0) return t;
      if (name === S.SO_RCVTIMEO || name === S.SO_RCVTIMEO_NEW) sk.rcvtimeo = t;
      else sk.sndtimeo = t;
      return 0;
    }
    case S.SO_ATTACH_FILTER:
      if (sock.ops.filters === true) return attachFilter(k, sk, v);
      k.printk.log(4, 'setsockopt: SO_ATTACH_FILTER is not implemented for this protocol');
      return -EOPNOTSUPP;
    case S.SO_DETACH_FILTER:
      return detachFilter(sk);
    case S.SO_LOCK_FILTER:
      if (sk.filterLocked && int32(v) === 0) return -EPERM;
      sk.filterLocked = int32(v) !== 0;
      return 0;
    case S.SO_MARK:
      if (!k.current.capable(CAP_NET_RAW) && !k.current.capable(CAP_NET_ADMIN)) return -EPERM;
      sk.mark = val;
      return 0;
    case S.SO_RXQ_OVFL:
      sk.rxqOvfl = bool;
      return 0;
    case S.SO_PEEK_OFF:
      if (!sock.ops.peekOff) return -EOPNOTSUPP;
      sk.peekOff = val;
      return 0;
    case S.SO_BUSY_POLL:
      if (val < 0) return -EINVAL;
      if (val > sk.busyPoll && !k.current.capable(CAP_NET_ADMIN)) return -EPERM;
      sk.busyPoll = val;
      return 0;
    case S.SO_MAX_PACING_RATE:
      sk.values.set(name, val);
      return 0;
    case S.SO_INCOMING_CPU:
      sk.incomingCpu = val;
      return 0;
    case S.SO_ZEROCOPY:
      if (!isInet(sk) || (sk.type !== S.SOCK_STREAM && sk.type !== S.SOCK_DGRAM)) return -EOPNOTSUPP;
      if (val < 0 || val > 1) return -EINVAL;
      sk.zerocopy = bool;
      return 0;
    case S.SO_BINDTOIFINDEX:
      if (val < 0) return -EINVAL;
      if (val !== 0 && !k.net.devices.some((d) => d.index === val)) return -ENODEV;
      sk.boundDev = val;
      return 0;
  }
  const truth = PLAIN.get(name);
  if (truth === undefined) return -ENOPROTOOPT;
  sk.values.set(name, truth ? Number(bool) : val);
  return 0;
}

function ucredBytes(sk: Sock): Uint8Array {
  const b = new Uint8Array(12);
  const d = new DataView(b.buffer);
  d.setInt32(0, sk.peer?.pid ?? 0, true);
  d.setInt32(4, sk.peer?.cred.euid ?? -1, true);
  d.setInt32(8, sk.peer?.cred.egid ?? -1, true);
  return b;
}
function meminfo(sk: Sock): Uint8Array {
  const b = new Uint8Array(36);
  const d = new DataView(b.buffer);
  [sk.rmemAlloc, sk.rcvbuf, sk.wmemAlloc, sk.sndbuf, 0, 0, 0, 0, sk.drops].forEach((n, i) => {
    d.setUint32(i * 4, n, true);
  });
  return b;
}

/** The value of an option, at most `len` bytes of which the caller gets; -errno. */
export function sockGetsockopt(k: Kernel, sock: Socket, name: number, len: number): Uint8Array | number {
  const { sk } = sock;
  const int = bytesOfInt;
  const truth = (b: boolean) => int(b ? 1 : 0);
  switch (name) {
    case S.SO_DEBUG:
      return truth(sk.debug);
    case S.SO_DONTROUTE:
      return truth(sk.dontroute);
    case S.SO_BROADCAST:
      return truth(sk.broadcast);
    case S.SO_SNDBUF:
      return int(sk.sndbuf);
    case S.SO_RCVBUF:
      return int(sk.rcvbuf);
    case S.SO_REUSEADDR:
      return truth(sk.reuse);
    case S.SO_REUSEPORT:
      return truth(sk.reuseport);
    case S.SO_KEEPALIVE:
      return truth(sk.keepalive);
    case S.SO_TYPE:
      return int(sk.type);
    case S.SO_PROTOCOL:
      return int(sk.protocol);
    case S.SO_DOMAIN:
      return int(sk.family);
    case S.SO_ERROR:
      return int(-sockError(sk));
    case S.SO_OOBINLINE:
      return truth(sk.oobinline);
    case S.SO_NO_CHECK:
      return truth(sk.noCheck);
    case S.SO_PRIORITY:
      return int(sk.priority);
    case S.SO_LINGER: {
      const b = new Uint8Array(8);
      const d = new DataView(b.buffer);
      d.setInt32(0, sk.linger >= 0 ? 1 : 0, true);
      d.setInt32(4, sk.linger >= 0 ? Math.floor(sk.linger / NSEC_PER_SEC) : 0, true);
      return b;
    }
    case S.SO_TIMESTAMP:
      return truth(sk.timestamp === S.SO_TIMESTAMP);
    case S.SO_TIMESTAMPNS:
      return truth(sk.timestamp === S.SO_TIMESTAMPNS);
    case S.SO_RCVTIMEO:
    case S.SO_RCVTIMEO_NEW:
      return timeoutBytes(sk.rcvtimeo);
    case S.SO_SNDTIMEO:
    case S.SO_SNDTIMEO_NEW:
      return timeoutBytes(sk.sndtimeo);
    case S.SO_RCVLOWAT:
      return int(sk.rcvlowat);
    case S.SO_SNDLOWAT:
      return int(1);
    case S.SO_PASSCRED:
      return truth(sk.passcred);
    case S.SO_PASSPIDFD:
      return truth(sk.passpidfd);
    case S.SO_PASSSEC:
      return truth(sk.passsec);
    case S.SO_PEERCRED:
      return ucredBytes(sk);
    case S.SO_PEERGROUPS: {
      const { groups } = sk.peer?.cred ?? {};
      if (groups === undefined) return -ENODATA;
      const b = new Uint8Array(groups.length * 4);
      groups.forEach((g, i) => {
        new DataView(b.buffer).setUint32(i * 4, g, true);
      });
      return len < b.length ? -34 : b; // ERANGE
    }
    case S.SO_PEERNAME: {
      const name = sock.ops.getname(k, sock, true);
      if (typeof name === 'number') return -ENOTCONN;
      return name.length < len ? -EINVAL : name;
    }
    case S.SO_ACCEPTCONN:
      return truth(sk.state === S.TCP_LISTEN);
    case S.SO_MARK:
      return int(sk.mark);
    case S.SO_RXQ_OVFL:
      return truth(sk.rxqOvfl);
    case S.SO_PEEK_OFF:
      return sock.ops.peekOff ? int(sk.peekOff) : -EOPNOTSUPP;
    case S.SO_BINDTODEVICE: {
      if (sk.boundDev === 0) return new Uint8Array(0);
      if (len < IFNAMSIZ) return -EINVAL;
      const dev = k.net.devices.find((d) => d.index === sk.boundDev);
      return dev === undefined ? -ENODEV : new Uint8Array([...dev.name, '\0'].map((c) => c.charCodeAt(0)));
    }
    case S.SO_BUSY_POLL:
      return int(sk.busyPoll);
    case S.SO_MAX_PACING_RATE:
      return int(sk.values.get(name) ?? -1);
    case S.SO_BPF_EXTENSIONS:
      return int(64);
    case S.SO_INCOMING_CPU:
      return int(sk.incomingCpu);
    case S.SO_INCOMING_NAPI_ID:
      return int(0);
    case S.SO_MEMINFO:
      return meminfo(sk);
    case S.SO_COOKIE: {
      if (len < 8) return -EINVAL;
      const b = new Uint8Array(8);
      new DataView(b.buffer).setBigUint64(0, BigInt(sk.cookie), true);
      return b;
    }
    case S.SO_NETNS_COOKIE: {
      if (len !== 8) return -EINVAL;
      const b = new Uint8Array(8);
      b[0] = 1;
      return b;
    }
    case S.SO_ZEROCOPY:
      return truth(sk.zerocopy);
    case S.SO_BINDTOIFINDEX:
      return int(sk.boundDev);
    case S.SO_TXREHASH:
      return int(sk.values.get(name) ?? (isInet(sk) ? 1 : 0));
    case S.SO_PEERSEC:
      return -ENOPROTOOPT;
    case S.SO_BSDCOMPAT:
      return int(0);
    case S.SO_LOCK_FILTER:
      return truth(sk.filterLocked);
    case S.SO_ATTACH_FILTER:
      if (sk.filter === null) return new Uint8Array(0); // SO_GET_FILTER: no instructions
      k.printk.log(4, 'getsockopt: SO_GET_FILTER is not implemented');
      return -EOPNOTSUPP;
    case S.SO_PEERPIDFD:
      if (sk.peer === null) return -ENODATA;
      k.printk.log(4, 'getsockopt: SO_PEERPIDFD is not implemented');
      return -EOPNOTSUPP;
  }
  return PLAIN.has(name) ? int(sk.values.get(name) ?? 0) : -ENOPROTOOPT;
}
