import { cred as CRED } from '../abi/layout/structs.ts';
import type { Kernel } from './kernel.ts';

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
};

/** Capabilities after a change of user IDs (cap_emulate_setxuid). */
export function fixCaps(old: Cred, next: Cred, keepCaps: boolean): Cred {
  const hadRoot = old.uid === 0 || old.euid === 0 || old.suid === 0;
  const hasRoot = next.uid === 0 || next.euid === 0 || next.suid === 0;
  let { capEffective, capPermitted, capAmbient } = next;
  if (hadRoot && !hasRoot) {
    if (!keepCaps) capPermitted = 0n;
    capEffective = 0n;
    capAmbient = 0n;
  }
  if (old.euid === 0 && next.euid !== 0) capEffective = 0n;
  if (old.euid !== 0 && next.euid === 0) capEffective = capPermitted;
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
