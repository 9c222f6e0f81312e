import { ECONNREFUSED, ENOMEM, ESRCH } from '../../../abi/errno.ts';
import { netlink_kernel_cfg as CFG, netlink_skb_parms as PARMS, nlmsghdr as NLH, sk_buff as SKB, sock as SOCK } from '../../../abi/layout/structs.ts';
import * as N from '../../../abi/netlink.ts';
import { kfree, kzalloc } from '../../fs/module_file.ts';
import type { Kernel } from '../../kernel.ts';
import { load32, load64, loadBytes, store32, store64, storeBytes } from '../../lib/guest_memory.ts';
import { writeKernel16, writeKernel32 } from '../../mm/maccess.ts';
import { asInt, callGuest } from '../../module/call.ts';
import { type FunctionExport, fn, partial } from '../../module/export.ts';
import { BLOCKED } from '../../sched/wait.ts';
import { allocSkb, freeSkb, skbBytes, skbPut } from '../core/skb_alloc.ts';
import { deliverTo, findPort, type NetlinkSock } from './af_netlink.ts';
import { NlMessage, viewOf } from './message.ts';

// Netlink protocols of modules (netlink_kernel_create) and the buffers that carry their messages (net/netlink/af_netlink.c, net/core/skbuff.c).

/** The kernel's end of a protocol that a module serves. */
export interface KernelSock {
  /** struct sock that the module holds. */
  readonly addr: number;
  readonly protocol: number;
  readonly groups: number;
  /** Called with each buffer that programs send; 0 = they are refused. */
  readonly input: number;
}
const DATA_MAX = 2 ** 22;
const align = (n: number, to: number) => Math.ceil(n / to) * to;

/** __nlmsg_put(skb, portid, seq, type, length, flags): the header. */
function nlmsgPut(k: Kernel, skb: number, portid: number, seq: number, type: number, length: number, flags: number): number {
  const size = N.NLMSG_HDRLEN + length;
  const h = skbPut(k, skb, align(size, 4));
  if (h === 0) return 0;
  writeKernel32(k, h + NLH.nlmsg_len, size);
  writeKernel16(k, h + NLH.nlmsg_type, type);
  writeKernel16(k, h + NLH.nlmsg_flags, flags);
  writeKernel32(k, h + NLH.nlmsg_seq, seq);
  writeKernel32(k, h + NLH.nlmsg_pid, portid);
  storeBytes(k, h + size, new Uint8Array(align(size, 4) - size));
  return h;
}
const sockAt = (k: Kernel, addr: number) => [...k.net.netlinkKernel.values()].find((s) => s.addr === addr) ?? null;

/** __netlink_kernel_create: the struct sock, NULL when the protocol is served already. */
function create(k: Kernel, protocol: number, cfg: number): number {
  if (protocol < 0 || protocol >= N.MAX_LINKS || k.net.netlinkKernel.has(protocol) || N.KERNEL_PROTOCOLS.includes(protocol)) return 0;
  const addr = kzalloc(k, SOCK.sizeof);
  if (addr === 0) return 0;
  const groups = cfg === 0 ? 0 : load32(k, cfg + CFG.groups);
  k.net.netlinkKernel.set(protocol, { addr, protocol, groups: Math.max(groups, 32), input: cfg === 0 ? 0 : load64(k, cfg + CFG.input) });
  return addr;
}
function release(k: Kernel, addr: number): void {
  const sock = sockAt(k, addr);
  if (sock === null) return;
  k.net.netlinkKernel.delete(sock.protocol);
  kfree(k, addr);
}
/** netlink_unicast: the bytes that were delivered, or -errno; the buffer is used up. */
function unicast(k: Kernel, addr: number, skb: number, portid: number): number {
  const sock = sockAt(k, addr);
  const to = sock === null ? null : findPort(k, sock.protocol, portid >>> 0);
  const data = skbBytes(k, skb);
  freeSkb(k, skb);
  if (to === null) return -ECONNREFUSED;
  return deliverTo(k, to, data, 0) ? data.length : -11;
}
/** netlink_broadcast: to who joined the group, except `portid`. */
function broadcast(k: Kernel, addr: number, skb: number, portid: number, group: number): number {
  const sock = sockAt(k, addr);
  const data = skbBytes(k, skb);
  freeSkb(k, skb);
  let delivered = 0;
  if (sock !== null)
    for (const to of k.net.netlink)
      if (to.protocol === sock.protocol && to.groups.has(group) && to.portid !== portid >>> 0 && deliverTo(k, to, data, group)) delivered++;
  return delivered > 0 ? 0 : -ESRCH;
}
/** netlink_ack(skb, header, error, ...) to the sender of `skb`. */
function ack(k: Kernel, skb: number, h: number, error: number): void {
  const protocol = protocolOf(k, skb);
  const to = findPort(k, protocol, load32(k, skb + SKB.cb + PARMS.portid));
  if (to === null) return;
  const capped = error === 0 || to.flags.has(N.NETLINK_CAP_ACK);
  const length = capped ? N.NLMSG_HDRLEN : Math.min(load32(k, h + NLH.nlmsg_len), DATA_MAX);
  const m = new NlMessage(N.NLMSG_ERROR, capped ? N.NLM_F_CAPPED : 0, load32(k, h + NLH.nlmsg_seq), to.portid).u32(error).put(loadBytes(k, h, length).slice());
  deliverTo(k, to, m.finish(), 0);
}
/** The protocol of a buffer from a program: NETLINK_CB(skb).sk names the kernel's end here. */
function protocolOf(k: Kernel, skb: number): number {
  return sockAt(k, load64(k, skb + SKB.cb + PARMS.sk))?.protocol ?? -1;
}
/** netlink_rcv_skb(skb, callback): each message in turn; its error, or the acknowledgement that was asked for, goes back. */
function rcvSkb(k: Kernel, skb: number, callback: number): number {
  const task = k.current;
  const data = load64(k, skb + SKB.data);
  const length = load32(k, skb + SKB.len);
  let at = (task.restart?.['at'] as number | undefined) ?? 0;
  while (at + N.NLMSG_HDRLEN <= length) {
    const h = data + at;
    const size = load32(k, h + NLH.nlmsg_len);
    if (size < N.NLMSG_HDRLEN || size > length - at) return 0;
    const v = viewOf(loadBytes(k, h, N.NLMSG_HDRLEN));
    const [type, flags] = [v.getUint16(NLH.nlmsg_type, true), v.getUint16(NLH.nlmsg_flags, true)];
    let error = 0;
    if ((flags & N.NLM_F_REQUEST) !== 0 && type >= N.NLMSG_MIN_TYPE) {
      task.restart = { ...task.restart, at };
      const r = callGuest(k, callback, skb, h, 0);
      if (r === null) return BLOCKED;
      task.calls = [];
      task.callIndex = 0;
      error = asInt(r);
    }
    if (((flags & N.NLM_F_ACK) !== 0 || error !== 0) && error !== -4) ack(k, skb, h, error);
    at += align(size, 4);
  }
  return 0;
}

/** netlink_unicast_kernel: a program's message to a module. The bytes, -ECONNREFUSED or BLOCKED. */
export function sendToModule(k: Kernel, sk: NetlinkSock, to: KernelSock, data: Uint8Array): number {
  const task = k.current;
  if (to.input === 0) return -ECONNREFUSED;
  let skb = task.restart?.['skb'] as number | undefined;
  if (skb === undefined) {
    skb = allocSkb(k, data.length);
    if (skb === 0) return -ENOMEM;
    storeBytes(k, skbPut(k, skb, data.length), data);
    const cb = skb + SKB.cb;
    store32(k, cb + PARMS.creds, task.tgid);
    store32(k, cb + PARMS.creds + 4, task.cred.euid);
    store32(k, cb + PARMS.creds + 8, task.cred.egid);
    store32(k, cb + PARMS.portid, sk.portid);
    store64(k, cb + PARMS.sk, to.addr);
    store64(k, skb + SKB.sk, to.addr);
    task.restart = { ...task.restart, skb };
  }
  if (callGuest(k, to.input, skb) === null) return BLOCKED;
  task.restart = { ...task.restart, skb: undefined };
  freeSkb(k, skb);
  return data.length;
}

export const netlinkExports: readonly FunctionExport[] = [
  fn('__nlmsg_put', (k, skb, portid, seq, type, length) => nlmsgPut(k, skb, portid, seq, type, length | 0, k.machine.regs.get(15))),
  partial('__netlink_kernel_create', 'bind and unbind are not called', (k, _net, unit, _module, cfg) => create(k, unit | 0, cfg)),
  fn('netlink_kernel_release', release),
  fn('netlink_unicast', (k, sock, skb, portid) => unicast(k, sock, skb, portid)),
  fn('netlink_broadcast', (k, sock, skb, portid, group) => broadcast(k, sock, skb, portid, group >>> 0)),
  partial('netlink_broadcast_filtered', 'the filter is not asked', (k, sock, skb, portid, group) => broadcast(k, sock, skb, portid, group >>> 0)),
  partial('netlink_ack', 'no extended acknowledgements', (k, skb, h, error) => ack(k, skb, h, error | 0)),
  fn('netlink_rcv_skb', (k, skb, callback) => rcvSkb(k, skb, callback)),
];
