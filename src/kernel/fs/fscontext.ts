import { EBUSY, EINVAL, EMSGSIZE, ENODATA, ENODEV, EPERM } from '../../abi/errno.ts';
import { O_PATH, O_RDWR } from '../../abi/fs.ts';
import * as A from '../../abi/mount_api.ts';
import type { Kernel } from '../kernel.ts';
import { bytesOf } from '../lib/bytes.ts';
import { installAnon, noopLlseek } from './anon_inodes.ts';
import { treeRoot } from './mnt_namespace.ts';
import { dropTree, mountCapable } from './namespace.ts';
import type { File, FileOperations, Mount, Path, SuperBlock } from './types.ts';
import type { FileSystemType } from './vfs.ts';

// File system contexts: mounting step by step through a descriptor (fs/fsopen.c, fs/fs_context.c).

/** CREATE_PARAMS, AWAITING_MOUNT, RECONF_PARAMS and AWAITING_RECONF of enum fs_context_phase. */
type Phase = 'create' | 'created' | 'reconfigure' | 'done';

interface FsContext {
  readonly type: FileSystemType;
  phase: Phase;
  source: string | null;
  /** Options in the form that mount(2) takes. */
  options: string[];
  readOnly: boolean;
  sb: SuperBlock | null;
  /** What went wrong, for read(2). */
  readonly log: string[];
}

/** Options of every file system (fs/fs_context.c, common_set_sb_flag, common_clear_sb_flag); only ro has an effect. */
const COMMON_FLAGS = ['dirsync', 'lazytime', 'mand', 'ro', 'sync', 'async', 'nolazytime', 'nomand', 'rw'];

const contextOps: FileOperations = {
  llseek: noopLlseek,
  read(k, file, iter) {
    const { log } = file.data as FsContext;
    const text = log[0];
    if (text === undefined) return -ENODATA;
    if (text.length > iter.count) return -EMSGSIZE;
    log.shift();
    return iter.copyTo(k, bytesOf(text));
  },
};
const installContext = (k: Kernel, fc: FsContext, cloexec: boolean) =>
  installAnon(k, 'anon_inode:[fscontext]', contextOps, fc, O_RDWR, cloexec);

export function fsOpen(k: Kernel, name: string, cloexec: boolean): number {
  const type = k.vfs.types.get(name);
  if (type === undefined) return -ENODEV;
  if (!mountCapable(k, name)) return -EPERM;
  return installContext(k, { type, phase: 'create', source: null, options: [], readOnly: false, sb: null, log: [] }, cloexec);
}
/** fspick(2) after the name is known. */
export function fsPick(k: Kernel, path: Path, cloexec: boolean): number {
  const { sb } = path.mnt;
  const type = k.vfs.types.get(sb.type);
  if (path.dentry !== path.mnt.root || type === undefined) return -EINVAL;
  return installContext(
    k,
    { type, phase: 'reconfigure', source: path.mnt.source, options: [], readOnly: sb.readOnly, sb, log: [] },
    cloexec,
  );
}
/** The context behind a file, or -EINVAL. */
export function contextOf(file: File): FsContext | number {
  return file.op === contextOps ? (file.data as FsContext) : -EINVAL;
}

function complain(fc: FsContext, text: string): number {
  fc.log.push(`e ${text}\n`);
  return -EINVAL;
}
/** One option (vfs_parse_fs_param). `value` null: a flag; `plain` false: not a string, which no file system here takes. */
function setOption(k: Kernel, fc: FsContext, key: string, value: string | null, plain: boolean): number {
  if (key === '') return complain(fc, 'Unnamed parameter');
  if (value === null && plain && COMMON_FLAGS.includes(key)) {
    if (key === 'ro' || key === 'rw') fc.readOnly = key === 'ro';
    return 0;
  }
  const { name } = fc.type;
  const verdict = fc.type.parameter?.(k, key, value) ?? 'unknown';
  if (verdict === 'unknown' && key === 'source') {
    if (value === null || !plain) return complain(fc, 'Non-string source');
    if (fc.source !== null) return complain(fc, 'Multiple sources');
    fc.source = value;
    return 0;
  }
  if (verdict === 'unknown') return complain(fc, `${name}: Unknown parameter '${key}'`);
  if (verdict === 'bad' || !plain) return complain(fc, `${name}: Bad value for '${key}'`);
  fc.options.push(value === null ? key : `${key}=${value}`);
  return 0;
}
export interface ConfigValue {
  readonly key: string;
  /** Of FSCONFIG_SET_STRING. */
  readonly text: string | null;
}
/** fsconfig(2) after its arguments are read. */
export function fsConfig(k: Kernel, fc: FsContext, cmd: number, value: ConfigValue): number {
  if (fc.phase === 'done') {
    fc.phase = 'reconfigure';
    fc.options = [];
  }
  if (cmd < A.FSCONFIG_CMD_CREATE) {
    if (fc.phase !== 'create' && fc.phase !== 'reconfigure') return -EBUSY;
    return setOption(k, fc, value.key, value.text, cmd === A.FSCONFIG_SET_FLAG || cmd === A.FSCONFIG_SET_STRING);
  }
  const options = fc.options.join(',');
  if (cmd === A.FSCONFIG_CMD_RECONFIGURE) {
    if (fc.phase !== 'reconfigure' || fc.sb === null) return -EBUSY;
    const r = fc.type.remount?.(k, fc.sb, options, fc.readOnly) ?? 0;
    if (r < 0) return r;
    fc.sb.readOnly = fc.readOnly;
    fc.phase = 'done';
    return 0;
  }
  if (fc.phase !== 'create') return -EBUSY;
  const before = k.vfs.mounts.map((m) => m.sb);
  const sb = fc.type.mount(k, fc.source ?? 'none', options);
  if (typeof sb === 'number') return sb;
  if (cmd === A.FSCONFIG_CMD_CREATE_EXCL && before.includes(sb)) return -EBUSY;
  if (fc.readOnly) sb.readOnly = true;
  fc.sb = sb;
  fc.phase = 'created';
  return 0;
}
/** fsmount(2): the root of what was created, mounted nowhere yet. */
export function fsMount(k: Kernel, fc: FsContext, flags: number): File | number {
  if (fc.sb === null) return -EINVAL;
  if (fc.phase !== 'created') return -EBUSY;
  fc.phase = 'done';
  const mnt = k.vfs.attach(fc.sb, fc.sb.root, null, fc.source ?? 'none', flags);
  return openDetached(k, mnt);
}

/** A descriptor that holds a detached tree: with the last one it goes, unless it was mounted (dissolve_on_fput). */
const detachedOps: FileOperations = {
  release(k, file) {
    const { mnt } = file.path;
    if (treeRoot(mnt) === mnt && mnt.detached && k.vfs.mounts.includes(mnt)) dropTree(k, mnt);
  },
};
export function openDetached(k: Kernel, mnt: Mount): File {
  mnt.detached = true;
  return k.vfs.newFile({ mnt, dentry: mnt.root }, detachedOps, O_PATH);
}
