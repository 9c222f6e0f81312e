import { EBUSY, EINVAL, ENODEV, ENOMEM } from '../../../abi/errno.ts';
import {
  dentry as DENTRY,
  file_system_type as TYPE,
  fs_context as FC,
  fs_context_operations as FCOPS,
  rw_semaphore as RWSEM,
  super_block as SB,
  vfsmount as VFSMOUNT,
} from '../../../abi/layout/structs.ts';
import type { Kernel } from '../../kernel.ts';
import { text } from '../../lib/access.ts';
import { load32, load64, store32, store64 } from '../../lib/guest_memory.ts';
import { initListHead } from '../../lib/list.ts';
import { writeKernel32, writeKernel64, writeKernelBytes } from '../../mm/maccess.ts';
import { bytesOf } from '../../lib/bytes.ts';
import { modulePut, tryModuleGet } from '../../module/module.ts';
import { before, runSteps, type Step, stepAction } from '../../module/steps.ts';
import { symbolAddress } from '../../module/stubs.ts';
import { BLOCKED } from '../../sched/wait.ts';
import { kernelDev, kfree, kzalloc } from '../module_file.ts';
import type { Dentry, SuperBlock } from '../types.ts';
import type { FileSystemType } from '../vfs.ts';
import { dget, dputStep, remember } from './dcache.ts';
import { inodeOf } from './inode.ts';
import type { ModuleSuper } from './state.ts';

// File system types and super blocks of modules (fs/filesystems.c, super.c, fs_context.c, libfs.c).

const SB_KERNMOUNT = 1 << 22;
const SB_ACTIVE = 1 << 30;
const FS_REQUIRES_DEV = 1;
/** s_maxbytes of a file system that says nothing: MAX_NON_LFS. */
const MAX_NON_LFS = 0x7fff_ffff;
const PAGE_BITS = 12;

/** A struct file_system_type that a module registered. */
class ModuleFileSystem implements FileSystemType {
  readonly name: string;
  readonly nodev: boolean;
  readonly addr: number;
  constructor(name: string, nodev: boolean, addr: number) {
    this.name = name;
    this.nodev = nodev;
    this.addr = addr;
  }
  mount(k: Kernel): SuperBlock | number {
    // The host's own mounts run no code of modules.
    if (k.sched.loaded !== k.current) return -ENODEV;
    const root = runSteps(k, () => treeSteps(k, this.addr, 0));
    if (root === BLOCKED || (root < 0 && root > -4096)) return root;
    const owner = [...k.drivers.modfs.supers.values()].find((s) => k.drivers.modfs.addresses.get(s.sb.root) === root);
    if (owner === undefined) return -EINVAL;
    owner.mounts++;
    return owner.sb;
  }
}
/** register_filesystem: 0 or -EBUSY. */
export function registerFilesystem(k: Kernel, type: number): number {
  const name = text(k, load64(k, type + TYPE.name));
  if (k.vfs.types.has(name)) return -EBUSY;
  k.vfs.register(new ModuleFileSystem(name, (load32(k, type + TYPE.fs_flags) & FS_REQUIRES_DEV) === 0, type));
  return 0;
}
export function unregisterFilesystem(k: Kernel, type: number): number {
  const name = text(k, load64(k, type + TYPE.name));
  const known = k.vfs.types.get(name);
  if (!(known instanceof ModuleFileSystem) || known.addr !== type) return -EINVAL;
  k.vfs.types.delete(name);
  return 0;
}

/** A tree of that type, as fs_context_for_mount and vfs_get_tree make it: the value is its root dentry or -errno. */
function treeSteps(k: Kernel, type: number, flags: number): Step[] | number {
  const init = load64(k, type + TYPE.init_fs_context);
  if (init === 0) {
    k.printk.log(4, `${text(k, load64(k, type + TYPE.name))}: file systems without init_fs_context are not implemented`);
    return -EINVAL;
  }
  const fc = kzalloc(k, FC.sizeof);
  if (fc === 0) return -ENOMEM;
  writeKernel64(k, fc + FC.fs_type, type);
  writeKernel32(k, fc + FC.sb_flags, flags);
  writeKernel64(k, fc + FC.user_ns, symbolAddress(k, 'init_user_ns'));
  writeKernel64(k, fc + FC.net_ns, symbolAddress(k, 'init_net'));
  return [{ call: init, args: [fc] }, { act: 'modfs_context', data: { fc } }];
}
stepAction('modfs_context', (k, data, state) => {
  const fc = data['fc'] as number;
  const ops = load64(k, fc + FC.ops);
  const tree = state.result < 0 || ops === 0 ? 0 : load64(k, ops + FCOPS.get_tree);
  state.value = state.result < 0 ? state.result : -EINVAL;
  if (tree === 0) before(state, { act: 'kfree', data: { addr: fc } });
  else before(state, { call: tree, args: [fc] }, { act: 'modfs_tree', data });
});
stepAction('modfs_tree', (k, data, state) => {
  const fc = data['fc'] as number;
  const root = load64(k, fc + FC.root);
  state.value = state.result < 0 ? state.result : root === 0 ? -EINVAL : root;
  const ops = load64(k, fc + FC.ops);
  const free = ops === 0 ? 0 : load64(k, ops + FCOPS.free);
  const value = state.value;
  before(state, { call: free, args: [fc] }, { act: 'kfree', data: { addr: fc } }, { act: 'modfs_value', data: { value } });
});

/** get_tree_single and get_tree_nodev as steps; the value is 0 or -errno, fc->root the root with a reference. */
export function getTreeSteps(k: Kernel, fc: number, fill: number, single: boolean): Step[] | number {
  const type = load64(k, fc + FC.fs_type);
  const { modfs } = k.drivers;
  const known = single ? [...modfs.supers].find(([, s]) => s.type === type) : undefined;
  if (known !== undefined) {
    hold(k, fc, known[0], known[1]);
    return 0;
  }
  const owner = k.modules.byAddr.get(load64(k, type + TYPE.owner));
  if (owner !== undefined && !tryModuleGet(owner)) return -ENODEV;
  const addr = kzalloc(k, SB.sizeof);
  if (addr === 0) return -ENOMEM;
  const name = text(k, load64(k, type + TYPE.name));
  const sb = k.vfs.newSuperBlock(name, 0, false);
  sb.fixedOwners = true;
  sb.ofModule = true;
  writeKernel64(k, addr + SB.s_type, type);
  writeKernel32(k, addr + SB.s_dev, kernelDev(sb.dev));
  writeKernel32(k, addr + SB.s_flags, load32(k, fc + FC.sb_flags));
  writeKernel64(k, addr + SB.s_fs_info, load64(k, fc + FC.s_fs_info));
  writeKernel64(k, addr + SB.s_maxbytes, MAX_NON_LFS);
  writeKernel64(k, addr + SB.s_blocksize, 1 << PAGE_BITS);
  writeKernel32(k, addr + SB.s_active, 1);
  writeKernel32(k, addr + SB.s_count, 1);
  writeKernel64(k, addr + SB.s_user_ns, symbolAddress(k, 'init_user_ns'));
  writeKernelBytes(k, addr + SB.s_id, bytesOf(name.slice(0, 31)));
  for (const list of [SB.s_list, SB.s_mounts, SB.s_inodes, SB.s_inodes_wb, SB.s_umount + RWSEM.wait_list]) initListHead(k, addr + list);
  modfs.supers.set(addr, { sb, type, active: 0, mounts: 0 });
  return [{ call: fill, args: [addr, fc] }, { act: 'modfs_filled', data: { fc, sb: addr } }];
}
function hold(k: Kernel, fc: number, addr: number, sup: ModuleSuper): void {
  const root = load64(k, addr + SB.s_root);
  dget(k, root);
  store64(k, fc + FC.root, root);
  sup.active++;
  store32(k, addr + SB.s_active, sup.active);
}
stepAction('modfs_filled', (k, data, state) => {
  const addr = data['sb'] as number;
  const sup = k.drivers.modfs.supers.get(addr);
  const root = load64(k, addr + SB.s_root);
  const inode = root === 0 || sup === undefined ? null : inodeOf(k, load64(k, root + DENTRY.d_inode));
  state.value = state.result;
  if (state.value === 0 && (sup === undefined || inode === null)) state.value = -EINVAL;
  if (state.value < 0 || sup === undefined || inode === null) {
    // deactivate_locked_super.
    const { value } = state;
    const kill = sup === undefined ? 0 : load64(k, sup.type + TYPE.kill_sb);
    before(state, { call: kill, args: [addr] }, { act: 'modfs_super_gone', data: { sb: addr } }, { act: 'modfs_value', data: { value } });
    return;
  }
  store32(k, addr + SB.s_flags, load32(k, addr + SB.s_flags) | SB_ACTIVE);
  (sup.sb as { magic: number }).magic = load64(k, addr + SB.s_magic);
  k.vfs.makeRoot(sup.sb, inode);
  remember(k, root, sup.sb.root);
  hold(k, data['fc'] as number, addr, sup);
});
function freeSuper(k: Kernel, addr: number): void {
  const sup = k.drivers.modfs.supers.get(addr);
  if (sup === undefined) return;
  k.drivers.modfs.supers.delete(addr);
  const owner = k.modules.byAddr.get(load64(k, sup.type + TYPE.owner));
  kfree(k, addr);
  if (owner !== undefined) modulePut(owner);
}

/** deactivate_super as steps: the last user has the type's kill_sb called. */
function deactivateSteps(k: Kernel, addr: number): Step[] {
  const sup = k.drivers.modfs.supers.get(addr);
  if (sup === undefined) return [];
  sup.active--;
  store32(k, addr + SB.s_active, sup.active);
  const kill = sup.active > 0 ? 0 : load64(k, sup.type + TYPE.kill_sb);
  return [dputStep(load64(k, addr + SB.s_root)), { call: kill, args: [addr] }, ...(sup.active > 0 ? [] : [{ act: 'modfs_super_gone', data: { sb: addr } }])];
}
stepAction('modfs_super_gone', (k, data) => freeSuper(k, data['sb'] as number));
/** The last mount of it in the tree is gone (deactivate_super of each). */
export function putMounts(k: Kernel, sb: SuperBlock): void {
  const found = [...k.drivers.modfs.supers].find(([, s]) => s.sb === sb);
  if (found === undefined) return;
  const fn = symbolAddress(k, 'modfs_deactivate');
  for (; found[1].mounts > 0; found[1].mounts--) k.drivers.addWork(k, { kind: 'call', fn, arg: found[0] });
}
export const deactivate = (k: Kernel, addr: number) => runSteps(k, () => deactivateSteps(k, addr));

/** kill_litter_super and kill_anon_super: every dentry goes, the lowest first, of siblings the newest, with the references that keep it. */
export function killSuperSteps(k: Kernel, addr: number): Step[] {
  const sup = k.drivers.modfs.supers.get(addr);
  if (sup === undefined) return [];
  const steps: Step[] = [];
  if (load64(k, addr + SB.s_root) === 0 || (sup.sb.root as Dentry | null) === null) return [];
  const visit = (dentry: Dentry) => {
    for (const child of [...dentry.children.values()].reverse()) visit(child);
    const at = k.drivers.modfs.addresses.get(dentry);
    if (at !== undefined) steps.push({ act: 'modfs_genocide', data: { dentry: at } });
  };
  visit(sup.sb.root);
  return steps;
}
stepAction('modfs_genocide', (k, data, state) => {
  const dentry = data['dentry'] as number;
  if (k.drivers.modfs.dentries.has(dentry)) before(state, { act: 'dentry_kill', data: { dentry } });
});

/** simple_pin_fs(type, &mount, &count) as steps: 0 or -errno. */
export function pinSteps(k: Kernel, type: number, mount: number, count: number): Step[] | number {
  if (load64(k, mount) === 0) {
    const steps = treeSteps(k, type, SB_KERNMOUNT);
    return typeof steps === 'number' ? steps : [...steps, { act: 'modfs_pinned', data: { mount, count } }];
  }
  return pinned(k, mount, count);
}
function pinned(k: Kernel, mount: number, count: number): number {
  const mnt = load64(k, mount);
  k.drivers.modfs.pins.set(mnt, (k.drivers.modfs.pins.get(mnt) ?? 0) + 1);
  store32(k, count, load32(k, count) + 1);
  return 0;
}
stepAction('modfs_pinned', (k, data, state) => {
  const root = state.value;
  if (root < 0 && root > -4096) return;
  const mnt = kzalloc(k, VFSMOUNT.sizeof);
  state.value = mnt === 0 ? -ENOMEM : 0;
  if (mnt === 0) return;
  writeKernel64(k, mnt + VFSMOUNT.mnt_root, root);
  writeKernel64(k, mnt + VFSMOUNT.mnt_sb, load64(k, root + DENTRY.d_sb));
  writeKernel64(k, mnt + VFSMOUNT.mnt_idmap, symbolAddress(k, 'nop_mnt_idmap'));
  store64(k, data['mount'] as number, mnt);
  pinned(k, data['mount'] as number, data['count'] as number);
});
/** simple_release_fs. */
export function releaseSteps(k: Kernel, mount: number, count: number): Step[] {
  const mnt = load64(k, mount);
  const left = load32(k, count) - 1;
  store32(k, count, left);
  if (left === 0) store64(k, mount, 0);
  const holders = (k.drivers.modfs.pins.get(mnt) ?? 1) - 1;
  k.drivers.modfs.pins.set(mnt, holders);
  if (holders > 0) return [];
  k.drivers.modfs.pins.delete(mnt);
  const sb = load64(k, mnt + VFSMOUNT.mnt_sb);
  kfree(k, mnt);
  return deactivateSteps(k, sb);
}
