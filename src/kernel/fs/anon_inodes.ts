import type { Kernel } from '../kernel.ts';
import type { FileOperations } from './types.ts';

/** Opens a file without a name in any tree and installs it: the descriptor, or -errno (fs/anon_inodes.c, anon_inode_getfd). */
export function installAnon(k: Kernel, name: string, op: FileOperations, data: unknown, flags: number, cloexec: boolean): number {
  const { files, signal, cred } = k.current;
  const fd = files.allocFd(0, signal.rlimit(7));
  if (fd < 0) return fd;
  const inode = k.vfs.newInode(k.vfs.anonSb, 0o600, {}, op);
  inode.uid = cred.fsuid;
  inode.gid = cred.fsgid;
  inode.nlink = 1;
  const file = k.vfs.anonFile(inode, name, flags);
  file.data = data;
  files.install(fd, file, cloexec);
  return fd;
}
/** A u64, little endian. */
export function bytesOfBig(value: bigint): Uint8Array {
  const bytes = new Uint8Array(8);
  new DataView(bytes.buffer).setBigUint64(0, value, true);
  return bytes;
}
/** Seeking succeeds and does nothing. */
export function noopLlseek(): number {
  return 0;
}
