import { cred as CRED } from '../abi/layout/structs.ts';
import type { Kernel } from './kernel.ts';
import { INIT_USER_NS, makeKid, type UserNamespace } from './user_namespace.ts';

/** Credentials of a task (include/linux/cred.h). Immutable: a change makes a new object (prepare_creds / commit_creds). */
export interface Cred {
  readonly uid: number;
  readonly gid: number;
  readonly suid: number;
  readonly sgid: number;
  readonly euid: number;
  readonly egid: number;
  readonly fsuid: number;
  readonly fsgid: number;
  readonly groups: readonly number[];
  /** Capability sets, bit n = CAP_n (capability.h). */
  readonly capEffective: bigint;
  readonly capPermitted: bigint;
  readonly capInheritable: bigint;
  readonly capBounding: bigint;
  readonly capAmbient: bigint;
  /** SECBIT_*. */
  readonly securebits: number;
  /** Where these capabilities count. */
  readonly userNs: UserNamespace;
}

/** include/uapi/linux/securebits.h */
export const SECBIT_NOROOT = 1;
export const SECBIT_NO_SETUID_FIXUP = 1 << 2;
export const SECBIT_KEEP_CAPS = 1 << 4;
export const SECBIT_KEEP_CAPS_LOCKED = 1 << 5;
export const SECBIT_NO_CAP_AMBIENT_RAISE = 1 << 6;
/** Every bit has a lock beside it. */
export const SECURE_ALL_BITS = 0x55;
export const SECURE_ALL_LOCKS = SECURE_ALL_BITS << 1;

/** Drops capabilities of fsuid when it stops being root, and gives them back (cap_task_fix_setuid, LSM_SETID_FS). */
const CAP_FS_SET = 0x0000_0003_0800_001fn;
export function fixFsCaps(old: Cred, next: Cred): Cred {
  if ((old.securebits & SECBIT_NO_SETUID_FIXUP) !== 0) return next;
  const root = makeKid(old.userNs, 'uid', 0);
  if (old.fsuid === root && next.fsuid !== root) return { ...next, capEffective: next.capEffective & ~CAP_FS_SET };
  if (old.fsuid !== root && next.fsuid === root) return { ...next, capEffective: next.capEffective | (next.capPermitted & CAP_FS_SET) };
  return next;
}

/** CAP_LAST_CAP is 40 (CAP_CHECKPOINT_RESTORE). */
export const CAP_FULL_SET = (1n << 41n) - 1n;

export const ROOT_CRED: Cred = {
  uid: 0,
  gid: 0,
  suid: 0,
  sgid: 0,
  euid: 0,
  egid: 0,
  fsuid: 0,
  fsgid: 0,
  groups: [],
  capEffective: CAP_FULL_SET,
  capPermitted: CAP_FULL_SET,
  capInheritable: 0n,
  capBounding: CAP_FULL_SET,
  capAmbient: 0n,
  securebits: 0,
  userNs: INIT_USER_NS,
};

/** Capabilities after a change of user IDs (cap_emulate_setxuid). */
export function fixCaps(old: Cred, next: Cred): Cred {
  if ((old.securebits & SECBIT_NO_SETUID_FIXUP) !== 0) return next;
  const root = makeKid(old.userNs, 'uid', 0);
  const hadRoot = old.uid === root || old.euid === root || old.suid === root;
  const hasRoot = next.uid === root || next.euid === root || next.suid === root;
  let { capEffective, capPermitted, capAmbient } = next;
  if (hadRoot && !hasRoot) {
    if ((old.securebits & SECBIT_KEEP_CAPS) === 0) {
      capPermitted = 0n;
      capEffective = 0n;
    }
    capAmbient = 0n;
  }
  if (old.euid === root && next.euid !== root) capEffective = 0n;
  if (old.euid !== root && next.euid === root) capEffective = capPermitted;
  return { ...next, capEffective, capPermitted, capAmbient };
}

/** Writes a struct cred for modules to read at physical address `at`. */
export function publishCred(k: Kernel, cred: Cred, at: number): void {
  const { ram } = k;
  ram.write32(at + CRED.usage, 2);
  const ids: readonly (readonly [number, number])[] = [
    [CRED.uid, cred.uid],
    [CRED.gid, cred.gid],
    [CRED.suid, cred.suid],
    [CRED.sgid, cred.sgid],
    [CRED.euid, cred.euid],
    [CRED.egid, cred.egid],
    [CRED.fsuid, cred.fsuid],
    [CRED.fsgid, cred.fsgid],
  ];
  for (const [offset, value] of ids) ram.write32(at + offset, value);
  ram.writeBig(at + CRED.cap_inheritable, cred.capInheritable);
  ram.writeBig(at + CRED.cap_permitted, cred.capPermitted);
  ram.writeBig(at + CRED.cap_effective, cred.capEffective);
  ram.writeBig(at + CRED.cap_bset, cred.capBounding);
  ram.writeBig(at + CRED.cap_ambient, cred.capAmbient);
}
