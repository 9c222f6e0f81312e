import { ENODEV, ENXIO } from '../../abi/errno.ts';
import { majorOf, minorOf, S_IFCHR, S_IFMT } from '../../abi/fs.ts';
import type { Kernel } from '../kernel.ts';
import { requestModule } from '../module/kmod.ts';
import { BLOCKED } from '../sched/wait.ts';
import { type OpenTarget, openModuleFile } from './module_file.ts';
import type { FileOperations } from './types.ts';

const MISC_MAJOR = 10;

/** base_probe, misc_open: nobody has this number; perhaps a module does that can be loaded. */
function askForDriver(k: Kernel, rdev: number): OpenTarget | null | typeof BLOCKED {
  // The host's own opens cannot wait.
  if (k.sched.loaded !== k.current) return null;
  const [major, minor] = [majorOf(rdev), minorOf(rdev)];
  const general = k.current.restart?.['generalAlias'] === true;
  let r = general ? 1 : requestModule(k, `char-major-${major}-${minor}`);
  if (r === BLOCKED) return BLOCKED;
  if (r > 0 && major !== MISC_MAJOR) {
    k.current.restart = { ...k.current.restart, generalAlias: true };
    r = requestModule(k, `char-major-${major}`);
    if (r === BLOCKED) return BLOCKED;
  }
  k.current.restart = null;
  return k.drivers.openTarget(rdev);
}

/** Device nodes: open finds the driver by number and hands the file over to it (chrdev_open). */
export const deviceFileOps: FileOperations = {
  open(k, inode, file) {
    if ((inode.mode & S_IFMT) !== S_IFCHR) return -ENXIO;
    const op = k.drivers.chrdevOps(inode.rdev);
    if (op === null) {
      const target = k.drivers.openTarget(inode.rdev) ?? askForDriver(k, inode.rdev);
      if (target === BLOCKED) return BLOCKED;
      if (target === null) return majorOf(inode.rdev) === MISC_MAJOR ? -ENODEV : -ENXIO;
      return openModuleFile(k, inode, file, target);
    }
    (file as { op: FileOperations }).op = op;
    return op.open?.(k, inode, file) ?? 0;
  },
};
