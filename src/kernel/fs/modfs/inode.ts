import { inode as INODE, rw_semaphore as RWSEM } from '../../../abi/layout/structs.ts';
import type { Kernel } from '../../kernel.ts';
import { load64 } from '../../lib/guest_memory.ts';
import { initListHead } from '../../lib/list.ts';
import { writeKernel32, writeKernel64 } from '../../mm/maccess.ts';
import { kzalloc } from '../module_file.ts';
import { moduleDirOps, moduleFop } from './operations.ts';
import { ModuleInode } from './state.ts';

// Inodes of modules' file systems (fs/inode.c).

/** inode_init_always of zeroed memory. */
export function initInode(k: Kernel, addr: number, sb: number): void {
  writeKernel64(k, addr + INODE.i_sb, sb);
  writeKernel32(k, addr + INODE.i_count, 1);
  writeKernel32(k, addr + INODE.i_nlink, 1);
  writeKernel64(k, addr + INODE.i_mapping, addr + INODE.i_data);
  writeKernel64(k, addr + INODE.i_data, addr);
  initListHead(k, addr + INODE.i_rwsem + RWSEM.wait_list);
  for (const list of [INODE.i_devices, INODE.i_io_list, INODE.i_lru, INODE.i_sb_list, INODE.i_wb_list]) initListHead(k, addr + list);
}
/** new_inode of a file system without an alloc_inode of its own; 0 = no memory. */
export function newInode(k: Kernel, sb: number): number {
  const addr = kzalloc(k, INODE.sizeof);
  if (addr !== 0) initInode(k, addr, sb);
  return addr;
}
/** The VFS's view of a struct inode; null when its super block is none of a module's. */
export function inodeOf(k: Kernel, addr: number): ModuleInode | null {
  const { modfs } = k.drivers;
  const known = modfs.inodes.get(addr);
  if (known !== undefined) return known;
  const sb = addr === 0 ? undefined : modfs.supers.get(load64(k, addr + INODE.i_sb));
  if (sb === undefined) return null;
  const inode = new ModuleInode(k, addr, sb.sb, moduleDirOps, moduleFop);
  modfs.inodes.set(addr, inode);
  // Files that are opened share it (module_file.ts), and do not free it.
  k.drivers.guestInodes.set(inode, { addr, users: 1 });
  return inode;
}
