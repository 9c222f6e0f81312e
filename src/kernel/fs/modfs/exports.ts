import { EISDIR, ENOENT, ENOMEM, ENOTEMPTY } from '../../../abi/errno.ts';
import { dtypeOf } from '../../../abi/fs.ts';
import {
  address_space_operations as AOPS,
  dentry as DENTRY,
  iattr as IATTR,
  inode as INODE,
  mnt_idmap as IDMAP,
  path as PATH,
  super_block as SB,
  vfsmount as VFSMOUNT,
} from '../../../abi/layout/structs.ts';
import type { Kernel } from '../../kernel.ts';
import { text } from '../../lib/access.ts';
import { load32, load64, loadBytes, store32, store64, storeBig, storeBytes } from '../../lib/guest_memory.ts';
import { type DataExport, type FunctionExport, fn, internal, partial } from '../../module/export.ts';
import { runSteps } from '../../module/steps.ts';
import { imageObject } from '../../module/stubs.ts';
import { BLOCKED } from '../../sched/wait.ts';
import { kfree, kzalloc, makeGuestDentry } from '../module_file.ts';
import { inodePermission, pathWalk } from '../namei.ts';
import type { Timespec } from '../types.ts';
import { dAdd, dAlloc, dDeleteSteps, dDrop, dget, dInstantiate, dMakeRoot, dputStep, iputStep, isEmpty } from './dcache.ts';
import { inodeOf, newInode } from './inode.ts';
import { deactivate, getTreeSteps, killSuperSteps, pinSteps, registerFilesystem, releaseSteps, unregisterFilesystem } from './super.ts';

// What file systems in modules import (fs/libfs.c, dcache.c, inode.c, super.c, namei.c).

const quiet = (r: number) => (r === BLOCKED ? BLOCKED : undefined);
const LOOKUP_FOLLOW = 1;
const LOOKUP_DIRECTORY = 2;

/** A struct timespec64 as a result: two registers. */
function timeResult(k: Kernel, t: Timespec): bigint {
  k.machine.regs.set(11, t.nsec);
  return BigInt(t.sec);
}
function setTime(k: Kernel, inode: number, sec: number, nsec: number, t: Timespec): void {
  storeBig(k, inode + sec, BigInt(t.sec));
  store32(k, inode + nsec, t.nsec);
}
function touch(k: Kernel, inode: number, ...which: readonly ('a' | 'm' | 'c')[]): Timespec {
  const now = k.vfs.now();
  for (const w of which) {
    if (w === 'a') setTime(k, inode, INODE.i_atime_sec, INODE.i_atime_nsec, now);
    else if (w === 'm') setTime(k, inode, INODE.i_mtime_sec, INODE.i_mtime_nsec, now);
    else setTime(k, inode, INODE.i_ctime_sec, INODE.i_ctime_nsec, now);
  }
  return now;
}
function addLinks(k: Kernel, inode: number, n: number): void {
  store32(k, inode + INODE.i_nlink, load32(k, inode + INODE.i_nlink) + n);
}
/** simple_unlink(dir, dentry). */
function simpleUnlink(k: Kernel, dir: number, dentry: number): number {
  const inode = load64(k, dentry + DENTRY.d_inode);
  touch(k, dir, 'm', 'c');
  touch(k, inode, 'c');
  addLinks(k, inode, -1);
  return runSteps(k, () => [dputStep(dentry)]);
}
/** Once for a call that is made again while dput runs. */
function once(k: Kernel, action: () => number): number {
  if (k.current.restart?.['steps'] !== undefined) return runSteps(k, () => 0);
  return action();
}
/** setattr_copy: mode, owner and times as ia_valid says. */
function simpleSetattr(k: Kernel, dentry: number, attr: number): number {
  const inode = load64(k, dentry + DENTRY.d_inode);
  const valid = load32(k, attr + IATTR.ia_valid);
  const copy = (bit: number, from: number, to: number) => {
    if ((valid & bit) !== 0) store32(k, inode + to, load32(k, attr + from));
  };
  copy(2, IATTR.ia_uid, INODE.i_uid);
  copy(4, IATTR.ia_gid, INODE.i_gid);
  if ((valid & 1) !== 0) storeBytes(k, inode + INODE.i_mode, loadBytes(k, attr + IATTR.ia_mode, 2).slice());
  if ((valid & 8) !== 0) store64(k, inode + INODE.i_size, load64(k, attr + IATTR.ia_size));
  const times = [
    [16, IATTR.ia_atime, INODE.i_atime_sec, INODE.i_atime_nsec],
    [32, IATTR.ia_mtime, INODE.i_mtime_sec, INODE.i_mtime_nsec],
    [64, IATTR.ia_ctime, INODE.i_ctime_sec, INODE.i_ctime_nsec],
  ] as const;
  for (const [bit, from, sec, nsec] of times) {
    if ((valid & bit) !== 0) setTime(k, inode, sec, nsec, { sec: load64(k, attr + from), nsec: load32(k, attr + from + 8) });
  }
  return 0;
}
/** kern_path(name, flags, path). A place in another file system gets a struct dentry that only its identity matters of. */
function kernPath(k: Kernel, name: number, flags: number, path: number): number {
  const found = pathWalk(k, k.current.fs.pwd, text(k, name, 4096), (flags & LOOKUP_FOLLOW) !== 0, (flags & LOOKUP_DIRECTORY) !== 0);
  if (typeof found === 'number') return found;
  const { modfs } = k.drivers;
  let dentry = modfs.addresses.get(found.dentry) ?? 0;
  if (dentry !== 0) dget(k, dentry);
  else {
    dentry = makeGuestDentry(k, found.dentry.name, 0);
    if (dentry === 0) return -ENOMEM;
    modfs.foreign.add(dentry);
  }
  const mnt = kzalloc(k, VFSMOUNT.sizeof);
  store64(k, mnt + VFSMOUNT.mnt_root, dentry);
  store64(k, mnt + VFSMOUNT.mnt_sb, load64(k, dentry + DENTRY.d_sb));
  store64(k, path + PATH.mnt, mnt);
  store64(k, path + PATH.dentry, dentry);
  return 0;
}
function pathPut(k: Kernel, path: number): number {
  return once(k, () => {
    const dentry = load64(k, path + PATH.dentry);
    kfree(k, load64(k, path + PATH.mnt));
    if (!k.drivers.modfs.foreign.delete(dentry)) return runSteps(k, () => [dputStep(dentry)]);
    kfree(k, dentry);
    return 0;
  });
}

export const modfsExports: readonly FunctionExport[] = [
  fn('register_filesystem', registerFilesystem),
  fn('unregister_filesystem', unregisterFilesystem),
  fn('get_tree_single', (k, fc, fill) => runSteps(k, () => getTreeSteps(k, fc, fill, true))),
  fn('get_tree_nodev', (k, fc, fill) => runSteps(k, () => getTreeSteps(k, fc, fill, false))),
  fn('kill_litter_super', (k, sb) => quiet(runSteps(k, () => killSuperSteps(k, sb)))),
  fn('kill_anon_super', (k, sb) => quiet(runSteps(k, () => killSuperSteps(k, sb)))),
  fn('simple_pin_fs', (k, type, mount, count) => runSteps(k, () => pinSteps(k, type, mount, count))),
  fn('simple_release_fs', (k, mount, count) => quiet(once(k, () => runSteps(k, () => releaseSteps(k, mount, count))))),
  internal('modfs_deactivate', deactivate),
  partial('new_inode', 'alloc_inode of the file system is not called', newInode),
  fn('iput', (k, inode) => quiet(runSteps(k, () => [iputStep(inode)]))),
  fn('free_inode_nonrcu', (k, inode) => kfree(k, inode)),
  fn('generic_delete_inode', () => 1),
  fn('get_next_ino', (k) => k.drivers.modfs.nextIno++),
  fn('iunique', (k, _sb, reserved) => {
    const { modfs } = k.drivers;
    modfs.nextUnique = Math.max(modfs.nextUnique, reserved) + 1;
    return modfs.nextUnique;
  }),
  fn('inc_nlink', (k, inode) => addLinks(k, inode, 1)),
  fn('drop_nlink', (k, inode) => addLinks(k, inode, -1)),
  fn('clear_nlink', (k, inode) => store32(k, inode + INODE.i_nlink, 0)),
  fn('set_nlink', (k, inode, n) => store32(k, inode + INODE.i_nlink, n)),
  fn('current_time', (k) => timeResult(k, k.vfs.now())),
  fn('inode_set_ctime_current', (k, inode) => timeResult(k, touch(k, inode, 'c'))),
  fn('simple_inode_init_ts', (k, inode) => timeResult(k, touch(k, inode, 'a', 'm', 'c'))),
  partial('inode_permission', 'only inodes of modules', (k, _idmap, inode, mask) => {
    const view = inodeOf(k, inode);
    return view === null ? 0 : inodePermission(k.current, view, mask & 7);
  }),
  fn('d_alloc_name', (k, parent, name) => dAlloc(k, parent, text(k, name, 256))),
  fn('d_make_root', (k, inode) => (inode === 0 ? 0 : dMakeRoot(k, inode))),
  fn('d_add', dAdd),
  fn('d_instantiate', dInstantiate),
  fn('d_drop', dDrop),
  fn('__d_drop', dDrop),
  fn('d_delete', (k, dentry) => quiet(runSteps(k, () => dDeleteSteps(k, dentry)))),
  fn('dput', (k, dentry) => quiet(runSteps(k, () => [dputStep(dentry)]))),
  fn('lockref_get', (k, lockref) => store32(k, lockref + 4, load32(k, lockref + 4) + 1)),
  fn('always_delete_dentry', () => 1),
  fn('d_parent_ino', (k, dentry) => load64(k, load64(k, load64(k, dentry + DENTRY.d_parent) + DENTRY.d_inode) + INODE.i_ino)),
  fn('simple_unlink', (k, dir, dentry) => once(k, () => simpleUnlink(k, dir, dentry))),
  fn('simple_rmdir', (k, dir, dentry) =>
    once(k, () => {
      if (!isEmpty(k, dentry)) return -ENOTEMPTY;
      addLinks(k, load64(k, dentry + DENTRY.d_inode), -1);
      addLinks(k, dir, -1);
      return simpleUnlink(k, dir, dentry);
    }),
  ),
  fn('simple_setattr', (k, _idmap, dentry, attr) => simpleSetattr(k, dentry, attr)),
  fn('simple_get_link', (k, _dentry, inode) => load64(k, inode + INODE.i_link)),
  fn('simple_statfs', (k, dentry, buf) => {
    const sb = load64(k, dentry + DENTRY.d_sb);
    storeBytes(k, buf, new Uint8Array(120));
    store64(k, buf, load64(k, sb + SB.s_magic));
    store64(k, buf + 8, 4096);
    store64(k, buf + 64, 255);
    return 0;
  }),
  fn('kfree_link', (k, at) => kfree(k, at)),
  fn('generic_read_dir', () => -EISDIR),
  fn('fs_umode_to_dtype', (_k, mode) => dtypeOf(mode & 0xffff)),
  fn('kern_path', kernPath),
  fn('path_put', (k, path) => quiet(pathPut(k, path))),
  partial('fsnotify', 'watches hear what the VFS does itself', () => 0),
  fn('sysfs_create_mount_point', (k, kobj, name) => {
    const dir = k.drivers.model.dirs.get(kobj);
    const made = dir === undefined ? -ENOENT : k.sysfs.mkdir(dir, text(k, name), 0o555);
    return typeof made === 'number' ? made : 0;
  }),
  fn('sysfs_remove_mount_point', (k, kobj, name) => {
    const node = k.drivers.model.dirs.get(kobj)?.children.get(text(k, name));
    if (node !== undefined) k.sysfs.remove(node);
  }),
  // filldir: one entry of iterate_shared; true goes on.
  internal('modfs_filldir', (k, ctx, name, length, _pos, ino, type) => {
    const bytes = loadBytes(k, name, length);
    k.drivers.modfs.listings.get(ctx)?.push({ name: String.fromCharCode(...bytes), ino, type });
    return 1;
  }),
];
export const modfsDataExports: readonly DataExport[] = [
  { name: 'nop_mnt_idmap', place: (k) => imageObject(k, IDMAP.sizeof, 8) },
  { name: 'ram_aops', place: (k) => imageObject(k, AOPS.sizeof, 8) },
];
