import { ENXIO } from '../../abi/errno.ts';
import { S_IFCHR, S_IFMT } from '../../abi/fs.ts';
import type { FileOperations } from './types.ts';

/** Device nodes: open finds the driver by number and hands the file over to it (chrdev_open). */
export const deviceFileOps: FileOperations = {
  open(k, inode, file) {
    if ((inode.mode & S_IFMT) !== S_IFCHR) return -ENXIO;
    const op = k.drivers.chrdevOps(inode.rdev);
    if (op === null) return -ENXIO;
    (file as { op: FileOperations }).op = op;
    return op.open?.(k, inode, file) ?? 0;
  },
};
