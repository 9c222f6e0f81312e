import { EINVAL } from '../../abi/errno.ts';
import type { Kernel } from '../kernel.ts';
import { seqLseek, seqRead, seqWrite } from '../lib/seq_file.ts';
import type { File, FileOperations } from './types.ts';

// Files of the kernel's own file systems (debugfs, tracefs) whose text is made when it is read, and whose writes are taken as one text.

/** What the inode of such a file holds. */
export interface TextFile {
  /** The text, or -errno. */
  readonly show?: (k: Kernel) => string | number;
  /** 0, bytes taken, or -errno. */
  readonly store?: (k: Kernel, text: string) => number;
  /** Opened for writing with O_TRUNC. */
  readonly truncate?: (k: Kernel) => void;
}
const of = (file: File) => file.inode.data as TextFile;
const O_TRUNC = 0o1000;
const show = (k: Kernel, file: File) => of(file).show?.(k) ?? -EINVAL;
const store = (k: Kernel, file: File, text: string) => {
  const r = of(file).store?.(k, text) ?? -EINVAL;
  return r === 0 ? text.length : r;
};
export const textFileOps: FileOperations = {
  open(k, _inode, file) {
    if ((file.flags & O_TRUNC) !== 0) of(file).truncate?.(k);
    return 0;
  },
  read: (k, file, iter, pos) => seqRead(k, file, iter, pos, show),
  write: (k, file, iter) => seqWrite(k, file, iter, store),
  llseek: seqLseek,
};
