import { EINVAL, EPERM } from '../../abi/errno.ts';
import { S_IFDIR, S_IFREG } from '../../abi/fs.ts';
import { addDentry } from '../fs/namei.ts';
import { type TextFile, textFileOps } from '../fs/text_file.ts';
import type { InodeOperations } from '../fs/types.ts';
import type { Kernel } from '../kernel.ts';

// Lockdown (security/lockdown): what even root may not do, from the command line or securityfs on, and never less again (kernel_lockdown(7)).

const SECURITYFS_MAGIC = 0x7363_6673;
const LEVELS: readonly string[] = ['none', 'integrity', 'confidentiality'];
/** What is restricted: from which level on, and in Linux's words (lockdown_reasons). */
export const LOCKDOWN = {
  moduleSignature: { level: 1, text: 'unsigned module loading' },
  moduleParameters: { level: 1, text: 'unsafe module parameters' },
  debugfs: { level: 1, text: 'debugfs access' },
  tracefs: { level: 2, text: 'use of tracefs' },
} as const;
export type LockdownReason = keyof typeof LOCKDOWN;
const INTERVAL = 5e9; // ns; DEFAULT_RATELIMIT_INTERVAL
const BURST = 10;

export interface LockdownState {
  /** Index in LEVELS. */
  level: number;
  /** The rate limit of what is said: when it began, and how often in it; how often not. */
  begin: number;
  said: number;
  missed: number;
}
export function newLockdown(): LockdownState {
  return { level: 0, begin: 0, said: 0, missed: 0 };
}

/** security_locked_down: 0, or -EPERM and a line in the log. */
export function lockedDown(k: Kernel, reason: LockdownReason): number {
  const { level, text } = LOCKDOWN[reason];
  const state = k.lockdown;
  if (state.level < level) return 0;
  const now = k.time.now();
  if (state.begin === 0 || now - state.begin >= INTERVAL) {
    if (state.missed > 0) k.printk.log(4, `lockdown_is_locked_down: ${state.missed} callbacks suppressed`);
    state.begin = now;
    state.said = 0;
    state.missed = 0;
  }
  if (state.said++ < BURST) k.printk.log(5, `Lockdown: ${k.current.comm}: ${text} is restricted; see man kernel_lockdown.7`);
  else state.missed++;
  return -EPERM;
}
/** lock_kernel_down. */
function lockDown(k: Kernel, where: string, level: number): number {
  if (k.lockdown.level >= level) return -EPERM;
  k.lockdown.level = level;
  k.printk.log(5, `Kernel is locked down from ${where}; see man kernel_lockdown.7`);
  return 0;
}
/** lockdown= of the command line. */
export function lockdownParam(k: Kernel): void {
  const level = LEVELS.indexOf(k.param('lockdown') ?? '');
  if (level > 0) lockDown(k, 'command line', level);
}
const lockdownFile: TextFile = {
  show: (k) => `${LEVELS.map((name, i) => (i === k.lockdown.level ? `[${name}]` : name)).join(' ')}\n`,
  store(k, text) {
    const level = LEVELS.indexOf(text.replace(/\n$/, ''));
    return level < 0 ? -EINVAL : lockDown(k, 'securityfs', level);
  },
};
const inodeOps: InodeOperations = { setattr: () => 0 };
/** securityfs, with what there is in it (security/inode.c). */
export function securityfsInit(k: Kernel): void {
  const sb = k.vfs.newSuperBlock('securityfs', SECURITYFS_MAGIC, false);
  k.vfs.makeRoot(sb, k.vfs.newInode(sb, S_IFDIR | 0o755, inodeOps, {}));
  const file = (name: string, mode: number, data: TextFile) => addDentry(sb.root, name, { ...k.vfs.newInode(sb, S_IFREG | mode, inodeOps, textFileOps), data, size: 0 });
  file('lockdown', 0o644, lockdownFile);
  file('lsm', 0o444, { show: () => 'lockdown,capability' });
  k.vfs.register({ name: 'securityfs', nodev: true, mount: () => sb });
}
