import { EBADF, EFAULT, EINVAL, ELOOP, EOPNOTSUPP, EOVERFLOW, EPERM, ESTALE } from '../../abi/errno.ts';
import { AT_EMPTY_PATH, AT_FDCWD, AT_SYMLINK_NOFOLLOW } from '../../abi/fs.ts';
import type { Kernel } from '../kernel.ts';
import { copyFromUser, copyToUser } from '../mm/uaccess.ts';
import { isLink } from './namei.ts';
import type { Dentry, File, Inode, Path } from './types.ts';

// File handles: names for inodes that outlive path names (fs/exportfs/expfs.c, fs/fhandle.c, name_to_handle_at(2)).

const MAX_HANDLE_SZ = 128;
const CAP_DAC_READ_SEARCH = 2;
const AT_HANDLE_MNT_ID_UNIQUE = 1;
const AT_HANDLE_FID = 0x200;
const AT_SYMLINK_FOLLOW = 0x400;
/** Handle types: shmem's own, kernfs's (FILEID_KERNFS), and the one for file systems that cannot decode (FILEID_INO64_GEN). */
const FILEID_SHMEM = 1;
const FILEID_KERNFS = 0xfe;
const FILEID_INO64_GEN = 0x81;

export interface FileHandle {
  readonly type: number;
  readonly bytes: Uint8Array;
}
/** i_generation: tells an inode from a later one with its number. Here numbers are never used again. */
const generation = (inode: Inode) => (Math.imul(inode.ino + inode.sb.dev * 65_599, 0x9e37_79b1) | 1) >>> 0;

const SHMEM = ['tmpfs', 'rootfs', 'devtmpfs'];
/** Can a handle of this file system be opened again? */
const decodable = (inode: Inode) => SHMEM.includes(inode.sb.type) || inode.sb.type === 'sysfs';

/** The handle of an inode for those that only compare (exportfs_encode_fid). */
export function fileHandleOf(inode: Inode): FileHandle {
  const words = (...w: number[]) => new Uint8Array(Uint32Array.from(w).buffer);
  const low = inode.ino >>> 0;
  const high = Math.floor(inode.ino / 2 ** 32);
  if (SHMEM.includes(inode.sb.type)) return { type: FILEID_SHMEM, bytes: words(generation(inode), low, high) };
  if (inode.sb.type === 'sysfs') return { type: FILEID_KERNFS, bytes: words(low, high) };
  return { type: FILEID_INO64_GEN, bytes: words(low, high, generation(inode)) };
}

/** name_to_handle_at after the name is known: fills struct file_handle and the mount's id. */
export function nameToHandle(k: Kernel, path: Path, handlePtr: number, mountIdPtr: number, flags: number): number {
  const { inode } = path.dentry;
  if (!decodable(inode) && (flags & AT_HANDLE_FID) === 0) return -EOPNOTSUPP;
  const header = copyFromUser(k, handlePtr, 8);
  if (typeof header === 'number') return -EFAULT;
  const v = new DataView(header.buffer);
  const room = v.getUint32(0, true);
  if (room > MAX_HANDLE_SZ) return -EINVAL;
  const handle = fileHandleOf(inode);
  const fits = handle.bytes.length <= room;
  v.setUint32(0, handle.bytes.length, true);
  v.setUint32(4, fits ? handle.type : 0xff, true);
  const id = new Uint8Array((flags & AT_HANDLE_MNT_ID_UNIQUE) !== 0 ? 8 : 4);
  if (id.length === 8) new DataView(id.buffer).setBigUint64(0, path.mnt.uniqueId, true);
  else new DataView(id.buffer).setInt32(0, path.mnt.id, true);
  if (copyToUser(k, mountIdPtr, id) < 0 || copyToUser(k, handlePtr, header) < 0) return -EFAULT;
  if (!fits) return -EOVERFLOW;
  return copyToUser(k, handlePtr + 8, handle.bytes) < 0 ? -EFAULT : 0;
}
export function nameToHandleFlags(flags: number): number {
  if ((flags & ~(AT_SYMLINK_FOLLOW | AT_EMPTY_PATH | AT_HANDLE_FID | AT_HANDLE_MNT_ID_UNIQUE)) !== 0) return -EINVAL;
  return ((flags & AT_SYMLINK_FOLLOW) !== 0 ? 0 : AT_SYMLINK_NOFOLLOW) | (flags & AT_EMPTY_PATH);
}

function findInode(at: Dentry, ino: number): Dentry | null {
  const stack: Dentry[] = [at];
  for (let d = stack.pop(); d !== undefined; d = stack.pop()) {
    if (d.inode.ino === ino) return d;
    for (const child of d.children.values()) stack.push(child);
  }
  return null;
}
/** open_by_handle_at's path: what the handle at `ptr` names on the file system of `mountFd`. */
export function handleToPath(k: Kernel, mountFd: number, file: File | null, ptr: number): Path | number {
  const at = (mountFd | 0) === AT_FDCWD ? k.current.fs.pwd : file?.path;
  if (at === undefined) return -EBADF;
  if (!k.current.capable(CAP_DAC_READ_SEARCH)) return -EPERM;
  const header = copyFromUser(k, ptr, 8);
  if (typeof header === 'number') return -EFAULT;
  const h = new DataView(header.buffer);
  const size = h.getUint32(0, true);
  if (size === 0 || size > MAX_HANDLE_SZ) return -EINVAL;
  const bytes = copyFromUser(k, ptr + 8, size);
  if (typeof bytes === 'number') return -EFAULT;
  const { sb } = at.mnt;
  if (!decodable(sb.root.inode)) return -ESTALE;
  const v = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const kernfs = sb.type === 'sysfs';
  if (h.getUint32(4, true) !== (kernfs ? FILEID_KERNFS : FILEID_SHMEM) || size < (kernfs ? 8 : 12)) return -ESTALE;
  const from = kernfs ? 0 : 4;
  const dentry = findInode(sb.root, v.getUint32(from, true) + v.getUint32(from + 4, true) * 2 ** 32);
  if (dentry === null || (!kernfs && generation(dentry.inode) !== v.getUint32(0, true))) return -ESTALE;
  return isLink(dentry.inode) ? -ELOOP : { mnt: at.mnt, dentry };
}
