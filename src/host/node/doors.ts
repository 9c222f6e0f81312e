import { randomFillSync } from 'node:crypto';
import type { HostDirectory, HostDoors } from '../../kernel/host.ts';
import { SeededBytes } from '../prng.ts';

/** Boot time of a seeded run: 2026-01-01T00:00:00Z. */
const SEEDED_BOOT_SECONDS = 1767225600;

/** The doors of a Node process. With a seed nothing of the host's clock or entropy enters. */
export function nodeDoors(options: {
  seed: number | null;
  onConsole: (bytes: Uint8Array) => void;
  directories?: ReadonlyMap<string, HostDirectory>;
}): HostDoors {
  const directories = options.directories ?? new Map<string, HostDirectory>();
  if (options.seed !== null) {
    const bytes = new SeededBytes(options.seed ^ 0x5eed);
    return {
      consoleWrite: options.onConsole,
      entropy: (into) => bytes.fill(into),
      bootTime: () => ({ sec: SEEDED_BOOT_SECONDS, nsec: 0 }),
      elapsed: null,
      directories,
    };
  }
  const start = process.hrtime.bigint();
  const now = Date.now();
  return {
    consoleWrite: options.onConsole,
    entropy: (into) => void randomFillSync(into),
    bootTime: () => ({ sec: Math.floor(now / 1000), nsec: (now % 1000) * 1_000_000 }),
    elapsed: () => Number(process.hrtime.bigint() - start),
    directories,
  };
}
