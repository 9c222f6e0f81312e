import { EBADF, EFAULT, EINVAL, ENOEXEC, EPERM } from '../../abi/errno.ts';
import { CAP_SYS_MODULE } from '../../abi/sched.ts';
import { Ehdr } from '../../abi/elf.ts';
import { FMODE_READ } from '../../abi/fs.ts';
import * as M from '../../abi/module.ts';
import * as NR from '../../abi/syscall_nr.ts';
import type { Kernel } from '../kernel.ts';
import type { File } from '../fs/types.ts';
import { unxz } from '../lib/xz.ts';
import { IovIter } from '../lib/iov_iter.ts';
import { copyFromUser, strncpyFromUser } from '../mm/uaccess.ts';
import { deleteModule, loadModule, resumeLoading } from '../module/main.ts';
import type { SyscallRow } from './table.ts';

// init_module(2), finit_module(2), delete_module(2).

const ARGS_MAX = 2 ** 20;
/** A module's file may be this large (kernel_read_file takes INT_MAX; here what RAM can hold anyway). */
const IMAGE_MAX = 2 ** 28;
const CHUNK = 65536;

function mayInitModule(k: Kernel): boolean {
  return k.current.capable(CAP_SYS_MODULE) && !k.modules.disabled;
}

function initModule(k: Kernel, image: number, length: number, args: number): number {
  if (!mayInitModule(k)) return -EPERM;
  if (length < Ehdr.sizeof || length > IMAGE_MAX) return -ENOEXEC;
  const bytes = copyFromUser(k, image, length);
  if (typeof bytes === 'number') return -EFAULT;
  return load(k, bytes, args, 0);
}
function finitModule(k: Kernel, fd: number, args: number, flags: number): number {
  if (!mayInitModule(k)) return -EPERM;
  const known = M.MODULE_INIT_IGNORE_MODVERSIONS | M.MODULE_INIT_IGNORE_VERMAGIC | M.MODULE_INIT_COMPRESSED_FILE;
  if ((flags & ~known) !== 0) return -EINVAL;
  const file = k.current.files.get(fd | 0);
  if (file === null || (file.mode & FMODE_READ) === 0) return -EBADF;
  const mapping = file.inode.mapping;
  if (mapping === null || mapping.size === 0) return -EINVAL;
  if ((flags & M.MODULE_INIT_COMPRESSED_FILE) !== 0) {
    const packed = readWhole(k, file, mapping.size);
    if (typeof packed === 'number') return packed;
    const plain = unxz(packed);
    if (plain === null) {
      k.printk.log(3, 'not an xz compressed module');
      return -EINVAL;
    }
    return load(k, plain, args, flags);
  }
  const bytes = readWhole(k, file, mapping.size);
  return typeof bytes === 'number' ? bytes : load(k, bytes, args, flags);
}
function readWhole(k: Kernel, file: File, size: number): Uint8Array | number {
  const bytes = new Uint8Array(size);
  for (let at = 0; at < bytes.length; at += CHUNK) {
    const part = bytes.subarray(at, Math.min(at + CHUNK, bytes.length));
    const n = file.op.read?.(k, file, IovIter.kernel(part), at) ?? -EINVAL;
    if (n < 0) return n;
  }
  return bytes;
}
function load(k: Kernel, image: Uint8Array, args: number, flags: number): number {
  const text = strncpyFromUser(k, args, ARGS_MAX);
  return typeof text === 'number' ? -EFAULT : loadModule(k, image, text, flags);
}

export const moduleSyscalls: readonly SyscallRow[] = [
  {
    nr: NR.NR_init_module,
    name: 'init_module',
    handler: (k, image, len, args) => resumeLoading(k) ?? initModule(k, image, len, args),
    support: 'full',
  },
  {
    nr: NR.NR_finit_module,
    name: 'finit_module',
    handler: (k, fd, args, flags) => resumeLoading(k) ?? finitModule(k, fd, args, flags),
    support: 'full',
  },
  {
    nr: NR.NR_delete_module,
    name: 'delete_module',
    handler(k, name, flags) {
      if (!mayInitModule(k)) return -EPERM;
      const text = strncpyFromUser(k, name, M.MODULE_NAME_LEN);
      if (typeof text === 'number') return -EFAULT;
      return deleteModule(k, text, flags | 0);
    },
    support: 'full',
  },
];
