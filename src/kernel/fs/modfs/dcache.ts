import { S_IFDIR, S_IFLNK, S_IFMT, S_IFREG } from '../../../abi/fs.ts';
import { dentry as DENTRY, dentry_operations as DOPS, inode as INODE, super_block as SB, super_operations as SOPS } from '../../../abi/layout/structs.ts';
import type { Kernel } from '../../kernel.ts';
import { load32, load64, loadString, store32, store64 } from '../../lib/guest_memory.ts';
import { writeKernel32, writeKernel64 } from '../../mm/maccess.ts';
import { before, type Step, stepAction, type StepState } from '../../module/steps.ts';
import { addDentry } from '../namei.ts';
import { kfree, makeGuestDentry } from '../module_file.ts';
import type { Dentry } from '../types.ts';
import { inodeOf } from './inode.ts';

// Dentries of modules' file systems (fs/dcache.c): a struct dentry in guest memory, counted; while it is hashed and has an inode a Dentry of the VFS
// stands for it.

/** d_flags: the kind of inode, bits 20 to 22. */
const ENTRY_TYPE = 7 << 20;
const DIRECTORY_TYPE = 2 << 20;
const REGULAR_TYPE = 4 << 20;
const SPECIAL_TYPE = 5 << 20;
const SYMLINK_TYPE = 6 << 20;
const OP_DELETE = 1 << 3;
const NAME_MAX = 255;

export const dentryName = (k: Kernel, addr: number) => loadString(k, load64(k, addr + DENTRY.d_name_name), NAME_MAX + 1);
const hashed = (k: Kernel, addr: number) => load64(k, addr + DENTRY.d_hash_pprev) !== 0;

/** d_alloc: an unhashed dentry of that name with one reference, which holds one of `parent`; 0 = no memory. */
export function dAlloc(k: Kernel, parent: number, name: string): number {
  const addr = makeGuestDentry(k, name, 0);
  if (addr === 0 || parent === 0) return addr;
  writeKernel64(k, addr + DENTRY.d_parent, parent);
  adopt(k, addr, load64(k, parent + DENTRY.d_sb));
  dget(k, parent);
  return addr;
}
/** Its super block, and the operations that come with it. */
function adopt(k: Kernel, addr: number, sb: number): void {
  const ops = load64(k, sb + SB.s_d_op);
  writeKernel64(k, addr + DENTRY.d_sb, sb);
  writeKernel64(k, addr + DENTRY.d_op, ops);
  if (ops !== 0 && load64(k, ops + DOPS.d_delete) !== 0) writeKernel32(k, addr + DENTRY.d_flags, OP_DELETE);
}
/** d_make_root. */
export function dMakeRoot(k: Kernel, inode: number): number {
  const addr = dAlloc(k, 0, '/');
  if (addr === 0) return 0;
  adopt(k, addr, load64(k, inode + INODE.i_sb));
  dInstantiate(k, addr, inode);
  return addr;
}
export function dget(k: Kernel, addr: number): void {
  store32(k, addr + DENTRY.d_lockref_count, load32(k, addr + DENTRY.d_lockref_count) + 1);
}
function entryType(mode: number): number {
  switch (mode & S_IFMT) {
    case S_IFDIR:
      return DIRECTORY_TYPE;
    case S_IFREG:
      return REGULAR_TYPE;
    case S_IFLNK:
      return SYMLINK_TYPE;
  }
  return SPECIAL_TYPE;
}
/** d_instantiate. */
export function dInstantiate(k: Kernel, addr: number, inode: number): void {
  if (inode === 0) return;
  store64(k, addr + DENTRY.d_inode, inode);
  store32(k, addr + DENTRY.d_flags, (load32(k, addr + DENTRY.d_flags) & ~ENTRY_TYPE) | entryType(load32(k, inode + INODE.i_mode) & 0xffff));
  show(k, addr);
}
/** d_add: hashed, with an inode or without one. */
export function dAdd(k: Kernel, addr: number, inode: number): void {
  // Only whether there is a place in a hash table is looked at.
  store64(k, addr + DENTRY.d_hash_pprev, addr + DENTRY.d_hash);
  dInstantiate(k, addr, inode);
}
/** The VFS sees it when it is hashed, has an inode, and its directory is seen. */
function show(k: Kernel, addr: number): void {
  const { modfs } = k.drivers;
  if (!hashed(k, addr) || modfs.dentries.has(addr)) return;
  const parent = modfs.dentries.get(load64(k, addr + DENTRY.d_parent));
  const inode = inodeOf(k, load64(k, addr + DENTRY.d_inode));
  if (parent === undefined || inode === null) return;
  remember(k, addr, addDentry(parent, dentryName(k, addr), inode));
}
export function remember(k: Kernel, addr: number, dentry: Dentry): void {
  k.drivers.modfs.dentries.set(addr, dentry);
  k.drivers.modfs.addresses.set(dentry, addr);
}
/** d_drop: lookups do not find it any more. */
export function dDrop(k: Kernel, addr: number): void {
  store64(k, addr + DENTRY.d_hash_pprev, 0);
  const dentry = k.drivers.modfs.dentries.get(addr);
  if (dentry === undefined) return;
  if (dentry.parent.children.get(dentry.name) === dentry) dentry.parent.children.delete(dentry.name);
  dentry.deleted = true;
}
function forget(k: Kernel, addr: number): void {
  const { modfs } = k.drivers;
  const dentry = modfs.dentries.get(addr);
  if (dentry === undefined) return;
  dDrop(k, addr);
  modfs.dentries.delete(addr);
  modfs.addresses.delete(dentry);
}
/** simple_empty. */
export function isEmpty(k: Kernel, addr: number): boolean {
  return (k.drivers.modfs.dentries.get(addr)?.children.size ?? 0) === 0;
}

/** dput as a step: the last reference lets go of one that is unhashed, or that its file system does not keep. */
export const dputStep = (dentry: number): Step => ({ act: 'dput', data: { dentry } });
stepAction('dput', (k, data, state) => {
  const dentry = data['dentry'] as number;
  if (dentry === 0) return;
  const left = load32(k, dentry + DENTRY.d_lockref_count) - 1;
  store32(k, dentry + DENTRY.d_lockref_count, left);
  if (left > 0) return;
  const ops = load64(k, dentry + DENTRY.d_op);
  const asked = !hashed(k, dentry) || ops === 0 ? 0 : load64(k, ops + DOPS.d_delete);
  if (!hashed(k, dentry)) kill(k, dentry, state);
  else if (asked !== 0) before(state, { call: asked, args: [dentry] }, { act: 'dput_asked', data });
});
stepAction('dput_asked', (k, data, state) => {
  const dentry = data['dentry'] as number;
  if (state.result !== 0 && load32(k, dentry + DENTRY.d_lockref_count) === 0) kill(k, dentry, state);
});
/** __dentry_kill. */
function kill(k: Kernel, dentry: number, state: StepState): void {
  const ops = load64(k, dentry + DENTRY.d_op);
  const release = ops === 0 ? 0 : load64(k, ops + DOPS.d_release);
  const parent = load64(k, dentry + DENTRY.d_parent);
  before(state, ...unlinkInode(k, dentry), { call: release, args: [dentry] }, { act: 'dentry_free', data: { dentry, parent: parent === dentry ? 0 : parent } });
}
stepAction('dentry_kill', (k, data, state) => kill(k, data['dentry'] as number, state));
/** dentry_unlink_inode. */
function unlinkInode(k: Kernel, dentry: number): Step[] {
  const inode = load64(k, dentry + DENTRY.d_inode);
  forget(k, dentry);
  if (inode === 0) return [];
  store64(k, dentry + DENTRY.d_inode, 0);
  store32(k, dentry + DENTRY.d_flags, load32(k, dentry + DENTRY.d_flags) & ~ENTRY_TYPE);
  const ops = load64(k, dentry + DENTRY.d_op);
  const iput = ops === 0 ? 0 : load64(k, ops + DOPS.d_iput);
  return [iput !== 0 ? { call: iput, args: [dentry, inode] } : iputStep(inode)];
}
stepAction('dentry_free', (k, data, state) => {
  forget(k, data['dentry'] as number);
  kfree(k, data['dentry'] as number);
  if (data['parent'] !== 0) before(state, dputStep(data['parent'] as number));
});
/** d_delete: without other users it has no inode any more, else it is unhashed. */
export function dDeleteSteps(k: Kernel, dentry: number): Step[] {
  if (load32(k, dentry + DENTRY.d_lockref_count) === 1) return unlinkInode(k, dentry);
  dDrop(k, dentry);
  return [];
}

/** iput as a step: the last reference frees the inode with the file system's functions. */
export const iputStep = (inode: number): Step => ({ act: 'iput', data: { inode } });
stepAction('iput', (k, data, state) => {
  const inode = data['inode'] as number;
  if (inode === 0) return;
  const left = load32(k, inode + INODE.i_count) - 1;
  store32(k, inode + INODE.i_count, left);
  if (left > 0) return;
  const ops = load64(k, load64(k, inode + INODE.i_sb) + SB.s_op);
  const op = (at: number) => (ops === 0 ? 0 : load64(k, ops + at));
  const free = op(SOPS.destroy_inode) || op(SOPS.free_inode);
  before(state, { call: op(SOPS.evict_inode), args: [inode] }, { act: 'inode_gone', data: { inode, own: free === 0 ? 1 : 0 } }, { call: free, args: [inode] });
});
stepAction('inode_gone', (k, data) => {
  const addr = data['inode'] as number;
  const inode = k.drivers.modfs.inodes.get(addr);
  if (inode !== undefined) {
    inode.freeze();
    k.drivers.modfs.inodes.delete(addr);
    k.drivers.guestInodes.delete(inode);
  }
  if (data['own'] === 1) kfree(k, addr);
});
