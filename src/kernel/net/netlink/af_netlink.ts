import * as E from '../../../abi/errno.ts';
import * as F from '../../../abi/fs.ts';
import * as N from '../../../abi/netlink.ts';
import * as S from '../../../abi/socket.ts';
import type { PollTable } from '../../fs/select.ts';
import type { Kernel } from '../../kernel.ts';
import { hex } from '../../lib/seq_file.ts';
import { putUser32 } from '../../mm/uaccess.ts';
import { receiveSkb } from '../core/datagram.ts';
import { hashedPointer } from '../core/net_proc.ts';
import { scmDestroy, scmSend, ucredBytes } from '../core/scm.ts';
import { dataReady, POLLWRBAND, pollQueues, rcvTimeout, Sock, sockError, sockWait } from '../core/sock.ts';
import { truesizeOf } from '../core/skbuff.ts';
import type { MsgHdr, ProtoOps, Socket } from '../socket.ts';
import { requestModule } from '../../module/kmod.ts';
import { BLOCKED } from '../../sched/wait.ts';
import { genlRequest } from './genetlink.ts';
import { sendToModule } from './kernel_sock.ts';
import { NlMessage, type NlRequest, viewOf } from './message.ts';
import { rtnlRequest } from '../core/rtnetlink.ts';
import { sockDiagRequest } from '../core/sock_diag.ts';

// Netlink sockets: messages between programs and the kernel (net/netlink/af_netlink.c, netlink(7)).

const CAP_NET_ADMIN = 12;

/** What a request leads to: a list of messages for a dump, else one answer or none, or -errno. */
export type NlAnswer = readonly Uint8Array[] | number;
/** The kernel's side of a protocol. */
type NlHandler = (k: Kernel, sk: NetlinkSock, r: NlRequest) => NlAnswer;
interface Protocol {
  readonly request: NlHandler | null;
  /** Multicast groups; everybody may listen to them. */
  readonly groups: number;
}
const PROTOCOLS: ReadonlyMap<number, Protocol> = new Map([
  [N.NETLINK_ROUTE, { request: rtnlRequest, groups: 36 }],
  [N.NETLINK_USERSOCK, { request: null, groups: 32 }],
  [N.NETLINK_SOCK_DIAG, { request: sockDiagRequest, groups: 32 }],
  [N.NETLINK_KOBJECT_UEVENT, { request: null, groups: 32 }],
  [N.NETLINK_GENERIC, { request: genlRequest, groups: 32 }],
]);

export class NetlinkSock extends Sock {
  portid = 0;
  bound = false;
  dstPortid = 0;
  dstGroup = 0;
  readonly groups = new Set<number>();
  /** NETLINK_* options that are on. */
  readonly flags = new Set<number>();
  /** A dump did not fit: the next read says ENOBUFS. */
  get strict(): boolean {
    return this.flags.has(N.NETLINK_GET_STRICT_CHK);
  }
}
const nlSk = (sock: Socket) => sock.sk as NetlinkSock;

function create(k: Kernel, type: number, protocol: number): { sk: Sock; ops: ProtoOps } | number {
  if (type !== S.SOCK_RAW && type !== S.SOCK_DGRAM) return -E.ESOCKTNOSUPPORT;
  if (protocol < 0 || protocol >= N.MAX_LINKS) return -E.EPROTONOSUPPORT;
  if (!PROTOCOLS.has(protocol) && !k.net.netlinkKernel.has(protocol)) {
    // A module may serve it.
    const r = requestModule(k, `net-pf-${S.AF_NETLINK}-proto-${protocol}`);
    if (r === BLOCKED) return BLOCKED;
    if (!k.net.netlinkKernel.has(protocol)) return -E.EPROTONOSUPPORT;
  }
  const sk = new NetlinkSock(k, S.AF_NETLINK, type, protocol);
  sk.sndbuf = k.net.wmemDefault;
  sk.rcvbuf = k.net.rmemDefault;
  k.net.netlink.add(sk);
  return { sk, ops: netlinkOps };
}
function sockaddrNl(portid: number, groups: number): Uint8Array {
  const b = new Uint8Array(N.SOCKADDR_NL);
  const v = viewOf(b);
  v.setUint16(0, S.AF_NETLINK, true);
  v.setUint32(4, portid, true);
  v.setUint32(8, groups, true);
  return b;
}
export const findPort = (k: Kernel, protocol: number, portid: number) =>
  [...k.net.netlink].find((s) => s.protocol === protocol && s.bound && s.portid === portid) ?? null;
/** The process's number when it is free, else one from the top (netlink_autobind). */
function autobind(k: Kernel, sk: NetlinkSock): void {
  let portid = k.current.tgid;
  for (let n = 4096; findPort(k, sk.protocol, portid) !== null; n++) portid = 0x1_0000_0000 - n;
  sk.portid = portid;
  sk.bound = true;
}
function parse(addr: Uint8Array): { portid: number; groups: number } | number {
  if (addr.length < N.SOCKADDR_NL) return -E.EINVAL;
  const v = viewOf(addr);
  if (v.getUint16(0, true) !== S.AF_NETLINK) return -E.EINVAL;
  return { portid: v.getUint32(4, true), groups: v.getUint32(8, true) };
}
function bind(k: Kernel, sock: Socket, addr: Uint8Array): number {
  const sk = nlSk(sock);
  const to = parse(addr);
  if (typeof to === 'number') return to;
  if (sk.bound) {
    if (to.portid !== sk.portid) return -E.EINVAL;
  } else if (to.portid === 0) autobind(k, sk);
  else {
    if (findPort(k, sk.protocol, to.portid) !== null) return -E.EADDRINUSE;
    sk.portid = to.portid;
    sk.bound = true;
  }
  for (let g = 1; g <= 32; g++) {
    if ((to.groups & (1 << (g - 1))) !== 0) sk.groups.add(g);
    else sk.groups.delete(g);
  }
  return 0;
}
function connect(k: Kernel, sock: Socket, addr: Uint8Array): number {
  const sk = nlSk(sock);
  if (addr.length < 2) return -E.EINVAL;
  if (addr[0] === S.AF_UNSPEC && addr[1] === 0) {
    sk.state = S.TCP_CLOSE;
    sk.dstPortid = sk.dstGroup = 0;
    return 0;
  }
  const to = parse(addr);
  if (typeof to === 'number') return to;
  if ((to.portid !== 0 || to.groups !== 0) && !k.current.capable(CAP_NET_ADMIN)) return -E.EPERM;
  if (!sk.bound) autobind(k, sk);
  sk.state = S.TCP_ESTABLISHED;
  sk.dstPortid = to.portid;
  sk.dstGroup = to.groups === 0 ? 0 : 32 - Math.clz32(to.groups & -to.groups);
  return 0;
}
const groupMask = (sk: NetlinkSock) => [...sk.groups].reduce((m, g) => (g <= 32 ? m | (1 << (g - 1)) : m), 0) >>> 0;
function getname(_k: Kernel, sock: Socket, peer: boolean): Uint8Array {
  const sk = nlSk(sock);
  return peer ? sockaddrNl(sk.dstPortid, sk.dstGroup === 0 ? 0 : (1 << (sk.dstGroup - 1)) >>> 0) : sockaddrNl(sk.portid, groupMask(sk));
}

/** Who sent a message. */
interface Origin {
  readonly pid: number;
  readonly uid: number;
  readonly gid: number;
}
const KERNEL: Origin = { pid: 0, uid: 0, gid: 0 };
/** Puts a message into a receiver's queue; false when it is full. */
function deliver(k: Kernel, to: NetlinkSock, data: Uint8Array, portid: number, group: number, from: Origin): boolean {
  const truesize = truesizeOf(data.length, 0, false);
  if (to.rmemAlloc > to.rcvbuf) {
    to.drops++;
    if (!to.flags.has(N.NETLINK_NO_ENOBUFS)) to.err = E.ENOBUFS;
    return false;
  }
  to.rmemAlloc += truesize;
  to.receiveQueue.push({
    data,
    consumed: 0,
    truesize,
    owner: null,
    from: sockaddrNl(portid, group === 0 ? 0 : group <= 32 ? (1 << (group - 1)) >>> 0 : 0),
    creds: from,
    files: null,
    sock: null,
    time: k.time.now(),
    cb: group,
  });
  dataReady(k, to);
  return true;
}
/** The same from the kernel itself. */
export function deliverTo(k: Kernel, to: NetlinkSock, data: Uint8Array, group: number): boolean {
  return deliver(k, to, data, 0, group, KERNEL);
}
/** To all who joined a group (nlmsg_notify, netlink_broadcast). */
export function netlinkBroadcast(k: Kernel, protocol: number, group: number, data: Uint8Array): void {
  for (const sk of k.net.netlink) if (sk.protocol === protocol && sk.groups.has(group)) deliver(k, sk, data, 0, group, KERNEL);
}
function sendmsg(k: Kernel, sock: Socket, msg: MsgHdr): number {
  const sk = nlSk(sock);
  if ((msg.flags & S.MSG_OOB) !== 0) return -E.EOPNOTSUPP;
  const length = msg.iter.count;
  if (length === 0 && msg.name === null) return -E.ENODATA;
  const scm = scmSend(k, S.AF_NETLINK, msg.control);
  if (typeof scm === 'number') return scm;
  scmDestroy(k, scm);
  let { dstPortid: portid, dstGroup: group } = sk;
  if (msg.name !== null) {
    const to = parse(msg.name);
    if (typeof to === 'number') return to;
    portid = to.portid;
    group = to.groups === 0 ? 0 : 32 - Math.clz32(to.groups & -to.groups);
    if ((group !== 0 || portid !== 0) && sk.protocol !== N.NETLINK_USERSOCK && !k.current.capable(CAP_NET_ADMIN)) return -E.EPERM;
  }
  if (!sk.bound) autobind(k, sk);
  if (length > sk.sndbuf - 32) return -E.EMSGSIZE;
  const data = length === 0 ? new Uint8Array(0) : msg.iter.copyFrom(k, length);
  if (typeof data === 'number' || data.length < length) return -E.EFAULT;
  const { tgid, cred } = k.current;
  const from: Origin = { pid: tgid, uid: cred.uid, gid: cred.gid };
  if (group !== 0)
    for (const o of k.net.netlink) if (o !== sk && o.protocol === sk.protocol && o.groups.has(group)) deliver(k, o, data, sk.portid, group, from);
  if (portid === 0 && group !== 0) return length;
  if (portid === 0) {
    const module = k.net.netlinkKernel.get(sk.protocol);
    if (module !== undefined) return sendToModule(k, sk, module, data);
    const request = PROTOCOLS.get(sk.protocol)?.request ?? null;
    if (request === null) return sk.protocol === N.NETLINK_KOBJECT_UEVENT ? length : -E.ECONNREFUSED;
    return receive(k, sk, data, request) === BLOCKED ? BLOCKED : length;
  }
  const to = findPort(k, sk.protocol, portid);
  if (to === null) return -E.ECONNREFUSED;
  deliver(k, to, data, sk.portid, 0, from);
  return length;
}
/** Messages for the kernel, one after the other (netlink_rcv_skb). 0, or BLOCKED: one of them is not finished. */
function receive(k: Kernel, sk: NetlinkSock, data: Uint8Array, handler: NlHandler): number {
  const v = viewOf(data);
  const task = k.current;
  for (let at = (task.restart?.['nlAt'] as number | undefined) ?? 0; at + N.NLMSG_HDRLEN <= data.length; ) {
    const length = v.getUint32(at, true);
    if (length < N.NLMSG_HDRLEN || length > data.length - at) break;
    if (task.restart?.['nlAt'] !== at) task.restart = { ...task.restart, ...NOTHING_DONE, nlAt: at };
    const whole = data.subarray(at, at + length);
    const r: NlRequest = {
      type: v.getUint16(at + 4, true),
      flags: v.getUint16(at + 6, true),
      seq: v.getUint32(at + 8, true),
      portid: v.getUint32(at + 12, true),
      body: whole.subarray(N.NLMSG_HDRLEN),
      whole,
    };
    at += (length + 3) & ~3;
    let answer: NlAnswer = [];
    let dumped = false;
    if ((r.flags & N.NLM_F_REQUEST) !== 0 && r.type >= N.NLMSG_MIN_TYPE) {
      answer = handler(k, sk, r);
      if (answer === BLOCKED) return BLOCKED;
      task.calls = [];
      task.callIndex = 0;
      dumped = typeof answer !== 'number' && isDump(r, sk.protocol);
      if (typeof answer !== 'number') {
        if (dumped) dump(k, sk, r, answer);
        else for (const m of answer) deliver(k, sk, m, 0, 0, KERNEL);
      }
    }
    if (dumped) continue;
    const err = typeof answer === 'number' ? answer : 0;
    if (err !== 0 || (r.flags & N.NLM_F_ACK) !== 0) acknowledge(k, sk, r, err);
  }
  if (task.restart !== null) task.restart = { ...task.restart, ...NOTHING_DONE };
  return 0;
}
/** Progress of one request, which the next must not see. */
const NOTHING_DONE = { nlAt: undefined, steps: undefined, rtnl: undefined, asked: undefined };
/** Only questions dump: for what changes something the same bits mean other things. */
function isDump(r: NlRequest, protocol: number): boolean {
  if ((r.flags & N.NLM_F_DUMP) === 0) return false;
  if (protocol === N.NETLINK_ROUTE) return (r.type & 3) === 2;
  return (r.flags & N.NLM_F_DUMP) === N.NLM_F_DUMP;
}
/** NLMSG_GOODSIZE: what one read of a dump gives at least. */
const DUMP_SIZE = 3776;
/** The messages of a dump in datagrams, and the end (netlink_dump). */
function dump(k: Kernel, sk: NetlinkSock, r: NlRequest, messages: readonly Uint8Array[]): void {
  const done = new NlMessage(N.NLMSG_DONE, N.NLM_F_MULTI, r.seq, sk.portid).u32(0).finish();
  let parts: Uint8Array[] = [];
  let size = 0;
  const flush = () => {
    const out = new Uint8Array(size);
    let at = 0;
    for (const p of parts) {
      out.set(p, at);
      at += p.length;
    }
    if (size > 0) deliver(k, sk, out, 0, 0, KERNEL);
    parts = [];
    size = 0;
  };
  for (const m of messages) {
    if (size + m.length > DUMP_SIZE) flush();
    parts.push(m);
    size += m.length;
  }
  flush();
  deliver(k, sk, done, 0, 0, KERNEL);
}
/** netlink_ack: the error with the request that caused it; only its header when that suffices. */
function acknowledge(k: Kernel, sk: NetlinkSock, r: NlRequest, err: number): void {
  const capped = err === 0 || sk.flags.has(N.NETLINK_CAP_ACK);
  const text = err !== 0 && sk.flags.has(N.NETLINK_EXT_ACK) ? r.extack : undefined;
  const flags = (capped ? N.NLM_F_CAPPED : 0) | (text === undefined ? 0 : N.NLM_F_ACK_TLVS);
  const m = new NlMessage(N.NLMSG_ERROR, flags, r.seq, sk.portid).u32(err).put(r.whole.subarray(0, capped ? N.NLMSG_HDRLEN : r.whole.length));
  if (text !== undefined) m.attrString(N.NLMSGERR_ATTR_MSG, text);
  deliver(k, sk, m.finish(), 0, 0, KERNEL);
}

function recvmsg(k: Kernel, sock: Socket, msg: MsgHdr): number {
  const sk = nlSk(sock);
  if ((msg.flags & S.MSG_OOB) !== 0) return -E.EOPNOTSUPP;
  const err = sockError(sk);
  if (err < 0) return err;
  const skb = sk.receiveQueue[0];
  if (skb === undefined) {
    const timeo = rcvTimeout(sk, msg.flags);
    if (timeo === 0) return -E.EAGAIN;
    if ((sk.shutdown & S.RCV_SHUTDOWN) !== 0) return 0;
    return sockWait(k, sk.readWait, timeo, {}, true);
  }
  const size = receiveSkb(k, sk, msg, skb);
  if (size < 0) return size;
  if (sk.flags.has(N.NETLINK_PKTINFO)) msg.cmsg.putInt(k, S.SOL_NETLINK, N.NETLINK_PKTINFO, skb.cb as number);
  if (sk.passcred && skb.creds !== null) msg.cmsg.put(k, S.SOL_SOCKET, S.SCM_CREDENTIALS, ucredBytes(skb.creds));
  return (msg.flags & S.MSG_TRUNC) !== 0 ? skb.data.length : size;
}
function poll(_k: Kernel, sock: Socket, table: PollTable | null): number {
  const sk = nlSk(sock);
  pollQueues(sk, table);
  const readable = sk.receiveQueue.length > 0 ? F.POLLIN | F.POLLRDNORM : 0;
  return (sk.err !== 0 ? F.POLLERR : 0) | readable | F.POLLOUT | F.POLLWRNORM | POLLWRBAND;
}
function setsockopt(k: Kernel, sock: Socket, level: number, name: number, value: Uint8Array): number {
  const sk = nlSk(sock);
  if (level !== S.SOL_NETLINK) return -E.ENOPROTOOPT;
  if (value.length < 4) return -E.EINVAL;
  const val = viewOf(value).getInt32(0, true);
  switch (name) {
    case N.NETLINK_ADD_MEMBERSHIP:
    case N.NETLINK_DROP_MEMBERSHIP:
      if (val < 1 || val > (PROTOCOLS.get(sk.protocol) ?? k.net.netlinkKernel.get(sk.protocol) ?? { groups: 32 }).groups) return -E.EINVAL;
      if (name === N.NETLINK_ADD_MEMBERSHIP) sk.groups.add(val);
      else sk.groups.delete(val);
      return 0;
    case N.NETLINK_LISTEN_ALL_NSID:
    case N.NETLINK_PKTINFO:
    case N.NETLINK_BROADCAST_ERROR:
    case N.NETLINK_NO_ENOBUFS:
    case N.NETLINK_CAP_ACK:
    case N.NETLINK_EXT_ACK:
    case N.NETLINK_GET_STRICT_CHK:
      if (name === N.NETLINK_LISTEN_ALL_NSID && !k.current.capable(CAP_NET_ADMIN)) return -E.EPERM;
      if (val !== 0) sk.flags.add(name);
      else sk.flags.delete(name);
      return 0;
  }
  return -E.ENOPROTOOPT;
}
function getsockopt(_k: Kernel, sock: Socket, level: number, name: number, len: number): Uint8Array | number {
  const sk = nlSk(sock);
  if (level !== S.SOL_NETLINK) return -E.ENOPROTOOPT;
  if (name === N.NETLINK_LIST_MEMBERSHIPS) {
    const out = new Uint8Array(Math.max(8, Math.ceil(Math.max(0, ...sk.groups) / 32) * 4));
    for (const g of sk.groups) out[(g - 1) >> 3] |= 1 << ((g - 1) & 7);
    return out;
  }
  if (len < 4) return -E.EINVAL;
  if (![3, 4, 5, 8, 10, 11, 12].includes(name)) return -E.ENOPROTOOPT;
  return new Uint8Array([sk.flags.has(name) ? 1 : 0, 0, 0, 0]);
}
function release(k: Kernel, sock: Socket): number {
  const sk = nlSk(sock);
  k.net.netlink.delete(sk);
  sk.dead = true;
  sk.receiveQueue.length = 0;
  return 0;
}
const refused = () => -E.EOPNOTSUPP;

const netlinkOps: ProtoOps = {
  release,
  bind,
  connect,
  socketpair: refused,
  accept: refused,
  getname,
  poll,
  ioctl: (k, sock, cmd, arg) => (cmd === S.SIOCINQ ? putUser32(k, arg, sock.sk.receiveQueue[0]?.data.length ?? 0) : -E.ENOTTY),
  listen: refused,
  shutdown: refused,
  setsockopt,
  getsockopt,
  sendmsg,
  recvmsg,
};
/** /proc/net/netlink (netlink_seq_show). */
function showNetlink(k: Kernel): string {
  let text = 'sk               Eth Pid        Groups   Rmem     Wmem     Dump  Locks    Drops    Inode\n';
  for (const sk of k.net.netlink) {
    const n = (v: number, width: number) => String(v).padEnd(width);
    text += `${hashedPointer(k, sk)} ${n(sk.protocol, 3)} ${n(sk.portid, 10)} ${hex(groupMask(sk), 8)} ${n(sk.rmemAlloc, 8)} ${n(sk.wmemAlloc, 8)} ${n(0, 5)} ${n(2, 8)} ${n(sk.drops, 8)} ${n(sk.ino, 8)}\n`;
  }
  return text;
}
export function netlinkInit(k: Kernel): void {
  k.net.families.set(S.AF_NETLINK, create);
  k.procfs.createNet('netlink', showNetlink);
}
