import { addDentry } from '../namei.ts';
import { makeDev, S_IFCHR, S_IFDIR } from '../../../abi/fs.ts';
import type { Kernel } from '../../kernel.ts';
import { memInode } from '../tmpfs.ts';
import type { Dentry, SuperBlock } from '../types.ts';

// devpts: the slaves of pseudoterminals, and a ptmx of its own (fs/devpts/inode.c). One instance serves every mount.

const DEVPTS_MAGIC = 0x1cd1;

interface PtsOptions {
  uid: number | null;
  gid: number | null;
  mode: number;
  ptmxMode: number;
}
export class Devpts {
  readonly sb: SuperBlock;
  readonly options: PtsOptions = { uid: null, gid: null, mode: 0o600, ptmxMode: 0 };
  constructor(sb: SuperBlock) {
    this.sb = sb;
  }
}

function octal(n: number): string {
  return n.toString(8).padStart(3, '0');
}
/** As /proc/mounts shows the options. */
export function devptsShowOptions(o: PtsOptions): string {
  return `${o.uid !== null ? `uid=${o.uid},` : ''}${o.gid !== null ? `gid=${o.gid},` : ''}mode=${octal(o.mode)},ptmxmode=${octal(o.ptmxMode)}`;
}
function parse(o: PtsOptions, text: string): void {
  for (const part of text.split(',')) {
    const m = /^(uid|gid|mode|ptmxmode)=(\d+)$/.exec(part);
    if (m === null) continue;
    if (m[1] === 'uid') o.uid = Number(m[2]);
    else if (m[1] === 'gid') o.gid = Number(m[2]);
    else if (m[1] === 'mode') o.mode = Number.parseInt(m[2], 8) & 0o777;
    else o.ptmxMode = Number.parseInt(m[2], 8) & 0o777;
  }
}

function addNode(k: Kernel, sb: SuperBlock, name: string, mode: number, dev: number): Dentry {
  const inode = memInode(k, sb, S_IFCHR | mode, dev);
  return addDentry(sb.root, name, inode);
}
export function devptsAddNode(k: Kernel, index: number, dev: number, uid: number, gid: number): void {
  const { sb, options } = k.drivers.devpts;
  const { inode } = addNode(k, sb, String(index), options.mode, dev);
  inode.uid = options.uid ?? uid;
  inode.gid = options.gid ?? gid;
}
export function devptsRemoveNode(k: Kernel, index: number): void {
  const { sb } = k.drivers.devpts;
  const dentry = sb.root.children.get(String(index));
  if (dentry === undefined) return;
  sb.root.children.delete(String(index));
  dentry.deleted = true;
  dentry.inode.nlink = 0;
}

export function devptsInit(k: Kernel): void {
  const sb = k.vfs.newSuperBlock('devpts', DEVPTS_MAGIC, false);
  const root = memInode(k, sb, S_IFDIR | 0o755, 0);
  k.vfs.makeRoot(sb, root);
  const devpts = new Devpts(sb);
  k.drivers.devpts = devpts;
  const ptmx = addNode(k, sb, 'ptmx', 0, makeDev(5, 2));
  k.vfs.register({
    name: 'devpts',
    nodev: true,
    mount: (kk, _source, options) => {
      const d = kk.drivers.devpts;
      parse(d.options, options);
      d.sb.options = devptsShowOptions(d.options);
      ptmx.inode.mode = S_IFCHR | d.options.ptmxMode;
      return d.sb;
    },
  });
}
