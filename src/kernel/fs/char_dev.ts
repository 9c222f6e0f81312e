import { ENODEV, ENXIO } from '../../abi/errno.ts';
import { majorOf, S_IFCHR, S_IFMT } from '../../abi/fs.ts';
import { openModuleFile } from './module_file.ts';
import type { FileOperations } from './types.ts';

const MISC_MAJOR = 10;

/** Device nodes: open finds the driver by number and hands the file over to it (chrdev_open). */
export const deviceFileOps: FileOperations = {
  open(k, inode, file) {
    if ((inode.mode & S_IFMT) !== S_IFCHR) return -ENXIO;
    const op = k.drivers.chrdevOps(inode.rdev);
    if (op === null) {
      const target = k.drivers.openTarget(inode.rdev);
      if (target === null) return majorOf(inode.rdev) === MISC_MAJOR ? -ENODEV : -ENXIO;
      return openModuleFile(k, inode, file, target);
    }
    (file as { op: FileOperations }).op = op;
    return op.open?.(k, inode, file) ?? 0;
  },
};
