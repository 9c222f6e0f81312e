import type { Kernel } from '../../kernel.ts';
import { Kernfs, kernfsInode, type KernfsNode } from './kernfs.ts';

const SYSFS_MAGIC = 0x6265_6572;

/** /sys with the directories that every Linux has (fs/sysfs/mount.c, drivers/base/init.c). */
export function sysfsInit(k: Kernel): void {
  const fs = new Kernfs();
  k.sysfs = fs;
  fs.sb = k.vfs.newSuperBlock('sysfs', SYSFS_MAGIC, true);
  for (const dir of [
    'block',
    'bus',
    'class',
    'dev/block',
    'dev/char',
    'devices/system',
    'devices/virtual',
    'firmware',
    'fs',
    'kernel',
    'module',
    'power',
  ])
    fs.mkdirs(dir);
  k.vfs.makeRoot(fs.sb, kernfsInode(k, fs.root));
  k.vfs.register({ name: 'sysfs', nodev: true, mount: (kk) => kk.sysfs.sb });
}

/** An attribute file whose text is fixed. */
export function sysfsText(k: Kernel, dir: KernfsNode, name: string, text: string, mode = 0o444): void {
  k.sysfs.createFile(dir, name, mode, { show: showData }, text);
}
const showData = (_k: Kernel, node: KernfsNode) => node.data as string;
