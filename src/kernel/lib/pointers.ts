import type { Kernel } from '../kernel.ts';
import type { SiphashKey } from './siphash.ts';

/** How kernel pointers may be printed (lib/vsprintf.c). */
export class PointerPolicy {
  /** no_hash_pointers on the command line: %p shows addresses. */
  readonly noHash: boolean;
  /** /proc/sys/kernel/kptr_restrict: 0 hash, 1 only for CAP_SYSLOG, 2 never. */
  kptrRestrict = 0;
  private hashKey: SiphashKey | null = null;

  constructor(noHash: boolean) {
    this.noHash = noHash;
  }
  /** The key of %p's hash, from the entropy door at its first use. */
  key(k: Kernel): SiphashKey {
    if (this.hashKey === null) {
      const bytes = new Uint8Array(16);
      k.host.entropy(bytes);
      const v = new DataView(bytes.buffer);
      this.hashKey = { k0: v.getBigUint64(0, true), k1: v.getBigUint64(8, true) };
    }
    return this.hashKey;
  }
}
