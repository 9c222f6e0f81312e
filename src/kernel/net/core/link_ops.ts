import * as E from '../../../abi/errno.ts';
import * as IF from '../../../abi/if.ts';
import { netlink_ext_ack as EXTACK, net_device as ND, rtnl_link_ops as OPS } from '../../../abi/layout/structs.ts';
import * as D from '../../../abi/netdevice.ts';
import * as N from '../../../abi/netlink.ts';
import { kfree, kzalloc } from '../../fs/module_file.ts';
import type { Kernel } from '../../kernel.ts';
import { text } from '../../lib/access.ts';
import { cstringOf } from '../../lib/bytes.ts';
import { load32, load64, store64, storeBytes } from '../../lib/guest_memory.ts';
import { initListHead, listDel, listNodes } from '../../lib/list.ts';
import { kernelBytes, readKernel16, writeKernel32, writeKernel64, writeKernel8, writeKernelBytes } from '../../mm/maccess.ts';
import { before, type Step, stepAction, type StepState } from '../../module/steps.ts';
import { symbolAddress } from '../../module/stubs.ts';
import { parseAttrs, viewOf } from '../netlink/message.ts';
import { addressSteps, allocSteps, carrierSteps, changeFlagsSteps, changeName, devByIndex, devByName, mtuSteps, registerSteps, unregisterSteps } from './dev.ts';
import { netdevNotify } from './dev_chain.ts';
import { type NetDevice, netdevAt } from './net_device.ts';

// Kinds of interfaces that modules provide (rtnl_link_register) and what programs do with them: new links, changes and deletion
// (net/core/rtnetlink.c). Attributes of a request are copied to guest memory, where the functions of a kind expect them.

const kindOf = (k: Kernel, ops: number) => (ops === 0 ? '' : text(k, load64(k, ops + OPS.kind)));
const opsByKind = (k: Kernel, kind: string) => k.net.linkOps.find((ops) => kindOf(k, ops) === kind) ?? 0;
/** The kind of an interface; '' = none. */
export const linkKind = (k: Kernel, dev: NetDevice) => kindOf(k, dev.pointer(ND.rtnl_link_ops));

/** __rtnl_link_register: 0 or -EEXIST. */
export function linkRegister(k: Kernel, ops: number): number {
  if (opsByKind(k, kindOf(k, ops)) !== 0) return -E.EEXIST;
  if ((load64(k, ops + OPS.alloc) !== 0 || load64(k, ops + OPS.setup) !== 0) && load64(k, ops + OPS.dellink) === 0)
    store64(k, ops + OPS.dellink, symbolAddress(k, 'unregister_netdevice_queue'));
  k.net.linkOps.push(ops);
  return 0;
}
/** __rtnl_link_unregister as steps: every interface of the kind goes. */
export function linkUnregisterSteps(k: Kernel, ops: number): Step[] {
  const mine = k.net.devices.filter((d) => d.pointer(ND.rtnl_link_ops) === ops);
  return [...mine.flatMap((d) => dellinkSteps(k, d)), { act: 'link_ops_gone', data: { ops } }];
}
stepAction('link_ops_gone', (k, data) => {
  const i = k.net.linkOps.indexOf(data['ops'] as number);
  if (i >= 0) k.net.linkOps.splice(i, 1);
});
/** rtnl_delete_link: the kind's function puts what goes on a list. */
export function dellinkSteps(k: Kernel, dev: NetDevice): Step[] {
  const dellink = load64(k, dev.pointer(ND.rtnl_link_ops) + OPS.dellink);
  if (dellink === symbolAddress(k, 'unregister_netdevice_queue')) return unregisterSteps(dev);
  const head = kzalloc(k, 16);
  if (head === 0) return [];
  initListHead(k, head);
  return [
    { call: dellink, args: [dev.addr, head] },
    { act: 'unregister_many', data: { head } },
    { act: 'link_kfree', data: { at: head } },
  ];
}
stepAction('link_kfree', (k, data) => kfree(k, data['at'] as number));
/** unregister_netdevice_many(head). */
stepAction('unregister_many', (k, data, state) => before(state, ...unregisterManySteps(k, data['head'] as number)));
export function unregisterManySteps(k: Kernel, head: number): Step[] {
  const nodes = listNodes(k, head);
  for (const node of nodes) {
    listDel(k, node);
    initListHead(k, node);
  }
  return nodes.flatMap((node) => {
    const dev = netdevAt(k, node - ND.unreg_list);
    return dev === null ? [] : unregisterSteps(dev);
  });
}

// Requests.

/** A table of attributes in guest memory, by type. */
function attributeTable(k: Kernel, attrs: ReadonlyMap<number, Uint8Array>, max: number): number {
  const entries = [...attrs].filter(([type]) => type <= max);
  const size = entries.reduce((n, [, v]) => n + 4 + ((v.length + 3) & ~3), (max + 1) * 8);
  const table = kzalloc(k, size);
  let at = table + (max + 1) * 8;
  for (const [type, value] of table === 0 ? [] : entries) {
    writeKernel64(k, table + type * 8, at);
    const head = new Uint8Array(4);
    new DataView(head.buffer).setUint16(0, 4 + value.length, true);
    new DataView(head.buffer).setUint16(2, type, true);
    writeKernelBytes(k, at, head);
    writeKernelBytes(k, at + 4, value);
    at += 4 + ((value.length + 3) & ~3);
  }
  return table;
}
/** An attribute of such a table. */
function attribute(k: Kernel, table: number, type: number): Uint8Array | undefined {
  const at = load64(k, table + type * 8);
  return at === 0 ? undefined : (kernelBytes(k, at + 4, (readKernel16(k, at) ?? 4) - 4)?.slice() ?? undefined);
}
const word = (b: Uint8Array | undefined) => (b === undefined || b.length < 4 ? undefined : viewOf(b).getInt32(0, true));
const freeStep = (at: number): Step[] => (at === 0 ? [] : [{ act: 'link_kfree', data: { at } }]);

export interface LinkRequest {
  readonly index: number;
  readonly flags: number;
  readonly change: number;
  readonly attrs: ReadonlyMap<number, Uint8Array>;
}
export const linkInfoKind = (attrs: ReadonlyMap<number, Uint8Array>) => {
  const info = attrs.get(N.IFLA_LINKINFO);
  const kind = info === undefined ? undefined : parseAttrs(info, 0).get(N.IFLA_INFO_KIND);
  return kind === undefined ? '' : cstringOf(kind);
};
export const kindKnown = (k: Kernel, kind: string) => opsByKind(k, kind) !== 0;

/** rtnl_newlink as steps: the kind's function validates, then a link is made or an existing one changed. */
export function newlinkSteps(k: Kernel, r: LinkRequest, nlFlags: number): Step[] | number {
  const ops = opsByKind(k, linkInfoKind(r.attrs));
  const tb = attributeTable(k, r.attrs, N.IFLA_MAX);
  const info = r.attrs.get(N.IFLA_LINKINFO);
  const own = info === undefined ? undefined : parseAttrs(info, 0).get(N.IFLA_INFO_DATA);
  const data = own === undefined ? 0 : attributeTable(k, parseAttrs(own, 0), load32(k, ops + OPS.maxtype));
  const extack = kzalloc(k, EXTACK.sizeof);
  const at = { ops, tb, data, extack, nlFlags, index: r.index, flags: r.flags, change: r.change };
  return [
    { call: ops === 0 ? 0 : load64(k, ops + OPS.validate), args: [tb, data, extack] },
    { act: 'newlink_validated', data: at },
    { act: 'extack', data: { extack } },
    ...[tb, data, extack].flatMap(freeStep),
  ];
}
/** What a function of the module said beside its errno. */
stepAction('extack', (k, data) => {
  const message = load64(k, (data['extack'] as number) + EXTACK._msg);
  if (message !== 0) k.net.extack = text(k, message, 256);
});
stepAction('newlink_validated', (k, data, state) => {
  state.value = state.result;
  if (state.value < 0) return;
  const [ops, tb, nlFlags] = [data['ops'] as number, data['tb'] as number, data['nlFlags'] as number];
  const given = attribute(k, tb, N.IFLA_IFNAME);
  const dev = findLink(k, data['index'] as number, given === undefined ? new Map() : new Map([[N.IFLA_IFNAME, given]]));
  if (typeof dev !== 'number') {
    const own = dev.pointer(ND.rtnl_link_ops);
    if ((nlFlags & N.NLM_F_EXCL) !== 0) state.value = -E.EEXIST;
    else if ((nlFlags & N.NLM_F_REPLACE) !== 0 || (ops !== 0 && ops !== own)) state.value = -E.EOPNOTSUPP;
    else before(state, { act: 'setlink', data: { ...data, dev: dev.addr, stage: 0 } });
    return;
  }
  if ((nlFlags & N.NLM_F_CREATE) === 0) state.value = dev;
  else if (ops === 0) unknownKind(k, state);
  else if (load64(k, ops + OPS.setup) === 0 || attribute(k, tb, N.IFLA_MAP) !== undefined || attribute(k, tb, N.IFLA_PROTINFO) !== undefined) state.value = -E.EOPNOTSUPP;
  if (state.value < 0) return;
  const [name, assign] = given === undefined ? [`${kindOf(k, ops)}%d`, D.NET_NAME_ENUM] : [cstringOf(given), D.NET_NAME_USER];
  const count = (type: number) => Math.max(1, Math.min(4096, word(attribute(k, tb, type)) ?? 1));
  const steps = allocSteps(k, load64(k, ops + OPS.priv_size), name, assign, load64(k, ops + OPS.setup), count(N.IFLA_NUM_TX_QUEUES), count(N.IFLA_NUM_RX_QUEUES));
  if (typeof steps === 'number') state.value = -E.ENOMEM;
  else before(state, ...steps, { act: 'newlink_made', data });
});
function unknownKind(k: Kernel, state: StepState): void {
  k.net.extack = 'Unknown device type';
  state.value = -E.EOPNOTSUPP;
}
stepAction('newlink_made', (k, data, state) => {
  const dev = netdevAt(k, state.value);
  if (dev === null) {
    state.value = -E.ENOMEM;
    return;
  }
  const [ops, tb] = [data['ops'] as number, data['tb'] as number];
  state.value = 0;
  writeKernel64(k, dev.addr + ND.rtnl_link_ops, ops);
  const mtu = word(attribute(k, tb, N.IFLA_MTU));
  if (mtu !== undefined) {
    if (mtu < 0 || mtu < dev.minMtu || (dev.maxMtu > 0 && mtu > dev.maxMtu)) state.value = -E.EINVAL;
    else dev.mtu = mtu;
  }
  const address = attribute(k, tb, N.IFLA_ADDRESS);
  if (address !== undefined) {
    writeKernelBytes(k, dev.pointer(ND.dev_addr), address.subarray(0, D.MAX_ADDR_LEN));
    writeKernel8(k, dev.addr + ND.addr_assign_type, D.NET_ADDR_SET);
  }
  const broadcast = attribute(k, tb, N.IFLA_BROADCAST);
  if (broadcast !== undefined) writeKernelBytes(k, dev.addr + ND.broadcast, broadcast.subarray(0, D.MAX_ADDR_LEN));
  const [queue, group] = [word(attribute(k, tb, N.IFLA_TXQLEN)), word(attribute(k, tb, N.IFLA_GROUP))];
  if (queue !== undefined) dev.txQueueLen = queue;
  if (group !== undefined) dev.group = group;
  const free: Step = { act: 'free_netdev', data: { dev: dev.addr } };
  if (state.value < 0) {
    before(state, free);
    return;
  }
  dev.index = data['index'] as number;
  const newlink = load64(k, ops + OPS.newlink);
  const then: Step = { act: 'newlink_registered', data: { ...data, dev: dev.addr } };
  if (newlink !== 0)
    before(state, { call: newlink, args: [symbolAddress(k, 'init_net'), dev.addr, tb, data['data'] as number, data['extack'] as number] }, { act: 'result', data: {} }, then);
  else {
    const steps = registerSteps(k, dev);
    if (typeof steps === 'number') state.value = steps;
    before(state, ...(typeof steps === 'number' ? [] : steps), then);
  }
});
stepAction('result', (_k, _data, state) => {
  state.value = state.result;
});
stepAction('newlink_registered', (k, data, state) => {
  const dev = netdevAt(k, data['dev'] as number);
  if (dev === null) return;
  if (state.value < 0) {
    const { value } = state;
    before(state, { act: 'free_netdev', data: { dev: dev.addr } }, { act: 'value', data: { value } });
    return;
  }
  const [flags, change] = [data['flags'] as number, data['change'] as number];
  if (flags !== 0 || change !== 0) before(state, ...changeFlagsSteps(dev, combineFlags(dev, flags, change)));
});
/** rtnl_dev_combine_flags. */
function combineFlags(dev: NetDevice, flags: number, change: number): number {
  return change === 0 ? flags : ((flags & change) | (((dev.flags & ~(IF.IFF_PROMISC | IF.IFF_ALLMULTI)) | dev.gflags) & ~change)) >>> 0;
}

/** do_setlink as steps, one attribute after the other; the first error ends it. */
export function setlinkSteps(k: Kernel, dev: NetDevice, r: LinkRequest): Step[] | number {
  const address = r.attrs.get(N.IFLA_ADDRESS);
  if (address !== undefined && address.length < dev.addrLen) return -E.EINVAL;
  const tb = attributeTable(k, r.attrs, N.IFLA_MAX);
  return tb === 0 ? -E.ENOMEM : [{ act: 'setlink', data: { dev: dev.addr, tb, flags: r.flags, change: r.change, index: r.index, stage: 0 } }, ...freeStep(tb)];
}
type Stage = (k: Kernel, dev: NetDevice, tb: number, data: Readonly<Record<string, number | string>>) => readonly Step[] | number;
const none: readonly Step[] = [];
const STAGES: readonly Stage[] = [
  (k, dev, tb) => {
    const address = attribute(k, tb, N.IFLA_ADDRESS);
    return address === undefined ? none : addressSteps(k, dev, address, dev.type);
  },
  (k, dev, tb) => {
    const mtu = word(attribute(k, tb, N.IFLA_MTU));
    return mtu === undefined ? none : mtuSteps(k, dev, mtu);
  },
  (k, dev, tb) => {
    dev.group = word(attribute(k, tb, N.IFLA_GROUP)) ?? dev.group;
    return none;
  },
  (k, dev, tb, data) => {
    const name = attribute(k, tb, N.IFLA_IFNAME);
    return name === undefined || (data['index'] as number) <= 0 || cstringOf(name) === '' ? none : changeName(k, dev, cstringOf(name));
  },
  (k, dev, tb) => {
    const alias = attribute(k, tb, N.IFLA_IFALIAS);
    if (alias === undefined) return none;
    if (alias.length >= IFALIASZ) return -E.EINVAL;
    dev.alias = cstringOf(alias);
    netdevNotify(k, dev, 'change');
    return none;
  },
  (k, dev, tb) => {
    const broadcast = attribute(k, tb, N.IFLA_BROADCAST);
    if (broadcast !== undefined) storeBytes(k, dev.addr + ND.broadcast, broadcast.subarray(0, dev.addrLen));
    return none;
  },
  (_k, dev, _tb, data) => {
    const [flags, change] = [data['flags'] as number, data['change'] as number];
    return flags === 0 && change === 0 ? none : changeFlagsSteps(dev, combineFlags(dev, flags, change));
  },
  (k, dev, tb) => {
    const carrier = attribute(k, tb, N.IFLA_CARRIER);
    return carrier === undefined || carrier.length === 0 ? none : carrierSteps(dev, carrier[0] !== 0);
  },
  (k, dev, tb) => {
    const length = word(attribute(k, tb, N.IFLA_TXQLEN));
    if (length === undefined || length === dev.txQueueLen) return none;
    writeKernel32(k, dev.addr + ND.tx_queue_len, length);
    netdevNotify(k, dev, 'change');
    return none;
  },
  (k, dev, tb) => {
    const spec = attribute(k, tb, N.IFLA_AF_SPEC);
    const mode = spec === undefined ? undefined : parseAttrs(parseAttrs(spec, 0).get(IPV6_FAMILY) ?? new Uint8Array(0), 0).get(N.IFLA_INET6_ADDR_GEN_MODE);
    if (mode === undefined || mode.length === 0) return none;
    if (mode[0] > 1) return -E.EOPNOTSUPP;
    dev.addrGenMode = mode[0];
    return none;
  },
];
const IFALIASZ = 256;
const IPV6_FAMILY = 10;
stepAction('setlink', (k, data, state: StepState) => {
  const dev = netdevAt(k, data['dev'] as number);
  const stage = data['stage'] as number;
  if (dev === null || stage >= STAGES.length || state.value < 0) return;
  const next = STAGES[stage](k, dev, data['tb'] as number, data);
  if (typeof next === 'number' && next < 0) {
    state.value = next;
    return;
  }
  before(state, ...(typeof next === 'number' ? [] : next), { act: 'setlink', data: { ...data, stage: stage + 1 } });
});

/** The interface that a struct ifinfomsg and its attributes name. */
export function findLink(k: Kernel, index: number, attrs: ReadonlyMap<number, Uint8Array>): NetDevice | number {
  const name = attrs.get(N.IFLA_IFNAME) ?? attrs.get(N.IFLA_ALT_IFNAME);
  if (index > 0) return devByIndex(k, index) ?? -E.ENODEV;
  if (name === undefined) return -E.EINVAL;
  return devByName(k, cstringOf(name)) ?? -E.ENODEV;
}
