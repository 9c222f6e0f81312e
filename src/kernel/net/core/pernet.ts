import { ENOMEM, ENOSPC } from '../../../abi/errno.ts';
import { net as NET, net_generic as GENERIC, pernet_operations as OPS } from '../../../abi/layout/structs.ts';
import { kfree, kzalloc } from '../../fs/module_file.ts';
import type { Kernel } from '../../kernel.ts';
import { load32, load64, store32, store64 } from '../../lib/guest_memory.ts';
import { initListHead, listAddTail, listDel } from '../../lib/list.ts';
import { type FunctionExport, partial } from '../../module/export.ts';
import { before, runSteps, type Step, stepAction } from '../../module/steps.ts';
import { symbolAddress } from '../../module/stubs.ts';
import { BLOCKED } from '../../sched/wait.ts';

// What modules keep for each network namespace (net/core/net_namespace.c): functions called when one begins and ends, and private data under a number.
// There is one namespace, init_net.

/** MIN_PERNET_OPS_ID: the first numbers lie over the header of struct net_generic. */
const FIRST_ID = GENERIC.sizeof / 8;
const IDS = 256;

/** net->gen, made when it is first wanted. */
function generic(k: Kernel): number {
  const at = symbolAddress(k, 'init_net') + NET.gen;
  const known = load64(k, at);
  if (known !== 0) return known;
  const made = kzalloc(k, IDS * 8);
  if (made !== 0) store32(k, made + GENERIC.s_len, IDS);
  store64(k, at, made);
  return made;
}
/** register_pernet_operations as steps: 0 or -errno. */
function registerSteps(k: Kernel, ops: number): Step[] | number {
  const [idAt, size] = [load64(k, ops + OPS.id), load64(k, ops + OPS.size)];
  const net = symbolAddress(k, 'init_net');
  if (idAt !== 0) {
    const table = generic(k);
    const ids = k.net.pernetIds;
    let id = FIRST_ID;
    while (ids.has(id)) id++;
    if (table === 0) return -ENOMEM;
    if (id >= IDS) return -ENOSPC;
    const data = size === 0 ? 0 : kzalloc(k, size);
    if (size !== 0 && data === 0) return -ENOMEM;
    ids.add(id);
    store32(k, idAt, id);
    store64(k, table + id * 8, data);
  }
  k.net.pernet.push(ops);
  return [{ call: load64(k, ops + OPS.init), args: [net] }, { act: 'pernet_begun', data: { ops } }];
}
stepAction('pernet_begun', (k, data, state) => {
  state.value = state.result;
  if (state.value >= 0) return;
  // What ends now is no namespace at all, but the functions for lists hear of it.
  const ops = data['ops'] as number;
  const { value } = state;
  before(state, ...batchSteps(k, ops, false), { act: 'pernet_release', data: { ops } }, { act: 'value', data: { value } });
});
stepAction('pernet_release', (k, data) => release(k, data['ops'] as number));
/** exit_batch_rtnl and exit_batch with a list of the namespaces that end: the only one, or none. Between them the function for one. */
function batchSteps(k: Kernel, ops: number, ends: boolean): Step[] {
  const net = symbolAddress(k, 'init_net');
  const batches = [OPS.exit_batch_rtnl, OPS.exit_batch].map((at) => load64(k, ops + at));
  const head = batches.every((fn) => fn === 0) ? 0 : kzalloc(k, 32);
  if (head !== 0) for (const list of [head, head + 16]) initListHead(k, list);
  if (head !== 0 && ends) listAddTail(k, net + NET.exit_list, head);
  const [batchRtnl, batch] = head === 0 ? [0, 0] : batches;
  const rtnl: Step[] =
    batchRtnl === 0
      ? []
      : [
          { call: symbolAddress(k, 'rtnl_lock'), args: [] },
          { call: batchRtnl, args: [head, head + 16] },
          { act: 'unregister_many', data: { head: head + 16 } },
          { call: symbolAddress(k, 'rtnl_unlock'), args: [] },
        ];
  const one: Step[] = ends ? [{ call: load64(k, ops + OPS.exit), args: [net] }] : [];
  return [...rtnl, ...one, { call: batch, args: [head] }, { act: 'pernet_list', data: { head, ends: ends ? 1 : 0 } }];
}
stepAction('pernet_list', (k, data, state) => {
  const head = data['head'] as number;
  if (head === 0) return;
  if (data['ends'] === 1) listDel(k, symbolAddress(k, 'init_net') + NET.exit_list);
  before(state, { act: 'link_kfree', data: { at: head } });
});
function release(k: Kernel, ops: number): void {
  const i = k.net.pernet.indexOf(ops);
  if (i >= 0) k.net.pernet.splice(i, 1);
  const idAt = load64(k, ops + OPS.id);
  if (idAt === 0) return;
  const id = load32(k, idAt);
  const slot = generic(k) + id * 8;
  kfree(k, load64(k, slot));
  store64(k, slot, 0);
  k.net.pernetIds.delete(id);
}
/** unregister_pernet_operations as steps. */
function unregisterSteps(k: Kernel, ops: number): Step[] {
  if (!k.net.pernet.includes(ops)) return [];
  const net = symbolAddress(k, 'init_net');
  return [{ call: load64(k, ops + OPS.pre_exit), args: [net] }, ...batchSteps(k, ops, true), { act: 'pernet_release', data: { ops } }];
}
const quiet = (r: number) => (r === BLOCKED ? BLOCKED : undefined);

export const pernetExports: readonly FunctionExport[] = [
  partial('register_pernet_subsys', 'there is one network namespace', (k, ops) => runSteps(k, () => registerSteps(k, ops))),
  partial('register_pernet_device', 'there is one network namespace', (k, ops) => runSteps(k, () => registerSteps(k, ops))),
  partial('unregister_pernet_subsys', 'there is one network namespace', (k, ops) => quiet(runSteps(k, () => unregisterSteps(k, ops)))),
  partial('unregister_pernet_device', 'there is one network namespace', (k, ops) => quiet(runSteps(k, () => unregisterSteps(k, ops)))),
];
