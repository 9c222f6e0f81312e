import { EAGAIN, ECONNREFUSED, ECONNRESET, EINVAL, EISCONN, ENOTCONN, ENOTTY, EOPNOTSUPP, EPERM, EPROTONOSUPPORT, ESOCKTNOSUPPORT } from '../../../abi/errno.ts';
import { O_PATH } from '../../../abi/fs.ts';
import * as S from '../../../abi/socket.ts';
import { dupFd } from '../../fs/fcntl.ts';
import type { Kernel } from '../../kernel.ts';
import { putUser32 } from '../../mm/uaccess.ts';
import { wakeUpAll } from '../../sched/wait.ts';
import { dataReady, freeSkb, initPeercred, rcvTimeout, sndTimeout, type Sock, sockError, sockWait, stateChange } from '../core/sock.ts';
import { type Skb, skbLength } from '../core/skbuff.ts';
import type { ProtoOps, Socket } from '../socket.ts';
import { autobind, unbind, unixBindAddr, unixFindOther, validateAddr } from './bind.ts';
import { dgramPoll, dgramRecvmsg, dgramSendmsg, disconnected, seqpacketRecvmsg, seqpacketSendmsg } from './dgram.ts';
import { unixGc } from './garbage.ts';
import { unixProcInit } from './proc.ts';
import { streamPoll, streamRecvmsg, streamSendmsg, unreadReset } from './stream.ts';
import { queueBytes, recvqFull, sockaddr, UnixSock, UnixState, unixDropSkb, unixSk } from './unix_sock.ts';

// UNIX sockets: their lives (net/unix/af_unix.c, unix(7)).

export type { UnixState } from './unix_sock.ts';

const CAP_NET_ADMIN = 12;

function newUnixSock(k: Kernel, type: number): UnixSock {
  const sk = new UnixSock(k, type);
  k.net.unix.socks.add(sk);
  return sk;
}
function unixCreate(k: Kernel, type: number, protocol: number): { sk: Sock; ops: ProtoOps } | number {
  if (protocol !== 0 && protocol !== S.AF_UNIX) return -EPROTONOSUPPORT;
  switch (type) {
    case S.SOCK_STREAM:
      return { sk: newUnixSock(k, type), ops: streamOps };
    case S.SOCK_DGRAM:
    case S.SOCK_RAW: // believed to mean datagrams
      return { sk: newUnixSock(k, S.SOCK_DGRAM), ops: dgramOps };
    case S.SOCK_SEQPACKET:
      return { sk: newUnixSock(k, type), ops: seqpacketOps };
  }
  return -ESOCKTNOSUPPORT;
}

/** unix_release_sock. `embryo`: a connection that nobody accepted. */
function releaseSock(k: Kernel, sk: UnixSock, embryo: boolean): void {
  unbind(k, sk);
  const { state } = sk;
  const peer = sk.peer2;
  sk.dead = true;
  sk.state = S.TCP_CLOSE;
  sk.shutdown = S.SHUTDOWN_MASK;
  sk.peer2 = null;
  wakeUpAll(k, sk.peerWait);
  k.net.unix.socks.delete(sk);
  if (peer !== null && sk.connected && peer.peer2 === sk) {
    peer.shutdown = S.SHUTDOWN_MASK;
    peer.err = unreadReset(sk) !== 0 || embryo ? ECONNRESET : peer.err;
    stateChange(k, peer);
  }
  // Those who still have a datagram socket as their peer find out when they send; pollers look again.
  if (!sk.connected) for (const other of k.net.unix.socks) if (other.peer2 === sk) wakeUpAll(k, other.writeWait);
  for (const skb of sk.receiveQueue.splice(0)) {
    if (state === S.TCP_LISTEN && skb.sock !== null) releaseSock(k, skb.sock as UnixSock, true);
    unixDropSkb(k, skb);
  }
  sk.oob = null;
  unixGc(k);
}

/** unix_listen. */
function unixListen(k: Kernel, sock: Socket, backlog: number): number {
  const sk = unixSk(sock);
  if (!sk.connected) return -EOPNOTSUPP;
  if (sk.addr === null) return -EINVAL;
  if (sk.state !== S.TCP_CLOSE && sk.state !== S.TCP_LISTEN) return -EINVAL;
  if (backlog > sk.maxAckBacklog) wakeUpAll(k, sk.peerWait);
  sk.maxAckBacklog = backlog;
  sk.state = S.TCP_LISTEN;
  initPeercred(k, sk);
  return 0;
}

function streamConnect(k: Kernel, sock: Socket, addr: Uint8Array, flags: number): number {
  const sk = unixSk(sock);
  const bad = validateAddr(addr);
  if (bad < 0) return bad;
  if ((sk.passcred || sk.passpidfd) && sk.addr === null) {
    const r = autobind(k, sk);
    if (r < 0) return r;
  }
  const other = unixFindOther(k, addr, sk.type);
  if (typeof other === 'number') return other;
  if (other.state !== S.TCP_LISTEN || (other.shutdown & S.RCV_SHUTDOWN) !== 0) return -ECONNREFUSED;
  if (recvqFull(other)) {
    const timeo = sndTimeout(sk, flags);
    return timeo === 0 ? -EAGAIN : sockWait(k, other.peerWait, timeo, {}, true);
  }
  if (sk.state === S.TCP_ESTABLISHED) return -EISCONN;
  if (sk.state !== S.TCP_CLOSE) return -EINVAL;
  const server = newUnixSock(k, sk.type);
  server.peer2 = sk;
  server.state = S.TCP_ESTABLISHED;
  server.addr = other.addr;
  server.listener = other;
  initPeercred(k, server);
  sk.peer = other.peer;
  sk.peer2 = server;
  sk.state = S.TCP_ESTABLISHED;
  const skb: Skb = {
    data: new Uint8Array(0),
    consumed: 0,
    truesize: 0,
    owner: null,
    from: null,
    creds: null,
    files: null,
    sock: server,
    time: k.time.now(),
    cb: null,
  };
  other.receiveQueue.push(skb);
  dataReady(k, other);
  return 0;
}
/** connect of a datagram socket: who send(2) sends to; AF_UNSPEC for nobody. */
function dgramConnect(k: Kernel, sock: Socket, addr: Uint8Array): number {
  const sk = unixSk(sock);
  if (addr.length < 2) return -EINVAL;
  let other: UnixSock | null = null;
  if (addr[0] !== S.AF_UNSPEC || addr[1] !== 0) {
    const bad = validateAddr(addr);
    if (bad < 0) return bad;
    if ((sk.passcred || sk.passpidfd) && sk.addr === null) {
      const r = autobind(k, sk);
      if (r < 0) return r;
    }
    const found = unixFindOther(k, addr, sk.type);
    if (typeof found === 'number') return found;
    if (found.peer2 !== null && found.peer2 !== sk) return -EPERM;
    other = found;
  }
  const old = sk.peer2;
  sk.peer2 = other;
  if (other === null) sk.state = S.TCP_CLOSE;
  else sk.state = other.state = S.TCP_ESTABLISHED;
  if (old !== null && old !== other) {
    if (other === null) old.state = S.TCP_CLOSE;
    disconnected(k, sk, old);
  }
  wakeUpAll(k, sk.writeWait);
  return 0;
}
function unixSocketpair(k: Kernel, a: Socket, b: Socket): number {
  const x = unixSk(a);
  const y = unixSk(b);
  x.peer2 = y;
  y.peer2 = x;
  initPeercred(k, x);
  initPeercred(k, y);
  x.state = y.state = S.TCP_ESTABLISHED;
  return 0;
}

function unixAccept(k: Kernel, sock: Socket, flags: number): Sock | number {
  const sk = unixSk(sock);
  if (!sk.connected) return -EOPNOTSUPP;
  if (sk.state !== S.TCP_LISTEN) return -EINVAL;
  const skb = sk.receiveQueue.shift();
  if (skb === undefined) {
    const err = sockError(sk);
    if (err < 0) return err;
    // A listener that was shut down says EINVAL (skb_recv_datagram returned nothing and no error).
    const timeo = rcvTimeout(sk, flags);
    if (timeo === 0) return -EAGAIN;
    if ((sk.shutdown & S.RCV_SHUTDOWN) !== 0) return -EINVAL;
    return sockWait(k, sk.readWait, timeo, {}, true);
  }
  freeSkb(k, skb);
  wakeUpAll(k, sk.peerWait);
  const server = skb.sock as UnixSock;
  server.listener = null;
  server.passcred ||= sk.passcred;
  server.passpidfd ||= sk.passpidfd;
  return server;
}
function unixGetname(_k: Kernel, sock: Socket, peer: boolean): Uint8Array | number {
  const sk = peer ? unixSk(sock).peer2 : unixSk(sock);
  return sk === null ? -ENOTCONN : sockaddr(sk);
}
function unixShutdown(k: Kernel, sock: Socket, how: number): number {
  if (how < S.SHUT_RD || how > S.SHUT_RDWR) return -EINVAL;
  const mode = how + 1;
  const sk = unixSk(sock);
  sk.shutdown |= mode;
  const other = sk.peer2;
  if (other !== null && sk.connected) {
    if ((mode & S.RCV_SHUTDOWN) !== 0) other.shutdown |= S.SEND_SHUTDOWN;
    if ((mode & S.SEND_SHUTDOWN) !== 0) other.shutdown |= S.RCV_SHUTDOWN;
    stateChange(k, other);
  }
  stateChange(k, sk);
  if (sk.state === S.TCP_LISTEN) wakeUpAll(k, sk.peerWait);
  return 0;
}
function unixIoctl(k: Kernel, sock: Socket, cmd: number, arg: number): number {
  const sk = unixSk(sock);
  switch (cmd) {
    case S.SIOCOUTQ:
      return putUser32(k, arg, sk.wmemAlloc);
    case S.SIOCINQ: {
      if (sk.state === S.TCP_LISTEN) return -EINVAL;
      const first = sk.receiveQueue[0];
      return putUser32(k, arg, sk.connected ? queueBytes(sk) : first === undefined ? 0 : skbLength(first));
    }
    case S.SIOCATMARK:
      return putUser32(k, arg, sk.oob !== null && sk.receiveQueue[0] === sk.oob ? 1 : 0);
    case S.SIOCUNIXFILE: {
      if (!k.current.capable(CAP_NET_ADMIN)) return -EPERM;
      if (sk.path === null) return -2; // ENOENT
      const file = k.vfs.newFile(sk.path, {}, O_PATH);
      const fd = dupFd(k, file, 0, true);
      k.vfs.fput(file);
      return fd;
    }
  }
  return -ENOTTY;
}

const common = {
  peekOff: true,
  release(k: Kernel, sock: Socket): number {
    releaseSock(k, unixSk(sock), false);
    return 0;
  },
  bind: (k: Kernel, sock: Socket, addr: Uint8Array) => unixBindAddr(k, unixSk(sock), addr),
  socketpair: unixSocketpair,
  accept: unixAccept,
  getname: unixGetname,
  ioctl: unixIoctl,
  listen: unixListen,
  shutdown: unixShutdown,
};
const streamOps: ProtoOps = { ...common, connect: streamConnect, poll: streamPoll, sendmsg: streamSendmsg, recvmsg: streamRecvmsg };
const dgramOps: ProtoOps = { ...common, connect: dgramConnect, poll: dgramPoll, sendmsg: dgramSendmsg, recvmsg: dgramRecvmsg };
const seqpacketOps: ProtoOps = {
  ...common,
  connect: streamConnect,
  poll: dgramPoll,
  sendmsg: seqpacketSendmsg,
  recvmsg: seqpacketRecvmsg,
};

export function unixInit(k: Kernel): void {
  k.net.unix = new UnixState();
  k.net.families.set(S.AF_UNIX, unixCreate);
  unixProcInit(k);
}
